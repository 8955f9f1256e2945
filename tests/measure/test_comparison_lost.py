"""Runs that crashed, shrank or fail their calls: no verdict lets them pass because of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import attrs
import pytest
from test_comparison import CALIBRATION, ROUNDS, machine, rows, run_of
from typer.testing import CliRunner
from written import CASE, row, written

from workbench.cli.application import app
from workbench.faults import WorkbenchError
from workbench.measure import Comparison, Run, calibration, compare_runs, compare_tokens
from workbench.measure.calibration import threshold_of
from workbench.measure.gate import github, junit
from workbench.measure.store import Row

CRASH = {
    "outcome": "worker died (SIGSEGV)",
    "rate_per_s": None,
    "p50_ns": None,
    "successes": 0,
    "cpu_s": 0.0,
    "wall_s": 0.0,
}


def crashed(made: list[Row], which: range) -> list[Row]:
    return [attrs.evolve(one, **CRASH) if one.round in which else one for one in made]


def only(found: Comparison) -> tuple[str, int]:
    (line,) = found.lines
    return line.verdict, found.exit_code


@pytest.mark.parametrize("good,rate", [(2, 100.0), (6, 1000.0), (9, 1200.0)])
def test_blocks_that_crash_are_a_regression_however_fast_the_others_are(
    tmp_path: Path, good: int, rate: float
) -> None:
    new = written(tmp_path / "new", crashed(rows("token", rate), range(good, ROUNDS)))
    found = compare_runs(new, run_of(tmp_path / "old"))
    assert only(found) == ("lost", 1)
    assert f"{ROUNDS - good} of 10 blocks: worker died (SIGSEGV)" in found.lines[0].note


def test_a_line_that_crashed_before_is_judged_by_the_rounds_that_it_has(tmp_path: Path) -> None:
    runs = [written(tmp_path / str(n), crashed(rows("token", 1000, seed=n), range(8, 10))) for n in range(2)]
    assert only(compare_runs(*runs)) == ("no difference shown", 0)


def test_rounds_that_the_plan_has_and_the_run_has_not_are_lost(tmp_path: Path) -> None:
    old = run_of(tmp_path / "old")
    new = written(tmp_path / "new", rows("token", 1000)[:3], plan=old.meta["plan"])
    found = compare_runs(new, old)
    assert (*only(found), found.lines[0].note) == ("lost", 1, "3 of 10 rounds")


def knee(path: Path, most: int, *more: Row) -> Run:
    """A run that looked for the knee, up to so many threads."""
    counts = [n for n in (1, 2, 4, 8, 16) if n <= most]
    blocks = [one for n in counts for one in rows("token", 1000.0 * n, threads=n)]
    plan = {"name": "p", "cases": [CASE], "rounds": ROUNDS, "seconds": 0.1, "warmup": 0.0, "loop": "closed"}
    return written(path, [*blocks, *more], plan=plan | {"threads": "knee"}, calibration=CALIBRATION)


def test_threads_that_the_search_did_not_look_at_are_told_and_leave_the_gate_undecided(
    tmp_path: Path,
) -> None:
    found = compare_runs(knee(tmp_path / "new", 4), knee(tmp_path / "old", 16))
    assert [(line.threads, line.verdict) for line in found.lines[3:]] == [
        (8, "not measured"),
        (16, "not measured"),
    ]
    assert found.exit_code == 2
    assert found.sentence.endswith("in 3 lines; 2 lines of the baseline not measured")
    suite = ElementTree.fromstring(junit(found).partition("\n")[2])[0]
    assert (suite.get("tests"), suite.get("skipped")) == ("5", "2")
    assert sum("::warning title=not measured" in said for said in github(found)) == 2


def test_threads_at_which_the_search_crashed_are_lost(tmp_path: Path) -> None:
    died = row("token", 0, 1.0, threads=8, kind="search", **CRASH)
    found = compare_runs(knee(tmp_path / "new", 4, died), knee(tmp_path / "old", 16))
    assert [line.verdict for line in found.lines[3:]] == ["lost", "lost"]
    assert found.exit_code == 1


def test_threads_for_which_the_token_has_no_sessions_any_more_say_so(tmp_path: Path) -> None:
    end = row("token", 0, 1.0, threads=8, kind="search", **(CRASH | {"outcome": "refused"}))
    end = attrs.evolve(end, detail="C_OpenSession answered CKR_SESSION_COUNT")
    found = compare_runs(knee(tmp_path / "new", 4, end), knee(tmp_path / "old", 8))
    assert (found.lines[3].verdict, found.lines[3].note) == ("not measured", end.detail)


def test_a_token_of_the_baseline_that_the_run_lacks_is_told(tmp_path: Path) -> None:
    old = written(tmp_path / "old", rows("a", 1000) + rows("b", 1000))
    found = compare_runs(written(tmp_path / "new", rows("a", 1000, seed=1)), old)
    assert [(line.token, line.verdict) for line in found.lines] == [
        ("a", "no difference shown"),
        ("b", "not measured"),
    ]
    assert (found.exit_code, found.lines[1].note) == (2, "the run has no token b")


def test_a_run_of_one_case_of_many_does_not_pass_for_all_of_them(tmp_path: Path) -> None:
    def of(path: Path, *names: str) -> Run:
        blocks = [one for name in names for one in rows("token", 1000, case=name)]
        plan = {"name": "p", "threads": [1], "rounds": ROUNDS, "seconds": 0.1, "warmup": 0.0}
        cases = [CASE | {"name": name} for name in names]
        return written(path, blocks, plan=plan | {"loop": "closed", "cases": cases})

    found = compare_runs(of(tmp_path / "new", "one"), of(tmp_path / "old", "one", "two", "three"))
    assert [line.verdict for line in found.lines] == ["no difference shown", "not measured", "not measured"]
    assert found.exit_code == 2


def failing(count: int, code: str = "CKR_DEVICE_ERROR", successes: int = 100) -> dict[str, Any]:
    return {"successes": successes, "failures": count, "errors": {code: count} if count else {}}


@pytest.mark.parametrize(
    "before,after,verdict",
    [
        (failing(0), failing(900), "failing"),
        (failing(0), failing(1), "failing"),
        (failing(5), failing(12), "failing"),
        (failing(5), failing(5, "CKR_FUNCTION_FAILED"), "failing"),
        (failing(5), failing(6), "no difference shown"),
        (failing(100), failing(5), "no difference shown"),
    ],
)
def test_calls_that_fail_more_are_a_regression(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any], verdict: str
) -> None:
    new = written(tmp_path / "new", rows("token", 1000, seed=1, **after))
    found = compare_runs(new, written(tmp_path / "old", rows("token", 1000, **before)))
    assert [line.verdict for line in found.lines] == [verdict]
    assert ("of the calls failed" in found.lines[0].note) == (verdict == "failing")


def test_cpu_time_is_that_of_a_call_that_succeeded(tmp_path: Path) -> None:
    """As many calls in the same time, of which half fail: each success took twice as much."""
    old = written(tmp_path / "old", rows("token", 1000, **failing(1)))
    new = written(tmp_path / "new", rows("token", 1000, **failing(51, successes=50)))
    (cpu,) = (c for c in compare_runs(new, old).lines[0].changes if c.quantity == "cpu")
    assert (cpu.ratio.value, cpu.verdict) == (pytest.approx(2.0), "worse")


@pytest.mark.parametrize("outcome", ["not offered", "refused"])
def test_what_another_token_does_not_offer_is_no_regression(tmp_path: Path, outcome: str) -> None:
    lacking = row("b", 0, 1.0, threads=0, kind="prepare", detail="", **(CRASH | {"outcome": outcome}))
    lacking = attrs.evolve(lacking, round=None)
    run = written(tmp_path / "run", [*rows("a", 1000), lacking], calibration=CALIBRATION)
    for found in (compare_tokens(run), compare_tokens(run, "a", "b")):
        assert [line.verdict for line in found.lines] == ["no verdict"]
        assert found.exit_code == 2
    assert compare_tokens(run).lines[0].note == outcome


def test_a_token_that_crashes_beside_one_that_does_not_is_a_regression(tmp_path: Path) -> None:
    run = written(tmp_path / "run", rows("a", 1000) + crashed(rows("b", 1000), range(6, 10)))
    assert only(compare_tokens(run)) == ("lost", 1)


def test_one_quantity_that_is_worse_among_better_ones_is_named(tmp_path: Path) -> None:
    new = [attrs.evolve(one, cpu_s=0.2) for one in rows("token", 1300)]
    found = compare_runs(written(tmp_path / "new", new), run_of(tmp_path / "old"))
    assert (*only(found), found.lines[0].note) == ("slower", 1, "worse: CPU per call")


def test_a_calibration_made_after_the_run_counts_if_it_is_of_its_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "home", lambda: tmp_path)
    new, old = (run_of(tmp_path / name, seed=n, calibration=None) for n, name in enumerate(("new", "old")))
    assert "for want of" in compare_runs(new, old).threshold
    known = {name: new.meta["machine"][name] for name in calibration.MACHINE_IS}
    calibration.store(CALIBRATION | {"schema": 1, "machine": known})
    assert "calibrated 2026-11-21" in compare_runs(new, old).threshold
    calibration.store(CALIBRATION | {"schema": 1, "machine": known | {"host_sha256": "another"}})
    assert "for want of" in compare_runs(new, old).threshold


def test_another_host_of_the_same_kind_is_accepted_on_demand(tmp_path: Path) -> None:
    new = run_of(tmp_path / "new", **machine(host_sha256="f" * 12))
    old, other = run_of(tmp_path / "old"), run_of(tmp_path / "other", **machine(cpu="another"))
    with pytest.raises(WorkbenchError, match="--other-host"):
        compare_runs(new, old)
    found = compare_runs(new, old, same_host=False)
    assert found.exit_code == 0
    assert any(warning.startswith("host: ") for warning in found.warnings)
    with pytest.raises(WorkbenchError, match=r"two machines \(cpu"):
        compare_runs(new, other, same_host=False)
    arguments = ["gate", str(new.path), "--baseline", str(old.path)]
    assert CliRunner().invoke(app, [*arguments, "--other-host"]).exit_code == 0


@pytest.mark.parametrize(
    "arguments", [["gate", "RUN", "--baseline", "RUN/../run"], ["compare", "RUN", "RUN"]]
)
def test_a_run_is_not_held_against_itself(tmp_path: Path, arguments: list[str]) -> None:
    run = run_of(tmp_path / "run")
    done = CliRunner().invoke(app, [text.replace("RUN", str(run.path)) for text in arguments])
    assert isinstance(done.exception, WorkbenchError)
    assert "held against itself" in str(done.exception)


def test_fewer_rounds_than_the_calibration_has_need_a_larger_difference() -> None:
    seven, nine, fifty = (
        threshold_of(CALIBRATION, "p50", paired=True, threads=1, looks=3, rounds=rounds)
        for rounds in (7, 9, 50)
    )
    assert seven == pytest.approx(nine * (9 / 7) ** 0.5)
    assert nine == fifty


def test_four_rounds_are_no_verdict_and_five_are(tmp_path: Path) -> None:
    old = run_of(tmp_path / "old")
    for rounds, verdict in ((4, "no verdict"), (5, "slower")):
        few = written(tmp_path / str(rounds), rows("token", 500)[:rounds], calibration=CALIBRATION)
        assert [line.verdict for line in compare_runs(few, old).lines] == [verdict]
