"""Build the page: read what the runs left, hand it to the template."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench import measure
from workbench.faults import WorkbenchError
from workbench.measure.gate import change_text
from workbench.notebook import read_verdicts
from workbench.notebook.page import base_style
from workbench.report import words
from workbench.report.figures import run_figures
from workbench.report.templating import ENVIRONMENT

__all__ = ["write"]


def write(out: Path, verdicts_dir: Path | None = None, runs: Sequence[Path] = ()) -> Path:
    """Write the report and return the path of the page.

    out: the HTML file, or a directory that gets an `index.html`. verdicts_dir: what `workbench run` filled.
    runs: run directories of the measuring bench. The page needs no network and no script; the executed
    notebooks are linked relative to it, so the whole directory can be moved. Raises WorkbenchError when there is
    nothing to report or the page cannot be written.
    """
    matrix = None if verdicts_dir is None else read_verdicts(verdicts_dir)
    loaded = [measure.load(run) for run in runs]
    if not loaded and (matrix is None or not matrix.verdicts):
        raise WorkbenchError("nothing to report: run `workbench run` or `workbench bench` first")
    path = out if out.suffix == ".html" else out / "index.html"
    outcome, sentence = words.headline(matrix, loaded)
    asked = [run for run in loaded if words.command(run) is not None]
    text = ENVIRONMENT.get_template("report.html.j2").render(
        outcome=outcome,
        headline=sentence,
        matrix=matrix,
        runs=[{"run": run, "figures": run_figures(run)} for run in loaded],
        asked=asked,
        plain=[run for run in loaded if run not in asked],
        again=bool(asked or (matrix and matrix.verdicts)),
        machine=_machine(matrix, loaded),
        provenance=_provenance(matrix, loaded),
        style=base_style() + ENVIRONMENT.get_template("report.css").render(),
        words=words,
        facts=measure.facts,
        against=_against,
        change_text=change_text,
        link=lambda target: _link(path, target),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WorkbenchError(f"cannot write the report to {path}: {error.strerror}") from None
    return path


def _against(run: measure.Run) -> list[measure.Comparison]:
    """Every other token of the run against the first; none where no line of the two can be compared."""
    found = [measure.compare_tokens(run, token) for token in run.tokens[1:]]
    return [comparison for comparison in found if any(line.judged for line in comparison.lines)]


def _link(page: Path, target: Path | None) -> str | None:
    """The address of a file as seen from the page; None when there is no such file."""
    if target is None or not target.exists():
        return None
    return Path(os.path.relpath(target.resolve(), page.resolve().parent)).as_posix()


def _machine(matrix: Any, runs: Sequence[measure.Run]) -> dict[str, Any]:
    """Machine and packages of the newest source; they are the same machine in all but odd cases."""
    if runs:
        return {"machine": runs[-1].meta["machine"], "packages": runs[-1].meta["packages"]}
    return {"machine": matrix.machine, "packages": matrix.packages}


def _provenance(matrix: Any, runs: Sequence[measure.Run]) -> dict[str, dict[str, Any]]:
    """What is known of each token, by name."""
    found: dict[str, dict[str, Any]] = dict(matrix.tokens) if matrix else {}
    for run in runs:
        for label, facts in run.meta["provenance"].items():
            found.setdefault(label, facts)
    return found
