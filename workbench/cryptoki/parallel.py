"""Chapter 5.20: parallel function management, kept for old programs; every module answers that there is none."""

from __future__ import annotations

from workbench.cryptoki.call import on_session
from workbench.cryptoki.module import SessionLike

__all__ = ["C_CancelFunction", "C_GetFunctionStatus"]


def C_GetFunctionStatus(hSession: SessionLike) -> None:
    """Legacy (5.20.1): CKR_FUNCTION_NOT_PARALLEL by the standard."""
    on_session(hSession, "C_GetFunctionStatus")


def C_CancelFunction(hSession: SessionLike) -> None:
    """Legacy (5.20.2): CKR_FUNCTION_NOT_PARALLEL by the standard."""
    on_session(hSession, "C_CancelFunction")
