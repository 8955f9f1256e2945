"""Change points: found where they are, and not where there are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner
from written import row, written

from workbench.cli.application import app
from workbench.faults import WorkbenchError
from workbench.measure.history import history, runs_below, steps


def series(*parts: tuple[int, float], spread: float = 0.01, seed: int = 0) -> list[float]:
    """So many values around so high a level, part by part."""
    generator = np.random.default_rng(seed)
    return [float(v) for count, level in parts for v in generator.normal(level, spread * level, count)]


@pytest.mark.parametrize("before,after", [(6, 6), (10, 4), (4, 10), (20, 20), (30, 3)])
@pytest.mark.parametrize("ratio", [0.9, 1.1])
def test_a_step_is_found_where_it_is(before: int, after: int, ratio: float) -> None:
    (found,) = steps(series((before, 100.0), (after, 100.0 * ratio)), 0.03)
    assert found.at == before
    assert found.ratio == pytest.approx(ratio, rel=0.02)


def test_two_steps_are_found_and_each_has_its_own_size() -> None:
    found = steps(series((15, 100.0), (12, 80.0), (15, 95.0)), 0.03)
    assert [step.at for step in found] == [15, 27]
    assert [step.ratio for step in found] == pytest.approx([0.8, 95 / 80], rel=0.02)


def test_noise_has_hardly_ever_a_step() -> None:
    false = sum(bool(steps(series((24, 100.0), spread=0.05, seed=seed), 0.01)) for seed in range(100))
    assert false <= 3


def test_an_outlier_is_no_step_however_large() -> None:
    values = series((20, 100.0))
    for place in (0, 7, 19):
        assert steps([*values[:place], 1000.0, *values[place + 1 :]], 0.03) == ()


def test_a_step_below_the_threshold_does_not_count() -> None:
    values = series((20, 100.0), (20, 98.0), spread=0.001)
    assert steps(values, 0.03) == ()
    assert len(steps(values, 0.01)) == 1


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(1e-3, 1e9), max_size=5))
def test_five_runs_have_no_history(values: list[float]) -> None:
    assert steps(values, 0.01) == ()


@settings(max_examples=10, deadline=None)
@given(st.floats(1e-6, 1e6))
def test_the_unit_does_not_matter(factor: float) -> None:
    values = series((9, 100.0), (9, 90.0))
    assert [s.at for s in steps([v * factor for v in values], 0.03)] == [s.at for s in steps(values, 0.03)]


def made(directory: Path, rates: list[float]) -> None:
    for number, rate in enumerate(rates):
        created = f"2026-11-{number + 1:02}T12:00:00+00:00"
        rows = [row("token", r, rate + r * 1e-3) for r in range(3)]
        written(directory / f"run-{number:02}", rows, created=created)


def test_a_history_of_runs_names_the_run_that_changed_it(tmp_path: Path) -> None:
    made(tmp_path, series((8, 1000.0), (6, 850.0), spread=0.002))
    found = history(runs_below([tmp_path]), 0.03)
    assert (found.runs, found.exit_code) == (14, 1)
    assert {s.quantity: [s.runs[step.at] for step in s.steps] for s in found.changed} == {
        name: ["run-08"] for name in ("throughput", "p50", "cpu")
    }
    assert all(s.worse(s.steps[0]) for s in found.changed)


@pytest.mark.parametrize(
    "parts,code",
    [
        ([(12, 1000.0)], 0),
        ([(6, 900.0), (6, 1000.0)], 0),
        ([(6, 1000.0), (6, 900.0)], 1),
        ([(4, 1000.0), (4, 500.0)], 2),
    ],
)
def test_the_command_fails_when_the_last_step_was_for_the_worse(
    tmp_path: Path, parts: list[tuple[int, float]], code: int
) -> None:
    made(tmp_path, series(*parts, spread=0.002))
    done = CliRunner().invoke(app, ["history", str(tmp_path), "--threshold", "3"])
    assert done.exit_code == code, done.output


def test_twelve_runs_show_a_step_in_the_middle_and_fewer_do_not() -> None:
    """Of eight values, rearranged at random, one in 35 is as good a step as a perfect one."""
    assert steps(series((4, 100.0), (4, 50.0)), 0.03) == ()
    assert sum(len(steps(series((6, 100.0), (6, 50.0), seed=n), 0.03)) for n in range(20)) >= 18
    assert sum(len(steps(series((13, 100.0), (3, 50.0), seed=n), 0.03)) for n in range(20)) >= 12


def test_another_rate_or_another_host_is_another_series(tmp_path: Path) -> None:
    for number in range(4):
        rows = [row("token", r, 1000.0 - 500 * (number % 2) + r) for r in range(3)]
        run = written(tmp_path / f"run-{number}", rows, created=f"2026-11-0{number + 1}T12:00:00+00:00")
        file = run.path / "run.json"
        meta = json.loads(file.read_text())
        meta["plan"] |= {"loop": "open", "rate": 1000.0 - 500 * (number % 2)}
        meta["machine"]["host_sha256"] = str(number // 2)
        file.write_text(json.dumps(meta))
    runs = runs_below([tmp_path])
    assert history(runs).series == ()
    assert {len(each.values) for each in history(runs, same_host=False).series} == {2}
    assert {each.runs[0] for each in history(runs, same_host=False).series} == {"run-0", "run-1"}


def test_a_directory_without_runs_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="there is no run in"):
        runs_below([tmp_path])
