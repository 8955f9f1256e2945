"""A failing call as an exception: which function, which code, what it means here, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from workbench import spec

__all__ = ["CryptokiError", "FunctionNotSupported", "error_class", "expect", "new_error"]


class CryptokiError(Exception):
    """A Cryptoki function answered something other than CKR_OK.

    ``function``, ``rv`` (number), ``name`` (``CKR_…``), ``section`` (v3.2), ``arguments`` (as annotated,
    without secrets), ``allowed`` (whether the standard lists the code for this function; None: unknown),
    ``means``, ``causes`` and ``next_steps`` in plain words, ``results`` (partial ones, where there
    are any: the values themselves, so they are in no text, repr or pickle of the error),
    ``template_advice`` (what the attribute tables have against the call's templates; no values).
    """

    def __init__(
        self,
        function: str,
        rv: int,
        arguments: tuple[tuple[str, str], ...] = (),
        results: tuple[object, ...] = (),
        template_advice: tuple[str, ...] = (),
    ) -> None:
        self.function = function
        self.rv = rv
        self.arguments = arguments
        self.results = results
        self.template_advice = template_advice
        self.name = spec.name("CKR", rv)
        entry = spec.function(function)
        self.section = entry.section
        self.allowed = spec.allows(function, self.name)
        advice = spec.advice(self.name)
        self.means = advice.means if advice else "a code that the standard does not define (a vendor's own)"
        self.causes = advice.causes if advice else ()
        self.next_steps = advice.next if advice else ("look the number up in the vendor's documentation",)
        super().__init__(self._text())

    def _text(self) -> str:
        lines = [f"{self.function} (§{self.section}) answered {self.name} (0x{self.rv:X}): {self.means}"]
        if self.allowed is False:
            lines.append(f"The standard does not list {self.name} for {self.function}: this module deviates.")
        lines += [f"Template: {remark}" for remark in self.template_advice]
        lines += [f"Likely: {cause}" for cause in self.causes[:2]]
        lines += [f"Next: {step}" for step in self.next_steps[:2]]
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        return new_error, (self.function, self.rv, self.arguments, (), self.template_advice)


class FunctionNotSupported(CryptokiError):
    """The module does not offer the function; ``reason`` says how one knows.

    The entry is absent (an older function list), or NULL, or it answered CKR_FUNCTION_NOT_SUPPORTED.
    """

    def __init__(
        self,
        function: str,
        rv: int = spec.value("CKR_FUNCTION_NOT_SUPPORTED"),
        arguments: tuple[tuple[str, str], ...] = (),
        results: tuple[object, ...] = (),
        reason: str = "the entry is there and answered CKR_FUNCTION_NOT_SUPPORTED",
    ) -> None:
        self.reason = reason
        super().__init__(function, rv, arguments, results)

    def _text(self) -> str:
        return f"{super()._text()}\nHere: {self.reason}"

    def __reduce__(self) -> tuple[Any, ...]:
        return FunctionNotSupported, (self.function, self.rv, self.arguments, (), self.reason)


@cache
def error_class(name: str) -> type[CryptokiError]:
    """The class of one return code: ``CKR_PIN_INCORRECT`` → ``PinIncorrect``."""
    if name == "CKR_FUNCTION_NOT_SUPPORTED":
        return FunctionNotSupported
    title = "".join(part.capitalize() for part in name.removeprefix("CKR_").split("_"))
    return type(title, (CryptokiError,), {"__doc__": f"A call answered {name}.", "__module__": __name__})


def new_error(
    function: str,
    rv: int,
    arguments: tuple[tuple[str, str], ...] = (),
    results: tuple[object, ...] = (),
    template_advice: tuple[str, ...] = (),
) -> CryptokiError:
    """The exception for a return code, of the subclass that belongs to it."""
    made = error_class(spec.name("CKR", rv))
    if made is FunctionNotSupported:
        return made(function, rv, arguments, results)
    return made(function, rv, arguments, results, template_advice)


@cache
def _class_names() -> dict[str, str]:
    return {error_class(code.name).__name__: code.name for code in spec.return_codes()}


def __getattr__(name: str) -> type[CryptokiError]:
    """``errors.PinIncorrect`` and its like, made from the table of return codes."""
    code = None if name.startswith("_") else _class_names().get(name)
    if code is None:
        raise AttributeError(name)
    return error_class(code)


@contextmanager
def expect(*names: str) -> Iterator[None]:
    """Run a block that must end in one of these return codes, and print which one came, in one fixed line.

    Errors: ``AssertionError`` when the block succeeds; any other failure passes through as it is.
    """
    for name in names:
        spec.return_code(name)  # a misspelt name must not pass for a code that never came
    try:
        yield
    except CryptokiError as error:
        if error.name not in names:
            raise
        listed = {True: "a code", False: "not a code", None: "perhaps a code"}[error.allowed]
        print(
            f"{error.function} §{error.section} → {error.name} (0x{error.rv:X}), {listed} that the standard lists here"
        )
    else:
        raise AssertionError(f"expected {' or '.join(names)}, but every call succeeded")
