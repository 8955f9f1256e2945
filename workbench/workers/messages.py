"""What parent and worker say to each other, and what can go wrong between them.

A token crosses as its name: the worker finds the module by itself, and the PIN unless a person gave it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import attrs

__all__ = [
    "Failed",
    "Ready",
    "Returned",
    "Start",
    "Task",
    "WorkerDied",
    "WorkerError",
    "WorkerFailed",
    "WorkerTimeout",
]


@attrs.frozen
class Start:
    """First word of the parent: which token to open, and where functions are imported from.

    ``run``: the parent's run, whose label the worker's objects carry. ``pin``: what a person or a program was
    asked for, once, in the parent; PINs from files and the environment the worker reads by itself.
    """

    token: str
    import_path: tuple[str, ...] | None  # None: another interpreter, which has its own
    run: str
    pin: bytes | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Ready:
    """The worker has opened the token."""

    pid: int


@attrs.frozen
class Task:
    """Call ``function(token, *arguments)``; a function travels by its importable name."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@attrs.frozen
class Returned:
    """What the function returned."""

    value: Any


@attrs.frozen
class Failed:
    """The exception of a function; ``exception`` is None where it cannot be pickled."""

    exception: BaseException | None
    name: str
    text: str
    traceback: str


class WorkerError(Exception):
    """A worker did not do what it was asked."""


class WorkerDied(WorkerError):
    """The worker's process ended: ``cause`` is ``SIGSEGV``, ``SIGKILL``, … or ``exit code 3``."""

    def __init__(self, token: str, returncode: int, stderr: str) -> None:
        self.token, self.returncode, self.stderr = token, returncode, stderr
        self.cause = _cause(returncode)
        last = f"; its last words: {stderr}" if stderr else ""
        super().__init__(f"the worker of token {token!r} died ({self.cause}){last}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.token, self.returncode, self.stderr)


class WorkerTimeout(WorkerError):
    """The worker gave no answer within ``seconds`` and was killed."""

    def __init__(self, token: str, seconds: float) -> None:
        self.token, self.seconds = token, seconds
        super().__init__(f"the worker of token {token!r} gave no answer within {seconds:g} s and was killed")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.token, self.seconds)


class WorkerFailed(WorkerError):
    """A function raised an exception that cannot travel; its text is in the message."""


def _cause(returncode: int) -> str:
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"signal {-returncode}"
