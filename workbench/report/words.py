"""Numbers and findings in words, for the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.measure import Interval, Run
    from workbench.notebook import Matrix

__all__ = ["figures", "folders", "headline", "interval", "listing", "share", "stem", "when"]

_SPACE = "\N{NARROW NO-BREAK SPACE}"


def figures(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, thousands set apart; a dash for none."""
    if math.isnan(value):
        return "\N{EN DASH}"
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{round(value, places):,.{places}f}".replace(",", _SPACE)


def interval(value: Interval, scale: float = 1.0) -> str:
    """The bounds of an interval; empty where there were too few rounds for one."""
    if math.isnan(value.low):
        return ""
    return f"{figures(value.low * scale)} to {figures(value.high * scale)}"


def share(part: float) -> str:
    """A part of one as a percentage."""
    if math.isnan(part):
        return "\N{EN DASH}"
    return f"{100 * part:.1f}{_SPACE}%" if part < 0.1 else f"{100 * part:.0f}{_SPACE}%"


def listing(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def folders(matrix: Matrix) -> list[str]:
    """The directories of the notebooks, each once."""
    return list(dict.fromkeys(str(Path(verdict.notebook).parent) for verdict in matrix.verdicts))


def stem(notebook: str) -> str:
    """A notebook's name as people say it."""
    return Path(notebook).stem


def when(moment: str) -> str:
    """An ISO moment to the minute."""
    return moment[:16].replace("T", " ") + " UTC"


def headline(matrix: Matrix | None, runs: Sequence[Run]) -> tuple[str, str]:
    """(outcome, sentence) over everything on the page: outcome is "passed" or "failed"."""
    outcome, sentences = "passed", []
    if matrix is not None and matrix.verdicts:
        bad = [verdict for verdict in matrix.verdicts if verdict.outcome in ("failed", "error")]
        ran = [verdict for verdict in matrix.verdicts if verdict.outcome != "skipped"]
        absent = dict.fromkeys(verdict.token for verdict in matrix.verdicts if verdict.outcome == "skipped")
        lessons = len({verdict.notebook for verdict in ran})
        on = listing(list(dict.fromkeys(verdict.token for verdict in ran)))
        if bad:
            outcome = "failed"
            named = listing([f"{stem(verdict.notebook)} on {verdict.token}" for verdict in bad[:3]])
            more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
            sentences.append(f"{len(bad)} of {len(ran)} notebook runs do not hold: {named}{more}")
        elif ran:
            all_of_them = "The notebook holds" if lessons == 1 else f"All {lessons} notebooks hold"
            sentences.append(f"{all_of_them} on {on}")
        else:
            outcome = "failed"
            sentences.append("No notebook could be run")
        if absent:
            sentences.append(
                f"{listing(list(absent))} {'is' if len(absent) == 1 else 'are'} not available here"
            )
    for run in runs:
        measured = [line for line in run.lines if line.rounds]
        cases = len({line.case for line in measured})
        sentences.append(f"{cases} operation{'s' if cases != 1 else ''} measured on {listing(run.tokens)}")
        if run.failed:
            outcome = "failed"
            count = len(run.failed)
            sentences.append(f"{count} block{'s' if count != 1 else ''} of the measurement failed")
    return outcome, ". ".join(sentences) + "."
