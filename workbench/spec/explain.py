"""What a Cryptoki name, number or section is: everything that the tables and our advice say of it."""

from __future__ import annotations

import difflib
import json
import re
from functools import cache

from workbench.faults import WorkbenchError
from workbench.spec import tables
from workbench.spec.entries import entry, vendor_entry
from workbench.spec.explanation import Entry, Explanation, Fact
from workbench.spec.search import KINDS, Place, by_section, sections

__all__ = ["Entry", "Explanation", "Fact", "explain"]

# Numbers from here up are the vendors' own in the kinds that have a CKx_VENDOR_DEFINED.
_VENDOR = 0x80000000
_LARGEST = 2**64 - 1
_VERSIONS = ("3.2", "3.1", "2.40", "3.3 draft", "historical")
_SECTION = re.compile(r"§\s*\d+(\.\d+)*|\d+(\.\d+)+")
# CKM_0x80000123 is how a number without a name is written in a trace.
_NUMBER = re.compile(r"(?:(?P<kind>[A-Za-z]{3})(?::|_(?=0[xX])))?(?P<number>0[xX][0-9a-fA-F]+|\d+)")


def explain(term: str) -> Explanation:
    """Explain a name, a number or a section of the standard.

    ``CKR_PIN_INCORRECT``, ``C_Sign``, ``CK_GCM_PARAMS``; without the prefix and in any case (``pin_incorrect``;
    ``sign`` is ``C_Sign``: a function comes before constants of its name); ``0xA0`` or ``160`` for every kind
    that has the number, ``CKR:0xA0`` for one kind; ``5.13`` or ``§5.13.2`` for a section.

    Raises WorkbenchError, naming the nearest terms, when nothing is called so.
    """
    asked = term.strip()
    if not asked:
        raise WorkbenchError("nothing to explain: give a name (C_Sign), a number (0xA0) or a section (5.13)")
    if _SECTION.fullmatch(asked):
        return _section(asked.lstrip("§").strip(), term)
    if match := _NUMBER.fullmatch(asked):
        digits = match["number"][:30]  # more is too large anyway, and Python refuses to read thousands
        return _number(int(digits, 16 if "x" in digits.lower() else 10), match["kind"], term)
    return _name(asked, term)


@cache
def _all_names() -> tuple[str, ...]:
    functions = [f.name for f in tables.functions()]
    return (
        *functions,
        *(c.name for c in tables.constants()),
        *(s.name for s in tables.structs()),
        *tables.types(),
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@cache
def _loose() -> dict[str, tuple[str, ...]]:
    """A name without prefix, case and underscores → the names that it may be."""
    table: dict[str, tuple[str, ...]] = {}
    for name in _all_names():
        for key in dict.fromkeys((_plain(name), _plain(name.partition("_")[2]))):
            table[key] = (*table.get(key, ()), name)
    return table


def _name(asked: str, term: str) -> Explanation:
    while asked.startswith("CK_") and asked.endswith("_PTR"):
        asked = asked.removesuffix("_PTR")  # a pointer to it is explained by it
    if asked in _all_names():
        return Explanation(term, (entry(asked),))
    found = _loose().get(_plain(asked), ())
    if not found or not _plain(asked):
        raise WorkbenchError(f"no Cryptoki name is {_quoted(asked)}; nearest: {', '.join(_nearest(asked))}")
    # "sign" asks for the operation, and so for C_Sign, not for the attribute or the flag.
    first = [n for n in found if n.startswith("C_")] or list(found)
    return Explanation(term, tuple(entry(n) for n in first), tuple(n for n in found if n not in first))


def _quoted(text: str) -> str:
    return json.dumps(text if len(text) <= 60 else text[:57] + "...", ensure_ascii=False)


def _nearest(asked: str) -> list[str]:
    """The three names most like what was typed, with or without its prefix."""
    spelled: dict[str, list[str]] = {}
    for name in _all_names():
        for key in (name.lower(), name.partition("_")[2].lower()):
            spelled.setdefault(key, []).append(name)
    close = difflib.get_close_matches(re.sub(r"[\s-]+", "_", asked.lower()), spelled, n=6, cutoff=0.0)
    return list(dict.fromkeys(n for key in close for n in spelled[key]))[:3]


def _number(number: int, kind: str | None, term: str) -> Explanation:
    if kind is not None and kind.upper() not in KINDS:
        raise WorkbenchError(f"no kind of constant is {_quoted(kind)}; kinds: {', '.join(KINDS)}")
    if number > _LARGEST:
        raise WorkbenchError(
            f"{_quoted(term.strip())} is larger than any CK_ULONG; give at most 0x{_LARGEST:X}"
        )
    kinds = [kind.upper()] if kind else list(KINDS)
    names = [c.name for c in tables.constants() if c.kind in kinds and c.value == number]
    if "CKR" in kinds:
        others = [r.name for r in tables.return_codes() if number in (n for n, _ in r.other_values)]
        names = (
            [n for n in names if n.startswith("CKR_")]
            + others
            + [n for n in names if not n.startswith("CKR_")]
        )
    entries = [entry(n) for n in names]
    if number > _VENDOR:
        entries += [e for k in kinds if (e := vendor_entry(k, number))]
    if not entries:
        known = [c for c in tables.constants() if c.kind in kinds]
        near = sorted(known, key=lambda c: (abs(c.value - number), c.value))[:3]
        what = f"{kinds[0]} constant" if kind else "Cryptoki constant"
        raise WorkbenchError(
            f"no {what} has the number 0x{number:X}; nearest: {', '.join(f'{c.name} (0x{c.value:X})' for c in near)}"
        )
    return Explanation(term, tuple(entries))


def _section(section: str, term: str) -> Explanation:
    entries: list[Entry] = []
    said: set[str] = set()
    for version in _VERSIONS:
        places = by_section(section, version)
        # The same things at the same place are told once, for the newest version.
        if not {p.name for p in places} <= said:
            entries.append(_section_entry(section, version))
            said |= {p.name for p in places}
    if not entries:
        near = difflib.get_close_matches(section, sections(), n=3, cutoff=0.0)
        raise WorkbenchError(f"the tables have nothing in section {section}; nearest: {', '.join(near)}")
    return Explanation(term, tuple(entries))


def _section_entry(section: str, version: str) -> Entry:
    places = by_section(section, version)
    facts: tuple[Fact, ...] = ()
    for kind in dict.fromkeys(p.kind for p in places):
        rows = [_row(p) for p in places if p.kind == kind]
        key = kind.replace(" ", "_") + "s"
        facts += Fact.table(key, f"{kind}s", ("section", "name", "title", "note"), rows)
    if version == "3.2":
        rules = [r for r in tables.session_rules() if f"{r.section}.".startswith(f"{section}.")]
        told = (r.rule + (f": {r.error}" if r.error else "") for r in rules)
        facts += Fact.listing("session_rules", "rules on sessions", told)
    whole = tuple(
        dict.fromkeys(p.reference for p in places if p.reference.section == section and p.reference.title)
    )
    return Entry(f"§{section}", f"section of {_document(version)}", references=whole[:1], facts=facts)


def _document(version: str) -> str:
    return "the historical mechanisms document" if version == "historical" else f"PKCS #11 {version}"


def _row(place: Place) -> tuple[str | None, ...]:
    r = place.reference
    title = None if r.title == place.name else r.title
    return r.section, place.name, title, "inferred" if r.inferred else None
