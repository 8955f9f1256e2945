"""Every committed notebook: ready to be committed, and guarded in each line that is compared.

That its outputs hold on every token is what the plugin's own items test (`pytest notebooks benchmarks`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbformat import NotebookNode

from workbench import tokens
from workbench.notebook import problems
from workbench.notebook.document import code_cells, read_notebook
from workbench.notebook.judge import SKIP_COMPARE, compared, judge, sanitizer_for
from workbench.notebook.plugin import verdict_of

ROOT = Path(__file__).parents[2]
COMMITTED = sorted([*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("benchmarks/*.ipynb")])

every_notebook = pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)


@every_notebook
def test_a_committed_notebook_is_ready_to_be_committed(path: Path) -> None:
    assert problems(read_notebook(path)) == ()


@pytest.mark.notebook
@every_notebook
def test_no_compared_output_can_be_altered_unnoticed(path: Path, request: pytest.FixtureRequest) -> None:
    names = tokens.available()
    if not names:
        pytest.skip("no token is available here")
    verdict = verdict_of(request.config, path, names[0])
    assert verdict.outcome == "passed", verdict.reason
    assert verdict.artifact is not None
    executed, committed, sanitizer = read_notebook(verdict.artifact), read_notebook(path), sanitizer_for(path)
    skipped = {cell.number for cell in verdict.cells if cell.outcome == "skipped"}
    unnoticed, tried = [], 0
    for number, what, altered in alterations(committed):
        if number not in skipped:
            tried += 1
            if judge(altered, executed, sanitizer)[number - 1].outcome != "failed":
                unnoticed.append(f"cell {number}: {what}")
    assert unnoticed == []
    assert tried > 0


def alterations(committed: NotebookNode) -> Iterator[tuple[int, str, NotebookNode]]:
    """Copies of the notebook: in each, one line of one compared output has a word more, or an output is gone."""
    for position, cell in enumerate(code_cells(committed)):
        if not compared(cell):
            continue
        for place in range(len(cell.outputs)):
            if kinds(cell.outputs[place]):
                altered = copy.deepcopy(committed)
                del code_cells(altered)[position].outputs[place]
                yield position + 1, f"output {place} removed", altered
            for kind in kinds(cell.outputs[place]):
                lines = text_of(cell.outputs[place], kind).split("\n")
                for line in range(len(lines)):
                    altered = copy.deepcopy(committed)
                    words = [*lines[:line], lines[line] + " altered", *lines[line + 1 :]]
                    set_text(code_cells(altered)[position].outputs[place], kind, "\n".join(words))
                    yield position + 1, f"output {place}, {kind}, line {line + 1}", altered


def kinds(output: NotebookNode) -> list[str]:
    return (
        ["text"]
        if output.output_type == "stream"
        else [kind for kind in output.data if kind not in SKIP_COMPARE]
    )


def text_of(output: NotebookNode, kind: str) -> str:
    return output.text if output.output_type == "stream" else output.data[kind]


def set_text(output: NotebookNode, kind: str, text: str) -> None:
    if output.output_type == "stream":
        output.text = text
    else:
        output.data[kind] = text
