"""Every call, written down while it happens: section, arguments, return code, results, time.

A trace is an observer. Without one, a call pays for a look at an empty tuple. With one it pays for keeping
what may be kept (see ``redaction``: what must not be shown is never in a record) and for one tuple; the words
are made when the trace is read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from workbench import spec
from workbench.cryptoki import redaction
from workbench.cryptoki.redaction import Kept, Pairs
from workbench.faults import WorkbenchError

if TYPE_CHECKING:
    import pandas

    from workbench.cryptoki.ladder import Ladder
    from workbench.cryptoki.summary import Summary

__all__ = ["Note", "Record", "Trace", "active", "note", "record", "trace"]


@attrs.frozen
class Record:
    """One call. ``start_ns`` and ``duration_ns`` by the monotonic clock; ``session`` 0 where it has none.

    ``allowed``: whether the standard lists the return code for this function; None where that cannot be said.
    """

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

    @property
    def answer(self) -> str:
        """The name of the return code, marked where the standard does not list it for this function."""
        return f"{self.rv_name} (not listed)" if self.allowed is False else self.rv_name

    @property
    def chapter(self) -> str:
        """The chapter of the standard (v3.2), such as ``5.13``."""
        return spec.function(self.function).chapter


@attrs.frozen
class Note:
    """Something that happened in this program, not in the module (a message hashed here, for one)."""

    text: str
    start_ns: int
    thread: str


@attrs.frozen
class _Call:
    """A call as it was kept: of arguments and results only what anybody may see."""

    function: str
    arguments: Kept
    rv: int
    results: Kept
    start_ns: int
    end_ns: int
    thread: str
    session: int
    binding: str

    def told(self) -> Record:
        """The call in words."""
        name = spec.name("CKR", self.rv)
        arguments, results = redaction.tell(self.function, self.arguments, self.results)
        return Record(
            function=self.function,
            section=spec.function(self.function).section,
            arguments=arguments,
            rv=self.rv,
            rv_name=name,
            allowed=spec.allows(self.function, name),
            results=results,
            start_ns=self.start_ns,
            duration_ns=self.end_ns - self.start_ns,
            thread=self.thread,
            session=self.session,
            binding=self.binding,
        )


Entry = Record | Note
_Raw = tuple[str, Kept, int, Kept, int, int, str, int, str]  # the fields of a _Call: a tuple is made quicker

active: tuple[Trace, ...] = ()
_lock = threading.Lock()


class Trace:
    """The calls of a block, in the order in which they began; a table in a notebook, text elsewhere.

    The filters (``filter``, ``failing``, ``deviating``, ``slow``) give a trace of those calls alone, and chain.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._told: list[Entry] = list(entries)
        self._kept: list[_Raw | Note] = []  # not yet in words; threads append, list.append is atomic
        self._since = 0  # a call that began before this trace did is not in it

    @property
    def entries(self) -> list[Entry]:
        """The calls and the notes, in the order in which they began."""
        with _lock:
            fresh = self._kept[:]
            del self._kept[: len(fresh)]
            self._told += [one if isinstance(one, Note) else _Call(*one).told() for one in fresh]
            self._told.sort(key=_started)  # a call is written down when it ends: threads overtake each other
            return self._told[:]

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

    def filter(
        self,
        chapter: str | None = None,
        function: str | None = None,
        session: Any = None,
        thread: str | None = None,
    ) -> Trace:
        """A trace of the calls that fit everything given.

        ``chapter``: ``5.13`` or a section, ``5.13.2``; ``function``: ``C_Sign`` or ``Sign``; ``session``: a
        session or the number of its handle; ``thread``: its name.
        Errors: ``WorkbenchError`` for a function or chapter that the standard does not have.
        """
        wanted = None if function is None else _function_name(function)
        if chapter is not None:
            _check_chapter(chapter)
        handle = None if session is None else int(getattr(session, "handle", session))
        return Trace(
            r
            for r in self.records
            if (chapter is None or f"{r.section}.".startswith(f"{chapter}."))
            and wanted in (None, r.function)
            and handle in (None, r.session)
            and thread in (None, r.thread)
        )

    def failing(self) -> Trace:
        """A trace of the failed calls alone."""
        return Trace(r for r in self.records if r.failed)

    def deviating(self) -> Trace:
        """A trace of the calls whose return code the standard does not list for their function."""
        return Trace(r for r in self.records if r.allowed is False)

    def slow(self, microseconds: float = 1000.0) -> Trace:
        """A trace of the calls that took at least so long."""
        return Trace(r for r in self.records if r.duration_ns >= microseconds * 1000)

    def summary(self) -> Summary:
        """Calls, failures and time, function by function."""
        from workbench.cryptoki.summary import summarise  # made only when asked for

        return summarise(self.records)

    def ladder(self, timings: bool = False) -> Ladder:
        """The sequence of calls between program and token, as a drawing (and as text)."""
        from workbench.cryptoki.ladder import Ladder

        return Ladder(tuple(self.entries), timings)

    def to_dicts(self) -> list[dict[str, object]]:
        """One plain dictionary a call, ready for JSON; times in nanoseconds."""
        return [attrs.asdict(r) for r in self.records]

    def to_jsonl(self) -> str:
        """JSON Lines: one call a line."""
        from workbench.cryptoki.writing import to_jsonl

        return to_jsonl(self)

    def to_perfetto(self) -> str:
        """A timeline in the JSON trace-event format, for ui.perfetto.dev and chrome://tracing.

        One lane for each thread and session; a call's category is its chapter, its arguments are the words.
        """
        from workbench.cryptoki.timeline import to_perfetto

        return to_perfetto(self.entries)

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a call: function, section, rv, listed, duration_us, thread, session, arguments, results."""
        import pandas  # heavy; only here

        from workbench.cryptoki.writing import COLUMNS, rows

        return pandas.DataFrame(rows(self.records), columns=list(COLUMNS))

    def save(self, path: str | Path) -> Path:
        """Write the trace to a file, in the form that the suffix asks for; the path.

        ``.jsonl`` JSON Lines, ``.json`` timeline, ``.svg`` ladder, ``.csv`` and ``.html`` table, ``.txt`` text.
        Errors: ``WorkbenchError`` for another suffix.
        """
        from workbench.cryptoki.writing import save

        return save(self, Path(path))

    def __str__(self) -> str:
        from workbench.cryptoki.writing import to_text

        return to_text(self.records)

    def __repr__(self) -> str:
        return f"<Trace of {len(self)} calls>"

    def _repr_html_(self) -> str:
        from workbench.cryptoki.writing import to_html

        return to_html(self.records)


def _started(entry: Entry) -> int:
    return entry.start_ns


def _function_name(name: str) -> str:
    full = name if name.startswith("C_") else f"C_{name}"
    try:
        return spec.function(full).name
    except KeyError:
        raise WorkbenchError(f"the standard has no function {full!r}; give a name such as 'C_Sign'") from None


def _check_chapter(chapter: str) -> None:
    if not any(f"{f.section}.".startswith(f"{chapter}.") for f in spec.functions()):
        raise WorkbenchError(
            f"no function stands in chapter {chapter!r}; give one of 5.4 to 5.21, as in '5.13'"
        )


@contextmanager
def trace() -> Iterator[Trace]:
    """Trace every call that this process makes through the workbench while the block runs, in any thread.

    A call is in the trace if it begins and ends within the block. Blocks may overlap and be nested.
    """
    global active
    made = Trace()
    with _lock:
        made._since = time.monotonic_ns()
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
    taken, given = redaction.keep(function, arguments, results)
    start, end = times
    thread = threading.current_thread().name
    made = (function, taken, rv, given, start, end, thread, int(session), binding)
    for observer in active:
        if start >= observer._since:
            observer._kept.append(made)


def note(text: str) -> None:
    """Write into every active trace what the program itself did between two calls."""
    if active:
        made = Note(text, time.monotonic_ns(), threading.current_thread().name)
        for observer in active:
            observer._kept.append(made)
