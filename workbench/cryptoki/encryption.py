"""Chapter 5.8: encryption."""

from __future__ import annotations

from workbench.cryptoki.call import on_session, sized
from workbench.cryptoki.mechanisms import Mechanism, mechanism
from workbench.cryptoki.module import ObjectLike, SessionLike, object_handle

__all__ = ["C_Encrypt", "C_EncryptFinal", "C_EncryptInit", "C_EncryptUpdate"]


def C_EncryptInit(hSession: SessionLike, pMechanism: Mechanism | str | int, hKey: ObjectLike) -> None:
    """Begin an encryption (5.8.1)."""
    on_session(hSession, "C_EncryptInit", mechanism(pMechanism), object_handle(hKey))


def C_Encrypt(hSession: SessionLike, pData: bytes, pEncryptedData: int | None = None) -> bytes:
    """Encrypt in one part and end the operation (5.8.2). ``pEncryptedData``: the size of the buffer offered, in bytes; None offers plenty."""
    return sized(hSession, "C_Encrypt", pData, room=pEncryptedData)


def C_EncryptUpdate(hSession: SessionLike, pPart: bytes, pEncryptedPart: int | None = None) -> bytes:
    """Encrypt the next part (5.8.3). ``pEncryptedPart``: the size of the buffer offered, in bytes; None offers plenty."""
    return sized(hSession, "C_EncryptUpdate", pPart, room=pEncryptedPart)


def C_EncryptFinal(hSession: SessionLike, pLastEncryptedPart: int | None = None) -> bytes:
    """End a multi-part encryption; the last bytes, an AEAD tag among them (5.8.4). ``pLastEncryptedPart``: the size of the buffer offered, in bytes; None offers plenty."""
    return sized(hSession, "C_EncryptFinal", room=pLastEncryptedPart)
