"""What a byte costs: the latency of an operation over the size of its data, as a fixed part and a part per byte."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
import numpy as np

from workbench.faults import WorkbenchError

if TYPE_CHECKING:
    from workbench.measure.results import Run

__all__ = ["ByteCost", "byte_cost", "byte_costs"]


@attrs.frozen
class ByteCost:
    """Median latency by payload, and the line through it: ``fixed_ns`` of every call and ``byte_ns`` of each byte.

    ``payloads``: bytes; ``latencies_ns``: median of each; ``error``: the largest deviation of the line from one of
    them, as a part of it. Both parts are 0 or more.
    """

    token: str
    name: str
    threads: int
    payloads: tuple[int, ...]
    latencies_ns: tuple[float, ...]
    fixed_ns: float
    byte_ns: float
    error: float

    @property
    def half(self) -> float:
        """Bytes at which the fixed part is half of the latency; infinite where a byte costs nothing."""
        return self.fixed_ns / self.byte_ns if self.byte_ns else float("inf")

    @property
    def limit(self) -> float:
        """Bytes per second that no payload exceeds, however long; infinite where a byte costs nothing."""
        return 1e9 / self.byte_ns if self.byte_ns else float("inf")

    def at(self, payload: float) -> float:
        """The latency in ns that the line gives."""
        return self.fixed_ns + self.byte_ns * payload


def byte_cost(medians: Mapping[int, float], token: str = "", name: str = "", threads: int = 1) -> ByteCost:
    """The line through payload → median latency in ns. Errors: ``WorkbenchError`` with fewer than three payloads."""
    if len(medians) < 3:
        raise WorkbenchError("what a byte costs takes three payloads or more")
    payloads = tuple(sorted(medians))
    n, y = np.array(payloads, dtype=float), np.array([medians[p] for p in payloads])
    # relative deviations: the short payloads count as much as the long ones
    candidates = [np.linalg.lstsq(np.column_stack([1 / y, n / y]), np.ones_like(y), rcond=None)[0]]
    candidates += [np.array([np.median(y), 0.0]), np.array([0.0, np.median(y[n > 0] / n[n > 0])])]
    allowed = [c for c in candidates if min(c) >= 0]
    fixed, per_byte = min(allowed, key=lambda c: float(np.sum(((c[0] + c[1] * n) / y - 1) ** 2)))
    error = float(np.max(np.abs((fixed + per_byte * n) / y - 1)))
    return ByteCost(
        token, name, threads, payloads, tuple(float(v) for v in y), float(fixed), float(per_byte), error
    )


def byte_costs(run: Run) -> tuple[ByteCost, ...]:
    """The costs of every token, number of threads and operation that was measured with three payloads or more.

    Cases belong together when nothing but the payload (and the room for the result) tells them apart.
    """
    groups: dict[tuple[str, ...], dict[str, int]] = {}
    for case in run.meta["plan"]["cases"]:
        same = {k: v for k, v in case.items() if k not in ("name", "payload", "output")}
        key = (_title(case), *(f"{k}={same[k]}" for k in sorted(same)))
        groups.setdefault(key, {})[case["name"]] = case["payload"]
    found = []
    for (title, *_), cases in groups.items():
        for token in run.tokens:
            for threads in sorted({line.threads for line in run.lines}):
                medians = {
                    cases[line.case]: line.p50.value
                    for line in run.lines
                    if line.case in cases and (line.token, line.threads) == (token, threads) and line.rounds
                    if line.driver == run.drivers[0]
                }
                if len(medians) >= 3:
                    found.append(byte_cost(medians, token, title, threads))
    return tuple(found)


def _title(case: Mapping[str, object]) -> str:
    parts = str(case["mechanism"] or "").removeprefix("CKM_"), str(case["operation"])
    return " ".join(part for part in parts if part)
