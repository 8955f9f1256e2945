"""Finding things in the tables without their names: by words, or by a section of the standard."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import attrs

from workbench.spec import tables
from workbench.spec.model import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.spec.model import Attribute

__all__ = ["KINDS", "Hit", "Place", "attribute_references", "by_section", "kind_of", "search", "sections"]

# What each prefix names.
KINDS = {
    "CKR": "return code",
    "CKM": "mechanism",
    "CKA": "attribute",
    "CKO": "object class",
    "CKK": "key type",
    "CKF": "flag",
    "CKU": "user type",
    "CKS": "session state",
    "CKC": "certificate type",
    "CKH": "hardware feature type",
    "CKG": "mask generation function",
    "CKZ": "encoding parameter source",
    "CKD": "key derivation function",
    "CKP": "profile",
    "CKN": "notification",
    "CKT": "trust",
    "CKV": "validation",
}
# Where one prefix serves several things: beginnings of names that mean another one.
_NAMED = {
    "CKG_GENERATE": "generator function",
    "CKG_NO_GENERATE": "generator function",
    "CKH_HEDGE_": "hedging of signatures",
    "CKH_DETERMINISTIC_": "hedging of signatures",
    "CKP_ML_": "parameter set",
    "CKP_SLH_": "parameter set",
    "CKP_PKCS5_PBKD2_": "pseudo-random function",
    "CKS_LAST_VALIDATION_OK": "session validation flags",
}
# The documents that the attribute tables come from, as versions.
_DOCUMENTS = {"spec-3.2-cs01": "3.2", "spec-3.3-wd1": "3.3 draft", "hist-wd": "historical"}

_SMALL_WORDS = {
    "a",
    "an",
    "and",
    "are",
    "be",
    "can",
    "cannot",
    "do",
    "does",
    "for",
    "from",
    "how",
    "i",
    "in",
    "is",
} | {"it", "my", "not", "of", "on", "or", "the", "to", "was", "what", "why", "with"}
# What people say → what the standard says.
_SYNONYMS = {
    "hash": "digest",
    "hashing": "digest",
    "delete": "destroy",
    "password": "pin",
    "passphrase": "pin",
}
_NAME, _TITLE, _ADVICE, _TABLE = 8, 4, 3, 2  # how much a word counts where it stands


@attrs.frozen
class Hit:
    """A name that a search found, best first by ``score``, with a line that says what it is."""

    name: str
    kind: str
    line: str
    score: int


@attrs.frozen
class Place:
    """A name and the place where a version of the standard has it."""

    name: str
    kind: str
    reference: Reference


def kind_of(name: str) -> str:
    """What a name of the standard is: ``function``, ``structure``, ``return code`` …"""
    if name.startswith("C_"):
        return "function"
    # Not every structure begins with CK_ (specifiedParams does not), and not all that does is one.
    if name in _structures():
        return "structure"
    named = (kind for start, kind in _NAMED.items() if name.startswith(start))
    return next(named, None) or KINDS.get(name.partition("_")[0], "type")


def attribute_references(attribute: Attribute) -> tuple[Reference, ...]:
    """Where an attribute's table rows stand, each section once."""
    rows = [e for e in attribute.entries if e.section and e.source]
    places = [Reference(_DOCUMENTS[e.source], e.section, title=e.title, url=e.url) for e in rows if e.source]
    return tuple(dict.fromkeys(places))


@cache
def _structures() -> frozenset[str]:
    return frozenset(s.name for s in tables.structs())


@cache
def _places() -> tuple[Place, ...]:
    """Every name at each of its places."""
    found: list[Place] = []
    for f in tables.functions():
        found += [Place(f.name, "function", r) for r in f.references]
    for code in tables.return_codes():
        found += [Place(code.name, KINDS["CKR"], r) for r in code.references]
    for m in tables.mechanisms():
        found += [Place(m.name, KINDS["CKM"], r) for r in m.references]
    for a in tables.attributes():
        found += [Place(a.name, KINDS["CKA"], r) for r in attribute_references(a)]
    for s in tables.session_states():
        found.append(Place(s.name, KINDS["CKS"], Reference("3.2", s.section)))
    return tuple(p for p in found if p.reference.section)


def _order(section: str) -> tuple[int, ...]:
    return tuple(int(part) for part in section.split("."))


def by_section(section: str, version: str = "3.2") -> tuple[Place, ...]:
    """What stands in a section (``5.13.2``) or below it (``5.13``) in one version of the standard.

    Versions: ``2.40``, ``3.1``, ``3.2``, ``3.3 draft``, ``historical`` (the document of that name).
    Nothing there, or nothing known: an empty tuple.
    """
    section = section.strip().lstrip("§").strip()
    inside = [
        p
        for p in _places()
        if p.reference.version == version and f"{p.reference.section}.".startswith(f"{section}.")
    ]
    return tuple(sorted(inside, key=lambda p: _order(p.reference.section or "0")))


@cache
def sections() -> tuple[str, ...]:
    """Every section number that the tables mention, and the sections around them, in order."""
    known = {p.reference.section or "" for p in _places()}
    above = {s[: m.start()] for s in known for m in re.finditer(r"\.", s)}
    return tuple(sorted(known | above, key=_order))


def _words(text: str) -> Iterator[str]:
    """Lower-case words; ``C_SignInit`` gives sign and init, ``CKA_EC_POINT`` ec and point."""
    for word in re.findall(r"[A-Za-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", text)):
        yield word.lower()


@attrs.frozen
class _Document:
    name: str
    line: str
    fields: tuple[tuple[int, frozenset[str]], ...]


def _document(name: str, line: str, titles: list[str], told: list[str], table: list[str]) -> _Document:
    texts = ((_NAME, [name]), (_TITLE, titles), (_ADVICE, told), (_TABLE, table))
    return _Document(name, line, tuple((w, frozenset(_words(" ".join(t)))) for w, t in texts))


@cache
def _documents() -> tuple[_Document, ...]:
    """The text under which each name can be found."""
    made: list[_Document] = []
    for f in tables.functions():
        titles = [r.title for r in f.references if r.title]
        words = [f.category, *(p.name for p in f.params), *(p.ctype for p in f.params)]
        made.append(_document(f.name, f.category, titles, [], words))
    for code in tables.return_codes():
        told = tables.advice(code.name)
        texts = [told.means, *told.causes, *told.next] if told else []
        line = told.means if told else KINDS["CKR"]
        made.append(_document(code.name, line, [], texts, [KINDS["CKR"], code.category or ""]))
    for m in tables.mechanisms():
        titles = [r.title for r in m.references if r.title]
        members = [f.name for s in tables.structs() if s.name == m.parameter_struct for f in s.fields]
        words = [KINDS["CKM"], *m.functions, m.parameter_struct or "", *members]
        words.append(m.key_type or "")
        made.append(_document(m.name, titles[-1] if titles else KINDS["CKM"], titles, [], words))
    for a in tables.attributes():
        titles = [e.title for e in a.entries if e.title]
        rules = [tables.attribute_rules()[rule] for e in a.entries for rule in e.rules]
        objects = [f"{e.objects or ''} {e.object_class or ''} {e.key_type or ''}" for e in a.entries]
        line = ", ".join(dict.fromkeys(e.objects for e in a.entries if e.objects)) or KINDS["CKA"]
        made.append(_document(a.name, line, titles, [], [KINDS["CKA"], *a.data_types, *objects, *rules]))
    for c in tables.constants():
        if c.kind not in ("CKR", "CKM", "CKA"):
            made.append(_document(c.name, kind_of(c.name), [], [], [kind_of(c.name)]))
    for s in tables.structs():
        made.append(_document(s.name, "structure", [], [], ["structure", *(f.name for f in s.fields)]))
    return tuple(made)


def _same(asked: str, word: str) -> int:
    """3 for the same word, 2 for its beginning, 1 for an ending more or less (signing, sign), else 0."""
    if word in (asked, _SYNONYMS.get(asked)):
        return 3
    if len(asked) >= 3 and word.startswith(asked):
        return 2
    return int(len(word) >= 3 and asked.startswith(word) and len(asked) - len(word) <= 3)


def _score(asked: list[str], document: _Document) -> tuple[int, int]:
    """How many of the asked words are found, and how much they weigh at their best places."""
    best = [
        max((w * max((_same(a, word) for word in words), default=0) for w, words in document.fields))
        for a in asked
    ]
    return sum(b > 0 for b in best), sum(best)


def search(text: str, limit: int = 20) -> tuple[Hit, ...]:
    """The names that fit free text best (``wrong pin``, ``gcm iv``, ``ecdsa without hashing``).

    Looks at names, titles of sections, our advice on return codes, and the attribute and mechanism tables.
    A name that has all the words comes before one that has some; none at all: an empty tuple.
    """
    asked = [w for w in dict.fromkeys(_words(text)) if w not in _SMALL_WORDS]
    if not asked:
        return ()
    scored = [(_score(asked, d), d) for d in _documents()]
    most = max(found for (found, _), _ in scored)
    # Of three words and more, one may be a word that nobody wrote down.
    enough = max(1, most - 1 if len(asked) > 2 else most)
    best = sorted(
        ((found, weight, d) for (found, weight), d in scored if found >= enough),
        key=lambda row: (-row[0], -row[1], len(row[2].name), row[2].name),
    )
    return tuple(Hit(d.name, kind_of(d.name), d.line, weight) for _, weight, d in best[:limit])
