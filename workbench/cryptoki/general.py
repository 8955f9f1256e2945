"""Chapter 5.4: general-purpose functions. The first argument is the module: C has none, it *is* the library."""

from __future__ import annotations

from workbench.cryptoki.call import on_module
from workbench.cryptoki.module import Module
from workbench.cryptoki.records import Info

__all__ = ["C_Finalize", "C_GetInfo", "C_Initialize"]


def C_Initialize(module: Module) -> None:
    """Start the library in this process (5.4.1), with CKF_OS_LOCKING_OK and the module's own parameter string.

    Errors: ``CryptokiAlreadyInitialized`` when some part of this process did it before.
    """
    module.initialize()


def C_Finalize(module: Module) -> None:
    """End the library's work in this process (5.4.2): every session closes, every session object is gone."""
    on_module(module, "C_Finalize")


def C_GetInfo(module: Module) -> Info:
    """Version and maker of the library (5.4.3)."""
    info: Info = on_module(module, "C_GetInfo")[0]
    return info
