"""Chapter 5.14: message-based signing and MACing (since v3.0): one key set up once, many messages."""

from __future__ import annotations

from workbench.cryptoki.call import on_session, sized
from workbench.cryptoki.marshal import NOTHING
from workbench.cryptoki.mechanisms import Mechanism, Parameter, mechanism
from workbench.cryptoki.module import ObjectLike, SessionLike, object_handle

__all__ = [
    "C_MessageSignFinal",
    "C_MessageSignInit",
    "C_SignMessage",
    "C_SignMessageBegin",
    "C_SignMessageNext",
]


def C_MessageSignInit(hSession: SessionLike, pMechanism: Mechanism | str | int, hKey: ObjectLike) -> None:
    """Begin signing messages with a key (5.14.1)."""
    on_session(hSession, "C_MessageSignInit", mechanism(pMechanism), object_handle(hKey))


def C_SignMessage(
    hSession: SessionLike, pParameter: Parameter | bytes | None, pData: bytes, pSignature: int | None = None
) -> bytes:
    """Sign one message (5.14.2). ``pSignature``: the size of the buffer offered, in bytes; None offers plenty."""
    return sized(hSession, "C_SignMessage", pParameter, pData, room=pSignature)


def C_SignMessageBegin(hSession: SessionLike, pParameter: Parameter | bytes | None) -> None:
    """Begin a message in parts (5.14.3)."""
    on_session(hSession, "C_SignMessageBegin", pParameter)


def C_SignMessageNext(
    hSession: SessionLike,
    pParameter: Parameter | bytes | None,
    pData: bytes,
    pSignature: int | None = NOTHING,
) -> bytes:
    """Sign the next part (5.14.4); without ``pSignature`` the message goes on and nothing comes back.

    With the last part give the size of a buffer for the signature in bytes, or None for plenty.
    """
    return sized(hSession, "C_SignMessageNext", pParameter, pData, room=pSignature)


def C_MessageSignFinal(hSession: SessionLike) -> None:
    """End signing messages (5.14.5)."""
    on_session(hSession, "C_MessageSignFinal")
