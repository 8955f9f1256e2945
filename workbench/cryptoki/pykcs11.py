"""PyKCS11 as a binding, and as something to watch: the same reading of its low-level calls serves both.

Its functions take SWIG objects that they fill in. ``_ENCODERS`` makes one from a Python argument,
``_read`` gives back what stands in it; the binding does both round the call, the watch only the second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import PyKCS11
from PyKCS11 import LowLevel

from workbench import spec
from workbench.cryptoki.attributes import ULONG
from workbench.cryptoki.mechanisms import Mechanism
from workbench.cryptoki.records import RECORDS, Record, Version
from workbench.cryptoki.shapes import Kind, Shape, shapes
from workbench.faults import WorkbenchError

__all__ = ["PyKCS11Binding", "read_arguments", "read_results"]

UNAVAILABLE = 2 ** (8 * ULONG) - 1
BUFFER_TOO_SMALL = spec.value("CKR_BUFFER_TOO_SMALL")
NOT_INITIALIZED = spec.value("CKR_CRYPTOKI_NOT_INITIALIZED")
BOTH_CALLS = "NULL, then room for all (PyKCS11 makes both calls)"
Outcome = tuple[int, tuple[object, ...]]


class PyKCS11Binding:
    """Calls through PyKCS11's low-level object, which loads and owns the module."""

    name = "pykcs11"

    def __init__(self, path: str) -> None:
        self.path = path
        self.library = PyKCS11.PyKCS11Lib()

    def missing(self, function: str) -> str | None:
        """Why PyKCS11 does not reach the function; None for the 54 of 104 that it does."""
        return None if spec.function(function).pykcs11 else f"PyKCS11 has no {function}"

    def invoke(self, function: str, arguments: Sequence[Any]) -> Outcome:
        """As ``NativeBinding.invoke``. PyKCS11 holds the GIL for the whole call and copies byte by byte."""
        if function == "C_Initialize":
            return self._initialize()
        if not self.attached:
            return NOT_INITIALIZED, ()  # PyKCS11 1.5.20 itself would follow a null pointer
        if function == "C_WaitForSlotEvent":
            return self._wait(*arguments)
        given = iter(arguments)
        passed: list[Any] = []
        groups: list[tuple[Shape, Any, Any]] = []
        for shape in shapes(function):
            argument = next(given) if shape.takes else None
            if shape.kind is Kind.NULL:
                continue  # PyKCS11's signature leaves these out
            encoder = _ENCODERS.get(shape.kind)
            if encoder is None or (encoded := encoder(shape, argument)) is None:
                raise WorkbenchError(
                    f"{function}: PyKCS11 cannot pass {shape.name} = {argument!r}; use the native binding"
                )
            passed.append(encoded)
            groups.append((shape, encoded, argument))
        rv = getattr(self.library.lib, function)(*passed)
        if rv and not any(shape.kind is Kind.ATTRIBUTES for shape, _, _ in groups):
            return rv, ()
        return rv, tuple(
            _answer(shape, given, _read(shape, out)) for shape, out, given in groups if shape.gives
        )

    @property
    def attached(self) -> bool:
        """Whether PyKCS11 has loaded the module."""
        return self.library.pkcs11dll_filename is not None

    def attach(self) -> None:
        """Let PyKCS11 load a module that somebody else has initialised; it accepts that."""
        if not self.attached:
            self._initialize()

    def _initialize(self) -> Outcome:
        if self.attached:
            # load() again would unload first, and that calls C_Finalize for the whole process
            return self.library.lib.C_Initialize(), ()
        try:
            self.library.load(self.path)
        except PyKCS11.PyKCS11Error as error:
            if error.value < 0:
                raise WorkbenchError(f"PyKCS11 cannot load {self.path}: {error}") from None
            return int(error.value), ()
        return 0, ()

    def _wait(self, flags: int) -> Outcome:
        rv, slot = self.library.lib.C_WaitForSlotEvent(flags, 0)
        return rv, (slot,) if rv == 0 else ()


def _bytes(value: bytes) -> Any:
    return LowLevel.ckbytelist(value) if value else LowLevel.ckbytelist()


def _room(size: int) -> Any:
    return LowLevel.ckbytelist(size)


def _template(rows: Sequence[tuple[int, Any]]) -> Any:
    filled = LowLevel.ckattrlist()
    for number, value in rows:
        attribute = LowLevel.CK_ATTRIBUTE_SMART()
        if value is None or isinstance(value, int):
            attribute.SetType(number)
            attribute.Reserve(value or 0)
        else:
            attribute.SetBin(number, _bytes(value))
        filled.append(attribute)
    return filled


def _mechanism(value: Mechanism | None) -> Any:
    if value is None or value.parameter is not None:
        return None  # its parameters are typed objects of its own: the native binding passes these
    made = LowLevel.CK_MECHANISM()
    made.mechanism = value.type
    return made


def _out(shape: Shape) -> Any:
    if shape.ctype == "CK_SESSION_HANDLE_PTR":
        return LowLevel.CK_SESSION_HANDLE()
    if shape.ctype == "CK_ULONG_PTR":
        return None
    return LowLevel.CK_OBJECT_HANDLE()


# Handles are objects of PyKCS11's own; which one follows from the C type.
def _number(shape: Shape, value: int) -> Any:
    wrapper = {"CK_SESSION_HANDLE": LowLevel.CK_SESSION_HANDLE, "CK_OBJECT_HANDLE": LowLevel.CK_OBJECT_HANDLE}
    if shape.ctype in wrapper:
        handle = wrapper[shape.ctype]()
        handle.assign(int(value))
        return handle
    return int(value)


_ENCODERS: dict[Kind, Callable[[Shape, Any], Any]] = {
    Kind.NUMBER: _number,
    Kind.BYTES: lambda shape, value: _bytes(value or b""),
    Kind.LABEL: lambda shape, value: value.ljust(32),
    Kind.MECHANISM: lambda shape, value: _mechanism(value),
    Kind.TEMPLATE: lambda shape, value: _template(value),
    Kind.ATTRIBUTES: lambda shape, value: _template(value),
    Kind.BUFFER: lambda shape, value: _room(value or 0),
    Kind.FILL: lambda shape, value: _room(value),
    Kind.LIST: lambda shape, value: LowLevel.ckulonglist(),
    Kind.FOUND: lambda shape, value: LowLevel.ckulonglist(value),
    Kind.RECORD: lambda shape, value: getattr(LowLevel, RECORDS[shape.ctype].struct)(),
    Kind.OUT: lambda shape, value: _out(shape),
}


def _attributes(filled: Any) -> list[tuple[int, object]]:
    rows: list[tuple[int, object]] = []
    for attribute in filled:
        length = attribute.GetLen()
        value = None if length in (UNAVAILABLE, 2**32 - 1) else bytes(attribute.GetBin())
        rows.append((attribute.GetType(), value))
    return rows


def _record(record: type[Record], filled: Any) -> Record:
    members: dict[str, Any] = {}
    for field in spec.struct(record.struct).fields:
        if field.array:
            getter = getattr(filled, f"Get{field.name[0].upper()}{field.name[1:]}")
            members[field.name] = str(getter()).rstrip("\0 ")
        elif field.ctype == "CK_VERSION":
            members[field.name] = _version(filled, field.name)
        else:
            raw = getattr(filled, field.name)
            members[field.name] = None if raw == UNAVAILABLE else raw
    return record(**members)


def _version(filled: Any, name: str) -> Version:
    getter = getattr(filled, f"Get{name[0].upper()}{name[1:]}", None)
    if getter is not None:
        major, minor = str(getter()).split(".")
        return Version((int(major), int(minor)))
    raw = getattr(filled, name)
    return Version((raw.major, raw.minor))


def _answer(shape: Shape, given: object, value: Any) -> object:
    """A length query answers with the length, where PyKCS11 hands out as many zero bytes, or the whole list."""
    return len(value) if given is None and shape.kind in (Kind.BUFFER, Kind.LIST) else value


def _read(shape: Shape, filled: Any) -> object:
    """What stands in a SWIG object (or a plain Python value) of this shape."""
    if shape.kind in (Kind.NUMBER, Kind.OUT):
        return int(filled.value()) if hasattr(filled, "value") else filled
    if shape.kind in (Kind.BYTES, Kind.BUFFER, Kind.FILL):
        return bytes(filled)
    if shape.kind in (Kind.LIST, Kind.FOUND):
        return list(filled)
    if shape.kind is Kind.RECORD:
        return _record(RECORDS[shape.ctype], filled)
    if shape.kind in (Kind.TEMPLATE, Kind.ATTRIBUTES):
        return _attributes(filled)
    if shape.kind is Kind.MECHANISM:
        return Mechanism(filled.mechanism, b"" if filled.ulParameterLen else None)
    return filled


def _low(function: str) -> tuple[Shape, ...]:
    return tuple(shape for shape in shapes(function) if shape.kind is not Kind.NULL)


def read_arguments(function: str, passed: Sequence[Any]) -> list[object]:
    """The in-arguments of a low-level call, as ``invoke`` would take them (before the call)."""
    given: list[object] = []
    for shape, value in zip(_low(function), passed, strict=False):
        if not shape.takes:
            continue
        if shape.kind is Kind.LIST:
            given.append(BOTH_CALLS)
        elif shape.kind in (Kind.BUFFER, Kind.FILL, Kind.FOUND):
            given.append(len(value) or None)
        elif shape.kind is Kind.ATTRIBUTES:
            given.append([(attribute.GetType(), attribute.GetLen() or None) for attribute in value])
        else:
            given.append(_read(shape, value))
    return given


def read_results(function: str, passed: Sequence[Any], given: Sequence[object]) -> tuple[object, ...]:
    """The results of a low-level call, as ``invoke`` would give them. ``given``: its ``read_arguments``."""
    arguments = iter(given)
    results = []
    for shape, value in zip(_low(function), passed, strict=False):
        argument = next(arguments, None) if shape.takes else None
        if shape.gives:
            results.append(_answer(shape, argument, _read(shape, value)))
    return tuple(results)
