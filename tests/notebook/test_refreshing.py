"""`accept`: committed outputs are refreshed, and a diff shows only what changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from scratch_notebooks import NotebookMaker

from workbench.faults import WorkbenchError
from workbench.notebook import accept, problems
from workbench.notebook.document import read_notebook, write_notebook

pytestmark = pytest.mark.notebook


def test_accepting_twice_changes_nothing_but_ignored_cells(make_notebook: NotebookMaker) -> None:
    path = make_notebook(
        "print('hello')", "{'a': 1}", ("import time; print(time.time_ns())", "nbval-ignore-output")
    )
    first = read_notebook(path)
    assert accept([path]) == (path,)
    second = read_notebook(path)
    assert first.cells[:-1] == second.cells[:-1]
    assert first.cells[-1] != second.cells[-1]


def test_an_accepted_notebook_is_ready_to_commit_and_stays_the_same_file(
    make_notebook: NotebookMaker,
) -> None:
    path = make_notebook("print('hello')")
    before = path.read_bytes()
    assert problems(read_notebook(path)) == ()
    assert accept([path]) == ()
    assert path.read_bytes() == before


def test_a_sanitized_difference_does_not_churn_the_file(make_notebook: NotebookMaker, tmp_path: Path) -> None:
    (tmp_path / "sanitize.cfg").write_text("regex: \\d+ ns\nreplace: DURATION\n", encoding="utf-8")
    path = make_notebook("import time; print(time.time_ns(), 'ns')")
    assert accept([path]) == ()


@pytest.mark.filterwarnings("ignore::nbformat.warnings.MissingIDFieldWarning")
def test_outputs_follow_a_change_of_the_source(make_notebook: NotebookMaker) -> None:
    path = make_notebook("print('hello')", "1 + 1")
    notebook = read_notebook(path)
    notebook.cells[1].source = "print('bye')"
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.cells[1].metadata["collapsed"] = True
    del notebook.cells[2]["id"]
    write_notebook(notebook, path)
    assert accept([path]) == (path,)
    notebook = read_notebook(path)
    assert notebook.cells[1].outputs[0].text == "bye\n"
    assert problems(notebook) == ()


def test_a_failing_notebook_is_left_alone(make_notebook: NotebookMaker) -> None:
    path = make_notebook("print('hello')", "1 / 0", accepted=False)
    before = path.read_bytes()
    with pytest.raises(WorkbenchError, match=r"lesson\.ipynb fails with ZeroDivisionError"):
        accept([path])
    assert path.read_bytes() == before
