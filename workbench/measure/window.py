"""When the calls of a block succeeded, so that blocks of several hosts can be counted where they overlap."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from workbench.measure.jobs import ThreadResult

__all__ = ["Window", "joined", "window_of"]

SLICES = 50
Times = npt.NDArray[np.float64]


@attrs.frozen
class Window:
    """The steady part of a block, in which all of its threads ran; ``begin_ns``, ``end_ns``: Unix time.

    ``slices``: the successes in each of so many equal parts of it.
    """

    begin_ns: int
    end_ns: int
    slices: tuple[int, ...]

    def moved(self, ns: int) -> Window:
        """The same window on a clock that shows so much more."""
        return attrs.evolve(self, begin_ns=self.begin_ns + ns, end_ns=self.end_ns + ns)

    def successes(self, begin_ns: int, end_ns: int) -> int:
        """The successes between two times; a slice that is cut counts in proportion."""
        edges = np.linspace(self.begin_ns, self.end_ns, len(self.slices) + 1)
        upto = np.concatenate([[0], np.cumsum(self.slices)])
        before, after = np.interp([begin_ns, end_ns], edges, upto)
        return round(float(after - before))


def joined(windows: Sequence[Window]) -> Window:
    """What several processes of one machine did while all of them ran."""
    begin, end = max(w.begin_ns for w in windows), min(w.end_ns for w in windows)
    if begin >= end:
        begin, end = min(w.begin_ns for w in windows), max(w.end_ns for w in windows)
    edges = [round(edge) for edge in np.linspace(begin, end, SLICES + 1)]
    return Window(begin, end, tuple(sum(w.successes(a, b) for w in windows) for a, b in pairwise(edges)))


def window_of(results: Sequence[ThreadResult]) -> Window:
    """The window of a block.

    When each call returned follows from the latencies where it was not recorded: the calls of a closed loop are back
    to back, and what lies between two of them is spread evenly. Those of an open loop are spread evenly themselves.
    """
    begin, end = max(r.begin_ns for r in results), min(r.end_ns for r in results)
    if begin >= end:  # a thread had ended before another one began
        begin, end = min(r.begin_ns for r in results), max(r.end_ns for r in results)
    edges = np.linspace(begin, end, SLICES + 1)
    slices = sum((np.diff(_returned_by(result, edges)) for result in results), np.zeros(SLICES))
    to_unix = time.time_ns() - time.monotonic_ns()
    # rounded as running totals: the slices add up to all the successes of the window
    totals = np.rint(np.concatenate([[0.0], np.cumsum(slices)])).astype(int)
    return Window(begin + to_unix, end + to_unix, tuple(int(n) for n in np.diff(totals)))


def _returned_by(result: ThreadResult, times: Times) -> Times:
    """How many successes of a thread had returned by each of these times."""
    if len(result.ends) == result.successes:
        return np.searchsorted(result.ends, times, side="right").astype(np.float64)
    kept = len(result.latencies)
    # of an open loop they do not add up to the time, and a full buffer has the first ones alone
    if len(result.services) or kept < result.successes or kept == 0:
        share = (times - result.begin_ns) / max(1, result.end_ns - result.begin_ns)
        spread: Times = np.clip(share, 0.0, 1.0) * result.successes
        return spread
    returned = np.cumsum(result.latencies, dtype=np.float64)
    wall = result.end_ns - result.begin_ns
    returned = np.minimum(returned * (wall / returned[-1]), wall)  # the last one at the end, rounded or not
    return np.searchsorted(returned, times - result.begin_ns, side="right").astype(np.float64)
