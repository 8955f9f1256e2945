"""The page of an inspection: one or more tokens as they were read, side by side if they were compared."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from workbench.faults import WorkbenchError
from workbench.inspection import Comparison, Inspection, words
from workbench.inspection.holdings import TokenObject
from workbench.inspection.plain import plain
from workbench.notebook.page import base_style
from workbench.report.templating import ENVIRONMENT

__all__ = ["write_inspection"]


def write_inspection(
    path: Path, inspections: Sequence[Inspection], comparison: Comparison | None = None
) -> Path:
    """Write the page to ``path``; it needs no network and no script.

    Errors: ``WorkbenchError`` where the file cannot be written.
    """
    style = base_style() + "".join(
        ENVIRONMENT.get_template(name).render() for name in ("report.css", "inspection.css")
    )
    text = ENVIRONMENT.get_template("inspection.html.j2").render(
        inspections=inspections,
        comparison=comparison,
        title=", ".join(one.token for one in inspections),
        created=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        style=style,
        words=words,
        plain=plain,
        ordered=_ordered,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WorkbenchError(f"cannot write the page to {path}: {error.strerror}") from None
    return path


def _ordered(objects: Sequence[TokenObject]) -> list[TokenObject]:
    return sorted(objects, key=lambda thing: (thing.class_number or 0, thing.label, thing.id))
