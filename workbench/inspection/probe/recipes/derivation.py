"""Keys derived from keys: somebody else derives the same."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from workbench.cryptoki import C, mechanism, mechanisms
from workbench.inspection.probe.objects import template
from workbench.inspection.probe.recipes import ciphers
from workbench.inspection.probe.recipes.hashes import HASHES, Hash, digest
from workbench.inspection.probe.recipes.model import Recipe, Stage, same
from workbench.inspection.probe.recipes.pairs import domain, ec_pair, number

__all__ = ["RECIPES"]

BY = "pyca/cryptography"
BASE = b"input keying material of the key"[:32]
DATA = bytes(range(32))


def _base(stage: Stage) -> int:
    return stage.bench.kept(
        "derive", lambda: stage.bench.secret("CKK_GENERIC_SECRET", BASE, "CKA_DERIVE", "CKA_SIGN")
    )


def _derived(
    name: str,
    parameter: Callable[[Stage], Any],
    expected: Callable[[Stage], bytes],
    base: Callable[[Stage], int] = _base,
    by: str = BY,
) -> Recipe:
    def run(stage: Stage) -> str:
        key = base(stage)
        right = expected(stage)
        wanted = stage.bench.wanted("CKK_GENERIC_SECRET", len(right))
        if name == "CKM_HKDF_DATA":
            wanted = template(stage.bench.token, {"CKA_CLASS": "CKO_DATA", "CKA_VALUE_LEN": len(right)})
        made = stage.mine(C.DeriveKey(stage.session, mechanism(name, parameter(stage)), key, wanted))
        same(stage.bench.value(made), right, "the derived key")
        return by

    return Recipe(name, "CKF_DERIVE", run)


PEER = ec.derive_private_key(20260117, ec.SECP256R1())
POINT = PEER.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _ecdh(name: str) -> Recipe:
    return _derived(
        name,
        lambda _: mechanisms.ecdh1(POINT),
        lambda stage: PEER.exchange(ec.ECDH(), ec_pair(stage.bench).theirs),
        lambda stage: ec_pair(stage.bench).private,
    )


def _dh() -> Recipe:
    """Diffie-Hellman in Python's integers."""
    group = domain("MODP-2048")
    prime, base = (int.from_bytes(group[name], "big") for name in ("prime", "base"))
    ours, theirs = 2**300 + 12345, 2**301 + 54321

    def key(stage: Stage) -> int:
        def make() -> int:
            return stage.bench.create(
                {
                    "CKA_CLASS": "CKO_PRIVATE_KEY",
                    "CKA_KEY_TYPE": "CKK_DH",
                    "CKA_PRIME": group["prime"],
                    "CKA_BASE": group["base"],
                    "CKA_VALUE": number(ours),
                    "CKA_DERIVE": True,
                }
            )

        return stage.bench.kept("DH", make)

    return _derived(
        "CKM_DH_PKCS_DERIVE",
        lambda _: number(pow(base, theirs, prime)),
        lambda _: pow(base, ours * theirs, prime).to_bytes(256, "big"),
        key,
        "Python's integers",
    )


def _encrypt_data(family: ciphers.BlockCipher, mode: str) -> Recipe:
    iv = ciphers.IV[: family.block]

    def expected(_: Stage) -> bytes:
        encryptor = family.cipher(modes.ECB() if mode == "ECB" else modes.CBC(iv)).encryptor()
        made: bytes = encryptor.update(DATA)
        return made

    names = {"AES": "AES", "DES": "DES", "DES3": "DES", "CAMELLIA": "Camellia", "SEED": "SEED"}
    return _derived(
        f"CKM_{family.stem}_{mode}_ENCRYPT_DATA",
        lambda _: (
            mechanisms.key_derivation_string(DATA)
            if mode == "ECB"
            else mechanisms.cbc_encrypt_data(iv, DATA, names[family.stem])
        ),
        expected,
        lambda stage: family.handle(stage, "CKA_DERIVE"),
    )


def _hkdf(name: str) -> Recipe:
    return _derived(
        name,
        lambda _: mechanisms.hkdf("SHA-256", b"salt", b"info"),
        lambda _: HKDF(hashes.SHA256(), 40, b"salt", b"info").derive(BASE),
    )


def _small(name: str, parameter: Callable[[Stage], Any], expected: bytes) -> Recipe:
    return _derived(name, parameter, lambda _: expected, by="Python's bytes")


def _hashed(name: str, hash: Hash) -> Recipe:
    return _derived(name, lambda _: None, lambda _: digest(hash, BASE), by="hashlib")


def _counter(_: Stage) -> bytes:
    return hmac.digest(BASE, (1).to_bytes(4, "big") + b"fixed", "sha256")


def _iterated(first: bytes) -> bytes:
    return hmac.digest(BASE, first + b"fixed", "sha256")


def _sp800_108() -> tuple[Recipe, ...]:
    pieces = (mechanisms.kdf_iteration(), mechanisms.kdf_bytes(b"fixed"))
    iv = b"iv" * 16
    return (
        _derived(
            "CKM_SP800_108_COUNTER_KDF",
            lambda _: mechanisms.sp800_108(mechanisms.kdf_counter(32), mechanisms.kdf_bytes(b"fixed")),
            _counter,
            by="hmac",
        ),
        _derived(
            "CKM_SP800_108_FEEDBACK_KDF",
            lambda _: mechanisms.sp800_108_feedback(*pieces, iv=iv),
            lambda _: _iterated(iv),
            by="hmac",
        ),
        _derived(
            "CKM_SP800_108_DOUBLE_PIPELINE_KDF",
            lambda _: mechanisms.sp800_108(*pieces),
            lambda _: _iterated(hmac.digest(BASE, b"fixed", "sha256")),
            by="hmac",
        ),
    )


RECIPES: tuple[Recipe, ...] = (
    _ecdh("CKM_ECDH1_DERIVE"),
    _ecdh("CKM_ECDH1_COFACTOR_DERIVE"),
    _dh(),
    *(
        _encrypt_data(family, mode)
        for family in ciphers.FAMILIES
        if family.stem in ("AES", "DES", "DES3", "CAMELLIA", "SEED")
        for mode in ("ECB", "CBC")
    ),
    _hkdf("CKM_HKDF_DERIVE"),
    _hkdf("CKM_HKDF_DATA"),
    *_sp800_108(),
    _small(
        "CKM_CONCATENATE_BASE_AND_DATA",
        lambda _: mechanisms.key_derivation_string(DATA),
        BASE + DATA,
    ),
    _small(
        "CKM_CONCATENATE_DATA_AND_BASE",
        lambda _: mechanisms.key_derivation_string(DATA),
        DATA + BASE,
    ),
    _small(
        "CKM_XOR_BASE_AND_DATA",
        lambda _: mechanisms.key_derivation_string(DATA),
        bytes(a ^ b for a, b in zip(BASE, DATA, strict=True)),
    ),
    _small(
        "CKM_CONCATENATE_BASE_AND_KEY",
        lambda stage: mechanisms.concatenate_key(_base(stage)),
        BASE + BASE,
    ),
    _small("CKM_EXTRACT_KEY_FROM_KEY", lambda _: mechanisms.extract_bits(16), BASE[2:18]),
    *(
        _hashed(f"CKM_{'SHA1' if one.stem == 'SHA_1' else one.stem}_KEY_DERIVATION", one)
        for one in HASHES
        if not one.stem.startswith(("BLAKE", "RIPE", "SHA512_"))
    ),
    *(_hashed(f"CKM_{one.stem}_KEY_DERIVE", one) for one in HASHES if one.stem.startswith("BLAKE")),
)
