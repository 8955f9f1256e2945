"""Chapter 5.15: verifying signatures and MACs."""

from __future__ import annotations

from workbench.cryptoki.call import on_session, sized
from workbench.cryptoki.mechanisms import Mechanism, mechanism
from workbench.cryptoki.module import ObjectLike, SessionLike, object_handle

__all__ = [
    "C_Verify",
    "C_VerifyFinal",
    "C_VerifyInit",
    "C_VerifyRecover",
    "C_VerifyRecoverInit",
    "C_VerifySignature",
    "C_VerifySignatureFinal",
    "C_VerifySignatureInit",
    "C_VerifySignatureUpdate",
    "C_VerifyUpdate",
]


def C_VerifyInit(hSession: SessionLike, pMechanism: Mechanism | str | int, hKey: ObjectLike) -> None:
    """Begin a verification with a public or secret key (5.15.1)."""
    on_session(hSession, "C_VerifyInit", mechanism(pMechanism), object_handle(hKey))


def C_Verify(hSession: SessionLike, pData: bytes, pSignature: bytes) -> None:
    """Verify in one part and end the operation; ``SignatureInvalid`` (CKR_SIGNATURE_INVALID) when it is wrong (5.15.2)."""
    on_session(hSession, "C_Verify", pData, pSignature)


def C_VerifyUpdate(hSession: SessionLike, pPart: bytes) -> None:
    """Verify the next part (5.15.3)."""
    on_session(hSession, "C_VerifyUpdate", pPart)


def C_VerifyFinal(hSession: SessionLike, pSignature: bytes) -> None:
    """End a multi-part verification; ``SignatureInvalid`` when it is wrong (5.15.4)."""
    on_session(hSession, "C_VerifyFinal", pSignature)


def C_VerifyRecoverInit(hSession: SessionLike, pMechanism: Mechanism | str | int, hKey: ObjectLike) -> None:
    """Begin a verification that recovers the data (5.15.5)."""
    on_session(hSession, "C_VerifyRecoverInit", mechanism(pMechanism), object_handle(hKey))


def C_VerifyRecover(hSession: SessionLike, pSignature: bytes, pData: int | None = None) -> bytes:
    """Verify in one part; the data that the signature holds (5.15.6). ``pData``: the size of the buffer offered, in bytes; None offers plenty."""
    return sized(hSession, "C_VerifyRecover", pSignature, room=pData)


def C_VerifySignatureInit(
    hSession: SessionLike, pMechanism: Mechanism | str | int, hKey: ObjectLike, pSignature: bytes
) -> None:
    """Begin a verification that is told the signature first (5.15.7, since v3.2)."""
    key = object_handle(hKey)
    on_session(hSession, "C_VerifySignatureInit", mechanism(pMechanism), key, pSignature)


def C_VerifySignature(hSession: SessionLike, pData: bytes) -> None:
    """Verify in one part against the signature given at the beginning (5.15.8, since v3.2)."""
    on_session(hSession, "C_VerifySignature", pData)


def C_VerifySignatureUpdate(hSession: SessionLike, pPart: bytes) -> None:
    """Verify the next part (5.15.9, since v3.2)."""
    on_session(hSession, "C_VerifySignatureUpdate", pPart)


def C_VerifySignatureFinal(hSession: SessionLike) -> None:
    """End a multi-part verification (5.15.10, since v3.2); ``SignatureInvalid`` when it is wrong."""
    on_session(hSession, "C_VerifySignatureFinal")
