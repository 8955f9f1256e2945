"""Saturation: how throughput grows with the threads, and where it stops growing.

Two laws are fitted to a sweep over numbers of threads, both with a rate λ of one thread alone. Amdahl's: a part σ
of the work is done by one thread at a time, X(N) = λN / (1 + σ(N − 1)). The universal scalability law adds κ, what
the threads cost one another pair by pair, so that throughput may fall again: the divisor grows by κN(N − 1).
Either is linear in N / X(N), so least squares has one answer and needs no starting guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from workbench.faults import WorkbenchError
from workbench.measure.stats import Interval

__all__ = ["Law", "Saturation", "fit"]

RESAMPLES = 1000
PLATEAU = 0.05  # a rate within this of the highest belongs to the plateau
GROWING = 0.10  # of the ideal growth over the last step: with more than this its end was not seen
STEP = 1.5  # times the threads: between numbers closer together noise is as large as the growth


@attrs.frozen
class Law:
    """Throughput by number of threads, per second. ``kappa`` is 0 for Amdahl's law; ``error``: the largest deviation from a measured rate, as a part of it."""

    rate_of_one: float
    sigma: float
    kappa: float
    error: float

    def at(self, threads: float) -> float:
        """The rate at this number of threads."""
        return _law(self.rate_of_one, self.sigma, self.kappa, threads)


@attrs.frozen
class Saturation:
    """A sweep over threads. Rates per second.

    ``knee``: the threads at which the ideal line meets the highest rate, with its 95 % interval over the rounds:
    fewer leave the token idle, more only wait. For a device of so many equal servers it is their number. ``closed``:
    whether growth was seen to end, over threads half as many again; if not, the knee is a lower bound. ``peak``: the
    highest median rate, and ``peak_threads`` where it was measured.
    """

    threads: tuple[int, ...]
    rates: tuple[float, ...]
    knee: Interval
    closed: bool
    peak: float
    peak_threads: int
    amdahl: Law
    usl: Law

    def ideal(self, threads: float) -> float:
        """The rate if every thread were as fast as the threads of the smallest number measured."""
        return self.rates[0] / self.threads[0] * threads


def fit(sweep: Mapping[int, Sequence[float]]) -> Saturation:
    """Fit a sweep: number of threads → a rate per round. Errors: ``WorkbenchError`` with fewer than three numbers."""
    threads = tuple(sorted(sweep))
    rates = tuple(float(np.median(sweep[n])) for n in threads if len(sweep[n]))
    if len(rates) < max(3, len(threads)) or min(rates) <= 0:
        raise WorkbenchError("a saturation is fitted to rates above 0 of at least three numbers of threads")
    top = int(np.argmax(rates))
    return Saturation(
        threads=threads,
        rates=rates,
        knee=_knee(sweep, threads),
        closed=_closed(threads, rates),
        peak=rates[top],
        peak_threads=threads[top],
        amdahl=_fitted(threads, rates, quadratic=False),
        usl=_fitted(threads, rates, quadratic=True),
    )


def _closed(threads: Sequence[int], rates: Sequence[float]) -> bool:
    """Whether the last step brought next to nothing of what so many more threads would bring at best."""
    before = max((i for i, count in enumerate(threads) if count * STEP <= threads[-1]), default=0)
    ideal = threads[-1] / threads[before] - 1
    return rates[-1] / rates[before] - 1 < GROWING * ideal


def _law(rate: float, sigma: float, kappa: float, threads: float) -> float:
    return rate * threads / (1 + sigma * (threads - 1) + kappa * threads * (threads - 1))


def _fitted(threads: Sequence[int], rates: Sequence[float], *, quadratic: bool) -> Law:
    n, x = np.array(threads, dtype=float), np.array(rates)
    columns = [np.ones_like(n), n - 1, n * (n - 1)]
    chosen = [0, 1, 2] if quadratic else [0, 1]
    while True:
        # each row divided by its own N/X: a deviation of so many percent counts alike wherever it is
        weights = x / n
        matrix = np.column_stack([columns[i] * weights for i in chosen])
        solved = np.linalg.lstsq(matrix, np.ones_like(n), rcond=None)[0]
        found = dict(zip(chosen, solved, strict=True))
        negative = [i for i in chosen if i and found[i] < 0]
        if not negative:
            break
        chosen.remove(min(negative, key=lambda i: found[i]))  # threads do not help one another
    rate = 1 / float(found[0])
    sigma, kappa = float(found.get(1, 0.0)) * rate, float(found.get(2, 0.0)) * rate
    expected = np.array([_law(rate, sigma, kappa, k) for k in threads])
    return Law(rate, sigma, kappa, float(np.max(np.abs(expected / x - 1))))


def _knee(sweep: Mapping[int, Sequence[float]], threads: Sequence[int]) -> Interval:
    arrays = [np.asarray(sweep[n], dtype=float) for n in threads]
    value = float(_meeting(np.array([[np.median(a)] for a in arrays]), threads)[0])
    if min(a.size for a in arrays) < 3:
        return Interval(value, np.nan, np.nan)
    draw = np.random.default_rng(0)
    drawn = np.array([np.median(a[draw.integers(a.size, size=(RESAMPLES, a.size))], axis=1) for a in arrays])
    low, high = np.percentile(_meeting(drawn, threads), [2.5, 97.5])
    return Interval(value, float(low), float(high))


def _meeting(rates: npt.NDArray[np.float64], threads: Sequence[int]) -> npt.NDArray[np.float64]:
    """Where the ideal line meets the plateau; one column of ``rates`` is one sweep.

    The plateau is the median of all rates near the highest: the highest alone is the luckiest.
    """
    near = np.where(rates >= (1 - PLATEAU) * rates.max(axis=0), rates, np.nan)
    return np.asarray(np.nanmedian(near, axis=0) / (rates[0] / threads[0]))
