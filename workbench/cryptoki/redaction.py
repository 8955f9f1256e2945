"""What of a call may be kept, decided when it is recorded; and how what was kept is put into words, later.

Every kind of shape has a *keeper*, which takes an argument or a result and gives back only what anybody may
see, and *words* for that. What a keeper drops is in no record: no rendering can bring it back.

Shown, because it is public by nature:

- numbers: handles, flags, sizes, types, and the names that the standard has for them;
- signatures, digests and ciphertext *that the module made*: their length and first bytes. A digest may be
  one of a secret (C_DigestKey): a hash of something that can be guessed confirms the guess;
- of attributes, numbers, truth values, dates, and the bytes of those in ``PUBLIC_ATTRIBUTES``: labels and
  identifiers (of private objects too), certificates' names, public keys and domain parameters;
- the labels of tokens, the names of interfaces and functions, what the information functions answer.

Shown by its length alone: whatever a caller hands in (messages, ciphertext, signatures, user names, wrapped
keys, parameters), recovered and decrypted data, random data, wrapped keys, operation states, and every other
attribute: key values, and a vendor's own, of which nobody knows what they hold. Of a PIN, nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import attrs

from workbench import spec
from workbench.cryptoki.attributes import attribute_name, decode, fixed_size
from workbench.cryptoki.mechanisms import Mechanism, describe_parameter
from workbench.cryptoki.records import AsyncData, Interface, Record
from workbench.cryptoki.shapes import Kind, Shape, shapes

__all__ = [
    "LENGTH_QUERY",
    "PUBLIC_ATTRIBUTES",
    "Kept",
    "Pairs",
    "describe_arguments",
    "describe_results",
    "keep",
    "show_bytes",
    "tell",
]

Pairs = tuple[tuple[str, str], ...]
Kept = tuple[object, ...]
Keeper = Callable[[Any], object]
Words = Callable[[Any], str]

LENGTH_QUERY = "NULL (asks the length)"
SHOWN = 8  # bytes of a public value
_PINS = frozenset({"pPin", "pOldPin", "pNewPin"})
_PUBLIC_RESULTS = frozenset(
    {
        "pCiphertext",
        "pCiphertextPart",
        "pDigest",
        "pEncryptedData",
        "pEncryptedPart",
        "pLastEncryptedPart",
        "pSignature",
    }
)
# Texts and byte strings that may be shown; the tables mark some secrets as such (CKA_VALUE), not all (X2RATCHET).
PUBLIC_ATTRIBUTES = frozenset(
    {
        "CKA_AC_ISSUER",
        "CKA_ALLOWED_MECHANISMS",
        "CKA_APPLICATION",
        "CKA_ATTR_TYPES",
        "CKA_BASE",
        "CKA_CHAR_SETS",
        "CKA_CHECK_VALUE",
        "CKA_EC_PARAMS",
        "CKA_EC_POINT",
        "CKA_ENCODING_METHODS",
        "CKA_GOST28147_PARAMS",
        "CKA_GOSTR3410_PARAMS",
        "CKA_GOSTR3411_PARAMS",
        "CKA_HASH_OF_CERTIFICATE",
        "CKA_HASH_OF_ISSUER_PUBLIC_KEY",
        "CKA_HASH_OF_SUBJECT_PUBLIC_KEY",
        "CKA_ID",
        "CKA_ISSUER",
        "CKA_LABEL",
        "CKA_MIME_TYPES",
        "CKA_MODULUS",
        "CKA_OBJECT_ID",
        "CKA_OWNER",
        "CKA_PRIME",
        "CKA_PUBLIC_EXPONENT",
        "CKA_PUBLIC_KEY_INFO",
        "CKA_SERIAL_NUMBER",
        "CKA_SUBJECT",
        "CKA_SUBPRIME",
        "CKA_UNIQUE_ID",
        "CKA_URL",
        "CKA_VALIDATION_VERSION",
    }
)
_NUMBER_KINDS = {"CK_USER_TYPE": "CKU", "CK_MECHANISM_TYPE": "CKM"}
_ATTRIBUTE_KINDS = {
    "CKA_CLASS": "CKO",
    "CKA_KEY_TYPE": "CKK",
    "CKA_CERTIFICATE_TYPE": "CKC",
    "CKA_KEY_GEN_MECHANISM": "CKM",
}


def show_bytes(value: bytes) -> str:
    """A public byte string: its length and its first bytes in hexadecimal."""
    head = value[:SHOWN].hex()
    return f"{len(value)} bytes {head}{'…' if len(value) > SHOWN else ''}" if value else "0 bytes"


def _size(value: object) -> str:
    if value is None:
        return "NULL"
    return f"{len(value)} bytes" if isinstance(value, (bytes, bytearray, memoryview, str)) else "not shown"


# --- attributes -------------------------------------------------------------------------------------------


@cache
def _is_public(number: int, size: int) -> bool:
    """Whether an attribute's value of this size may be kept (a number of the wrong size is no number)."""
    name = attribute_name(number)
    try:
        types = spec.attribute(name).data_types
    except KeyError:
        return False  # a vendor's own attribute: nobody knows what it holds
    return name in PUBLIC_ATTRIBUTES or (bool(types) and size == fixed_size(number))


def _is_date(number: int, raw: bytes) -> bool:
    return attribute_name(number) in ("CKA_START_DATE", "CKA_END_DATE") and len(raw) == 8 and raw.isdigit()


def _keep_attribute(number: int, raw: object) -> object:
    """Bytes where they are public, else words; nested templates row by row."""
    if raw is None:
        return "—"
    if isinstance(raw, int):
        return f"{int(raw)} bytes needed"
    if isinstance(raw, (list, tuple)):
        return _keep_template(raw)
    if isinstance(raw, bytes) and (_is_public(number, len(raw)) or _is_date(number, raw)):
        return raw
    return f"<{_size(raw)}, not shown>"


def _say_attribute(number: int, kept: object) -> str:
    if isinstance(kept, tuple):
        return f"{{{_say_template(kept)}}}"
    if not isinstance(kept, bytes):
        return str(kept)
    name, value = attribute_name(number), decode(number, kept)
    if isinstance(value, bool):
        return "CK_TRUE" if value else "CK_FALSE"
    if isinstance(value, list):
        return " | ".join(spec.name("CKM", one) for one in value) or "none"
    if isinstance(value, int):
        return spec.name(_ATTRIBUTE_KINDS[name], value) if name in _ATTRIBUTE_KINDS else str(value)
    return show_bytes(value) if isinstance(value, bytes) else repr(value)


def _keep_template(rows: Iterable[tuple[int, object]]) -> object:
    return tuple([(int(number), _keep_attribute(number, raw)) for number, raw in rows])


def _say_template(rows: Iterable[tuple[int, object]]) -> str:
    told = [f"{attribute_name(number)}={_say_attribute(number, kept)}" for number, kept in rows]
    return ", ".join(told) or "(empty)"


# --- arguments --------------------------------------------------------------------------------------------


def _number(ctype: str, name: str) -> Words:
    if ctype in _NUMBER_KINDS:
        return lambda number: spec.name(_NUMBER_KINDS[ctype], number)
    if ctype == "CK_FLAGS" and name == "flags":
        return _flags
    return (lambda number: "CK_TRUE" if number else "CK_FALSE") if ctype == "CK_BBOOL" else str


def _flags(number: int) -> str:
    names = [n for n in ("CKF_RW_SESSION", "CKF_SERIAL_SESSION", "CKF_DONT_BLOCK") if number & spec.value(n)]
    return " | ".join(names) or str(number)


def _keep_mechanism(value: Mechanism | None) -> object:
    if value is None:
        return "NULL"
    return value.type if value.parameter is None else str(value)


def _say_mechanism(kept: object) -> str:
    return spec.name("CKM", kept) if isinstance(kept, int) else str(kept)


def _room(value: object) -> str:
    """The room for an output, or the words of who reads another program's calls."""
    if isinstance(value, str):
        return value
    return LENGTH_QUERY if value is None else f"room for {value}"


def _argument(shape: Shape) -> tuple[Keeper, Words]:
    match shape.kind:
        case Kind.NUMBER:
            return int, _number(shape.ctype, shape.name)
        case Kind.BYTES if shape.name in _PINS:
            return lambda value: "NULL (protected path)" if value is None else "<PIN, not shown>", str
        case Kind.INIT:
            return lambda value: f"CKF_OS_LOCKING_OK{'' if value is None else ', a parameter string'}", str
        case Kind.MECHANISM:
            return _keep_mechanism, _say_mechanism
        case Kind.PARAMETER | Kind.FILLED:
            return lambda value: "NULL" if value is None else describe_parameter(value), str
        case Kind.VERSION:
            return lambda value: "NULL" if value is None else str(value), str
        case Kind.TEMPLATE:
            return _keep_template, _say_template
        case Kind.ATTRIBUTES:
            return (
                lambda rows: tuple([int(number) for number, _ in rows]),
                lambda numbers: ", ".join(map(attribute_name, numbers)),
            )
        case Kind.BUFFER | Kind.LIST | Kind.INTERFACES:
            return _room, str
        case Kind.FILL | Kind.FOUND:
            return str, str
        case Kind.LABEL | Kind.NAME:
            return lambda value: "NULL" if value is None else repr(str(value).rstrip()), str
        case _:
            return _size, str


# --- results ----------------------------------------------------------------------------------------------


def _keep_listed(value: object) -> object:
    if not isinstance(value, list):
        return f"{value} entries" if isinstance(value, int) else _size(value)
    return f"{len(value)}: {', '.join(str(v) for v in value[:4])}{' …' if len(value) > 4 else ''}"


def _interface(value: object) -> str:
    return f"{value.name} {value.version or '(its own)'}" if isinstance(value, Interface) else "NULL"


def _record(record: Record) -> str:
    label = getattr(record, "label", None) or getattr(record, "libraryDescription", None)
    state = getattr(record, "state_name", None)
    return str(state or label or " | ".join(record.flag_names) or record.struct)


def _buffer(shown: bool) -> Keeper:
    def keep_buffer(value: object) -> str:
        if isinstance(value, bytes):
            return show_bytes(value) if shown else f"{len(value)} bytes"
        return f"{value} bytes needed" if isinstance(value, int) else _size(value)

    return keep_buffer


def _result(shape: Shape) -> Keeper:
    match shape.kind:
        case Kind.BUFFER:
            return _buffer(shape.name in _PUBLIC_RESULTS)
        case Kind.ATTRIBUTES:
            return _keep_template
        case Kind.FILLED:
            return lambda value: "NULL" if value is None else describe_parameter(value)
        case Kind.INTERFACES:
            return lambda v: ", ".join(map(_interface, v)) if isinstance(v, list) else f"{v} entries"
        case Kind.INTERFACE:
            return _interface
        case Kind.ASYNC:
            return lambda value: _size(value.pValue) if isinstance(value, AsyncData) else "NULL"
        case Kind.LIST | Kind.FOUND:
            return _keep_listed
        case Kind.RECORD:
            return _record
        case Kind.OUT:
            return int
        case Kind.LISTED:
            return str
        case _:
            return _size


# --- whole calls ------------------------------------------------------------------------------------------


@attrs.frozen
class _Plan:
    """How the arguments (or the results) of one function are kept and told."""

    names: tuple[str, ...]
    keepers: tuple[Keeper, ...]
    words: tuple[Words, ...]

    def keep(self, values: Sequence[Any]) -> Kept:
        return tuple([keeper(value) for keeper, value in zip(self.keepers, values, strict=False)])

    def tell(self, kept: Kept) -> Pairs:
        told = [words(one) for words, one in zip(self.words, kept, strict=False)]
        return tuple(zip(self.names, told, strict=False))


@cache
def _plans(function: str) -> tuple[_Plan, _Plan]:
    takes = [(s.name, *_argument(s)) for s in shapes(function) if s.takes]
    gives = [
        (s.name, _result(s), _say_template if s.kind is Kind.ATTRIBUTES else str)
        for s in shapes(function)
        if s.gives
    ]
    return _plan(takes), _plan(gives)


def _plan(rows: Sequence[tuple[str, Keeper, Words]]) -> _Plan:
    return _Plan(tuple(r[0] for r in rows), tuple(r[1] for r in rows), tuple(r[2] for r in rows))


def keep(function: str, arguments: Sequence[object], results: Sequence[object]) -> tuple[Kept, Kept]:
    """What may be kept of a call's arguments and results (as ``invoke`` takes and gives them), without secrets.

    Plain numbers, words, and the bytes of public attributes; quick, because it happens while the call is traced.
    """
    takes, gives = _plans(function)
    return takes.keep(arguments), gives.keep(results)


def tell(function: str, arguments: Kept, results: Kept) -> tuple[Pairs, Pairs]:
    """What was kept, in words: ``((C parameter, words), …)`` for the arguments and for the results."""
    takes, gives = _plans(function)
    return takes.tell(arguments), gives.tell(results)


def describe_arguments(function: str, arguments: Sequence[object]) -> Pairs:
    """``((C parameter, words), …)`` for the in-arguments of a call, as ``invoke`` takes them."""
    takes = _plans(function)[0]
    return takes.tell(takes.keep(arguments))


def describe_results(function: str, results: Sequence[object]) -> Pairs:
    """``((C parameter, words), …)`` for the results of a call, as ``invoke`` gives them."""
    gives = _plans(function)[1]
    return gives.tell(gives.keep(results))
