"""Chapter 5.16: message-based verifying (since v3.0): one key set up once, many messages."""

from __future__ import annotations

from workbench.cryptoki.call import on_session
from workbench.cryptoki.mechanisms import Mechanism, Parameter, mechanism
from workbench.cryptoki.module import ObjectLike, SessionLike, object_handle

__all__ = [
    "C_MessageVerifyFinal",
    "C_MessageVerifyInit",
    "C_VerifyMessage",
    "C_VerifyMessageBegin",
    "C_VerifyMessageNext",
]


def C_MessageVerifyInit(hSession: SessionLike, pMechanism: Mechanism | str | int, hKey: ObjectLike) -> None:
    """Begin verifying messages with a key (5.16.1)."""
    on_session(hSession, "C_MessageVerifyInit", mechanism(pMechanism), object_handle(hKey))


def C_VerifyMessage(
    hSession: SessionLike, pParameter: Parameter | bytes | None, pData: bytes, pSignature: bytes
) -> None:
    """Verify one message (5.16.2); ``SignatureInvalid`` when its signature is wrong."""
    on_session(hSession, "C_VerifyMessage", pParameter, pData, pSignature)


def C_VerifyMessageBegin(hSession: SessionLike, pParameter: Parameter | bytes | None) -> None:
    """Begin a message in parts (5.16.3)."""
    on_session(hSession, "C_VerifyMessageBegin", pParameter)


def C_VerifyMessageNext(
    hSession: SessionLike, pParameter: Parameter | bytes | None, pData: bytes, pSignature: bytes | None = None
) -> None:
    """Verify the next part (5.16.4); the signature comes with the last one."""
    on_session(hSession, "C_VerifyMessageNext", pParameter, pData, pSignature)


def C_MessageVerifyFinal(hSession: SessionLike) -> None:
    """End verifying messages (5.16.5)."""
    on_session(hSession, "C_MessageVerifyFinal")
