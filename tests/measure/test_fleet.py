"""Hosts that measure together: by appointment, and through Dask."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest

from workbench.faults import WorkbenchError
from workbench.measure import CASES, Plan, bench, fleet_bench, load
from workbench.measure.drivers import kernel

pytestmark = [pytest.mark.notebook, pytest.mark.usefixtures("softhsm")]

PLAN = Plan("fleet", (CASES["SHA-256 1 KiB"],), threads=(1,), rounds=2, seconds=0.1)


def test_runs_with_one_start_measure_together_and_are_merged(tmp_path: Path) -> None:
    everyone = threading.Barrier(2)
    starts: list[float] = []

    def agree() -> float:
        if everyone.wait(60) == 0:
            starts.append(time.time() + 0.3)
        everyone.wait(60)
        return starts[0]

    with ThreadPoolExecutor() as hosts:
        places = [tmp_path / name for name in ("a", "b")]
        runs = list(hosts.map(lambda at: bench(PLAN, ["softhsm"], out=at, seed=1, start_at=agree), places))
    command = [sys.executable, "-m", "workbench.cli", "merge", *(str(run.path) for run in runs)]
    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "softhsm on 2 hosts" in done.stdout
    merged = load(next(tmp_path.glob("*-merged-*")))
    totals = [row for row in merged.rows if row.token == "softhsm on 2 hosts" and row.kind == "block"]
    for total in totals:
        parts = [row for row in merged.rows if "@" in row.token and row.begin_ns == total.begin_ns]
        assert total.successes == sum(part.successes for part in parts) > 0
    assert len(totals) == PLAN.rounds


def test_who_comes_too_late_for_a_block_is_there_for_the_next(tmp_path: Path) -> None:
    def agree() -> float:
        return time.time() - 0.65  # the slot of the first block is over, that of the second one is not

    run = bench(PLAN, ["softhsm"], out=tmp_path, seed=1, start_at=agree)
    assert [row.outcome for row in run.rows if row.kind == "block"] == ["not run", "ok"]
    assert "late for the appointed time" in run.lines[0].detail


def test_hosts_that_would_each_find_another_knee_are_told_to_name_the_threads(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="give --threads"):
        bench(attrs.evolve(PLAN, threads="knee"), ["softhsm"], out=tmp_path, start_at=time.time() + 60)
    assert not any(tmp_path.iterdir())


NO_KERNEL = (
    "it has no driver c-kernel: build the load kernel there, or measure all hosts with --driver cffi-abi"
)


def _without_kernel() -> None:
    from workbench.measure import placed

    placed.kernel = lambda: None  # type: ignore[assignment]


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler with two workers."""
    distributed = pytest.importorskip("distributed")
    local = str(tmp_path_factory.mktemp("dask"))
    settings = {"threads_per_worker": 1, "dashboard_address": None, "local_directory": local}
    with distributed.LocalCluster(
        n_workers=2, processes=True, silence_logs="CRITICAL", **settings
    ) as cluster:
        yield cluster.scheduler_address


def test_dask_places_our_runner_on_its_workers(scheduler: str, tmp_path: Path) -> None:
    said: list[str] = []
    run = fleet_bench(
        scheduler, PLAN, ["softhsm"], out=tmp_path / "runs", on_progress=lambda p: said.append(p.text)
    )
    with pytest.raises(WorkbenchError, match="no token is named 'nowhere'"):
        fleet_bench(scheduler, PLAN, ["nowhere"], out=tmp_path / "none")
    assert run.failed == ()
    assert [line.token for line in run.lines] == ["softhsm@host1", "softhsm@host2", "softhsm on 2 hosts"]
    assert any(text.startswith("2 of 2 hosts: round 2/2") for text in said)
    assert all(facts["clock_within_ms"] < 1000 for facts in run.meta["hosts"].values())
    assert not any((tmp_path / "none").iterdir())


@pytest.mark.skipif(kernel() is None, reason="the load kernel is not built")
def test_a_host_without_the_drivers_of_the_others_is_lost_before_anything_is_measured(
    scheduler: str, tmp_path: Path
) -> None:
    from distributed import Client

    with Client(scheduler) as client:
        client.run(_without_kernel, workers=sorted(client.nthreads())[:1])
    run = fleet_bench(scheduler, PLAN, ["softhsm"], out=tmp_path)
    assert [(row.token, row.outcome, row.detail) for row in run.failed if row.kind == "open"] == [
        ("softhsm@host1", "host lost", NO_KERNEL)
    ]
    blocks = [row for row in run.rows if row.token == "softhsm@host2" and row.kind == "block"]
    assert [(row.driver, row.outcome) for row in blocks] == [("c-kernel", "ok")] * PLAN.rounds


def test_an_address_where_nobody_answers_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(WorkbenchError, match="no Dask scheduler answers at carrier-pigeon") as caught:
        fleet_bench("carrier-pigeon://loft", PLAN, ["softhsm"], out=tmp_path)
    assert "\n" not in str(caught.value)
    assert not any(tmp_path.iterdir())
