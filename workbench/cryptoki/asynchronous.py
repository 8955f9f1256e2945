"""Chapter 5.21: asynchronous calls, of sessions opened with CKF_ASYNC_SESSION (since v3.2)."""

from __future__ import annotations

from workbench.cryptoki.call import on_session
from workbench.cryptoki.module import SessionLike
from workbench.cryptoki.records import AsyncData

__all__ = ["C_AsyncComplete", "C_AsyncGetID", "C_AsyncJoin"]


def C_AsyncComplete(hSession: SessionLike, pFunctionName: str) -> AsyncData:
    """The result of a pending call (5.21.1); ``Pending`` (CKR_PENDING) while it is not there yet."""
    result: AsyncData = on_session(hSession, "C_AsyncComplete", pFunctionName)[0]
    return result


def C_AsyncGetID(hSession: SessionLike, pFunctionName: str) -> int:
    """A number by which another process can join the pending call (5.21.2)."""
    number: int = on_session(hSession, "C_AsyncGetID", pFunctionName)[0]
    return number


def C_AsyncJoin(hSession: SessionLike, pFunctionName: str, ulID: int, ulData: int = 0) -> bytes:
    """Join a pending call by its number (5.21.3), with ``ulData`` bytes of room for its result."""
    joined: bytes = on_session(hSession, "C_AsyncJoin", pFunctionName, ulID, ulData)[0]
    return joined
