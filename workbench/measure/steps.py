"""The places and blocks of a run, and the rows that they become."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import ClassVar

import attrs

from workbench.measure.lanes import Lane
from workbench.measure.plan import Case, Plan
from workbench.measure.stats import percentiles
from workbench.measure.store import Row
from workbench.measure.subject import Block

__all__ = ["FLOORS", "MINIMUM_CALLS", "Floor", "Place", "Step", "filled", "length", "now", "with_floors"]

MINIMUM_CALLS = 20  # per block and thread, and in an open loop due in it: a block grows until so many fit
LONGEST = 5.0  # seconds, beyond which it does not grow for them
FLOORS = 3  # blocks of each floor


@attrs.frozen
class Place:
    """Where a case is measured: a column of the results."""

    lane: Lane
    driver: str


@attrs.frozen
class Step:
    """A block to be measured."""

    round: int
    case: Case
    threads: int
    place: Place
    position: int

    @property
    def kind(self) -> str:
        """Steps of one kind cost alike, beyond their length too."""
        return f"{self.case.name}, {self.threads} on {self.place.lane.label} by {self.place.driver}"

    @property
    def row(self) -> Row:
        """The row that the block becomes, without its figures."""
        case, lane = self.case, self.place.lane
        pace = lane.origin.budget.max_rate if lane.origin.budget else None
        return Row(
            "block",
            lane.label,
            case.name,
            case.operation,
            self.threads,
            "ok",
            self.place.driver,
            self.round,
            self.position,
            pace_per_s=pace,
        )


@attrs.frozen
class Floor:
    """A block of the null module's calls, in the worker of a place. ``number``: from 0, of ``FLOORS``."""

    place: Place
    operation: str
    threads: int
    number: int

    kind: ClassVar[str] = "floor"

    @property
    def row(self) -> Row:
        """The row that it becomes, without its figures."""
        place = self.place
        return Row(
            "floor", place.lane.label, "", self.operation, self.threads, "ok", place.driver, self.number
        )


def with_floors(steps: Iterable[Step], rounds: int) -> Iterator[Step | Floor]:
    """The steps of so many rounds, each place's floors among them: in the first, the middle and the last round.

    A floor stands before the first block of its operation and number of threads, so that it sees the machine as that
    does. With fewer than three rounds, several stand in one.
    """
    due = [round(number * (rounds - 1) / (FLOORS - 1)) for number in range(FLOORS)]
    seen = set()
    for step in steps:
        for number in (number for number in range(FLOORS) if due[number] == step.round):
            floor = Floor(step.place, step.case.operation, step.threads, number)
            if floor not in seen:
                seen.add(floor)
                yield floor
        yield step


def length(plan: Plan, call_s: float) -> float:
    """Seconds of a block of calls that take ``call_s`` each.

    In an open loop a whole number of calls is due in it, one at least: a part of an interval would have a call or none.
    """
    seconds = max(plan.seconds, min(LONGEST, MINIMUM_CALLS * call_s))
    if not plan.rate:
        return seconds
    seconds = max(seconds, min(LONGEST, MINIMUM_CALLS / plan.rate))
    return math.ceil(round(seconds * plan.rate, 6)) / plan.rate


def filled(row: Row, made: Block, seconds: float) -> Row:
    """The row with the figures of its block, which was to be so many seconds long."""
    failed = made.successes == 0 or made.gave_up
    p50, p90, p99, p999, largest = made.quantiles() if made.successes else (None,) * 5
    # in an open loop latencies count from the moment that a call was due, and its own time is another thing
    service = percentiles(made.services, [50])[0] if made.services.size else None
    return attrs.evolve(
        row,
        outcome="failed" if failed else "ok",
        detail=", ".join(f"{name}: {count} calls" for name, count in made.errors.items()),
        seconds=seconds,
        wall_s=made.wall_s,
        cpu_s=made.cpu_s,
        successes=made.successes,
        failures=made.failures,
        errors=made.errors,
        rate_per_s=made.rate_per_s,
        p50_ns=p50,
        p90_ns=p90,
        p99_ns=p99,
        p999_ns=p999,
        max_ns=largest,
        service_p50_ns=service,
        overdue=made.overdue,
    )


def now() -> str:
    """The time of this moment, UTC, as rows have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
