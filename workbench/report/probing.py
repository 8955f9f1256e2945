"""The page of a probe: what is remarkable first, then what differs between tokens, then everything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workbench.faults import WorkbenchError
from workbench.inspection.probe import Outcome, TokenProbe, compare
from workbench.notebook.page import base_style
from workbench.report.templating import ENVIRONMENT

__all__ = ["write_probe_page"]

# The badge of the shared style that an outcome wears, and its sign for who sees no colour.
BADGES = {
    Outcome.VERIFIED: ("passed", "✓"),
    Outcome.ALONE: ("skipped", "✓"),
    Outcome.OBSERVED: ("skipped", "·"),
    Outcome.WRONG: ("failed", "✗"),
    Outcome.DEVIATES: ("skipped", "≠"),
    Outcome.REFUSED: ("skipped", "≠"),
    Outcome.NOT_OFFERED: ("", "–"),
    Outcome.NO_RECIPE: ("", "–"),
    Outcome.NOT_RUN: ("", "–"),
    Outcome.DIED: ("error", "✗"),
    Outcome.SILENT: ("error", "✗"),
}


def write_probe_page(out: Path, probes: Sequence[TokenProbe]) -> Path:
    """Write the page of these probes: one file, no script, no network; its path.

    Errors: ``WorkbenchError`` where the file cannot be written.
    """
    text = ENVIRONMENT.get_template("probe.html.j2").render(
        probes=probes,
        differences=compare(probes) if len(probes) > 1 else (),
        badges=BADGES,
        style=base_style() + ENVIRONMENT.get_template("report.css").render(),
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WorkbenchError(f"cannot write the page to {out}: {error.strerror}") from None
    return out
