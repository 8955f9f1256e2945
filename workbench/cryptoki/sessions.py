"""Chapter 5.6: sessions and login."""

from __future__ import annotations

from workbench import spec
from workbench.cryptoki.call import on_module, on_session, sized
from workbench.cryptoki.module import Module, ObjectLike, SessionHandle, SessionLike, object_handle
from workbench.cryptoki.records import SessionInfo
from workbench.cryptoki.secret import Secret, reveal

__all__ = [
    "C_CloseAllSessions",
    "C_CloseSession",
    "C_GetOperationState",
    "C_GetSessionInfo",
    "C_GetSessionValidationFlags",
    "C_Login",
    "C_LoginUser",
    "C_Logout",
    "C_OpenSession",
    "C_SessionCancel",
    "C_SetOperationState",
]

SERIAL = spec.value("CKF_SERIAL_SESSION")


def C_OpenSession(module: Module, slotID: int, flags: int | str = "CKF_RW_SESSION") -> SessionHandle:
    """Open a session with the token in the slot (5.6.1).

    ``flags``: a number or the name of one flag; CKF_SERIAL_SESSION is always added, the standard demands it.
    """
    number = spec.value(flags) if isinstance(flags, str) else flags
    handle = on_module(module, "C_OpenSession", slotID, number | SERIAL, slot=slotID)[0]
    return SessionHandle(handle, module, slotID)


def C_CloseSession(hSession: SessionLike) -> None:
    """Close a session (5.6.2); its session objects are destroyed. The last one to go logs the user out."""
    on_session(hSession, "C_CloseSession")


def C_CloseAllSessions(module: Module, slotID: int) -> None:
    """Close every session that this application has with the token (5.6.3)."""
    on_module(module, "C_CloseAllSessions", slotID, slot=slotID)


def C_GetSessionInfo(hSession: SessionLike) -> SessionInfo:
    """State and flags of a session (5.6.4)."""
    info: SessionInfo = on_session(hSession, "C_GetSessionInfo")[0]
    return info


def C_Login(hSession: SessionLike, userType: int | str, pPin: Secret | str | bytes | None) -> None:
    """Log in (5.6.8) — for every session of this application with the token at once.

    ``userType``: ``CKU_USER``, ``CKU_SO``, ``CKU_CONTEXT_SPECIFIC`` or a number; ``pPin`` None asks for the
    token's own PIN pad. Never call it again after CKR_PIN_INCORRECT: tokens count, and lock.
    """
    user = spec.value(userType) if isinstance(userType, str) else userType
    on_session(hSession, "C_Login", user, reveal(pPin))


def C_Logout(hSession: SessionLike) -> None:
    """Log out (5.6.10), in every session of this application; private session objects are destroyed."""
    on_session(hSession, "C_Logout")


def C_SessionCancel(hSession: SessionLike, flags: int) -> None:
    """End the active operations that the flags name (5.6.5, since v3.0), such as CKF_SIGN | CKF_DIGEST."""
    on_session(hSession, "C_SessionCancel", flags)


def C_GetOperationState(hSession: SessionLike, pOperationState: int | None = None) -> bytes:
    """The state of the active operation (5.6.6), to be set again later. ``pOperationState``: room in bytes."""
    return sized(hSession, "C_GetOperationState", room=pOperationState)


def C_SetOperationState(
    hSession: SessionLike,
    pOperationState: bytes,
    hEncryptionKey: ObjectLike = 0,
    hAuthenticationKey: ObjectLike = 0,
) -> None:
    """Go on with an operation from its saved state (5.6.7); the keys, where it needs them, are given anew."""
    keys = object_handle(hEncryptionKey), object_handle(hAuthenticationKey)
    on_session(hSession, "C_SetOperationState", pOperationState, *keys)


def C_LoginUser(
    hSession: SessionLike, userType: int | str, pPin: Secret | str | bytes | None, pUsername: str | bytes
) -> None:
    """Log in as a named user (5.6.9, since v3.0). The rules of ``C_Login`` hold: never a second try."""
    user = spec.value(userType) if isinstance(userType, str) else userType
    name = pUsername.encode() if isinstance(pUsername, str) else pUsername
    on_session(hSession, "C_LoginUser", user, reveal(pPin), name)


def C_GetSessionValidationFlags(hSession: SessionLike, type: int | str = "CKS_LAST_VALIDATION_OK") -> int:
    """Flags of the token's validation, FIPS for one (5.6.11, since v3.2): which held for the last operation."""
    number = spec.value(type) if isinstance(type, str) else type
    flags: int = on_session(hSession, "C_GetSessionValidationFlags", number)[0]
    return flags
