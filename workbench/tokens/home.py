"""Where the workbench keeps what it makes: one private directory of the user's."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.faults import WorkbenchError

__all__ = ["home", "locked", "private_directory", "write_private"]


def home() -> Path:
    """``$WORKBENCH_HOME``, else ``$XDG_STATE_HOME/pkcs11-workbench``, else ``~/.local/state/pkcs11-workbench``."""
    named = os.environ.get("WORKBENCH_HOME")
    if named:
        return Path(named).absolute()
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "pkcs11-workbench"


def private_directory(path: Path) -> Path:
    """Make a directory (and its parents) that only this user can read (mode 0700).

    Errors: ``WorkbenchError`` that names the directory and WORKBENCH_HOME.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o700)
    except OSError as error:
        raise WorkbenchError(
            f"cannot keep tokens in {path} ({error.strerror}): set WORKBENCH_HOME to a directory you can write"
        ) from None
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    temporary = path.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


@contextmanager
def locked(path: Path, seconds: float = 60.0) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` (a file that is made for it) while the block runs.

    Errors: ``WorkbenchError`` when another process keeps it longer than ``seconds``.
    """
    private_directory(path.parent)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise WorkbenchError(
                        f"another process has been starting this token for {seconds:.0f} s; end it, then try again"
                    ) from None
                time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)
