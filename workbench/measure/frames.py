"""A run as DataFrames: lines, rows, latencies. The unit of a column is in its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from workbench.measure.lines import Line
    from workbench.measure.results import Run

__all__ = ["latencies_frame", "lines_frame", "rows_frame"]

LATENCY_COLUMNS = ("token", "case", "threads", "driver", "round", "latency_ns", "calls")


def lines_frame(run: Run) -> pd.DataFrame:
    """One row per line. A percentile for which there are too few calls is left empty."""
    return pd.DataFrame([_flat(line) for line in run.lines])


def rows_frame(run: Run) -> pd.DataFrame:
    """One row per row of the run: floors, blocks, and what failed."""
    return pd.DataFrame([attrs.asdict(row) for row in run.rows])


def latencies_frame(run: Run) -> pd.DataFrame:
    """The packed latencies of every measured block: how many ``calls`` took ``latency_ns`` (see ``stats.pack``)."""
    parts = []
    for row in run.rows:
        if row.kind != "block" or row.latencies is None:
            continue
        packed = np.load(run.path / row.latencies)
        part = pd.DataFrame({"latency_ns": packed[:, 0], "calls": packed[:, 1]})
        parts.append(
            part.assign(
                token=row.token, case=row.case, threads=row.threads, driver=row.driver, round=row.round
            )
        )
    columns = list(LATENCY_COLUMNS)
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _flat(line: Line) -> dict[str, object]:
    return {
        "token": line.token,
        "case": line.case,
        "threads": line.threads,
        "outcome": line.outcome,
        "rounds": line.rounds,
        "successes": line.successes,
        "failures": sum(line.errors.values()),
        "overdue": line.overdue,
        "throughput_per_s": line.rate.value,
        "throughput_low_per_s": line.rate.low,
        "throughput_high_per_s": line.rate.high,
        "p50_us": line.p50.value / 1e3,
        "p50_low_us": line.p50.low / 1e3,
        "p50_high_us": line.p50.high / 1e3,
        "p90_us": line.p90_ns / 1e3,
        "p99_us": line.p99_ns / 1e3 if line.says(99) else np.nan,
        "p999_us": line.p999_ns / 1e3 if line.says(99.9) else np.nan,
        "max_us": line.max_ns / 1e3,
        "mean_us": line.mean_ns / 1e3,
        "floor_us": line.floor_ns / 1e3,
        "floor_percent": 100 * line.floor_share,
        "cpu_us": line.cpu_ns / 1e3,
        "cpu_percent": 100 * line.cpu_share,
        "in_flight": line.in_flight,
        "loop": line.loop,
        "answered_by_library": line.local,
        "driver": line.driver,
        "detail": line.detail,
        "warnings": "; ".join(line.warnings),
    }
