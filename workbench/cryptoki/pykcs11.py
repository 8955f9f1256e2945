"""PyKCS11 as a binding, and as something to watch: the same reading of its low-level calls serves both.

What PyKCS11 1.5.20 cannot say to a module, or makes of its answers, shows here as it is, so that it can be
compared; the calls of ``C`` avoid it by going the native way from chapter 5.7 on (see ``Module``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import PyKCS11

from workbench import spec
from workbench.cryptoki.attributes import KEPT_BACK
from workbench.cryptoki.shapes import Kind, Shape, shapes
from workbench.cryptoki.swig import make, read
from workbench.faults import WorkbenchError

__all__ = ["PyKCS11Binding", "answer_code", "read_arguments", "read_results"]

NOT_INITIALIZED = spec.value("CKR_CRYPTOKI_NOT_INITIALIZED")
BOTH_CALLS = "NULL, then room for all (PyKCS11 makes both calls)"
# Of these PyKCS11 asks the length itself, every time, and then makes the call with a buffer of its own.
ASKS_ITSELF = frozenset({"C_EncryptUpdate", "C_EncryptFinal", "C_DecryptUpdate", "C_DecryptFinal"})
Outcome = tuple[int, tuple[object, ...]]


class PyKCS11Binding:
    """Calls through PyKCS11's low-level object, which loads and owns the module."""

    name = "pykcs11"

    def __init__(self, path: str) -> None:
        self.path = path
        self.library = PyKCS11.PyKCS11Lib()

    def missing(self, function: str) -> str | None:
        """Why PyKCS11 does not reach the function; None for the 54 of 104 that it does."""
        return None if spec.function(function).pykcs11 else f"PyKCS11 has no {function}"

    def invoke(self, function: str, arguments: Sequence[Any]) -> Outcome:
        """As ``NativeBinding.invoke``. PyKCS11 holds the GIL for the whole call and copies byte by byte.

        Errors: ``WorkbenchError`` for what PyKCS11 has no way to pass.
        """
        if function == "C_Initialize":
            return self._initialize(*arguments)
        if not self.attached:
            return NOT_INITIALIZED, ()  # PyKCS11 1.5.20 itself would follow a null pointer
        given = iter(arguments)
        keep: list[Any] = []
        groups = []
        for shape in _passed_shapes(function):
            argument = next(given) if shape.takes else None
            if argument is None and shape.kind is Kind.BUFFER and function in ASKS_ITSELF:
                raise WorkbenchError(
                    f"{function}: PyKCS11 cannot ask for the length alone; use the native binding"
                )
            groups.append((shape, make(shape, argument, keep), argument))
        answer = getattr(self.library.lib, function)(*(passed for _, passed, _ in groups))
        rv = answer_code(answer)
        return rv, _results(function, rv, answer, groups)

    @property
    def attached(self) -> bool:
        """Whether PyKCS11 has loaded the module."""
        return self.library.pkcs11dll_filename is not None

    def attach(self) -> None:
        """Let PyKCS11 load a module that somebody else has initialised; it accepts that."""
        if not self.attached:
            self._initialize()

    def _initialize(self, reserved: str | None = None) -> Outcome:
        if reserved is not None:
            raise WorkbenchError(
                "C_Initialize: PyKCS11 cannot pass a parameter string; use the native binding"
            )
        if self.attached:
            # load() again would unload first, and that calls C_Finalize for the whole process
            return self.library.lib.C_Initialize(), ()
        try:
            self.library.load(self.path)
        except PyKCS11.PyKCS11Error as error:
            if error.value < 0:
                raise WorkbenchError(f"PyKCS11 cannot load {self.path}: {error}") from None
            return int(error.value), ()
        return 0, ()


def _passed_shapes(function: str) -> tuple[Shape, ...]:
    """The shapes that PyKCS11's signature has; it leaves out what is always NULL."""
    return tuple(shape for shape in shapes(function) if shape.kind is not Kind.NULL)


def _results(
    function: str, rv: int, answer: Any, groups: Sequence[tuple[Shape, Any, Any]]
) -> tuple[object, ...]:
    if rv and not (rv in KEPT_BACK and function == "C_GetAttributeValue"):
        return ()
    if not isinstance(answer, int):
        return tuple(answer[1:])  # C_WaitForSlotEvent alone: the slot comes beside the code
    return tuple(read(shape, passed, given, rv) for shape, passed, given in groups if shape.gives)


def answer_code(answer: Any) -> int:
    """The CKR in what a low-level call returned."""
    return int(answer if isinstance(answer, int) else answer[0])


def read_arguments(function: str, passed: Sequence[Any]) -> list[object]:
    """The in-arguments of a low-level call, as ``invoke`` would take them (before the call)."""
    return [
        _argument(function, shape, value)
        for shape, value in zip(_passed_shapes(function), passed, strict=False)
        if shape.takes
    ]


def _argument(function: str, shape: Shape, value: Any) -> object:
    if shape.kind is Kind.LIST or (shape.kind is Kind.BUFFER and function in ASKS_ITSELF):
        return BOTH_CALLS
    if shape.kind in (Kind.BUFFER, Kind.FILL, Kind.FOUND):
        return len(value) or None
    if shape.kind is Kind.ATTRIBUTES:
        return [(attribute.GetType(), attribute.GetLen() or None) for attribute in value]
    return read(shape, value)


def read_results(
    function: str, passed: Sequence[Any], given: Sequence[object], answer: Any
) -> tuple[object, ...]:
    """The results of a low-level call, as ``invoke`` would give them. ``given``: its ``read_arguments``."""
    arguments = iter(given)
    groups = [
        (shape, value, next(arguments, None) if shape.takes else None)
        for shape, value in zip(_passed_shapes(function), passed, strict=False)
    ]
    return _results(function, answer_code(answer), answer, groups)
