"""A host's side of a fleet: what the fleet asks of the host's Dask worker.

The worker starts our own runner (``remote``) as a process beside it and passes on what that has written; nothing
is measured in the worker itself. The runner ends when the worker does, or when the fleet has not asked for news for
a while.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import attrs

from workbench import tokens
from workbench.faults import WorkbenchError
from workbench.measure.drivers import kernel
from workbench.measure.plan import DRIVERS, Plan
from workbench.measure.provenance import packages

__all__ = [
    "Assignment",
    "News",
    "Outbox",
    "announcements",
    "begin",
    "drivers",
    "greet",
    "leave",
    "news",
    "place",
]

LEASE_SECONDS = 60.0  # without a question for news
LEAVE_SECONDS = 8.0  # a worker has five to log out


@attrs.frozen
class Assignment:
    """What a host is to measure. ``name``: of the fleet's run, the same on every host; ``asked``: as ``bench`` takes it."""

    name: str
    plan: Plan
    tokens: tuple[str, ...]
    timeout: float | None
    seed: int
    asked: tuple[str, ...] = ()


@attrs.frozen
class News:
    """What has happened on a host since it was last asked.

    ``state``: preparing, ready, finished, or failed (``text`` says why). ``files``: what was added to each file of
    the run directory.
    """

    state: str = "preparing"
    text: str = "starting"
    done: int = 0
    total: int = 1
    remaining_s: float | None = None
    files: dict[str, bytes] = attrs.field(factory=dict)


def greet() -> str:
    """The version of the workbench on this host."""
    return packages().get("pkcs11-workbench", "not installed")


def drivers() -> tuple[str, ...]:
    """The drivers that this host has."""
    return tuple(name for name in DRIVERS if name != "c-kernel" or kernel())


def announcements(names: Sequence[str]) -> list[str]:
    """What the fleet's user is told before tokens that are not ours are asked for anything.

    Errors: ``WorkbenchError`` for a token in production.
    """
    told = []
    for name in names:
        origin = tokens.origin(name)
        if origin.standing == "production":
            raise WorkbenchError(
                f"token {name!r} is in production, with a budget for each host that measures: measure it from one"
            )
        if origin.standing == "guest":
            told.append(
                f"token {name!r} (guest) will be asked for session keys and operations, "
                f"within its budget on each host: {origin.budget}"
            )
    return told


def place(assignment: Assignment) -> None:
    """Start the runner."""
    _places[assignment.name] = _Place(assignment)


def news(name: str) -> News | None:
    """What the runner of that run has done since the last question; None where there is none."""
    placed = _places.get(name)
    return placed.news() if placed else None


def begin(name: str, start: float) -> None:
    """The first block is due at this Unix time, on this host's clock."""
    _places[name].connection.send(start)


def leave(name: str) -> None:
    """End the runner, whatever it is doing, and remove what it has written."""
    placed = _places.pop(name, None)
    if placed is not None:
        placed.end()


class Outbox:
    """The files of the run directory below ``directory``, which grow while they are fetched."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._sent: dict[str, int] = {}

    def added(self) -> dict[str, bytes]:
        """What was added to each file since the last time.

        A file that speaks of others is read before they are listed: end.json is written after the last row, and a
        row after its latencies. What has been sent then makes sense by itself, should the host be lost now.
        """
        found: dict[str, bytes] = {}
        seen: set[Path] = set()
        for pattern in ("*/end.json", "*/rows.jsonl", "*/**/*"):
            for path in sorted(set(self.directory.glob(pattern)) - seen):
                seen.add(path)
                name = str(path.relative_to(self.directory))
                sent = self._sent.get(name, 0)
                if path.suffix == ".part" or not path.is_file() or path.stat().st_size <= sent:
                    continue  # not a file of the run yet, or nothing new
                with path.open("rb") as file:
                    file.seek(sent)
                    found[name] = file.read()
                self._sent[name] = sent + len(found[name])
        return found


class _Place:
    """The runner's process, seen from the Dask worker."""

    def __init__(self, assignment: Assignment) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="workbench-fleet-"))
        self._socket, theirs = socket.socketpair()
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workbench.measure.remote", str(theirs.fileno()), str(self.directory)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environment,
            )
        self.connection: Connection[Any, Any] = Connection(os.dup(self._socket.fileno()))
        self.connection.send(assignment)
        self._last = News()
        self._outbox = Outbox(self.directory)
        self._asked = time.monotonic()
        threading.Thread(target=self._listen, daemon=True, name="fleet-runner").start()
        threading.Thread(target=self._keep_lease, daemon=True, name="fleet-lease").start()

    def news(self) -> News:
        self._asked = time.monotonic()
        last = self._last  # before the files: all that it speaks of is in them
        return attrs.evolve(last, files=self._outbox.added())

    def end(self) -> None:
        # closing it would not wake the thread that listens, nor tell the other side as long as that does
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        threading.Thread(target=self._bury, name="fleet-end").start()  # a Dask worker must not wait

    def _bury(self) -> None:
        try:
            self.process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._socket.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _listen(self) -> None:
        try:
            while True:
                self._last = self.connection.recv()
        except (EOFError, OSError):
            self.connection.close()
            if self._last.state not in ("finished", "failed"):
                returncode = self.process.wait()
                self._last = attrs.evolve(self._last, state="failed", text=f"the runner ended ({returncode})")

    def _keep_lease(self) -> None:
        while self.process.poll() is None:
            if time.monotonic() - self._asked > LEASE_SECONDS:
                self.end()
                return
            time.sleep(1.0)


_places: dict[str, _Place] = {}
