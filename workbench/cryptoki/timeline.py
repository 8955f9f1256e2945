"""A trace as a timeline in the JSON trace-event format, which ui.perfetto.dev and chrome://tracing open.

One lane for each pair of thread and session, in the order in which they first appear; times in microseconds
from the first entry.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from workbench.cryptoki.tracing import Note, Record

__all__ = ["to_perfetto"]

PROCESS = 1  # a trace is of one process
Event = dict[str, Any]


def to_perfetto(entries: Sequence[Record | Note]) -> str:
    """The entries of a trace, in order of start, as one JSON text."""
    lanes: dict[tuple[str, int], int] = {}
    origin = entries[0].start_ns if entries else 0
    events = [_event(entry, origin, lanes.setdefault(_lane(entry), len(lanes) + 1)) for entry in entries]
    named = [_named("process_name", 0, "PKCS#11 calls")]
    for (thread, session), number in lanes.items():
        title = f"{thread}, session {session}" if session else f"{thread}, no session"
        named += [_named("thread_name", number, title), _sorted(number)]
    return json.dumps({"traceEvents": [*named, *events], "displayTimeUnit": "ns"}, ensure_ascii=False)


def _lane(entry: Record | Note) -> tuple[str, int]:
    return entry.thread, entry.session if isinstance(entry, Record) else 0


def _event(entry: Record | Note, origin: int, lane: int) -> Event:
    place = {"pid": PROCESS, "tid": lane, "ts": (entry.start_ns - origin) / 1000}
    if isinstance(entry, Note):
        return {"name": entry.text, "cat": "program", "ph": "i", "s": "t", **place}
    told = {
        "section": entry.section,
        "answer": entry.answer,
        "binding": entry.binding,
        "arguments": dict(entry.arguments),
        "results": dict(entry.results),
    }
    duration = entry.duration_ns / 1000
    colour = {"cname": "terrible"} if entry.failed else {}
    return {
        "name": entry.function,
        "cat": entry.chapter,
        "ph": "X",
        **place,
        "dur": duration,
        "args": told,
    } | colour


def _named(what: str, lane: int, name: str) -> Event:
    return {"name": what, "ph": "M", "pid": PROCESS, "tid": lane, "args": {"name": name}}


def _sorted(lane: int) -> Event:
    return {"name": "thread_sort_index", "ph": "M", "pid": PROCESS, "tid": lane, "args": {"sort_index": lane}}
