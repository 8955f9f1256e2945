"""PyKCS11 as a subject of measurement: what a Python program gets that calls the methods of its ``Session``.

The same session, key and memory as the other drivers have; PyKCS11 copies them as it does for everybody, asks for
the length first, and holds the GIL for the whole of each call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import PyKCS11
from PyKCS11 import LowLevel

from workbench import spec
from workbench.cryptoki.library import ffi
from workbench.faults import WorkbenchError
from workbench.measure.abi_driver import turn_of_the_iv
from workbench.measure.jobs import Job, Limits, Stop, ThreadResult
from workbench.measure.kernel_driver import kernel
from workbench.measure.operations import calls_of
from workbench.measure.thread_driver import Steps, drive_threads

__all__ = ["NotServed", "check_served", "drive_pykcs11", "pykcs11_calls"]

SIGNATURE_INVALID = spec.value("CKR_SIGNATURE_INVALID")
# What PyKCS11 asks twice, the first time for the length.
TWICE = frozenset({"C_Sign", "C_Encrypt", "C_Decrypt", "C_Digest"})
SERVED = frozenset({"sign", "verify", "encrypt", "decrypt", "digest", "random", "seed"})


class NotServed(WorkbenchError):
    """PyKCS11 does not do this, or not with this module: no failure, a fact about PyKCS11."""


def pykcs11_calls(name: str) -> tuple[str, ...]:
    """The functions of one operation in order, as PyKCS11 calls them."""
    calls = calls_of(name)
    return tuple(call for one in calls for call in ((one, one) if one in TWICE else (one,)))


def drive_pykcs11(jobs: Sequence[Job], limits: Limits, stop: Stop) -> list[ThreadResult]:
    """Run the jobs in threads of Python, each a ``Session`` of PyKCS11. Errors: ``NotServed``."""
    return drive_threads(jobs, limits, stop, _steps)


def check_served(job: Job) -> None:
    """Whether PyKCS11 has a method for the job, and reaches its module. Errors: ``NotServed``."""
    work = job.work
    if work.operation not in SERVED or work.length_query or work.parts or work.timed != "all":
        raise NotServed(
            f"the driver pykcs11 makes single calls of {', '.join(sorted(SERVED))}, with the clock on all of it"
        )
    _library(job)


def _steps(job: Job) -> Steps:
    check_served(job)
    work = job.work
    session = PyKCS11.Session(_library(job), _assigned(LowLevel.CK_SESSION_HANDLE(), job.session))
    key = _assigned(LowLevel.CK_OBJECT_HANDLE(), job.key)
    data, mechanism = ffi().buffer(job.data, job.data_length)[:], _Mechanism(job)
    signature = list(work.signature)  # what is verified is not copied: a sequence is what PyKCS11 takes
    calls: dict[str, Callable[[], object]] = {
        "sign": lambda: session.sign(key, data, mechanism),
        "verify": lambda: session.verify(key, data, signature, mechanism),
        "encrypt": lambda: session.encrypt(key, data, mechanism),
        "decrypt": lambda: session.decrypt(key, data, mechanism),
        "digest": lambda: session.digest(data, mechanism),
        "random": lambda: session.generateRandom(work.capacity),
        "seed": lambda: session.seedRandom(data),
    }
    chosen = calls[work.operation]

    def call() -> int:
        try:
            answer = chosen()
        except PyKCS11.PyKCS11Error as error:
            return int(error.value)
        return SIGNATURE_INVALID if answer is False else 0

    turn = turn_of_the_iv(job)
    return Steps(call, turn[0] if turn else None)


class _Mechanism:
    """A mechanism in the form that PyKCS11's methods take, on the memory of the job."""

    def __init__(self, job: Job) -> None:
        self.native = LowLevel.CK_MECHANISM()
        if not job.mechanism:
            return
        self.native.mechanism = int(job.mechanism.mechanism)
        length = int(job.mechanism.ulParameterLen)
        if length:
            # the structure is copied; what it points at, such as an IV that is counted up, is the job's own
            self.parameter = LowLevel.ckbytelist(ffi().buffer(job.mechanism.pParameter, length)[:])
            self.native.pParameter, self.native.ulParameterLen = self.parameter, length

    def to_native(self) -> Any:
        """What PyKCS11 asks of every mechanism."""
        return self.native


def _assigned(handle: Any, value: int) -> Any:
    handle.assign(value)
    return handle


def _library(job: Job) -> PyKCS11.PyKCS11Lib:
    module = job.module
    if module is None:
        return _null_library()
    if not module.pykcs11.attached:
        raise NotServed(
            "the driver pykcs11 needs a module that gives all of a process one function list; this one does not"
        )
    return module.pykcs11.library


@cache
def _null_library() -> PyKCS11.PyKCS11Lib:
    """The null module, which the compiled kernel brings along. Errors: ``NotServed`` without it."""
    if kernel() is None:
        raise NotServed("without the compiled kernel there is no null module, and no floor for pykcs11")
    library = PyKCS11.PyKCS11Lib()
    library.load(kernel().__file__)
    return library
