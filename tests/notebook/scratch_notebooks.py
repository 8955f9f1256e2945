"""Notebooks that the tests write themselves."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from nbformat import NotebookNode, v4

from workbench.notebook.refresh import KERNELSPEC

PARAMETERS = 'token_name: str = "sandbox"  # the token to work on'

Cell = str | tuple[str, str]
"""A code cell's source, or source and one tag."""

NotebookMaker = Callable[..., Path]
PytestRunner = Callable[..., subprocess.CompletedProcess[str]]


def build(*cells: Cell) -> NotebookNode:
    notebook = v4.new_notebook(metadata={"kernelspec": KERNELSPEC})
    for number, cell in enumerate(cells, 1):
        source, tags = (cell, []) if isinstance(cell, str) else (cell[0], [cell[1]])
        node = v4.new_code_cell(source, id=f"cell-{number:02d}")
        if tags:
            node.metadata["tags"] = tags
        notebook.cells.append(node)
    return notebook
