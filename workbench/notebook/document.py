"""Reading and writing notebook files, and which of their cells count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
from nbformat import NotebookNode

from workbench.faults import WorkbenchError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["code_cells", "notebook_text", "read_notebook", "write_notebook"]


def read_notebook(path: Path) -> NotebookNode:
    """A notebook in format 4; WorkbenchError when the file is none."""
    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except FileNotFoundError:
        raise WorkbenchError(f"{path} does not exist: give the path of a notebook") from None
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, UnicodeDecodeError, KeyError):
        raise WorkbenchError(f"{path} is not a Jupyter notebook (.ipynb, format 4)") from None
    return notebook


def notebook_text(notebook: NotebookNode) -> str:
    """The notebook as it stands in its file."""
    text: str = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
    return text.rstrip("\n") + "\n"


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook file."""
    path.write_text(notebook_text(notebook), encoding="utf-8")


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells, without the one that papermill inserts for the parameters."""
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.get("tags", [])
    ]
