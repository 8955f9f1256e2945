"""The compiled kernel as a driver: jobs into its structures, its counts and times out of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from workbench import spec
from workbench.cryptoki.library import ffi
from workbench.measure.jobs import IV_BYTES, Job, Latencies, Limits, Stop, ThreadResult
from workbench.measure.operations import OPERATIONS

__all__ = ["drive_kernel", "kernel"]


@cache
def kernel() -> Any:
    """The compiled kernel (a cffi module with ``ffi`` and ``lib``), or None where the install had no compiler."""
    try:
        from workbench.measure import _kernel
    except ImportError:
        return None
    return _kernel


def drive_kernel(jobs: Sequence[Job], limits: Limits, stop: Stop) -> list[ThreadResult]:
    """Run the jobs in threads of the kernel. Errors: ``OSError`` where the system gives no so many."""
    load, lib = kernel().ffi, kernel().lib
    array = load.new("load_job[]", len(jobs))
    notes = [_Notes(limits) for _ in jobs]
    for thread, (job, slot, note) in enumerate(zip(jobs, array, notes, strict=True)):
        _describe(job, slot)
        slot.warmup_ns, slot.duration_ns, slot.limit = limits.warmup, limits.duration, limits.count
        slot.give_up, slot.capacity = limits.give_up, limits.samples
        slot.interval_ns, slot.phase_ns = limits.interval, limits.phase(thread, len(jobs))
        slot.latency_ns, slot.service_ns, slot.end_ns_of = note.addresses()
    error = lib.load_run(array, len(jobs), load.cast("int *", _address(stop.flag)))
    if error:
        raise OSError(error, f"the system gave no {len(jobs)} threads")
    return [note.result(slot) for slot, note in zip(array, notes, strict=True)]


class _Notes:
    """Room for a thread's latencies, service times and ends."""

    def __init__(self, limits: Limits) -> None:
        kept = (True, limits.interval > 0, limits.ends)
        self.buffers = [np.empty(limits.samples if wanted else 0, dtype=np.uint64) for wanted in kept]
        for buffer in self.buffers:
            buffer.fill(0)  # the pages are there before the clock runs

    def addresses(self) -> list[Any]:
        cast = kernel().ffi.cast
        return [cast("uint64_t *", buffer.ctypes.data if len(buffer) else 0) for buffer in self.buffers]

    def result(self, slot: Any) -> ThreadResult:
        codes = [
            (code, count) for code, count in zip(slot.error_code, slot.error_count, strict=True) if count
        ]
        errors = {spec.name("CKR", code): count for code, count in codes}
        if slot.other_errors:
            errors["other"] = slot.other_errors
        latencies, services, ends = (self._kept(buffer, slot.recorded) for buffer in self.buffers)
        return ThreadResult(
            successes=slot.successes,
            failures=slot.failures,
            errors=errors,
            begin_ns=slot.begin_ns,
            end_ns=slot.end_ns,
            cpu_ns=slot.cpu_ns,
            warmup_calls=slot.warmup_calls,
            gave_up=bool(slot.gave_up),
            latencies=latencies,
            services=services,
            ends=ends,
            aside_ns=slot.aside_ns,
            overdue=slot.overdue,
        )

    @staticmethod
    def _kept(buffer: Latencies, count: int) -> Latencies:
        return buffer[:count].copy()


@cache
def _numbers() -> dict[str, int]:
    return {operation: number for number, operation in enumerate(OPERATIONS)}


def _timed(job: Job) -> int:
    """The kernel's number of what the clock is on. C_Initialize is the second call of its operation."""
    lib = kernel().lib
    first, others = lib.LOAD_TIME_FIRST, lib.LOAD_TIME_OTHERS
    if job.operation == "initialize":
        first, others = others, first
    return int({"all": lib.LOAD_TIME_ALL, "init": first, "rest": others}[job.work.timed])


def _describe(job: Job, slot: Any) -> None:
    """What is to be called, and with what."""
    cast, work = kernel().ffi.cast, job.work
    slot.functions = cast("struct CK_FUNCTION_LIST *", job.lists.v2_40)
    slot.functions_3_2 = cast("struct CK_FUNCTION_LIST_3_2 *", job.lists.v3_2)
    slot.operation, slot.timed = _numbers()[job.operation], _timed(job)
    slot.length_query, slot.parts = work.length_query, work.parts
    slot.session, slot.slot, slot.flags = job.session, work.slot, work.flags
    slot.key, slot.target = work.key, work.target
    slot.mechanism = cast("struct CK_MECHANISM *", _address(job.mechanism))
    slot.counter = cast("unsigned char *", _address(job.counter))
    slot.fresh_iv, slot.fresh_iv_length = cast("unsigned char *", _address(job.fresh_iv)), IV_BYTES
    for number, (array, rooms) in enumerate(job.templates, 1):
        setattr(slot, f"template_{number}", cast("struct CK_ATTRIBUTE *", _address(array)))
        setattr(slot, f"template_{number}_length", len(rooms))
    slot.data = cast("unsigned char *", _address(job.data))
    slot.data_length = job.data_length
    slot.signature = cast("unsigned char *", _address(job.signature))
    slot.signature_length = len(work.signature)
    slot.arguments = cast("void *", _address(job.arguments))
    slot.output = cast("unsigned char *", _address(job.output))
    slot.output_capacity = work.capacity


def _address(pointer: Any) -> int:
    return int(ffi().cast("uintptr_t", pointer))
