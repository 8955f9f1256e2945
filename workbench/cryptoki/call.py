"""What the functions of every chapter share: a session's call, and outputs whose length is not known before."""

from __future__ import annotations

from typing import Any

from workbench import spec
from workbench.cryptoki.errors import new_error
from workbench.cryptoki.module import Module, SessionLike, session_handle
from workbench.cryptoki.redaction import describe_arguments

__all__ = ["length_of", "on_module", "on_session", "sized"]

BUFFER_TOO_SMALL = spec.value("CKR_BUFFER_TOO_SMALL")
ROOM = 8192  # enough for every signature but SLH-DSA's; a larger one costs a second call
LARGEST = 2**24  # bytes of output beyond those offered that a module is believed to need


def on_module(module: Module, function: str, *arguments: Any, slot: int | None = None) -> tuple[Any, ...]:
    """Call a function of the module or of a slot; its results."""
    return module.call(function, arguments, slot)[1]


def on_session(session: SessionLike, function: str, *arguments: Any) -> tuple[Any, ...]:
    """Call a function whose first parameter is the session; its results."""
    handle = session_handle(session)
    return handle.module.call(function, (handle, *arguments), handle.slot, handle)[1]


def sized(session: SessionLike, function: str, *arguments: Any, room: int | None) -> bytes:
    """Call a function that fills a buffer as its last argument; the bytes it wrote.

    ``room``: the size of the buffer in bytes; None offers plenty at once (no length query, which costs a
    round trip) and, should that be too small, once more what the module asked for (5.2).
    """
    handle = session_handle(session)
    offered = ROOM + sum(len(a) for a in arguments if isinstance(a, bytes)) if room is None else room
    accept = (BUFFER_TOO_SMALL,) if room is None else ()
    rv, results = handle.module.call(function, (handle, *arguments, offered), handle.slot, handle, accept)
    if rv:
        needed = results[0]
        # NSS 3.87 answers so for a PSS salt that is too long, and the length is whatever stood in memory
        if not isinstance(needed, int) or not offered < needed <= offered + LARGEST:
            raise new_error(
                function, rv, describe_arguments(function, (handle, *arguments, offered)), results
            )
        results = handle.module.call(function, (handle, *arguments, needed), handle.slot, handle)[1]
    made: bytes = results[0]
    return made


def length_of(session: SessionLike, function: str, *arguments: Any) -> int:
    """Ask for the length of an output with a NULL buffer (5.2); the operation stays active.

    ``length_of(session, "C_Sign", data)`` → the bytes that C_Sign would need.
    """
    length: int = on_session(session, function, *arguments, None)[0]
    return length
