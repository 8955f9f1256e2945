"""How the C parameters of a function pair up into Python arguments and results.

The standard spells a byte string as a pointer and a length, a template as a pointer and a count, and an
output as a pointer that the caller provides. A *shape* is one such group; the table of shapes is read from
the function table, so both bindings and the trace agree on what an argument is.
"""

from __future__ import annotations

from enum import Enum, auto
from functools import cache

import attrs

from workbench import spec
from workbench.cryptoki.records import RECORDS

__all__ = ["Kind", "Shape", "shapes"]


class Kind(Enum):
    """What a group of C parameters means; in brackets: the Python argument, then the result."""

    NUMBER = auto()  # (int) a handle, a flag word, a size
    BYTES = auto()  # (bytes or None) pointer and length
    LABEL = auto()  # (str) 32 bytes, blank padded
    NAME = auto()  # (str) NUL-terminated
    MECHANISM = auto()  # (Mechanism or None)
    TEMPLATE = auto()  # ([(CKA, bytes)])
    ATTRIBUTES = auto()  # ([(CKA, capacity or None)] → [(CKA, bytes, or length or None)])
    INIT = auto()  # (str or None) C_Initialize's argument
    BUFFER = auto()  # (capacity, or None for a NULL pointer → bytes, or the length needed)
    FILL = auto()  # (length → bytes) the caller says how much
    LIST = auto()  # (capacity, or None for a NULL pointer → [int], or the count)
    FOUND = auto()  # (maximum → [handle])
    RECORD = auto()  # (→ Record)
    OUT = auto()  # (→ int)
    NULL = auto()  # always a NULL pointer


_NO_ARGUMENT = {Kind.RECORD, Kind.OUT, Kind.NULL}
_RESULTS = {Kind.ATTRIBUTES, Kind.BUFFER, Kind.FILL, Kind.LIST, Kind.FOUND, Kind.RECORD, Kind.OUT}
_LISTS = {"CK_SLOT_ID_PTR", "CK_MECHANISM_TYPE_PTR"}
_TEXT = {"CK_BYTE_PTR", "CK_UTF8CHAR_PTR"}


@attrs.frozen
class Shape:
    """One group of parameters: its kind, the name and C type of its first one, and how many it covers."""

    kind: Kind
    name: str
    ctype: str
    width: int = 1

    @property
    def takes(self) -> bool:
        """Whether the caller gives an argument for it."""
        return self.kind not in _NO_ARGUMENT

    @property
    def gives(self) -> bool:
        """Whether the call has a result for it."""
        return self.kind in _RESULTS


def _shape(function: str, rest: tuple[spec.Param, ...]) -> Shape | None:
    first, following = rest[0], [p.ctype for p in rest[1:3]]
    ctype, out = first.ctype, first.direction != "in"
    counted = following[:1] == ["CK_ULONG"]
    sized = following[:1] == ["CK_ULONG_PTR"]

    def group(kind: Kind, width: int = 1) -> Shape:
        return Shape(kind, first.name, ctype, width)

    if function == "C_Initialize":
        return group(Kind.INIT)
    if ctype == "CK_MECHANISM_PTR":
        return group(Kind.MECHANISM)
    if ctype == "CK_ATTRIBUTE_PTR" and counted:
        return group(Kind.ATTRIBUTES if function == "C_GetAttributeValue" else Kind.TEMPLATE, 2)
    if ctype in RECORDS:
        return group(Kind.RECORD)
    if ctype in _TEXT and sized:
        return group(Kind.BUFFER, 2)
    if ctype in _TEXT and counted:
        return group(Kind.FILL if out else Kind.BYTES, 2)
    if ctype == "CK_UTF8CHAR_PTR":
        return group(Kind.LABEL if first.name == "pLabel" else Kind.NAME)
    if ctype in _LISTS and sized:
        return group(Kind.LIST, 2)
    if ctype == "CK_OBJECT_HANDLE_PTR" and following == ["CK_ULONG", "CK_ULONG_PTR"]:
        return group(Kind.FOUND, 3)
    if ctype in ("CK_VOID_PTR", "CK_NOTIFY") and not counted:
        return group(Kind.NULL)
    if ctype.endswith("_PTR"):
        return group(Kind.OUT) if ctype[:-4] in _SCALARS else None
    return group(Kind.NUMBER)


_SCALARS = {"CK_ULONG", "CK_FLAGS", "CK_SLOT_ID", "CK_SESSION_HANDLE", "CK_OBJECT_HANDLE"}


@cache
def shapes(function: str) -> tuple[Shape, ...]:
    """The groups of a function's parameters, in order.

    Errors: ``NotImplementedError`` for a function with a parameter that no kind covers yet.
    """
    made: list[Shape] = []
    rest = spec.function(function).params
    while rest:
        shape = _shape(function, rest)
        if shape is None:
            raise NotImplementedError(f"{function}: no shape for {rest[0].ctype} {rest[0].name}")
        made.append(shape)
        rest = rest[shape.width :]
    return tuple(made)
