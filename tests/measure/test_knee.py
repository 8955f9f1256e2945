"""The search for the knee: on figures, on a device whose capacity is known, and on a token."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from workbench.measure import CASES, Plan, bench, drive
from workbench.measure.clock import Clock
from workbench.measure.device import Device, Emulated
from workbench.measure.drivers import kernel
from workbench.measure.jobs import throughput
from workbench.measure.knee import next_threads, thread_counts
from workbench.tokens import Token


def searched(rate_of: dict[int, float | None], limit: int = 64) -> list[int]:
    """The numbers of threads that a search looks at, one after the other."""
    rates: dict[int, float | None] = {}
    while (threads := next_threads(rates, limit)) is not None:
        rates[threads] = rate_of[threads]
    return list(rates)


def test_threads_are_doubled_up_to_the_limit() -> None:
    assert thread_counts(1) == (1,)
    assert thread_counts(8) == (1, 2, 4, 8)
    assert thread_counts(12) == (1, 2, 4, 8, 12)


def test_the_search_ends_two_doublings_after_the_knee() -> None:
    assert searched({1: 100, 2: 200, 4: 390, 8: 400, 16: 400}) == [1, 2, 4, 8, 16]


def test_one_doubling_without_growth_may_be_bad_luck() -> None:
    assert searched({1: 100, 2: 101, 4: 300, 8: 301, 16: 290}) == [1, 2, 4, 8, 16]


def test_a_token_that_more_threads_slow_down_is_left_at_once() -> None:
    assert searched({1: 100, 2: 80, 4: 70}) == [1, 2, 4]


def test_what_never_stops_growing_ends_at_the_limit() -> None:
    assert searched({n: float(n) for n in (1, 2, 4, 8, 12)}, limit=12) == [1, 2, 4, 8, 12]


def test_what_could_not_be_had_ends_the_search() -> None:
    assert searched({1: 100, 2: 200, 4: None}) == [1, 2, 4]


@pytest.mark.skipif(kernel() is None, reason="the load kernel is not built here")
def test_the_capacity_of_a_device_is_found() -> None:
    with Emulated(Device(service=0.02, nodes=2, capacity=2)) as device:
        rates: dict[int, float | None] = {}
        while (threads := next_threads(rates, 64)) is not None:
            device.restart()
            results = drive(device.jobs(threads), seconds=0.3, warmup=0.02)
            rates[threads] = throughput(results)
    assert (
        16 <= max(rates) <= 32
    )  # four at a time, and two doublings to be sure; a busy machine may take one more


def test_what_steps_cost_beyond_their_length_is_expected_of_those_to_come() -> None:
    clock = Clock()
    for _ in range(10):
        clock.plan("block", 1.0)
    assert clock.left == 10
    for _ in range(4):
        clock.took("block", 1.0, 1.5)
    assert clock.left == pytest.approx(6 * 1.5)
    clock.plan("floor", 0.1)
    assert clock.left == pytest.approx(6 * 1.5 + 0.1 + 0.5)  # nothing is known of floors yet


@pytest.mark.notebook
def test_what_is_not_offered_is_not_searched(softhsm: Token, tmp_path: Path) -> None:
    missing = attrs.evolve(CASES["SHA-256 1 KiB"], name="missing", mechanism="CKM_BLAKE2B_256")
    run = bench(Plan("knee", (missing,), threads="knee", rounds=1, seconds=0.01), ["softhsm"], out=tmp_path)
    assert [(row.kind, row.outcome, row.threads) for row in run.rows] == [("prepare", "not offered", 0)]
    assert [line.outcome for line in run.lines] == ["not offered"]
