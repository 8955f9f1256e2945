"""The floor: what the same driver needs for the same calls when the token does nothing at all."""

from __future__ import annotations

from functools import cache
from typing import Any

import cffi

from workbench.cryptoki import Mechanism
from workbench.cryptoki.library import ffi
from workbench.measure.drivers import kernel
from workbench.measure.jobs import Job
from workbench.measure.operations import OPERATIONS

__all__ = ["floor_job"]

OUTPUT = 256  # bytes: what the null module's key signs with, as RSA-2048 does
NULL_DATA = bytes(1024)


def floor_job(driver: str, operation: str) -> Job:
    """A job of this operation on the null module, in a session of its own.

    The compiled driver brings a null module along. Without a compiler there is none, and the C library's
    ``labs`` stands in for every function: with session handle 0 it answers 0, which is CKR_OK.
    """
    functions, session = _null_session() if driver == "c-kernel" else (_labs(), 0)
    mechanism = None if operation == "random" else Mechanism(0)
    capacity = 32 if operation == "random" else len(NULL_DATA) + OUTPUT
    return Job(
        operation, functions, session, key=OUTPUT, mechanism=mechanism, data=NULL_DATA, capacity=capacity
    )


def _null_session() -> tuple[int, int]:
    address = int(kernel().ffi.cast("uintptr_t", kernel().lib.load_null_module()))
    functions = ffi().cast("CK_FUNCTION_LIST_PTR", address)
    session = ffi().new("CK_SESSION_HANDLE *")
    rv = functions.C_OpenSession(0, 6, ffi().NULL, ffi().NULL, session)
    assert rv == 0, rv
    return address, int(session[0])


@cache
def _labs_list() -> tuple[Any, Any]:
    library = cffi.FFI()
    library.cdef("long labs(long);")
    c = library.dlopen(None)
    address = int(library.cast("uintptr_t", library.addressof(c, "labs")))
    functions = ffi().new("CK_FUNCTION_LIST *")
    for calls in OPERATIONS.values():
        for name in calls:
            setattr(functions, name, ffi().cast(f"CK_{name}", address))
    return functions, c


def _labs() -> int:
    return int(ffi().cast("uintptr_t", _labs_list()[0]))
