"""Chapter 5.10: decryption."""

from __future__ import annotations

from workbench.cryptoki.call import on_session, sized
from workbench.cryptoki.mechanisms import Mechanism, mechanism
from workbench.cryptoki.module import ObjectLike, SessionLike, object_handle

__all__ = ["C_Decrypt", "C_DecryptFinal", "C_DecryptInit", "C_DecryptUpdate"]


def C_DecryptInit(hSession: SessionLike, pMechanism: Mechanism | str | int, hKey: ObjectLike) -> None:
    """Begin a decryption (5.10.1)."""
    on_session(hSession, "C_DecryptInit", mechanism(pMechanism), object_handle(hKey))


def C_Decrypt(hSession: SessionLike, pEncryptedData: bytes, pData: int | None = None) -> bytes:
    """Decrypt in one part and end the operation (5.10.2). ``pData``: the size of the buffer offered, in bytes; None offers plenty."""
    return sized(hSession, "C_Decrypt", pEncryptedData, room=pData)


def C_DecryptUpdate(hSession: SessionLike, pEncryptedPart: bytes, pPart: int | None = None) -> bytes:
    """Decrypt the next part (5.10.3). ``pPart``: the size of the buffer offered, in bytes; None offers plenty."""
    return sized(hSession, "C_DecryptUpdate", pEncryptedPart, room=pPart)


def C_DecryptFinal(hSession: SessionLike, pLastPart: int | None = None) -> bytes:
    """End a multi-part decryption; the last bytes (5.10.4). ``pLastPart``: the size of the buffer offered, in bytes; None offers plenty."""
    return sized(hSession, "C_DecryptFinal", room=pLastPart)
