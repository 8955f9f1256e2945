"""SoftHSM2: a software token in a private directory. The default: one package, no root and no daemon to run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from workbench.tokens.home import private_directory, write_private
from workbench.tokens.providers.base import Provider

__all__ = ["SoftHSM"]


class SoftHSM(Provider):
    """SoftHSM2, by its default file store."""

    name = "softhsm"
    title = "SoftHSM2"
    profile = "softhsm"
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

    def environment(self) -> Mapping[str, str]:
        """SOFTHSM2_CONF names a configuration of our own: the machine's other SoftHSM tokens stay out of sight."""
        configuration = self.directory / "softhsm2.conf"
        text = (
            f"directories.tokendir = {private_directory(self.directory / 'tokens')}\n"
            "objectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n"
        )
        if not configuration.is_file() or configuration.read_text(encoding="utf-8") != text:
            write_private(configuration, text)
        return {"SOFTHSM2_CONF": str(configuration)}

    def clear(self) -> None:
        """Remove the token directory."""
        shutil.rmtree(self.directory / "tokens", ignore_errors=True)
