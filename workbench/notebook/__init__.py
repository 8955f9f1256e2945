"""Notebooks: run on tokens, judged against what was committed, refreshed; magics and progress inside them.

Names are imported when they are used: this package is loaded in every kernel and every test run, and
papermill alone takes a second.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.notebook.diagrams import Diagram, lifecycle, state_machine
    from workbench.notebook.magics import load_ipython_extension
    from workbench.notebook.manuscript import problems
    from workbench.notebook.progress import Progress, track
    from workbench.notebook.refresh import accept
    from workbench.notebook.runner import Step, failures, notebooks_in, run
    from workbench.notebook.verdict import CellVerdict, Matrix, Verdict, read_verdicts

__all__ = [
    "CellVerdict",
    "Diagram",
    "Matrix",
    "Progress",
    "Step",
    "Verdict",
    "accept",
    "failures",
    "lifecycle",
    "load_ipython_extension",
    "notebooks_in",
    "problems",
    "read_verdicts",
    "run",
    "state_machine",
    "track",
]

_HOME = {
    "CellVerdict": "verdict",
    "Diagram": "diagrams",
    "Matrix": "verdict",
    "Progress": "progress",
    "Step": "runner",
    "Verdict": "verdict",
    "accept": "refresh",
    "failures": "runner",
    "lifecycle": "diagrams",
    "load_ipython_extension": "magics",
    "notebooks_in": "runner",
    "problems": "manuscript",
    "read_verdicts": "verdict",
    "run": "runner",
    "state_machine": "diagrams",
    "track": "progress",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
