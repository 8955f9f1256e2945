"""What a run of a notebook was worth: verdicts per cell and per notebook, and their file.

`verdicts.json` is what the report, the command line and other programs read; `schema_version` goes up
with every change of meaning, and an unknown version is refused rather than guessed at.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any, Final

import attrs

from workbench.faults import WorkbenchError
from workbench.measure.provenance import machine, packages

__all__ = [
    "OUTCOMES",
    "SCHEMA_VERSION",
    "CellVerdict",
    "Matrix",
    "Verdict",
    "overall",
    "read_verdicts",
    "write_verdicts",
]

SCHEMA_VERSION: Final = 1

OUTCOMES: Final = ("passed", "failed", "error", "skipped")
"""Of a notebook: held to its committed outputs; differed; stopped; not run (the token is not available)."""


@attrs.frozen
class CellVerdict:
    """One code cell.

    outcome: "passed" (compared, equal), "ran" (executed, not compared: tagged so), "failed" (differs),
    "error" (an exception, a dead kernel, the time limit), "skipped" (the token does not offer a mechanism,
    or tagged so), "not run" (a cell before it stopped the notebook).
    """

    number: int
    """Counted over the code cells from 1: in a committed notebook it is also the number in `[n]`."""
    id: str
    """The cell's id in the notebook; its place in the page is `#cell-id=<id>`."""
    title: str
    """The first line of the cell's source."""
    outcome: str
    reason: str = ""
    """One line; empty for "passed" and "ran"."""
    detail: str = ""
    """The difference or the traceback, as text."""


@attrs.frozen
class Verdict:
    """One notebook on one token."""

    notebook: str
    """The path as it was given, with forward slashes."""
    token: str
    outcome: str
    reason: str
    """One sentence; empty when passed without any skipped cell."""
    cells: tuple[CellVerdict, ...]
    seconds: float
    artifact: Path | None
    """The executed notebook; None when nothing was executed. The page for readers lies beside it (`.html`)."""
    kernel: str
    """Kernel name and the Python it ran, as recorded by the run itself; empty when nothing was executed."""

    @property
    def page(self) -> Path | None:
        """The executed notebook as one HTML page."""
        return None if self.artifact is None else self.artifact.with_suffix(".html")


@attrs.frozen
class Matrix:
    """What `verdicts.json` holds."""

    created: str
    """UTC, ISO 8601."""
    verdicts: tuple[Verdict, ...]
    tokens: dict[str, dict[str, Any]]
    """Provenance of each token by name, plain JSON values without secrets."""
    machine: dict[str, Any]
    packages: dict[str, str]


def overall(cells: tuple[CellVerdict, ...]) -> tuple[str, str]:
    """The outcome of a notebook, and its reason in one sentence, from its cells."""
    for outcome in ("error", "failed"):
        named = [cell for cell in cells if cell.outcome == outcome]
        if named:
            first = f"cell {named[0].number}: {named[0].reason}"
            more = f" (and {len(named) - 1} more)" if len(named) > 1 else ""
            return outcome, first + more
    skipped = [cell for cell in cells if cell.outcome == "skipped"]
    if skipped:
        reasons = dict.fromkeys(cell.reason for cell in skipped)
        plural = "s" if len(skipped) > 1 else ""
        return "passed", f"{len(skipped)} cell{plural} skipped: {'; '.join(reasons)}"
    return "passed", ""


def write_verdicts(directory: Path, verdicts: tuple[Verdict, ...], tokens: dict[str, dict[str, Any]]) -> Path:
    """Write `verdicts.json`; paths of artifacts are kept relative to it, so that the directory can be moved."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "packages": packages(),
        "tokens": tokens,
        "verdicts": [
            attrs.asdict(verdict, value_serializer=lambda _, __, value: _relative(value, directory))
            for verdict in verdicts
        ],
    }
    path = directory / "verdicts.json"
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _relative(value: Any, directory: Path) -> Any:
    return value.relative_to(directory).as_posix() if isinstance(value, Path) else value


def read_verdicts(directory: Path) -> Matrix:
    """Read `verdicts.json` of a directory that `run` filled.

    Raises WorkbenchError when there is none, or one that this version does not understand.
    """
    path = directory / "verdicts.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        version = document["schema_version"]
    except FileNotFoundError:
        raise WorkbenchError(f"no verdicts in {directory}: run `workbench run` into it first") from None
    except (ValueError, KeyError, TypeError):
        raise WorkbenchError(f"{path} is not a verdict file: run `workbench run` again") from None
    if version != SCHEMA_VERSION:
        raise WorkbenchError(
            f"{path} has schema version {version}, this workbench reads {SCHEMA_VERSION}: run `workbench run` again"
        )
    return Matrix(
        created=document["created"],
        verdicts=tuple(_verdict(entry, directory) for entry in document["verdicts"]),
        tokens=document["tokens"],
        machine=document["machine"],
        packages=document["packages"],
    )


def _verdict(entry: dict[str, Any], directory: Path) -> Verdict:
    artifact = None if entry["artifact"] is None else directory / entry["artifact"]
    cells = tuple(CellVerdict(**cell) for cell in entry["cells"])
    return Verdict(**{**entry, "artifact": artifact, "cells": cells})
