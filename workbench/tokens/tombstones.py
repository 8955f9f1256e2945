"""PINs that a token has refused: never sent again, in this run or a later one.

A tombstone is an empty file whose name says which token and, as an HMAC under a key of this directory, which
PIN: from the file alone neither the PIN nor whether two tokens share one can be told. A PIN that was changed has
no tombstone and may be tried.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from workbench.cryptoki import Secret, TokenInfo
from workbench.faults import WorkbenchError
from workbench.tokens.home import home, private_directory

__all__ = ["bury", "forget", "identity", "refused"]

KEY_SIZE = 32  # bytes


def identity(info: TokenInfo, user: str = "") -> str:
    """Which token (and, for C_LoginUser, which user) a refusal belongs to: 64 hexadecimal digits that tell nothing."""
    parts = (info.serialNumber, info.manufacturerID, info.label, user)
    return hashlib.sha256(b"".join(_framed(part.encode()) for part in parts)).hexdigest()


def refused(token: str, pin: Secret | None) -> bool:
    """Whether the token of this ``identity`` has refused this PIN before; None is the PIN typed on the device.

    Errors: ``WorkbenchError`` when the tombstones cannot be read: what cannot be known is not tried.
    """
    key = _key(make=False)
    try:
        return key is not None and _tombstone(key, token, pin).exists()
    except OSError as error:
        raise _fault("read", error) from None


def bury(token: str, pin: Secret | None) -> None:
    """Remember that the token of this ``identity`` has refused this PIN. On disk when it returns.

    Errors: ``WorkbenchError`` when it cannot be written.
    """
    key = _key(make=True)
    assert key is not None
    try:
        descriptor = os.open(_tombstone(key, token, pin), os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        os.close(descriptor)
        _sync(_directory())
    except OSError as error:
        raise _fault("written", error) from None


def forget(token: str) -> int:
    """Let every PIN be tried again at the token of this ``identity``; how many had been refused."""
    found = list(_directory().glob(f"{token}.*"))
    for tombstone in found:
        tombstone.unlink(missing_ok=True)
    return len(found)


def _directory() -> Path:
    return home() / "tombstones"


def _tombstone(key: bytes, token: str, pin: Secret | None) -> Path:
    typed = b"\0" if pin is None else b"\1" + pin.reveal()
    return _directory() / f"{token}.{hmac.digest(key, _framed(token.encode()) + typed, 'sha256').hex()}"


def _framed(part: bytes) -> bytes:
    """With its length in front, so that no two lists of parts run together into the same bytes."""
    return len(part).to_bytes(4, "big") + part


def _key(make: bool) -> bytes | None:
    path = _directory() / "key"
    try:
        if not path.exists():
            if not make:
                return None
            _make_key(path)
        key = path.read_bytes()
    except OSError as error:
        raise _fault("read", error) from None
    if len(key) != KEY_SIZE:
        raise WorkbenchError(
            f"{path} is damaged, so which PINs were refused cannot be told; remove {path.parent} if none was"
        )
    return key


def _make_key(path: Path) -> None:
    """Whole or not at all: written under another name, and linked into place, where the first one stays."""
    private_directory(path.parent)
    temporary = path.with_name(f"key.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_SIZE))
            file.flush()
            os.fsync(descriptor)
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return  # another process was first
    finally:
        temporary.unlink()


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fault(done: str, error: OSError) -> WorkbenchError:
    return WorkbenchError(
        f"which PINs were refused cannot be {done} in {_directory()} ({error.strerror}), so no PIN is tried; "
        "set WORKBENCH_HOME to a directory you can write"
    )
