"""A whole run on somebody's token: what a tight budget leaves possible is measured, and the rest is said."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from recorder import counted
from somebodys import Failure, Somebodys

from workbench.measure import CASES, Plan, Progress, Row, bench, resume

pytestmark = pytest.mark.notebook  # whole runs

PLAN = Plan("short", (CASES["random 32 B"],), threads=(1,), rounds=2, seconds=0.2, warmup=0)
DECLARED = '[tokens.device.declared]\n"HA size" = "2"\n'


def quiet(said: str) -> None:
    """An announcement that nobody reads."""


def benched(plan: Plan, out: Path) -> tuple[tuple[Row, ...], dict[str, Any]]:
    run = bench(plan, ["device"], out=out, on_announcement=quiet)
    return run.rows, run.meta["disclosure"]["device"]


def test_a_pace_and_a_single_session_are_enough_for_a_run(somebody: Somebodys, tmp_path: Path) -> None:
    somebody.configure(f"budget = {{ max_rate = 20, max_sessions = 1 }}\n{DECLARED}")
    rows, told = somebody.run(benched, PLAN, tmp_path / "runs")
    blocks = [row for row in rows if row.kind == "block"]
    assert [(row.outcome, row.successes, row.pace_per_s) for row in blocks] == [("ok", 4, 20)] * 2
    assert not [row for row in rows if row.failed]
    facts = {fact["name"]: (fact["value"], fact["how"]) for fact in told["facts"]}
    assert facts["HA size"] == ("2", "declared")
    assert facts["round trip"][1] == "unknown"  # a call that waits for its turn is no round trip
    assert "pace" in facts["round trip"][0]
    assert told["round_trip_ns"] is None
    asked = counted(somebody.asked())
    assert (asked["C_OpenSession"], asked["C_GenerateRandom"]) == (1, 1 + 2 * 4)


def test_a_small_budget_is_left_to_the_run(somebody: Somebodys, tmp_path: Path) -> None:
    somebody.configure("budget = { max_operations = 30 }")
    rows, told = somebody.run(benched, PLAN, tmp_path / "runs")
    assert [row.successes for row in rows if row.measured and row.kind == "block"] == [
        30 - 5
    ]  # after the pilot
    assert "30 operations" in told["facts"][0]["value"]


def test_an_odd_operation_is_left_over_by_two_threads(somebody: Somebodys, tmp_path: Path) -> None:
    somebody.configure("budget = { max_operations = 999 }")
    plan = Plan("two", PLAN.cases, threads=(2,), rounds=3, seconds=5.0, warmup=0)
    rows, _ = somebody.run(benched, plan, tmp_path / "runs")
    outcomes = [row.outcome for row in rows if row.kind == "block"]
    assert outcomes == ["ok", "refused", "refused"]
    assert 998 <= counted(somebody.asked())["C_GenerateRandom"] <= 999


def broken_off(out: Path) -> Path:
    def stop(progress: Progress) -> None:
        if "round 2/2" in progress.text:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        bench(PLAN, ["device"], out=out, on_announcement=quiet, on_progress=stop)
    (path,) = out.iterdir()
    return path


def resumed(path: Path) -> int:
    return len(resume(path, on_announcement=quiet).rows)


def test_a_run_that_was_broken_off_does_not_get_its_budget_again(somebody: Somebodys, tmp_path: Path) -> None:
    path = somebody.run(broken_off, tmp_path / "runs")
    somebody.forget()
    with pytest.raises(Failure, match="'device' is not ours, and its budget is for one run"):
        somebody.run(resumed, path)
    assert not somebody.log.exists()  # it was asked nothing


def test_a_finished_run_is_no_new_start(somebody: Somebodys, tmp_path: Path) -> None:
    rows, _ = somebody.run(benched, PLAN, tmp_path / "runs")
    (path,) = (tmp_path / "runs").iterdir()
    assert somebody.run(resumed, path) == len(rows)
