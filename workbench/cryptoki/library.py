"""Loading a module with cffi, and the function lists that it offers: v2.40's, and v3's through interfaces."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import cffi

from workbench import spec
from workbench.cryptoki.attributes import ULONG
from workbench.cryptoki.records import Interface, Version
from workbench.faults import WorkbenchError
from workbench.spec.declarations import cdef

__all__ = ["Library", "ffi"]

STANDARD = "PKCS 11"
_LISTS = {
    "2.40": "CK_FUNCTION_LIST_PTR",
    "3.0": "CK_FUNCTION_LIST_3_0_PTR",
    "3.2": "CK_FUNCTION_LIST_3_2_PTR",
}
_EXPORTED = """\
CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR ppFunctionList);
CK_RV C_GetInterfaceList(CK_INTERFACE_PTR pInterfacesList, CK_ULONG_PTR pulCount);
"""


@cache
def ffi() -> Any:
    """The one cffi instance with Cryptoki's declarations (parsing them takes about 0.1 s)."""
    made = cffi.FFI()
    made.cdef(cdef() + _EXPORTED)
    if made.sizeof("CK_ULONG") != ULONG:
        raise WorkbenchError(
            "this platform's CK_ULONG is not 8 bytes wide; the workbench needs a 64-bit Unix"
        )
    return made


class Library:
    """The loaded file: ``function_list`` (v2.40), ``interfaces``, and where each function stands.

    ``one_list``: whether everybody gets the same function list. p11-kit's client and proxy make each caller
    one, with sessions and a C_Initialize of its own.

    Errors of the constructor: ``WorkbenchError`` where the file is missing, cannot be loaded, or is not a
    PKCS#11 module.
    """

    def __init__(self, path: str) -> None:
        self._library = _opened(path)  # closing it would unload the module under our feet
        self.function_list = _function_list(self._library, path)
        self.one_list = bool(self.function_list == _function_list(self._library, path))
        raw = _raw_interfaces(self._library)
        self.interfaces = tuple(read_interface(one) for one in raw)
        self._lists: dict[str, Any] = {"2.40": self.function_list}
        for one, made in zip(raw, self.interfaces, strict=True):
            generation = _generation(made)
            if generation is not None and generation not in self._lists:
                self._lists[generation] = ffi().cast(_LISTS[generation], one.pFunctionList)

    def list_of(self, version: str) -> Any:
        """The function list of this shape (2.40, 3.0 or 3.2), or NULL."""
        return self._lists.get(version, ffi().NULL)

    def find(self, function: str) -> tuple[Any, str | None]:
        """``(pointer, None)`` of a function, or ``(None, why not)``: absent from every list, or NULL in its own."""
        introduced = spec.function(function).introduced
        fitting = [version for version in self._lists if version >= introduced]
        if not fitting:
            return None, f"absent: the module has no function list of v{introduced}"
        pointer = getattr(self._lists[min(fitting)], function)
        return (pointer, None) if pointer else (None, "NULL in the module's function list")


def _opened(path: str) -> Any:
    if not Path(path).is_file():
        raise WorkbenchError(f"no module at {path}: give the path of a PKCS#11 library (usually a .so file)")
    try:
        return ffi().dlopen(path)
    except OSError as error:
        reason = str(error).removeprefix(f"cannot load library '{path}': ").split(".  Additionally")[0]
        raise WorkbenchError(f"{path} is not a PKCS#11 module that loads here: {reason}") from None


def _function_list(library: Any, path: str) -> Any:
    listed = ffi().new("CK_FUNCTION_LIST_PTR_PTR")
    try:
        rv = library.C_GetFunctionList(listed)
    except AttributeError:
        raise WorkbenchError(
            f"{path} is a library but not a PKCS#11 module: it has no C_GetFunctionList"
        ) from None
    if rv or listed[0] == ffi().NULL:
        raise WorkbenchError(
            f"{path} gives no function list: C_GetFunctionList answered {spec.name('CKR', rv)}"
        )
    return listed[0]


def _raw_interfaces(library: Any) -> list[Any]:
    """The CK_INTERFACE structures of a v3 module; none of an older one, which lacks the symbol."""
    try:
        ask = library.C_GetInterfaceList
    except AttributeError:
        return []
    count = ffi().new("CK_ULONG *")
    if ask(ffi().NULL, count) or not count[0]:
        return []
    room = ffi().new("CK_INTERFACE[]", count[0])
    return [] if ask(room, count) else [room[i] for i in range(count[0])]


def read_interface(raw: Any) -> Interface:
    """The record of a CK_INTERFACE; a vendor's own interface has no version that could be read."""
    name = ffi().string(raw.pInterfaceName).decode("utf-8", "replace")
    if name != STANDARD or raw.pFunctionList == ffi().NULL:
        return Interface(name, None, raw.flags)
    version = ffi().cast("CK_VERSION *", raw.pFunctionList)
    return Interface(name, Version((version.major, version.minor)), raw.flags)


def _generation(interface: Interface) -> str | None:
    """Which of the three shapes of function list a standard interface has."""
    if interface.version is None:
        return None
    if interface.version >= (3, 2):
        return "3.2"
    return "3.0" if interface.version >= (3, 0) else "2.40"
