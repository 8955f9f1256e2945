"""What the benchmarks of this directory share: PyKCS11's own objects over the handles that we have."""

from __future__ import annotations

import PyKCS11
from PyKCS11 import LowLevel

from workbench.cryptoki import Module, SessionHandle

__all__ = ["key_of", "session_of"]


def session_of(module: Module, session: SessionHandle) -> PyKCS11.Session:
    """PyKCS11's session over the same handle."""
    number = LowLevel.CK_SESSION_HANDLE()
    number.assign(int(session))
    return PyKCS11.Session(module.pykcs11.library, number)


def key_of(handle: int) -> LowLevel.CK_OBJECT_HANDLE:
    """PyKCS11's object for the same handle."""
    made = LowLevel.CK_OBJECT_HANDLE()
    made.assign(handle)
    return made
