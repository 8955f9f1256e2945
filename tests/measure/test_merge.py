"""Runs of several hosts as one: what counts, what does not, and which runs belong together."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest

from workbench.faults import WorkbenchError
from workbench.measure import CASES, Plan, Run, drive, load, merge, parse_start
from workbench.measure.drivers import default_driver
from workbench.measure.floor import floor_job
from workbench.measure.merging import Clock, Part, merge_into
from workbench.measure.placed import Outbox
from workbench.measure.provenance import machine, packages
from workbench.measure.stats import pack
from workbench.measure.store import Row, RunWriter
from workbench.measure.window import SLICES, Window, window_of

PLAN = Plan("hosts", (CASES["random 32 B"],), threads=(2,), rounds=3, seconds=1.0)
SECOND = 1_000_000_000
START = 1_900_000_000 * SECOND


def window(begin_s: float, end_s: float, per_slice: int) -> dict[str, object]:
    return {
        "begin_ns": START + round(begin_s * SECOND),
        "end_ns": START + round(end_s * SECOND),
        "slices": (per_slice,) * SLICES,
    }


def block(round: int, begin_s: float, end_s: float, per_slice: int = 10, **more: object) -> Row:
    """A block that succeeded so often in each fiftieth of its window."""
    successes = per_slice * SLICES
    row = Row("block", "softhsm", "random 32 B", "random", 2, "ok", "c-kernel", round, p50_ns=1000.0)
    figures = {
        "successes": successes,
        "wall_s": end_s - begin_s,
        "cpu_s": 1.0,
        "rate_per_s": successes / (end_s - begin_s),
    }
    return attrs.evolve(row, **figures, **window(begin_s, end_s, per_slice), **more)


def written(out: Path, rows: list[Row], **meta: object) -> Path:
    """A run directory with these rows."""
    writer = RunWriter.create(out, "hosts")
    facts = {
        "name": writer.path.name,
        "plan": attrs.asdict(PLAN),
        "driver": "c-kernel",
        "drivers": ["c-kernel"],
        "seed": 1,
        "tokens": {"softhsm": "softhsm"},
        "machine": machine(),
        "packages": packages(),
        "provenance": {"softhsm": {"module_sha256": "00"}},
        "appointment": {"slot_s": 2.0},
    }
    writer.write_meta(facts | meta)
    for row in rows:
        writer.append(row, pack(np.array([1000, 1001], dtype=np.uint64)))
    return writer.path


def rows_of(run: Run, token: str) -> list[Row]:
    return [row for row in run.rows if row.token == token and row.kind == "block"]


def test_only_the_overlap_of_the_hosts_windows_counts(tmp_path: Path) -> None:
    first = written(tmp_path, [block(0, 0.0, 1.0)])
    second = written(tmp_path, [block(0, 0.2, 1.2, per_slice=20)])
    run = merge([first, second], tmp_path)
    ((one,), (two,), (total,)) = (
        rows_of(run, name) for name in ("softhsm@host1", "softhsm@host2", "softhsm on 2 hosts")
    )
    assert (one.successes, two.successes, total.successes) == (400, 800, 1200)  # 0.8 s of 500/s and of 1000/s
    assert (one.wall_s, total.rate_per_s) == (pytest.approx(0.8), pytest.approx(1500))
    assert (one.threads, total.threads) == (2, 4)
    assert [(line.token, line.threads, line.outcome) for line in run.lines] == [
        ("softhsm@host1", 2, "ok"),
        ("softhsm@host2", 2, "ok"),
        ("softhsm on 2 hosts", 4, "ok"),
    ]


def test_a_clock_that_is_ahead_is_set_right_before_windows_are_compared(tmp_path: Path) -> None:
    honest = Part("a", load(written(tmp_path, [block(0, 0.0, 1.0)])))
    ahead = Part("b", load(written(tmp_path, [block(0, 5.0, 6.0)])), Clock(5 * SECOND, 1000))
    run = merge_into(RunWriter.create(tmp_path, "merged"), [honest, ahead])
    assert [row.successes for row in rows_of(run, "softhsm on 2 hosts")] == [1000]
    assert run.meta["hosts"]["b"]["clock_ahead_ms"] == 5000


def test_a_host_that_was_lost_costs_its_own_rows_and_no_figure_of_the_others(tmp_path: Path) -> None:
    whole = [block(round, 2.0 * round, 2.0 * round + 1) for round in range(3)]
    paths = [written(tmp_path, whole), written(tmp_path, whole), written(tmp_path, whole[:1])]
    run = merge(paths, tmp_path)
    assert [row.outcome for row in rows_of(run, "softhsm@host1")] == ["ok"] * 3
    assert [row.outcome for row in rows_of(run, "softhsm@host3")] == ["ok", "host lost", "host lost"]
    outcomes = [(row.outcome, row.detail) for row in rows_of(run, "softhsm on 3 hosts")]
    assert outcomes == [("ok", ""), ("incomplete", "without host3"), ("incomplete", "without host3")]
    assert [row.successes for row in rows_of(run, "softhsm on 2 hosts")] == [1000, 1000]
    assert run.failed


def test_a_host_that_was_out_of_step_is_left_out_of_the_sum(tmp_path: Path) -> None:
    paths = [written(tmp_path, [block(0, begin, begin + 1)]) for begin in (0.0, 0.1, 0.9)]
    run = merge(paths, tmp_path)
    assert [row.outcome for row in rows_of(run, "softhsm@host3")] == ["not together"]
    assert [row.successes for row in rows_of(run, "softhsm on 2 hosts")] == [900]


def test_what_one_host_does_not_offer_is_summed_over_the_others_without_a_failure(tmp_path: Path) -> None:
    lacking = attrs.evolve(Row("block", "softhsm", "random 32 B", "random", 2, "not offered", "c-kernel", 0))
    whole = [block(round, 2.0 * round, 2.0 * round + 1) for round in range(3)]
    run = merge([written(tmp_path, whole), written(tmp_path, whole), written(tmp_path, [lacking])], tmp_path)
    assert run.failed == ()
    assert len(rows_of(run, "softhsm on 2 hosts")) == 3


def test_errors_and_latencies_of_all_hosts_are_in_the_sum(tmp_path: Path) -> None:
    failing = block(0, 0.0, 1.0, errors={"CKR_DEVICE_ERROR": 3}, failures=3)
    run = merge([written(tmp_path, [failing]), written(tmp_path, [failing])], tmp_path)
    (total,) = rows_of(run, "softhsm on 2 hosts")
    assert (total.errors, total.failures) == ({"CKR_DEVICE_ERROR": 6}, 6)
    assert run.latencies("softhsm on 2 hosts", "random 32 B", 4)[:, 1].sum() == 4


def test_a_block_whose_latencies_did_not_come_over_keeps_its_figures(tmp_path: Path) -> None:
    paths = [written(tmp_path, [block(0, 0.0, 1.0), block(1, 2.0, 3.0)]) for _ in range(2)]
    (paths[1] / "latencies" / "00001.npy").unlink()
    (paths[1] / "latencies" / "00002.npy").write_bytes(b"\x93NUMPY")  # the beginning of a file
    run = merge(paths, tmp_path)
    assert [row.successes for row in rows_of(run, "softhsm on 2 hosts")] == [1000, 1000]
    assert [row.p50_ns for row in rows_of(run, "softhsm@host2")] == [1000.0, 1000.0]
    assert [row.detail for row in rows_of(run, "softhsm on 2 hosts")] == [
        "the latencies of host2 are not in it"
    ] * 2
    assert run.latencies("softhsm on 2 hosts", "random 32 B", 4)[:, 1].sum() == 4


@pytest.mark.parametrize(
    "other,sentence",
    [
        ({"seed": 2}, "differ in their seed"),
        ({"tokens": {"nss": "nss"}}, "differ in their tokens"),
        (
            {"drivers": ["cffi-abi"]},
            "differ in their drivers: .* the same plan, tokens, --driver and --start-at",
        ),
        ({"appointment": {"slot_s": 3.0}}, "differ in their appointment"),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(
    tmp_path: Path, other: dict[str, object], sentence: str
) -> None:
    paths = [written(tmp_path, [block(0, 0, 1)]), written(tmp_path, [block(0, 0, 1)], **other)]
    with pytest.raises(WorkbenchError, match=sentence):
        merge(paths, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_run_counts_once(tmp_path: Path) -> None:
    path = written(tmp_path, [block(0, 0, 1)])
    with pytest.raises(WorkbenchError, match="one run twice"):
        merge([path, path], tmp_path / "merged")


def test_what_has_been_fetched_makes_sense_by_itself_whenever_the_host_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    path = written(there, [block(0, 0, 1)])
    writer, rounds, listed = RunWriter(path), iter(range(1, 10)), Path.glob
    writer._count = 1

    def listed_and_then_changed(place: Path, pattern: str) -> list[Path]:
        """A block is finished after each listing, and before what was listed is read."""
        found = list(listed(place, pattern))
        writer.append(block(next(rounds), 0, 1), pack(np.array([1000], dtype=np.uint64)))
        return found

    outbox = Outbox(there)
    with monkeypatch.context() as changed:
        changed.setattr(Path, "glob", listed_and_then_changed)
        for _ in range(2):
            for name, added in outbox.added().items():
                file = here / name
                file.parent.mkdir(parents=True, exist_ok=True)
                with file.open("ab") as opened:
                    opened.write(added)
            run = load(here / path.name)
            assert run.rows
            assert [row.latencies for row in run.rows if not (run.path / row.latencies).exists()] == []
    outbox.added()
    (there / path.name / "end.part").write_text("{")  # about to be renamed
    assert outbox.added() == {}


def test_a_window_counts_what_a_thread_did_while_all_of_them_ran() -> None:
    jobs = [floor_job(default_driver(), "random") for _ in range(2)]
    alone = drive(jobs[:1], count=1000)
    assert sum(window_of(alone).slices) == 1000
    results = drive(jobs, seconds=0.02)
    found = window_of(results)
    everything = sum(result.successes for result in results)
    assert found.end_ns - found.begin_ns <= max(r.end_ns for r in results) - min(r.begin_ns for r in results)
    assert 0 < sum(found.slices) <= everything
    assert found.successes(found.begin_ns, found.end_ns) == sum(found.slices)


def test_parts_of_a_window_add_up() -> None:
    whole = Window(0, 1000, tuple(range(SLICES)))
    total = sum(whole.slices)
    assert whole.successes(0, 500) + whole.successes(500, 1000) == total
    assert whole.successes(-1000, 2000) == total
    assert whole.successes(2000, 3000) == 0


def test_a_start_is_the_next_such_time_of_day_or_a_date_with_its_zone() -> None:
    now = parse_start("2030-01-31T12:00:00+00:00", now=0.0)
    assert parse_start("2030-01-31T13:00:30+01:00", now=now - 60) == now + 30
    assert 0 < parse_start("22:15", now=now) - now <= 86_400
    for text, sentence in (("noon", "is no time"), ("25:00", "is no time"), ("2001-01-01T00:00", "passed")):
        with pytest.raises(WorkbenchError, match=sentence):
            parse_start(text, now=now)
