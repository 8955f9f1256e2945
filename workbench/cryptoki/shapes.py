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
    PARAMETER = auto()  # (Parameter, bytes or None) a message's parameter
    FILLED = auto()  # (Parameter → Parameter) the same, which the module may fill in (an IV, a tag)
    VERSION = auto()  # ((major, minor) or None)
    INTERFACE = auto()  # (→ Interface)
    INTERFACES = auto()  # (capacity, or None for a NULL pointer → [Interface], or the count)
    LISTED = auto()  # (→ Version) a function list
    ASYNC = auto()  # (→ AsyncData)


_NO_ARGUMENT = {Kind.RECORD, Kind.OUT, Kind.NULL, Kind.INTERFACE, Kind.LISTED, Kind.ASYNC}
_RESULTS = {
    Kind.ATTRIBUTES,
    Kind.BUFFER,
    Kind.FILL,
    Kind.LIST,
    Kind.FOUND,
    Kind.RECORD,
    Kind.OUT,
    Kind.FILLED,
    Kind.INTERFACE,
    Kind.INTERFACES,
    Kind.LISTED,
    Kind.ASYNC,
}
# Types that have one meaning wherever they stand.
_BY_TYPE = {
    "CK_MECHANISM_PTR": (Kind.MECHANISM, 1),
    "CK_VERSION_PTR": (Kind.VERSION, 1),
    "CK_ASYNC_DATA_PTR": (Kind.ASYNC, 1),
    "CK_INTERFACE_PTR": (Kind.INTERFACES, 2),
    "CK_INTERFACE_PTR_PTR": (Kind.INTERFACE, 1),
    "CK_FUNCTION_LIST_PTR_PTR": (Kind.LISTED, 1),
    **dict.fromkeys(RECORDS, (Kind.RECORD, 1)),
}
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


def _shape(function: str, rest: tuple[spec.Param, ...]) -> Shape:
    first, following = rest[0], [p.ctype for p in rest[1:3]]
    ctype, out = first.ctype, first.direction != "in"
    counted = following[:1] == ["CK_ULONG"]
    sized = following[:1] == ["CK_ULONG_PTR"]

    def group(kind: Kind, width: int = 1) -> Shape:
        return Shape(kind, first.name, ctype, width)

    if function == "C_Initialize":
        return group(Kind.INIT)
    if ctype in _BY_TYPE:
        return group(*_BY_TYPE[ctype])
    if first.name == "pFunctionName":
        return group(Kind.NAME)  # in C_AsyncGetID and C_AsyncJoin a number follows that is not its length
    if ctype == "CK_ATTRIBUTE_PTR" and counted:
        return group(Kind.ATTRIBUTES if function == "C_GetAttributeValue" else Kind.TEMPLATE, 2)
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
    if ctype == "CK_VOID_PTR" and counted:
        return group(Kind.FILLED if out else Kind.PARAMETER, 2)
    if ctype in ("CK_VOID_PTR", "CK_NOTIFY"):
        return group(Kind.NULL)
    if ctype.endswith("_PTR"):
        return group(Kind.OUT)
    return group(Kind.NUMBER)


@cache
def shapes(function: str) -> tuple[Shape, ...]:
    """The groups of a function's parameters, in order."""
    made: list[Shape] = []
    rest = spec.function(function).params
    while rest:
        made.append(_shape(function, rest))
        rest = rest[made[-1].width :]
    return tuple(made)
