"""The post-quantum work of a newer module, in a worker: signatures and shared secrets, judged by pyca/cryptography."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey

from workbench import spec
from workbench.cryptoki import C, errors
from workbench.tokens import Session, Token

MESSAGE = b"sixteen bytes..."
SECRET = {
    "CKA_CLASS": "CKO_SECRET_KEY",
    "CKA_KEY_TYPE": "CKK_GENERIC_SECRET",
    "CKA_VALUE_LEN": 32,
    "CKA_SENSITIVE": False,
    "CKA_EXTRACTABLE": True,
}


def post_quantum(token: Token) -> list[str]:
    """Do what the token lists; the names of what was done and verified."""
    with token.session() as session:
        done = [ml_dsa(session)] if token.offers("CKM_ML_DSA_KEY_PAIR_GEN") else []
        done += [slh_dsa(session)] if token.offers("CKM_SLH_DSA_KEY_PAIR_GEN") else []
        done += ml_kem(session) if token.offers("CKM_ML_KEM_KEY_PAIR_GEN") else []
        return done


def _pair(session: Session, kind: str, parameter_set: str, uses: tuple[str, str]) -> tuple[int, int]:
    public = {"CKA_PARAMETER_SET": spec.value(parameter_set), uses[0]: True}
    return C.GenerateKeyPair(session, f"CKM_{kind}_KEY_PAIR_GEN", public, {uses[1]: True})


def ml_dsa(session: Session) -> str:
    public, private = _pair(session, "ML_DSA", "CKP_ML_DSA_65", ("CKA_VERIFY", "CKA_SIGN"))
    C.SignInit(session, "CKM_ML_DSA", private)
    signature = C.Sign(session, MESSAGE)
    raw = _value(session, public)[-1952:]
    MLDSA65PublicKey.from_public_bytes(raw).verify(signature, MESSAGE)  # raises unless it is right
    return "ML-DSA"


def slh_dsa(session: Session) -> str:
    """By the token itself: pyca/cryptography has no SLH-DSA. A changed message must be refused."""
    public, private = _pair(session, "SLH_DSA", "CKP_SLH_DSA_SHA2_128S", ("CKA_VERIFY", "CKA_SIGN"))
    C.SignInit(session, "CKM_SLH_DSA", private)
    signature = C.Sign(session, MESSAGE)
    assert len(signature) == 7856  # FIPS 205, table 2
    C.VerifyInit(session, "CKM_SLH_DSA", public)
    C.Verify(session, MESSAGE, signature)
    C.VerifyInit(session, "CKM_SLH_DSA", public)
    try:
        C.Verify(session, MESSAGE[::-1], signature)
    except errors.error_class("CKR_SIGNATURE_INVALID"):
        return "SLH-DSA"
    raise AssertionError("a signature of another message passed")


def ml_kem(session: Session) -> list[str]:
    """pyca/cryptography encapsulates for the token; then the token for itself, where it has v3.2's functions."""
    public, private = _pair(session, "ML_KEM", "CKP_ML_KEM_768", ("CKA_ENCAPSULATE", "CKA_DECAPSULATE"))
    raw = _value(session, public)[-1184:]
    secret, ciphertext = MLKEM768PublicKey.from_public_bytes(raw).encapsulate()
    try:
        assert _value(session, C.DecapsulateKey(session, "CKM_ML_KEM", private, SECRET, ciphertext)) == secret
    except errors.error_class("CKR_FUNCTION_NOT_SUPPORTED"):
        return []
    ciphertext, ours = C.EncapsulateKey(session, "CKM_ML_KEM", public, SECRET)
    theirs = C.DecapsulateKey(session, "CKM_ML_KEM", private, SECRET, ciphertext)
    assert _value(session, ours) == _value(session, theirs)
    return ["ML-KEM"]


def _value(session: Session, key: int) -> bytes:
    """Of a public key the bytes themselves; FreeHSM-C puts SubjectPublicKeyInfo around them, which ends in them."""
    value: bytes = C.GetAttributeValue(session, key, ["CKA_VALUE"])["CKA_VALUE"]
    return value
