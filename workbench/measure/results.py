"""A run read back: its rows as tables, with intervals, floor, and the reasons to doubt the whole."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from workbench.measure.lines import Line, line_of, rates
from workbench.measure.operations import ALONE
from workbench.measure.saturation import Saturation, fit
from workbench.measure.stats import Packed, pool
from workbench.measure.store import Row, read_run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Line", "Run", "load"]

BUSY = 0.5  # load per core before the run
IDLE_SHARE = 0.9  # of its wall time a thread on the null module is on a CPU: it never waits for anything
FEW_FLOORS = 4  # with fewer in a round, one that was disturbed by chance would speak for it
TAKEN = 0.02  # of the CPU time, by the hypervisor
ALONE_ON = dict.fromkeys(ALONE, (1,))  # whatever the plan says, these are measured with one thread
Key = tuple[str, str, int, str]  # token, case, threads, driver


@attrs.frozen(slots=False, eq=False)
class Run:
    """A finished or broken-off run.

    ``meta``: what ``run.json`` says; ``rows``: everything, in order; ``end``: the machine when it was finished,
    empty for a run that was not.
    """

    path: Path
    meta: dict[str, Any]
    rows: tuple[Row, ...]
    end: dict[str, Any] = attrs.field(factory=dict)

    @property
    def failed(self) -> tuple[Row, ...]:
        """The rows of what went wrong: the command line exits non-zero when there are any."""
        return tuple(row for row in self.rows if row.failed)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens' labels, in the order they were named."""
        return tuple(self.meta["tokens"])

    @property
    def drivers(self) -> tuple[str, ...]:
        """The ways in which the calls were made, ``c-kernel`` for one; each is a column of the results."""
        return tuple(self.meta["drivers"])

    @property
    def driver(self) -> str:
        """All drivers, as a sentence lists them."""
        return ", ".join(self.drivers)

    @property
    def loop(self) -> str:
        """``closed``: the next call when the last has returned; ``open``: when it is due."""
        return str(self.meta["plan"].get("loop", "closed"))

    def blocks(self, token: str, case: str, threads: int, driver: str | None = None) -> tuple[Row, ...]:
        """The measured blocks of a line, in order; of the run's first driver unless one is named."""
        rows = self._by_line.get((token, case, threads, driver or self.drivers[0]), [])
        return tuple(row for row in rows if row.kind == "block" and row.measured)

    def latencies(self, token: str, case: str, threads: int, driver: str | None = None) -> Packed:
        """All latencies of a line, pooled over its rounds: rows ``(ns, how many)``."""
        files = [row.latencies for row in self.blocks(token, case, threads, driver) if row.latencies]
        return pool([np.load(self.path / file) for file in files])

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """One line per case, number of threads, driver and token, in the order of the plan."""
        return tuple(self._line(key) for key in self._keys())

    @property
    def ranked(self) -> tuple[Line, ...]:
        """The lines that may be held against each other: with a figure, and answered by the device."""
        return tuple(line for line in self.lines if line.rounds and not line.local)

    def line(self, token: str, case: str, threads: int, driver: str | None = None) -> Line | None:
        """One line, or None."""
        wanted = (token, case, threads, driver or self.drivers[0])
        return next((x for x in self.lines if (x.token, x.case, x.threads, x.driver) == wanted), None)

    def table(self) -> pd.DataFrame:
        """The lines as a DataFrame; the unit is in each column's name (``_per_s``, ``_us``, ``_percent``)."""
        from workbench.measure.frames import lines_frame

        return lines_frame(self)

    def rows_table(self) -> pd.DataFrame:
        """Every row as it was written, one block or failure each."""
        from workbench.measure.frames import rows_frame

        return rows_frame(self)

    def latencies_table(self) -> pd.DataFrame:
        """Every latency of every block: columns token, case, threads, driver, round, ``latency_ns``, ``calls``."""
        from workbench.measure.frames import latencies_frame

        return latencies_frame(self)

    def rounds_in_common(self, line: Line, baseline: str) -> tuple[list[Row], list[Row]]:
        """The blocks of a line and those of the same line of another token, of the rounds that both have."""
        sides = [
            {row.round: row for row in self.blocks(token, line.case, line.threads, line.driver)}
            for token in (line.token, baseline)
        ]
        both = [
            r for r in sides[0] if r in sides[1] and all(side[r].rate_per_s is not None for side in sides)
        ]
        return [sides[0][r] for r in both], [sides[1][r] for r in both]

    def saturation(self, token: str, case: str, driver: str | None = None) -> Saturation | None:
        """How throughput grows with the threads, and where it stops; None with fewer than three thread counts."""
        name = driver or self.drivers[0]
        sweep = {
            line.threads: rates(self.blocks(token, case, line.threads, name))
            for line in self.lines
            if (line.token, line.case, line.driver) == (token, case, name) and line.rounds
        }
        return fit(sweep) if len(sweep) >= 3 else None

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Reasons to doubt the whole run."""
        machine, found = self.meta["machine"], [*self.unrest_before, *self.unrest]
        if not self.end:
            found.insert(0, "the run was not finished: its figures rest on fewer rounds than the plan has")
        if machine["governor"] not in (None, "performance"):
            found.append(f"the CPU governor was {machine['governor']}: its clock may have changed meanwhile")
        if "cffi-abi" in self.drivers:
            found.append("measured by Python threads (no compiled kernel): see the floor of each line")
        if max((row.threads for row in self.rows), default=0) > (machine["cores_usable"] or 1):
            found.append("more threads than cores: a software token then shows the scheduler as well")
        return tuple(found)

    @property
    def unrest_before(self) -> tuple[str, ...]:
        """What else the machine was doing when the run began."""
        load, cores = self.meta["machine"]["load_average"][0], self.meta["machine"]["cores"] or 1
        if load <= BUSY * cores:
            return ()
        return (f"the machine was busy before the run: load {load:g} on {cores} cores",)

    @cached_property
    def unrest(self) -> tuple[str, ...]:
        """What else the machine was doing during the run."""
        found = []
        cores = self.meta["machine"]["cores_usable"] or 1
        floors = [
            row
            for row in self.rows
            if row.kind == "floor" and row.measured and row.threads <= cores and row.wall_s
        ]
        share = _least_share([row for row in floors if row.driver == "c-kernel"])
        if share < IDLE_SHARE:
            found.append(
                f"the machine was busy during the run: threads that never wait had a CPU for {share:.0%} of their time"
            )
        if self.end.get("stolen_share") is not None and self.end["stolen_share"] > TAKEN:
            found.append(f"the hypervisor took {self.end['stolen_share']:.0%} of the CPU time during the run")
        if self.end.get("throttle_events"):
            found.append(f"the CPU was throttled {self.end['throttle_events']} times during the run")
        return tuple(found)

    def _keys(self) -> list[Key]:
        plan = self.meta["plan"]
        planned = () if isinstance(plan["threads"], str) else tuple(plan["threads"])
        seen: dict[str, dict[int, None]] = {}
        for row in self.rows:
            if row.kind == "block" and row.threads:
                seen.setdefault(row.case, {})[row.threads] = None
        return [
            (token, case["name"], threads, driver)
            for case in plan["cases"]
            for threads in ALONE_ON.get(case["operation"], planned)
            or sorted(seen.get(case["name"], {}))
            or (1,)
            for driver in self.drivers
            for token in self.tokens
            # a knee is sought on each token and driver by itself, and hosts have threads of their own
            if (planned and "hosts" not in self.meta) or self._about((token, case["name"], threads, driver))
        ]

    def _about(self, key: Key) -> list[Row]:
        """The blocks of a line; where there are none, why its case could not be prepared."""
        blocks = [row for row in self._by_line.get(key, []) if row.kind == "block"]
        token, case, _, driver = key
        prepared = self._by_line.get((token, case, 0, driver), [])
        return blocks or [row for row in prepared if row.kind == "prepare" and not row.measured]

    @cached_property
    def _by_line(self) -> dict[Key, list[Row]]:
        grouped: dict[Key, list[Row]] = {}
        for row in self.rows:
            grouped.setdefault((row.token, row.case, row.threads, row.driver), []).append(row)
        return grouped

    @cached_property
    def _cases(self) -> dict[str, dict[str, Any]]:
        return {case["name"]: case for case in self.meta["plan"]["cases"]}

    def floors(self, token: str, operation: str, threads: int, driver: str) -> list[Row]:
        """The blocks of the same calls on the null module, in the token's own worker."""
        rows = self._by_line.get((token, "", threads, driver), [])
        return [row for row in rows if row.kind == "floor" and row.measured and row.operation == operation]

    def _line(self, key: Key) -> Line:
        token, name, threads, driver = key
        case = self._cases[name]
        return line_of(
            self._about(key),
            self.latencies(*key),
            key=key,
            case=case,
            loop=self.loop,
            floors=self.floors(token, case["operation"], threads, driver),
            round_trip_ns=self.meta.get("disclosure", {}).get(token, {}).get("round_trip_ns"),
        )


def _least_share(floors: Sequence[Row]) -> float:
    """The part of their wall time that floors were on a CPU, in the worst round that has enough of them; 1 without any."""
    by_round: dict[int | None, list[float]] = {}
    for row in floors:
        by_round.setdefault(row.round, []).append(row.cpu_s / (row.wall_s * row.threads))
    everything = [share for shares in by_round.values() for share in shares] or [1.0]
    rounds = [shares for shares in by_round.values() if len(shares) >= FEW_FLOORS]
    return min(float(np.median(shares)) for shares in (everything, *rounds))


def load(path: Path | str) -> Run:
    """Read a run directory. Errors: ``WorkbenchError`` where it is none."""
    return Run(Path(path), *read_run(Path(path)))
