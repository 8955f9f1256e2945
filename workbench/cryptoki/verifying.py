"""Chapter 5.15: verifying signatures and MACs."""

from __future__ import annotations

from workbench.cryptoki.call import on_session
from workbench.cryptoki.mechanisms import Mechanism, mechanism
from workbench.cryptoki.module import ObjectLike, SessionLike, object_handle

__all__ = ["C_Verify", "C_VerifyFinal", "C_VerifyInit", "C_VerifyUpdate"]


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
