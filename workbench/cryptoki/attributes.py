"""Attribute values both ways: Python ⇄ the bytes that the standard lays down for each data type (4, 6)."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, cast

from workbench import spec
from workbench.cryptoki.records import Version
from workbench.faults import WorkbenchError

__all__ = [
    "AttributeValue",
    "Row",
    "Template",
    "attribute_name",
    "attribute_number",
    "decode",
    "encode",
    "encode_template",
    "fixed_size",
    "is_nested",
    "numbered",
]

AttributeValue = bool | int | str | bytes | datetime.date | Sequence[object] | Mapping[str, object] | None
Template = Mapping[str, AttributeValue] | Mapping[str | int, AttributeValue]
Row = tuple[int, Any]  # CKA number, and bytes or, for a nested template, its rows

ULONG = 8  # CK_ULONG on every 64-bit Unix; the binding refuses other sizes when it loads
# With these C_GetAttributeValue keeps some values back and still answers the others.
KEPT_BACK = (spec.value("CKR_ATTRIBUTE_SENSITIVE"), spec.value("CKR_ATTRIBUTE_TYPE_INVALID"))
_NUMBER_PREFIX = ("CKO_", "CKK_", "CKC_", "CKM_", "CKP_", "CKH_", "CKD_", "CKT_", "CKV_")


def numbered(name: str) -> int:
    """The number of a constant; of one that the standard does not name too: ``CKM_0x80000123``.

    Errors: ``KeyError`` for a name that is neither.
    """
    kind, hexadecimal, digits = name.partition("_0x")
    if hexadecimal and kind.isupper():
        try:
            return int(digits, 16)
        except ValueError:
            raise KeyError(name) from None
    return spec.value(name)


def attribute_number(attribute: str | int) -> int:
    """The number of an attribute given by name or number."""
    if isinstance(attribute, int):
        return attribute
    try:
        return numbered(attribute)
    except KeyError:
        raise WorkbenchError(
            f"the standard has no attribute {attribute!r}; give a CKA_ name or a number"
        ) from None


def attribute_name(number: int) -> str:
    """The name of an attribute; ``CKA_0x80000001`` where the standard has none."""
    return spec.name("CKA", number)


def _ulong(value: object) -> bytes:
    if isinstance(value, str):
        value = numbered(value)
    if not isinstance(value, int):
        raise TypeError(f"expected a number or a constant's name, not {type(value).__name__}")
    return value.to_bytes(ULONG, "little")


def _boolean(value: object) -> bytes:
    if value not in (True, False):
        raise TypeError("expected True or False")
    return b"\x01" if value else b"\x00"


def _from_boolean(raw: bytes) -> AttributeValue:
    return raw != b"\x00" if raw else None


def _big_integer(value: object) -> bytes:
    if isinstance(value, int):
        return value.to_bytes((value.bit_length() + 7) // 8 or 1, "big")
    return _binary(value)


def _binary(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    raise TypeError(f"expected bytes, not {type(value).__name__}")


def _date(value: object) -> bytes:
    if isinstance(value, datetime.date):
        return f"{value.year:04}{value.month:02}{value.day:02}".encode()
    return _binary(value)


def _from_date(raw: bytes) -> AttributeValue:
    if not raw:
        return None
    try:
        return datetime.date(int(raw[:4]), int(raw[4:6]), int(raw[6:])) if raw.isdigit() else raw
    except ValueError:
        return raw  # tokens also answer a blank date, or one of zeros


def _version(value: object) -> bytes:
    if isinstance(value, tuple) and len(value) == 2:
        return bytes(value)
    raise TypeError("expected (major, minor)")


def _from_version(raw: bytes) -> AttributeValue:
    return Version((raw[0], raw[1])) if len(raw) == 2 else raw


def _numbers(value: object) -> bytes:
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        raise TypeError("expected a list of numbers or of constants' names")
    return b"".join(_ulong(item) for item in value)


def _from_numbers(raw: bytes) -> AttributeValue:
    if len(raw) % ULONG:
        return raw
    return [int.from_bytes(raw[i : i + ULONG], "little") for i in range(0, len(raw), ULONG)]


def _from_ulong(raw: bytes) -> AttributeValue:
    return int.from_bytes(raw, "little") if raw else None


def _from_text(raw: bytes) -> AttributeValue:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _no_template(value: object) -> bytes:
    raise TypeError("expected a template: a mapping of attributes to values")


# Data type → (to bytes, from bytes). A big integer stays bytes on the way out: its length is a fact of its own.
_Codec = tuple[Callable[[object], bytes], Callable[[bytes], AttributeValue]]
_ULONG_CODEC: _Codec = (_ulong, _from_ulong)
_BOOLEAN_CODEC: _Codec = (_boolean, _from_boolean)
_BYTES_CODEC: _Codec = (_binary, bytes)
_TEXT_CODEC: _Codec = (_binary, _from_text)
_NUMBERS_CODEC: _Codec = (_numbers, _from_numbers)
_NESTED_CODEC: _Codec = (_no_template, bytes)
_CODECS: dict[str, _Codec] = {
    "Big integer": (
        _big_integer,
        bytes,
    ),  # first: CKA_VALUE is a big integer for one object, bytes for another
    "CK_BBOOL": _BOOLEAN_CODEC,
    "BOOL": _BOOLEAN_CODEC,
    "RFC2279 string": _TEXT_CODEC,
    "RFC 2279 string": _TEXT_CODEC,
    "CK_UTF8CHAR": _TEXT_CODEC,
    "Byte array": _BYTES_CODEC,
    "CK_DATE": (_date, _from_date),
    "CK_CHAR[16]": _BYTES_CODEC,
    "CK_VERSION": (_version, _from_version),
    "CK_MECHANISM_TYPE _PTR, pointer to a CK_MECHANISM_TYPE array": _NUMBERS_CODEC,
    "CK_ULONG_PTR": _NUMBERS_CODEC,
    "CK_ATTRIBUTE_PTR": _NESTED_CODEC,
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
    return next((codec for known, codec in _CODECS.items() if known in types), _ULONG_CODEC)


def fixed_size(number: int) -> int | None:
    """The size in bytes of an attribute whose data type fixes it (CK_BBOOL, CK_ULONG); None for the others."""
    codec = _codec(number)
    if codec is _ULONG_CODEC:
        return ULONG
    return 1 if codec is _BOOLEAN_CODEC else None


def is_nested(number: int) -> bool:
    """Whether the value of an attribute is itself a template (CKA_WRAP_TEMPLATE and its like)."""
    return _codec(number) is _NESTED_CODEC


def encode(attribute: str | int, value: AttributeValue) -> bytes:
    """The bytes of an attribute's value; a nested template is for ``encode_template``.

    Accepts bool, int, the name of a constant, str, date, (major, minor), or a list of numbers or names, as the
    attribute's data type asks; bytes and None (an empty value) for every attribute.
    Errors: ``WorkbenchError`` that names the attribute and the type that it wants.
    """
    number = attribute_number(attribute)
    codec = _codec(number)
    try:
        if value is None:
            return b""
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
    except (TypeError, ValueError, OverflowError) as error:
        raise WorkbenchError(f"{attribute_name(number)}: {error}") from None


def decode(attribute: str | int, raw: bytes | Sequence[Row]) -> AttributeValue:
    """The Python value of an attribute's bytes (numbers stay numbers: ``spec.name`` names them).

    An empty number, boolean or date is None. ``raw``: the rows of a nested template give a dictionary by name.
    """
    number = attribute_number(attribute)
    if not isinstance(raw, (bytes, bytearray, memoryview)):
        return {attribute_name(n): None if value is None else decode(n, value) for n, value in raw}
    codec = _codec(number)
    return bytes(raw) if codec is None else codec[1](bytes(raw))


def encode_template(template: Template) -> list[Row]:
    """``[(CKA number, bytes), …]`` in the order given; the rows of a nested template in the place of its bytes."""
    return [
        (
            attribute_number(name),
            encode_template(cast(Template, value)) if isinstance(value, Mapping) else encode(name, value),
        )
        for name, value in template.items()
    ]
