"""The providers by name."""

from __future__ import annotations

from workbench.faults import WorkbenchError
from workbench.tokens.providers.base import Provider, Sandbox
from workbench.tokens.providers.freehsm import FreeHSM
from workbench.tokens.providers.newer_nss import NewerNSS
from workbench.tokens.providers.nss import NSS
from workbench.tokens.providers.opencryptoki import OpenCryptoki
from workbench.tokens.providers.p11kit import P11Kit
from workbench.tokens.providers.softhsm import SoftHSM
from workbench.tokens.providers.tpm import TPM

__all__ = ["DEFAULT", "PLAIN", "PROVIDERS", "Provider", "Sandbox", "provider"]

PROVIDERS: dict[str, Provider] = {
    made.name: made for made in (SoftHSM(), NSS(), NewerNSS(), OpenCryptoki(), FreeHSM(), TPM(), P11Kit())
}
DEFAULT = "softhsm"
# Two implementations that need neither daemons nor a newer system: they come up anywhere within seconds.
PLAIN = ("softhsm", "nss")


def provider(name: str) -> Provider:
    """The provider of a token's name; ``sandbox`` is the default one's.

    Errors: ``WorkbenchError`` that lists the names there are.
    """
    try:
        return PROVIDERS[DEFAULT if name == "sandbox" else name]
    except KeyError:
        known = ", ".join(["sandbox", *PROVIDERS])
        raise WorkbenchError(f"no token is named {name!r}; known names: {known}") from None
