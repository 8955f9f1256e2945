"""A run on disk: every schema that there was is read, and what is no run is one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from written import OLD, copied, row, written

from workbench.faults import WorkbenchError
from workbench.measure import SCHEMA_VERSION, load
from workbench.measure.store import RunWriter


def test_a_run_of_the_first_schema_is_read() -> None:
    run = load(OLD)
    assert run.meta["schema_version"] == SCHEMA_VERSION
    assert (run.drivers, run.loop, run.end) == (("c-kernel",), "closed", {})
    assert [(line.token, line.case, line.outcome, line.rounds) for line in run.lines] == [
        ("softhsm", "random 32 B", "ok", 3),
        ("softhsm#2", "random 32 B", "ok", 3),
    ]
    # as the workbench of that time printed them
    assert [round(line.rate.value) for line in run.lines] == [919826, 900522]
    assert [line.p50.value for line in run.lines] == [1041, 1051]
    assert all(line.p99_ns <= line.p999_ns <= line.max_ns for line in run.lines)


def test_the_three_tables_of_a_run_agree_with_one_another() -> None:
    run = load(OLD)
    lines, rows, latencies = run.table(), run.rows_table(), run.latencies_table()
    blocks = rows[rows["kind"] == "block"]
    assert blocks.groupby("token")["successes"].sum().to_dict() == dict(
        zip(lines["token"], lines["successes"], strict=True)
    )
    assert latencies.groupby("token")["calls"].sum().to_dict() == dict(
        zip(lines["token"], lines["successes"], strict=True)
    )
    assert set(latencies["round"]) == {0, 1, 2}


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, None, "2", 0])
def test_a_schema_that_nobody_knows_is_refused(tmp_path: Path, version: object) -> None:
    with pytest.raises(WorkbenchError, match="schema version"):
        copied(tmp_path / "run", schema_version=version)


@pytest.mark.parametrize("file", ["run.json", "rows.jsonl"])
def test_a_file_that_is_no_json_is_one_sentence(tmp_path: Path, file: str) -> None:
    run = copied(tmp_path / "run")
    (run.path / file).write_text("{ no json\n")
    with pytest.raises(WorkbenchError, match="is not a run directory") as caught:
        load(run.path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("overdue, told", [(0, False), (1, False), (120, True)])
def test_an_open_loop_that_the_token_cannot_follow_is_told_with_its_line(
    tmp_path: Path, overdue: int, told: bool
) -> None:
    """A device of one place and 10 ms that is asked a thousand times a second; or a call that is late for once."""
    run = written(tmp_path / "run", [row("a", r, 1000, overdue=overdue) for r in range(3)])
    (line,) = run.lines
    assert line.overdue == 3 * overdue == run.table()["overdue"][0]
    sentence = f"{3 * overdue} calls were due and had not begun: the token does not keep up with this rate"
    assert any(sentence in warning for warning in line.warnings) == told
    assert (sentence in run.table()["warnings"][0]) == told


def test_what_the_machine_did_meanwhile_is_in_the_warnings(tmp_path: Path) -> None:
    run = written(tmp_path / "run", [row("a", r, 1000) for r in range(3)])
    assert run.warnings == ()
    (run.path / "end.json").unlink()
    (warning,) = load(run.path).warnings
    assert warning.startswith("the run was not finished")
    RunWriter(run.path).write_end({"ended": "later", "stolen_share": 0.2, "throttle_events": 3})
    assert load(run.path).warnings == (
        "the hypervisor took 20% of the CPU time during the run",
        "the CPU was throttled 3 times during the run",
    )


def test_threads_that_never_wait_and_had_no_cpu_tell_of_a_busy_machine(tmp_path: Path) -> None:
    floor = {"kind": "floor", "case": "", "cpu_s": 0.06}
    rows = [row("a", r, 1000) for r in range(3)] + [row("a", r, 1e7, **floor) for r in range(3)]
    (warning,) = written(tmp_path / "run", rows).warnings
    assert "busy during the run" in warning
    assert "60%" in warning


@pytest.mark.parametrize(
    "operations, told", [(("sign", "digest", "random", "seed"), True), (("sign",), False)]
)
def test_a_machine_that_is_busy_in_one_round_is_told_where_enough_floors_saw_it(
    tmp_path: Path, operations: tuple[str, ...], told: bool
) -> None:
    rows = [row("a", r, 1000) for r in range(3)]
    for r, cpu in enumerate((0.1, 0.1, 0.06)):
        rows += [row("a", r, 1e7, kind="floor", case="", cpu_s=cpu, operation=name) for name in operations]
    assert any("for 60%" in warning for warning in written(tmp_path / "run", rows).warnings) == told


def test_littles_law_is_checked(tmp_path: Path) -> None:
    def line(rate: float) -> tuple[str, ...]:
        rows = [row("a", r, rate, threads=2) for r in range(6)]
        latencies = {number: [2_000_000] * 50 for number in range(6)}  # two threads at 2 ms: 1000 per second
        return written(tmp_path / str(rate), rows, latencies).lines[0].warnings

    assert not any("N = X·R" in warning for warning in line(1000))
    assert not any("N = X·R" in warning for warning in line(960))
    assert any("N = X·R is off by -20%: 1.60 calls under way for 2 threads" in w for w in line(800))


def test_a_call_faster_than_the_link_is_no_figure_of_the_device(tmp_path: Path) -> None:
    rows = [row(token, r, 1000) for r in range(6) for token in ("near", "far")]
    run = written(
        tmp_path / "run", rows, disclosure={"near": {"round_trip_ns": 1.5e6}, "far": {"round_trip_ns": 5e6}}
    )
    assert [(line.token, line.local) for line in run.lines] == [("near", False), ("far", True)]
    assert [line.token for line in run.ranked] == ["near"]
    assert "answered by the client library" in run.lines[1].warnings[0]


def test_a_case_that_could_not_be_prepared_says_why(tmp_path: Path) -> None:
    lost = row("b", 0, 1.0, kind="prepare", threads=0, outcome="not offered", detail="C_SignInit answered X")
    run = written(tmp_path / "run", [*(row("a", r, 1000) for r in range(3)), lost])
    assert [(line.token, line.outcome, line.detail) for line in run.lines] == [
        ("a", "ok", ""),
        ("b", "not offered", "not offered: C_SignInit answered X"),
    ]


def test_a_knee_leaves_every_token_its_own_numbers_of_threads(tmp_path: Path) -> None:
    plan = json.loads((OLD / "run.json").read_text())["plan"]
    rows = [row("a", 0, 1000, threads=n) for n in (1, 2, 4)] + [row("b", 0, 900, threads=n) for n in (1, 2)]
    run = written(tmp_path / "run", rows)
    meta = json.loads((run.path / "run.json").read_text())
    meta["plan"] = {**plan, **meta["plan"], "threads": "knee"}
    (run.path / "run.json").write_text(json.dumps(meta))
    assert [(line.token, line.threads) for line in load(run.path).lines] == [
        ("a", 1),
        ("b", 1),
        ("a", 2),
        ("b", 2),
        ("a", 4),
    ]
