"""Every call, written down while it happens: section, arguments, return code, results, time.

A trace is an observer. Without one, a call pays for a look at an empty tuple. Records are made of words
(see ``redaction``): what must not be shown is never in them.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING

import attrs

from workbench import spec
from workbench.cryptoki.redaction import Pairs, describe_arguments, describe_results

if TYPE_CHECKING:
    import pandas

    from workbench.cryptoki.ladder import Ladder

__all__ = ["Note", "Record", "Trace", "active", "note", "record", "trace"]


@attrs.frozen
class Record:
    """One call. ``start_ns`` and ``duration_ns`` by the monotonic clock; ``session`` 0 where it has none."""

    function: str
    section: str
    arguments: Pairs
    rv: int
    rv_name: str
    allowed: bool | None
    results: Pairs
    start_ns: int
    duration_ns: int
    thread: str
    session: int
    binding: str

    @property
    def failed(self) -> bool:
        """Whether the answer was not CKR_OK."""
        return self.rv != 0


@attrs.frozen
class Note:
    """Something that happened in this program, not in the module (a message hashed here, for one)."""

    text: str
    start_ns: int
    thread: str


active: tuple[Trace, ...] = ()
_lock = threading.Lock()


class Trace:
    """The calls of a block, in order; shows itself as a table in a notebook and as text elsewhere."""

    def __init__(self) -> None:
        self.entries: list[Record | Note] = []

    @property
    def records(self) -> list[Record]:
        """The calls alone, without the notes."""
        return [entry for entry in self.entries if isinstance(entry, Record)]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def functions(self) -> list[str]:
        """The names of the functions called, in order."""
        return [r.function for r in self.records]

    def failing(self) -> Trace:
        """A trace of the failed calls alone."""
        part = Trace()
        part.entries = [r for r in self.records if r.failed]
        return part

    def ladder(self, timings: bool = False) -> Ladder:
        """The sequence of calls between program and token, as a drawing (and as text)."""
        from workbench.cryptoki.ladder import Ladder  # drawn only when asked for

        return Ladder(tuple(self.entries), timings)

    def to_dicts(self) -> list[dict[str, object]]:
        """One plain dictionary a call, ready for JSON; times in nanoseconds."""
        return [attrs.asdict(r) for r in self.records]

    def to_jsonl(self) -> str:
        """JSON Lines: one call a line."""
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self.to_dicts())

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a call: function, section, rv, duration_us, thread, session, arguments, results."""
        import pandas  # heavy; only here

        return pandas.DataFrame(
            {
                "function": r.function,
                "section": r.section,
                "rv": r.rv_name,
                "duration_us": r.duration_ns / 1000,
                "thread": r.thread,
                "session": r.session,
                "arguments": _words(r.arguments),
                "results": _words(r.results),
            }
            for r in self.records
        )

    def __str__(self) -> str:
        lines = []
        for r in self.records:
            lines.append(f"{r.function} §{r.section}({_words(r.arguments)}) → {r.rv_name}{_after(r.results)}")
        return "\n".join(lines) or "(no calls)"

    def __repr__(self) -> str:
        return f"<Trace of {len(self)} calls>"

    def _repr_html_(self) -> str:
        head = "".join(
            f"<th{LEFT}>{h}</th>" for h in ("call", "section", "arguments", "answer", "results", "µs")
        )
        rows = "".join(
            "<tr>"
            + "".join(f"<td{LEFT}>{escape(text)}</td>" for text in _cells(r))
            + f"<td>{r.duration_ns / 1000:.1f}</td></tr>"
            for r in self.records
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


LEFT = ' style="text-align:left"'  # Jupyter sets the cells of a table to the right


def _cells(r: Record) -> tuple[str, ...]:
    answer = f"{r.rv_name} (not listed)" if r.allowed is False else r.rv_name
    return r.function, r.section, _words(r.arguments), answer, _words(r.results)


def _words(pairs: Pairs) -> str:
    return ", ".join(f"{name}: {words}" for name, words in pairs)


def _after(pairs: Pairs) -> str:
    return f" → {_words(pairs)}" if pairs else ""


@contextmanager
def trace() -> Iterator[Trace]:
    """Trace every call that this process makes through the workbench while the block runs."""
    global active
    made = Trace()
    with _lock:
        active = (*active, made)
    try:
        yield made
    finally:
        with _lock:
            active = tuple(t for t in active if t is not made)


def record(
    function: str,
    arguments: Sequence[object],
    rv: int,
    results: Sequence[object],
    times: tuple[int, int],
    session: int,
    binding: str,
) -> None:
    """Write one call into every active trace; ``times``: start and end in ns of the monotonic clock."""
    entry = spec.function(function)
    name = spec.name("CKR", rv)
    made = Record(
        function=function,
        section=entry.section,
        arguments=describe_arguments(function, arguments),
        rv=rv,
        rv_name=name,
        allowed=spec.allows(function, name),
        results=describe_results(function, results),
        start_ns=times[0],
        duration_ns=times[1] - times[0],
        thread=threading.current_thread().name,
        session=session,
        binding=binding,
    )
    for observer in active:
        observer.entries.append(made)


def note(text: str) -> None:
    """Write into every active trace what the program itself did between two calls."""
    if active:
        made = Note(text, time.monotonic_ns(), threading.current_thread().name)
        for observer in active:
            observer.entries.append(made)
