"""Where the time of a trace went: calls, failures and durations, function by function."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import attrs

from workbench.cryptoki.tracing import Record

if TYPE_CHECKING:
    import pandas

__all__ = ["Line", "Summary", "summarise"]

_TITLES = ("function", "section", "calls", "failed", "not listed", "total µs", "mean µs", "longest µs")


@attrs.frozen
class Line:
    """One function's share: counts, and times in microseconds. ``unlisted``: codes that the standard does not list."""

    function: str
    section: str
    calls: int
    failed: int
    unlisted: int
    total_us: float
    mean_us: float
    longest_us: float

    def cells(self) -> tuple[str, ...]:
        """The values as they print."""
        counts = (str(self.calls), str(self.failed), str(self.unlisted))
        times = (f"{self.total_us:.1f}", f"{self.mean_us:.1f}", f"{self.longest_us:.1f}")
        return (self.function, self.section, *counts, *times)


@attrs.frozen(repr=False)
class Summary:
    """One line a function, the one that took the most time in all first."""

    lines: tuple[Line, ...]

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a function."""
        import pandas  # heavy; only here

        return pandas.DataFrame([attrs.asdict(line) for line in self.lines])

    def __str__(self) -> str:
        table = [_TITLES, *(line.cells() for line in self.lines)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return "\n".join(
            "  ".join(
                f"{cell:<{w}}" if i < 2 else f"{cell:>{w}}"
                for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in table
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{title}</th>" for title in _TITLES)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line.cells())}</tr>" for line in self.lines
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def summarise(records: Sequence[Record]) -> Summary:
    """The summary of these calls."""
    groups: dict[str, list[Record]] = {}
    for r in records:
        groups.setdefault(r.function, []).append(r)
    lines = [_line(group) for group in groups.values()]
    return Summary(tuple(sorted(lines, key=lambda line: -line.total_us)))


def _line(group: Sequence[Record]) -> Line:
    times = [r.duration_ns / 1000 for r in group]
    return Line(
        function=group[0].function,
        section=group[0].section,
        calls=len(group),
        failed=sum(r.failed for r in group),
        unlisted=sum(r.allowed is False for r in group),
        total_us=sum(times),
        mean_us=sum(times) / len(times),
        longest_us=max(times),
    )
