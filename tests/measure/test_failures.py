"""What ends a run before its time leaves a run that loads, and that can be resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workbench.faults import BrokenOff, WorkbenchError
from workbench.measure import load, resume
from workbench.measure.store import Row, RunWriter

META = {
    "name": "run",
    "plan": {"name": "p", "cases": [], "threads": [1]},
    "drivers": ["c-kernel"],
    "tokens": {},
}
ROW = Row("block", "softhsm", "random 32 B", "random", 1, "ok", "c-kernel", 0)
COMMAND = [sys.executable, "-m", "workbench.cli", "bench", "--token", "softhsm", "--case", "SHA-256 1 KiB"]
COMMAND += ["--threads", "1", "--rounds", "6", "--seconds", "0.3"]


def test_a_full_disk_breaks_a_run_off_and_keeps_the_rows_before(tmp_path: Path) -> None:
    writer = RunWriter.create(tmp_path, "p")
    writer.write_meta(META)
    rows = writer.path / "rows.jsonl"
    writer.append(ROW)
    kept = rows.read_bytes()
    rows.unlink()
    rows.symlink_to("/dev/full")
    with pytest.raises(
        BrokenOff, match=r"what was measured is kept, and `workbench bench --resume .*` goes on"
    ) as caught:
        writer.append(ROW)
    assert "\n" not in str(caught.value)
    rows.unlink()
    rows.write_bytes(kept)
    assert load(writer.path).rows == (ROW,)


def test_a_run_is_described_by_whole_files_or_by_none(tmp_path: Path) -> None:
    writer = RunWriter.create(tmp_path, "p")
    (writer.path / "run.part").symlink_to("/dev/full")
    with pytest.raises(WorkbenchError, match="cannot write the run directory"):
        writer.write_meta(META)
    assert not (writer.path / "run.json").exists()
    writer.write_meta(META)
    (writer.path / "end.part").symlink_to("/dev/full")
    with pytest.raises(BrokenOff):
        writer.write_end({"ended": "now"})
    assert load(writer.path).end == {}
    with pytest.raises(WorkbenchError, match="is there already"):
        writer.write_meta(META)


@pytest.mark.notebook
def test_ctrl_c_ends_the_command_at_once_and_the_run_goes_on_later(tmp_path: Path, softhsm: object) -> None:
    command = [*COMMAND, "--out", str(tmp_path)]
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while len(_blocks(tmp_path)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    pressed = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    took = time.monotonic() - pressed
    assert process.returncode == 130
    assert said.decode() == "workbench: interrupted; what was finished is kept\n"
    assert took < 3  # a block lasts 0.3 s, and a worker's way out five
    (path,) = tmp_path.iterdir()
    before = [row for row in load(path).rows if row.kind == "block"]
    assert 2 <= len(before) < 6
    done = resume(path)
    assert [row for row in done.rows if row.kind == "block"][: len(before)] == before
    assert [line.rounds for line in done.lines] == [6]


def _blocks(out: Path) -> list[str]:
    return [
        line
        for file in out.glob("*/rows.jsonl")
        for line in file.read_text().splitlines()
        if '"block"' in line
    ]
