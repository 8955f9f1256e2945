"""Numbers and findings in words, for the page."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.measure import disclosure

if TYPE_CHECKING:
    from workbench.measure import Interval, Line, Run
    from workbench.notebook import Matrix

__all__ = [
    "command",
    "figures",
    "folders",
    "headline",
    "interval",
    "keys",
    "licence",
    "listing",
    "loop",
    "losses",
    "notes",
    "plan",
    "share",
    "stem",
    "when",
]

_KINDS = {"open": "opening the token", "prepare": "keys for", "floor": "floor of", "block": ""}
_NUMBER = re.compile(r"\b\d+\b")
_SPACE = "\N{NARROW NO-BREAK SPACE}"


def figures(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, thousands set apart; a dash for none."""
    if math.isnan(value):
        return "\N{EN DASH}"
    if value == 0:
        return "0"
    places = digits - 1 - int(f"{value:.{digits - 1}e}".split("e")[1])  # of the rounded value: 9.996 is 10.0
    return f"{round(value, places):,.{max(places, 0)}f}".replace(",", _SPACE)


def interval(value: Interval, scale: float = 1.0) -> str:
    """The bounds of an interval; empty where there were too few rounds for one."""
    if math.isnan(value.low):
        return ""
    return f"{figures(value.low * scale)} to {figures(value.high * scale)}"


def share(part: float) -> str:
    """A part of one as a percentage."""
    if math.isnan(part):
        return "\N{EN DASH}"
    if 0 < part < 0.0005:
        return f"<{_SPACE}0.1{_SPACE}%"
    return f"{100 * part:.1f}{_SPACE}%" if part < 0.1 else f"{100 * part:.0f}{_SPACE}%"


def loop(run: Run) -> str:
    """How the calls followed one another, in a sentence."""
    if run.loop == "closed":
        return "closed: every thread makes its next call when the last one has returned; latencies are service times"
    rate = figures(run.meta["plan"]["rate"])
    return (
        f"open: {rate} calls a second are due, whether the token keeps up or not; latencies count from then"
    )


def command(run: Run) -> str | None:
    """The command that made the measurement; None where it was not made by one, or by an earlier version."""
    asked = run.meta.get("asked")
    return None if asked is None else shlex.join(["workbench", "bench", *asked])


def plan(run: Run) -> list[tuple[str, str]]:
    """What was measured on what, as pairs of name and text: for runs that were not made by a command."""
    of = run.meta["plan"]
    threads = of["threads"] if isinstance(of["threads"], str) else ", ".join(map(str, of["threads"]))
    return [
        ("tokens", ", ".join(dict.fromkeys(run.meta["tokens"].values()))),
        ("threads", threads),
        ("blocks", f"{of['rounds']} rounds of {of['seconds']:g} s"),
        ("drivers", run.driver),
        ("cases", "; ".join(case["name"] for case in of["cases"])),
    ]


def keys(run: Run) -> str:
    """Whose keys, and where they were."""
    known = {token: run.meta["provenance"].get(token, {}) for token in run.tokens}
    return disclosure.keys_in_words(run.meta["plan"]["cases"], known)


def licence() -> str:
    """The reminder that belongs to every published figure."""
    return disclosure.LICENCE


def losses(run: Run) -> list[tuple[str, str, str]]:
    """What went wrong in a measurement, equal things once: (outcome, what on which token, detail)."""
    found: dict[tuple[str, str, str], int] = {}
    for row in run.failed:
        what = " ".join(filter(None, [_KINDS.get(row.kind, row.kind), row.case or row.operation]))
        threads = f", {row.threads} thread{'s' if row.threads > 1 else ''}" if row.threads else ""
        loss = (row.outcome, f"{what} on {row.token}{threads}", row.detail)
        found[loss] = found.get(loss, 0) + 1
    return [
        (outcome, place + (f", {count} times" if count > 1 else ""), detail)
        for (outcome, place, detail), count in found.items()
    ]


def notes(lines: Sequence[Line]) -> list[tuple[str, frozenset[str]]]:
    """The warnings of all lines as numbered notes: (text, the warnings it stands for).

    Warnings that differ in their numbers only become one note that gives each number's range.
    """
    kinds: dict[str, list[str]] = {}
    for warning in dict.fromkeys(warning for line in lines for warning in line.warnings):
        kinds.setdefault(_NUMBER.sub("0", warning), []).append(warning)
    return [(_ranged(warnings), frozenset(warnings)) for warnings in kinds.values()]


def _ranged(warnings: list[str]) -> str:
    columns = zip(*(map(int, _NUMBER.findall(warning)) for warning in warnings), strict=True)
    ranges = iter([f"{min(c)} to {max(c)}" if min(c) < max(c) else str(min(c)) for c in columns])
    return _NUMBER.sub(lambda _: next(ranges), warnings[0])


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
            sentences.append(f"{count} step{'s' if count != 1 else ''} of the measurement failed")
    return outcome, ". ".join(sentences) + "."
