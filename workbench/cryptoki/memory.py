"""C memory for what a call passes: bytes, structures, mechanisms, templates. Each is built here alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import cffi

from workbench import spec
from workbench.cryptoki.attributes import ULONG, Row, encode_template
from workbench.cryptoki.library import ffi
from workbench.cryptoki.mechanisms import (
    Mechanism,
    Member,
    OutputBytes,
    OutputNumber,
    Parameter,
    RawParameter,
)
from workbench.cryptoki.records import Record, Version
from workbench.cryptoki.secret import Secret
from workbench.faults import WorkbenchError

__all__ = [
    "attribute_array",
    "memory",
    "new_mechanism",
    "new_parameter",
    "read_attributes",
    "read_parameter",
    "read_record",
]

UNAVAILABLE = 2 ** (8 * ULONG) - 1
# Pointer members whose length member is not called after them.
_LENGTHS = {
    "pBaseG": ("ulPAndGLen",),
    "pData": ("length", "ulLen"),
    "pNewRandomA": ("ulNewRandomLen",),
    "pOldRandomA": ("ulOldRandomLen",),
    "pParams": ("ulCount",),
    "pPrimeP": ("ulPAndGLen",),
    "pPublicData2": ("ulPublicDataLen2",),
    "pRandomA": ("ulRandomLen",),
    "pRandomB": ("ulRandomLen",),
    "pSubprimeQ": ("ulQLen",),
    "pTemplate": ("ulAttributeCount",),
}


def memory(value: bytes | int | None) -> Any:
    """Bytes to read, room to write, or NULL. (``new`` would add a NUL byte to a bytes initialiser.)"""
    if value is None:
        return ffi().NULL
    return ffi().new("CK_BYTE[]", value) if isinstance(value, int) else ffi().from_buffer("CK_BYTE[]", value)


def writable(value: bytes) -> Any:
    """A copy that the module may write into; NULL for no bytes."""
    if not value:
        return ffi().NULL
    room = ffi().new("CK_BYTE[]", len(value))
    ffi().memmove(room, value, len(value))
    return room


def new_mechanism(value: Mechanism) -> tuple[Any, list[Any]]:
    """A CK_MECHANISM and the memory that it points at: keep both as long as the module may read them."""
    pointer, size, keep = new_parameter(value.parameter)
    return ffi().new("CK_MECHANISM *", (value.type, pointer, size)), keep


def new_parameter(parameter: RawParameter) -> tuple[Any, int, list[Any]]:
    """``(pointer, size, memory to keep)`` of a mechanism's or message's parameter.

    Errors: ``WorkbenchError`` for a type or member that the standard does not have, or a value that does not fit.
    """
    keep: list[Any] = []
    if isinstance(parameter, Parameter):
        return _structure(parameter, keep), ffi().sizeof(parameter.struct), keep
    if isinstance(parameter, int):
        pointer = _cell("CK_ULONG", parameter)
        size = ULONG
    else:
        # a module may write into its parameter: never into Python's own bytes
        pointer, size = writable(parameter) if parameter else memory(parameter), len(parameter or b"")
    keep.append(pointer)
    return pointer, size, keep


@cache
def _fields(struct: str) -> Mapping[str, spec.Field]:
    """The members of a structure by name; none for a type that is a number."""
    try:
        return {field.name: field for field in spec.struct(struct).fields}
    except KeyError:
        pass
    try:
        if ffi().typeof(struct).kind == "primitive":
            return {}
    except cffi.CDefError:
        pass
    raise WorkbenchError(f"the standard has no structure {struct!r}; pass a vendor's own parameter as bytes")


def _cell(ctype: str, value: int) -> Any:
    try:
        return ffi().new(f"{ctype} *", value)
    except OverflowError:
        raise WorkbenchError(f"{value} does not fit into a {ctype}") from None


def _structure(parameter: Parameter, keep: list[Any]) -> Any:
    if not _fields(parameter.struct):
        value = parameter.members.get("value")
        if not isinstance(value, int):
            raise WorkbenchError(f"{parameter.struct} is a number: give it as the member 'value'")
        made = _cell(parameter.struct, value)
    else:
        made = ffi().new(f"{parameter.struct} *")
        _fill(made, parameter, keep)
    keep.append(made)
    return made


def _fill(made: Any, parameter: Parameter, keep: list[Any]) -> None:
    fields = _fields(parameter.struct)
    lengths: dict[str, int] = {}
    for name, given in parameter.members.items():
        if name not in fields:
            raise WorkbenchError(f"{parameter.struct} has no member {name!r}; it has {', '.join(fields)}")
        member = given.reveal() if isinstance(given, Secret) else given
        if member is None:
            continue
        try:
            if not fields[name].ctype.endswith("_PTR"):
                _set(made, fields[name], member, keep)
                continue
            pointer, size = _pointed(fields[name], member, keep)
        except (TypeError, OverflowError):  # their text could show the value
            wanted = fields[name].ctype + (f"[{fields[name].array}]" if fields[name].array else "")
            raise WorkbenchError(
                f"{parameter.struct}: {name} is a {wanted}, and the value given does not fit"
            ) from None
        keep.append(pointer)
        setattr(made, name, pointer)
        length = _length_member(name, fields)
        if length is not None and length not in parameter.members:
            if lengths.setdefault(length, size) != size:
                raise WorkbenchError(
                    f"{parameter.struct}: {length} counts {name} and another member, and they differ"
                )
            _set_length(made, fields[length], size, keep)


def _set(made: Any, field: spec.Field, member: Member, keep: list[Any]) -> None:
    """Put a value into a member that is no pointer: a number, a fixed array, a structure in the structure."""
    match member:
        case OutputNumber():
            setattr(made, field.name, member.initial)
            member.attach(lambda: int(getattr(made, field.name)))
        case Parameter():
            _fill(getattr(made, field.name), member, keep)
        case bytes() | tuple() if field.array and len(member) == field.array:
            array = getattr(made, field.name)
            for place, one in enumerate(member):
                array[place] = one
        case int() if not field.array:
            setattr(made, field.name, member)
        case _:
            raise TypeError(field.name)


def _pointed(field: spec.Field, member: Member, keep: list[Any]) -> tuple[Any, int]:
    """What a pointer member points at, and the number that its length member wants."""
    target = field.ctype.removesuffix("_PTR")
    match member:
        case bytes():
            return writable(member), len(member)
        case int():
            cell = _cell("CK_ULONG" if target == "CK_VOID" else target, member)
            return cell, ffi().sizeof(ffi().typeof(cell).item)
        case OutputBytes():
            room = ffi().new("CK_BYTE[]", member.size)
            member.attach(lambda: bytes(ffi().buffer(room)))
            return room, member.size
        case OutputNumber():
            out = _cell(target, member.initial)
            member.attach(lambda: int(out[0]))
            return out, ffi().sizeof(ffi().typeof(out).item)
        case Parameter():
            return _structure(member, keep), ffi().sizeof(member.struct)
        case Mechanism():
            pointer, memory_of_it = new_mechanism(member)
            keep.append(memory_of_it)
            return pointer, 1
        case Mapping():
            array, rooms = attribute_array(encode_template(member))
            keep.append(rooms)
            return array, len(member)
        case tuple():
            return _array(target, member, keep), len(member)
        case _:
            raise TypeError(field.name)


def _array(target: str, members: tuple[Any, ...], keep: list[Any]) -> Any:
    if not members:
        return ffi().NULL
    array = ffi().new(f"{target}[]", len(members))
    for place, one in enumerate(members):
        if isinstance(one, Parameter):
            _fill(array[place], one, keep)
        else:
            array[place] = one
    return array


@cache
def _candidates(name: str) -> tuple[str, ...]:
    stem = name.removeprefix("p")
    return (*_LENGTHS.get(name, ()), f"ul{stem}Len", f"ul{stem}Length", f"ul{stem}", f"ulNumberOf{stem}")


def _length_member(name: str, members: Mapping[str, spec.Field]) -> str | None:
    """The member that counts what a pointer member points at; None where there is none, or none of its own."""
    return next((c for c in _candidates(name) if c in members), None)


def _set_length(made: Any, field: spec.Field, size: int, keep: list[Any]) -> None:
    if field.ctype.endswith("_PTR"):
        cell = _cell(field.ctype.removesuffix("_PTR"), size)
        keep.append(cell)
        setattr(made, field.name, cell)
    else:
        setattr(made, field.name, size)


def read_parameter(parameter: Parameter, made: Any) -> Parameter:
    """The parameter as the module left it: an IV it generated, a tag it wrote. ``made``: from ``new_parameter``.

    Pointers are followed to the memory that we gave alone, so their bytes have the length that we gave.
    """
    structure = ffi().cast(f"{parameter.struct} *", made)
    fields = _fields(parameter.struct)
    if not fields:
        return Parameter(parameter.struct, {"value": int(structure[0])})
    members: dict[str, Member] = {}
    for name, member in parameter.members.items():
        raw = getattr(structure, name)
        points = fields[name].ctype.endswith("_PTR")
        if isinstance(member, bytes) and member and (fields[name].array or raw != ffi().NULL):
            members[name] = bytes(ffi().buffer(raw, len(member)))
        elif isinstance(member, Parameter):
            members[name] = read_parameter(member, raw if points else ffi().addressof(structure, name))
        else:
            members[name] = int(raw) if isinstance(member, int) and not points else member
    return Parameter(parameter.struct, members)


def attribute_array(rows: Sequence[Row]) -> tuple[Any, list[Any]]:
    """A CK_ATTRIBUTE array and its values' memory, attribute by attribute.

    A value is bytes, an amount of room, None (NULL), or a list of rows (a nested template); of the last, the
    memory is again such a pair.
    """
    array = ffi().new("CK_ATTRIBUTE[]", max(1, len(rows)))
    rooms: list[Any] = []
    for slot, (number, value) in zip(array, rows, strict=False):
        slot.type = number
        if isinstance(value, list):
            room = attribute_array(value)
            slot.pValue, slot.ulValueLen = room[0], len(value) * ffi().sizeof("CK_ATTRIBUTE")
        else:
            room = memory(value)
            slot.pValue, slot.ulValueLen = room, 0 if value is None else len(room)
        rooms.append(room)
    return array, rooms


def read_attributes(array: Any, rooms: Sequence[Any], rows: Sequence[Row]) -> list[Row]:
    """What a module answered in an array made of ``rows``, row by row.

    An answer is the bytes, the length needed, the rows of a nested template, or None where it gave nothing. Only
    the memory that we gave is read: a pointer that the module put there instead is no answer.
    """
    answered: list[Row] = []
    for slot, room, (_, asked) in zip(array, rooms, rows, strict=False):
        length = slot.ulValueLen
        if length == UNAVAILABLE:
            answered.append((slot.type, None))
        elif isinstance(room, tuple):
            kept = slot.pValue == room[0] and length == len(asked) * ffi().sizeof("CK_ATTRIBUTE")
            answered.append((slot.type, read_attributes(room[0], room[1], asked) if kept else None))
        elif room == ffi().NULL or length > len(room):
            answered.append((slot.type, length))
        else:
            answered.append((slot.type, ffi().buffer(room, length)[:] if slot.pValue == room else None))
    return answered


def read_record(record: type[Record], filled: Any) -> Record:
    """The record of a structure that the module filled in."""
    members: dict[str, Any] = {}
    for field in spec.struct(record.struct).fields:
        raw = getattr(filled, field.name)
        if field.array:
            members[field.name] = text(ffi().buffer(raw)[:])
        elif field.ctype == "CK_VERSION":
            members[field.name] = Version((raw.major, raw.minor))
        else:
            members[field.name] = None if raw == UNAVAILABLE else raw
    return record(**members)


def text(raw: bytes) -> str:
    """A fixed text member without its padding (blanks by the standard, NULs from some modules)."""
    return raw.rstrip(b"\0 ").decode("utf-8", "replace")
