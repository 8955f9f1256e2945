"""Small notebooks that touch no token, and a pytest of their own to run them in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from scratch_notebooks import PARAMETERS, Cell, NotebookMaker, PytestRunner, build

from workbench.notebook.document import read_notebook, write_notebook
from workbench.notebook.refresh import accept


@pytest.fixture
def make_notebook(tmp_path: Path) -> NotebookMaker:
    """Write a notebook of these code cells; with accepted=True also execute it and keep its outputs."""

    def make(*cells: Cell, name: str = "lesson.ipynb", accepted: bool = True) -> Path:
        path = tmp_path / name
        write_notebook(build((PARAMETERS, "parameters"), *cells), path)
        if accepted:
            accept([path])
        return path

    return make


@pytest.fixture
def alter() -> Callable[[Path, str, str], None]:
    """Change a notebook by hand, as a careless editor would: outputs only."""

    def change(path: Path, old: str, new: str) -> None:
        notebook = read_notebook(path)
        hits = 0
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                if output.output_type == "stream" and old in output.text:
                    output.text = output.text.replace(old, new)
                    hits += 1
        assert hits, f"no output says {old!r}"
        write_notebook(notebook, path)

    return change


@pytest.fixture
def run_pytest(tmp_path: Path) -> PytestRunner:
    """Run pytest in the test's directory with the plugin loaded."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "workbench.notebook.plugin",
            "-rA",
            "-p",
            "no:cacheprovider",
        ]
        variables = {key: value for key, value in os.environ.items() if key not in {"CI", "PYTEST_ADDOPTS"}}
        return subprocess.run(
            [*command, "--rootdir", str(tmp_path), "-c", os.devnull, *arguments],
            cwd=tmp_path,
            env={**variables, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run
