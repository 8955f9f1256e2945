"""Whole runs: on real tokens, with real deaths in the middle."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import attrs
import numpy as np
import pytest

from workbench.faults import WorkbenchError
from workbench.measure import CASES, Case, Plan, Progress, Run, bench, compare_tokens, load
from workbench.measure.drivers import default_driver
from workbench.measure.store import SCHEMA_VERSION
from workbench.tokens import Token

pytestmark = pytest.mark.usefixtures("softhsm")

pytestmark = pytest.mark.notebook  # whole runs, as benchmarks/throughput.ipynb makes them

FAST = Plan(
    "fast",
    (CASES["ECDSA P-256 sign"], CASES["AES-256-GCM 1 KiB"], CASES["SHA-256 1 KiB"], CASES["random 32 B"]),
    rounds=3,
    seconds=0.02,
    warmup=0.005,
)
ONE = Plan(
    "one", (CASES["SHA-256 1 KiB"], CASES["random 32 B"]), threads=(1,), rounds=3, seconds=0.12, warmup=0
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return bench(FAST, ["softhsm", "softhsm"], out=tmp_path_factory.mktemp("runs"), seed=1)


def in_round(text: str, act: Callable[[int], None], delay: float = 0.1) -> Callable[[Progress], None]:
    """A progress callback that acts on the worker's pid once, in the middle of the first step of that name."""
    done = threading.Event()

    def on_progress(progress: Progress) -> None:
        if text in progress.text and not done.is_set() and progress.worker is not None:
            done.set()
            threading.Timer(delay, act, (progress.worker,)).start()

    return on_progress


def send(number: signal.Signals) -> Callable[[int], None]:
    return lambda pid: os.kill(pid, number)


def test_every_line_of_the_plan_is_measured_on_every_token(run: Run) -> None:
    assert run.failed == ()
    assert run.tokens == ("softhsm", "softhsm#2")
    assert len(run.lines) == len(FAST.cases) * 2 * 2
    for line in run.lines:
        assert (line.outcome, line.rounds) == ("ok", FAST.rounds)
        assert line.successes > 0
        assert line.rate.low <= line.rate.value <= line.rate.high
        assert line.floor_ns <= line.p50.low <= line.p50.value <= line.p50.high <= line.max_ns
        assert line.p90_ns <= line.p99_ns <= line.max_ns
        assert 0 < line.cpu_share < 1.05  # two clocks


def test_the_tokens_take_turns_within_each_round_in_a_recorded_order(run: Run) -> None:
    blocks = [row for row in run.rows if row.kind == "block"]
    for first, second in zip(blocks[::2], blocks[1::2], strict=True):
        assert (first.case, first.threads, first.round) == (second.case, second.threads, second.round)
        assert {first.token, second.token} == set(run.tokens)
        assert (first.position, second.position) == (0, 1)
    assert len({row.token for row in blocks[::2]}) == 2  # each was first now and then
    assert run.meta["seed"] == 1


def test_the_floors_stand_among_the_blocks(run: Run) -> None:
    """Three rounds have one floor each: what disturbs the machine later is seen as well."""
    floors = [(one, after) for one, after in pairwise(run.rows) if one.kind == "floor"]
    assert len(floors) == 3 * 2 * len({case.operation for case in FAST.cases}) * 2
    for floor, block in floors:
        assert block.kind == "block"
        for name in ("token", "operation", "threads", "driver", "round"):
            assert getattr(floor, name) == getattr(block, name)


def test_the_throughput_of_a_block_is_its_successes_over_wall_time(run: Run) -> None:
    for row in run.rows:
        if row.kind == "block":
            assert row.rate_per_s is not None
            # threads end within a call of one another, so the common wall time gives nearly the same
            assert row.rate_per_s >= row.successes / row.wall_s * 0.999
            assert row.threads > 1 or row.rate_per_s == pytest.approx(row.successes / row.wall_s)


def test_the_table_has_one_line_per_token_case_and_threads_with_units_in_its_names(run: Run) -> None:
    table = run.table()
    assert len(table) == len(run.lines)
    assert not table.duplicated(["token", "case", "threads"]).any()
    assert (table["driver"] == default_driver()).all()
    for column in (
        "throughput_per_s",
        "throughput_low_per_s",
        "p50_us",
        "p90_us",
        "floor_us",
        "floor_percent",
    ):
        assert table[column].notna().all(), column


def test_a_token_against_itself_is_paired_round_by_round(run: Run) -> None:
    found = compare_tokens(run).lines
    assert len(found) == len(FAST.cases) * 2
    assert {(line.token, line.baseline, line.rounds, line.paired) for line in found} == {
        ("softhsm#2", "softhsm", 3, True)
    }


def test_a_run_read_back_is_the_run_that_was_written(run: Run) -> None:
    again = load(run.path)
    assert again.rows == run.rows
    assert again.meta == run.meta
    line = run.lines[0]
    pooled = again.latencies(line.token, line.case, line.threads)
    assert pooled[:, 1].sum() == line.successes


def test_the_run_says_on_what_it_was_measured_and_nothing_secret(run: Run, softhsm: Token) -> None:
    from workbench.cryptoki.secret import reveal

    assert run.meta["schema_version"] == SCHEMA_VERSION
    assert {"cpu", "cores", "kernel", "load_average", "python"} <= run.meta["machine"].keys()
    assert len(run.meta["provenance"]["softhsm"]["module_sha256"]) == 64
    everything = "".join(
        p.read_text() for p in run.path.rglob("*") if p.suffix in (".json", ".jsonl", ".txt")
    )
    pin = reveal(softhsm.pin)
    assert pin is not None
    for secret in (pin if isinstance(pin, str) else pin.decode(), softhsm.info.serialNumber):
        assert secret not in everything
    assert softhsm.module.path not in everything


def test_a_second_run_gets_a_directory_of_its_own(run: Run) -> None:
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    small = attrs.evolve(FAST, cases=(CASES["random 32 B"],), rounds=1, threads=(1,))
    other = bench(small, ["softhsm"], out=run.path.parent)
    assert other.path != run.path
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_the_fallback_without_a_compiler_is_labelled_and_brings_its_own_floor(tmp_path: Path) -> None:
    run = bench(attrs.evolve(FAST, rounds=1), ["softhsm"], out=tmp_path, driver="cffi-abi")
    assert run.failed == ()
    assert {row.driver for row in run.rows} == {"cffi-abi"}
    assert (run.table()["driver"] == "cffi-abi").all()
    assert all(line.floor_ns > 0 for line in run.lines)
    assert any("no compiled kernel" in warning for warning in run.warnings)


def test_what_a_token_does_not_offer_is_a_line_and_no_failure(tmp_path: Path) -> None:
    cases = (Case("no such digest", "digest", "CKM_BLAKE2B_256", 32), CASES["random 32 B"])
    run = bench(attrs.evolve(FAST, cases=cases, rounds=2), ["softhsm"], out=tmp_path)
    assert run.failed == ()
    outcomes = {(line.case, line.outcome) for line in run.lines}
    assert outcomes == {("no such digest", "not offered"), ("random 32 B", "ok")}
    assert "CKR_MECHANISM_INVALID" in run.lines[0].detail


def test_a_mechanism_that_the_key_does_not_fit_is_reported_with_its_code(tmp_path: Path) -> None:
    cases = (Case("RSA with an EC key", "sign", "CKM_SHA256_RSA_PKCS", 32, "P-256"),)
    run = bench(attrs.evolve(FAST, cases=cases, rounds=1, threads=(1,)), ["softhsm"], out=tmp_path)
    assert run.lines[0].outcome in ("failed", "not offered")
    assert "CKR_" in run.lines[0].detail


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_dies_in_mid_run_costs_its_block_alone(tmp_path: Path, number: signal.Signals) -> None:
    run = bench(ONE, ["softhsm"], out=tmp_path, on_progress=in_round("round 2/3: SHA-256", send(number)))
    lost = [(row.case, row.round, row.outcome) for row in run.failed]
    assert lost == [("SHA-256 1 KiB", 1, f"worker died ({number.name})")]
    measured = {(row.case, row.round) for row in run.rows if row.kind == "block" and row.measured}
    assert len(measured) == 2 * 3 - 1  # those before it are kept, those after it were made by a new worker
    first, second = run.lines
    assert (first.outcome, first.rounds, second.outcome, second.rounds) == ("incomplete", 2, "ok", 3)
    assert f"worker died ({number.name})" in first.detail


def test_the_other_token_goes_on_when_one_dies(tmp_path: Path) -> None:
    kill = in_round("round 2/3: SHA-256 1 KiB, 1 thread on softhsm#2", send(signal.SIGKILL))
    run = bench(attrs.evolve(ONE, seconds=0.2), ["softhsm", "softhsm"], out=tmp_path, on_progress=kill)
    assert {row.token for row in run.failed} == {"softhsm#2"}
    assert all(line.outcome == "ok" for line in run.lines if line.token == "softhsm")


def test_a_worker_that_hangs_is_ended_by_the_timeout(tmp_path: Path) -> None:
    hang = in_round("round 2/3: SHA-256", send(signal.SIGSTOP))
    run = bench(ONE, ["softhsm"], out=tmp_path, timeout=2, on_progress=hang)
    assert [row.outcome for row in run.failed] == ["no answer within 2 s"]
    assert [line.rounds for line in run.lines] == [2, 3]


def test_a_token_whose_worker_dies_three_times_is_given_up(tmp_path: Path) -> None:
    deaths: list[int] = []

    def on_progress(progress: Progress) -> None:
        if "round" in progress.text and progress.worker is not None and progress.worker not in deaths:
            deaths.append(progress.worker)
            os.kill(progress.worker, signal.SIGKILL)

    run = bench(attrs.evolve(ONE, rounds=5, seconds=0.02), ["softhsm"], out=tmp_path, on_progress=on_progress)
    outcomes = [row.outcome for row in run.failed]
    assert outcomes.count("worker died (SIGKILL)") == 3
    assert outcomes[-1] == "not run"
    assert len(deaths) == 3


def test_rows_are_on_disk_while_the_run_goes_on(tmp_path: Path) -> None:
    seen: list[int] = []

    def on_progress(progress: Progress) -> None:
        for file in tmp_path.glob("*/rows.jsonl"):
            seen.append(len(file.read_text().splitlines()))

    run = bench(attrs.evolve(ONE, seconds=0.02), ["softhsm"], out=tmp_path, on_progress=on_progress)
    assert seen[-1] == len(run.rows) - 1
    assert seen == sorted(seen)


def test_ctrl_c_keeps_what_was_measured_and_leaves_no_worker(tmp_path: Path) -> None:
    pids: set[int] = set()

    def on_progress(progress: Progress) -> None:
        pids.update({progress.worker} - {None})  # type: ignore[arg-type]
        if "round 2/3" in progress.text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench(attrs.evolve(ONE, seconds=0.02), ["softhsm"], out=tmp_path, on_progress=on_progress)
    (path,) = tmp_path.iterdir()
    assert [row.round for row in load(path).rows if row.kind == "block"] == [0, 0]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_line_that_a_killed_writer_left_half_done_is_dropped(run: Run, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(run.path, tmp_path / "copy"))
    text = (copy / "rows.jsonl").read_text()
    (copy / "rows.jsonl").write_text(text[:-30])
    assert load(copy).rows == run.rows[:-1]


def test_a_run_of_a_newer_workbench_is_refused(run: Run, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(run.path, tmp_path / "copy"))
    meta = json.loads((copy / "run.json").read_text()) | {"schema_version": SCHEMA_VERSION + 1}
    (copy / "run.json").write_text(json.dumps(meta))
    with pytest.raises(WorkbenchError, match="use a newer one"):
        load(copy)


def test_a_directory_that_is_no_run_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="is not a run directory"):
        load(tmp_path)


def test_an_unwritable_run_directory_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WorkbenchError, match="cannot write the run directory") as caught:
        bench(FAST, ["softhsm"], out=tmp_path / "file" / "runs")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments,sentence",
    [
        ({"plan": "slow"}, "known plans: quick, signing"),
        ({"tokens": ["nowhere"]}, "no token is named 'nowhere'"),
        ({"tokens": []}, "name at least one token"),
        ({"cases": ["rot13"]}, "has no case 'rot13'"),
        ({"threads": [0]}, "threads are numbers from 1 on"),
        ({"rounds": 0}, "at least one round"),
        ({"seconds": -1.0}, "blocks longer than 0 s"),
        ({"driver": "telepathy"}, "no driver 'telepathy'"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_no_directory(
    tmp_path: Path, arguments: dict[str, object], sentence: str
) -> None:
    with pytest.raises(WorkbenchError, match=sentence):
        bench(**({"tokens": ["softhsm"], "out": tmp_path / "runs"} | arguments))  # type: ignore[arg-type]
    assert not (tmp_path / "runs").exists()


def test_the_figures_show_every_measured_line(run: Run) -> None:
    from workbench.measure import latency_figure, throughput_figure

    for figure in (throughput_figure(run), latency_figure(run)):
        (axes,) = figure.axes
        assert [label.get_text() for label in axes.get_yticklabels()] == [case.name for case in FAST.cases]
        assert len(axes.texts) == len(run.lines)
        assert figure.get_suptitle()
        figure.canvas.draw()


def test_latencies_are_small_on_disk(run: Run) -> None:
    for file in (run.path / "latencies").glob("*.npy"):
        assert np.load(file).shape[1] == 2
        assert file.stat().st_size < 200_000
