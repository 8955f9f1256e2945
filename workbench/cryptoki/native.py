"""The native view of a loaded module: cffi in ABI mode over the same image, marshalled by the shape table.

It gives what PyKCS11 lacks: every function, no copying byte by byte, no length query unless asked for, and
the GIL released during the call (a key generation of seconds does not freeze a notebook).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from workbench import spec
from workbench.cryptoki.attributes import KEPT_BACK
from workbench.cryptoki.library import Library
from workbench.cryptoki.marshal import Frame, encoder
from workbench.cryptoki.shapes import shapes

__all__ = ["NativeBinding"]

# Codes with which the results say something; after any other, nothing may be read.
READABLE = {spec.value("CKR_OK"), spec.value("CKR_BUFFER_TOO_SMALL"), *KEPT_BACK}
Outcome = tuple[int, tuple[object, ...]]


class NativeBinding:
    """Calls through the function lists of a loaded module."""

    name = "native"

    def __init__(self, library: Library) -> None:
        self.library = library
        self._calls: dict[str, Callable[[Sequence[Any]], Outcome]] = {}

    def missing(self, function: str) -> str | None:
        """Why the module has no address for the function; None when it has one."""
        return self.library.find(function)[1]

    def invoke(self, function: str, arguments: Sequence[Any]) -> Outcome:
        """Call ``function`` with its in-arguments in the standard's order; ``(rv, results)``.

        Results are read only where the return code makes them meaningful, else the tuple is empty.
        """
        call = self._calls.get(function)
        if call is None:
            call = self._calls[function] = self._compile(function)
        return call(arguments)

    def _compile(self, function: str) -> Callable[[Sequence[Any]], Outcome]:
        pointer = self.library.find(function)[0]
        encoders = tuple((encoder(shape), shape.takes) for shape in shapes(function))

        def call(arguments: Sequence[Any]) -> Outcome:
            given = iter(arguments)
            frame = Frame()
            for encode, takes in encoders:
                encode(next(given) if takes else None, frame)
            rv = pointer(*frame.passed)
            return rv, tuple([read() for read in frame.readers]) if rv in READABLE else ()

        return call
