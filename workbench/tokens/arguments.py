"""What the guard reads in a call's arguments: the handles of objects, and what templates ask for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import attrs

from workbench import spec
from workbench.cryptoki.attributes import Row, is_nested
from workbench.cryptoki.shapes import Kind, Shape, shapes

__all__ = ["HANDLE", "Wish", "handle_places", "made_handles", "wishes"]

HANDLE = "CK_OBJECT_HANDLE"
TOKEN, LABEL, DESTROYABLE = (spec.value(f"CKA_{name}") for name in ("TOKEN", "LABEL", "DESTROYABLE"))


@cache
def taken(function: str) -> tuple[Shape, ...]:
    """The shapes that take an argument, in the order of the arguments."""
    return tuple(shape for shape in shapes(function) if shape.takes)


@cache
def handle_places(function: str) -> tuple[int, ...]:
    """Which arguments of a function are handles of objects."""
    return tuple(place for place, shape in enumerate(taken(function)) if shape.ctype == HANDLE)


@attrs.frozen
class Wish:
    """What one template asks for, as far as the guard cares.

    ``stored``: CKA_TOKEN as given, None where it is not. ``fault``: why the template cannot be judged, or asks
    for something in a template inside it that is never granted.
    """

    stored: bool | None = None
    label: str | None = None
    lasting: bool = False
    fault: str | None = None

    @classmethod
    def read(cls, rows: Sequence[Row]) -> Wish:
        """The wish in the rows of a template."""
        given = dict(rows)
        if len(given) != len(rows):
            # which of the two values counts is the module's secret
            return cls(fault="the template gives an attribute twice")
        token, label, destroyable = (given.get(number) for number in (TOKEN, LABEL, DESTROYABLE))
        return cls(
            None if token is None else any(token),
            None if label is None else label.decode("utf-8", "replace"),
            destroyable is not None and not any(destroyable),
            next(_faults(rows), None),
        )


def _faults(rows: Sequence[Row]) -> Iterator[str]:
    """What is wrong with the templates in a template, which hold for keys to come (CKA_UNWRAP_TEMPLATE, 4.9)."""
    for number, value in rows:
        name = spec.name("CKA", number)
        if isinstance(value, list):
            inner = Wish.read(value)
            if inner.stored:
                yield f"{name} asks that later keys be token objects"
            elif inner.fault:
                yield inner.fault
        elif is_nested(number) and value:
            yield f"{name} is given as bytes; give it as a mapping"


def wishes(function: str, arguments: Sequence[Any]) -> list[Wish]:
    """What the templates among the arguments ask for, in their order."""
    pairs = zip(taken(function), arguments, strict=False)
    return [Wish.read(list(a or ())) for s, a in pairs if s.kind is Kind.TEMPLATE]


def made_handles(function: str, arguments: Sequence[Any], results: Sequence[Any]) -> list[int]:
    """The handles of the objects that a successful call made; none where it only asked for a length (5.2)."""
    given = zip(taken(function), arguments, strict=False)
    if any(shape.kind is Kind.BUFFER and argument is None for shape, argument in given):
        return []
    answers = zip((shape for shape in shapes(function) if shape.gives), results, strict=False)
    return [answer for shape, answer in answers if shape.ctype == f"{HANDLE}_PTR"]
