"""The judge as a function of two notebooks, and that it says what nbval says."""

from __future__ import annotations

import copy

import pytest
from nbformat import NotebookNode, v4
from nbval.plugin import IPyNbFile
from scratch_notebooks import build

from workbench.faults import WorkbenchError
from workbench.notebook.judge import SKIP_COMPARE, judge
from workbench.notebook.requirement import missing_line
from workbench.notebook.verdict import overall


def stream(text: str, name: str = "stdout") -> NotebookNode:
    return v4.new_output("stream", name=name, text=text)


def result(**data: str) -> NotebookNode:
    return v4.new_output(
        "display_data", data={kind.replace("_", "/", 1): value for kind, value in data.items()}
    )


def ran(notebook: NotebookNode, *outputs: list[NotebookNode]) -> NotebookNode:
    """The notebook as if it had been executed with these outputs."""
    executed = copy.deepcopy(notebook)
    for number, (cell, produced) in enumerate(zip(executed.cells, outputs, strict=True), 1):
        cell.execution_count = number
        cell.outputs = produced
    return executed


def outcomes(
    committed: NotebookNode, executed: NotebookNode, sanitizer: tuple[tuple[str, str], ...] = ()
) -> list[str]:
    return [cell.outcome for cell in judge(committed, executed, sanitizer)]


def test_equal_outputs_pass() -> None:
    notebook = ran(build("a", "b"), [stream("1\n")], [result(text_plain="2", text_html="<b>2</b>")])
    assert outcomes(notebook, copy.deepcopy(notebook)) == ["passed", "passed"]


@pytest.mark.parametrize(
    "produced",
    [
        [],
        [stream("hello\n")],
        [stream("Hello\n", name="stderr")],
        [stream("Hello\n"), stream("warning\n", name="stderr")],
        [stream("Hello\n"), result(text_plain="1")],
        [result(text_plain="Hello\n")],
    ],
    ids=["missing", "case", "other stream", "more streams", "more outputs", "other kind"],
)
def test_any_difference_fails_and_shows_itself(produced: list[NotebookNode]) -> None:
    notebook = build("print('Hello')")
    (cell,) = judge(ran(notebook, [stream("Hello\n")]), ran(notebook, produced))
    assert cell.outcome == "failed"
    assert cell.detail


def test_a_difference_is_shown_as_a_diff() -> None:
    notebook = build("show()")
    committed = ran(notebook, [stream("one\ntwo\nthree\n")])
    (cell,) = judge(committed, ran(notebook, [stream("one\n2\nthree\n")]))
    assert "-two\n+2" in cell.detail


def test_pictures_are_not_compared_but_their_text_is() -> None:
    notebook = build("draw()")
    committed = ran(notebook, [result(image_png="AAAA", text_plain="P-256: 64 bytes")])
    assert outcomes(committed, ran(notebook, [result(image_png="BBBB", text_plain="P-256: 64 bytes")])) == [
        "passed"
    ]
    assert outcomes(committed, ran(notebook, [result(image_png="AAAA", text_plain="P-256: 65 bytes")])) == [
        "failed"
    ]


def test_an_ignored_cell_must_run_but_not_repeat_itself() -> None:
    notebook = build(("now()", "nbval-ignore-output"))
    committed = ran(notebook, [stream("12:00\n")])
    assert outcomes(committed, ran(notebook, [stream("12:01\n")])) == ["ran"]
    error = v4.new_output("error", ename="OSError", evalue="gone", traceback=["\x1b[31mOSError\x1b[0m: gone"])
    (cell,) = judge(committed, ran(notebook, [error]))
    assert (cell.outcome, cell.reason, cell.detail) == ("error", "OSError: gone", "OSError: gone")


def test_a_sanitized_value_may_differ() -> None:
    notebook = build("show()")
    committed, executed = ran(notebook, [stream("took 12 ms\n")]), ran(notebook, [stream("took 9 ms\n")])
    assert outcomes(committed, executed) == ["failed"]
    assert outcomes(committed, executed, ((r"\d+ ms", "DURATION"),)) == ["passed"]


def test_a_cell_that_was_never_run_fails_instead_of_passing_unchecked() -> None:
    notebook = build("x = 1")
    committed = copy.deepcopy(notebook)
    (cell,) = judge(committed, ran(notebook, []))
    assert cell.outcome == "failed"
    assert "make accept" in cell.reason


def test_cells_after_the_one_that_stopped_are_not_run() -> None:
    notebook = build("a", "b", "c")
    committed = ran(notebook, [stream("1\n")], [stream("2\n")], [stream("3\n")])
    executed = ran(notebook, [stream("1\n")], [], [])
    executed.metadata["workbench"] = {
        "stop": {"cell": "cell-02", "reason": "the kernel died", "detail": "log"}
    }
    cells = judge(committed, executed)
    assert [cell.outcome for cell in cells] == ["passed", "error", "not run"]
    assert overall(cells) == ("error", "cell 2: the kernel died")


def test_a_missing_mechanism_skips_the_cell_that_asked_for_it() -> None:
    notebook = build("%%requires CKM_EDDSA CKM_ECDSA\nsign()")
    committed = ran(notebook, [stream("64 bytes\n")])
    executed = ran(notebook, [stream(missing_line(["CKM_EDDSA"]) + "\n")])
    cells = judge(committed, executed)
    assert [cell.outcome for cell in cells] == ["skipped"]
    assert overall(cells) == ("passed", "1 cell skipped: not offered: CKM_EDDSA")


@pytest.mark.parametrize(
    "source, text",
    [
        ("sign()", missing_line(["CKM_EDDSA"])),
        ("%%requires CKM_ECDSA\nsign()", missing_line(["CKM_EDDSA"])),
        ("%%requires CKM_EDDSA\nsign()", missing_line(["CKM_EDDSA"]) + "\nand more"),
        ("%%requires CKM_EDDSA\nsign()", "not offered"),
    ],
    ids=["no magic", "other mechanism", "more text", "other words"],
)
def test_nothing_else_passes_for_a_missing_mechanism(source: str, text: str) -> None:
    notebook = build(source)
    committed = ran(notebook, [stream("64 bytes\n")])
    assert outcomes(committed, ran(notebook, [stream(text)])) == ["failed"]


def test_a_run_of_another_notebook_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="not a run of the committed one"):
        judge(ran(build("a"), []), ran(build("b"), []))


def test_judging_changes_neither_notebook() -> None:
    notebook = ran(build("a"), [stream("1\n"), stream("2\n"), stream("x\ry\n", name="stderr")])
    committed, executed = copy.deepcopy(notebook), copy.deepcopy(notebook)
    judge(committed, executed)
    assert committed == notebook
    assert executed == notebook


def test_what_is_skipped_is_what_nbval_skips(request: pytest.FixtureRequest) -> None:
    config = request.config
    collector = IPyNbFile.from_parent(request.session, path=config.rootpath / "any.ipynb")
    assert collector.skip_compare == SKIP_COMPARE
