"""The search for the knee: threads doubled until the throughput stops growing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["GROWTH", "MOST", "next_threads", "thread_counts"]

GROWTH = 1.05  # a doubling that gives less than this is none
FLAT = 2  # doublings in a row without growth that end the search: one may be bad luck
MOST = 64


def thread_counts(limit: int) -> tuple[int, ...]:
    """The numbers of threads that a search may look at: 1, 2, 4 … and the limit itself at the end."""
    counts = []
    threads = 1
    while threads < limit:
        counts.append(threads)
        threads *= 2
    return (*counts, limit)


def next_threads(rates: Mapping[int, float | None], limit: int) -> int | None:
    """The number of threads to look at next; None when the search is over.

    ``rates``: throughput per second by number of threads, None where it could not be had (the token gave no more
    sessions, a worker died). ``limit``: the most threads that the token, its budget or the bench allow.
    """
    counts = thread_counts(limit)
    known = [count for count in counts if count in rates]
    if any(rates[count] is None for count in known) or _flat(counts, rates):
        return None
    return next((count for count in counts if count not in rates), None)


def _flat(counts: Sequence[int], rates: Mapping[int, float | None]) -> bool:
    """Whether the last doublings brought nothing: the best so far is no better than what was had before them."""
    found = [rate for count in counts if (rate := rates.get(count)) is not None]
    if len(found) <= FLAT:
        return False
    return max(found[-FLAT:]) < GROWTH * max(found[:-FLAT])
