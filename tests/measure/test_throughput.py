"""Successes per second of threads that ran side by side."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.measure import ThreadResult
from workbench.measure.jobs import throughput

MS = 1_000_000


def thread(begin_ms: float, end_ms: float, calls: int, call_ms: float) -> ThreadResult:
    return ThreadResult(
        successes=calls,
        failures=0,
        errors={},
        begin_ns=int(begin_ms * MS),
        end_ns=int(end_ms * MS),
        cpu_ns=0,
        warmup_calls=1,
        gave_up=False,
        latencies=np.full(calls, int(call_ms * MS), dtype=np.uint64),
    )


def test_one_thread_has_the_rate_of_its_own_window() -> None:
    assert throughput([thread(5, 105, 100, 1)]) == pytest.approx(1000)


def test_a_thread_that_waited_for_a_cpu_does_not_multiply_what_was_done() -> None:
    ran, waited = thread(0, 100, 1000, 0.1), thread(99, 100, 10, 0.1)
    assert throughput([ran, waited]) == pytest.approx(10_100, rel=0.01)  # not 20,000


def test_a_last_call_of_the_warm_up_that_ends_later_is_no_waiting() -> None:
    # calls of 10 ms: one thread's last warm-up call ended 8 ms after the other's, and both did 10 a window
    assert throughput([thread(0, 100, 10, 10), thread(8, 108, 10, 10)]) == pytest.approx(200)


def test_a_thread_that_ends_later_by_its_last_call_counts_by_its_own_end() -> None:
    assert throughput([thread(0, 100, 10, 10), thread(0, 109, 10, 10.9)]) == pytest.approx(100 + 10 / 0.109)
