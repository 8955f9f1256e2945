"""A verdict: is one run, or one token of a run, slower than another?

Three quantities are looked at together: throughput, median latency and CPU time per call. A difference counts only
where its 99.9 % interval leaves 1 out *and* it is above a threshold. The interval knows how restless these very
rounds were. The threshold comes from the machine: from comparisons of a token with itself there (``workbench
calibrate``), so widened that all the looks of one verdict together hardly ever raise a false alarm. What cannot be
compared is refused: another machine, another plan, another driver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from workbench.faults import WorkbenchError
from workbench.measure.calibration import threshold_of
from workbench.measure.lines import Line
from workbench.measure.provenance import MACHINE_IS
from workbench.measure.results import Run
from workbench.measure.stats import Interval, median_ratio, paired_ratio
from workbench.measure.store import Row

__all__ = ["QUANTITIES", "Change", "Comparison", "LineComparison", "compare_runs", "compare_tokens", "judge"]

QUANTITIES = {"throughput": 1, "p50": -1, "cpu": -1}  # 1: more is better
SURE = 0.999  # several quantities of many lines are looked at: 95 % would be wrong somewhere, always
CPU_COUNTS = 0.10  # of the median latency; below it the CPU time is not what a call waits for
CLOCK_STEPS = 2.0  # ns: medians of very short calls move in steps of the clock
# A plan may be repeated longer or shorter: these members of it do not change what is measured.
LENGTHS = frozenset({"name", "title", "rounds", "seconds", "warmup", "threads", "cases", "drivers"})


@attrs.frozen
class Change:
    """One quantity: ``ratio`` of new to old with its 99.9 % interval, and the deviation below which it does not count."""

    quantity: str
    ratio: Interval
    threshold: float

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``same``: no difference shown."""
        beyond = abs(self.ratio.value - 1) > self.threshold
        if not self.ratio.known or 1.0 in self.ratio or not beyond:
            return "same"
        return "better" if (self.ratio.value > 1) == (QUANTITIES[self.quantity] > 0) else "worse"


@attrs.frozen
class LineComparison:
    """A line and its baseline. ``rounds``: pairs, or the smaller number of rounds of the two; ``note``: what stood
    in the way of a verdict, or what should be known with it.
    """

    case: str
    threads: int
    driver: str
    token: str
    baseline: str
    changes: tuple[Change, ...]
    rounds: int
    paired: bool
    lost: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """``slower``, ``faster``, ``no difference shown``, ``lost`` (it had a figure and has none) or ``no verdict``."""
        if self.lost:
            return "lost"
        found = {change.verdict for change in self.changes if change.ratio.known}
        if not found:
            return "no verdict"
        if "worse" in found:
            return "slower"
        return "faster" if "better" in found else "no difference shown"

    @property
    def regression(self) -> bool:
        """Whether the gate fails for it."""
        return self.verdict in ("slower", "lost")


@attrs.frozen
class Comparison:
    """All lines that two runs, or two tokens of one, have in common. ``threshold``: where the thresholds come from."""

    name: str
    baseline: str
    lines: tuple[LineComparison, ...]
    threshold: str
    warnings: tuple[str, ...] = ()

    @property
    def regressions(self) -> tuple[LineComparison, ...]:
        """The lines that are worse."""
        return tuple(line for line in self.lines if line.regression)

    @property
    def exit_code(self) -> int:
        """0: no regression; 1: a regression; 2: there was no line to judge."""
        if all(line.verdict == "no verdict" for line in self.lines):
            return 2
        return 1 if self.regressions else 0

    @property
    def sentence(self) -> str:
        """The verdict in one line."""
        judged = [line for line in self.lines if line.verdict != "no verdict"]
        if not judged:
            return f"no verdict on {self.name}: no line has rounds enough"
        worse = len(self.regressions)
        better = sum(line.verdict == "faster" for line in judged)
        if not worse and not better:
            return f"{self.name} shows no difference from {self.baseline} in {len(judged)} lines"
        return f"{self.name} is slower than {self.baseline} in {worse} and faster in {better} of {len(judged)} lines"


def judge(
    new: Sequence[Row], old: Sequence[Row], thresholds: Mapping[str, float], *, paired: bool
) -> tuple[Change, ...]:
    """The three changes between two sets of blocks; ``paired``: the blocks of one place belong to one round."""
    ratio = paired_ratio if paired else median_ratio
    found = []
    for quantity in QUANTITIES:
        above, below = _values(new, quantity), _values(old, quantity)
        if quantity == "cpu" and min(_cpu_part(new), _cpu_part(old)) < CPU_COUNTS:
            continue
        threshold = thresholds[quantity]
        if quantity == "p50" and below:
            threshold = max(threshold, CLOCK_STEPS / float(np.median(below)))
        found.append(Change(quantity, ratio(above, below, level=SURE), threshold))
    return tuple(found)


def compare_tokens(
    run: Run, token: str | None = None, baseline: str | None = None, threshold: float | None = None
) -> Comparison:
    """One token of a run against another (default: the second against the first), paired round by round.

    ``threshold``: the deviation that counts, as a part of 1, instead of the machine's own. Errors:
    ``WorkbenchError`` where the run lacks one of the tokens.
    """
    base = baseline or run.tokens[0]
    subject = token or next((name for name in run.tokens if name != base), None)
    if subject is None or subject == base:
        raise WorkbenchError(
            f"{run.path.name} has one token: name a second run, or measure two tokens in one"
        )
    for name in (subject, base):
        if name not in run.tokens:
            raise WorkbenchError(f"{run.path.name} has no token {name!r}; it has {', '.join(run.tokens)}")
    lines = [line for line in run.lines if line.token == subject]
    rules = _Rules(run.meta.get("calibration"), threshold, paired=True, lines=len(lines))
    compared = []
    for line in lines:
        theirs, ours = run.rounds_in_common(line, base)
        compared.append(
            _compared(
                line, base, run.line(base, line.case, line.threads, line.driver), theirs, ours, rules, 0.0
            )
        )
    return Comparison(subject, base, tuple(compared), rules.source, run.warnings)


def compare_runs(run: Run, baseline: Run, threshold: float | None = None) -> Comparison:
    """A run against an earlier one, token by token.

    Rounds of two runs do not belong together, so what the machine did to one of them is in the ratios. The null
    module stood in both: by as much as it became slower or faster, nothing counts. Errors: ``WorkbenchError`` where
    the two cannot be compared: another machine, plan, driver, or no token in common.
    """
    _same_machine(run, baseline)
    _same_plan(run, baseline)
    tokens = [token for token in baseline.tokens if token in run.tokens]
    if not tokens:
        raise WorkbenchError(
            f"cannot compare: {run.path.name} measured {', '.join(run.tokens)}, "
            f"{baseline.path.name} measured {', '.join(baseline.tokens)}"
        )
    planned = [line for line in baseline.lines if line.token in tokens]
    rules = _Rules(
        run.meta.get("calibration") or baseline.meta.get("calibration"),
        threshold,
        paired=False,
        lines=len(planned),
    )
    compared = []
    for before in planned:
        key = (before.token, before.case, before.threads, before.driver)
        line = run.line(*key)
        if line is None:
            continue
        new, old = run.blocks(*key), baseline.blocks(*key)
        shift = _ruler_shift(run, baseline, before, run.meta["plan"]["cases"])
        compared.append(_compared(line, before.token, before, new, old, rules, shift))
    if not compared:
        raise WorkbenchError(
            f"cannot compare: {run.path.name} and {baseline.path.name} have no line in common"
        )
    warnings = dict.fromkeys((*_changed(run, baseline, tokens), *run.warnings, *baseline.warnings))
    return Comparison(run.path.name, baseline.path.name, tuple(compared), rules.source, tuple(warnings))


class _Rules:
    """The thresholds of one comparison, and where they come from."""

    def __init__(
        self, calibration: Mapping[str, Any] | None, given: float | None, *, paired: bool, lines: int
    ) -> None:
        self.paired, self._given, self._calibration = paired, given, calibration
        self._looks = max(1, lines) * len(QUANTITIES)
        if given is not None:
            self.source = f"{given:.1%}, as given"
        elif calibration is None:
            self.source = "5 %, for want of this machine's own: run `workbench calibrate`"
        else:
            self.source = f"this machine's own, calibrated {calibration['created'][:10]}"

    def of(self, threads: int) -> dict[str, float]:
        if self._given is not None:
            return dict.fromkeys(QUANTITIES, self._given)
        return {
            quantity: threshold_of(
                self._calibration, quantity, paired=self.paired, threads=threads, looks=self._looks
            )
            for quantity in QUANTITIES
        }


def _compared(
    line: Line,
    baseline: str,
    before: Line | None,
    new: Sequence[Row],
    old: Sequence[Row],
    rules: _Rules,
    shift: float,
) -> LineComparison:
    thresholds = {name: max(value, shift) for name, value in rules.of(line.threads).items()}
    changes: tuple[Change, ...] = ()
    lost, note = False, ""
    if not line.rounds and before is not None and before.rounds:
        lost, note = True, f"{line.outcome}: {line.detail}".rstrip(": ")
    elif before is None or not before.rounds or not line.rounds:
        note = "not measured before" if line.rounds else "measured in neither"
    elif line.local or before.local:
        note = "answered by the client library: no figure of the device"
    else:
        changes = judge(new, old, thresholds, paired=rules.paired)
        if not any(change.ratio.known for change in changes):
            note = "fewer than three rounds"
        elif shift > min(rules.of(line.threads).values()):
            note = f"the null module differs by {shift:.1%} itself: less than that does not count"
        if line.errors != before.errors:
            note = "; ".join(filter(None, (note, "other errors than before")))
    return LineComparison(
        case=line.case,
        threads=line.threads,
        driver=line.driver,
        token=line.token,
        baseline=baseline,
        changes=changes,
        rounds=min(len(new), len(old)),
        paired=rules.paired,
        lost=lost,
        note=note,
    )


def _values(rows: Sequence[Row], quantity: str) -> list[float]:
    if quantity == "throughput":
        return [row.rate_per_s or 0.0 for row in rows]
    if quantity == "p50":
        return [row.p50_ns or 0.0 for row in rows]
    return [row.cpu_s / max(1, row.successes + row.failures) for row in rows]


def _cpu_part(rows: Sequence[Row]) -> float:
    # not of the wall time: a busy machine takes its share of that
    latency = [row.p50_ns or 0.0 for row in rows]
    return float(np.median(_values(rows, "cpu")) * 1e9 / np.median(latency)) if any(latency) else 0.0


def _ruler_shift(run: Run, baseline: Run, line: Line, cases: Sequence[Mapping[str, Any]]) -> float:
    """By how much the null module's calls became slower or faster, in CPU time: waiting does not show in it."""
    operation = next(case["operation"] for case in cases if case["name"] == line.case)
    spent = []
    for one in (run, baseline):
        rows = one.floors(line.token, operation, line.threads, line.driver)
        spent.append([row.cpu_s / row.successes for row in rows if row.successes])
    if not all(spent):
        return 0.0
    return abs(float(np.median(spent[0]) / np.median(spent[1])) - 1)


def _same_machine(run: Run, baseline: Run) -> None:
    for name in MACHINE_IS:
        ours, theirs = run.meta["machine"].get(name), baseline.meta["machine"].get(name)
        if ours != theirs:
            raise WorkbenchError(
                f"cannot compare: {run.path.name} and {baseline.path.name} come from two machines "
                f"({name.removesuffix('_sha256')}: {ours} and {theirs})"
            )


def _same_plan(run: Run, baseline: Run) -> None:
    plan, before = run.meta["plan"], baseline.meta["plan"]
    if not set(run.drivers) & set(baseline.drivers):
        raise WorkbenchError(
            f"cannot compare: {run.path.name} was made with driver {run.driver}, "
            f"{baseline.path.name} with {baseline.driver}"
        )
    for name in sorted((plan.keys() | before.keys()) - LENGTHS):
        if plan.get(name) != before.get(name):
            raise WorkbenchError(
                f"cannot compare: {run.path.name} and {baseline.path.name} follow two plans "
                f"({name}: {plan.get(name)} and {before.get(name)})"
            )
    ours = {case["name"]: case for case in plan["cases"]}
    for case in before["cases"]:
        other = ours.get(case["name"])
        if other is None:
            continue
        # what only one of the two knows came with a newer workbench, as the default
        changed = [key for key in case.keys() & other.keys() if case[key] != other[key]]
        if changed:
            raise WorkbenchError(
                f"cannot compare: case {case['name']!r} has another {changed[0]} in the two runs "
                f"({other[changed[0]]} and {case[changed[0]]})"
            )
    if not ours.keys() & {case["name"] for case in before["cases"]}:
        raise WorkbenchError(
            f"cannot compare: plans {plan['name']!r} and {before['name']!r} have no case in common"
        )


def _changed(run: Run, baseline: Run, tokens: Sequence[str]) -> list[str]:
    """What else differs between the runs: a difference may come from there."""
    found = []
    for token in tokens:
        ours, theirs = (one.meta["provenance"].get(token, {}) for one in (run, baseline))
        for name in ("library", "firmware", "module_sha256", "serial_sha256", "key_residency"):
            if ours.get(name) != theirs.get(name):
                found.append(f"{token}: {name.removesuffix('_sha256')} differs from the baseline's")
    for name in ("kernel", "python"):
        ours, theirs = (one.meta["machine"].get(name) for one in (run, baseline))
        if ours != theirs:
            found.append(f"{name}: {ours}, and {theirs} in the baseline")
    return found
