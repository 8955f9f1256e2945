"""C memory for what a call passes: bytes, structures, mechanisms, templates. Each is built here alone."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from workbench import spec
from workbench.cryptoki.attributes import ULONG
from workbench.cryptoki.library import ffi
from workbench.cryptoki.mechanisms import Mechanism, Member, Parameter
from workbench.cryptoki.records import Record, Version

__all__ = ["attribute_array", "memory", "new_mechanism", "new_parameter", "read_parameter", "read_record"]

UNAVAILABLE = 2 ** (8 * ULONG) - 1


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


def new_parameter(parameter: Parameter | bytes | None) -> tuple[Any, int, list[Any]]:
    """``(pointer, size, memory to keep)`` of a mechanism's or message's parameter."""
    keep: list[Any] = []
    if isinstance(parameter, Parameter):
        return _structure(parameter, keep), ffi().sizeof(parameter.struct), keep
    pointer = memory(parameter)
    keep.append(pointer)
    return pointer, len(parameter or b""), keep


def _structure(parameter: Parameter, keep: list[Any]) -> Any:
    made = ffi().new(f"{parameter.struct} *")
    _fill(made, parameter, keep)
    keep.append(made)
    return made


def _fill(made: Any, parameter: Parameter, keep: list[Any]) -> None:
    fields = {field.name: field for field in spec.struct(parameter.struct).fields}
    for name, member in parameter.members.items():
        if isinstance(member, int):
            setattr(made, name, member)
        elif isinstance(member, Parameter) and not fields[name].ctype.endswith("_PTR"):
            _fill(getattr(made, name), member, keep)  # a structure inside the structure
        elif isinstance(member, bytes) and fields[name].array:
            ffi().memmove(getattr(made, name), member, len(member))
        else:
            pointer, size = _pointed(member, keep)
            keep.append(pointer)
            setattr(made, name, pointer)
            length = _length_member(name, fields)
            if length is not None and length not in parameter.members:
                setattr(made, length, size)


def _pointed(member: Member, keep: list[Any]) -> tuple[Any, int]:
    """What a pointer member points at, and the number that its length member wants."""
    if isinstance(member, Parameter):
        return _structure(member, keep), ffi().sizeof(member.struct)
    if isinstance(member, Mechanism):
        pointer, memory_of_it = new_mechanism(member)
        keep.append(memory_of_it)
        return pointer, 1
    if isinstance(member, tuple):
        array = ffi().new(f"{member[0].struct}[]", len(member))
        for slot, one in zip(array, member, strict=True):
            _fill(slot, one, keep)
        return array, len(member)
    assert isinstance(member, bytes)
    return writable(member), len(member)


def _length_member(name: str, members: Container[str]) -> str | None:
    """The member that counts what a pointer member points at; None where there is none, or none of its own."""
    stem = name.removeprefix("p")
    candidates = (f"ul{stem}Len", f"ul{stem}Length", f"ul{stem}", f"ulNumberOf{stem}", f"ul{stem[:-1]}Len2")
    only_data = ("length", "ulLen") if name == "pData" else ()
    return next((c for c in (*candidates, *only_data) if c in members), None)


def read_parameter(parameter: Parameter, made: Any) -> Parameter:
    """The parameter as the module left it: an IV it generated, a tag it wrote."""
    structure = ffi().cast(f"{parameter.struct} *", made)
    members: dict[str, Any] = {}
    for name, member in parameter.members.items():
        raw = getattr(structure, name)
        if isinstance(member, bytes):
            members[name] = ffi().buffer(raw, len(member))[:] if member and raw != ffi().NULL else member
        else:
            members[name] = raw if isinstance(member, int) else member
    return Parameter(parameter.struct, members)


def attribute_array(rows: Sequence[tuple[int, Any]]) -> tuple[Any, list[Any]]:
    """A CK_ATTRIBUTE array and its values' memory; a value is bytes, an amount of room, or None (NULL)."""
    array = ffi().new("CK_ATTRIBUTE[]", max(1, len(rows)))
    rooms = []
    for slot, (number, value) in zip(array, rows, strict=False):
        slot.type = number
        if isinstance(value, list):  # a nested template
            room, inner = attribute_array(value)
            rooms.append(inner)
            slot.pValue, slot.ulValueLen = room, len(value) * ffi().sizeof("CK_ATTRIBUTE")
        else:
            room = memory(value)
            slot.pValue, slot.ulValueLen = room, 0 if value is None else len(room)
        rooms.append(room)
    return array, rooms


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
