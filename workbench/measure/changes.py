"""What changed from one set of blocks to another: throughput, median latency and CPU time per call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np

from workbench.measure.stats import Interval, median_ratio, paired_ratio
from workbench.measure.store import Row

__all__ = ["LEAST_ROUNDS", "NAMES", "QUANTITIES", "SURE", "Change", "judge"]

QUANTITIES = {"throughput": 1, "p50": -1, "cpu": -1}  # 1: more is better
NAMES = {"throughput": "throughput", "p50": "p50", "cpu": "CPU per call"}
LEAST_ROUNDS = 5  # the interval of fewer leaves the truth out more often than in one of ten verdicts
SURE = 0.999  # several quantities of many lines are looked at: 95 % would be wrong somewhere, always
CPU_COUNTS = 0.10  # of the median latency; below it the CPU time is not what a call waits for
CLOCK_STEPS = 2.0  # ns: medians of very short calls move in steps of the clock


@attrs.frozen
class Change:
    """One quantity: ``ratio`` of new to old with its interval, and the deviation below which it does not count.

    The interval's level is 99.9 % from eleven rounds on, and less with fewer (``stats.reached``).
    """

    quantity: str
    ratio: Interval
    threshold: float

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``same``: no difference shown."""
        beyond = abs(self.ratio.value - 1) > self.threshold
        if not self.ratio.known or 1.0 in self.ratio or not beyond:
            return "same"
        return "better" if (self.ratio.value > 1) == (QUANTITIES[self.quantity] > 0) else "worse"


def judge(
    new: Sequence[Row], old: Sequence[Row], thresholds: Mapping[str, float], *, paired: bool
) -> tuple[Change, ...]:
    """The three changes between two sets of blocks; ``paired``: the blocks of one place belong to one round.

    With fewer than ``LEAST_ROUNDS`` blocks a ratio has no interval, and so no verdict.
    """
    ratio = paired_ratio if paired else median_ratio
    found = []
    for quantity in QUANTITIES:
        above, below = _values(new, quantity), _values(old, quantity)
        if quantity == "cpu" and min(_cpu_part(new), _cpu_part(old)) < CPU_COUNTS:
            continue
        threshold = thresholds[quantity]
        if quantity == "p50" and below:
            threshold = max(threshold, CLOCK_STEPS / float(np.median(below)))
        interval = ratio(above, below, level=SURE)
        if min(len(above), len(below)) < LEAST_ROUNDS:
            interval = Interval(interval.value, np.nan, np.nan)
        found.append(Change(quantity, interval, threshold))
    return tuple(found)


def _values(rows: Sequence[Row], quantity: str) -> list[float]:
    if quantity == "throughput":
        return [row.rate_per_s or 0.0 for row in rows]
    if quantity == "p50":
        return [row.p50_ns or 0.0 for row in rows]
    return [row.cpu_s / max(1, row.successes) for row in rows]  # a call that failed is of no use to anybody


def _cpu_part(rows: Sequence[Row]) -> float:
    # not of the wall time: a busy machine takes its share of that
    latency = [row.p50_ns or 0.0 for row in rows]
    return float(np.median(_values(rows, "cpu")) * 1e9 / np.median(latency)) if any(latency) else 0.0
