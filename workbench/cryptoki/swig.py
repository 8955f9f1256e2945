"""The objects of PyKCS11's low level, both ways: made from what ``invoke`` takes, and read back.

The binding makes and reads them; the watch, which sees those of a program, only reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PyKCS11 import LowLevel

from workbench import spec
from workbench.cryptoki.attributes import KEPT_BACK
from workbench.cryptoki.library import ffi
from workbench.cryptoki.mechanisms import Mechanism, Parameter
from workbench.cryptoki.memory import UNAVAILABLE, new_parameter
from workbench.cryptoki.records import RECORDS, Record, Version
from workbench.cryptoki.shapes import Kind, Shape
from workbench.faults import WorkbenchError

__all__ = ["make", "read"]

Rows = Sequence[tuple[int, Any]]
_HANDLES = {
    "CK_SESSION_HANDLE": LowLevel.CK_SESSION_HANDLE,
    "CK_OBJECT_HANDLE": LowLevel.CK_OBJECT_HANDLE,
}


def make(shape: Shape, value: Any, keep: list[Any]) -> Any:
    """The object that PyKCS11 takes for an argument; what it points at is added to ``keep``."""
    return _MAKERS[shape.kind](shape, value, keep)


def read(shape: Shape, filled: Any, given: Any = None, rv: int = 0) -> Any:
    """What stands in an object of this shape.

    After a call: ``given`` is the argument that was passed for it, as ``invoke`` takes it, and ``rv`` the answer.
    """
    if shape.kind in (Kind.NUMBER, Kind.OUT):
        return int(filled.value()) if hasattr(filled, "value") else filled
    if shape.kind is Kind.BYTES:
        return bytes(filled)
    if shape.kind in (Kind.BUFFER, Kind.FILL):
        # a length query is answered with as many zero bytes
        return len(filled) if given is None and shape.kind is Kind.BUFFER else bytes(filled)
    if shape.kind in (Kind.LIST, Kind.FOUND):
        return len(filled) if given is None else list(filled)
    if shape.kind is Kind.RECORD:
        return _read_record(RECORDS[shape.ctype], filled)
    if shape.kind is Kind.TEMPLATE:
        return _read_template(filled)
    if shape.kind is Kind.ATTRIBUTES:
        return _read_attributes(filled, given, rv)
    if shape.kind is Kind.MECHANISM:
        return _read_mechanism(filled)
    return filled


def _bytes(value: bytes | None) -> Any:
    return LowLevel.ckbytelist(value) if value else LowLevel.ckbytelist()


def _make_number(shape: Shape, value: int, keep: list[Any]) -> Any:
    # Handles are objects of PyKCS11's own; which one follows from the C type.
    if shape.ctype not in _HANDLES:
        return int(value)
    handle = _HANDLES[shape.ctype]()
    handle.assign(int(value))
    return handle


def _make_label(shape: Shape, value: str, keep: list[Any]) -> str:
    text = value.encode()[:32].decode(errors="ignore")
    return text + " " * (32 - len(text.encode()))


def _make_buffer(shape: Shape, value: int | None, keep: list[Any]) -> Any:
    if value == 0:  # a list of no bytes is passed as NULL, and that asks for the length
        raise WorkbenchError(f"PyKCS11 cannot offer room for 0 bytes ({shape.name}); use the native binding")
    return LowLevel.ckbytelist(value or 0)


def _make_mechanism(shape: Shape, value: Mechanism | None, keep: list[Any]) -> Any:
    if value is None:
        return None
    made = LowLevel.CK_MECHANISM()
    made.mechanism = value.type
    if value.parameter is not None:
        # pParameter takes bytes of any kind: so every structure passes, laid out as for the native view,
        # and not only the eight that PyKCS11 has classes for
        pointer, size, memory = new_parameter(value.parameter)
        laid_out = _bytes(ffi().buffer(pointer, size)[:])
        made.pParameter, made.ulParameterLen = laid_out, size
        keep += (laid_out, memory)
    return made


def _template(rows: Rows) -> Any:
    filled = LowLevel.ckattrlist()
    for number, value in rows:
        attribute = LowLevel.CK_ATTRIBUTE_SMART()
        if isinstance(value, list):
            attribute.SetList(number, _template(value))
        elif value is None or isinstance(value, int):
            attribute.SetType(number)
            attribute.Reserve(value or 0)
        else:
            attribute.SetBin(number, _bytes(value))
        filled.append(attribute)
    return filled


def _make_out(shape: Shape, value: None, keep: list[Any]) -> Any:
    if shape.ctype == "CK_SLOT_ID_PTR":
        return 0  # C_WaitForSlotEvent gives the slot back beside the code
    # every other one is a pointer to an unsigned long, whatever PyKCS11 calls it
    return _HANDLES.get(shape.ctype.removesuffix("_PTR"), LowLevel.CK_OBJECT_HANDLE)()


_MAKERS: dict[Kind, Callable[[Shape, Any, list[Any]], Any]] = {
    Kind.NUMBER: _make_number,
    Kind.BYTES: lambda shape, value, keep: _bytes(value),
    Kind.LABEL: _make_label,
    Kind.MECHANISM: _make_mechanism,
    Kind.TEMPLATE: lambda shape, value, keep: _template(value),
    Kind.ATTRIBUTES: lambda shape, value, keep: _template(value),
    Kind.BUFFER: _make_buffer,
    Kind.FILL: lambda shape, value, keep: LowLevel.ckbytelist(value),
    Kind.LIST: lambda shape, value, keep: LowLevel.ckulonglist(),
    Kind.FOUND: lambda shape, value, keep: LowLevel.ckulonglist(value),
    Kind.RECORD: lambda shape, value, keep: getattr(LowLevel, RECORDS[shape.ctype].struct)(),
    Kind.OUT: _make_out,
}


def _read_template(filled: Any) -> list[tuple[int, object]]:
    return [(attribute.GetType(), _read_value(attribute)) for attribute in filled]


def _read_value(attribute: Any) -> object:
    raw = bytes(attribute.GetBin())
    if not attribute.IsAttributeList():
        return raw
    # a template in the template: its bytes are an array of CK_ATTRIBUTE with pointers of their own
    inner = ffi().from_buffer("CK_ATTRIBUTE[]", raw)
    return [(int(row.type), ffi().buffer(row.pValue, row.ulValueLen)[:]) for row in inner if row.pValue]


def _read_attributes(filled: Any, given: Rows, rv: int) -> list[tuple[int, object]]:
    return [
        (attribute.GetType(), _read_attribute(attribute, room, rv))
        for attribute, (_, room) in zip(filled, given, strict=True)
    ]


def _read_attribute(attribute: Any, room: int | None, rv: int) -> object:
    length = int(attribute.GetLen())
    if not length and rv in KEPT_BACK:
        return None  # PyKCS11 makes an attribute that was kept back look like an empty one
    if room is None or (length and not room):
        return length
    return bytes(attribute.GetBin())


def _read_record(record: type[Record], filled: Any) -> Record:
    members: dict[str, Any] = {}
    for field in spec.struct(record.struct).fields:
        if field.array:
            getter = getattr(filled, f"Get{field.name[0].upper()}{field.name[1:]}")
            members[field.name] = str(getter()).rstrip("\0 ")
            continue
        raw = getattr(filled, field.name)
        if field.ctype == "CK_VERSION":
            members[field.name] = Version((raw.major, raw.minor))
        else:
            members[field.name] = None if raw == UNAVAILABLE else raw
    return record(**members)


def _read_mechanism(filled: Any) -> Mechanism | None:
    if filled is None:
        return None
    number, size = int(filled.mechanism), int(filled.ulParameterLen)
    if not size:
        return Mechanism(number)
    address = ffi().cast("char *", int(filled.pParameter))
    name = _structure_of(number)
    if name is None or ffi().sizeof(name) != size:
        return Mechanism(number, ffi().buffer(address, size)[:])
    # the numbers alone: what the pointers point at is nobody's business here
    structure = ffi().cast(f"{name} *", address)
    raw = {field.name: getattr(structure, field.name) for field in spec.struct(name).fields}
    return Mechanism(
        number, Parameter(name, {n: value for n, value in raw.items() if isinstance(value, int)})
    )


def _structure_of(number: int) -> str | None:
    try:
        return spec.mechanism(spec.name("CKM", number)).parameter_struct
    except KeyError:
        return None
