"""Python arguments to C and back, one small encoder for each kind of shape.

An encoder puts what it passes, and how to read the result, into the frame of the call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workbench import spec
from workbench.cryptoki.attributes import ULONG
from workbench.cryptoki.library import ffi, read_interface
from workbench.cryptoki.mechanisms import Parameter
from workbench.cryptoki.memory import (
    attribute_array,
    new_mechanism,
    new_parameter,
    read_attributes,
    read_parameter,
    read_record,
)
from workbench.cryptoki.records import RECORDS, AsyncData, Version
from workbench.cryptoki.shapes import Kind, Shape

__all__ = ["NOTHING", "Encoder", "Frame", "encoder"]

OS_LOCKING_OK = spec.value("CKF_OS_LOCKING_OK")
# Some modules write the whole of a digest or MAC into room that is too small for it (NSS 3.87): it hits nothing.
SPARE = 512
NOTHING = -1  # for a buffer: neither room nor a length, both pointers NULL


class Frame:
    """One call in the making: what is passed, how results are read, and what must stay alive meanwhile."""

    __slots__ = ("keep", "passed", "readers")

    def __init__(self) -> None:
        self.passed: list[Any] = []
        self.readers: list[Callable[[], object]] = []
        self.keep: list[Any] = []


Encoder = Callable[[Any, Frame], None]


def encoder(shape: Shape) -> Encoder:
    """The encoder of a shape; made once for each function of a module."""
    return _ENCODERS[shape.kind](shape)


def _number(shape: Shape) -> Encoder:
    def encode(value: Any, frame: Frame) -> None:
        frame.passed.append(value)

    return encode


def _null(shape: Shape) -> Encoder:
    null = ffi().NULL

    def encode(value: Any, frame: Frame) -> None:
        frame.passed.append(null)

    return encode


def _bytes(shape: Shape) -> Encoder:
    null = ffi().NULL

    def encode(value: Any, frame: Frame) -> None:
        # b"" passes as a pointer that is not NULL: a module may refuse NULL even with length 0
        frame.passed += (null, 0) if value is None else (value, len(value))

    return encode


def _label(shape: Shape) -> Encoder:
    def encode(value: Any, frame: Frame) -> None:
        frame.passed.append(value.encode()[:32].ljust(32))

    return encode


def _name(shape: Shape) -> Encoder:
    def encode(value: Any, frame: Frame) -> None:
        frame.passed.append(ffi().NULL if value is None else value.encode() + b"\0")

    return encode


def _version(shape: Shape) -> Encoder:
    def encode(value: Any, frame: Frame) -> None:
        frame.passed.append(ffi().NULL if value is None else ffi().new("CK_VERSION *", value))

    return encode


def _init(shape: Shape) -> Encoder:
    def encode(value: Any, frame: Frame) -> None:
        # NSS reads one member more than the standard's structure has: room for it stays zero
        room = ffi().new("char[]", ffi().sizeof("CK_C_INITIALIZE_ARGS") + ULONG)
        arguments = ffi().cast("CK_C_INITIALIZE_ARGS_PTR", room)
        arguments.flags = OS_LOCKING_OK
        if value is not None:
            text = ffi().new("char[]", value.encode())
            arguments.pReserved = text
            frame.keep.append(text)
        frame.passed.append(room)

    return encode


def _buffer(shape: Shape) -> Encoder:
    # the most frequent kind: its C types are looked up once, not in every call
    new, null, unpack = ffi().new, ffi().NULL, ffi().buffer
    counter, octets = ffi().typeof("CK_ULONG *"), ffi().typeof("CK_BYTE[]")

    def encode(capacity: Any, frame: Frame) -> None:
        if capacity == NOTHING:
            frame.passed += (null, null)
            frame.readers.append(lambda: b"")
            return
        length = new(counter, capacity or 0)
        room = null if capacity is None else new(octets, max(capacity, SPARE))
        frame.passed += (room, length)

        def read() -> object:
            needed = length[0]
            return needed if capacity is None or needed > capacity else unpack(room, needed)[:]

        frame.readers.append(read)

    return encode


def _fill(shape: Shape) -> Encoder:
    def encode(size: Any, frame: Frame) -> None:
        room = ffi().new("CK_BYTE[]", size)
        frame.passed += (room, size)
        frame.readers.append(lambda: ffi().buffer(room, size)[:])

    return encode


def _counted(ctype: str, convert: Callable[[Any], object]) -> Encoder:
    """A list whose room the caller gives and whose count the module answers."""

    def encode(capacity: Any, frame: Frame) -> None:
        count = ffi().new("CK_ULONG *", capacity or 0)
        room = ffi().NULL if capacity is None else ffi().new(f"{ctype}[]", capacity)
        frame.passed += (room, count)

        def read() -> object:
            asked = capacity is None or count[0] > capacity
            return count[0] if asked else [convert(one) for one in room[0 : count[0]]]

        frame.readers.append(read)

    return encode


def _list(shape: Shape) -> Encoder:
    return _counted(shape.ctype.removesuffix("_PTR"), int)


def _interfaces(shape: Shape) -> Encoder:
    return _counted("CK_INTERFACE", read_interface)


def _interface(shape: Shape) -> Encoder:
    def encode(value: Any, frame: Frame) -> None:
        room = ffi().new("CK_INTERFACE_PTR_PTR")
        frame.passed.append(room)
        frame.readers.append(lambda: read_interface(room[0][0]) if room[0] != ffi().NULL else None)

    return encode


def _listed(shape: Shape) -> Encoder:
    def encode(value: Any, frame: Frame) -> None:
        room = ffi().new("CK_FUNCTION_LIST_PTR_PTR")
        frame.passed.append(room)
        frame.readers.append(lambda: Version((room[0].version.major, room[0].version.minor)))

    return encode


def _found(shape: Shape) -> Encoder:
    def encode(maximum: Any, frame: Frame) -> None:
        room, count = ffi().new("CK_OBJECT_HANDLE[]", maximum), ffi().new("CK_ULONG *")
        frame.passed += (room, maximum, count)
        frame.readers.append(lambda: list(room[0 : count[0]]))

    return encode


def _out(shape: Shape) -> Encoder:
    ctype = f"{shape.ctype.removesuffix('_PTR')} *"

    def encode(value: Any, frame: Frame) -> None:
        room = ffi().new(ctype)
        frame.passed.append(room)
        frame.readers.append(lambda: room[0])

    return encode


def _record(shape: Shape) -> Encoder:
    record = RECORDS[shape.ctype]

    def encode(value: Any, frame: Frame) -> None:
        room = ffi().new(f"{record.struct} *")
        frame.passed.append(room)
        frame.readers.append(lambda: read_record(record, room[0]))

    return encode


def _async(shape: Shape) -> Encoder:
    def encode(value: Any, frame: Frame) -> None:
        room = ffi().new("CK_ASYNC_DATA *")
        frame.passed.append(room)

        def read() -> AsyncData:
            held = b"" if room.pValue == ffi().NULL else ffi().buffer(room.pValue, room.ulValue)[:]
            return AsyncData(room.ulVersion, held, room.hObject, room.hAdditionalObject)

        frame.readers.append(read)

    return encode


def _mechanism(shape: Shape) -> Encoder:
    plain: dict[int, Any] = {}

    def encode(value: Any, frame: Frame) -> None:
        if value is None:
            frame.passed.append(ffi().NULL)
        elif value.parameter is None:
            made = plain.get(value.type)
            if made is None:
                made = plain[value.type] = ffi().new("CK_MECHANISM *", (value.type, ffi().NULL, 0))
            frame.passed.append(made)
        else:
            made, memory = new_mechanism(value)
            frame.passed.append(made)
            frame.keep.append(memory)

    return encode


def _parameter(shape: Shape) -> Encoder:
    def encode(value: Any, frame: Frame) -> None:
        pointer, size, memory = new_parameter(value)
        frame.passed += (pointer, size)
        frame.keep.append(memory)

    return encode


def _filled(shape: Shape) -> Encoder:
    def encode(value: Any, frame: Frame) -> None:
        pointer, size, memory = new_parameter(value)
        frame.passed += (pointer, size)
        frame.keep.append(memory)
        frame.readers.append(
            lambda: read_parameter(value, pointer) if isinstance(value, Parameter) else value
        )

    return encode


def _template(shape: Shape) -> Encoder:
    def encode(rows: Any, frame: Frame) -> None:
        array, rooms = attribute_array(rows)
        frame.passed += (array, len(rows))
        frame.keep.append(rooms)

    return encode


def _attributes(shape: Shape) -> Encoder:
    def encode(rows: Any, frame: Frame) -> None:
        array, rooms = attribute_array(rows)
        frame.passed += (array, len(rows))
        frame.readers.append(lambda: read_attributes(array, rooms, rows))

    return encode


_ENCODERS: dict[Kind, Callable[[Shape], Encoder]] = {
    Kind.NUMBER: _number,
    Kind.BYTES: _bytes,
    Kind.LABEL: _label,
    Kind.NAME: _name,
    Kind.MECHANISM: _mechanism,
    Kind.TEMPLATE: _template,
    Kind.ATTRIBUTES: _attributes,
    Kind.INIT: _init,
    Kind.BUFFER: _buffer,
    Kind.FILL: _fill,
    Kind.LIST: _list,
    Kind.FOUND: _found,
    Kind.RECORD: _record,
    Kind.OUT: _out,
    Kind.NULL: _null,
    Kind.PARAMETER: _parameter,
    Kind.FILLED: _filled,
    Kind.VERSION: _version,
    Kind.INTERFACE: _interface,
    Kind.INTERFACES: _interfaces,
    Kind.LISTED: _listed,
    Kind.ASYNC: _async,
}
