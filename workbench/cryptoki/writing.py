"""A trace as text, table, JSON Lines and file. Only words are written: the records hold nothing else."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from workbench.cryptoki.redaction import Pairs
from workbench.cryptoki.tracing import Record, Trace
from workbench.faults import WorkbenchError

__all__ = ["COLUMNS", "rows", "save", "to_csv", "to_html", "to_jsonl", "to_text"]

COLUMNS = (
    "function",
    "section",
    "rv",
    "listed",
    "duration_us",
    "thread",
    "session",
    "arguments",
    "results",
)
SHOWN_ROWS = 200  # of a table in a notebook: a page of thousands would freeze the browser
LEFT = ' style="text-align:left"'  # Jupyter sets the cells of a table to the right
_BAD = ' style="text-align:left;color:#b3261e;font-weight:bold"'


def words(pairs: Pairs) -> str:
    """``pData: 32 bytes, pSignature: …``."""
    return ", ".join(f"{name}: {text}" for name, text in pairs)


def rows(records: Sequence[Record]) -> list[tuple[object, ...]]:
    """One row a call, with the values of ``COLUMNS``; ``listed`` None where the standard does not say."""
    return [
        (
            r.function,
            r.section,
            r.rv_name,
            r.allowed,
            r.duration_ns / 1000,
            r.thread,
            r.session,
            words(r.arguments),
            words(r.results),
        )
        for r in records
    ]


def to_text(records: Sequence[Record]) -> str:
    """One line a call."""
    lines = []
    for r in records:
        results = f" → {words(r.results)}" if r.results else ""
        lines.append(f"{r.function} §{r.section}({words(r.arguments)}) → {r.answer}{results}")
    return "\n".join(lines) or "(no calls)"


def to_jsonl(trace: Trace) -> str:
    """JSON Lines: one call a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in trace.to_dicts())


def to_csv(records: Sequence[Record]) -> str:
    """Comma-separated, with a head line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows(records))
    return text.getvalue()


def to_html(records: Sequence[Record], limit: int | None = SHOWN_ROWS) -> str:
    """A table; the first ``limit`` calls, None for all."""
    titles = ("call", "section", "arguments", "answer", "results", "µs")
    head = "".join(f"<th{LEFT}>{title}</th>" for title in titles)
    shown = records[:limit]
    body = "".join(_row(r) for r in shown)
    rest = len(records) - len(shown)
    more = f"<p>… and {rest} calls more: filter the trace, or save it to a file.</p>" if rest else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _row(r: Record) -> str:
    before = (r.function, r.section, words(r.arguments))
    cells = [f"<td{LEFT}>{escape(text)}</td>" for text in before]
    cells.append(f"<td{_BAD if r.allowed is False else LEFT}>{escape(r.answer)}</td>")
    cells.append(f"<td{LEFT}>{escape(words(r.results))}</td><td>{r.duration_ns / 1000:.1f}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _page(trace: Trace) -> str:
    return f'<!DOCTYPE html><meta charset="utf-8"><title>Trace</title>{to_html(trace.records, None)}\n'


_WRITERS: dict[str, Callable[[Trace], str]] = {
    ".jsonl": to_jsonl,
    ".json": Trace.to_perfetto,
    ".svg": lambda trace: trace.ladder(timings=True)._repr_svg_(),
    ".csv": lambda trace: to_csv(trace.records),
    ".html": _page,
    ".txt": lambda trace: to_text(trace.records) + "\n",
}


def save(trace: Trace, path: Path) -> Path:
    """Write the trace in the form that the suffix asks for. Errors: ``WorkbenchError`` for another suffix."""
    write = _WRITERS.get(path.suffix)
    if write is None:
        raise WorkbenchError(
            f"a trace is saved as {', '.join(_WRITERS)}, not as {path.suffix or path.name!r}"
        )
    path.write_text(write(trace), encoding="utf-8")
    return path
