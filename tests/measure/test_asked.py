"""What was asked on the command line is in the run, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workbench.cli.application import app

pytestmark = [pytest.mark.notebook, pytest.mark.usefixtures("softhsm")]  # whole runs


def test_a_run_says_what_was_asked_and_not_where_it_was_written(tmp_path: Path) -> None:
    asked = ["--token", "softhsm", "--token", "softhsm", "--case", "random 32 B", "--no-length-query"]
    asked += ["--threads", "1", "--rounds", "3", "--seconds", "0.02"]
    done = CliRunner().invoke(app, ["bench", *asked, "--out", str(tmp_path)])
    assert done.exit_code == 0
    (path,) = tmp_path.glob("*/run.json")
    assert sorted(json.loads(path.read_text())["asked"]) == sorted(asked)
    assert str(tmp_path) not in path.read_text()
