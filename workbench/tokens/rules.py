"""The tables that the guard judges by: functions, codes, attributes and mechanisms of the standard."""

from __future__ import annotations

from workbench import spec

__all__ = [
    "ASYNC",
    "CHANGES",
    "CLASS",
    "CONTEXT_SPECIFIC",
    "GONE",
    "KEYLESS",
    "LABEL",
    "LOGINS",
    "LOGIN_MOOT",
    "NEVER",
    "OBJECT_READS",
    "PIN_REFUSED",
    "PUBLIC_CLASSES",
    "RAW_RSA",
    "SECURITY_OFFICER",
    "STREAMS",
    "TOKEN",
    "USES",
    "VALUES",
    "VENDOR_CODES",
]

# What a key may be named for, and the calls that begin it. Whatever else takes a key's handle is for own keys.
USES = {
    "C_SignInit": "sign",
    "C_SignRecoverInit": "sign",
    "C_MessageSignInit": "sign",
    "C_VerifyInit": "verify",
    "C_VerifyRecoverInit": "verify",
    "C_VerifySignatureInit": "verify",
    "C_MessageVerifyInit": "verify",
    "C_EncryptInit": "encrypt",
    "C_MessageEncryptInit": "encrypt",
}
OBJECT_READS = frozenset({"C_GetAttributeValue", "C_GetObjectSize"})
# They change the token or its users, or bring in a state that nobody can judge.
NEVER = frozenset({"C_InitToken", "C_InitPIN", "C_SetPIN", "C_SetOperationState"})
LOGINS = frozenset({"C_Login", "C_LoginUser"})
# They give an object that is there already other attributes.
CHANGES = frozenset({"C_CopyObject", "C_SetAttributeValue"})
PIN_REFUSED = frozenset(
    spec.value(name)
    for name in ("CKR_PIN_INCORRECT", "CKR_PIN_INVALID", "CKR_PIN_LEN_RANGE", "CKR_PIN_LOCKED")
)
VENDOR_CODES = 0x8000_0000  # CKR_VENDOR_DEFINED: whatever one means, a login answered so is not tried again
# Answers to a login that say nothing about the PIN.
LOGIN_MOOT = frozenset(
    spec.value(name)
    for name in (
        "CKR_OK",
        "CKR_USER_ALREADY_LOGGED_IN",
        "CKR_CRYPTOKI_NOT_INITIALIZED",
        "CKR_SESSION_HANDLE_INVALID",
        "CKR_SESSION_CLOSED",
        "CKR_OPERATION_NOT_INITIALIZED",
    )
)
# Answers after which no session, and so no handle, need be what it was.
GONE = frozenset(
    spec.value(name)
    for name in (
        "CKR_CRYPTOKI_NOT_INITIALIZED",
        "CKR_DEVICE_REMOVED",
        "CKR_SESSION_CLOSED",
        "CKR_SESSION_HANDLE_INVALID",
        "CKR_TOKEN_NOT_PRESENT",
    )
)
# Signing with the bare RSA operation is decrypting by another name, and so is encrypting with a cipher that
# adds a key stream, where the caller gives the IV.
RAW_RSA = spec.value("CKM_RSA_X_509")
_STREAMS = ("_CTR", "_CFB", "_OFB", "_GCM", "_CCM", "_RC4", "CHACHA20", "SALSA20")
STREAMS = frozenset(
    code.value for code in spec.constants("CKM") if any(word in code.name for word in _STREAMS)
)
KEYLESS = {"C_DigestInit": "digest", "C_GenerateRandom": "random"}
SECURITY_OFFICER = spec.value("CKU_SO")
CONTEXT_SPECIFIC = spec.value("CKU_CONTEXT_SPECIFIC")
ASYNC = spec.value("CKF_ASYNC_SESSION")
CLASS, LABEL, TOKEN = (spec.value(f"CKA_{name}") for name in ("CLASS", "LABEL", "TOKEN"))
PUBLIC_CLASSES = frozenset(
    spec.value(name).to_bytes(8, "little")
    for name in ("CKO_CERTIFICATE", "CKO_PUBLIC_KEY", "CKO_DOMAIN_PARAMETERS", "CKO_PROFILE", "CKO_MECHANISM")
)
# What makes a private or secret key: it is asked of no foreign object that is not known to be public.
VALUES = frozenset(
    spec.value(f"CKA_{name}")
    for name in (
        "VALUE",
        "PRIVATE_EXPONENT",
        "PRIME_1",
        "PRIME_2",
        "EXPONENT_1",
        "EXPONENT_2",
        "COEFFICIENT",
        "SEED",
    )
)
