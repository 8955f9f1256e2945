"""NSS softoken as it is today: version 3.2 of the standard, ML-DSA and ML-KEM."""

from __future__ import annotations

from workbench.tokens.providers.newer import Newer
from workbench.tokens.providers.nss import NSS

__all__ = ["NewerNSS"]


class NewerNSS(Newer, NSS):
    """NSS softoken 3.110 or newer over a database in the sandbox directory."""

    name = "nss-new"
    title = "NSS softoken 3.110 or newer"
    packages = ("libnss3",)
    library = "libsoftokn3.so"
    installed_as = ("libnss3", "nss-softokn", "nss")
    oldest = (3, 110)

    def enter(self) -> None:
        """Nothing beforehand: the loader finds what the module needs."""
        return
