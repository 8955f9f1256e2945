"""The judge: a committed notebook held against an executed one, cell by cell, by nbval's own comparison.

A pure function of two notebooks. The pytest plugin, `workbench run` and the tests call the same one, and a
test holds it to what plain `pytest --nbval` says.

nbval's comparison is a method of a pytest item. Of that item it reads five attributes, so the class below
lends it these and nothing else: real nbval code, and no pytest session at run time. (The alternatives
were `pytest.main` inside our process, or pytest's internal way to make a session.) nbval is pinned to 0.11.
"""

from __future__ import annotations

import copy
import difflib
import re
import warnings
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from nbval import plugin as nbval

from workbench.faults import WorkbenchError
from workbench.notebook.document import code_cells
from workbench.notebook.requirement import says_missing
from workbench.notebook.verdict import CellVerdict

if TYPE_CHECKING:
    from pathlib import Path

    from nbformat import NotebookNode

__all__ = [
    "SKIP_COMPARE",
    "Sanitizer",
    "compared",
    "judge",
    "options",
    "sanitizer_for",
]

SKIP_COMPARE: Final = (
    # nbval's list (IPyNbFile.__init__, where it cannot be reached without a pytest session; a test compares).
    "metadata",
    "traceback",
    "prompt_number",
    "output_type",
    "name",
    "execution_count",
    "application/vnd.jupyter.widget-view+json",
    "image/png",
    "image/jpeg",
)

Sanitizer = Sequence[tuple[str, str]]
"""Pairs of a regular expression and its replacement, applied in order to both sides."""

Stop = tuple[str | None, str, str]

_ESCAPES: Final = re.compile(r"\x1b\[[0-9;]*m")


class _Comparison:
    """What nbval's `IPyNbCell.compare_outputs` needs of `self`."""

    compare_outputs = nbval.IPyNbCell.compare_outputs
    sanitize = nbval.IPyNbCell.sanitize
    colors = nbval.nocolors

    def __init__(self, sanitizer: Sanitizer) -> None:
        self.parent = SimpleNamespace(skip_compare=SKIP_COMPARE, sanitize_patterns=dict(sanitizer))
        self.comparison_traceback: list[str] = []

    def format_output_compare(self, key: str, left: Any, right: Any) -> None:
        """Say what differs as a unified diff (nbval asks pytest's assertion hook)."""
        lines = difflib.unified_diff(
            _lines(left), _lines(right), f"committed {key}", f"executed {key}", lineterm="", n=2
        )
        self.comparison_traceback.extend(lines)


def _lines(value: Any) -> list[str]:
    text = value if isinstance(value, str) else repr(value)
    return text.splitlines()


def sanitizer_for(notebook: Path) -> Sanitizer:
    """The pairs of the sanitize file that serves a notebook: beside it, or in `notebooks/` next door."""
    for folder in (notebook.parent, notebook.parent.parent / "notebooks"):
        if (folder / "sanitize.cfg").is_file():
            return read_sanitizer(folder / "sanitize.cfg")
    return ()


def read_sanitizer(path: Path) -> Sanitizer:
    """The pairs of a sanitize file, in nbval's format."""
    pairs: Sanitizer = nbval.get_sanitize_patterns(path.read_text(encoding="utf-8"))
    return pairs


def options(cell: NotebookNode) -> dict[str, bool]:
    """The options that nbval knows of a cell, from its tags and comment markers: "check", "check_exception", "skip"."""
    found = {"check": True, "check_exception": False, "skip": False}
    with warnings.catch_warnings(action="ignore"):  # contradicting markers: the later wins, as in nbval
        found.update(nbval.find_metadata_tags(cell.metadata))
        found.update(nbval.find_comment_markers(cell.source))
    return found


def compared(cell: NotebookNode) -> bool:
    """Whether the outputs of this committed cell are held against a run."""
    wanted = options(cell)
    return wanted["check"] and not wanted["skip"]


def judge(
    committed: NotebookNode, executed: NotebookNode, sanitizer: Sanitizer = ()
) -> tuple[CellVerdict, ...]:
    """A verdict for every code cell of `committed`, from the run `executed`. Changes neither.

    Raises WorkbenchError when `executed` is not a run of `committed`.
    """
    cells, runs = code_cells(committed), code_cells(executed)
    if [cell.source for cell in cells] != [run.source for run in runs]:
        raise WorkbenchError(
            "the executed notebook is not a run of the committed one, their code cells differ:"
            " if the file was changed meanwhile, run it again"
        )
    return tuple(_verdicts(cells, runs, _stop(executed), sanitizer))


def _stop(executed: NotebookNode) -> Stop | None:
    """What stopped the run apart from an exception in a cell: (cell id, reason, detail).

    A run that stopped outside of the committed cells (its kernel never started) stopped at the first.
    """
    stop = executed.metadata.get("workbench", {}).get("stop")
    if not stop:
        return None
    ids = [cell.get("id") for cell in code_cells(executed)]
    cell = stop["cell"] if stop["cell"] in ids else next(iter(ids), None)
    return (cell, stop["reason"], stop["detail"])


def _verdicts(
    cells: list[NotebookNode], runs: list[NotebookNode], stop: Stop | None, sanitizer: Sanitizer
) -> Iterator[CellVerdict]:
    stopped_by = 0
    for number, (cell, run) in enumerate(zip(cells, runs, strict=True), 1):
        name = cell.get("id", "")
        title = next((line.strip() for line in cell.source.splitlines() if line.strip()), "(empty cell)")
        if stopped_by:
            yield CellVerdict(number, name, title, "not run", f"cell {stopped_by} stopped the notebook")
            continue
        if stop and stop[0] == run.get("id"):
            yield CellVerdict(number, name, title, "error", stop[1], stop[2])
            stopped_by = number
            continue
        outcome, reason, detail = _one(cell, run, sanitizer)
        if outcome == "error":
            stopped_by = number
        yield CellVerdict(number, name, title, outcome, reason, detail)


def _one(cell: NotebookNode, run: NotebookNode, sanitizer: Sanitizer) -> tuple[str, str, str]:
    wanted = options(cell)
    if wanted["skip"]:
        return "skipped", "tagged nbval-skip", ""
    error = next((output for output in run.outputs if output.output_type == "error"), None)
    if error is not None and not wanted["check_exception"]:
        text = "\n".join(error.traceback) or f"{error.ename}: {error.evalue}"
        return "error", f"{error.ename}: {_first_line(error.evalue)}", _ESCAPES.sub("", text)
    if cell.execution_count is None:
        # nbval would let such a cell pass unchecked when it has no outputs.
        return "failed", "the committed cell was never run (no execution count): run `make accept`", ""
    if not wanted["check"]:
        return "ran", "", ""
    missing = _missing(cell, run)
    if missing:
        return "skipped", f"not offered: {', '.join(missing)}", ""
    comparison = _Comparison(sanitizer)
    # nbval merges streams in place, so it gets copies.
    got = nbval.coalesce_streams(copy.deepcopy(run.outputs))
    stored = nbval.coalesce_streams(copy.deepcopy(cell.outputs))
    if comparison.compare_outputs(got, stored):
        return "passed", "", ""
    detail = "\n".join(line for line in map(str, comparison.comparison_traceback) if line)
    return "failed", "outputs differ from the committed ones", detail


def _missing(cell: NotebookNode, run: NotebookNode) -> tuple[str, ...]:
    if len(run.outputs) != 1 or run.outputs[0].get("name") != "stdout":
        return ()
    return says_missing(cell.source, run.outputs[0].text)


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]
