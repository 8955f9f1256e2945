"""The two ways to make the calls: the compiled kernel, and Python threads where there is no compiler.

Both are behind ``drive``, and every result names the one that it was measured with.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from workbench import spec
from workbench.cryptoki.library import ffi
from workbench.faults import PolicyRefusal, WorkbenchError
from workbench.measure.jobs import Job, Stop, ThreadResult
from workbench.measure.operations import OPERATIONS

__all__ = ["DRIVERS", "default_driver", "drive", "kernel"]

GIVE_UP = 1000  # errors in a row
SAMPLES = 1 << 18  # latencies kept per thread: 2 MiB


@cache
def kernel() -> Any:
    """The compiled kernel (a cffi module with ``ffi`` and ``lib``), or None where the install had no compiler."""
    try:
        from workbench.measure import _kernel
    except ImportError:
        return None
    return _kernel


def default_driver() -> str:
    """``c-kernel`` where it was built, else ``cffi-abi``."""
    return "c-kernel" if kernel() else "cffi-abi"


def drive(
    jobs: Sequence[Job],
    *,
    seconds: float = 0.0,
    count: int = 0,
    warmup: float = 0.0,
    samples: int = SAMPLES,
    stop: Stop | None = None,
    driver: str | None = None,
    give_up: int = GIVE_UP,
    reserved: bool = False,
) -> list[ThreadResult]:
    """Run every job in a thread of its own, all from one start, in a closed loop; one result per job.

    Until ``seconds`` or ``count`` measured calls per thread, whichever comes first; at least one of them is
    given. ``warmup``: seconds of calls before, which count for nothing. ``samples``: latencies kept per
    thread. A thread gives up after ``give_up`` errors in a row. Ctrl-C and ``stop.set()`` end the run after the
    calls in flight. ``reserved``: the calls were accounted for with the token's policy (``Policy.reserve``).
    Errors: ``PolicyRefusal`` for calls that are not, where the policy keeps an account.
    """
    if not jobs or (seconds <= 0 and count <= 0):
        raise WorkbenchError("drive needs at least one job, and seconds or a count to know when to end")
    name = driver or default_driver()
    if name not in DRIVERS or (name == "c-kernel" and not kernel()):
        raise WorkbenchError(f"no driver {name!r} here; one of {', '.join(n for n in DRIVERS if n != name)}")
    accounts = [job.judge() for job in jobs]
    if any(accounts) and not reserved:
        raise PolicyRefusal("the load kernel asks a token that is not ours through bench, within its budget")
    flag = stop or Stop()
    limits = (round(seconds * 1e9), count, round(warmup * 1e9), min(samples, count or samples), give_up)
    if not _interruptible():
        return DRIVERS[name](jobs, limits, flag)
    results: list[ThreadResult] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.extend(DRIVERS[name](jobs, limits, flag))
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            errors.append(error)

    # Python delivers Ctrl-C to the main thread between two of its own instructions: it has to be free.
    thread = threading.Thread(target=run, name="load")
    thread.start()
    try:
        thread.join()
    except BaseException:
        flag.set()
        thread.join()
        raise
    if errors:
        raise errors[0]
    return results


def _interruptible() -> bool:
    """Whether Ctrl-C would reach this thread as an exception. (In a worker it does not.)"""
    return threading.current_thread() is threading.main_thread() and callable(signal.getsignal(signal.SIGINT))


Limits = tuple[int, int, int, int, int]  # duration in ns, count, warm-up in ns, samples, errors in a row


def _drive_kernel(jobs: Sequence[Job], limits: Limits, stop: Stop) -> list[ThreadResult]:
    duration, count, warmup, samples, give_up = limits
    load, lib = kernel().ffi, kernel().lib
    array = load.new("load_job[]", len(jobs))
    buffers = [np.empty(samples, dtype=np.uint64) for _ in jobs]
    numbers = {operation: number for number, operation in enumerate(OPERATIONS)}
    for job, slot, buffer in zip(jobs, array, buffers, strict=True):
        buffer.fill(0)  # the pages are there before the clock runs
        slot.functions = load.cast("struct CK_FUNCTION_LIST *", job.function_list)
        slot.session, slot.key = job.session, job.key
        slot.mechanism = load.cast("struct CK_MECHANISM *", _address(job.mechanism))
        slot.counter = load.cast("unsigned char *", _address(job.counter))
        slot.operation, slot.length_query = numbers[job.operation], job.length_query
        slot.data = load.cast("unsigned char *", _address(job.data))
        slot.data_length = job.data_length
        slot.output = load.cast("unsigned char *", _address(job.output))
        slot.output_capacity = job.capacity
        slot.warmup_ns, slot.duration_ns, slot.limit, slot.give_up = warmup, duration, count, give_up
        slot.latency_ns = load.cast("uint64_t *", buffer.ctypes.data)
        slot.latency_capacity = samples
    error = lib.load_run(array, len(jobs), load.cast("int *", _address(stop.flag)))
    if error:
        raise OSError(error, f"the system gave no {len(jobs)} threads")
    return [_result(slot, buffer) for slot, buffer in zip(array, buffers, strict=True)]


def _result(slot: Any, buffer: Any) -> ThreadResult:
    codes = [(code, count) for code, count in zip(slot.error_code, slot.error_count, strict=True) if count]
    errors = {spec.name("CKR", code): count for code, count in codes}
    if slot.other_errors:
        errors["other"] = slot.other_errors
    return ThreadResult(
        slot.successes,
        slot.failures,
        errors,
        slot.begin_ns,
        slot.end_ns,
        slot.cpu_ns,
        slot.warmup_calls,
        bool(slot.gave_up),
        buffer[: slot.recorded].copy(),
    )


def _address(pointer: Any) -> int:
    return int(ffi().cast("uintptr_t", pointer))


def _drive_abi(jobs: Sequence[Job], limits: Limits, stop: Stop) -> list[ThreadResult]:
    results: list[ThreadResult | None] = [None] * len(jobs)
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(jobs))

    def run(index: int) -> None:
        try:
            call = _operation(jobs[index])
            barrier.wait()
            results[index] = _closed_loop(call, limits, stop)
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=run, args=(i,), name=f"load-{i}") for i in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [result for result in results if result is not None]


def _operation(job: Job) -> Callable[[], int]:
    """One operation of a job as a call without arguments that answers the CKR."""
    functions = ffi().cast("CK_FUNCTION_LIST_PTR", job.function_list)
    session, mechanism, key, output = job.session, job.mechanism, job.key, job.output
    data, data_length, capacity, query = job.data, job.data_length, job.capacity, job.length_query
    length = ffi().new("CK_ULONG *")
    null = ffi().NULL
    if job.operation == "random":
        generate = functions.C_GenerateRandom
        return lambda: int(generate(session, output, capacity))
    names = OPERATIONS[job.operation]
    init, operate = getattr(functions, names[0]), getattr(functions, names[1])
    keyed = (session, mechanism) if job.operation == "digest" else (session, mechanism, key)
    counter = ffi().buffer(job.counter, 8) if job.counter else None

    def call() -> int:
        if counter is not None:
            counter[:] = (int.from_bytes(counter[:], "big") + 1).to_bytes(8, "big")
        rv = init(*keyed)
        if rv == 0 and query:
            rv = operate(session, data, data_length, null, length)
        if rv == 0:
            length[0] = capacity
            rv = operate(session, data, data_length, output, length)
        return int(rv)

    return call


def _closed_loop(call: Callable[[], int], limits: Limits, stop: Stop) -> ThreadResult:
    duration, count, warmup, samples, give_up = limits
    now, flag = time.monotonic_ns, stop.flag
    warmup_calls = in_a_row = 0
    measured_from = now() + warmup
    while warmup and now() < measured_from and not flag[0] and in_a_row < give_up:
        in_a_row = in_a_row + 1 if call() else 0
        warmup_calls += 1
    latencies: list[int] = []
    errors: dict[int, int] = {}
    successes = failures = in_a_row = 0
    cpu, begin = time.thread_time_ns(), now()
    deadline = measured_from + duration if duration else 0
    while True:
        start = now()
        rv = call()
        end = now()
        if rv == 0:
            successes += 1
            in_a_row = 0
            if successes <= samples:
                latencies.append(end - start)
        else:
            failures += 1
            in_a_row += 1
            errors[rv] = errors.get(rv, 0) + 1
        if (deadline and end >= deadline) or (count and successes + failures >= count):
            break
        if in_a_row >= give_up or flag[0]:
            break
    gave_up = in_a_row >= give_up
    return ThreadResult(
        successes,
        failures,
        {spec.name("CKR", rv): n for rv, n in errors.items()},
        begin,
        max(end, deadline) if gave_up else end,
        time.thread_time_ns() - cpu,
        warmup_calls,
        gave_up,
        np.array(latencies, dtype=np.uint64),
    )


DRIVERS: dict[str, Callable[[Sequence[Job], Limits, Stop], list[ThreadResult]]] = {
    "c-kernel": _drive_kernel,
    "cffi-abi": _drive_abi,
}
