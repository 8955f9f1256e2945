"""Chapter 5.12: message digesting."""

from __future__ import annotations

from workbench.cryptoki.call import on_session, sized
from workbench.cryptoki.mechanisms import Mechanism, mechanism
from workbench.cryptoki.module import ObjectLike, SessionLike, object_handle

__all__ = ["C_Digest", "C_DigestFinal", "C_DigestInit", "C_DigestKey", "C_DigestUpdate"]


def C_DigestInit(hSession: SessionLike, pMechanism: Mechanism | str | int) -> None:
    """Begin a digest (5.12.1)."""
    on_session(hSession, "C_DigestInit", mechanism(pMechanism))


def C_Digest(hSession: SessionLike, pData: bytes, pDigest: int | None = None) -> bytes:
    """Digest in one part and end the operation (5.12.2). ``pDigest``: the size of the buffer offered, in bytes; None offers plenty."""
    return sized(hSession, "C_Digest", pData, room=pDigest)


def C_DigestUpdate(hSession: SessionLike, pPart: bytes) -> None:
    """Digest the next part (5.12.3)."""
    on_session(hSession, "C_DigestUpdate", pPart)


def C_DigestKey(hSession: SessionLike, hKey: ObjectLike) -> None:
    """Digest the value of a secret key as the next part (5.12.4)."""
    on_session(hSession, "C_DigestKey", object_handle(hKey))


def C_DigestFinal(hSession: SessionLike, pDigest: int | None = None) -> bytes:
    """End a multi-part digest; its value (5.12.5). ``pDigest``: the size of the buffer offered, in bytes; None offers plenty."""
    return sized(hSession, "C_DigestFinal", room=pDigest)
