"""Attribute values both ways: Python ⇄ the bytes that the standard lays down for each data type (4, 6)."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from workbench import spec
from workbench.faults import WorkbenchError

__all__ = [
    "AttributeValue",
    "Template",
    "attribute_name",
    "attribute_number",
    "decode",
    "encode",
    "encode_template",
    "fixed_size",
]

AttributeValue = bool | int | str | bytes | datetime.date | Sequence[object] | Mapping[str, object] | None
Template = Mapping[str, AttributeValue] | Mapping[str | int, AttributeValue]

ULONG = 8  # CK_ULONG on every 64-bit Unix; the binding refuses other sizes when it loads
_NUMBER_PREFIX = ("CKO_", "CKK_", "CKC_", "CKM_", "CKP_", "CKH_", "CKD_", "CKT_", "CKV_")


def attribute_number(attribute: str | int) -> int:
    """The number of an attribute given by name or number."""
    if isinstance(attribute, int):
        return attribute
    try:
        return spec.value(attribute)
    except KeyError:
        raise WorkbenchError(
            f"the standard has no attribute {attribute!r}; give a CKA_ name or a number"
        ) from None


def attribute_name(number: int) -> str:
    """The name of an attribute; ``CKA_0x80000001`` where the standard has none."""
    return spec.name("CKA", number)


def _ulong(value: object) -> bytes:
    if isinstance(value, str):
        value = spec.value(value)
    if not isinstance(value, int):
        raise TypeError(f"expected a number or a constant's name, not {type(value).__name__}")
    return value.to_bytes(ULONG, "little")


def _boolean(value: object) -> bytes:
    return b"\x01" if value else b"\x00"


def _big_integer(value: object) -> bytes:
    if isinstance(value, int):
        return value.to_bytes((value.bit_length() + 7) // 8 or 1, "big")
    return _binary(value)


def _binary(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"expected bytes, not {type(value).__name__}")


def _date(value: object) -> bytes:
    return value.strftime("%Y%m%d").encode() if isinstance(value, datetime.date) else _binary(value)


def _from_date(raw: bytes) -> AttributeValue:
    try:
        return datetime.date.fromisoformat(raw.decode("ascii"))
    except ValueError:
        return raw  # tokens also answer an empty or a blank date


def _numbers(value: object) -> bytes:
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        raise TypeError("expected a list of mechanisms")
    return b"".join(_ulong(item) for item in value)


def _from_numbers(raw: bytes) -> AttributeValue:
    return [int.from_bytes(raw[i : i + ULONG], "little") for i in range(0, len(raw), ULONG)]


def _from_ulong(raw: bytes) -> AttributeValue:
    return int.from_bytes(raw, "little") if raw else None


def _from_text(raw: bytes) -> AttributeValue:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


# Data type → (to bytes, from bytes). A big integer stays bytes on the way out: its length is a fact of its own.
_Codec = tuple[Callable[[object], bytes], Callable[[bytes], AttributeValue]]
_ULONG_CODEC: _Codec = (_ulong, _from_ulong)
_BYTES_CODEC: _Codec = (_binary, bytes)
_CODECS: dict[str, _Codec] = {
    "CK_BBOOL": (_boolean, lambda raw: raw not in (b"", b"\x00")),
    "BOOL": (_boolean, lambda raw: raw not in (b"", b"\x00")),
    "RFC2279 string": (_binary, _from_text),
    "RFC 2279 string": (_binary, _from_text),
    "Byte array": _BYTES_CODEC,
    "Big integer": (_big_integer, bytes),
    "CK_DATE": (_date, _from_date),
    "CK_CHAR[16]": _BYTES_CODEC,
    "CK_VERSION": _BYTES_CODEC,
    "CK_MECHANISM_TYPE _PTR, pointer to a CK_MECHANISM_TYPE array": (_numbers, _from_numbers),
}


@cache
def _codec(number: int) -> _Codec | None:
    """The codec of an attribute; None for a vendor's own, where the Python type decides."""
    try:
        types = spec.attribute(attribute_name(number)).data_types
    except KeyError:
        return None
    if not types:
        return None
    # CKA_VALUE and its like are a byte array for one object and a big integer for another: bytes serve both.
    known = [_CODECS[t] for t in types if t in _CODECS]
    return known[0] if known else _ULONG_CODEC


def fixed_size(number: int) -> int | None:
    """The size in bytes of an attribute whose data type fixes it (CK_BBOOL, CK_ULONG); None for the others."""
    codec = _codec(number)
    if codec is _ULONG_CODEC:
        return ULONG
    return 1 if codec is not None and codec[0] is _boolean else None


def encode(attribute: str | int, value: AttributeValue) -> bytes:
    """The bytes of an attribute's value.

    Accepts bool, int, the name of a constant, str, bytes and date as the attribute's data type asks.
    Errors: ``WorkbenchError`` that names the attribute and the type that it wants.
    """
    number = attribute_number(attribute)
    codec = _codec(number)
    try:
        if isinstance(value, (bytes, bytearray, memoryview)):
            return bytes(value)  # raw bytes always pass: the token decides
        if codec is not None:
            return codec[0](value)
        if isinstance(value, bool):
            return _boolean(value)
        if isinstance(value, int) or (isinstance(value, str) and value.startswith(_NUMBER_PREFIX)):
            return _ulong(value)
        return _binary(value)
    except KeyError:
        raise WorkbenchError(f"{attribute_name(number)}: the standard has no constant {value!r}") from None
    except (TypeError, OverflowError) as error:
        raise WorkbenchError(f"{attribute_name(number)}: {error}") from None


def decode(attribute: str | int, raw: bytes) -> AttributeValue:
    """The Python value of an attribute's bytes (numbers stay numbers: ``spec.name`` names them)."""
    codec = _codec(attribute_number(attribute))
    return bytes(raw) if codec is None else codec[1](bytes(raw))


def encode_template(template: Template) -> list[tuple[int, bytes]]:
    """``[(CKA number, bytes), …]`` in the order given."""
    return [(attribute_number(name), encode(name, value)) for name, value in template.items()]
