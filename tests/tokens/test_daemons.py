"""Daemons are known for certain, start and stop whole, and leave nothing. Real processes, of a small server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import processes_of

from workbench.faults import WorkbenchError
from workbench.tokens.providers.daemons import Daemon, can_run

pytestmark = pytest.mark.skipif(not can_run(), reason="daemons are kept on Linux alone")

# Listens, and has a child that does not end when it does: as p11-kit's server has for each client.
SERVER = """
import os, signal, socket, sys, time
line = socket.socket(socket.AF_UNIX)
line.bind(sys.argv[1])
line.listen()
if os.fork() == 0 and sys.argv[2:] == ["stubborn"]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
while True:
    time.sleep(60)
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon("server", tmp_path / "d", (tmp_path / "d" / "line",))
    yield made
    made.stop()


def start(daemon: Daemon, *words: str) -> None:
    daemon.start([sys.executable, "-Sc", SERVER, daemon.sockets[0], *words])


def pids(daemon: Daemon) -> set[int]:
    return set(processes_of(daemon.directory))


def test_it_runs_detached_with_a_bare_environment_and_stops_with_its_children(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HSM_PIN", "in the caller's environment")
    start(daemon)
    assert daemon.running()
    assert daemon.process is not None
    pid = daemon.process.pid
    assert os.getsid(pid) == pid
    assert b"HSM_PIN" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert len(pids(daemon)) == 2
    daemon.stop()
    assert not daemon.running()
    assert pids(daemon) == set()
    assert [path.name for path in daemon.directory.iterdir()] == ["server.log"]


def test_starting_what_runs_changes_nothing(daemon: Daemon) -> None:
    start(daemon)
    before = daemon.process, daemon.since
    start(daemon)
    assert (daemon.process, daemon.since) == before


def test_a_killed_one_is_down_and_the_next_start_clears_what_it_left(daemon: Daemon) -> None:
    start(daemon)
    assert daemon.process is not None
    first = pids(daemon)
    os.kill(daemon.process.pid, signal.SIGKILL)
    while daemon.running():
        time.sleep(0.01)
    assert daemon.sockets[0].exists()
    assert len(pids(daemon)) == 1  # its child lives on
    start(daemon)
    assert daemon.running()
    assert pids(daemon).isdisjoint(first)


def test_one_that_ignores_sigterm_is_killed(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.tokens.providers.daemons.STOP_SECONDS", 0.2)
    start(daemon, "stubborn")
    daemon.stop()
    assert pids(daemon) == set()


def test_the_pid_of_somebody_else_is_never_signalled(daemon: Daemon) -> None:
    start(daemon)
    state = json.loads(daemon.state.read_text())
    daemon.stop()
    with subprocess.Popen(["sleep", "60"]) as bystander:
        daemon.state.write_text(json.dumps({**state, "pid": bystander.pid}))  # the number came round again
        assert not daemon.running()
        daemon.stop()
        assert bystander.poll() is None
        bystander.kill()


def test_a_zombie_does_not_count_as_running(daemon: Daemon) -> None:
    # started by a process that never asks after it
    code = (
        "import sys, time; from pathlib import Path; from workbench.tokens.providers.daemons import Daemon\n"
        "d = Path(sys.argv[1]); Daemon('server', d, (d / 'line',)).start([sys.executable, '-Sc', sys.argv[2], d / 'line'])\n"
        "print('started', flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(daemon.directory), SERVER], stdout=subprocess.PIPE, text=True
    )
    with starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "started\n"
        assert daemon.process is not None
        pid = daemon.process.pid
        os.kill(pid, signal.SIGKILL)
        while "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
            time.sleep(0.01)
        assert not daemon.running()
        starter.kill()


def test_one_that_ends_at_once_says_its_last_words(daemon: Daemon) -> None:
    with pytest.raises(WorkbenchError, match=r"^server ended as soon as it was started: no good$"):
        daemon.start([sys.executable, "-Sc", "import sys; sys.exit('no good')"])


def test_one_that_is_never_ready_is_stopped(daemon: Daemon) -> None:
    with pytest.raises(WorkbenchError, match=r"server was not ready within 0 s: it printed nothing"):
        daemon.start(["sleep", "60"], seconds=0.1)
    assert pids(daemon) == set()


def test_a_missing_program_is_one_sentence(daemon: Daemon) -> None:
    with pytest.raises(WorkbenchError, match="server does not start: /no/such/program: No such file"):
        daemon.start(["/no/such/program"])


def test_a_path_that_no_socket_can_have_says_what_to_set(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    with pytest.raises(WorkbenchError, match="set WORKBENCH_HOME to a directory with a shorter path"):
        Daemon("server", deep, (deep / "line",)).start(["true"])
