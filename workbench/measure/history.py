"""Many runs of one plan in the order of time: where did a line become slower or faster, and stay so?

The detector is ours, because those that are kept (ruptures, Apache Otava) bring SciPy and more for a question of
forty lines: one line's history is short, a value per run, and a step is all that is asked for. It divides in two
(binary segmentation) where the means of the two sides differ most, outliers drawn in first, and judges chance by
permutation of the same values, the best place sought anew each time. A step also has to be larger than the
threshold, since a difference that can be shown need not be one that matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import attrs
import numpy as np
import numpy.typing as npt

from workbench.faults import WorkbenchError
from workbench.measure.calibration import calibration_of, threshold_of
from workbench.measure.comparable import HOST
from workbench.measure.comparison import QUANTITIES
from workbench.measure.provenance import MACHINE_IS
from workbench.measure.results import Line, Run, load

__all__ = ["LONG_ENOUGH", "History", "Series", "Step", "history", "runs_below", "steps"]

LONG_ENOUGH = 12  # runs: chance arranges fewer into the best of steps too often for one to be believed
LEAST = 3  # values on each side of a step: one run or two may be an accident
FENCE = 3.0  # interquartile ranges
PERMUTATIONS = 999
CHANCE = 0.005  # probability of a step where there is none
Values = npt.NDArray[np.float64]


@attrs.frozen
class Step:
    """A change that stayed. ``at``: index of the first value after it; ``ratio``: of the median after to that before,
    up to the steps next to it; ``chance``: how often a rearrangement of the values has as good a step.
    """

    at: int
    ratio: float
    chance: float


@attrs.frozen
class Series:
    """One line's quantity over the runs. ``runs``: their names, ``values``: the median of each, in order of time."""

    machine: str
    token: str
    case: str
    threads: int
    driver: str
    quantity: str
    runs: tuple[str, ...]
    values: tuple[float, ...]
    steps: tuple[Step, ...]

    @property
    def long_enough(self) -> bool:
        """Whether a step in the middle of it would be found."""
        return len(self.values) >= LONG_ENOUGH

    def worse(self, step: Step) -> bool:
        """Whether the step went the wrong way."""
        return (step.ratio < 1) == (QUANTITIES[self.quantity] > 0)


@attrs.frozen
class History:
    """All series of the runs, those with a step among them. ``runs``: how many were read."""

    runs: int
    series: tuple[Series, ...]

    @property
    def changed(self) -> tuple[Series, ...]:
        """The series that have a step."""
        return tuple(series for series in self.series if series.steps)

    @property
    def exit_code(self) -> int:
        """0; 1 where the last step of some series was for the worse; else 2 where no series was long enough."""
        if any(series.worse(series.steps[-1]) for series in self.changed):
            return 1
        return 0 if any(series.long_enough for series in self.series) else 2


def steps(values: Sequence[float], threshold: float) -> tuple[Step, ...]:
    """The steps of a series that chance does not explain and that exceed ``threshold``, a part of 1."""
    logs = np.log(np.asarray(values, dtype=float))
    generator = np.random.default_rng(crc32(logs.tobytes()))  # the same answer for the same values
    found: dict[int, float] = {}
    _divide(logs, 0, logs.size, threshold, generator, found)
    places = sorted(found)
    bounds = [0, *places, logs.size]
    made = []
    for before, at, after in zip(bounds[:-2], places, bounds[2:], strict=True):
        ratio = float(np.exp(np.median(logs[at:after]) - np.median(logs[before:at])))
        if abs(ratio - 1) > threshold:
            made.append(Step(at, ratio, found[at]))
    return tuple(made)


def _divide(
    logs: Values,
    begin: int,
    end: int,
    threshold: float,
    generator: np.random.Generator,
    found: dict[int, float],
) -> None:
    part = logs[begin:end]
    if part.size < 2 * LEAST:
        return
    tame = _tamed(part)
    best, place = _best(tame[None, :])
    drawn = generator.permuted(np.tile(tame, (PERMUTATIONS, 1)), axis=1)  # row by row another order
    chance = float((1 + np.count_nonzero(_best(drawn)[0] >= best[0] * (1 - 1e-9))) / (PERMUTATIONS + 1))
    at = begin + int(place[0])
    size = abs(float(np.exp(np.median(logs[at:end]) - np.median(logs[begin:at]))) - 1)
    if chance > CHANCE or size <= threshold:
        return
    found[at] = chance
    _divide(logs, begin, at, threshold, generator, found)
    _divide(logs, at, end, threshold, generator, found)


def _tamed(values: Values) -> Values:
    """With outliers drawn in to Tukey's outer fences, so that one of them makes no side's mean."""
    low, high = np.percentile(values, [25, 75])
    return np.asarray(np.clip(values, low - FENCE * (high - low), high + FENCE * (high - low)))


def _best(rows: Values) -> tuple[Values, npt.NDArray[np.intp]]:
    """For each row of values, the strength of its best split and how many values are left of it.

    The strength is the difference of the two means, squared and weighted with the sizes of the sides.
    """
    n = rows.shape[1]
    left = np.arange(LEAST, n - LEAST + 1)
    sums = np.cumsum(rows - rows.mean(axis=1, keepdims=True), axis=1)[:, left - 1]
    strengths = sums**2 / (left * (n - left))
    places = strengths.argmax(axis=1)
    return strengths[np.arange(len(rows)), places], left[places]


def runs_below(directories: Iterable[Path]) -> tuple[Run, ...]:
    """Every run in these directories (a run's own, or one that holds runs), in order of time.

    Errors: ``WorkbenchError`` where there is none.
    """
    found: dict[Path, Run] = {}
    for directory in directories:
        for file in (directory / "run.json", *sorted(directory.glob("*/run.json"))):
            if file.is_file():
                found[file.resolve()] = load(file.parent)
    if not found:
        raise WorkbenchError(
            f"there is no run in {', '.join(str(d) for d in directories) or 'no directory'}: "
            "name directories that `workbench bench --out` filled"
        )
    return tuple(sorted(found.values(), key=lambda run: str(run.meta["created"])))


def history(runs: Sequence[Run], threshold: float | None = None, *, same_host: bool = True) -> History:
    """The history of every line that at least two runs of one machine have; see ``steps``.

    ``threshold``: default this machine's own, as the newest run has it. ``same_host``: whether machines of one kind
    with different host names have histories of their own.
    """
    gathered: dict[tuple[Any, ...], list[tuple[str, float]]] = {}
    for run in runs:
        machine = " ".join(
            str(run.meta["machine"].get(name)) for name in MACHINE_IS if same_host or name != HOST
        )
        cases = {case["name"]: _what(case, run) for case in run.meta["plan"]["cases"]}
        for line in run.lines:
            values = {"throughput": line.rate.value, "p50": line.p50.value, "cpu": _cpu_ns(run, line)}
            key = (machine, line.token, line.case, line.threads, line.driver, cases[line.case])
            for quantity, value in values.items():
                if line.rounds and value > 0:
                    gathered.setdefault((*key, quantity), []).append((run.path.name, value))
    calibration = next((c for run in reversed(runs) if (c := calibration_of(run))), None)
    series = []
    for (machine, token, case, threads, driver, _, quantity), points in gathered.items():
        if len(points) < 2:
            continue
        medians = tuple(value for _, value in points)
        counts = (
            threshold_of(calibration, quantity, paired=False, threads=threads, looks=1)
            if threshold is None
            else threshold
        )
        series.append(
            Series(
                machine,
                token,
                case,
                threads,
                driver,
                quantity,
                tuple(name for name, _ in points),
                medians,
                steps(medians, counts),
            )
        )
    return History(len(runs), tuple(series))


def _cpu_ns(run: Run, line: Line) -> float:
    """CPU time for a call that succeeded, as a comparison has it."""
    blocks = run.blocks(line.token, line.case, line.threads, line.driver)
    return sum(block.cpu_s for block in blocks) / max(1, line.successes) * 1e9


def _what(case: dict[str, Any], run: Run) -> str:
    """What is measured: a case of one name that does something else, or at another rate, is another series."""
    defaults = (None, False, 0, "", "all", "session", "counter")
    rate = run.meta["plan"].get("rate") or 0.0
    return repr(
        (run.loop, rate, sorted((key, value) for key, value in case.items() if value not in defaults))
    )
