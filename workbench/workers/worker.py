"""The parent's side of a worker."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, TypeVarTuple

from workbench.faults import WorkbenchError
from workbench.workers.messages import (
    Failed,
    Ready,
    Returned,
    Start,
    Task,
    WorkerDied,
    WorkerFailed,
    WorkerTimeout,
)

if TYPE_CHECKING:
    from workbench.tokens import Token

__all__ = ["Worker"]

START_SECONDS = 60.0
CLOSE_SECONDS = 5.0
TAIL_BYTES = 2000
R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class Worker:
    """A process that has one token open and calls functions on it.

    ``interpreter``: a Python of its own installation to run it under (default: this one, in the form that
    the token's provider needs). ``stderr``: the file that receives
    what the process prints, a native crash included (default: a temporary one, gone after ``close``).
    ``login``: whether the worker will log in; a PIN that a person is asked for is asked for here, once.
    Errors of the constructor: those of ``tokens.open``, ``WorkerDied``, ``WorkerTimeout``.
    """

    def __init__(
        self,
        token: str,
        interpreter: str | None = None,
        stderr: Path | None = None,
        start_timeout: float = START_SECONDS,
        login: bool = True,
    ) -> None:
        from workbench import tokens

        self.token = token
        pin = tokens.asked_pin(token) if login else None
        self._temporary = tempfile.TemporaryDirectory(prefix="workbench-worker-") if stderr is None else None
        self.stderr = stderr or Path(self._temporary.name if self._temporary else "") / "stderr.txt"
        own = interpreter in (None, sys.executable)
        command = (tokens.interpreter(token) or (sys.executable,)) if own else (str(interpreter),)
        self._process, self._connection = _spawn(command, own, self.stderr)
        self._ended = weakref.finalize(self, _end, self._process, self._connection)
        import_path = tuple(sys.path) if own else None
        start = Start(token, import_path, tokens.current_run(), pin.reveal() if pin else None)
        answer = self._exchange(start, start_timeout)
        if not isinstance(answer, Ready):
            self.close()
            raise _failure(answer)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process can take a task."""
        return self._ended.alive and self._process.poll() is None

    def run(self, function: Callable[[Token, *Ts], R], *args: *Ts, timeout: float = 60.0) -> R:
        """``function(token, *args)`` in the worker; its result. ``timeout`` in seconds.

        ``function`` must be importable (defined at the top of a module, not in ``__main__`` or a
        notebook); arguments and result must be picklable. Errors: the function's own exception (with the
        worker's traceback as a note), ``WorkerFailed`` where that cannot travel, ``WorkerDied``,
        ``WorkerTimeout``.
        """
        if function.__module__ == "__main__" or "<" in function.__qualname__:
            raise WorkbenchError(
                f"a worker cannot import {function.__qualname__}: put it at the top of a module file"
            )
        answer = self._exchange(Task(function, args), timeout)
        if isinstance(answer, Returned):
            value: R = answer.value
            return value
        raise _failure(answer)

    def close(self) -> None:
        """End the process: it logs out and finalises its module, or is killed after five seconds."""
        self._ended()
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _exchange(self, message: Start | Task, timeout: float) -> object:
        if not self._ended.alive:
            raise WorkbenchError(f"the worker of token {self.token!r} is closed")
        question = pickle.dumps(message)
        expired = threading.Event()

        # A stopped process blocks sends and half-received answers alike; its death ends both.
        def expire() -> None:
            expired.set()
            self._process.kill()

        watchdog = threading.Timer(timeout, expire)
        watchdog.daemon = True
        watchdog.start()
        try:
            self._connection.send_bytes(question)
            answer = self._connection.recv_bytes()
        except (OSError, EOFError):
            raise self._death(timeout if expired.is_set() else None) from None
        except BaseException:
            # Interrupted in mid-message: what comes next on the connection would be misread.
            self._process.kill()
            raise
        finally:
            watchdog.cancel()
        return pickle.loads(answer)  # noqa: S301 - from our own child, over a socket that nobody else has

    def _death(self, expired_after: float | None) -> WorkerDied | WorkerTimeout:
        try:
            # It closed its end, so it is dying; a core dump may take a moment.
            returncode = self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            returncode = self._process.wait()
        tail = _tail(self.stderr)
        self.close()
        if expired_after is not None:
            return WorkerTimeout(self.token, expired_after)
        return WorkerDied(self.token, returncode, tail)


def _spawn(
    command: tuple[str, ...], own: bool, stderr: Path
) -> tuple[subprocess.Popen[bytes], Connection[Any, Any]]:
    ours, theirs = socket.socketpair()
    environment = dict(os.environ)
    if own:  # another installation has a workbench of its own
        package_home = str(Path(__file__).parents[2])
        environment["PYTHONPATH"] = os.pathsep.join(
            [package_home, *filter(None, [environment.get("PYTHONPATH")])]
        )
    # The kernel can end a child with the *thread* that started it; only the main thread lasts as long as we do.
    bound = "bound" if threading.current_thread() is threading.main_thread() else "free"
    with theirs, stderr.open("ab") as log:
        try:
            process = subprocess.Popen(
                [*command, "-m", "workbench.workers", str(theirs.fileno()), bound],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
            )
        except OSError as error:
            ours.close()
            raise WorkbenchError(f"cannot start a worker with {command[0]}: {error.strerror}") from None
    return process, Connection(ours.detach())


def _end(process: subprocess.Popen[bytes], connection: Connection[Any, Any]) -> None:
    with contextlib.suppress(OSError):
        connection.close()
    try:
        process.wait(CLOSE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _failure(answer: object) -> BaseException:
    if not isinstance(answer, Failed):
        return WorkerFailed(f"the worker answered {type(answer).__name__} out of turn")
    error = answer.exception or WorkerFailed(f"{answer.name}: {answer.text}")
    if not isinstance(error, WorkbenchError):
        error.add_note("In the worker:\n" + answer.traceback.rstrip())
    return error


def _tail(path: Path) -> str:
    """The last lines that a worker printed, without the empty ones."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return "\n".join([line for line in lines if line.strip()][-8:])
