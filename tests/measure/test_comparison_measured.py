"""Calibration and verdicts on runs that were measured."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.faults import WorkbenchError
from workbench.measure import CASES, Plan, bench, calibration, compare_runs, compare_tokens
from workbench.measure.comparison import QUANTITIES
from workbench.measure.drivers import kernel
from workbench.tokens import Token

pytestmark = pytest.mark.notebook  # whole runs


def test_a_calibrated_machine_gives_its_runs_thresholds_of_their_own(
    softhsm: Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "home", lambda: tmp_path / "home")
    assert calibration.stored() is None
    found = calibration.calibrate("softhsm", repeats=3, cases=["random 32 B"], rounds=3, seconds=0.05)
    found["unrest"] = []  # a machine that runs tests may be busy
    calibration.store(found)
    assert calibration.stored() == found
    assert found["clock_step_ns"] >= 1
    assert found["floor_ns"]["random"] > 0
    assert found["service"]["measured_s"] >= found["service"]["service_s"]  # no device is faster than it is
    assert {*found["noise"]} == {"paired", "separate"}
    for kind in found["noise"].values():
        assert all(set(kind[threads]) == set(QUANTITIES) for threads in ("one", "several"))
    plan = Plan("small", (CASES["random 32 B"],), threads=(1,), rounds=5, seconds=0.05, warmup=0.0)
    run, other = (bench(plan, ["softhsm", "softhsm"], out=tmp_path / "runs") for _ in range(2))
    assert run.meta["calibration"] == found
    assert run.end["ended"]
    assert "this machine's own" in compare_tokens(run).threshold
    compared = compare_runs(run, other)
    assert [line.token for line in compared.lines] == ["softhsm", "softhsm#2"]
    assert all(line.verdict != "no verdict" for line in compared.lines)


@pytest.mark.skipif(kernel() is None, reason="Python threads never have a CPU of their own")
def test_what_was_found_on_a_busy_machine_is_not_kept(
    softhsm: Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "home", lambda: tmp_path / "home")
    plan = Plan("busy", (CASES["random 32 B"],), threads=(1, 2), rounds=3, seconds=0.05, warmup=0.0)
    others = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)
    ]
    try:
        run = bench(plan, ["softhsm"], out=tmp_path / "runs")
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert run.unrest[0].startswith("the machine was busy during the run")
    with pytest.raises(WorkbenchError, match="was not kept: the machine was busy"):
        calibration.store({"schema": 1, "unrest": list(run.unrest)})
    assert calibration.stored() is None


def test_a_calibration_of_another_machine_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "home", lambda: tmp_path)
    calibration.store({"schema": 1, "machine": {"host_sha256": "another"}})
    assert calibration.stored() is None


@pytest.mark.skipif(kernel() is None, reason="the null module is not built")
def test_calibrating_needs_repeats_and_a_sandbox(softhsm: Token) -> None:
    with pytest.raises(WorkbenchError, match="at least three repeats"):
        calibration.calibrate("softhsm", repeats=2)
    with pytest.raises(WorkbenchError, match="is not ours"):
        calibration.calibrate(f"{kernel().__file__}")
