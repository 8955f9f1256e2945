"""NSS softoken: the module inside Firefox and many distributions, with a key database of our own."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

from workbench.cryptoki import C, Module, allow_all
from workbench.tokens.providers.base import Provider, Sandbox

__all__ = ["NSS"]

# An unpacked copy is not where the loader looks: what it needs is loaded first, by path, in this order.
_NEEDS = ("libnspr4.so", "libplc4.so", "libplds4.so", "libnssutil3.so", "libsqlite3.so.0")


class NSS(Provider):
    """NSS softoken over a database (cert9.db, key4.db) in the sandbox directory."""

    name = "nss"
    title = "NSS softoken"
    profile = "nss"
    packages: tuple[str, ...] = ("libnss3", "libnspr4", "libsqlite3-0")
    places = (
        "usr/lib/x86_64-linux-gnu/libsoftokn3.so",
        "usr/lib/x86_64-linux-gnu/nss/libsoftokn3.so",
        "usr/lib/aarch64-linux-gnu/libsoftokn3.so",
        "usr/lib/aarch64-linux-gnu/nss/libsoftokn3.so",
        "usr/lib64/libsoftokn3.so",
        "opt/homebrew/opt/nss/lib/libsoftokn3.dylib",
    )

    def find(self) -> Path | None:
        """The module: of the environment that Python runs in (conda) first, then of the system."""
        own = Path(sys.prefix) / "lib" / "libsoftokn3.so"
        return own if self.named() is None and own.is_file() else super().find()

    def init_string(self) -> str | None:
        """NSS takes its configuration as the argument of C_Initialize."""
        return (
            f"configdir='sql:{self.directory}' certPrefix='' keyPrefix='' secmod='secmod.db' "
            f"flags=optimizeSpace dbTokenDescription='{self.label}' "
            "cryptoTokenDescription='workbench-nss-generic'"
        )

    def enter(self) -> None:
        """Nothing in the environment; the libraries beside an unpacked module are loaded by path."""
        module = self.find()
        if module is None or str(module).startswith(("/usr/", sys.prefix)):
            return
        for name in _NEEDS:
            library = next((p for p in module.parent.rglob(name)), None)
            if library is not None:
                ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)

    def clear(self) -> None:
        """Remove the database."""
        for file in (*self.directory.glob("*.db"), *self.directory.glob("*.txt")):
            file.unlink()

    def initialise(self, module: Module, sandbox: Sandbox) -> str:
        """A fresh database has an empty SO PIN and needs no C_InitToken: log in, then set the user's PIN."""
        slot = next(s for s in C.GetSlotList(module) if C.GetTokenInfo(module, s).label == sandbox.label)
        module.vouch(slot, allow_all("sandbox"))
        session = C.OpenSession(module, slot)
        C.Login(session, "CKU_SO", b"")
        C.InitPIN(session, sandbox.pin)
        C.Logout(session)
        C.CloseSession(session)
        return C.GetTokenInfo(module, slot).serialNumber
