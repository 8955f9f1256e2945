"""The command line as a person meets it: what it prints, and one sentence with exit code 2 for bad input."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workbench import tokens
from workbench.cli.application import app
from workbench.faults import WorkbenchError
from workbench.tokens import Token


def workbench(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workbench.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One sentence on the error stream, exit code 2, nothing else."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("workbench: ")
    assert len(done.stderr.splitlines()) == 1
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    "term", ["CKR_PIN_INCORRECT", "C_Sign", "CKM_ECDSA", "CKA_SENSITIVE", "CKR:0xA0", "0xA0"]
)
def test_explain_answers_in_json(term: str) -> None:
    assert json.loads(workbench("explain", term, "--json").stdout)["entries"]


def test_explain_answers_in_words() -> None:
    assert "do not retry" in workbench("explain", "CKR_PIN_INCORRECT").stdout


def test_an_unknown_term_gets_the_three_nearest_names() -> None:
    refused(workbench("explain", "CKR_PIN_INCORECT"), "CKR_PIN_INCORECT", "CKR_PIN_INCORRECT")


def test_search_finds_by_words() -> None:
    assert "C_WrapKey" in workbench("search", "wrap", "key").stdout


def test_tokens_lists_seventy_mechanisms_on_softhsm(softhsm: Token) -> None:
    found = {row["name"]: row for row in json.loads(workbench("tokens", "--json").stdout)}
    assert found["softhsm"]["state"] == "up"
    assert found["softhsm"]["mechanisms"] == 70
    assert "70" in workbench("tokens").stdout


@pytest.mark.notebook  # it looks at every sandbox, each in a worker
def test_doctor_finds_everything_here(softhsm: Token) -> None:
    done = workbench("doctor", "--json")
    states = {row["name"]: row["state"] for row in json.loads(done.stdout)}
    assert states["token softhsm"] == "ok"
    assert done.returncode == 0


@pytest.mark.notebook  # it looks at every sandbox, each in a worker
def test_doctor_names_what_is_missing_and_the_command(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = workbench("doctor", "--json", WORKBENCH_HOME=str(tmp_path / "file" / "home"))
    (row,) = [row for row in json.loads(done.stdout) if row["name"] == "private directory"]
    assert row["state"] == "missing"
    assert "WORKBENCH_HOME" in row["remedy"]
    assert done.returncode == 1


def test_a_wrong_token_name_is_one_sentence(tmp_path: Path) -> None:
    for command in (("token", "up"), ("run", "--token"), ("bench", "--out", str(tmp_path), "--token")):
        refused(workbench(*command, "sofhsm"), "'sofhsm'", "known names: sandbox, softhsm, nss")
    assert list(tmp_path.iterdir()) == []


def test_no_module_is_one_sentence(tmp_path: Path) -> None:
    missing = str(tmp_path / "libnothing.so")
    done = workbench(
        "token", "up", "softhsm", WORKBENCH_SOFTHSM_MODULE=missing, WORKBENCH_HOME=str(tmp_path / "home")
    )
    refused(done, missing, "WORKBENCH_SOFTHSM_MODULE")


def test_a_file_that_is_no_module_is_one_sentence(tmp_path: Path) -> None:
    text = tmp_path / "module.so"
    text.write_text("not a library")
    done = workbench(
        "token", "up", "softhsm", WORKBENCH_SOFTHSM_MODULE=str(text), WORKBENCH_HOME=str(tmp_path / "home")
    )
    refused(done, str(text), "not a PKCS#11 module")


def test_a_missing_pin_source_is_one_sentence(tmp_path: Path) -> None:
    home = {"WORKBENCH_HOME": str(tmp_path / "home")}
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "packages").symlink_to(tokens.home() / "packages")
    assert workbench("token", "up", "softhsm", **home).returncode == 0
    pin = tmp_path / "home" / "sandboxes" / "softhsm" / "user.pin"
    value = pin.read_text()
    pin.unlink()
    done = workbench(
        "bench", "--token", "softhsm", "--case", "random 32 B", "--out", str(tmp_path / "runs"), **home
    )
    refused(done, "PIN of token 'softhsm' cannot be read", "--fresh")
    assert value not in done.stderr


@pytest.mark.notebook
def test_an_unwritable_run_directory_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    below = str(tmp_path / "file" / "runs")
    refused(workbench("bench", "--out", below), below)
    refused(workbench("run", "notebooks/00-start-here.ipynb", "--report", below), below)


def test_a_missing_notebook_is_one_sentence() -> None:
    refused(workbench("run", "notebooks/nothing.ipynb"), "notebooks/nothing.ipynb")


def test_a_wrong_option_is_exit_two() -> None:
    assert workbench("bench", "--plan", "nothing").returncode == 2
    refused(workbench("bench", "--threads", "many"), "--threads is a list of numbers, as 1,2,8")
    refused(workbench("bench", "--residency", "disk"), "--residency is session, token or both")
    refused(workbench("bench", "--resume", "nowhere"), "nowhere is not a run directory")
    refused(workbench("bench", "--payload", ""), "--payload is empty: list its values, or leave it out")


@pytest.mark.parametrize(
    "more",
    [("--rounds", "3"), ("--length-query",), ("--token", "softhsm"), ("--out", "x"), ("--rounds", "7")],
)
def test_a_run_that_goes_on_takes_no_other_choices(more: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, ["bench", "--resume", "runs/x", "--timeout", "5", *more])
    assert isinstance(done.exception, WorkbenchError)
    assert str(done.exception).endswith("only --timeout can be given with it")


@pytest.mark.parametrize("option", ["--timeout", "--rate", "--seconds"])
@pytest.mark.parametrize("number", ["0", "-1", "nan"])
def test_a_number_that_cannot_be_is_refused(option: str, number: str) -> None:
    done = CliRunner().invoke(app, ["bench", option, number])
    assert isinstance(done.exception, WorkbenchError)
    assert str(done.exception) == f"{option} is a number above 0, not {number}"


@pytest.mark.notebook
def test_a_worker_that_dies_costs_its_row_and_the_exit_code_says_so(softhsm: Token, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "workbench.cli", "bench", "--token", "softhsm", "--case", "random 32 B"]
    command += ["--rounds", "12", "--threads", "1", "--out", str(tmp_path)]
    bench = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    rows = wait_for_rows(tmp_path, 6)
    for worker in workers_of(bench.pid):
        os.kill(worker, signal.SIGSEGV)
    stdout, stderr = bench.communicate(timeout=120)
    assert bench.returncode == 1
    assert "SIGSEGV" in stderr
    (run,) = tmp_path.iterdir()
    written = [json.loads(line) for line in (run / "rows.jsonl").read_text().splitlines()]
    assert len(written) > rows
    blocks = [row for row in written if row["kind"] == "block"]
    assert sum(row["outcome"] == "ok" for row in blocks) >= 11
    assert any("SIGSEGV" in row["outcome"] + row.get("detail", "") for row in written)
    assert re.search(r"run: .+", stdout)


def wait_for_rows(directory: Path, count: int) -> int:
    """Wait until a run below the directory has written so many rows; how many it has then."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        rows = [line for path in directory.glob("*/rows.jsonl") for line in path.read_text().splitlines()]
        if len(rows) >= count:
            return len(rows)
        time.sleep(0.02)
    raise AssertionError("the run wrote nothing")


def workers_of(parent: int) -> list[int]:
    """The worker processes of a bench, by the system's own list of children."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in children]


@pytest.mark.notebook
def test_nothing_that_a_run_makes_holds_a_pin_and_a_planted_one_is_found(
    softhsm: Token, tmp_path: Path
) -> None:
    lesson = workbench("run", "notebooks/01-application-structure.ipynb", "--report", str(tmp_path))
    assert lesson.returncode == 0, lesson.stderr
    bench = workbench(
        "bench",
        "--token",
        "softhsm",
        "--case",
        "random 32 B",
        "--rounds",
        "2",
        "--out",
        str(tmp_path / "runs"),
    )
    assert bench.returncode == 0, bench.stderr
    made = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in made} >= {".html", ".ipynb", ".json", ".jsonl", ".npy"}
    assert tokens.leaks(tmp_path) == ()
    assert softhsm.pin.reveal().decode() not in lesson.stdout + lesson.stderr + bench.stdout + bench.stderr
    page = next(tmp_path.rglob("01-application-structure.html"))
    page.write_text(page.read_text() + softhsm.pin.reveal().decode())
    assert tokens.leaks(tmp_path) == (page,)


INTERRUPTED_STARTING = """
import os, signal, sys, threading
from workbench.cli import main
later = threading.Timer(float(sys.argv.pop(1)), os.kill, (os.getpid(), signal.SIGINT))
later.daemon = True
later.start()
main()
"""


@pytest.mark.parametrize("seconds", [0.03, 0.1, 0.2, 0.3])
def test_ctrl_c_while_the_command_line_is_loaded_is_no_traceback(seconds: float) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_STARTING, str(seconds), "tokens"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130
    assert done.stderr == "workbench: interrupted; what was finished is kept\n"
