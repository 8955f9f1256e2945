"""A line of a run: one token × case × number of threads × driver, and the reasons to doubt its figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from workbench.measure.operations import CLEANING, calls_of
from workbench.measure.stats import Interval, Packed, mean, median_interval, percentiles
from workbench.measure.store import Row

__all__ = ["Line", "line_of", "rates"]

FEW_ROUNDS = 6
TAIL_CALLS = 10  # calls beyond a percentile before it says something
FLOOR_SHARE = 0.10
BEHIND = 0.01  # of the calls that were due: a block may end with one that is late for once
LITTLE = 0.05  # Little's law holds to a few parts in a thousand in a closed loop
# Of the round trip: what takes less was not there. Half, because the round trip that is measured holds the device's time
# for the call it was measured with, and that of a link that was idle: a quicker operation, or a link that is kept busy,
# comes back somewhat sooner from the device too, and would be called local for it. What a library answers by itself
# takes microseconds.
LOCAL = 0.5


@attrs.frozen
class Line:
    """One token × case × number of threads × driver. Rates per second, latencies in ns.

    ``outcome``: ok, incomplete (some blocks lost), or why there is no figure. ``loop``: closed (latencies are
    service times) or open (response times, counted from when each call was due). ``floor_ns``: p50 of the same
    calls on the null module. ``cpu_ns``: of this machine's CPU time for one success; ``cpu_share``: the part of
    their wall time that the threads were on a CPU, 0 to 1 (a device or a busy machine made them wait for the
    rest). ``in_flight``: rate × mean latency, N = X·R: by Little's law the calls under way on average, which in
    a closed loop are as many as the threads. ``local``: in less than half the round trip to the device, so that
    the client library answered by itself: the figure has no place in a ranking of devices. ``overdue``: of an open
    loop, calls that were due and had not begun when their block ended. ``warnings``: why the figure should be read
    with care.
    """

    token: str
    case: str
    threads: int
    outcome: str
    detail: str
    driver: str
    rounds: int
    successes: int
    errors: dict[str, int]
    rate: Interval
    p50: Interval
    p90_ns: float
    p99_ns: float
    max_ns: float
    floor_ns: float
    cpu_ns: float
    cpu_share: float
    warnings: tuple[str, ...]
    p999_ns: float = float("nan")
    mean_ns: float = float("nan")
    in_flight: float = float("nan")
    loop: str = "closed"
    local: bool = False
    overdue: int = 0

    @property
    def floor_share(self) -> float:
        """The part of the median latency that the harness itself needs, 0 to 1."""
        return self.floor_ns / self.p50.value

    def says(self, percentile: float) -> bool:
        """Whether enough calls lie beyond a percentile for it to be one: 1,000 for p99, 10,000 for p99.9."""
        return round(self.successes * (1 - percentile / 100), 6) >= TAIL_CALLS


def rates(rows: Iterable[Row]) -> list[float]:
    """Successes per second, of the rows that have any."""
    return [row.rate_per_s for row in rows if row.rate_per_s is not None]


def line_of(
    rows: Sequence[Row],
    latencies: Packed,
    *,
    key: tuple[str, str, int, str],
    case: Mapping[str, Any],
    loop: str,
    floors: Sequence[Row],
    round_trip_ns: float | None,
) -> Line:
    """The line of these blocks, or of the reason why there are none. ``key``: token, case, threads, driver; ``case``: the case as ``run.json`` has it;
    ``floors``: the rows of the same calls on the null module.
    """
    blocks = [row for row in rows if row.measured]
    lost = [row for row in rows if not row.measured]
    p90, p99, p999, largest = percentiles(latencies, (90, 99, 99.9, 100))
    errors: dict[str, int] = {}
    for row in rows:
        for name, count in row.errors.items():
            errors[name] = errors.get(name, 0) + count
    successes = sum(row.successes for row in blocks)
    cpu = sum(row.cpu_s for row in blocks)
    wall = sum(row.wall_s * row.threads for row in blocks)
    busy = sum(row.successes / row.rate_per_s for row in blocks if row.rate_per_s)
    outcome = "ok" if not lost else "incomplete" if blocks else lost[0].outcome
    p50 = median_interval([row.p50_ns for row in blocks if row.p50_ns is not None])
    middle = mean(latencies)
    floor = [row.p50_ns for row in floors if row.p50_ns is not None]
    line = Line(
        *key[:3],
        outcome=outcome if rows else "not run",
        detail=_reasons(lost),
        driver=key[3],
        rounds=len(blocks),
        successes=successes,
        errors=errors,
        rate=median_interval(rates(blocks)),
        p50=p50,
        p90_ns=p90,
        p99_ns=p99,
        p999_ns=p999,
        max_ns=largest,
        mean_ns=middle,
        floor_ns=float(np.median(floor)) if floor else float("nan"),
        cpu_ns=cpu / successes * 1e9 if successes else float("nan"),
        cpu_share=cpu / wall if wall else float("nan"),
        in_flight=successes / busy * middle / 1e9 if busy else float("nan"),
        loop=loop,
        local=round_trip_ns is not None and p50.value < LOCAL * round_trip_ns,
        overdue=sum(row.overdue for row in blocks),
        warnings=(),
    )
    if not blocks:
        return line
    # with part of the operation off the clock, or calls that wait for their turn, the law says nothing
    aside = case.get("timed", "all") != "all" or CLEANING & set(calls_of(case["operation"]))
    whole = not aside and not any(row.pace_per_s for row in blocks)
    return attrs.evolve(line, warnings=(*_doubts(line, whole), *_paces(blocks)))


def _reasons(lost: Sequence[Row]) -> str:
    counted: dict[str, int] = {}
    for row in lost:
        text = f"{row.outcome}: {row.detail}" if row.detail else row.outcome
        counted[text] = counted.get(text, 0) + 1
    return "; ".join(f"{text} ({count} blocks)" if count > 1 else text for text, count in counted.items())


def _paces(blocks: Sequence[Row]) -> tuple[str, ...]:
    paces = sorted({row.pace_per_s for row in blocks if row.pace_per_s})
    return tuple(
        f"paced at {pace:g} per second by the token's budget: its rate says nothing" for pace in paces
    )


def _doubts(line: Line, whole: bool) -> tuple[str, ...]:
    found = []
    if line.local:
        found.append("answered by the client library: in less than half the round trip to the device")
    if line.rounds < FEW_ROUNDS:
        found.append(f"{line.rounds} rounds: the interval is rough")
    if not line.says(99):
        found.append(f"{line.successes} calls: too few for a 99th percentile")
    if line.floor_share > FLOOR_SHARE:
        found.append(f"the harness needs {line.floor_share:.0%} of the latency")
    # a high floor explains a deviation, and has its own sentence; a lower one explains as much of it
    elif line.loop == "closed" and whole and not line.errors:
        deviation = line.in_flight / line.threads - 1
        if abs(deviation) > LITTLE + np.nan_to_num(line.floor_share):
            found.append(
                f"N = X·R is off by {deviation:+.0%}: {line.in_flight:.2f} calls under way "
                f"for {line.threads} thread{'s' if line.threads > 1 else ''}"
            )
    made = line.successes + sum(line.errors.values())
    if line.overdue > BEHIND * (line.overdue + made):
        found.append(
            f"{line.overdue} call{'s were' if line.overdue > 1 else ' was'} due and had not begun: the token does not keep up with this rate, "
            "and the percentiles are lower bounds"
        )
    if line.errors:
        found.append(", ".join(f"{count} calls answered {name}" for name, count in line.errors.items()))
    return tuple(found)
