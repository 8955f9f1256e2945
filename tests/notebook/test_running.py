"""`run`: what `workbench run` and `workbench demo` do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from nbformat import v4
from scratch_notebooks import NotebookMaker

from workbench import tokens
from workbench.faults import WorkbenchError
from workbench.notebook import Step, failures, read_verdicts, run
from workbench.notebook.document import read_notebook, write_notebook

pytestmark = pytest.mark.notebook


def test_a_run_leaves_verdicts_artifacts_and_pages(
    make_notebook: NotebookMaker, alter: Callable[[Path, str, str], None], tmp_path: Path
) -> None:
    good = make_notebook("print('hello')", name="00-good.ipynb")
    bad = make_notebook("print('hello')", "print('<bye>')", name="01-bad.ipynb")
    alter(bad, "<bye>", "<done>")
    steps: list[Step] = []
    out = tmp_path / "out"
    verdicts = run([good, bad], ["softhsm", "nss"], out, steps.append)

    assert [(verdict.token, verdict.outcome) for verdict in verdicts] == [
        ("softhsm", "passed"),
        ("softhsm", "failed"),
        ("nss", "passed"),
        ("nss", "failed"),
    ]
    assert verdicts[1].reason == "cell 3: outputs differ from the committed ones"
    assert len(list(failures(verdicts))) == 2
    assert read_verdicts(out).verdicts == verdicts
    stored = json.loads((out / "verdicts.json").read_text(encoding="utf-8"))
    assert stored["verdicts"][1]["artifact"] == "softhsm/01-bad.ipynb"
    assert set(stored["tokens"]) == {"softhsm", "nss"}

    assert [(step.position, step.total) for step in steps if step.verdict] == [(n, 4) for n in range(1, 5)]
    assert [(step.cell, step.cells) for step in steps[:3]] == [(1, 2), (2, 2), (2, 2)]

    page = (out / "nss" / "01-bad.html").read_text(encoding="utf-8")
    assert "-&lt;done&gt;" in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//|@import|url\(""", page), (
        "a page must need no network"
    )
    assert "<script" not in page


def test_a_page_links_pages_and_describes_its_drawings(make_notebook: NotebookMaker, tmp_path: Path) -> None:
    draw = "from IPython.display import display\ndisplay({'image/svg+xml': '<svg/>', 'text/plain': 'a <line>'}, raw=True)"
    path = make_notebook(draw)
    notebook = read_notebook(path)
    notebook.cells.append(
        v4.new_markdown_cell("[next](01-more.ipynb#end) [elsewhere](https://x.org/y.ipynb)", id="n")
    )
    write_notebook(notebook, path)
    run([path], ["softhsm"], tmp_path / "out")
    page = (tmp_path / "out" / "softhsm" / "lesson.html").read_text(encoding="utf-8")
    assert 'href="01-more.html#end"' in page
    assert 'href="https://x.org/y.ipynb"' in page
    assert 'alt="a &lt;line&gt;"' in page


def test_a_directory_stands_for_its_notebooks_in_order(make_notebook: NotebookMaker, tmp_path: Path) -> None:
    make_notebook("print(2)", name="02.ipynb")
    make_notebook("print(1)", name="01.ipynb")
    verdicts = run([tmp_path], ["softhsm"], tmp_path / "out")
    assert [Path(verdict.notebook).name for verdict in verdicts] == ["01.ipynb", "02.ipynb"]


def test_a_token_that_is_not_available_is_skipped_with_the_reason(
    make_notebook: NotebookMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "why_not", lambda name: "no libsoftokn3.so")
    (verdict,) = run([make_notebook("print(1)", accepted=False)], ["nss"], tmp_path / "out")
    assert (verdict.outcome, verdict.reason, verdict.artifact) == ("skipped", "no libsoftokn3.so", None)


def test_bad_paths_are_one_sentence(make_notebook: NotebookMaker, tmp_path: Path) -> None:
    path = make_notebook("print(1)", accepted=False)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(WorkbenchError, match="is not a notebook"):
        run([tmp_path / "nothing.ipynb"], ["softhsm"], tmp_path / "out")
    with pytest.raises(WorkbenchError, match="no notebook in"):
        run([tmp_path / "empty"], ["softhsm"], tmp_path / "out")
    with pytest.raises(WorkbenchError, match="cannot write to"):
        run([path], ["softhsm"], tmp_path / "file" / "out")


def test_verdicts_of_another_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / "verdicts.json").write_text('{"schema_version": 99}', encoding="utf-8")
    with pytest.raises(WorkbenchError, match="schema version 99"):
        read_verdicts(tmp_path)
    with pytest.raises(WorkbenchError, match="no verdicts in"):
        read_verdicts(tmp_path / "elsewhere")
