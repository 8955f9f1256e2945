"""The rules for a notebook that is to be committed, each broken once."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from nbformat import NotebookNode, v4
from scratch_notebooks import PARAMETERS, build

from workbench.notebook import problems


def ready() -> NotebookNode:
    """A notebook that may be committed: a figure, and its numbers in the cell after it."""
    notebook = build((PARAMETERS, "parameters"), "draw()", "table()", "end()")
    for number, cell in enumerate(notebook.cells, 1):
        cell.execution_count = number
    show(notebook, 1, image_png="AAAA", text_plain="<Figure size 640x480 with 1 Axes>")
    show(notebook, 2, text_html="<table><tr><td>64</td></tr></table>", text_plain="64")
    return notebook


def show(notebook: NotebookNode, cell: int, **data: str) -> None:
    bundle = {kind.replace("_", "/", 1).replace("_", "+"): value for kind, value in data.items()}
    notebook.cells[cell].outputs = [v4.new_output("display_data", data=bundle)]


def tag(notebook: NotebookNode, cell: int, name: str) -> None:
    notebook.cells[cell].metadata["tags"] = [name]


def test_a_figure_with_its_numbers_beside_it_may_be_committed() -> None:
    assert problems(ready()) == ()


@pytest.mark.parametrize(
    "data",
    [
        {"image_png": "AAAA"},
        {"image_jpeg": "AAAA", "text_plain": "<Figure size 640x480 with 1 Axes>"},
        {"image_svg_xml": "<svg/>", "text_plain": "<IPython.core.display.SVG object>"},
        {"text_html": "<svg></svg>", "text_plain": "<Diagram>"},
        {"text_html": "<img src='data:image/png;base64,AAAA'>"},
        {"text_markdown": "![](data:image/png;base64,AAAA)"},
    ],
    ids=["png", "jpeg", "svg", "svg in html", "img in html", "img in markdown"],
)
def test_a_figure_alone_is_refused(data: dict[str, str]) -> None:
    notebook = ready()
    show(notebook, 3, **data)
    assert [problem[:27] for problem in problems(notebook)] == ["code cell 4 draws a figure,"]


def test_a_table_that_is_not_compared_does_not_stand_for_a_figure() -> None:
    notebook = ready()
    tag(notebook, 2, "nbval-ignore-output")
    assert any("draws a figure" in problem for problem in problems(notebook))


def test_a_table_two_cells_later_does_not_stand_for_a_figure() -> None:
    notebook = ready()
    notebook.cells[3].outputs, notebook.cells[2].outputs = notebook.cells[2].outputs, []
    assert any("draws a figure" in problem for problem in problems(notebook))


def test_text_in_the_figure_s_own_output_stands_for_it() -> None:
    notebook = ready()
    show(notebook, 1, image_svg_xml="<svg/>", text_plain="C_Initialize -> C_OpenSession")
    show(notebook, 2, text_plain="<Nothing to see>")
    assert problems(notebook) == ()


def without_counts(notebook: NotebookNode) -> None:
    notebook.cells[2].execution_count = None


def out_of_order(notebook: NotebookNode) -> None:
    notebook.cells[2].execution_count = 7


def with_error(notebook: NotebookNode) -> None:
    notebook.cells[2].outputs.append(v4.new_output("error", ename="OSError", evalue="", traceback=[]))


def with_language(notebook: NotebookNode) -> None:
    notebook.metadata["language_info"] = {"name": "python"}


def with_timing(notebook: NotebookNode) -> None:
    notebook.cells[2].metadata["execution"] = {}


def with_path(notebook: NotebookNode) -> None:
    show(notebook, 2, text_plain="/home/alice/pkcs11")


def with_pin(notebook: NotebookNode) -> None:
    notebook.cells[0].source += "\nuser_pin: str = ''"


def without_token(notebook: NotebookNode) -> None:
    notebook.cells[0].source = "rounds = 3"


def without_parameters(notebook: NotebookNode) -> None:
    notebook.cells[0].metadata = {}


def with_widget(notebook: NotebookNode) -> None:
    notebook.cells[2].outputs[0].data["application/vnd.jupyter.widget-view+json"] = {"model_id": "1"}


def with_script(notebook: NotebookNode) -> None:
    notebook.cells[2].outputs[0].data["text/html"] += "<script>1</script>"


def with_shell(notebook: NotebookNode) -> None:
    notebook.cells[2].source = "!ls"


def skipped(notebook: NotebookNode) -> None:
    tag(notebook, 3, "nbval-skip")


def may_raise(notebook: NotebookNode) -> None:
    tag(notebook, 3, "raises-exception")


def same_id(notebook: NotebookNode) -> None:
    notebook.cells[3]["id"] = notebook.cells[2]["id"]


def empty_cell(notebook: NotebookNode) -> None:
    notebook.cells[3].source = "\n"


def nothing_compared(notebook: NotebookNode) -> None:
    notebook.cells[1].outputs = notebook.cells[2].outputs = []


BROKEN = {
    without_counts: "code cell 3 has execution count None",
    out_of_order: "code cell 3 has execution count 7",
    with_error: "code cell 3 ends in OSError",
    with_language: r"beside kernelspec \(language_info\)",
    with_timing: "metadata beside tags in cell 3 of all: execution",
    with_path: "a path of one machine",
    with_pin: "parameter user_pin: a secret",
    without_token: "neither token_name nor token_names",
    without_parameters: "0 cells are tagged `parameters`",
    with_widget: "code cell 3 needs a live front end",
    with_script: "code cell 3 needs a live front end",
    with_shell: "runs a shell command",
    skipped: "skipped by nbval",
    may_raise: "code cell 4 may raise",
    same_id: "same id",
    empty_cell: "code cell 4 is empty",
    nothing_compared: "a run could not fail",
}


@pytest.mark.parametrize("spoil, words", BROKEN.items(), ids=[rule.__name__ for rule in BROKEN])
def test_what_may_not_be_committed_is_named(spoil: Callable[[NotebookNode], None], words: str) -> None:
    notebook = ready()
    spoil(notebook)
    found = problems(notebook)
    assert any(re.search(words, problem) for problem in found), found
