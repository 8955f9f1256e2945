"""The gate as a build server meets it: exit codes, JUnit, annotations."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from test_comparison import machine, run_of
from typer.testing import CliRunner
from written import row, written

from workbench.cli import main
from workbench.cli.application import app
from workbench.measure import compare_runs
from workbench.measure.gate import github, junit


@pytest.mark.parametrize("rate,code", [(1000.0, 0), (800.0, 1)])
def test_the_exit_code_is_the_verdict(tmp_path: Path, rate: float, code: int) -> None:
    new, old = run_of(tmp_path / "new", rate, seed=1), run_of(tmp_path / "old")
    report = tmp_path / "report.xml"
    done = CliRunner().invoke(
        app, ["gate", str(new.path), "--baseline", str(old.path), "--junit", str(report), "--github"]
    )
    assert done.exit_code == code
    assert done.output.splitlines()[-1].startswith("::error" if code else "::notice")
    suite = ElementTree.parse(report).getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("1", str(code))
    assert len(suite.findall("testcase/failure")) == code


def test_runs_that_cannot_be_compared_are_exit_code_2_and_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new, old = run_of(tmp_path / "new"), run_of(tmp_path / "old", **machine(cpu="another"))
    monkeypatch.setattr(sys, "argv", ["workbench", "gate", str(new.path), "--baseline", str(old.path)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert said.err.startswith("workbench: cannot compare: ")
    assert len(said.err.splitlines()) == 1


def test_too_few_rounds_are_exit_code_2_with_a_skipped_test(tmp_path: Path) -> None:
    few = written(tmp_path / "few", [row("token", r, 1000) for r in range(2)])
    found = compare_runs(few, run_of(tmp_path / "old"))
    suite = ElementTree.fromstring(junit(found).partition("\n")[2])[0]
    assert (suite.get("skipped"), suite.get("failures")) == ("1", "0")
    assert github(found)[-1].startswith("::warning")


def test_two_forms_of_one_answer_are_refused(tmp_path: Path) -> None:
    path = str(run_of(tmp_path / "run").path)
    done = CliRunner().invoke(app, ["gate", path, "--baseline", path, "--github", "--json"])
    assert done.exit_code == 2
    assert "--github and --json are two forms of one answer" in done.output


def test_an_annotation_stays_one_line_whatever_a_token_is_called(tmp_path: Path) -> None:
    name = "a,b: 100 %\nc"
    runs = [
        written(tmp_path / str(rate), [row(name, r, rate + r) for r in range(5)]) for rate in (800.0, 1000.0)
    ]
    said = github(compare_runs(*runs))
    assert all("\n" not in line for line in said)
    title = said[0].removeprefix("::error title=").partition("::")[0]
    assert "a%2Cb%3A 100 %25%0Ac" in title


def test_a_threshold_that_is_no_percentage_is_a_wrong_option(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run")
    done = CliRunner().invoke(app, ["compare", str(run.path), str(run.path), "--threshold", "-3"])
    assert done.exit_code == 2
