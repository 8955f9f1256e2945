"""What the functions of every chapter share: a session's call, and outputs whose length is not known before."""

from __future__ import annotations

from functools import cache
from typing import Any

from workbench import spec
from workbench.cryptoki.module import Module, SessionLike, failure, session_handle
from workbench.cryptoki.shapes import Kind, shapes

__all__ = ["Room", "filled", "length_of", "on_module", "on_session", "sized"]

BUFFER_TOO_SMALL = spec.value("CKR_BUFFER_TOO_SMALL")
PLENTY = 8192  # enough for every signature but SLH-DSA's; a larger one costs a second call
LARGEST = 2**24  # bytes of output beyond those offered that a module is believed to need


@cache
def _grows(function: str) -> bool:
    """Whether the output can be as long as the input is; signatures and digests are short."""
    names = [shape.name for shape in shapes(function) if shape.kind is Kind.BUFFER]
    return not {"pSignature", "pDigest"}.intersection(names)


class Room:
    """Stands for the output buffer among the arguments: ``size`` in bytes, None for plenty."""

    __slots__ = ("size",)

    def __init__(self, size: int | None) -> None:
        self.size = size


def on_module(module: Module, function: str, *arguments: Any, slot: int | None = None) -> tuple[Any, ...]:
    """Call a function of the module or of a slot; its results."""
    return module.call(function, arguments, slot)[1]


def on_session(session: SessionLike, function: str, *arguments: Any) -> tuple[Any, ...]:
    """Call a function whose first parameter is the session; its results."""
    handle = session_handle(session)
    return handle.module.call(function, (handle, *arguments), handle.slot, handle)[1]


def filled(session: SessionLike, function: str, *arguments: Any) -> tuple[Any, ...]:
    """Call a function that fills the buffer for which ``Room`` stands among its arguments; its results.

    A ``Room`` of no size offers plenty at once (no length query, which costs a round trip) and, should that
    be too small, once more what the module asked for (5.2).
    """
    place = next(i for i, a in enumerate(arguments) if isinstance(a, Room))
    before, after = arguments[:place], arguments[place + 1 :]
    return _filled(session, function, before, arguments[place].size, after)


def sized(session: SessionLike, function: str, *arguments: Any, room: int | None) -> bytes:
    """Call a function whose last argument is the output buffer and whose only result is what it wrote."""
    made: bytes = _filled(session, function, arguments, room)[0]
    return made


def _filled(
    session: SessionLike,
    function: str,
    before: tuple[Any, ...],
    size: int | None,
    after: tuple[Any, ...] = (),
) -> tuple[Any, ...]:
    handle = session_handle(session)
    if size is not None:
        return handle.module.call(function, (handle, *before, size, *after), handle.slot, handle)[1]
    offered = PLENTY
    if _grows(function):
        offered += sum(len(a) for a in (*before, *after) if isinstance(a, bytes))
    first = (handle, *before, offered, *after)
    rv, results = handle.module.call(function, first, handle.slot, handle, (BUFFER_TOO_SMALL,))
    if rv:
        needed = next((r for r in results if isinstance(r, int)), 0)
        # NSS 3.87 answers so for a PSS salt that is too long, and the length is whatever stood in memory
        if not offered < needed <= offered + LARGEST:
            raise failure(function, first, rv, results)
        results = handle.module.call(function, (handle, *before, needed, *after), handle.slot, handle)[1]
    return results


def length_of(session: SessionLike, function: str, *arguments: Any) -> int:
    """Ask for the length of an output with a NULL buffer (5.2); the operation stays active.

    ``length_of(session, "C_Sign", data)`` → the bytes that C_Sign would need.
    """
    length: int = on_session(session, function, *arguments, None)[0]
    return length
