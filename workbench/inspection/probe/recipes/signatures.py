"""Signatures: RSA (6.1), DSA (6.2), ECDSA and Edwards curves (6.3)."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from workbench.cryptoki import C, Mechanism, mechanism, mechanisms
from workbench.cryptoki.mechanisms import RawParameter
from workbench.inspection.probe.recipes.hashes import PYCA, common_name
from workbench.inspection.probe.recipes.model import MESSAGE, Recipe, Stage, Wrong, same, signed_and_refused
from workbench.inspection.probe.recipes.pairs import Pair, dsa_pair, ec_pair, edwards_pair, rsa_pair
from workbench.keys import der_to_rs, rs_to_der

__all__ = ["DIGEST_INFO", "RECIPES"]

BY = "pyca/cryptography"
# The DER that PKCS#1 v1.5 puts before a digest of SHA-256.
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
Make = Callable[[Stage], Pair]
Check = Callable[[Pair, bytes, bytes], None]  # raises InvalidSignature
Sign = Callable[[Pair, bytes], bytes]


def _scheme(
    name: str,
    pair: Make,
    data: bytes,
    check: Check,
    sign: Sign,
    parameter: Callable[[], RawParameter] | None = None,
    room: int | None = None,
) -> tuple[Recipe, Recipe]:
    """A scheme: what the token signs pyca verifies, and what pyca signs the token verifies (its own where it
    takes no key from outside).
    """

    def how() -> Mechanism:
        return mechanism(name, parameter() if parameter else None)

    def made(stage: Stage) -> bytes:
        C.SignInit(stage.session, how(), pair(stage).private)
        signature = C.Sign(stage.session, data, room)
        try:
            check(pair(stage), signature, data)
        except (InvalidSignature, ValueError):
            raise Wrong(f"{BY} refuses the signature of {len(signature)} bytes") from None
        return signature

    def signing(stage: Stage) -> str:
        made(stage)
        return BY

    def verifying(stage: Stage) -> str:
        chosen = pair(stage)
        signature = made(stage) if chosen.ours is None else sign(chosen, data)
        signed_and_refused(stage, how(), chosen.public, data, signature)
        return BY

    return Recipe(name, "CKF_SIGN", signing), Recipe(name, "CKF_VERIFY", verifying)


def _rsa(stage: Stage) -> Pair:
    return rsa_pair(stage.bench)


def _p256(stage: Stage) -> Pair:
    return ec_pair(stage.bench)


def _dsa(stage: Stage) -> Pair:
    return dsa_pair(stage.bench)


def _ed25519(stage: Stage) -> Pair:
    return edwards_pair(stage.bench)


def _pkcs1(name: str, hash: str) -> tuple[Recipe, Recipe]:
    def check(pair: Pair, signature: bytes, data: bytes) -> None:
        pair.theirs.verify(signature, data, padding.PKCS1v15(), PYCA[hash])

    return _scheme(
        name, _rsa, MESSAGE, check, lambda pair, data: pair.ours.sign(data, padding.PKCS1v15(), PYCA[hash])
    )


def _pss(name: str, hash: str, raw: bool = False) -> tuple[Recipe, Recipe]:
    size = PYCA[hash].digest_size
    scheme = padding.PSS(padding.MGF1(PYCA[hash]), size)
    chosen = utils.Prehashed(PYCA[hash]) if raw else PYCA[hash]

    def check(pair: Pair, signature: bytes, data: bytes) -> None:
        pair.theirs.verify(signature, data, scheme, chosen)

    return _scheme(
        name,
        _rsa,
        bytes(range(size)) if raw else MESSAGE,
        check,
        lambda pair, data: pair.ours.sign(data, scheme, chosen),
        lambda: mechanisms.rsa_pss(common_name(hash)),
    )


def _raw_pkcs1() -> tuple[Recipe, Recipe]:
    prehashed = utils.Prehashed(PYCA["SHA256"])

    def check(pair: Pair, signature: bytes, data: bytes) -> None:
        pair.theirs.verify(signature, data[len(DIGEST_INFO) :], padding.PKCS1v15(), prehashed)

    def sign(pair: Pair, data: bytes) -> bytes:
        made: bytes = pair.ours.sign(data[len(DIGEST_INFO) :], padding.PKCS1v15(), prehashed)
        return made

    return _scheme("CKM_RSA_PKCS", _rsa, DIGEST_INFO + bytes(range(32)), check, sign)


def _x509() -> tuple[Recipe, Recipe]:
    """Raw RSA: a power of the data, in Python's own integers."""

    def check(pair: Pair, signature: bytes, data: bytes) -> None:
        public = pair.theirs.public_numbers()
        if pow(int.from_bytes(signature, "big"), public.e, public.n) != int.from_bytes(data, "big"):
            raise InvalidSignature

    def sign(pair: Pair, data: bytes) -> bytes:
        d, n = pair.ours.private_numbers().d, pair.theirs.public_numbers().n
        made: bytes = pow(int.from_bytes(data, "big"), d, n).to_bytes(256, "big")
        return made

    return _scheme("CKM_RSA_X_509", _rsa, b"\0" + bytes(range(255)), check, sign)


def _recovery(name: str, data: bytes) -> tuple[Recipe, Recipe]:
    def signature(stage: Stage) -> bytes:
        C.SignRecoverInit(stage.session, name, _rsa(stage).private)
        return C.SignRecover(stage.session, data)

    def sign(stage: Stage) -> str:
        public = _rsa(stage).theirs.public_numbers()
        power = pow(int.from_bytes(signature(stage), "big"), public.e, public.n).to_bytes(256, "big")
        same(power[-len(data) :], data, "the data in the signature")
        return "Python's integers"

    def verify(stage: Stage) -> str:
        made = signature(stage)
        C.VerifyRecoverInit(stage.session, name, _rsa(stage).public)
        same(C.VerifyRecover(stage.session, made), data, "the recovered data")
        return "Python's integers"

    return Recipe(name, "CKF_SIGN_RECOVER", sign), Recipe(name, "CKF_VERIFY_RECOVER", verify)


def _ecdsa(name: str, hash: str | None) -> tuple[Recipe, Recipe]:
    chosen = ec.ECDSA(PYCA[hash]) if hash else ec.ECDSA(utils.Prehashed(PYCA["SHA256"]))

    def check(pair: Pair, signature: bytes, data: bytes) -> None:
        if len(signature) != 64:
            raise Wrong(f"a P-256 signature of {len(signature)} bytes; r‖s has 64")
        pair.theirs.verify(rs_to_der(signature), data, chosen)

    return _scheme(
        name,
        _p256,
        MESSAGE if hash else bytes(range(32)),
        check,
        lambda pair, data: der_to_rs(pair.ours.sign(data, chosen), 32),
    )


def _dsa_scheme(name: str, hash: str | None) -> tuple[Recipe, Recipe]:
    chosen = PYCA[hash] if hash else utils.Prehashed(PYCA["SHA1"])

    def check(pair: Pair, signature: bytes, data: bytes) -> None:
        pair.theirs.verify(rs_to_der(signature), data, chosen)

    return _scheme(
        name,
        _dsa,
        MESSAGE if hash else bytes(range(20)),
        check,
        lambda pair, data: der_to_rs(pair.ours.sign(data, chosen), 20),
    )


def _eddsa() -> tuple[Recipe, Recipe]:
    def check(pair: Pair, signature: bytes, data: bytes) -> None:
        pair.theirs.verify(signature, data)

    return _scheme(
        "CKM_EDDSA", _ed25519, MESSAGE, check, lambda pair, data: bytes(pair.ours.sign(data)), room=64
    )  # NSS 3.13x takes room for exactly 64 bytes


COMBINED = ("SHA1", "SHA224", "SHA256", "SHA384", "SHA512", "SHA3_224", "SHA3_256", "SHA3_384", "SHA3_512")

RECIPES: tuple[Recipe, ...] = (
    *_raw_pkcs1(),
    *_x509(),
    *_recovery("CKM_RSA_PKCS", MESSAGE),
    *_recovery("CKM_RSA_X_509", b"\0" + bytes(range(255))),
    *_pss("CKM_RSA_PKCS_PSS", "SHA256", raw=True),
    *(one for hash in ("MD5", *COMBINED) for one in _pkcs1(f"CKM_{hash}_RSA_PKCS", hash)),
    *(one for hash in COMBINED for one in _pss(f"CKM_{hash}_RSA_PKCS_PSS", hash)),
    *_ecdsa("CKM_ECDSA", None),
    *(one for hash in COMBINED for one in _ecdsa(f"CKM_ECDSA_{hash}", hash)),
    *_dsa_scheme("CKM_DSA", None),
    *(one for hash in COMBINED for one in _dsa_scheme(f"CKM_DSA_{hash}", hash)),
    *_eddsa(),
)
