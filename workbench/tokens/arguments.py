"""What the guard reads in a call's arguments: handles, templates, and keys that hide in a parameter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from workbench import spec
from workbench.cryptoki import Mechanism, Parameter
from workbench.cryptoki.shapes import Kind, Shape, shapes

__all__ = ["handle_places", "handles_in", "hides_handles", "stores", "stores_inside", "templates"]

HANDLE = "CK_OBJECT_HANDLE"
TOKEN = spec.value("CKA_TOKEN")


@cache
def taken(function: str) -> tuple[Shape, ...]:
    """The shapes that take an argument, in the order of the arguments."""
    return tuple(shape for shape in shapes(function) if shape.takes)


@cache
def handle_places(function: str) -> tuple[int, ...]:
    """Which arguments of a function are handles of objects."""
    return tuple(place for place, shape in enumerate(taken(function)) if shape.ctype == HANDLE)


def templates(function: str, arguments: Sequence[Any]) -> list[list[tuple[int, bytes]]]:
    """The templates among the arguments."""
    pairs = zip(taken(function), arguments, strict=False)
    return [list(a or ()) for s, a in pairs if s.kind is Kind.TEMPLATE]


def stores(function: str, arguments: Sequence[Any]) -> bool:
    """Whether one of the call's templates asks for a token object."""
    return any(any(dict(template).get(TOKEN, b"\0")) for template in templates(function, arguments))


def handles_in(mechanism: Mechanism) -> Iterator[int]:
    """The object handles that stand in a mechanism's parameter, however deep."""
    parameter = mechanism.parameter
    if isinstance(parameter, Parameter):
        yield from _handles_of(parameter)
    elif isinstance(parameter, int) and _struct_of(mechanism) == HANDLE:
        yield parameter


def _handles_of(parameter: Parameter) -> Iterator[int]:
    types = {field.name: field.ctype for field in _fields(parameter.struct)}
    for name, member in parameter.members.items():
        if isinstance(member, int) and (types.get(name) == HANDLE or parameter.struct == HANDLE):
            yield member
        for one in member if isinstance(member, tuple) else (member,):
            if isinstance(one, Parameter):
                yield from _handles_of(one)
            elif isinstance(one, Mechanism):
                yield from handles_in(one)


def _fields(struct: str) -> tuple[Any, ...]:
    try:
        return spec.struct(struct).fields
    except KeyError:
        return ()


def _struct_of(mechanism: Mechanism) -> str | None:
    try:
        return spec.mechanism(mechanism.name).parameter_struct
    except KeyError:
        return None


def hides_handles(mechanism: Mechanism) -> bool:
    """Whether a parameter was given as raw bytes where the standard has a structure with a handle in it."""
    struct = _struct_of(mechanism)
    if not isinstance(mechanism.parameter, bytes) or struct is None:
        return False
    return struct == HANDLE or any(field.ctype == HANDLE for field in _fields(struct))


def stores_inside(mechanism: Mechanism) -> bool:
    """Whether a template in the mechanism's parameter (of a further derived key) asks for a token object."""
    return isinstance(mechanism.parameter, Parameter) and any(_templates_of(mechanism.parameter))


def _templates_of(parameter: Parameter) -> Iterator[bool]:
    for member in parameter.members.values():
        for one in member if isinstance(member, tuple) else (member,):
            if isinstance(one, Parameter):
                yield from _templates_of(one)
            elif isinstance(one, Mapping):
                yield any(value for name, value in one.items() if name in ("CKA_TOKEN", TOKEN))
