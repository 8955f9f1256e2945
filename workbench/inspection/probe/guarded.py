"""Calls with a buffer of exactly the size that the module is told, and a guard of known bytes behind it.

The binding gives every buffer spare room, because some modules write past the end; here that is what is looked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from workbench import spec
from workbench.cryptoki import SessionLike
from workbench.cryptoki.attributes import attribute_number
from workbench.cryptoki.library import ffi

__all__ = ["Answer", "guarded_attribute", "guarded_call"]

GUARD = 4096
MARK = 0xA5


@attrs.frozen
class Answer:
    """What came of a call: the code's name, the length that it set, the bytes within the room, and how many bytes
    behind the room were changed.
    """

    code: str
    length: int
    data: bytes
    past: int


class _Room:
    """``size`` bytes for the module, and the guard behind them; None: no room at all (NULL)."""

    def __init__(self, size: int | None) -> None:
        self.size = size or 0
        self._memory = ffi().new("CK_BYTE[]", self.size + GUARD)
        ffi().memmove(self._memory, bytes([MARK]) * (self.size + GUARD), self.size + GUARD)
        self.pointer = ffi().NULL if size is None else self._memory

    def past(self) -> int:
        """The bytes of the guard up to the last one that changed."""
        return len(ffi().buffer(self._memory)[self.size :].rstrip(bytes([MARK])))

    def data(self, length: int) -> bytes:
        """The first bytes of the room."""
        made: bytes = ffi().buffer(self._memory)[: min(length, self.size)]
        return made


def _function(session: SessionLike, function: str, arguments: Sequence[object]) -> Callable[..., int]:
    """The function at its address, with the token's policy before and after it."""
    handle = session.handle
    pointer = handle.module.native.library.find(function)[0]
    policy = handle.module.policy(handle.slot)

    def call(*passed: Any) -> int:
        policy.check(function, (handle, *arguments))
        start = time.monotonic()
        rv: int = pointer(handle, *passed)
        if policy.attentive:
            policy.answered(function, (handle, *arguments), rv, (), time.monotonic() - start)
        return rv

    return call


def guarded_call(session: SessionLike, function: str, size: int | None, data: bytes | None = None) -> Answer:
    """Call a function that takes (session[, data, length], buffer, length of the buffer). ``size`` None: NULL."""
    call = _function(session, function, () if data is None else (data,))
    room, length = _Room(size), ffi().new("CK_ULONG *", size or 0)
    given = () if data is None else (data, len(data))
    rv = call(*given, room.pointer, length)
    return Answer(spec.name("CKR", rv), length[0], room.data(length[0]), room.past())


def guarded_attribute(session: SessionLike, target: int, attribute: str, size: int | None) -> Answer:
    """C_GetAttributeValue of one attribute into a room of that size."""
    number = attribute_number(attribute)
    call = _function(session, "C_GetAttributeValue", (target, [(number, size)]))
    room = _Room(size)
    row = ffi().new("CK_ATTRIBUTE *", {"type": number, "pValue": room.pointer, "ulValueLen": size or 0})
    rv = call(target, row, 1)
    length = row.ulValueLen
    return Answer(spec.name("CKR", rv), length, room.data(length), room.past())
