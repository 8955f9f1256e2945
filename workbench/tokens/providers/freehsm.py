"""FreeHSM-C: a small software HSM with the post-quantum signatures and key encapsulation, SLH-DSA among them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from workbench.cryptoki import C, Module
from workbench.tokens.home import private_directory
from workbench.tokens.providers.newer import Newer

__all__ = ["FreeHSM"]


class FreeHSM(Newer):
    """FreeHSM-C over its file store in the sandbox directory."""

    name = "freehsm"
    title = "FreeHSM-C"
    profile = "freehsm"
    packages = ("freehsm-c",)
    places = ("usr/lib/x86_64-linux-gnu/libfreehsm.so", "usr/lib/aarch64-linux-gnu/libfreehsm.so")
    library = "libfreehsm.so"
    installed_as = ("freehsm-c",)
    oldest = (2,)

    def environment(self) -> Mapping[str, str]:
        """Where the module keeps tokens and its audit log.

        It checks its own file against a signature at C_Initialize and refuses with CKR_HOST_MEMORY, silently,
        when there is none: distributions build it without one and have apt check the package instead.
        """
        return {
            "FHSM_TOKENS_DIR": str(private_directory(self.directory / "tokens")),
            "FHSM_AUDIT_LOG": str(self.directory / "audit.log"),
            "FHSM_INTEGRITY_ALLOW_UNSIGNED": "1",
        }

    def free_slot(self, module: Module) -> int:
        """The first empty slot. Here a slot counts as empty until C_InitToken, which works on it all the same."""
        return min(set(C.GetSlotList(module, False)) - set(C.GetSlotList(module)))

    def stop(self) -> None:
        """Forget the audit log: every process starts a file of it, with a record for each operation."""
        super().stop()
        for log in self.directory.glob("audit.log*"):
            log.unlink()

    def clear(self) -> None:
        """Remove the tokens, and with them the key that the audit log is chained by."""
        shutil.rmtree(self.directory / "tokens", ignore_errors=True)
