"""Key pairs on the bench: a known one imported where the token takes it, else one of the token's own making."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib import resources
from typing import Any

import attrs
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from workbench.cryptoki import AttributeValue, C, CryptokiError
from workbench.inspection.probe.objects import READABLE, Bench, template

__all__ = ["OIDS", "Pair", "der_octets", "domain", "ec_pair", "edwards_pair", "point_of", "rsa_pair"]

# DER of the OIDs of the named curves (CKA_EC_PARAMS).
OIDS = {
    "P-192": "06082a8648ce3d030101",
    "P-224": "06052b81040021",
    "P-256": "06082a8648ce3d030107",
    "P-384": "06052b81040022",
    "P-521": "06052b81040023",
    "secp256k1": "06052b8104000a",
    "brainpoolP256r1": "06092b2403030208010107",
    "brainpoolP384r1": "06092b240303020801010b",
    "brainpoolP512r1": "06092b240303020801010d",
    "Ed25519": "06032b6570",
    "Ed448": "06032b6571",
    "X25519": "06032b656e",
    "X448": "06032b656f",
}
CURVES: dict[str, ec.EllipticCurve] = {
    "P-192": ec.SECP192R1(),
    "P-224": ec.SECP224R1(),
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
    "brainpoolP256r1": ec.BrainpoolP256R1(),
    "brainpoolP384r1": ec.BrainpoolP384R1(),
    "brainpoolP512r1": ec.BrainpoolP512R1(),
}
RAW: dict[str, tuple[int, Callable[[bytes], Any]]] = {
    "Ed25519": (32, ed25519.Ed25519PublicKey.from_public_bytes),
    "Ed448": (57, ed448.Ed448PublicKey.from_public_bytes),
    "X25519": (32, x25519.X25519PublicKey.from_public_bytes),
    "X448": (56, x448.X448PublicKey.from_public_bytes),
}


@attrs.frozen
class Pair:
    """A pair's handles; ``theirs`` is pyca's public key, ``ours`` its private key where the value is known."""

    public: int
    private: int
    theirs: Any
    ours: Any = None


@cache
def domain(name: str) -> Mapping[str, bytes]:
    """The domain parameters of DSA-1024 or MODP-2048 (RFC 3526, group 14): prime, subprime, base."""
    text = (
        resources.files("workbench.inspection").joinpath("data", "domains.json").read_text(encoding="utf-8")
    )
    rows: dict[str, str] = json.loads(text)[name]
    return {key: bytes.fromhex(value.zfill(len(value) + len(value) % 2)) for key, value in rows.items()}


def der_octets(raw: bytes) -> bytes:
    """A DER OCTET STRING, as CKA_EC_POINT has it by the standard."""
    size = len(raw)
    return b"\x04" + (bytes([size]) if size < 128 else b"\x81" + bytes([size])) + raw


def point_of(raw: bytes, sizes: tuple[int, ...]) -> bytes:
    """The point of a CKA_EC_POINT, whichever of the two forms it has; ``sizes``: lengths that a raw one may have."""
    if len(raw) in sizes:
        return raw
    body = raw[3:] if raw[1:2] == b"\x81" else raw[2:]
    return body if raw[:1] == b"\x04" and len(body) in sizes else raw


def number(value: int) -> bytes:
    """A big integer without leading zeros."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _uses(names: tuple[str, ...]) -> dict[str, AttributeValue]:
    return dict.fromkeys(names, True)


def _imported(
    bench: Bench,
    key_type: str,
    public: Mapping[str, AttributeValue],
    private: Mapping[str, AttributeValue],
) -> tuple[int, int]:
    kind: dict[str, AttributeValue] = {"CKA_KEY_TYPE": key_type}
    theirs = bench.create({"CKA_CLASS": "CKO_PUBLIC_KEY", **kind, **public})
    return theirs, bench.create({"CKA_CLASS": "CKO_PRIVATE_KEY", **kind, **READABLE, **private})


def generated(
    bench: Bench,
    mechanism: str,
    public: Mapping[str, AttributeValue],
    private: Mapping[str, AttributeValue],
) -> tuple[int, int]:
    """C_GenerateKeyPair with the bench's template; the handles."""
    made = C.GenerateKeyPair(
        bench.session, mechanism, template(bench.token, public), template(bench.token, private)
    )
    bench.mine(*made)
    return made


def rsa_pair(bench: Bench) -> Pair:
    """An RSA pair of 2048 bits for every use."""
    opens = _uses(("CKA_VERIFY", "CKA_ENCRYPT", "CKA_WRAP"))
    closes = _uses(("CKA_SIGN", "CKA_DECRYPT", "CKA_UNWRAP"))

    def make() -> Pair:
        ours = rsa.generate_private_key(65537, 2048)
        n = ours.private_numbers()
        numbers = {
            "CKA_MODULUS": number(n.public_numbers.n),
            "CKA_PUBLIC_EXPONENT": number(n.public_numbers.e),
        }
        secret = {
            "CKA_PRIVATE_EXPONENT": number(n.d),
            "CKA_PRIME_1": number(n.p),
            "CKA_PRIME_2": number(n.q),
            "CKA_EXPONENT_1": number(n.dmp1),
            "CKA_EXPONENT_2": number(n.dmq1),
            "CKA_COEFFICIENT": number(n.iqmp),
        }
        if bench.imports:
            with suppress(CryptokiError):
                pair = _imported(bench, "CKK_RSA", {**numbers, **opens}, {**numbers, **secret, **closes})
                return Pair(*pair, ours.public_key(), ours)
        size: dict[str, AttributeValue] = {"CKA_MODULUS_BITS": 2048, "CKA_PUBLIC_EXPONENT": 65537}
        pair = generated(bench, "CKM_RSA_PKCS_KEY_PAIR_GEN", {**size, **opens}, closes)
        return Pair(*pair, rsa_public(bench, pair[0]))

    return bench.kept(f"RSA {bench.imports}", make)


def rsa_public(bench: Bench, handle: int) -> rsa.RSAPublicKey:
    """Pyca's key of an RSA public key object."""
    n, e = (
        int.from_bytes(bench.value(handle, name), "big") for name in ("CKA_MODULUS", "CKA_PUBLIC_EXPONENT")
    )
    return rsa.RSAPublicNumbers(e, n).public_key()


def ec_public(bench: Bench, handle: int, curve: str) -> Any:
    """Pyca's key of an EC, Edwards or Montgomery public key object."""
    raw = bench.value(handle, "CKA_EC_POINT")
    if curve in RAW:
        size, load = RAW[curve]
        return load(point_of(raw, (size,)))
    size = (CURVES[curve].key_size + 7) // 8
    return ec.EllipticCurvePublicKey.from_encoded_point(
        CURVES[curve], point_of(raw, (1 + size, 1 + 2 * size))
    )


def ec_pair(bench: Bench, curve: str = "P-256") -> Pair:
    """An EC pair to sign with and to agree on keys."""
    opens, closes = _uses(("CKA_VERIFY",)), _uses(("CKA_SIGN", "CKA_DERIVE"))
    params: dict[str, AttributeValue] = {"CKA_EC_PARAMS": bytes.fromhex(OIDS[curve])}

    def make() -> Pair:
        ours = ec.generate_private_key(CURVES[curve])
        point = ours.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        value = number(ours.private_numbers().private_value)
        if bench.imports:
            with suppress(CryptokiError):
                pair = _imported(
                    bench,
                    "CKK_EC",
                    {**params, "CKA_EC_POINT": der_octets(point), **opens},
                    {**params, "CKA_VALUE": value, **closes},
                )
                return Pair(*pair, ours.public_key(), ours)
        pair = generated(bench, "CKM_EC_KEY_PAIR_GEN", {**params, **opens}, closes)
        return Pair(*pair, ec_public(bench, pair[0], curve))

    return bench.kept(f"{curve} {bench.imports}", make)


def edwards_pair(bench: Bench, curve: str = "Ed25519") -> Pair:
    """A pair of an Edwards (to sign) or Montgomery curve (to agree on keys), of the token's making."""
    edwards = curve.startswith("Ed")
    kind = "EDWARDS" if edwards else "MONTGOMERY"
    opens = _uses(("CKA_VERIFY",) if edwards else ())
    closes = _uses(("CKA_SIGN",) if edwards else ("CKA_DERIVE",))

    def make() -> Pair:
        params = {"CKA_EC_PARAMS": bytes.fromhex(OIDS[curve])}
        pair = generated(bench, f"CKM_EC_{kind}_KEY_PAIR_GEN", {**params, **opens}, closes)
        return Pair(*pair, ec_public(bench, pair[0], curve))

    return bench.kept(curve, make)


def dsa_pair(bench: Bench) -> Pair:
    """A DSA pair of 1024 bits with a known value."""
    d = domain("DSA-1024")

    def make() -> Pair:
        p, q, g = (int.from_bytes(d[name], "big") for name in ("prime", "subprime", "base"))
        ours = dsa.DSAParameterNumbers(p, q, g).parameters().generate_private_key()
        numbers = ours.private_numbers()
        params = {"CKA_PRIME": d["prime"], "CKA_SUBPRIME": d["subprime"], "CKA_BASE": d["base"]}
        pair = _imported(
            bench,
            "CKK_DSA",
            {**params, "CKA_VALUE": number(numbers.public_numbers.y), "CKA_VERIFY": True},
            {**params, "CKA_VALUE": number(numbers.x), "CKA_SIGN": True},
        )
        return Pair(*pair, ours.public_key(), ours)

    return bench.kept("DSA", make)
