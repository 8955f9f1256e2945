"""Chapter 5.9: message-based encryption (since v3.0): one key set up once, many messages."""

from __future__ import annotations

from workbench import spec
from workbench.cryptoki.call import Room, filled, on_session
from workbench.cryptoki.mechanisms import Mechanism, Parameter, mechanism
from workbench.cryptoki.module import ObjectLike, SessionLike, object_handle

__all__ = [
    "C_EncryptMessage",
    "C_EncryptMessageBegin",
    "C_EncryptMessageNext",
    "C_MessageEncryptFinal",
    "C_MessageEncryptInit",
]


def C_MessageEncryptInit(hSession: SessionLike, pMechanism: Mechanism | str | int, hKey: ObjectLike) -> None:
    """Begin encrypting messages with a key (5.9.1)."""
    on_session(hSession, "C_MessageEncryptInit", mechanism(pMechanism), object_handle(hKey))


def C_EncryptMessage(
    hSession: SessionLike,
    pParameter: Parameter | bytes | None,
    pAssociatedData: bytes,
    pPlaintext: bytes,
    pCiphertext: int | None = None,
) -> tuple[bytes, Parameter | bytes | None]:
    """Encrypt one message (5.9.2): ``(ciphertext, parameter)``, the parameter with the IV and tag of the module."""
    arguments = (pParameter, pAssociatedData, pPlaintext, Room(pCiphertext))
    parameter, ciphertext = filled(hSession, "C_EncryptMessage", *arguments)
    return ciphertext, parameter


def C_EncryptMessageBegin(
    hSession: SessionLike, pParameter: Parameter | bytes | None, pAssociatedData: bytes = b""
) -> Parameter | bytes | None:
    """Begin a message in parts (5.9.3); the parameter with the IV of the module."""
    parameter: Parameter | bytes | None
    parameter = on_session(hSession, "C_EncryptMessageBegin", pParameter, pAssociatedData)[0]
    return parameter


def C_EncryptMessageNext(
    hSession: SessionLike,
    pParameter: Parameter | bytes | None,
    pPlaintextPart: bytes,
    pCiphertextPart: int | None = None,
    flags: int | str = 0,
) -> tuple[bytes, Parameter | bytes | None]:
    """Encrypt the next part (5.9.4); ``flags`` CKF_END_OF_MESSAGE with the last: ``(ciphertext, parameter)``."""
    number = spec.value(flags) if isinstance(flags, str) else flags
    arguments = (pParameter, pPlaintextPart, Room(pCiphertextPart), number)
    parameter, ciphertext = filled(hSession, "C_EncryptMessageNext", *arguments)
    return ciphertext, parameter


def C_MessageEncryptFinal(hSession: SessionLike) -> None:
    """End encrypting messages (5.9.5)."""
    on_session(hSession, "C_MessageEncryptFinal")
