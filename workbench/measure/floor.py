"""The floor: what the same driver needs for the same calls when the token does nothing at all."""

from __future__ import annotations

from functools import cache
from typing import Any

import cffi

from workbench import spec
from workbench.cryptoki import Mechanism
from workbench.cryptoki.attributes import Row
from workbench.cryptoki.library import ffi
from workbench.faults import WorkbenchError
from workbench.measure.jobs import Job, Lists, Work
from workbench.measure.kernel_driver import kernel

__all__ = ["floor_job", "floor_work", "null_lists", "null_session", "open_session"]

SERIAL = spec.value("CKF_SERIAL_SESSION")
OUTPUT = 256  # bytes: what the null module's key signs with, as RSA-2048 does
NULL_DATA = bytes(1024)
ROOM = len(NULL_DATA) + OUTPUT
TEMPLATE: tuple[Row, ...] = ((spec.value("CKA_TOKEN"), b"\0"),)


def floor_job(driver: str, operation: str, thread: int | None = None) -> Job:
    """A job of this operation on the null module, in a session of its own, or in the one of a thread.

    The compiled driver brings a null module along. Without a compiler there is none, and the C library's
    ``labs`` stands in for every function: with session handle 0 it answers 0, which is CKR_OK.
    """
    if driver == "cffi-abi":
        made = Job(floor_work(operation), _labs(), 0)
        made.arguments = ffi().NULL  # C_Initialize has no session: 0 is its only argument
        return made
    lists = null_lists()
    session = open_session(lists) if thread is None else null_session(thread)
    return Job(floor_work(operation), lists, session)


def floor_work(operation: str) -> Work:
    """Work that the null module does, and an emulated device too."""
    templates = {
        "generate_key": 1,
        "generate_key_pair": 2,
        "unwrap": 1,
        "derive": 1,
        "encapsulate": 1,
        "decapsulate": 1,
        "find": 1,
        "attributes": 1,
    }
    return Work(
        operation,
        None if operation == "random" else Mechanism(0),
        key=OUTPUT,
        data=NULL_DATA,
        templates=(TEMPLATE,) * templates.get(operation, 0),
        capacity={"random": 32, "find": 1}.get(operation, ROOM),
        flags=SERIAL,
    )


def null_lists() -> Lists:
    """The function lists of the null module."""
    cast, lib = kernel().ffi.cast, kernel().lib
    return Lists(
        int(cast("uintptr_t", lib.load_null_module())), int(cast("uintptr_t", lib.load_null_module_3_2()))
    )


@cache
def null_session(thread: int) -> int:
    """The session of the null module that all floors of a thread share: a process has a few thousand of them."""
    return open_session(null_lists())


def open_session(lists: Lists, slot: int = 0) -> int:
    """A session of the null module."""
    functions = ffi().cast("CK_FUNCTION_LIST_PTR", lists.v2_40)
    session = ffi().new("CK_SESSION_HANDLE *")
    rv = functions.C_OpenSession(slot, SERIAL, ffi().NULL, ffi().NULL, session)
    if rv:
        raise WorkbenchError(f"the null module gives no more sessions ({spec.name('CKR', rv)})")
    return int(session[0])


@cache
def _labs_lists() -> tuple[Any, ...]:
    library = cffi.FFI()
    library.cdef("long labs(long);")
    c = library.dlopen(None)
    address = int(library.cast("uintptr_t", library.addressof(c, "labs")))
    both = ffi().new("CK_FUNCTION_LIST *"), ffi().new("CK_FUNCTION_LIST_3_2 *")
    for functions in both:
        for name, field in ffi().typeof(functions).item.fields:
            if name != "version":
                setattr(functions, name, ffi().cast(field.type, address))
    return *both, c


def _labs() -> Lists:
    old, new, _ = _labs_lists()
    return Lists(int(ffi().cast("uintptr_t", old)), int(ffi().cast("uintptr_t", new)))
