"""An explanation as a record: what was asked, what was found, and how it prints.

Plain text for a terminal, a table for a notebook, JSON-ready values for a program. What the sources do not
say has no place in any of the three.
"""

from __future__ import annotations

import textwrap
from html import escape
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.spec.model import Reference

__all__ = ["Entry", "Explanation", "Fact"]

WIDTH = 100
SHOWN_IN_FULL = 3  # more entries than this print as a list of one line each
_LEFT = 'style="text-align:left;vertical-align:top"'
LINKED_IN_FULL = 8  # more references than this print as section numbers


@attrs.frozen
class Fact:
    """A labelled table of text: one unnamed column makes a list, ``columns`` name more.

    ``brief`` stands for rows that would fill a page in print; ``scalar`` marks a single value.
    """

    key: str
    label: str
    rows: tuple[tuple[str | None, ...], ...]
    columns: tuple[str, ...] = ()
    brief: str | None = None
    scalar: bool = False

    @classmethod
    def single(cls, key: str, label: str, text: str | None) -> tuple[Fact, ...]:
        """One value; no fact without it."""
        return (cls(key, label, ((text,),), scalar=True),) if text else ()

    @classmethod
    def listing(
        cls, key: str, label: str, items: Iterable[str], brief: str | None = None
    ) -> tuple[Fact, ...]:
        """A list; no fact if it is empty."""
        rows = tuple((item,) for item in items)
        return (cls(key, label, rows, brief=brief),) if rows else ()

    @classmethod
    def table(
        cls, key: str, label: str, columns: tuple[str, ...], rows: Iterable[tuple[str | None, ...]]
    ) -> tuple[Fact, ...]:
        """A table without the columns that nobody filled; no fact if it is empty."""
        cells = list(rows)
        used = [i for i in range(len(columns)) if any(row[i] for row in cells)]
        kept = tuple(tuple(row[i] for i in used) for row in cells)
        return (cls(key, label, kept, tuple(columns[i] for i in used)),) if kept else ()

    @property
    def inline(self) -> bool:
        """Whether the list reads as one line of names rather than as sentences."""
        texts = [row[0] or "" for row in self.rows]
        return self.scalar or all(len(t) <= 40 and not t.endswith(".") for t in texts)

    def plain(self) -> Any:
        """The fact as JSON: a text, a list of texts, or a list of objects without empty members."""
        if self.columns:
            return [
                {c: v for c, v in zip(self.columns, row, strict=True) if v is not None} for row in self.rows
            ]
        return self.rows[0][0] if self.scalar else [row[0] for row in self.rows]


@attrs.frozen
class Entry:
    """One thing that the term names."""

    name: str
    kind: str
    value: int | None = None
    introduced: str | None = None
    deprecated: bool = False
    historical: bool = False
    alias_of: str | None = None
    means: str | None = None
    references: tuple[Reference, ...] = ()
    facts: tuple[Fact, ...] = ()

    @property
    def about(self) -> str:
        """What it is, on one line: ``function, since 3.0, §5.6.11``."""
        parts = [self.kind]
        if self.introduced:
            # The tables begin with 2.40: what it has may well be older.
            parts.append("in 2.40 or before" if self.introduced == "2.40" else f"since {self.introduced}")
        parts += ["deprecated"] * self.deprecated + ["historical"] * self.historical
        parts += [f"another name of {self.alias_of}"] if self.alias_of else []
        here = {r.section for r in self.references if r.version == "3.2" and r.section}
        parts += [f"§{section}" for section in here if len(here) == 1 and f"§{section}" != self.name]
        return ", ".join(parts)

    @property
    def title(self) -> str:
        """The name with its number: ``CKR_PIN_INCORRECT = 0x000000A0 (160)``."""
        return self.name if self.value is None else f"{self.name} = 0x{self.value:08X} ({self.value})"

    def fact(self, key: str) -> Any:
        """The JSON value of one fact; None where there is none."""
        return next((f.plain() for f in self.facts if f.key == key), None)

    def to_dict(self) -> dict[str, Any]:
        """The entry as plain JSON values; what is not known is left out."""
        out: dict[str, Any] = {"name": self.name, "kind": self.kind}
        if self.value is not None:
            out |= {"value": self.value, "hex": f"0x{self.value:08X}"}
        out |= {k: v for k in ("introduced", "alias_of", "means") if (v := getattr(self, k)) is not None}
        out |= {k: True for k in ("deprecated", "historical") if getattr(self, k)}
        if self.references:
            out["references"] = [_reference_dict(r) for r in self.references]
        return out | {f.key: f.plain() for f in self.facts}


@attrs.frozen(repr=False)
class Explanation:
    """What a term means: its entries, and other names that the term may have meant."""

    term: str
    entries: tuple[Entry, ...]
    see_also: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The explanation as plain JSON values."""
        out: dict[str, Any] = {"term": self.term, "entries": [e.to_dict() for e in self.entries]}
        return out | ({"see_also": list(self.see_also)} if self.see_also else {})

    def __str__(self) -> str:
        if len(self.entries) > SHOWN_IN_FULL:
            width = max(len(e.title) for e in self.entries)
            lines = [f"{e.title:{width}}  {e.about}" for e in self.entries]
            return "\n".join([*lines, "", "Explain one of these names to see more."])
        parts = [_text(e) for e in self.entries]
        if self.see_also:
            parts.append("See also: " + ", ".join(self.see_also))
        return "\n\n".join(parts)

    # The text is the best repr too: a notebook without HTML and a Python prompt show it.
    __repr__ = __str__

    def _repr_html_(self) -> str:
        if len(self.entries) > SHOWN_IN_FULL:
            rows = "".join(
                f"<tr><td><code>{escape(e.title)}</code></td><td>{escape(e.about)}</td></tr>"
                for e in self.entries
            )
            return f"<table>{rows}</table>"
        parts = [_html(e) for e in self.entries]
        if self.see_also:
            parts.append(f"<p>See also: {escape(', '.join(self.see_also))}</p>")
        return "\n".join(parts)


def _reference_dict(r: Reference) -> dict[str, Any]:
    out: dict[str, Any] = {"version": r.version}
    out |= {k: v for k in ("section", "title", "url") if (v := getattr(r, k)) is not None}
    return out | {k: True for k in ("inferred", "group") if getattr(r, k)}


def _place(r: Reference) -> str:
    """``§5.13.2 (inferred) C_Sign``: nothing where the version's section is not known."""
    marks = [m for m, on in (("inferred", r.inferred), ("the group's section", r.group)) if on and r.section]
    parts = [f"§{r.section}" if r.section else "", f"({', '.join(marks)})" if marks else "", r.title or ""]
    return " ".join(p for p in parts if p)


def _by_version(references: Iterable[Reference]) -> dict[str, list[Reference]]:
    groups: dict[str, list[Reference]] = {}
    for r in references:
        groups.setdefault(r.version, []).append(r)
    return groups


def _fill(text: str, first: str, rest: str | None = None) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first) if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _shown(column: str, cell: str | None) -> str:
    """A cell as it prints: ``§5.13.2``, ``default CK_FALSE``."""
    return f"{ {'section': '§', 'default': 'default '}.get(column, '') }{cell}" if cell else ""


def _records(fact: Fact) -> list[str]:
    """Wide rows as lines: first cell (middle cells): rules. Rules that many rows share are told once."""
    ruled = fact.columns[-1] == "rules"
    groups: dict[str | None, list[str]] = {}
    for row in fact.rows:
        first, *cells = [_shown(c, cell) for c, cell in zip(fact.columns, row, strict=True)]
        rules = cells.pop() if ruled else None
        middle = ", ".join(c for c in cells if c)
        head = f"{first or 'any'} ({middle})" if middle else first or "any"
        groups.setdefault(rules or None, []).append(head)
    lines = []
    for rules, heads in groups.items():
        if rules is None:
            lines += [_fill(head, "    - ") for head in heads]
        elif len(heads) == 1:
            lines.append(_fill(f"{heads[0]}: {rules}", "    - "))
        else:
            lines.append(_fill(f"{rules}, for", "    - "))
            lines += [_fill(head, "        ") for head in heads]
    return lines


def _rows(fact: Fact) -> list[str]:
    if fact.brief:
        return [_fill(fact.brief, "    ")]
    if not fact.columns:
        cells = [row[0] or "" for row in fact.rows]
        if fact.inline:
            return [_fill(", ".join(cells), "    ")]
        return [_fill(c, "    - ") for c in cells]
    if len(fact.columns) > 4:
        return _records(fact)
    table = [[_shown(c, cell) for c, cell in zip(fact.columns, row, strict=True)] for row in fact.rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for *cells, last in table:
        head = "    " + "".join(f"{cell:{w}}  " for cell, w in zip(cells, widths, strict=False))
        lines.append(_fill(last, head) if last else head.rstrip())
    return lines


def _text(e: Entry) -> str:
    lines = [e.title, f"  {e.about}"]
    if e.means:
        lines.append(_fill(e.means, "  "))
    for fact in e.facts:
        lines += ["", f"  {fact.label}", *_rows(fact)]
    if e.references:
        lines += ["", "  in the standard"]
        width = max(len(r.version) for r in e.references)
        for version, group in _by_version(e.references).items():
            heads = [f"    {version:{width}}  ", " " * (width + 6)]
            if len(e.references) > LINKED_IN_FULL:
                lines.append(_fill(", ".join(f"§{r.section}" for r in group), heads[0]))
                continue
            for r in group:
                told = [text for text in (_place(r), r.url) if text]
                lines += [head + text for head, text in zip(heads, told, strict=False)]
    return "\n".join(lines)


def _link(r: Reference, short: bool) -> str:
    text = escape(f"§{r.section}" if short and r.section else _place(r) or "the text")
    return f'<a href="{escape(r.url)}" target="_blank" rel="noopener">{text}</a>' if r.url else text


def _cell(fact: Fact) -> str:
    if fact.brief:
        return escape(fact.brief)
    if fact.columns:
        head = "".join(f"<th {_LEFT}>{escape(c.replace('_', ' '))}</th>" for c in fact.columns)
        body = "".join(
            "<tr>" + "".join(f"<td {_LEFT}>{escape(cell or '')}</td>" for cell in row) + "</tr>"
            for row in fact.rows
        )
        return f"<table><tr>{head}</tr>{body}</table>"
    cells = [row[0] or "" for row in fact.rows]
    if fact.inline:
        return escape(", ".join(cells))
    return "<ul>" + "".join(f"<li>{escape(c)}</li>" for c in cells) + "</ul>"


def _html(e: Entry) -> str:
    rows = [(escape(f.label), _cell(f)) for f in e.facts]
    if e.references:
        short = len(e.references) > LINKED_IN_FULL
        places = [
            f"{escape(version)}: {(', ' if short else '; ').join(_link(r, short) for r in group)}"
            for version, group in _by_version(e.references).items()
        ]
        rows.append(("in the standard", "<br>".join(places)))
    body = "".join(f"<tr><th {_LEFT}>{label}</th><td {_LEFT}>{cell}</td></tr>" for label, cell in rows)
    means = f"<br>{escape(e.means)}" if e.means else ""
    return f"<p><b><code>{escape(e.title)}</code></b> {escape(e.about)}{means}</p><table>{body}</table>"
