"""A run that was broken off goes on where it stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from workbench.faults import WorkbenchError
from workbench.measure import CASES, Choices, Plan, Progress, Row, Run, bench, load, resume
from workbench.measure.knee import thread_counts
from workbench.measure.store import RunWriter
from workbench.tokens import Token

pytestmark = pytest.mark.notebook  # whole runs

PLAN = Plan(
    "short",
    (CASES["SHA-256 1 KiB"], CASES["random 32 B"]),
    threads=(1,),
    rounds=3,
    seconds=0.02,
    warmup=0,
)


def broken_off(plan: Plan, where: Path, at: str, tokens: list[str]) -> Path:
    def on_progress(progress: Progress) -> None:
        if at in progress.text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench(plan, tokens, out=where, seed=7, on_progress=on_progress)
    (path,) = where.iterdir()
    return path


@pytest.fixture(scope="module")
def whole(softhsm: Token, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return bench(PLAN, ["softhsm", "softhsm"], out=tmp_path_factory.mktemp("whole"), seed=7)


@pytest.fixture(scope="module")
def half(softhsm: Token, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return broken_off(PLAN, tmp_path_factory.mktemp("half"), "round 2/3: random", ["softhsm", "softhsm"])


def order(run: Run) -> list[tuple[object, ...]]:
    return [(row.round, row.case, row.token, row.position) for row in run.rows if row.kind == "block"]


def copied(path: Path, to: Path) -> Path:
    return Path(shutil.copytree(path, to / path.name))


def test_it_has_every_block_in_the_order_that_it_would_have_had(
    half: Path, whole: Run, tmp_path: Path
) -> None:
    path = copied(half, tmp_path)
    before = (path / "rows.jsonl").read_bytes()
    (path / "rows.jsonl").write_bytes(before + b'{"kind": "block", "to')  # killed in the middle of a row
    first = (path / "run.json").read_bytes()
    run = resume(path)
    assert order(run) == order(whole)
    assert (path / "rows.jsonl").read_bytes().startswith(before)  # what was measured is kept as it was
    assert run.failed == ()
    assert all((line.outcome, line.rounds) == ("ok", 3) for line in run.lines)
    files = [row.latencies for row in run.rows if row.latencies]
    assert len(set(files)) == len(files) == len(list((path / "latencies").iterdir()))
    assert len({row.seconds for row in run.rows if row.kind == "block"}) == 1
    assert (path / "run.json").read_bytes() == first
    second = json.loads((path / "resumed-1.json").read_text())  # the second start, beside the first
    assert second["created"] > json.loads(first)["created"]
    assert second["provenance"].keys() == {"softhsm", "softhsm#2"}
    assert {"machine", "packages"} <= second.keys()


def test_a_finished_run_stays_as_it_is(whole: Run) -> None:
    before = {path: path.read_bytes() for path in whole.path.rglob("*") if path.is_file()}
    assert resume(whole.path).rows == whole.rows
    assert {path: path.read_bytes() for path in whole.path.rglob("*") if path.is_file()} == before


def test_a_failure_that_was_seen_stays_and_what_was_not_run_is_measured(
    softhsm: Token, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        if "round" in progress.text and progress.worker is not None and progress.worker not in killed:
            killed.append(progress.worker)
            os.kill(progress.worker, signal.SIGKILL)

    run = bench(attrs.evolve(PLAN, rounds=5), ["softhsm"], out=tmp_path, on_progress=kill)
    blocks = [row for row in run.rows if row.kind == "block"]
    outcomes = [row.outcome for row in blocks]
    died = "worker died (SIGKILL)"
    assert (outcomes.count(died), outcomes[-1]) == (3, "not run")  # given up after the third
    again = resume(run.path)
    after = {row.step: row.outcome for row in again.rows if row.kind == "block"}
    assert len(after) == len(blocks)
    for row in blocks:
        assert after[row.step] == ("ok" if row.outcome == "not run" else row.outcome)
    assert {row.outcome for row in again.failed} == {died}


def test_a_run_to_the_knee_goes_on_without_a_second_search(softhsm: Token, tmp_path: Path) -> None:
    sign = CASES["ECDSA P-256 sign"]
    plan = Plan("knee", (sign,), threads="knee", rounds=2, seconds=0.02, warmup=0.005)
    path = broken_off(plan, tmp_path, "round 2/2", ["softhsm"])
    searched = [row for row in load(path).rows if row.kind in ("search", "knee")]
    run = resume(path)
    assert [row for row in run.rows if row.kind in ("search", "knee")] == searched
    most = searched[-1].threads
    assert [(line.threads, line.outcome, line.rounds) for line in run.lines] == [
        (threads, "ok", 2) for threads in thread_counts(most)
    ]
    # cores are shared: more threads than there are do not do more than the machine can
    rates = {line.threads: line.rate.value for line in run.lines}
    assert rates[most] < 16 * rates[1]


def changed(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    meta = json.loads((path / "run.json").read_text())
    change(meta)
    (path / "run.json").write_text(json.dumps(meta))


@pytest.mark.parametrize(
    "change,sentence",
    [
        (lambda meta: meta["machine"].update(host_sha256="0" * 12), "begun on another machine"),
        (lambda meta: meta["machine"].update(cpu="abacus"), r"another machine \(cpu abacus, here"),
        (
            lambda meta: meta["provenance"]["softhsm"].update(module_sha256="0" * 64),
            "token 'softhsm' is not what it was .*module sha256",
        ),
        (lambda meta: meta["plan"].update(colour="blue"), "is another workbench's"),
        (lambda meta: meta["tokens"].update(softhsm="nowhere"), "no token is named 'nowhere'"),
    ],
)
def test_another_machine_module_or_plan_is_refused_and_leaves_the_run_alone(
    half: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], sentence: str
) -> None:
    path = copied(half, tmp_path)
    changed(path, change)
    before = (path / "rows.jsonl").read_bytes()
    with pytest.raises(WorkbenchError, match=sentence):
        resume(path)
    assert (path / "rows.jsonl").read_bytes() == before
    assert not (path / "resumed-1.json").exists()


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="is not a run directory"):
        resume(tmp_path)


def test_a_run_has_one_writer_at_a_time(half: Path, tmp_path: Path) -> None:
    path = copied(half, tmp_path)
    writer = RunWriter.reopen(path)
    try:
        with pytest.raises(WorkbenchError, match="is being measured by another process"):
            resume(path)
    finally:
        writer.close()
    RunWriter.reopen(path).close()


def test_token_keys_go_when_the_run_is_over_whoever_made_them(softhsm: Token, tmp_path: Path) -> None:
    plan = Choices(cases=["ECDSA P-256 sign"], residencies=["token"], threads=[1], rounds=3, seconds=0.02)
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        if "round 2/3" in progress.text and progress.worker is not None and not killed:
            killed.append(progress.worker)
            os.kill(progress.worker, signal.SIGKILL)

    run = bench(plan.of(PLAN_WITH_KEYS), ["softhsm"], out=tmp_path, on_progress=kill)
    assert [row.kind for row in run.failed] == ["block"]  # and no sweep that left something behind
    label = f":{run.meta['run']}"
    with softhsm.session() as session:
        labels = [label_of(session, handle) for handle in session.find({"CKA_TOKEN": True})]
    assert not [one for one in labels if label in one]


PLAN_WITH_KEYS = Plan("keys", (CASES["ECDSA P-256 sign"],))


def label_of(session: Any, handle: int) -> str:
    from workbench.cryptoki import C

    return str(C.GetAttributeValue(session, handle, ["CKA_LABEL"])["CKA_LABEL"])


def test_a_later_row_of_a_step_takes_the_place_of_one_that_was_not_run(tmp_path: Path) -> None:
    writer = RunWriter.create(tmp_path, "rows")
    writer.write_meta({})
    row = Row("block", "a", "c", "digest", 1, "not run", "c-kernel", 0)
    died = attrs.evolve(row, outcome="worker died (SIGKILL)", round=1)
    opened = Row("open", "a", "", "", 0, "failed", "")
    for one in (opened, row, died, attrs.evolve(opened, outcome="ok"), attrs.evolve(row, outcome="ok")):
        writer.append(one)
    writer.close()
    assert [(one.kind, one.outcome) for one in load(writer.path).rows] == [
        ("block", "worker died (SIGKILL)"),
        ("open", "ok"),
        ("block", "ok"),
    ]
