"""The daemons of a sandbox: started detached, known again for certain, stopped whole, repaired after a crash.

A process is known by its pid together with its start time, so that a number which the system has given to
somebody else since is never signalled; and by a mark in its environment, which its children carry too, so
that nothing of a daemon stays when its first process was killed. Linux only: both are read from /proc.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from workbench.faults import WorkbenchError
from workbench.tokens.home import private_directory, write_private

__all__ = ["Daemon", "Process", "can_run"]

MARK = "WORKBENCH_DAEMON"  # in the environment of a daemon: the state file of the one it belongs to
SOCKET_PATH_BYTES = 107  # sun_path of unix(7), with its NUL
LISTENING = 0x10000  # __SO_ACCEPTCON in the flags of /proc/net/unix
START_SECONDS = 15.0
STOP_SECONDS = 5.0
STOP_ROUNDS = 5  # each ends what the one before it did not see yet
LOG_BYTES = 1 << 20

# A daemon of ours that has ended stays a zombie until the process that started it asks after it.
_children: dict[int, subprocess.Popen[bytes]] = {}


def can_run() -> bool:
    """Whether this system can keep daemons: it has /proc and file descriptors for processes."""
    return sys.platform == "linux" and Path("/proc/self/stat").is_file()


@attrs.frozen
class Process:
    """A process for certain: no other one ever has the same pid, start time and boot."""

    pid: int
    started: int  # clock ticks since the system came up: field 22 of /proc/PID/stat
    boot: str

    @classmethod
    def look(cls, pid: int) -> Process | None:
        """The process that has this pid now; None when there is none, or a zombie."""
        if (child := _children.get(pid)) is not None and child.poll() is not None:
            del _children[pid]
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        fields = text.rpartition(")")[2].split()  # the name before it may hold anything; next comes field 3
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]), _boot())


@attrs.frozen
class Daemon:
    """A daemon called ``name`` of the sandbox in ``directory``, which is its working directory.

    ``sockets``: where it listens (absolute paths of Unix sockets). Its output goes to ``log``.
    """

    name: str
    directory: Path
    sockets: tuple[Path, ...] = ()

    @property
    def log(self) -> Path:
        """The file that receives what the daemon prints."""
        return self.directory / f"{self.name}.log"

    @property
    def state(self) -> Path:
        """The file that says which process the daemon is."""
        return self.directory / f"{self.name}.daemon.json"

    @property
    def process(self) -> Process | None:
        """The daemon's first process, where it is running."""
        recorded = self._recorded()
        if recorded is None:
            return None
        process = Process(recorded["pid"], recorded["started"], recorded["boot"])
        return process if Process.look(process.pid) == process else None

    @property
    def since(self) -> str | None:
        """When the running daemon was started: ISO 8601, UTC."""
        recorded = self._recorded()
        return None if recorded is None or self.process is None else str(recorded["since"])

    def running(self) -> bool:
        """Whether the process is there, and its sockets. Cheap: reads two small files."""
        return self.process is not None and all(socket.exists() for socket in self.sockets)

    def start(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str] | None = None,
        ready: Callable[[], bool] | None = None,
        seconds: float = START_SECONDS,
    ) -> None:
        """Start the daemon unless it runs, and wait until it listens and ``ready()``; leftovers of a crash go first.

        ``environment``: added to a bare one. A daemon outlives its caller, so it gets nothing of the
        caller's environment, where PINs may be. Errors: ``WorkbenchError`` with the daemon's last words.
        """
        if self.running():
            return
        self._check_lengths()
        self.stop()
        private_directory(self.directory)
        if self.log.is_file() and self.log.stat().st_size > LOG_BYTES:
            self.log.unlink()
        bare = {"PATH": os.defpath, "HOME": str(self.directory), "LC_ALL": "C", MARK: self._mark()}
        with self.log.open("ab") as log:
            try:
                child = subprocess.Popen(
                    [str(word) for word in command],
                    cwd=self.directory,
                    env={**bare, **(environment or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    umask=0o077,
                )
            except OSError as error:
                raise WorkbenchError(f"{self.name} does not start: {command[0]}: {error.strerror}") from None
        _children[child.pid] = child
        self._record(child.pid)
        self._wait(child, ready, seconds)

    def stop(self) -> None:
        """End every process of the daemon (SIGTERM, then SIGKILL) and remove its sockets. Twice is harmless."""
        for _ in range(STOP_ROUNDS):
            found = self._end_all()
            if not found:
                break
        else:
            raise WorkbenchError(
                f"{self.name} of {self.directory} does not end, not even by SIGKILL; its log: {self.log}"
            )
        for socket in self.sockets:
            socket.unlink(missing_ok=True)
        self.state.unlink(missing_ok=True)

    def _end_all(self) -> bool:
        """End the processes that there are now; False when there were none. One may have forked meanwhile."""
        with contextlib.ExitStack() as opened:
            # asked again once the handle holds the process: the number may have changed hands in between
            handles = {pid: opened.enter_context(_handle(pid)) for pid in _all_pids() if self._is_ours(pid)}
            left = {fd for pid, fd in handles.items() if fd is not None and self._is_ours(pid)}
            for number in (signal.SIGTERM, signal.SIGKILL):
                for fd in left:
                    with contextlib.suppress(ProcessLookupError):
                        signal.pidfd_send_signal(fd, number)
                left = _wait_for_end(left, STOP_SECONDS)
        for pid in handles:
            Process.look(pid)  # reaps it, if it was ours
        return bool(handles)

    # --- how a process is known again

    def _mark(self) -> str:
        return str(self.state.resolve())

    def _recorded(self) -> dict[str, Any] | None:
        try:
            return dict(json.loads(self.state.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return None

    def _record(self, pid: int) -> None:
        process = Process.look(pid)
        if process is not None:
            since = datetime.now(UTC).isoformat(timespec="seconds")
            write_private(self.state, json.dumps({**attrs.asdict(process), "since": since}) + "\n")

    def _is_ours(self, pid: int) -> bool:
        """Whether it is the first process, or carries the daemon's mark."""
        first = self.process
        return (first is not None and first.pid == pid) or f"{MARK}={self._mark()}".encode() in _environment(
            pid
        )

    # --- starting

    def _check_lengths(self) -> None:
        for socket in self.sockets:
            length = len(os.fsencode(socket))
            if length > SOCKET_PATH_BYTES:
                raise WorkbenchError(
                    f"the path of the socket {socket} has {length} bytes and the system takes {SOCKET_PATH_BYTES}: "
                    "set WORKBENCH_HOME to a directory with a shorter path"
                )

    def _wait(self, child: subprocess.Popen[bytes], ready: Callable[[], bool] | None, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not (_listening(self.sockets) and (ready is None or ready())):
            if child.poll() is not None:
                raise WorkbenchError(f"{self.name} ended as soon as it was started: {self._last_words()}")
            if time.monotonic() > deadline:
                self.stop()
                raise WorkbenchError(
                    f"{self.name} was not ready within {seconds:.0f} s: {self._last_words()}"
                )
            time.sleep(0.01)

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")


@contextlib.contextmanager
def _handle(pid: int) -> Iterator[int | None]:
    """A file descriptor that means this very process, whatever becomes of its number; None when it is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_for_end(handles: set[int], seconds: float) -> set[int]:
    """Those of the processes that have not ended after so many seconds."""
    deadline = time.monotonic() + seconds
    left = set(handles)
    while left and (remaining := deadline - time.monotonic()) > 0:
        poll = select.poll()
        for descriptor in left:
            poll.register(descriptor, select.POLLIN)
        left -= {descriptor for descriptor, _ in poll.poll(remaining * 1000)}
    return left


def _listening(sockets: Sequence[Path]) -> bool:
    """Whether somebody listens at all of them. Looking at the kernel's table does not disturb the listener."""
    if not sockets:
        return True
    listening = set()
    for line in Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace").splitlines()[1:]:
        fields = line.split(maxsplit=7)  # Num RefCount Protocol Flags Type St Inode Path
        if len(fields) == 8 and int(fields[3], 16) & LISTENING:
            listening.add(fields[7])
    return all(str(socket) in listening for socket in sockets)


def _all_pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def _environment(pid: int) -> list[bytes]:
    """The environment a process was started with; nothing where it is another user's, or gone."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
