"""Whatever ends a run, a sweep removes what it left on the token, and nothing that others made."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import attrs
import pytest
import somebodys
from somebodys import Somebodys

from workbench import C, tokens
from workbench.faults import WorkbenchError
from workbench.tokens import Swept, ledger

CONSENT = 'consent = ["token-objects"]\nbudget = { max_objects = 100000, max_seconds = 3600 }\n'
ROOT = Path(__file__).resolve().parents[2]
KILLED = 200 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 60  # runs


def at_work() -> None:
    """Make and destroy token objects of every kind until the end."""
    token = tokens.open("device")
    choose = random.Random()
    with token.session() as s:
        made: list[int] = []
        while True:
            kind = choose.choice(("EC", "RSA", "AES", "data", "copy", "destroy"))
            if kind == "RSA":
                made += _pair(s.generate("RSA", bits=512, token=True, label="r"))
            elif kind == "EC":
                made += _pair(s.generate("EC", token=True))
            elif kind == "AES":
                made.append(s.generate_secret(token=True).handle)
            elif kind == "data":
                row = {"CKA_CLASS": "CKO_DATA", "CKA_TOKEN": True, "CKA_LABEL": token.run_label("d")}
                made.append(C.CreateObject(s, row))
            elif kind == "copy":
                key = s.generate_secret()
                row = {"CKA_TOKEN": True, "CKA_LABEL": token.run_label("c")}
                made.append(C.CopyObject(s, key.handle, row))
            elif made:
                C.DestroyObject(s, made.pop(choose.randrange(len(made))))


def _pair(pair: object) -> tuple[int, int]:
    return pair.public_handle, pair.private_handle  # type: ignore[attr-defined]


def sweep(run: str | None = None, dry_run: bool = False) -> tuple[Swept, ...]:
    return tokens.sweep(tokens.open("device"), run, dry_run)


def ours(somebody: Somebodys) -> list[str]:
    """The labels on the token that a workbench wrote."""
    return [label for label, _ in listed(somebody) if label.startswith("wb:")]


def listed(somebody: Somebodys) -> list[tuple[str, int]]:
    return somebody.run(somebodys.listed, str(somebody.target), "device")


def host(somebody: Somebodys) -> str:
    return (somebody.state / "host").read_text()


def left_by_killed_runs(somebody: Somebodys, runs: int, longest: float) -> None:
    """Runs of two hosts, two at a time, killed at random moments.

    SoftHSM writes ``token.object`` anew at each login, and a kill in that moment costs the whole token; a device
    has no such moment, so the file is put back.
    """
    hosts = (somebody, attrs.evolve(somebody, home="elsewhere"))
    kept = {file: file.read_bytes() for file in (somebody.root / "tokens").glob("*/token.object")}
    for _ in range(runs // 2):
        started = [somebodys.start(at_work, environment=one.environment) for one in hosts]
        for pid in started:
            time.sleep(random.uniform(0, longest / 2))
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for file, content in kept.items():
            file.write_bytes(content)


@pytest.mark.notebook
def test_killed_runs_leave_nothing_that_a_sweep_does_not_remove(somebody: Somebodys) -> None:
    somebody.configure(CONSENT)
    elsewhere = attrs.evolve(somebody, home="elsewhere")
    before = listed(somebody)
    left_by_killed_runs(somebody, KILLED, 0.2)
    all_left = ours(somebody)
    mine = [label for label in all_left if label.startswith(f"wb:{host(somebody)}:")]
    assert mine, "no run left anything: the test shows nothing"
    assert len(mine) < len(all_left), "both hosts left something"

    would = somebody.run(sweep, None, True)
    assert sorted(one.label for one in would) == sorted(mine)
    assert {one.outcome for one in would} == {"would be removed"}
    swept = somebody.run(sweep)
    assert sorted(one.label for one in swept) == sorted(mine)
    assert {one.outcome for one in swept} == {"removed"}
    assert sorted(ours(somebody)) == sorted(set_aside(all_left, mine))
    elsewhere.run(sweep)
    assert listed(somebody) == before
    for one in (somebody, elsewhere):
        assert list((one.state / "ledger").glob("*.jsonl")) == []
        assert one.run(sweep) == ()


def set_aside(every: list[str], some: list[str]) -> list[str]:
    rest = list(every)
    for label in some:
        rest.remove(label)
    return rest


def leave(count: int) -> str:
    token = tokens.open("device")
    with token.session() as s:
        for _ in range(count):
            s.generate_secret(token=True)
    return ledger.current_run()


def test_a_run_that_is_named_is_swept_by_another_host(somebody: Somebodys) -> None:
    somebody.configure(CONSENT)
    elsewhere = attrs.evolve(somebody, home="elsewhere")
    named, other = elsewhere.run(leave, 2), elsewhere.run(leave, 1)
    assert somebody.run(sweep) == ()
    swept = somebody.run(sweep, named)
    assert [(one.run, one.outcome) for one in swept] == [(named, "removed")] * 2
    assert [label.split(":")[2] for label in ours(somebody)] == [other]


def sweep_while_another_works() -> tuple[tuple[Swept, ...], tuple[Swept, ...]]:
    return sweep(), sweep(dry_run=True)


def test_what_a_run_at_work_has_made_stays_with_it(somebody: Somebodys) -> None:
    somebody.configure(CONSENT)
    worker = somebodys.start(at_work, environment=somebody.environment)
    try:
        deadline = time.monotonic() + 20
        swept: tuple[Swept, ...] = ()
        while (
            not swept and time.monotonic() < deadline
        ):  # the worker has to start, and to make its first object
            swept = somebody.run(sweep)
    finally:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
    assert swept
    assert {one.outcome for one in swept} == {"in use"}
    assert {one.outcome for one in somebody.run(sweep)} == {"removed"}
    assert ours(somebody) == []


def wrong_run(run: str) -> str:
    try:
        sweep(run)
    except WorkbenchError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("run", ["", "*", "wb:abcdef:0123456789ab", "0123456789AB", "0123456789a"])
def test_only_a_run_can_be_named(somebody: Somebodys, run: str) -> None:
    somebody.configure(CONSENT)
    somebody.run(leave, 1)
    assert "names no run" in somebody.run(wrong_run, run)
    assert len(ours(somebody)) == 1


@pytest.mark.notebook
def test_the_command_says_what_it_removed(somebody: Somebodys) -> None:
    somebody.configure(CONSENT)
    run = somebody.run(leave, 2)

    def command(*more: str) -> str:
        environment = {**os.environ, **somebody.environment, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-m", "workbench.cli", "sweep", "--token", "device", *more],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert command("--dry-run").count("would be removed") == 2
    found = json.loads(command("--json", "--run", run))
    assert [(one["run"], one["object_class"], one["outcome"]) for one in found] == [
        (run, "CKO_SECRET_KEY", "removed")
    ] * 2
    assert command() == "nothing of ours is left on token 'device'\n"
