"""SoftHSM2: a software token in a private directory. The default: one package, no root and no daemon to run."""

from __future__ import annotations

import os
import shutil

from workbench.cryptoki import C, Module, allow_all
from workbench.tokens.home import private_directory
from workbench.tokens.providers.base import Provider, Sandbox, write_private

__all__ = ["SoftHSM"]


class SoftHSM(Provider):
    """SoftHSM2, by its default file store."""

    name = "softhsm"
    title = "SoftHSM2"
    packages = ("softhsm2", "libsofthsm2", "softhsm2-common")
    places = (
        "usr/lib/softhsm/libsofthsm2.so",
        "usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
        "usr/lib64/pkcs11/libsofthsm2.so",
        "usr/lib64/softhsm/libsofthsm2.so",
        "usr/local/lib/softhsm/libsofthsm2.so",
        "opt/homebrew/lib/softhsm/libsofthsm2.so",
    )

    def environment(self) -> None:
        """Write softhsm2.conf and point SOFTHSM2_CONF at it: the machine's own SoftHSM tokens stay out of sight."""
        configuration = self.directory / "softhsm2.conf"
        text = (
            f"directories.tokendir = {private_directory(self.directory / 'tokens')}\n"
            "objectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n"
        )
        if not configuration.is_file() or configuration.read_text(encoding="utf-8") != text:
            write_private(configuration, text)
        os.environ["SOFTHSM2_CONF"] = str(configuration)

    def clear(self) -> None:
        """Remove the token directory."""
        shutil.rmtree(self.directory / "tokens", ignore_errors=True)

    def initialise(self, module: Module, sandbox: Sandbox) -> str:
        """C_InitToken on the free slot, then the user's PIN. The slot number changes: it is found by label again."""
        free = C.GetSlotList(module)[-1]
        module.vouch(free, allow_all("sandbox"))
        C.InitToken(module, free, sandbox.so_pin, sandbox.label)
        slot = next(s for s in C.GetSlotList(module) if C.GetTokenInfo(module, s).label == sandbox.label)
        module.vouch(slot, allow_all("sandbox"))
        session = C.OpenSession(module, slot)
        C.Login(session, "CKU_SO", sandbox.so_pin)
        C.InitPIN(session, sandbox.pin)
        C.Logout(session)
        C.CloseSession(session)
        return C.GetTokenInfo(module, slot).serialNumber
