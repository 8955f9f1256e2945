"""How arguments and results are put into words, once, when they are recorded: secrets never get that far.

What a caller hands in (messages, PINs, keys) is described by its length. Bytes are shown only where they are
public by nature: signatures, digests, ciphertext, and attributes that the standard does not call sensitive.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from workbench import spec
from workbench.cryptoki.attributes import AttributeValue, attribute_name, decode
from workbench.cryptoki.mechanisms import Mechanism, describe_parameter
from workbench.cryptoki.records import AsyncData, Interface, Record
from workbench.cryptoki.shapes import Kind, Shape, shapes

__all__ = ["describe_arguments", "describe_results", "show_attribute", "show_bytes"]

_PINS = frozenset({"pPin", "pOldPin", "pNewPin"})
_PUBLIC_RESULTS = frozenset(
    {"pSignature", "pDigest", "pEncryptedData", "pEncryptedPart", "pLastEncryptedPart"}
)
_KINDS = {"CK_USER_TYPE": "CKU", "CK_MECHANISM_TYPE": "CKM"}
_ATTRIBUTE_KINDS = {
    "CKA_CLASS": "CKO",
    "CKA_KEY_TYPE": "CKK",
    "CKA_CERTIFICATE_TYPE": "CKC",
    "CKA_KEY_GEN_MECHANISM": "CKM",
}
# CKA_VALUE of a secret key and the private parts of a key pair; the tables mark most, not all, of them
_ALWAYS_HIDDEN = frozenset({"CKA_VALUE", "CKA_SEED", "CKA_PRIVATE_EXPONENT", "CKA_PRIME_1", "CKA_PRIME_2"})
LENGTH_QUERY = "NULL (asks the length)"
SHOWN = 8  # bytes of a public value

Pairs = tuple[tuple[str, str], ...]


def show_bytes(value: bytes) -> str:
    """A public byte string: its length and its first bytes in hexadecimal."""
    head = value[:SHOWN].hex()
    return f"{len(value)} bytes {head}{'…' if len(value) > SHOWN else ''}" if value else "0 bytes"


def _size(value: object) -> str:
    return f"{len(value)} bytes" if isinstance(value, (bytes, bytearray, memoryview)) else "NULL"


def show_attribute(number: int, raw: object, public: bool = True) -> str:
    """An attribute's value in words; a sensitive one as its length alone.

    ``raw``: the bytes, a length (an answered query), or None (the token did not reveal it).
    """
    name = attribute_name(number)
    if raw is None:
        return "—"
    if isinstance(raw, int):
        return f"{raw} bytes needed"
    assert isinstance(raw, bytes)
    if name in _ALWAYS_HIDDEN or not public or not _is_public(name):
        return f"<{len(raw)} bytes, not shown>"
    value: AttributeValue = decode(number, raw)
    if name in _ATTRIBUTE_KINDS and isinstance(value, int):
        return spec.name(_ATTRIBUTE_KINDS[name], value)
    if isinstance(value, bool):
        return "CK_TRUE" if value else "CK_FALSE"
    return show_bytes(value) if isinstance(value, bytes) else repr(value)


def _is_public(name: str) -> bool:
    try:
        return not spec.attribute(name).sensitive
    except KeyError:
        return False  # a vendor's own attribute: nobody knows what it holds


def _template(rows: Iterable[tuple[int, object]]) -> str:
    return (
        ", ".join(f"{attribute_name(number)}={show_attribute(number, raw)}" for number, raw in rows)
        or "(empty)"
    )


def _number(shape: Shape, value: object) -> str:
    number = int(value)  # type: ignore[call-overload]
    if shape.ctype in _KINDS:
        return spec.name(_KINDS[shape.ctype], number)
    if shape.ctype == "CK_FLAGS" and shape.name == "flags":
        return _flags(number)
    if shape.ctype == "CK_BBOOL":
        return "CK_TRUE" if number else "CK_FALSE"
    return str(number)


def _flags(number: int) -> str:
    names = [n for n in ("CKF_RW_SESSION", "CKF_SERIAL_SESSION", "CKF_DONT_BLOCK") if number & spec.value(n)]
    return " | ".join(names) or str(number)


def _argument(shape: Shape, value: object) -> str:
    match shape.kind:
        case Kind.BYTES if shape.name in _PINS:
            return "NULL (protected path)" if value is None else "<PIN, not shown>"
        case Kind.BYTES:
            return _size(value)
        case Kind.INIT:
            return "CKF_OS_LOCKING_OK" if value is None else "CKF_OS_LOCKING_OK, a parameter string"
        case Kind.MECHANISM:
            return "NULL" if value is None else str(value) if isinstance(value, Mechanism) else "?"
        case Kind.PARAMETER | Kind.FILLED:
            return "NULL" if value is None else describe_parameter(value)  # type: ignore[arg-type]
        case Kind.VERSION:
            return "NULL" if value is None else str(value)
        case Kind.TEMPLATE:
            return _template(value)  # type: ignore[arg-type]
        case Kind.ATTRIBUTES:
            return ", ".join(attribute_name(number) for number, _ in value)  # type: ignore[attr-defined]
        case Kind.BUFFER | Kind.LIST | Kind.INTERFACES:
            if isinstance(value, str):
                return value
            return LENGTH_QUERY if value is None else f"room for {value}"
        case Kind.FILL | Kind.FOUND:
            return str(value)
        case Kind.LABEL | Kind.NAME:
            return "NULL" if value is None else repr(str(value).rstrip())
        case _:
            return _number(shape, value)


def _result(shape: Shape, value: object) -> str:
    match shape.kind:
        case Kind.BUFFER if isinstance(value, bytes):
            return show_bytes(value) if shape.name in _PUBLIC_RESULTS else _size(value)
        case Kind.BUFFER:
            return f"{value} bytes needed"
        case Kind.FILL:
            return _size(value)
        case Kind.ATTRIBUTES:
            return _template(value)  # type: ignore[arg-type]
        case Kind.FILLED:
            return describe_parameter(value) if value else "NULL"  # type: ignore[arg-type]
        case Kind.INTERFACES if isinstance(value, list):
            return ", ".join(f"{one.name} {one.version or '(its own)'}" for one in value)
        case Kind.INTERFACE if isinstance(value, Interface):
            return f"{value.name} {value.version or '(its own)'}"
        case Kind.ASYNC if isinstance(value, AsyncData):
            return f"{len(value.pValue)} bytes"
        case Kind.LIST | Kind.FOUND if isinstance(value, list):
            return f"{len(value)}: {', '.join(str(v) for v in value[:4])}{' …' if len(value) > 4 else ''}"
        case Kind.LIST | Kind.INTERFACES:
            return f"{value} entries"
        case Kind.RECORD if isinstance(value, Record):
            return _record(value)
        case _:
            return str(value)


def _record(record: Record) -> str:
    label = getattr(record, "label", None) or getattr(record, "libraryDescription", None)
    state = getattr(record, "state_name", None)
    return str(state or label or " | ".join(record.flag_names) or record.struct)


def describe_arguments(function: str, arguments: Sequence[object]) -> Pairs:
    """``((C parameter, words), …)`` for the in-arguments of a call, as ``invoke`` takes them."""
    taken = [shape for shape in shapes(function) if shape.takes]
    return tuple((s.name, _argument(s, value)) for s, value in zip(taken, arguments, strict=False))


def describe_results(function: str, results: Sequence[object]) -> Pairs:
    """``((C parameter, words), …)`` for the results of a call, as ``invoke`` gives them."""
    given = [shape for shape in shapes(function) if shape.gives]
    return tuple((s.name, _result(s, value)) for s, value in zip(given, results, strict=False))
