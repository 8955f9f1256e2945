"""A run for other tools: what they read is what was measured."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner
from written import OLD, row, written

from workbench.cli.application import app
from workbench.faults import WorkbenchError
from workbench.measure import load
from workbench.measure.export import to_csv, to_openmetrics, to_pyperf

SAMPLE = re.compile(r'([a-z_]+)\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)+)\} (\S+) (\d+\.\d{3})')


def test_csv_is_the_table() -> None:
    run = load(OLD)
    read = pd.read_csv(io.StringIO(to_csv(run)))
    assert list(read.columns) == list(run.table().columns)
    assert read["p50_us"].tolist() == pytest.approx(run.table()["p50_us"].tolist())


def test_pyperf_gets_a_benchmark_per_line_with_a_value_per_round_in_seconds() -> None:
    run = load(OLD)
    suite = json.loads(to_pyperf(run))
    assert suite["version"] == "1.0"
    names = [one["metadata"]["name"] for one in suite["benchmarks"]]
    assert len(set(names)) == len(run.lines)
    for line, one in zip(run.lines, suite["benchmarks"], strict=True):
        (values,) = (part["values"] for part in one["runs"])
        assert len(values) == line.rounds
        assert sorted(values)[1] == pytest.approx(line.p50.value / 1e9)


def test_openmetrics_is_what_its_grammar_asks_for() -> None:
    text = to_openmetrics(load(OLD))
    assert text.endswith("# EOF\n")
    families: list[str] = []
    for line in text.splitlines()[:-1]:
        if line.startswith("# TYPE "):
            families.append(line.split()[2])
        elif not line.startswith("#"):
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert sample[1].startswith(families[-1])  # samples stand with their family
            assert float(sample[3]) >= 0
    assert len(set(families)) == len(families)
    assert text.count('quantile="0.999"') == 2


def test_a_name_with_quotes_and_line_breaks_stays_one_label(tmp_path: Path) -> None:
    name = 'the "big"\n\\one'
    run = written(tmp_path / "run", [row(name, r, 1000, errors={"CKR_DEVICE_ERROR": 2}) for r in range(3)])
    samples = [line for line in to_openmetrics(run).splitlines() if not line.startswith("#")]
    assert all(SAMPLE.fullmatch(line) for line in samples)
    assert any('code="CKR_DEVICE_ERROR"} 6 ' in line for line in samples)


def test_a_run_without_a_figure_has_nothing_for_pyperf(tmp_path: Path) -> None:
    run = written(tmp_path / "run", [row("a", 0, 1.0, outcome="failed", rate_per_s=None)])
    with pytest.raises(WorkbenchError, match="has no figure to export"):
        to_pyperf(run)


@pytest.mark.parametrize("form,start", [("--csv", "token,"), ("--pyperf", "{"), ("--openmetrics", "# TYPE")])
def test_the_command_prints_the_form_and_nothing_else(form: str, start: str) -> None:
    done = CliRunner().invoke(app, ["export", str(OLD), form])
    assert done.exit_code == 0
    assert done.stdout.startswith(start)


def test_the_command_wants_one_form() -> None:
    assert CliRunner().invoke(app, ["export", str(OLD)]).exit_code == 2
    assert CliRunner().invoke(app, ["export", str(OLD), "--csv", "--pyperf"]).exit_code == 2
