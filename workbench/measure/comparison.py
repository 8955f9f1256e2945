"""A verdict: is one run, or one token of a run, slower than another?

Three quantities are looked at together: throughput, median latency and CPU time per call. A difference counts only
where its interval leaves 1 out *and* it is above a threshold. The interval knows how restless these very rounds
were. The threshold comes from the machine: from comparisons of a token with itself there (``workbench calibrate``),
so widened that all the looks of one verdict together hardly ever raise a false alarm. Figures are not all: a line
that crashes, fails more calls or is not there any more has become worse, however fast the rest of it is. What cannot
be compared is refused (``comparable``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs
import numpy as np

from workbench.faults import WorkbenchError
from workbench.measure.calibration import calibration_of, threshold_of
from workbench.measure.changes import LEAST_ROUNDS, NAMES, QUANTITIES, Change, judge
from workbench.measure.comparable import changed, check_machine, check_plan
from workbench.measure.lines import Line
from workbench.measure.results import Run
from workbench.measure.store import Row

__all__ = ["QUANTITIES", "Change", "Comparison", "LineComparison", "compare_runs", "compare_tokens", "judge"]

MORE_FAILURES = 0.01  # of all calls; and half as many again as before
HARMLESS = ("not offered", "refused")
Fault = Literal["", "lost", "failing", "not measured"]
Key = tuple[str, str, int, str]  # token, case, threads, driver


@attrs.frozen
class LineComparison:
    """A line and its baseline. ``rounds``: pairs, or the smaller number of rounds of the two; ``fault``: what is to be
    said of the line whatever its figures are; ``note``: the reason, or what else should be known with the verdict.
    """

    case: str
    threads: int
    driver: str
    token: str
    baseline: str
    changes: tuple[Change, ...] = ()
    rounds: int = 0
    paired: bool = False
    fault: Fault = ""
    note: str = ""

    @property
    def verdict(self) -> str:
        """``lost`` (blocks that the baseline has), ``failing`` (more calls than there), ``slower`` (one quantity is
        enough), ``faster``, ``no difference shown``, ``no verdict``, or ``not measured`` by the run's plan.
        """
        if self.fault:
            return self.fault
        found = {change.verdict for change in self.changes if change.ratio.known}
        if not found:
            return "no verdict"
        if "worse" in found:
            return "slower"
        return "faster" if "better" in found else "no difference shown"

    @property
    def regression(self) -> bool:
        """Whether the gate fails for it."""
        return self.verdict in ("slower", "failing", "lost")

    @property
    def judged(self) -> bool:
        """Whether anything can be said of the line."""
        return self.verdict not in ("no verdict", "not measured")


@attrs.frozen
class Comparison:
    """All lines of the baseline, or of two tokens. ``threshold``: where the thresholds come from."""

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
        """0: no regression; 1: a regression; 2: none, but lines were not measured, or there was none to judge."""
        if self.regressions:
            return 1
        left_out = any(line.verdict == "not measured" for line in self.lines)
        return 2 if left_out or not any(line.judged for line in self.lines) else 0

    @property
    def sentence(self) -> str:
        """The verdict in one line."""
        counts = Counter(line.verdict for line in self.lines)
        judged = sum(line.judged for line in self.lines)
        said = [
            f"{word} in {counts[word]}" for word in ("slower", "failing", "lost", "faster") if counts[word]
        ]
        if not judged:
            text = f"no verdict on {self.name}: no line can be judged"
        elif said:
            text = f"{self.name} against {self.baseline}: {', '.join(said)} of {_lines(judged)}"
        else:
            text = f"{self.name} shows no difference from {self.baseline} in {_lines(judged)}"
        left_out = counts["not measured"]
        return f"{text}; {_lines(left_out)} of the baseline not measured" if left_out else text


def compare_tokens(
    run: Run, token: str | None = None, baseline: str | None = None, threshold: float | None = None
) -> Comparison:
    """One token of a run against another (default: the second against the first), paired round by round.

    What one of the two does not offer has no verdict. ``threshold``: the deviation that counts, as a part of 1,
    instead of the machine's own. Errors: ``WorkbenchError`` where the run lacks one of the tokens.
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
    rules = _Rules(calibration_of(run), threshold, paired=True, lines=len(lines))
    known = {(line.case, line.threads, line.driver) for line in lines}
    compared = []
    for line in lines:
        before = run.line(base, line.case, line.threads, line.driver)
        new, old = run.rounds_in_common(line, base)
        compared.append(_Pair(run, run, line, before, base).compared(new, old, rules))
    for before in run.lines:
        key = (subject, before.case, before.threads, before.driver)
        # hosts have threads of their own: a sum has no line to be held against
        if before.token == base and before.rounds and key[1:] not in known and "hosts" not in run.meta:
            compared.append(_absent(run, before, key, base, "no verdict"))
    return Comparison(subject, base, tuple(compared), rules.source, run.warnings)


def compare_runs(
    run: Run, baseline: Run, threshold: float | None = None, *, same_host: bool = True
) -> Comparison:
    """A run against an earlier one, line by line of the earlier one.

    Rounds of two runs do not belong together, so what the machine did to one of them is in the ratios. The null
    module stood in both: by as much as it became slower or faster, nothing counts. ``same_host``: whether the name
    of the host has to agree beside its CPU, cores and architecture. Errors: ``WorkbenchError`` where the two cannot
    be compared: another machine, plan, driver, or no token in common.
    """
    check_machine(run, baseline, same_host=same_host)
    check_plan(run, baseline)
    tokens = [token for token in baseline.tokens if token in run.tokens]
    if not tokens:
        raise WorkbenchError(
            f"cannot compare: {run.path.name} measured {', '.join(run.tokens)}, "
            f"{baseline.path.name} measured {', '.join(baseline.tokens)}"
        )
    calibration = calibration_of(run) or calibration_of(baseline)
    rules = _Rules(calibration, threshold, paired=False, lines=len(baseline.lines))
    compared = []
    for before in baseline.lines:
        key = (before.token, before.case, before.threads, before.driver)
        line = run.line(*key)
        if line is not None:
            pair = _Pair(run, baseline, line, before, before.token)
            compared.append(pair.compared(run.blocks(*key), baseline.blocks(*key), rules))
        elif before.rounds:  # what had no figure cannot be missed
            compared.append(_absent(run, before, key, before.token, "not measured"))
    warnings = dict.fromkeys((*changed(run, baseline, tokens), *run.warnings, *baseline.warnings))
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

    def of(self, threads: int, rounds: int) -> dict[str, float]:
        if self._given is not None:
            return dict.fromkeys(QUANTITIES, self._given)
        return {
            quantity: threshold_of(
                self._calibration,
                quantity,
                paired=self.paired,
                threads=threads,
                looks=self._looks,
                rounds=rounds,
            )
            for quantity in QUANTITIES
        }


@attrs.frozen
class _Pair:
    """A line of ``run`` and the same line of the baseline, which is another run, or another token of this one."""

    run: Run
    other: Run
    line: Line
    before: Line | None
    name: str

    def compared(self, new: Sequence[Row], old: Sequence[Row], rules: _Rules) -> LineComparison:
        """The verdict; ``new``, ``old``: the blocks whose figures are compared."""
        line, before = self.line, self.before
        rounds = min(len(new), len(old))
        fault, note = self._fault()
        changes: tuple[Change, ...] = ()
        if before is not None and before.rounds and line.rounds and not (line.local or before.local):
            shift = 0.0 if rules.paired else _ruler_shift(self.run, self.other, self._keys)
            own = rules.of(line.threads, rounds)
            changes = judge(
                new, old, {name: max(value, shift) for name, value in own.items()}, paired=rules.paired
            )
            if not fault and rounds < LEAST_ROUNDS:
                note = f"fewer than {LEAST_ROUNDS} rounds"
            elif shift > min(own.values()):
                moved = f"the null module differs by {shift:.1%} itself: less than that does not count"
                note = "; ".join(filter(None, (note, moved)))
            note = "; ".join(filter(None, (note, _mixed(changes))))
        return LineComparison(
            line.case,
            line.threads,
            line.driver,
            line.token,
            self.name,
            changes,
            rounds,
            rules.paired,
            fault,
            note,
        )

    @property
    def _keys(self) -> tuple[Key, Key]:
        case, threads, driver = self.line.case, self.line.threads, self.line.driver
        return (self.line.token, case, threads, driver), (self.name, case, threads, driver)

    def _fault(self) -> tuple[Fault, str]:
        """What is worse whatever the figures say, or why nothing can be said; and the reason."""
        line, before = self.line, self.before
        reason = line.detail or line.outcome
        if before is None or not before.rounds:
            return "", "the baseline has no figure" if line.rounds else f"no figure: {reason}"
        ours, theirs = self._keys
        if not line.rounds:
            # a token need not offer what another one has; the same token has to
            harmless = line.token != self.name and line.outcome in HARMLESS
            return ("", reason) if harmless else ("lost", reason)
        broken = _broken(self.run, ours), _broken(self.other, theirs)
        if broken[0] and not broken[1]:
            return "lost", f"{broken[0]} of {broken[0] + line.rounds} blocks: {reason}"
        promised = min(self.run.meta["plan"]["rounds"], before.rounds)
        if line.rounds < LEAST_ROUNDS <= promised:
            return "lost", f"{line.rounds} of {self.run.meta['plan']['rounds']} rounds"
        failing = _failing(self.run.blocks(*ours), self.other.blocks(*theirs))
        if failing:
            return "failing", failing
        if line.local or before.local:
            return "", "answered by the client library: no figure of the device"
        return "", ""


def _absent(
    run: Run, before: Line, key: Key, baseline: str, verdict: Literal["no verdict", "not measured"]
) -> LineComparison:
    """A line that the run does not have at all: lost where something went wrong on the way, else as ``verdict`` says."""
    token, case, threads, driver = key
    cause = next((row for row in run.rows if _in_the_way(row, key, same_token=token == before.token)), None)
    fault: Fault = "not measured" if verdict == "not measured" else ""
    if cause is not None:
        fault, note = "lost", cause.detail or cause.outcome
    elif token not in run.tokens:
        note = f"the run has no token {token}"
    elif case not in {one["name"] for one in run.meta["plan"]["cases"]}:
        note = "the run's plan has no such case"
    elif driver not in run.drivers:
        note = f"the run has no driver {driver}"
    else:
        ends = (row.detail or row.outcome for row in run.rows if _ends_search(row, key))
        note = next(ends, "the run's plan or its search for the knee has no such number of threads")
    return LineComparison(case, threads, driver, token, baseline, fault=fault, note=note)


def _in_the_way(row: Row, key: Key, *, same_token: bool) -> bool:
    """Whether the row says why the line could not be had: its token, its keys, or so many threads."""
    token, case, threads, driver = key
    if row.token != token or row.measured or row.threads > threads:
        return False
    if row.kind == "open":
        return row.failed
    if (row.case, row.driver) != (case, driver):
        return False
    # the same token has to offer what it offered
    return row.failed if row.kind == "search" or not same_token else row.kind == "prepare"


def _ends_search(row: Row, key: Key) -> bool:
    """Whether the search for the knee ended with the row, because the token or its policy allows no more threads."""
    return (
        row.kind == "search" and not row.measured and (row.token, row.case, row.driver) == (*key[:2], key[3])
    )


def _broken(run: Run, key: Key) -> int:
    """How many blocks of a line were lost: a crash, a hang, or no call that succeeded."""
    return sum(
        row.kind == "block" and (row.token, row.case, row.threads, row.driver) == key for row in run.failed
    )


def _failing(new: Sequence[Row], old: Sequence[Row]) -> str:
    """How calls fail more than before: by a code that is new, or clearly more of them. Empty where they do not."""
    codes = sorted(
        {name for row in new for name in row.errors} - {name for row in old for name in row.errors}
    )
    share, before = _failures(new), _failures(old)
    if codes:
        return f"{share:.2%} of the calls failed, with the new {', '.join(codes)}"
    if share - before > max(MORE_FAILURES, before / 2):
        return f"{share:.2%} of the calls failed, and {before:.2%} in the baseline"
    return ""


def _failures(rows: Sequence[Row]) -> float:
    failures = sum(row.failures for row in rows)
    return failures / max(1, failures + sum(row.successes for row in rows))


def _mixed(changes: Sequence[Change]) -> str:
    """Which quantities are worse, of a line that is not worse in all of them."""
    worse = [NAMES[change.quantity] for change in changes if change.verdict == "worse"]
    return f"worse: {', '.join(worse)}" if worse and len(worse) < len(changes) else ""


def _ruler_shift(run: Run, baseline: Run, keys: tuple[Key, Key]) -> float:
    """By how much the null module's calls became slower or faster, in CPU time: waiting does not show in it."""
    spent = []
    for one, (token, case, threads, driver) in zip((run, baseline), keys, strict=True):
        operation = next(each["operation"] for each in one.meta["plan"]["cases"] if each["name"] == case)
        rows = one.floors(token, operation, threads, driver)
        spent.append([row.cpu_s / row.successes for row in rows if row.successes])
    if not all(spent):
        return 0.0
    return abs(float(np.median(spent[0]) / np.median(spent[1])) - 1)


def _lines(count: int) -> str:
    return f"{count} line{'' if count == 1 else 's'}"
