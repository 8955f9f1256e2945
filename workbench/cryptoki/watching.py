"""Annotation and trace for any PyKCS11 program, as it stands.

``watch(lib)`` puts a recording proxy in the place of the low-level object of a ``PyKCS11Lib``. The program
goes on calling PyKCS11; every call passes through here and is read by the same code as the binding's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import PyKCS11

from workbench.cryptoki import tracing
from workbench.cryptoki.pykcs11 import answer_code, read_arguments, read_results

__all__ = ["watch"]


class _Recorder:
    """Stands where PyKCS11 keeps its low-level library object; hands every call on and writes it down."""

    def __init__(self, low: Any) -> None:
        self._low = low

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._low, name)
        return self._recording(name, found) if name.startswith("C_") and callable(found) else found

    def _recording(self, function: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(*passed: Any) -> Any:
            if not tracing.active:
                return call(*passed)
            arguments = read_arguments(function, passed)  # before the call fills its outputs in
            start = time.monotonic_ns()
            answer = call(*passed)
            times = (start, time.monotonic_ns())
            results = read_results(function, passed, arguments, answer)
            session = passed[0].value() if passed and hasattr(passed[0], "value") else 0
            code = answer_code(answer)
            tracing.record(function, arguments, code, results, times, session, "PyKCS11 program")
            return answer

        return recorded


def watch(library: PyKCS11.PyKCS11Lib) -> PyKCS11.PyKCS11Lib:
    """Make the calls of ``library`` visible to ``trace()``; give it after ``load()``, before sessions open.

    Returns the same library. Watching twice changes nothing. No policy is asked: it is your program.
    """
    if not isinstance(library.lib, _Recorder):
        library.lib = _Recorder(library.lib)
    return library
