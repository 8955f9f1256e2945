"""Chapter 5.4: general-purpose functions. The first argument is the module: C has none, it *is* the library."""

from __future__ import annotations

from workbench.cryptoki.call import on_module
from workbench.cryptoki.module import Module
from workbench.cryptoki.records import Info, Interface, Version

__all__ = [
    "C_Finalize",
    "C_GetFunctionList",
    "C_GetInfo",
    "C_GetInterface",
    "C_GetInterfaceList",
    "C_Initialize",
]


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


def C_GetFunctionList(module: Module) -> Version:
    """The version of the v2.40 function list (5.4.4); the list itself stays with the binding."""
    version: Version = on_module(module, "C_GetFunctionList")[0]
    return version


def C_GetInterfaceList(module: Module) -> list[Interface]:
    """The interfaces that the module offers (5.4.5, since v3.0), the vendor's own among them."""
    count = on_module(module, "C_GetInterfaceList", None)[0]
    found: list[Interface] = on_module(module, "C_GetInterfaceList", count)[0]
    return found


def C_GetInterface(
    module: Module,
    pInterfaceName: str | None = "PKCS 11",
    pVersion: tuple[int, int] | None = None,
    flags: int = 0,
) -> Interface:
    """One interface by name, version and flags (5.4.6, since v3.0); None asks for the module's default."""
    found: Interface = on_module(module, "C_GetInterface", pInterfaceName, pVersion, flags)[0]
    return found
