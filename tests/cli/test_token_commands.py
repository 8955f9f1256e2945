"""`workbench token up, down, status, env` and `workbench tokens`, on a token with a daemon of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from programs import unpacked

from workbench import tokens
from workbench.cli import main

NAME = "p11-kit"


@attrs.frozen
class Answer:
    code: int
    stdout: str
    stderr: str


Command = Callable[..., Answer]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    unpacked(NAME)
    path = tmp_path_factory.mktemp("home")
    (path / "packages").symlink_to(tokens.home() / "packages")
    yield path
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_HOME", str(path))
        tokens.provider(NAME).down()


@pytest.fixture
def workbench(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line in this process: nothing here loads a module."""
    monkeypatch.setenv("WORKBENCH_HOME", str(home))

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["workbench", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Answer(int(ended.value.code or 0), printed.out, printed.err)

    return run


def status(workbench: Command) -> dict[str, Any]:
    (row,) = json.loads(workbench("token", "status", NAME, "--json").stdout)
    return dict(row)


def test_status_follows_a_token_up_and_down(workbench: Command) -> None:
    before = status(workbench)
    assert (before["state"], before["command"]) == ("not made", f"workbench token up {NAME}")
    assert "is up" in workbench("token", "up", NAME).stdout
    up = status(workbench)
    assert (up["state"], up["label"]) == ("up", f"workbench-{NAME}")
    (daemon,) = up["daemons"]
    assert Path(f"/proc/{daemon['pid']}").exists()
    assert daemon["since"]
    assert "stopped: p11-kit-server" in workbench("token", "down", NAME).stdout
    assert status(workbench)["state"] == "down"
    assert not Path(f"/proc/{daemon['pid']}").exists()
    assert "stopped: nothing" in workbench("token", "down", NAME).stdout


def test_looking_starts_nothing(workbench: Command) -> None:
    workbench("token", "up", NAME)
    workbench("token", "down", NAME)
    found = {row["name"]: row for row in json.loads(workbench("tokens", "--json").stdout)}
    assert found[NAME]["state"] == "down"
    assert status(workbench)["state"] == "down"


def test_env_leads_another_program_to_the_token_without_the_pin(workbench: Command) -> None:
    shown = workbench("token", "env", NAME).stdout
    assert all(line.startswith("export ") for line in shown.splitlines())
    variables = json.loads(workbench("token", "env", NAME, "--json").stdout)
    pin = Path(variables["PKCS11_PIN_FILE"]).read_text()
    assert pin not in shown
    assert f"pin-source=file:{variables['PKCS11_PIN_FILE']}" in variables["PKCS11_URI"]
    code = (
        "import os, PyKCS11; lib = PyKCS11.PyKCS11Lib(); lib.load(os.environ['PKCS11_MODULE'])\n"
        "print([lib.getTokenInfo(slot).label.strip() for slot in lib.getSlotList(tokenPresent=True)])"
    )
    plain = {key: value for key, value in os.environ.items() if not key.startswith("WORKBENCH")}
    program = ["sh", "-c", f'{shown}\nexec "$0" -c "$1"', sys.executable, code]
    seen = subprocess.run(program, env=plain, capture_output=True, text=True)
    assert variables["PKCS11_TOKEN_LABEL"] in seen.stdout, seen.stderr


def test_down_wants_a_name_or_all(workbench: Command) -> None:
    for arguments in ((), (NAME, "--all")):
        done = workbench("token", "down", *arguments)
        assert done.code == 2
        assert done.stderr == (
            "workbench: say which sandbox to take down: workbench token down NAME, or --all\n"
        )


def test_an_unknown_sandbox_is_one_sentence(workbench: Command) -> None:
    for command in ("down", "status", "env"):
        done = workbench("token", command, "tmp")
        assert (done.code, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
        assert (
            "'tmp'; known names: sandbox, softhsm, nss, nss-new, opencryptoki, freehsm, tpm, p11-kit"
            in done.stderr
        )
