"""A run read back: its rows as a table, with intervals, floor, and the reasons to doubt a figure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from workbench.measure.stats import Interval, Packed, median_interval, paired_ratio, percentiles, pool
from workbench.measure.store import Row, read_run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Line", "Ratio", "Run", "load"]

FEW_ROUNDS = 6
TAIL_CALLS = 10  # calls beyond a percentile before it says something
FLOOR_SHARE = 0.10
BUSY = 0.5  # load per core before the run
DIFFERENCE = 0.05  # a ratio nearer to 1 is no difference, however narrow its interval


@attrs.frozen
class Line:
    """One token × case × number of threads. Rates per second, latencies in ns of service time (closed loop).

    ``outcome``: ok, incomplete (some blocks lost), or why there is no figure. ``floor_ns``: p50 of the same
    calls on the null module. ``cpu_ns``: of this machine's CPU time for one call; ``cpu_share``: the part of
    their wall time that the threads were on a CPU, 0 to 1 (a device or a busy machine made them wait for the
    rest). ``warnings``: why the figure should be read with care.
    """

    token: str
    case: str
    threads: int
    outcome: str
    detail: str
    driver: str
    rounds: int
    successes: int
    errors: dict[str, int]
    rate: Interval
    p50: Interval
    p90_ns: float
    p99_ns: float
    max_ns: float
    floor_ns: float
    cpu_ns: float
    cpu_share: float
    warnings: tuple[str, ...]

    @property
    def floor_share(self) -> float:
        """The part of the median latency that the harness itself needs, 0 to 1."""
        return self.floor_ns / self.p50.value


@attrs.frozen
class Ratio:
    """A token's throughput over another's, paired by round. ``verdict``: faster, slower, or no difference shown."""

    case: str
    threads: int
    token: str
    baseline: str
    ratio: Interval
    rounds: int

    @property
    def verdict(self) -> str:
        """A difference counts above the interval *and* above five percent."""
        if np.isnan(self.ratio.low) or 1.0 in self.ratio or abs(self.ratio.value - 1) < DIFFERENCE:
            return "no difference shown"
        return "faster" if self.ratio.value > 1 else "slower"


@attrs.frozen(slots=False, eq=False)
class Run:
    """A finished or broken-off run. ``meta``: what ``run.json`` says; ``rows``: everything, in order."""

    path: Path
    meta: dict[str, Any]
    rows: tuple[Row, ...]

    @property
    def failed(self) -> tuple[Row, ...]:
        """The rows of what went wrong: the command line exits non-zero when there are any."""
        return tuple(row for row in self.rows if row.failed)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens' labels, in the order they were named."""
        return tuple(self.meta["tokens"])

    @property
    def driver(self) -> str:
        """``c-kernel`` or ``cffi-abi``."""
        return str(self.meta["driver"])

    def latencies(self, token: str, case: str, threads: int) -> Packed:
        """All latencies of a line, pooled over its rounds: rows ``(ns, how many)``."""
        files = [row.latencies for row in self._blocks(token, case, threads) if row.latencies]
        return pool([np.load(self.path / file) for file in files])

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """One line per token, case and number of threads, in the order of the plan."""
        plan = self.meta["plan"]
        return tuple(
            self._line(token, case["name"], case["operation"], threads)
            for case in plan["cases"]
            for threads in plan["threads"]
            for token in self.tokens
        )

    def table(self) -> pd.DataFrame:
        """The lines as a DataFrame; the unit is in each column's name (``_per_s``, ``_us``, ``_percent``)."""
        import pandas as pd

        return pd.DataFrame([_flat(line) for line in self.lines])

    def ratios(self, baseline: str | None = None) -> tuple[Ratio, ...]:
        """Every other token's throughput over the baseline's (default: the first token named)."""
        base = baseline or self.tokens[0]
        found = []
        for line in self.lines:
            if line.token == base:
                continue
            theirs = {row.round: row for row in self._blocks(line.token, line.case, line.threads)}
            ours = {row.round: row for row in self._blocks(base, line.case, line.threads)}
            both = sorted(round for round in theirs.keys() & ours.keys() if round is not None)
            if both:
                ratio = paired_ratio(_rates(theirs[r] for r in both), _rates(ours[r] for r in both))
                found.append(Ratio(line.case, line.threads, line.token, base, ratio, len(both)))
        return tuple(found)

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Reasons to doubt the whole run."""
        machine, found = self.meta["machine"], []
        load, cores = machine["load_average"][0], machine["cores"] or 1
        if load > BUSY * cores:
            found.append(f"the machine was busy before the run: load {load:g} on {cores} cores")
        if machine["governor"] not in (None, "performance"):
            found.append(f"the CPU governor was {machine['governor']}: its clock may have changed meanwhile")
        if self.driver != "c-kernel":
            found.append("measured by Python threads (no compiled kernel): see the floor of each line")
        if max(self.meta["plan"]["threads"]) > (machine["cores_usable"] or 1):
            found.append("more threads than cores: a software token then shows the scheduler as well")
        return tuple(found)

    def _blocks(self, token: str, case: str, threads: int) -> list[Row]:
        return [row for row in self._of(token, case, threads) if row.kind == "block" and row.measured]

    def _of(self, token: str, case: str, threads: int) -> list[Row]:
        return self._by_line.get((token, case, threads), [])

    @cached_property
    def _by_line(self) -> dict[tuple[str, str, int], list[Row]]:
        grouped: dict[tuple[str, str, int], list[Row]] = {}
        for row in self.rows:
            grouped.setdefault((row.token, row.case, row.threads), []).append(row)
        return grouped

    def _floor(self, token: str, operation: str, threads: int) -> float:
        rows = [row for row in self._of(token, "", threads) if row.kind == "floor"]
        found = [row.p50_ns for row in rows if row.operation == operation and row.p50_ns is not None]
        return float(np.median(found)) if found else float("nan")

    def _line(self, token: str, case: str, operation: str, threads: int) -> Line:
        everything, blocks = self._of(token, case, threads), self._blocks(token, case, threads)
        lost = [row for row in everything if not row.measured]
        pooled = self.latencies(token, case, threads)
        p90, p99, largest = percentiles(pooled, (90, 99, 100))
        rate = median_interval(_rates(blocks))
        p50 = median_interval([row.p50_ns for row in blocks if row.p50_ns is not None])
        floor = self._floor(token, operation, threads)
        errors: dict[str, int] = {}
        for row in everything:
            for name, count in row.errors.items():
                errors[name] = errors.get(name, 0) + count
        cpu, calls = sum(row.cpu_s for row in blocks), sum(row.successes + row.failures for row in blocks)
        wall = sum(row.wall_s * row.threads for row in blocks)
        outcome = "ok" if not lost else "incomplete" if blocks else lost[0].outcome
        line = Line(
            token=token,
            case=case,
            threads=threads,
            outcome=outcome if everything else "not run",
            detail=_reasons(lost),
            driver=self.driver,
            rounds=len(blocks),
            successes=sum(row.successes for row in blocks),
            errors=errors,
            rate=rate,
            p50=p50,
            p90_ns=p90,
            p99_ns=p99,
            max_ns=largest,
            floor_ns=floor,
            cpu_ns=cpu / calls * 1e9 if calls else float("nan"),
            cpu_share=cpu / wall if wall else float("nan"),
            warnings=(),
        )
        paces = {row.pace_per_s for row in blocks if row.pace_per_s}
        paced = tuple(
            f"paced at {pace:g} per second by the token's budget: its rate says nothing" for pace in paces
        )
        return attrs.evolve(line, warnings=_doubts(line) + paced) if blocks else line


def _rates(rows: Any) -> list[float]:
    return [row.rate_per_s for row in rows if row.rate_per_s is not None]


def _reasons(lost: Sequence[Row]) -> str:
    counted: dict[str, int] = {}
    for row in lost:
        text = f"{row.outcome}: {row.detail}" if row.detail else row.outcome
        counted[text] = counted.get(text, 0) + 1
    return "; ".join(f"{text} ({count} blocks)" if count > 1 else text for text, count in counted.items())


def _doubts(line: Line) -> tuple[str, ...]:
    found = []
    if line.rounds < FEW_ROUNDS:
        found.append(f"{line.rounds} rounds: the interval is rough")
    if line.successes < 100 * TAIL_CALLS:
        found.append(f"{line.successes} calls: too few for a 99th percentile")
    if line.floor_share > FLOOR_SHARE:
        found.append(f"the harness needs {line.floor_share:.0%} of the latency")
    if line.errors:
        found.append(", ".join(f"{count} calls answered {name}" for name, count in line.errors.items()))
    return tuple(found)


def _flat(line: Line) -> dict[str, object]:
    return {
        "token": line.token,
        "case": line.case,
        "threads": line.threads,
        "outcome": line.outcome,
        "rounds": line.rounds,
        "successes": line.successes,
        "failures": sum(line.errors.values()),
        "throughput_per_s": line.rate.value,
        "throughput_low_per_s": line.rate.low,
        "throughput_high_per_s": line.rate.high,
        "p50_us": line.p50.value / 1e3,
        "p50_low_us": line.p50.low / 1e3,
        "p50_high_us": line.p50.high / 1e3,
        "p90_us": line.p90_ns / 1e3,
        "p99_us": line.p99_ns / 1e3,
        "max_us": line.max_ns / 1e3,
        "floor_us": line.floor_ns / 1e3,
        "floor_percent": 100 * line.floor_share,
        "cpu_us": line.cpu_ns / 1e3,
        "cpu_percent": 100 * line.cpu_share,
        "driver": line.driver,
        "detail": line.detail,
        "warnings": "; ".join(line.warnings),
    }


def load(path: Path | str) -> Run:
    """Read a run directory. Errors: ``WorkbenchError`` where it is none."""
    meta, rows = read_run(Path(path))
    return Run(Path(path), meta, rows)
