"""Encodings that differ from vendor to vendor: points, signatures, wrapped keys, integers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from workbench.cryptoki import AttributeValue, C, CryptokiError
from workbench.inspection.probe import objects
from workbench.inspection.probe.model import Finding, Outcome, Trial
from workbench.inspection.probe.objects import Bench
from workbench.inspection.probe.recipes import Stage, ciphers, on_stage
from workbench.inspection.probe.recipes.lattices import ml_dsa, ml_kem
from workbench.inspection.probe.recipes.pairs import OIDS, Pair, generated
from workbench.inspection.probe.recipes.transport import USES, WRAPPED, unwrap_pad
from workbench.inspection.probe.survey import Survey
from workbench.tokens import Token

__all__ = ["FAMILY", "trials"]

FAMILY = "encodings"
KINDS = {"Ed": "CKM_EC_EDWARDS_KEY_PAIR_GEN", "X": "CKM_EC_MONTGOMERY_KEY_PAIR_GEN"}
COORDINATES = {
    "P-224": 28,
    "P-256": 32,
    "P-384": 48,
    "P-521": 66,
    "secp256k1": 32,
    "Ed25519": 32,
    "Ed448": 57,
    "X25519": 32,
    "X448": 56,
}
# Bytes of the raw public key of ML-DSA-65 and ML-KEM-768 (FIPS 204, 203).
LATTICES: dict[str, tuple[int, Callable[[Stage], Pair]]] = {
    "ML_DSA": (1952, ml_dsa),
    "ML_KEM": (1184, ml_kem),
}


def trials(survey: Survey) -> list[Trial]:
    """A trial for each curve whose pairs the token makes, and for wrapping and integers."""
    made = []
    for curve in COORDINATES:
        name = next((m for start, m in KINDS.items() if curve.startswith(start)), "CKM_EC_KEY_PAIR_GEN")
        if name in survey.mechanisms:
            made.append(Trial(FAMILY, "CKA_EC_POINT", curve, point, (curve, name)))
    for family in LATTICES:
        if f"CKM_{family}_KEY_PAIR_GEN" in survey.mechanisms:
            made.append(Trial(FAMILY, "CKA_VALUE", f"{family} public key", lattice, (family,)))
    if "CKM_AES_KEY_WRAP_PAD" in survey.mechanisms:
        made.append(Trial(FAMILY, "CKM_AES_KEY_WRAP_PAD", "32-byte key", wrapped))
    if "CKM_ECDSA" in survey.mechanisms:
        made.append(Trial(FAMILY, "CKM_ECDSA", "P-521 signatures", short_halves, seconds=40))
    if "CKM_RSA_PKCS_KEY_PAIR_GEN" in survey.mechanisms:
        made.append(Trial(FAMILY, "CKA_MODULUS", "RSA 2048", modulus, seconds=40))
        made.append(Trial(FAMILY, "CKA_PUBLIC_EXPONENT", "65537", exponent, seconds=40))
    return made


def _seen(subject: str, aspect: str, run: Callable[[], tuple[Outcome, str]]) -> list[Finding]:
    try:
        outcome, detail = run()
    except CryptokiError as error:
        return [Finding(FAMILY, subject, aspect, Outcome.NOT_OFFERED, error.function, error.name)]
    return [Finding(FAMILY, subject, aspect, outcome, detail)]


def point(token: Token, curve: str, generator: str) -> list[Finding]:
    """Raw, or in a DER OCTET STRING, as the standard has it for Weierstrass curves; for Edwards and Montgomery
    curves v3.0 says raw where v2.40 had nothing to say, and modules do both.
    """
    bench = objects.bench(token)
    size = COORDINATES[curve]

    def run() -> tuple[Outcome, str]:
        made = generated(bench, generator, {"CKA_EC_PARAMS": bytes.fromhex(OIDS[curve])}, {})
        raw = bench.value(made[0], "CKA_EC_POINT")
        weierstrass = generator == "CKM_EC_KEY_PAIR_GEN"
        lengths = {1 + 2 * size: "uncompressed", 1 + size: "compressed"} if weierstrass else {size: "raw"}
        if len(raw) in lengths:
            outcome = Outcome.DEVIATES if weierstrass else Outcome.OBSERVED
            form = lengths[len(raw)] + " without its OCTET STRING" if weierstrass else "raw"
            return outcome, f"{form}, {len(raw)} bytes"
        if raw[:1] == b"\x04" and len(raw) - (3 if raw[1:2] == b"\x81" else 2) in lengths:
            return Outcome.OBSERVED, f"DER OCTET STRING, {len(raw)} bytes"
        return Outcome.WRONG, f"{len(raw)} bytes, neither raw nor an OCTET STRING"

    return _seen("CKA_EC_POINT", curve, run)


def lattice(token: Token, family: str) -> list[Finding]:
    """The public key of ML-DSA and ML-KEM is raw in CKA_VALUE (6.67, 6.68)."""
    size, pair = LATTICES[family]

    def run() -> tuple[Outcome, str]:
        with on_stage(token) as stage:
            value = stage.bench.value(pair(stage).public)
        if len(value) == size:
            return Outcome.VERIFIED, f"raw, {size} bytes"
        form = "a SubjectPublicKeyInfo" if value[:1] == b"\x30" else "another form"
        return Outcome.DEVIATES, f"{len(value)} bytes, {form}; the raw key has {size}"

    return _seen("CKA_VALUE", f"{family} public key", run)


def wrapped(token: Token) -> list[Finding]:
    """How a 32-byte key is padded: three ways are in use, and none opens the others' blobs."""

    def run() -> tuple[Outcome, str]:
        with on_stage(token) as stage:
            key = ciphers.AES.handle(stage, *USES)
            target = stage.bench.secret("CKK_AES", WRAPPED, "CKA_ENCRYPT")
            blob = C.WrapKey(stage.session, "CKM_AES_KEY_WRAP_PAD", key, target)
        found = unwrap_pad(blob)
        if found is None or found[0] != WRAPPED:
            return Outcome.ALONE, f"{len(blob)} bytes, padded in a way that nobody here knows"
        return Outcome.OBSERVED, f"{len(blob)} bytes: {found[1]}"

    return _seen("CKM_AES_KEY_WRAP_PAD", "32-byte key", run)


def short_halves(token: Token) -> list[Finding]:
    """Halves of r‖s keep their leading zeros: with P-521 every other half begins with one."""
    bench = objects.bench(token)

    def run() -> tuple[Outcome, str]:
        params = {"CKA_EC_PARAMS": bytes.fromhex(OIDS["P-521"])}
        _, private = generated(bench, "CKM_EC_KEY_PAIR_GEN", params, {"CKA_SIGN": True})
        lengths = set()
        with token.session() as session:
            for _ in range(20):
                C.SignInit(session, "CKM_ECDSA", private)
                lengths.add(len(C.Sign(session, bytes(range(32)))))
        if lengths == {132}:
            return Outcome.VERIFIED, "20 of 132 bytes: halves keep their leading zeros"
        return Outcome.WRONG, f"of {_listed(lengths)} bytes; r‖s has 132"

    return _seen("CKM_ECDSA", "P-521 signatures", run)


def modulus(token: Token) -> list[Finding]:
    """A big integer has no leading zeros."""
    bench = objects.bench(token)

    def run() -> tuple[Outcome, str]:
        return _integer(bench.value(_own_rsa(bench), "CKA_MODULUS"), 256)

    return _seen("CKA_MODULUS", "RSA 2048", run)


def exponent(token: Token) -> list[Finding]:
    """The same of the exponent, which came in three bytes."""
    bench = objects.bench(token)

    def run() -> tuple[Outcome, str]:
        return _integer(bench.value(_own_rsa(bench), "CKA_PUBLIC_EXPONENT"), 3)

    return _seen("CKA_PUBLIC_EXPONENT", "65537", run)


def _own_rsa(bench: Bench) -> int:
    def make() -> int:
        public: dict[str, AttributeValue] = {"CKA_MODULUS_BITS": 2048, "CKA_PUBLIC_EXPONENT": b"\1\0\1"}
        return generated(bench, "CKM_RSA_PKCS_KEY_PAIR_GEN", public, {})[0]

    return bench.kept("own RSA", make)


def _integer(raw: bytes, length: int) -> tuple[Outcome, str]:
    if len(raw) == length:
        return Outcome.VERIFIED, f"{length} bytes, no leading zeros"
    return Outcome.DEVIATES, f"{len(raw)} bytes where {length} hold it"


def _listed(lengths: Iterable[int]) -> str:
    return ", ".join(str(one) for one in sorted(lengths))
