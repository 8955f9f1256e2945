"""What this host's runs have put on tokens: the labels they carry, written down before each object is made.

A label says whose an object is: ``wb:HOST:RUN``, and behind another colon the name that the user gave. HOST is
a random name of this host, RUN one of the run. So whatever ends a run, its objects can be told from everybody
else's, another host's runs included, and swept away.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

import attrs

from workbench.tokens.home import home, locked, private_directory

__all__ = [
    "Entry",
    "RunLabel",
    "current_run",
    "entries",
    "forget",
    "host",
    "join_run",
    "record",
    "still_running",
]

_LABEL = re.compile(r"wb:(?P<host>[0-9a-f]{6}):(?P<run>[0-9a-f]{12})(?::(?P<name>.*))?", re.DOTALL)
_RUN = re.compile(r"[0-9a-f]{12}")
_joined: str | None = None


@attrs.frozen
class RunLabel:
    """The label of an object that a run made."""

    host: str
    run: str
    name: str = ""

    def __str__(self) -> str:
        return f"wb:{self.host}:{self.run}" + (f":{self.name}" if self.name else "")

    @classmethod
    def read(cls, label: str) -> RunLabel | None:
        """The parts of a label; None when no run of the workbench wrote it."""
        match = _LABEL.fullmatch(label)
        return cls(match["host"], match["run"], match["name"] or "") if match else None


@cache
def host() -> str:
    """Six hexadecimal digits that name this host, chosen once at random."""
    path = private_directory(home()) / "host"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        deadline = time.monotonic() + 5
        while len(text := path.read_text(encoding="ascii").strip()) < 6 and time.monotonic() < deadline:
            time.sleep(0.01)  # another process has made it and not written it yet
        return text
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(3))
    return path.read_text(encoding="ascii")


def join_run(run: str) -> None:
    """Take part in the run of the process that started this one."""
    global _joined
    _joined = run


def current_run() -> str:
    """The run that this process makes objects for: twelve hexadecimal digits, the time first."""
    global _joined
    if _joined is None:
        _joined = f"{int(time.time()):08x}{secrets.token_hex(2)}"
    return _joined


@attrs.frozen
class Entry:
    """A line of the ledger: an object that may be on a token. ``token``: the token's identity."""

    token: str
    label: str
    pid: int
    started: str

    @property
    def run(self) -> str:
        """The run that made it."""
        found = RunLabel.read(self.label)
        return found.run if found else ""


def _directory() -> Path:
    return home() / "ledger"


def record(token: str, label: str) -> None:
    """Write down that an object with this label is about to be made on the token of this identity."""
    entry = Entry(token, label, os.getpid(), _start_of(os.getpid()))
    path = private_directory(_directory()) / f"{current_run()}.jsonl"
    with _alone():
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            # a line end first: the line before may be that of a process which was killed in mid-line
            file.write("\n" + json.dumps(attrs.asdict(entry)) + "\n")
            file.flush()
            os.fsync(file.fileno())  # the object on the token outlives a power cut, and so must this


def _alone() -> AbstractContextManager[None]:
    """While a line is written or struck: what is struck was read before, and must not have grown since."""
    return locked(_directory() / "lock")


def entries(token: str) -> tuple[Entry, ...]:
    """Every object that runs of this host may have left on the token of this identity."""
    return tuple(
        entry
        for path in sorted(_directory().glob("*.jsonl"))
        for entry in _read(path)
        if entry.token == token
    )


def _read(path: Path) -> Iterator[Entry]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return  # struck by a sweep meanwhile
    for line in lines:
        try:
            yield Entry(**json.loads(line))
        except (ValueError, TypeError):
            continue  # the last line of a run that was killed while it wrote; its object was not made yet


def forget(token: str, runs: frozenset[str]) -> None:
    """Strike the objects of these runs on this token: they are gone."""
    with _alone():
        for path in _directory().glob("*.jsonl"):
            found = list(_read(path))
            kept = [entry for entry in found if entry.token != token or path.stem not in runs]
            if not kept:  # or nothing ever stood there, of a run that was killed before its first line
                path.unlink(missing_ok=True)
            elif len(kept) < len(found):
                text = "".join(json.dumps(attrs.asdict(entry)) + "\n" for entry in kept)
                new = path.with_suffix(".new")
                new.write_text(text, encoding="utf-8")
                new.replace(path)


def still_running(entry: Entry) -> bool:
    """Whether the process that made the object is alive: it may still need it."""
    return entry.pid != os.getpid() and bool(entry.started) and _start_of(entry.pid) == entry.started


def _start_of(pid: int) -> str:
    """When a process started, as the system counts; empty where there is no such process, or no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (OSError, IndexError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]
