"""The pytest plugin as a user meets it: a pytest of its own over small notebooks."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from scratch_notebooks import NotebookMaker, PytestRunner

from workbench.notebook.document import read_notebook, write_notebook

pytestmark = pytest.mark.notebook

Alter = Callable[[Path, str, str], None]


def counts(output: str) -> dict[str, int]:
    """What pytest's last line counts."""
    return {
        word: int(number)
        for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", output.splitlines()[-1])
    }


def test_each_cell_is_an_item_of_its_token_and_the_artifact_stays(
    make_notebook: NotebookMaker, run_pytest: PytestRunner, tmp_path: Path
) -> None:
    make_notebook("print('hello')", ("print(token_name)", "nbval-ignore-output"))
    done = run_pytest("--token", "softhsm", "--token", "nss", "lesson.ipynb")
    assert done.returncode == 0, done.stdout
    assert counts(done.stdout) == {"passed": 6}
    assert "PASSED lesson.ipynb::nss::cell 3" in done.stdout
    for token in ("softhsm", "nss"):
        artifact = read_notebook(tmp_path / "build" / "notebooks" / token / "lesson.ipynb")
        assert artifact.cells[-1].outputs[0].text == f"{token}\n"
        assert (tmp_path / "build" / "notebooks" / token / "lesson.html").exists()


def test_an_altered_output_fails_under_every_token_and_under_nbval_alone(
    make_notebook: NotebookMaker, run_pytest: PytestRunner, alter: Alter
) -> None:
    make_notebook("print('hello')", name="good.ipynb")
    alter(make_notebook("print('hello')", "print('world')", name="bad.ipynb"), "hello", "hallo")
    ours = run_pytest("--token", "softhsm", "--token", "nss", ".")
    assert counts(ours.stdout) == {"passed": 8, "failed": 2}
    assert "bad.ipynb on nss, cell 2: outputs differ from the committed ones" in ours.stdout
    assert "-hallo" in ours.stdout
    # Now the plugin steps aside: each notebook once, by nbval.
    plain = run_pytest("--nbval", ".")
    assert counts(plain.stdout) == {"passed": 4, "failed": 1}
    assert "FAILED bad.ipynb::Cell 1" in plain.stdout


def test_one_cell_of_one_token_can_be_selected(
    make_notebook: NotebookMaker, run_pytest: PytestRunner
) -> None:
    make_notebook("print('hello')", accepted=False)
    done = run_pytest(
        "--token", "softhsm", "--token", "nss", "--collect-only", "-q", "lesson.ipynb::nss::cell 2"
    )
    assert done.stdout.splitlines()[0] == "lesson.ipynb::nss::cell 2"
    assert "1 test collected" in done.stdout


def test_notebook_items_carry_the_marker(make_notebook: NotebookMaker, run_pytest: PytestRunner) -> None:
    make_notebook("print('hello')", accepted=False)
    done = run_pytest("--token", "softhsm", "-m", "not notebook", "lesson.ipynb")
    assert "2 deselected" in done.stdout


def test_a_dead_kernel_fails_its_cell_and_skips_the_rest(
    make_notebook: NotebookMaker, run_pytest: PytestRunner
) -> None:
    path = make_notebook("print('hello')", "print('bye')", "print('end')")
    notebook = read_notebook(path)
    notebook.cells[2].source = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)"
    write_notebook(notebook, path)
    done = run_pytest("--token", "softhsm", "lesson.ipynb")
    assert counts(done.stdout) == {"passed": 2, "failed": 1, "skipped": 1}
    assert "the kernel died: killed by SIGSEGV" in done.stdout
    assert "cell 3 stopped the notebook" in done.stdout


def test_a_cell_that_was_never_executed_fails(make_notebook: NotebookMaker, run_pytest: PytestRunner) -> None:
    make_notebook("x = 1", accepted=False)
    done = run_pytest("--token", "softhsm", "lesson.ipynb")
    assert counts(done.stdout) == {"failed": 2}
    assert "never run" in done.stdout


def test_processes_of_xdist_do_not_share_a_notebook(
    make_notebook: NotebookMaker, run_pytest: PytestRunner, tmp_path: Path
) -> None:
    pytest.importorskip("xdist")
    path = make_notebook("print('hello')", "print('world')", "print('again')")
    notebook = read_notebook(path)
    notebook.cells[0].source += "\nwith open('runs.txt', 'a') as runs:\n    _ = runs.write('x')"
    write_notebook(notebook, path)
    done = run_pytest("--token", "softhsm", "-n", "2", "lesson.ipynb")
    assert counts(done.stdout) == {"passed": 4}
    assert (tmp_path / "runs.txt").read_text(encoding="utf-8") == "x"


@pytest.mark.parametrize("variables, outcome", [({}, "skipped"), ({"CI": "1"}, "failed")], ids=["here", "CI"])
def test_a_token_that_is_not_available_is_skipped_here_and_fails_in_ci(
    make_notebook: NotebookMaker,
    run_pytest: PytestRunner,
    tmp_path: Path,
    variables: dict[str, str],
    outcome: str,
) -> None:
    make_notebook("print('hello')", accepted=False)
    without_nss = "from workbench import tokens\ntokens.why_not = lambda name: 'no libsoftokn3.so' if name == 'nss' else None\n"
    (tmp_path / "conftest.py").write_text(without_nss, encoding="utf-8")
    done = run_pytest("--token", "nss", "lesson.ipynb", **variables)
    assert counts(done.stdout) == {outcome: 1}
    assert "no libsoftokn3.so" in done.stdout


def test_a_token_that_is_not_known_is_one_sentence(
    make_notebook: NotebookMaker, run_pytest: PytestRunner
) -> None:
    make_notebook("print('hello')", accepted=False)
    done = run_pytest("--token", "safenet", "lesson.ipynb")
    assert done.returncode != 0
    assert "safenet" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
