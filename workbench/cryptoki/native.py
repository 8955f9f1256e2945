"""The native view of a loaded module: cffi in ABI mode over the same image, marshalled by the shape table.

It gives what PyKCS11 lacks: every function, no copying byte by byte, no length query unless asked for, and
the GIL released during the call (a key generation of seconds does not freeze a notebook).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import cffi

from workbench import spec
from workbench.cryptoki.attributes import ULONG
from workbench.cryptoki.mechanisms import Mechanism, Parameter
from workbench.cryptoki.records import RECORDS, Record, Version
from workbench.cryptoki.shapes import Kind, Shape, shapes
from workbench.faults import WorkbenchError
from workbench.spec.declarations import cdef

__all__ = ["NativeBinding", "open_library"]

UNAVAILABLE = 2 ** (8 * ULONG) - 1
OS_LOCKING_OK = spec.value("CKF_OS_LOCKING_OK")
READABLE = {spec.value(n) for n in ("CKR_OK", "CKR_BUFFER_TOO_SMALL")} | {
    spec.value(n) for n in ("CKR_ATTRIBUTE_SENSITIVE", "CKR_ATTRIBUTE_TYPE_INVALID")
}
Outcome = tuple[int, tuple[object, ...]]


class Frame:
    """One call in the making: what is passed, how results are read, and what must stay alive meanwhile."""

    __slots__ = ("keep", "passed", "readers")

    def __init__(self) -> None:
        self.passed: list[Any] = []
        self.readers: list[Callable[[], object]] = []
        self.keep: list[Any] = []


Encoder = Callable[[Any, Frame], None]


@cache
def ffi() -> Any:
    """The one cffi instance with Cryptoki's declarations (parsing them takes about 0.1 s)."""
    made = cffi.FFI()
    made.cdef(cdef() + "CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR ppFunctionList);\n")
    if made.sizeof("CK_ULONG") != ULONG:
        raise WorkbenchError(
            "this platform's CK_ULONG is not 8 bytes wide; the workbench needs a 64-bit Unix"
        )
    return made


def open_library(path: str) -> tuple[Any, Any]:
    """``(library, CK_FUNCTION_LIST pointer)`` of the module at ``path``.

    Errors: ``WorkbenchError`` where the file is missing, cannot be loaded, or is not a PKCS#11 module.
    """
    from pathlib import Path  # here alone: everything else takes the loaded library

    if not Path(path).is_file():
        raise WorkbenchError(f"no module at {path}: give the path of a PKCS#11 library (usually a .so file)")
    try:
        library = ffi().dlopen(path)
    except OSError as error:
        reason = str(error).removeprefix(f"cannot load library '{path}': ").split(".  Additionally")[0]
        raise WorkbenchError(f"{path} is not a PKCS#11 module that loads here: {reason}") from None
    listed = ffi().new("CK_FUNCTION_LIST_PTR_PTR")
    try:
        rv = library.C_GetFunctionList(listed)
    except AttributeError:
        raise WorkbenchError(
            f"{path} is a library but not a PKCS#11 module: it has no C_GetFunctionList"
        ) from None
    if rv or listed[0] == ffi().NULL:
        raise WorkbenchError(
            f"{path} gives no function list: C_GetFunctionList answered {spec.name('CKR', rv)}"
        )
    return library, listed[0]


class NativeBinding:
    """Calls through the function list of a loaded module."""

    name = "native"

    def __init__(self, library: Any, function_list: Any) -> None:
        self._library = library  # closing it would unload the module under our feet
        self._list = function_list
        self._calls: dict[str, Callable[[Sequence[Any]], Outcome]] = {}

    def has(self, function: str) -> bool:
        """Whether the function list has an address for it (v2.40 list)."""
        return spec.function(function).introduced == "2.40" and bool(getattr(self._list, function))

    def invoke(self, function: str, arguments: Sequence[Any]) -> Outcome:
        """Call ``function`` with its in-arguments in the standard's order; ``(rv, results)``.

        Results are read only where the return code makes them meaningful, else the tuple is empty.
        """
        call = self._calls.get(function)
        if call is None:
            call = self._calls[function] = self._compile(function)
        return call(arguments)

    def _compile(self, function: str) -> Callable[[Sequence[Any]], Outcome]:
        pointer = getattr(self._list, function)
        encoders = tuple((_ENCODERS[shape.kind](shape), shape.takes) for shape in shapes(function))

        def call(arguments: Sequence[Any]) -> Outcome:
            given = iter(arguments)
            frame = Frame()
            for encode, takes in encoders:
                encode(next(given) if takes else None, frame)
            rv = pointer(*frame.passed)
            return rv, tuple([read() for read in frame.readers]) if rv in READABLE else ()

        return call


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
        frame.passed.append(value.encode() + b"\0")

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
    new, null, unpack = ffi().new, ffi().NULL, ffi().buffer

    def encode(capacity: Any, frame: Frame) -> None:
        length = new("CK_ULONG *", capacity or 0)
        room = null if capacity is None else new("CK_BYTE[]", capacity)
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


def _list(shape: Shape) -> Encoder:
    item = shape.ctype.removesuffix("_PTR")

    def encode(capacity: Any, frame: Frame) -> None:
        count = ffi().new("CK_ULONG *", capacity or 0)
        room = ffi().NULL if capacity is None else ffi().new(f"{item}[]", capacity)
        frame.passed += (room, count)
        frame.readers.append(
            lambda: count[0] if capacity is None or count[0] > capacity else list(room[0 : count[0]])
        )

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


def new_mechanism(value: Mechanism) -> tuple[Any, list[Any]]:
    """A CK_MECHANISM and the memory that it points at: keep both as long as the module may read them."""
    keep: list[Any] = []
    if isinstance(value.parameter, Parameter):
        pointer = _structure(value.parameter, keep)
        size = ffi().sizeof(value.parameter.struct)
    elif value.parameter is not None:
        pointer, size = _memory(value.parameter), len(value.parameter)
        keep.append(pointer)
    else:
        pointer, size = ffi().NULL, 0
    return ffi().new("CK_MECHANISM *", (value.type, pointer, size)), keep


def _structure(parameter: Parameter, keep: list[Any]) -> Any:
    made = ffi().new(f"{parameter.struct} *")
    keep.append(made)
    for name, member in parameter.members.items():
        if isinstance(member, bytes):
            room = _memory(member or None)
            keep.append(room)
            setattr(made, name, room)
            setattr(made, f"ul{name.removeprefix('p')}Len", len(member))
        else:
            setattr(made, name, member)
    return made


def _memory(value: bytes | int | None) -> Any:
    """Bytes to read, room to write, or NULL. (``new`` would add a NUL byte to a bytes initialiser.)"""
    if value is None:
        return ffi().NULL
    return ffi().new("CK_BYTE[]", value) if isinstance(value, int) else ffi().from_buffer("CK_BYTE[]", value)


def _attribute_array(rows: Sequence[tuple[int, Any]]) -> tuple[Any, list[Any]]:
    array = ffi().new("CK_ATTRIBUTE[]", max(1, len(rows)))
    rooms = []
    for slot, (number, value) in zip(array, rows, strict=False):
        slot.type = number
        room = _memory(value)
        slot.pValue, slot.ulValueLen = room, 0 if value is None else len(room)
        rooms.append(room)
    return array, rooms


def _template(shape: Shape) -> Encoder:
    def encode(rows: Any, frame: Frame) -> None:
        array, rooms = _attribute_array(rows)
        frame.passed += (array, len(rows))
        frame.keep.append(rooms)

    return encode


def _attributes(shape: Shape) -> Encoder:
    def encode(rows: Any, frame: Frame) -> None:
        array, rooms = _attribute_array(rows)
        frame.passed += (array, len(rows))

        def read() -> object:
            answered: list[tuple[int, object]] = []
            for slot, room, (number, _) in zip(array, rooms, rows, strict=False):
                length = slot.ulValueLen
                if length == UNAVAILABLE:
                    answered.append((number, None))
                else:
                    fits = room != ffi().NULL and length <= len(room)
                    answered.append((number, ffi().buffer(room, length)[:] if fits else length))
            return answered

        frame.readers.append(read)

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
}
