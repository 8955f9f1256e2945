"""Chapter 5.17: dual-function operations, two active operations fed in one call."""

from __future__ import annotations

from workbench.cryptoki.call import sized
from workbench.cryptoki.module import SessionLike

__all__ = ["C_DecryptDigestUpdate", "C_DecryptVerifyUpdate", "C_DigestEncryptUpdate", "C_SignEncryptUpdate"]


def C_DigestEncryptUpdate(hSession: SessionLike, pPart: bytes, pEncryptedPart: int | None = None) -> bytes:
    """Digest and encrypt the next part (5.17.1). ``pEncryptedPart``: the size of the buffer offered, in bytes; None offers plenty."""
    return sized(hSession, "C_DigestEncryptUpdate", pPart, room=pEncryptedPart)


def C_DecryptDigestUpdate(hSession: SessionLike, pEncryptedPart: bytes, pPart: int | None = None) -> bytes:
    """Decrypt the next part and digest what comes out (5.17.2). ``pPart``: the size of the buffer offered, in bytes; None offers plenty."""
    return sized(hSession, "C_DecryptDigestUpdate", pEncryptedPart, room=pPart)


def C_SignEncryptUpdate(hSession: SessionLike, pPart: bytes, pEncryptedPart: int | None = None) -> bytes:
    """Sign and encrypt the next part (5.17.3). ``pEncryptedPart``: the size of the buffer offered, in bytes; None offers plenty."""
    return sized(hSession, "C_SignEncryptUpdate", pPart, room=pEncryptedPart)


def C_DecryptVerifyUpdate(hSession: SessionLike, pEncryptedPart: bytes, pPart: int | None = None) -> bytes:
    """Decrypt the next part and verify what comes out (5.17.4). ``pPart``: the size of the buffer offered, in bytes; None offers plenty."""
    return sized(hSession, "C_DecryptVerifyUpdate", pEncryptedPart, room=pPart)
