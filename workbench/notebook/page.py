"""The page of an executed notebook: one HTML file that needs nothing else, with the verdicts in place."""

from __future__ import annotations

import copy
import importlib.resources
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]

from workbench.notebook.document import code_cells

if TYPE_CHECKING:
    from nbconvert.exporters import HTMLExporter
    from nbformat import NotebookNode

    from workbench.notebook.verdict import Verdict

_NOTEBOOK_LINK: Final = re.compile(r'(<a href="[^":/]+)\.ipynb([#"])')

__all__ = ["base_style", "write_page"]


def base_style() -> str:
    """The style that every page of the workbench shares."""
    return _template("base.css")


def write_page(executed: NotebookNode, verdict: Verdict, path: Path) -> Path:
    """Write the page of an executed notebook; each cell that is not simply fine says why beneath it."""
    notebook = copy.deepcopy(executed)
    for cell, said in zip(code_cells(notebook), verdict.cells, strict=True):
        # The cell with the parameters is one more than the author's: number as the verdict and the author do.
        if cell.execution_count is not None:
            cell.execution_count = said.number
        if said.reason:
            cell.metadata["workbench"] = {
                "outcome": said.outcome, "number": said.number, "reason": said.reason, "detail": said.detail,
            }  # fmt: skip
    # papermill's own red banners say less than ours
    notebook.cells = [
        cell for cell in notebook.cells if "papermill-error-cell-tag" not in cell.metadata.get("tags", [])
    ]
    head = {
        "title": f"{Path(verdict.notebook).stem} on {verdict.token}",
        "outcome": verdict.outcome,
        "summary": f"{verdict.notebook} on {verdict.token}"
        + (f": {verdict.reason}" if verdict.reason else ""),
        "style": _style(),
    }
    body, _ = _exporter().from_notebook_node(notebook, resources={"page": head})
    # The next lesson is beside this page as a page.
    path.write_text(_NOTEBOOK_LINK.sub(r"\1.html\2", body), encoding="utf-8")
    return path


@cache
def _exporter() -> HTMLExporter:
    # nbconvert takes 0.4 s to import: only who writes pages pays
    from nbconvert.exporters import HTMLExporter

    # A template's name is that of its directory, here `templates` in this package.
    return HTMLExporter(  # type: ignore[no-untyped-call]
        template_name="templates", extra_template_basedirs=[str(importlib.resources.files(__package__))]
    )


@cache
def _style() -> str:
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    code = f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n.highlight {{ background: none !important; }}"
    return "\n".join([base_style(), code, _template("page.css")])


@cache
def _template(name: str) -> str:
    return (importlib.resources.files(__package__) / "templates" / name).read_text(encoding="utf-8")
