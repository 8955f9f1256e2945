"""Verdicts: what counts as a difference, what does not, and what cannot be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from written import CASE, OLD, row, written

from workbench.faults import WorkbenchError
from workbench.measure import Run, compare_runs, compare_tokens, load
from workbench.measure.calibration import threshold_of
from workbench.measure.comparison import QUANTITIES, judge

ROUNDS = 10
NOISE = {
    kind: {n: dict.fromkeys(QUANTITIES, 0.01) for n in ("one", "several")} for kind in ("paired", "separate")
}
CALIBRATION = {"created": "2026-11-21T10:00:00+00:00", "noise": NOISE}


def rows(token: str, rate: float, spread: float = 0.002, seed: int = 0, **changes: Any) -> list[Any]:
    drawn = np.random.default_rng(seed).normal(rate, spread * rate, ROUNDS)
    return [row(token, number, value, **changes) for number, value in enumerate(drawn)]


def run_of(path: Path, rate: float = 1000.0, seed: int = 0, **meta: Any) -> Run:
    return written(path, rows("token", rate, seed=seed), **({"calibration": CALIBRATION} | meta))


def two(path: Path, first: float, second: float) -> Run:
    return written(path, rows("a", first) + rows("b", second, seed=1), calibration=CALIBRATION)


@pytest.mark.parametrize(
    "factor,verdict,code",
    [
        (1.0, "no difference shown", 0),
        (1.005, "no difference shown", 0),
        (0.9, "slower", 1),
        (1.1, "faster", 0),
    ],
)
def test_a_run_is_held_against_an_earlier_one(tmp_path: Path, factor: float, verdict: str, code: int) -> None:
    found = compare_runs(run_of(tmp_path / "new", 1000 * factor, seed=1), run_of(tmp_path / "old"))
    assert [line.verdict for line in found.lines] == [verdict]
    assert found.exit_code == code
    assert found.lines[0].paired is False
    assert "calibrated 2026-11-21" in found.threshold


@pytest.mark.parametrize("factor,verdict", [(1.0, "no difference shown"), (0.95, "slower"), (1.05, "faster")])
def test_two_tokens_of_a_run_are_paired(tmp_path: Path, factor: float, verdict: str) -> None:
    found = compare_tokens(two(tmp_path / "run", 1000, 1000 * factor))
    assert [(line.verdict, line.paired, line.rounds) for line in found.lines] == [(verdict, True, ROUNDS)]


def test_what_both_rounds_shared_is_no_difference(tmp_path: Path) -> None:
    mood = np.random.default_rng(3).uniform(0.3, 1.0, ROUNDS)
    blocks = [row(token, r, 1000 * mood[r]) for r in range(ROUNDS) for token in ("a", "b")]
    found = compare_tokens(written(tmp_path / "run", blocks, calibration=CALIBRATION))
    assert [change.ratio.low for change in found.lines[0].changes] == pytest.approx([1.0] * 3)


def test_each_quantity_alone_is_enough(tmp_path: Path) -> None:
    old = run_of(tmp_path / "old")
    for name, change in (
        ("rate", {"rate_per_s": 900.0}),
        ("p50", {"p50_ns": 1.1e6}),
        ("cpu", {"cpu_s": 0.11}),
    ):
        worse = [attrs.evolve(one, **change) for one in rows("token", 1000)]  # type: ignore[arg-type]
        found = compare_runs(written(tmp_path / name, worse, calibration=CALIBRATION), old)
        assert [line.verdict for line in found.lines] == ["slower"], name


def test_cpu_time_of_a_client_that_waits_for_its_device_does_not_count(tmp_path: Path) -> None:
    idle = [attrs.evolve(one, cpu_s=0.002) for one in rows("token", 1000)]
    more = [attrs.evolve(one, cpu_s=0.003) for one in idle]
    runs = [written(tmp_path / str(n), some, calibration=CALIBRATION) for n, some in enumerate((more, idle))]
    found = compare_runs(*runs)
    assert [change.quantity for change in found.lines[0].changes] == ["throughput", "p50"]
    assert found.exit_code == 0


def test_a_median_is_not_believed_below_two_steps_of_the_clock() -> None:
    """30 and 31 ns are neighbours on a clock of 1 ns, and 3 % apart."""
    old = [attrs.evolve(one, p50_ns=30.0) for one in rows("a", 1e6)]
    new = [attrs.evolve(one, p50_ns=31.0) for one in rows("a", 1e6, seed=1)]
    (p50,) = (c for c in judge(new, old, dict.fromkeys(QUANTITIES, 0.01), paired=True) if c.quantity == "p50")
    assert p50.verdict == "same"


def test_a_line_that_has_lost_its_figure_is_a_regression(tmp_path: Path) -> None:
    gone = [row("token", 0, 1.0, outcome="worker died (SIGSEGV)", rate_per_s=None)]
    found = compare_runs(written(tmp_path / "new", gone), run_of(tmp_path / "old"))
    assert (found.lines[0].verdict, found.exit_code) == ("lost", 1)
    assert "SIGSEGV" in found.lines[0].note


def test_two_rounds_are_no_verdict(tmp_path: Path) -> None:
    few = written(tmp_path / "few", rows("token", 500)[:2])
    found = compare_runs(few, run_of(tmp_path / "old"))
    assert (found.lines[0].verdict, found.exit_code) == ("no verdict", 2)


def test_an_answer_of_the_client_library_is_no_verdict(tmp_path: Path) -> None:
    told = {"disclosure": {"token": {"round_trip_ns": 5e6}}}
    found = compare_runs(run_of(tmp_path / "new", 500, **told), run_of(tmp_path / "old", **told))
    assert found.lines[0].verdict == "no verdict"
    assert "client library" in found.lines[0].note


def test_a_machine_that_became_slower_is_no_regression_of_the_token(tmp_path: Path) -> None:
    """The null module's calls took 20 % more CPU time in the later run, and the token's 15 %."""
    floor = {"kind": "floor", "case": ""}
    old = written(
        tmp_path / "old", rows("token", 1000) + rows("token", 1e7, **floor), calibration=CALIBRATION
    )
    new = written(
        tmp_path / "new",
        rows("token", 870, seed=1) + rows("token", 1e7 / 1.2, seed=1, **floor),
        calibration=CALIBRATION,
    )
    found = compare_runs(new, old)
    assert found.exit_code == 0
    assert "the null module differs by 19.9%" in found.lines[0].note


def machine(**changes: Any) -> dict[str, Any]:
    return {"machine": load(OLD).meta["machine"] | changes}


def plan(**changes: Any) -> dict[str, Any]:
    members = {"name": "p", "cases": [CASE], "threads": [1], "rounds": 10, "seconds": 0.1, "warmup": 0.0}
    return {"plan": members | {"loop": "closed"} | changes}


@pytest.mark.parametrize(
    "meta,sentence",
    [
        (machine(host_sha256="f" * 12), "two machines .host"),
        (machine(cpu="another"), "two machines .cpu: AMD EPYC and another"),
        (plan(loop="open"), "two plans .loop: closed and open"),
        (plan(cases=[CASE | {"mechanism": "CKM_EDDSA"}]), "case 'sign' has another mechanism"),
        (plan(cases=[CASE | {"name": "other"}]), "no case in common"),
        ({"drivers": ["cffi-abi"]}, "made with driver c-kernel, old with cffi-abi"),
        ({"tokens": {"other": "other"}}, "new measured token, old measured other"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path: Path, meta: dict[str, Any], sentence: str) -> None:
    with pytest.raises(WorkbenchError, match="cannot compare.*" + sentence) as caught:
        compare_runs(run_of(tmp_path / "new"), run_of(tmp_path / "old", **meta))
    assert "\n" not in str(caught.value)


def test_a_longer_run_of_the_same_plan_is_the_same_plan(tmp_path: Path) -> None:
    longer = plan(rounds=99, seconds=5.0, name="longer", threads=[1])
    assert compare_runs(run_of(tmp_path / "new"), run_of(tmp_path / "old", **longer)).exit_code == 0


def test_what_else_changed_is_told(tmp_path: Path) -> None:
    before, after = ({"provenance": {"token": {"library": text}}} for text in ("HSM 1.0", "HSM 1.1"))
    found = compare_runs(run_of(tmp_path / "new", **after), run_of(tmp_path / "old", **before))
    assert "token: library differs from the baseline's" in found.warnings


def test_a_token_that_the_run_has_not_is_named(tmp_path: Path) -> None:
    run = two(tmp_path / "run", 1000, 1000)
    with pytest.raises(WorkbenchError, match="has no token 'c'; it has a, b"):
        compare_tokens(run, "c")
    with pytest.raises(WorkbenchError, match="has one token"):
        compare_tokens(run_of(tmp_path / "one"))


def test_a_given_threshold_is_used_instead(tmp_path: Path) -> None:
    new, old = run_of(tmp_path / "new", 900, seed=1), run_of(tmp_path / "old")
    assert compare_runs(new, old, 0.15).exit_code == 0
    assert compare_runs(new, old, 0.02).exit_code == 1


def test_more_looks_need_a_larger_difference_and_no_calibration_needs_five_percent() -> None:
    one, many = (
        threshold_of(CALIBRATION, "p50", paired=True, threads=1, looks=looks) for looks in (3, 3 * 40)
    )
    assert 0.01 < one < many < 0.03
    assert threshold_of(None, "p50", paired=True, threads=1, looks=3) == 0.05


def test_false_alarms_are_as_rare_as_the_rule_says_and_slowdowns_are_found() -> None:
    """Verdicts on rounds that spread by 2 %, with a threshold from the same noise."""
    generator = np.random.default_rng(7)

    def verdict(factor: float, thresholds: dict[str, float]) -> set[str]:
        sides = [
            [row("a", r, rate) for r, rate in enumerate(generator.normal(1000 * f, 20, 12))]
            for f in (factor, 1)
        ]
        return {change.verdict for change in judge(sides[0], sides[1], thresholds, paired=True)}

    medians = [
        np.median(generator.normal(1, 0.02, 12) / generator.normal(1, 0.02, 12)) - 1 for _ in range(200)
    ]
    noise = {"paired": {"one": dict.fromkeys(QUANTITIES, float(np.percentile(np.abs(medians), 95)))}}
    thresholds = {
        name: threshold_of({"noise": noise}, name, paired=True, threads=1, looks=3) for name in QUANTITIES
    }
    false = sum(verdict(1.0, thresholds) != {"same"} for _ in range(25))
    found = sum("worse" in verdict(0.94, thresholds) for _ in range(25))
    assert false <= 1
    assert found >= 24
