"""Chapter 5.11: message-based decryption (since v3.0): one key set up once, many messages."""

from __future__ import annotations

from workbench import spec
from workbench.cryptoki.call import Room, filled, on_session, sized
from workbench.cryptoki.mechanisms import Mechanism, Parameter, mechanism
from workbench.cryptoki.module import ObjectLike, SessionLike, object_handle

__all__ = [
    "C_DecryptMessage",
    "C_DecryptMessageBegin",
    "C_DecryptMessageNext",
    "C_MessageDecryptFinal",
    "C_MessageDecryptInit",
]


def C_MessageDecryptInit(hSession: SessionLike, pMechanism: Mechanism | str | int, hKey: ObjectLike) -> None:
    """Begin decrypting messages with a key (5.11.1)."""
    on_session(hSession, "C_MessageDecryptInit", mechanism(pMechanism), object_handle(hKey))


def C_DecryptMessage(
    hSession: SessionLike,
    pParameter: Parameter | bytes | None,
    pAssociatedData: bytes,
    pCiphertext: bytes,
    pPlaintext: int | None = None,
) -> bytes:
    """Decrypt one message (5.11.2); ``AeadDecryptFailed`` when its tag is wrong."""
    return sized(hSession, "C_DecryptMessage", pParameter, pAssociatedData, pCiphertext, room=pPlaintext)


def C_DecryptMessageBegin(
    hSession: SessionLike, pParameter: Parameter | bytes | None, pAssociatedData: bytes = b""
) -> None:
    """Begin a message in parts (5.11.3)."""
    on_session(hSession, "C_DecryptMessageBegin", pParameter, pAssociatedData)


def C_DecryptMessageNext(
    hSession: SessionLike,
    pParameter: Parameter | bytes | None,
    pCiphertextPart: bytes,
    pPlaintextPart: int | None = None,
    flags: int | str = 0,
) -> bytes:
    """Decrypt the next part (5.11.4); ``flags`` CKF_END_OF_MESSAGE with the last."""
    number = spec.value(flags) if isinstance(flags, str) else flags
    arguments = (pParameter, pCiphertextPart, Room(pPlaintextPart), number)
    plain: bytes = filled(hSession, "C_DecryptMessageNext", *arguments)[0]
    return plain


def C_MessageDecryptFinal(hSession: SessionLike) -> None:
    """End decrypting messages (5.11.5)."""
    on_session(hSession, "C_MessageDecryptFinal")
