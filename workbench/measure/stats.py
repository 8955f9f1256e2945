"""The statistics: medians over rounds with bootstrap intervals, and latencies that stay small on disk.

The unit of replication is the round. Calls of one block are not independent of each other, so an interval
over calls would promise far more than the data holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt

__all__ = [
    "Interval",
    "mean",
    "median_interval",
    "median_ratio",
    "pack",
    "paired_ratio",
    "percentiles",
    "pool",
    "reached",
]

RESAMPLES = 4000
LEVEL = 0.95
SIGNIFICANT_BITS = 11  # a packed latency is within 1/2048 of the measured one
Packed = npt.NDArray[np.uint64]


@attrs.frozen
class Interval:
    """A median and its bootstrap interval, 95 % unless said; ``low`` and ``high`` are nan with fewer than three values."""

    value: float
    low: float
    high: float

    def __contains__(self, number: float) -> bool:
        return self.low <= number <= self.high

    @property
    def known(self) -> bool:
        """Whether there were values enough for an interval."""
        return not np.isnan(self.low)


def median_interval(values: Sequence[float], seed: int = 0, level: float = LEVEL) -> Interval:
    """The median of one value per round, with its percentile-bootstrap interval (``seed`` makes it repeatable).

    It never leaves the values' own range, so that few values do not reach a high ``level``: see ``reached``.
    """
    array = np.asarray(values, dtype=float)
    if array.size == 0:
        return Interval(np.nan, np.nan, np.nan)
    middle = float(np.median(array))
    if array.size < 3:
        return Interval(middle, np.nan, np.nan)
    drawn = np.random.default_rng(seed).integers(array.size, size=(RESAMPLES, array.size))
    low, high = np.percentile(np.median(array[drawn], axis=1), _tails(level))
    return Interval(middle, float(low), float(high))


def reached(level: float, values: int) -> float:
    """The level that an interval of a median has, of so many values: the range of them all holds the true median
    unless they all lie on one side of it.
    """
    return min(level, 1 - 2.0 ** (1 - values))


def paired_ratio(
    numerators: Sequence[float], denominators: Sequence[float], seed: int = 0, level: float = LEVEL
) -> Interval:
    """The median of the ratios round by round, with interval: what both rounds shared (a busy machine) cancels.

    The sequences are in order of round and equally long; a pair with a denominator of 0 is left out.
    """
    pairs = zip(numerators, denominators, strict=True)
    return median_interval([a / b for a, b in pairs if b], seed, level)


def median_ratio(
    numerators: Sequence[float], denominators: Sequence[float], seed: int = 0, level: float = LEVEL
) -> Interval:
    """The ratio of two medians whose rounds do not belong together, as those of two runs; both are resampled.

    Nothing cancels here: what a slower machine did to one of the two is in the ratio.
    """
    above, below = np.asarray(numerators, dtype=float), np.asarray(denominators, dtype=float)
    if not above.size or not below.size or not np.median(below):
        return Interval(np.nan, np.nan, np.nan)
    middle = float(np.median(above) / np.median(below))
    if min(above.size, below.size) < 3:
        return Interval(middle, np.nan, np.nan)
    draw = np.random.default_rng(seed)
    medians = [
        np.median(values[draw.integers(values.size, size=(RESAMPLES, values.size))], axis=1)
        for values in (above, below)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = medians[0] / medians[1]
    low, high = np.percentile(ratios[np.isfinite(ratios)], _tails(level))
    return Interval(middle, float(low), float(high))


def _tails(level: float) -> list[float]:
    return [50 * (1 - level), 50 * (1 + level)]


def pack(latencies: npt.NDArray[np.uint64]) -> Packed:
    """Latencies as rows ``(ns, how many)`` in ascending order, rounded to eleven significant bits.

    Latencies below 2048 ns stay exact. The largest one is kept exactly, as the last row.
    """
    if latencies.size == 0:
        return np.empty((0, 2), dtype=np.uint64)
    latencies = np.sort(latencies)
    body, largest = latencies[:-1], latencies[-1]
    _, exponents = np.frexp(body.astype(float))  # 2**exponent is just above the value
    shifts = np.maximum(exponents - SIGNIFICANT_BITS, 0).astype(np.uint64)
    one = np.uint64(1)
    rounded = ((body >> shifts) << shifts) + ((one << shifts) >> one)
    values, counts = np.unique(np.minimum(rounded, largest), return_counts=True)
    rows = np.column_stack([values, counts.astype(np.uint64)])
    return np.vstack([rows, np.array([[largest, 1]], dtype=np.uint64)])


def pool(packed: Sequence[Packed]) -> Packed:
    """Several packed sets as one, in ascending order."""
    rows = [p for p in packed if p.size]
    if not rows:
        return np.empty((0, 2), dtype=np.uint64)
    together = np.vstack(rows)
    return together[np.argsort(together[:, 0], kind="stable")]


def mean(packed: Packed) -> float:
    """The mean in ns, of the packed values; nan where there are none."""
    if packed.size == 0:
        return float("nan")
    return float(np.average(packed[:, 0].astype(float), weights=packed[:, 1].astype(float)))


def percentiles(packed: Packed, percents: Sequence[float]) -> list[float]:
    """Percentiles in ns by nearest rank: a latency that was measured, never one between two. 100: the largest."""
    if packed.size == 0:
        return [float("nan")] * len(percents)
    upto = np.cumsum(packed[:, 1])
    total = int(upto[-1])
    ranks = [max(1, int(np.ceil(total * p / 100 - 1e-9))) for p in percents]
    return [float(packed[int(np.searchsorted(upto, rank)), 0]) for rank in ranks]
