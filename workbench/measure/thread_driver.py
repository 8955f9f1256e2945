"""Threads of Python as a driver, for calls that Python makes: the fallback without a compiler is one of them.

Each thread does what a thread of the kernel does (native/kernel.c); what Python needs for it is in every figure.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import attrs
import numpy as np

from workbench import spec
from workbench.measure.jobs import Job, Limits, Stop, ThreadResult

__all__ = ["Steps", "drive_threads"]

SPIN_NS = 200_000  # a sleep may end so much too late
NAP_S = 0.02  # how long a sleeping thread may not see the stop flag
Call = Callable[[], int]


@attrs.frozen
class Steps:
    """One operation as calls without arguments that answer a CKR: those before the clock runs, on it, and after."""

    timed: Call
    before: Call | None = None
    after: Call | None = None


def drive_threads(
    jobs: Sequence[Job], limits: Limits, stop: Stop, steps_of: Callable[[Job], Steps]
) -> list[ThreadResult]:
    """Run every job in a thread of Python; ``steps_of`` is called in that thread, before the common start."""
    results: list[ThreadResult | None] = [None] * len(jobs)
    errors: list[BaseException] = []
    origin: list[int] = []
    barrier = threading.Barrier(len(jobs), action=lambda: origin.append(time.monotonic_ns()))

    def run(index: int) -> None:
        try:
            steps = steps_of(jobs[index])
            phase = limits.phase(index, len(jobs))
            barrier.wait()
            results[index] = _Thread(steps, limits, stop, origin[0], phase).run()
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=run, args=(i,), name=f"load-{i}") for i in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise next((e for e in errors if not isinstance(e, threading.BrokenBarrierError)), errors[0])
    return [result for result in results if result is not None]


class _Thread:
    """One thread's loop, warm-up and measured window."""

    def __init__(self, steps: Steps, limits: Limits, stop: Stop, origin: int, phase: int) -> None:
        self.steps, self.limits, self.flag = steps, limits, stop.flag
        self.started = origin if limits.interval else time.monotonic_ns()
        # of the measured window and not of the warm-up: however long that is, the window has its share of due times
        self.due = origin + ((limits.warmup + phase) % limits.interval if limits.interval else 0)
        self.errors: dict[int, int] = {}
        self.latencies: list[int] = []
        self.services: list[int] = []
        self.ends: list[int] = []
        self.successes = self.failures = self.aside = self.spun = self.end = self.in_a_row = 0

    def run(self) -> ThreadResult:
        limits = self.limits
        warm_until = self.started + limits.warmup
        warmup_calls = 0
        if limits.warmup:
            self._stretch(warm_until, 0, 0)
            warmup_calls = self.successes + self.failures
            self._forget()
        cpu, begin = time.thread_time_ns(), time.monotonic_ns()
        # idle time belongs to the rate; a thread that is behind begins when it is free
        if limits.interval and (begin <= self.due or not limits.warmup):
            begin = warm_until
        deadline = warm_until + limits.duration if limits.duration else 0
        self._stretch(deadline, limits.count, limits.samples)
        used = time.thread_time_ns() - cpu - self.spun
        gave_up = self.in_a_row >= limits.give_up
        late = limits.interval and deadline and self.end >= deadline and self.due < deadline
        end = max(self.end, deadline) if gave_up else self.end
        # free again when the next call is due: a window of so many intervals holds as many calls
        if limits.interval and deadline and self.due >= deadline and end <= self.due and not self.flag[0]:
            end = deadline
        return ThreadResult(
            successes=self.successes,
            failures=self.failures,
            errors={spec.name("CKR", rv): n for rv, n in self.errors.items()},
            begin_ns=min(begin, end),  # stopped before the window
            end_ns=end,
            cpu_ns=max(0, used),
            warmup_calls=warmup_calls,
            gave_up=gave_up,
            latencies=np.array(self.latencies, dtype=np.uint64),
            services=np.array(self.services, dtype=np.uint64),
            ends=np.array(self.ends, dtype=np.uint64),
            aside_ns=self.aside,
            overdue=(deadline - self.due - 1) // limits.interval + 1 if late else 0,
        )

    def _forget(self) -> None:
        self.errors, self.latencies, self.services, self.ends = {}, [], [], []
        self.successes = self.failures = self.aside = self.spun = self.in_a_row = 0

    def _stretch(self, deadline: int, count: int, samples: int) -> None:
        """Calls until the deadline, the count (0: none), the stop flag or too many errors in a row."""
        now, flag, interval = time.monotonic_ns, self.flag, self.limits.interval
        before, timed, after = self.steps.before, self.steps.timed, self.steps.after
        give_up, ends = self.limits.give_up, self.limits.ends
        successes = failures = in_a_row = aside = 0
        late = 0
        self.end = end = now()
        while True:
            if interval:
                if (deadline and self.due >= deadline) or not self._wait():
                    break
                late = now() - self.due
                self.due += interval
            begin = start = now()
            rv = 0
            if before is not None:
                rv = before()
                start = now()
            if rv == 0:
                rv = timed()
            end = done = now()
            if after is not None and rv == 0:
                rv = after()
                end = now()
            aside += end - begin - (done - start)
            if rv == 0:
                successes += 1
                in_a_row = 0
                if successes <= samples:
                    self.latencies.append(done - start + late)
                    if interval:
                        self.services.append(done - start)
                    if ends:
                        self.ends.append(end)
            else:
                failures += 1
                in_a_row += 1
                self.errors[rv] = self.errors.get(rv, 0) + 1
            if (deadline and end >= deadline) or (count and successes + failures >= count):
                break
            if in_a_row >= give_up or flag[0]:
                break
        self.successes, self.failures, self.in_a_row = successes, failures, in_a_row
        self.aside, self.end = aside, end

    def _wait(self) -> bool:
        """Sleep, then spin, until the next call is due; False where the stop flag was raised first."""
        now, flag, due = time.monotonic_ns, self.flag, self.due
        while (left := due - now()) > SPIN_NS and not flag[0]:
            time.sleep(min(NAP_S, (left - SPIN_NS) / 1e9))
        spin_from = now()
        while now() < due and not flag[0]:
            time.sleep(0)  # another thread of Python may have something to do
        self.spun += now() - spin_from
        return now() >= due
