"""What a notebook must be before it is committed; each rule is one function that names what is wrong.

The judge holds outputs against a run. These rules guard what no run can show: that there is something to hold,
that a figure can be checked at all, and that nothing of the author's machine is published.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from workbench.notebook.document import code_cells
from workbench.notebook.execute import SECRET_NAME
from workbench.notebook.judge import compared, options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbformat import NotebookNode

__all__ = ["problems"]

_TOKEN_PARAMETERS: Final = ("token_name", "token_names")

_PRIVATE_PATH: Final = re.compile(
    r"(?<![\w.~/-])/(?:home|root|tmp|Users|var/folders|private)/\w|[A-Z]:\\+Users\\", re.ASCII
)

_REPR_ONLY: Final = re.compile(r"<[^<>]*>(?:\s*<[^<>]*>)*")
"""`<Figure size 640x480 with 1 Axes>`, `<IPython.core.display.HTML object>`: text that states nothing."""

_PICTURE: Final = re.compile(r"!\[[^]]*\]\([^)]*\)")
"""A picture in Markdown."""

_ASSIGNED: Final = re.compile(r"^([A-Za-z_]\w*)\s*(?::[^=\n]+)?=(?!=)", re.MULTILINE)


def problems(notebook: NotebookNode) -> tuple[str, ...]:
    """Everything that keeps this notebook from being committed, one sentence each; empty when it is ready."""
    rules = (
        _format,
        _metadata,
        _executed_in_order,
        _errors,
        _figures,
        _scripts,
        _paths,
        _parameters,
        _unjudged,
    )
    return tuple(problem for rule in rules for problem in rule(notebook))


def _format(notebook: NotebookNode) -> Iterator[str]:
    ids = [cell.get("id") for cell in notebook.cells]
    if (notebook.nbformat, notebook.nbformat_minor) < (4, 5) or None in ids:
        yield "cells have no ids (notebook format before 4.5): run `make accept`"
    elif len(set(ids)) < len(ids):
        yield "two cells have the same id: run `make accept`"


def _metadata(notebook: NotebookNode) -> Iterator[str]:
    extra = set(notebook.metadata) - {"kernelspec"}
    if extra:
        yield f"notebook metadata beside kernelspec ({', '.join(sorted(extra))}): run `make accept`"
    if "kernelspec" not in notebook.metadata:
        yield "no kernelspec: run `make accept`"
    for number, cell in enumerate(notebook.cells, 1):
        extra = set(cell.metadata) - {"tags"}
        if extra:
            yield f"metadata beside tags in cell {number} of all: {', '.join(sorted(extra))}"


def _executed_in_order(notebook: NotebookNode) -> Iterator[str]:
    for number, cell in enumerate(code_cells(notebook), 1):
        if cell.execution_count != number:
            yield f"code cell {number} has execution count {cell.execution_count}: run `make accept`"
            return


def _errors(notebook: NotebookNode) -> Iterator[str]:
    for number, cell in enumerate(code_cells(notebook), 1):
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"code cell {number} ends in {output.ename}: show an expected failure with `with expect(...)`"
        if options(cell)["check_exception"]:
            yield f"code cell {number} may raise, which papermill does not honour: use `with expect(...)`"


def _figures(notebook: NotebookNode) -> Iterator[str]:
    cells = code_cells(notebook)
    for number, cell in enumerate(cells, 1):
        if any(map(_is_figure, cell.outputs)) and not any(
            map(_states_something, cells[number - 1 : number + 1])
        ):
            yield (
                f"code cell {number} draws a figure, and nothing compares images: print its numbers in a compared"
                " cell, this one or the next"
            )


def _is_figure(output: NotebookNode) -> bool:
    data = output.get("data", {})
    if any(kind.startswith("image/") for kind in data):
        return True
    markup = data.get("text/html", "") + data.get("text/markdown", "")
    return bool(re.search(r"<svg\b|<img\b", markup) or _PICTURE.search(markup)) or "<Figure size" in data.get(
        "text/plain", ""
    )


def _states_something(cell: NotebookNode) -> bool:
    return compared(cell) and any(map(_has_text, cell.outputs))


def _has_text(output: NotebookNode) -> bool:
    if output.output_type == "stream":
        return bool(output.text.strip())
    data = output.get("data", {})
    if "<table" in data.get("text/html", "") or _PICTURE.sub("", data.get("text/markdown", "")).strip():
        return True
    text = data.get("text/plain", "").strip()
    return bool(text) and not _REPR_ONLY.fullmatch(text)


def _scripts(notebook: NotebookNode) -> Iterator[str]:
    for number, cell in enumerate(code_cells(notebook), 1):
        for output in cell.outputs:
            data = output.get("data", {})
            if any("javascript" in kind or "widget" in kind for kind in data) or "<script" in data.get(
                "text/html", ""
            ):
                yield f"code cell {number} needs a live front end to be seen: show it as text, table or picture"


def _paths(notebook: NotebookNode) -> Iterator[str]:
    text = json.dumps(notebook, indent=1, ensure_ascii=False)
    own = {str(path) for path in (Path.home(), Path.cwd(), Path(sys.prefix)) if len(path.parts) > 2}
    for line in text.splitlines():
        if _PRIVATE_PATH.search(line) or any(path in line for path in own):
            yield f"a path of one machine: {line.strip()[:90]}"


def _parameters(notebook: NotebookNode) -> Iterator[str]:
    tagged = [cell for cell in code_cells(notebook) if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        yield f"{len(tagged)} cells are tagged `parameters`: one must declare token_name (or token_names)"
        return
    names = _ASSIGNED.findall(tagged[0].source)
    if not set(names) & set(_TOKEN_PARAMETERS):
        yield "the cell tagged `parameters` declares neither token_name nor token_names"
    for name in names:
        if SECRET_NAME.search(name):
            yield f"parameter {name}: a secret must not be a parameter, open the token by its name"


def _unjudged(notebook: NotebookNode) -> Iterator[str]:
    cells = code_cells(notebook)
    for number, cell in enumerate(cells, 1):
        if not cell.source.strip():
            yield f"code cell {number} is empty"
        if options(cell)["skip"]:
            yield f"code cell {number} is tagged to be skipped by nbval, which papermill does not honour"
        if re.search(r"^\s*!", cell.source, re.MULTILINE):
            yield f"code cell {number} runs a shell command with `!`: use subprocess.run and print what it said"
    if not any(compared(cell) and any(map(_has_text, cell.outputs)) for cell in cells):
        yield "no cell has a compared output: a run could not fail"
