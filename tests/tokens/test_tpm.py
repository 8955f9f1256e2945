"""The TPM provider: whose TPM it is, and that nobody else reaches ours."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import processes_of
from programs import unpacked

from workbench import tokens

HERE = Path(__file__).parent
WORK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from provider_work import work
from workbench import tokens
from workbench.workers import Worker
with Worker("tpm") as worker:
    print(json.dumps([worker.run(work), str(tokens.provider("tpm").directory)]))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    unpacked("tpm")
    path = tmp_path_factory.mktemp("home")
    (path / "packages").symlink_to(tokens.home() / "packages")
    environment = {**os.environ, "WORKBENCH_HOME": str(path)}
    subprocess.run([*CLI, "token", "up", "tpm"], env=environment, check=True, capture_output=True)
    yield environment
    subprocess.run([*CLI, "token", "down", "tpm"], env=environment, check=True, capture_output=True)


CLI = [sys.executable, "-m", "workbench.cli"]


def test_only_this_user_reaches_the_tpm_and_the_bus(home: dict[str, str]) -> None:
    directory = Path(home["WORKBENCH_HOME"]) / "sandboxes" / "tpm"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for pid, command in processes_of(directory).items():
        listening = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
        inodes = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
        assert not [line for line in listening if f"socket:[{line.split()[9]}]" in inodes], command


@pytest.mark.notebook
def test_the_tpm_that_the_user_names_gets_a_store_of_its_own_and_no_daemons(
    home: dict[str, str], tmp_path: Path
) -> None:
    exported = json.loads(
        subprocess.run(
            [*CLI, "token", "env", "tpm", "--json"], env=home, capture_output=True, check=True
        ).stdout
    )
    # The TPM of the first home is the user's to the second one.
    other = {
        **home,
        "WORKBENCH_HOME": str(tmp_path),
        "WORKBENCH_TPM_TCTI": exported["TPM2_PKCS11_TCTI"],
        "DBUS_SYSTEM_BUS_ADDRESS": exported["DBUS_SYSTEM_BUS_ADDRESS"],
    }
    (tmp_path / "packages").symlink_to(tokens.home() / "packages")
    done = subprocess.run([sys.executable, "-c", WORK, str(HERE)], env=other, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["random", "RSA", "EC"], str(tmp_path / "sandboxes" / "tpm-device")]
    assert processes_of(tmp_path) == {}


def test_a_tpm_that_cannot_be_opened_is_named(home: dict[str, str]) -> None:
    code = "from workbench import tokens; print(tokens.why_not('tpm'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**home, "WORKBENCH_TPM_TCTI": "device:/no/such/tpm"},
        capture_output=True,
        text=True,
    )
    assert "device:/no/such/tpm, which this user cannot open" in done.stdout
