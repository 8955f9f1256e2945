"""Every provider from a clean state: up, at work, down, nothing left; twice, side by side, and after a crash."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import files_elsewhere, processes_of
from programs import unpacked

from workbench import tokens

# What each of them does. All verify by pyca/cryptography, which has all of it but SLH-DSA.
CAN = {
    "softhsm": ["random", "RSA", "EC", "AES"],
    "nss": ["random", "RSA", "EC", "AES"],
    "tpm": ["random", "RSA", "EC"],  # it neither makes nor takes a secret key
    "p11-kit": ["random", "RSA", "EC", "AES"],
    "nss-new": ["random", "RSA", "EC", "AES", "ML-DSA", "ML-KEM"],
    "opencryptoki": ["random", "RSA", "EC", "AES", "ML-DSA", "ML-KEM"],
    "freehsm": [
        "random",
        "RSA",
        "EC",
        "AES",
        "ML-DSA",
        "SLH-DSA",
    ],  # ML-KEM only in functions it does not list
}
HERE = Path(__file__).parent
LIFE = """
import json, sys
sys.path.insert(0, sys.argv[2])
from newer_work import post_quantum
from provider_work import work
from workbench import tokens
from workbench.workers import Worker
provider = tokens.provider(sys.argv[1])
for _ in range(int(sys.argv[3])):
    provider.up()
    with Worker(provider.name) as worker:
        print(json.dumps([*worker.run(work), *worker.run(post_quantum)]), flush=True)
    provider.down()
"""
HOLD = """
import sys, time
sys.path.insert(0, sys.argv[2])
from provider_work import hold
from workbench.workers import Worker
worker = Worker(sys.argv[1])
worker.run(hold)
print("holding", flush=True)
time.sleep(600)
"""

pytestmark = [
    pytest.mark.notebook,  # a worker or two each: slower than the fast loop allows
    pytest.mark.parametrize("name", CAN),
]


class Home:
    """A private home with its own HOME and TMPDIR, whose processes end with the test."""

    def __init__(self, path: Path) -> None:
        self.path = path / "w"
        self.elsewhere = path / "h"
        self.path.mkdir()
        self.elsewhere.mkdir()
        for shared in ("packages", "suites"):
            (self.path / shared).symlink_to(tokens.home() / shared)

    def start(self, code: str, name: str, times: int = 1) -> subprocess.Popen[str]:
        aside = {key: str(self.elsewhere) for key in ("HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME")}
        environment = {**os.environ, **aside, "WORKBENCH_HOME": str(self.path)}
        return subprocess.Popen(
            [sys.executable, "-c", code, name, str(HERE), str(times)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def kill(self) -> None:
        for pid in processes_of(self.path):
            with contextlib.suppress(ProcessLookupError):  # a child of one that was killed just now
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def homes(name: str, tmp_path: Path) -> Iterator[tuple[Home, Home]]:
    unpacked(name)
    made = []
    for part in ("a", "b"):
        (tmp_path / part).mkdir()
        made.append(Home(tmp_path / part))
    yield made[0], made[1]
    for home in made:
        home.kill()


def did(process: subprocess.Popen[str]) -> list[list[str]]:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return [json.loads(line) for line in output.splitlines()]


def test_two_homes_at_once_twice_in_a_row_and_nothing_is_left(name: str, homes: tuple[Home, Home]) -> None:
    before = [files_elsewhere(home.elsewhere) for home in homes]
    started = [home.start(LIFE, name, times=2) for home in homes]
    for process in started:
        assert did(process) == [CAN[name]] * 2
    for home, known in zip(homes, before, strict=True):
        assert processes_of(home.path) == {}
        assert files_elsewhere(home.elsewhere) - known == set()


def test_the_next_start_repairs_what_sigkill_left(name: str, homes: tuple[Home, Home]) -> None:
    home = homes[0]
    for _ in range(4 if name == "tpm" else 1):  # a TPM counts three as attacks
        holder = home.start(HOLD, name)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holding\n", holder.communicate()[1]
        home.kill()
        holder.communicate()
    assert did(home.start(LIFE, name)) == [CAN[name]]
    assert processes_of(home.path) == {}
