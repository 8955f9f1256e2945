"""Keys that stand in a mechanism's parameter: found however deep they are, and whatever they are dressed as."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from workbench import spec
from workbench.cryptoki import Mechanism, Parameter, mechanisms
from workbench.cryptoki.attributes import encode_template
from workbench.tokens.arguments import HANDLE, Wish

__all__ = ["handles_in", "parameter_fault"]

PIECE = "CK_PRF_DATA_PARAM"  # its pValue is a key's handle, or not, as its type says (6.42)
PLAIN_PIECES = frozenset({1, 2, 3, 4})  # CK_SP800_108_ITERATION_VARIABLE to CK_SP800_108_BYTE_ARRAY


def handles_in(mechanism: Mechanism) -> list[int]:
    """The handles in a mechanism's parameter that are not zero."""
    return [handle for handle, _ in _contents(mechanism) if handle]


def parameter_fault(mechanism: Mechanism) -> str | None:
    """Why a parameter is none for somebody's token: it hides what it holds, or asks for a token object."""
    return next((fault for _, fault in _contents(mechanism) if fault), None)


# Everything below yields (handle, None) for a handle that was found, (0, why) for what could not be read.
_Finding = tuple[int, str | None]


def _contents(mechanism: Mechanism) -> Iterator[_Finding]:
    parameter = mechanism.parameter
    if parameter is None:
        return
    structs = _structs_of(mechanism)
    if structs is None:
        yield 0, "the standard does not say what its parameter holds, so it could hold a key"
    elif isinstance(parameter, Parameter):
        if any(_holds_handles(struct) for struct in structs) and parameter.struct not in structs:
            yield 0, f"its parameter is {' or '.join(structs)}, and {parameter.struct} was given"
        yield from _members(parameter)
    elif any(_holds_handles(struct) for struct in structs):
        if isinstance(parameter, int) and structs == (HANDLE,):
            yield parameter, None
        else:
            yield 0, "its parameter can hold a key: give it as a Parameter, not as bytes"


def _structs_of(mechanism: Mechanism) -> tuple[str, ...] | None:
    """The types that the standard gives the parameter; None for a mechanism that it does not know."""
    try:
        parameter = spec.mechanism(mechanism.name).parameter
    except KeyError:
        return None
    if parameter is None:
        return ()
    return tuple(struct for struct in (parameter.struct, parameter.message_struct) if struct)


@cache
def _fields(struct: str) -> Mapping[str, str]:
    try:
        return {field.name: field.ctype for field in spec.struct(struct).fields}
    except KeyError:
        return {}


@cache
def _holds_handles(struct: str) -> bool:
    """Whether a type is a handle, or a structure with one in it or behind it."""
    if struct in (HANDLE, PIECE, "CK_MECHANISM"):
        return True
    return any(_holds_handles(ctype.removesuffix("_PTR")) for ctype in _fields(struct).values())


def _members(parameter: Parameter) -> Iterator[_Finding]:
    if parameter.struct == PIECE:
        yield from _piece(parameter)
        return
    if parameter.struct == HANDLE:
        yield from _handle(parameter.members.get("value"))
        return
    for name, member in parameter.members.items():
        ctype = _fields(parameter.struct).get(name, "")
        if ctype == HANDLE:
            yield from _handle(member)
        else:
            for one in member if isinstance(member, tuple) else (member,):
                yield from _member(one, ctype)


def _member(member: Any, ctype: str) -> Iterator[_Finding]:
    target = ctype.removesuffix("_PTR")
    if isinstance(member, Parameter):
        if _holds_handles(target) and member.struct != target:
            yield 0, f"a {target} in its parameter is given as {member.struct}"
        yield from _members(member)
    elif isinstance(member, Mechanism):
        yield from _contents(member)
    elif isinstance(member, Mapping):
        wish = Wish.read(encode_template(member))
        if wish.stored or wish.fault:
            yield 0, wish.fault or "its parameter asks for a token object"
    elif member and target != HANDLE and _holds_handles(target):  # behind CK_OBJECT_HANDLE_PTR keys come out
        yield 0, f"a {target} in its parameter is given as bytes: give it as a Parameter"


def _handle(member: Any) -> Iterator[_Finding]:
    if isinstance(member, int):
        yield member, None
    elif isinstance(member, mechanisms.OutputNumber):
        yield member.initial, None
    elif member is not None:
        yield 0, "a handle in its parameter is given as something else than a number"


def _piece(piece: Parameter) -> Iterator[_Finding]:
    kind, value = piece.members.get("type"), piece.members.get("pValue")
    if kind in PLAIN_PIECES:
        return
    if isinstance(value, Parameter):
        yield from _members(value) if value.struct == HANDLE else iter([(0, "a key is given as a structure")])
    elif isinstance(value, bytes):
        yield int.from_bytes(value, "little"), None
    else:
        yield from _handle(value)
