"""Chapter 5.13: signing and MACing."""

from __future__ import annotations

from workbench.cryptoki.call import on_session, sized
from workbench.cryptoki.mechanisms import Mechanism, mechanism
from workbench.cryptoki.module import ObjectLike, SessionLike, object_handle

__all__ = ["C_Sign", "C_SignFinal", "C_SignInit", "C_SignRecover", "C_SignRecoverInit", "C_SignUpdate"]


def C_SignInit(hSession: SessionLike, pMechanism: Mechanism | str | int, hKey: ObjectLike) -> None:
    """Begin a signature or MAC with a private or secret key (5.13.1)."""
    on_session(hSession, "C_SignInit", mechanism(pMechanism), object_handle(hKey))


def C_Sign(hSession: SessionLike, pData: bytes, pSignature: int | None = None) -> bytes:
    """Sign in one part and end the operation; ECDSA gives r‖s, not DER (5.13.2). ``pSignature``: the size of the buffer offered, in bytes; None offers plenty."""
    return sized(hSession, "C_Sign", pData, room=pSignature)


def C_SignUpdate(hSession: SessionLike, pPart: bytes) -> None:
    """Sign the next part (5.13.3)."""
    on_session(hSession, "C_SignUpdate", pPart)


def C_SignFinal(hSession: SessionLike, pSignature: int | None = None) -> bytes:
    """End a multi-part signature; its value (5.13.4). ``pSignature``: the size of the buffer offered, in bytes; None offers plenty."""
    return sized(hSession, "C_SignFinal", room=pSignature)


def C_SignRecoverInit(hSession: SessionLike, pMechanism: Mechanism | str | int, hKey: ObjectLike) -> None:
    """Begin a signature from which the data can be recovered (5.13.5)."""
    on_session(hSession, "C_SignRecoverInit", mechanism(pMechanism), object_handle(hKey))


def C_SignRecover(hSession: SessionLike, pData: bytes, pSignature: int | None = None) -> bytes:
    """Sign in one part, the data inside the signature (5.13.6). ``pSignature``: the size of the buffer offered, in bytes; None offers plenty."""
    return sized(hSession, "C_SignRecover", pData, room=pSignature)
