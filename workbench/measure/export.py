"""A run in the forms that other tools read: CSV, pyperf's JSON, OpenMetrics."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from workbench.faults import WorkbenchError
from workbench.measure.frames import lines_frame

if TYPE_CHECKING:
    from workbench.measure.lines import Line
    from workbench.measure.results import Run

__all__ = ["to_csv", "to_openmetrics", "to_pyperf"]

NANO = 1e-9
QUANTILES = (("0.5", "p50"), ("0.9", "p90_ns"), ("0.99", "p99_ns"), ("0.999", "p999_ns"))


def to_csv(run: Run) -> str:
    """The lines, one each, with the columns of ``Run.table``."""
    return str(lines_frame(run).to_csv(index=False))


def to_pyperf(run: Run) -> str:
    """As pyperf's JSON (version 1.0): a benchmark per line, its values the median latency of each round in seconds.

    Errors: ``WorkbenchError`` where nothing was measured: pyperf has no empty suite.
    """
    machine = run.meta["machine"]
    suite = {
        "hostname": machine["host_sha256"],
        "cpu_count": machine["cores"],
        "cpu_model_name": machine["cpu"] or "",
        "platform": f"{machine['kernel']} {machine['architecture']}",
        "python_version": machine["python"].split()[-1],
        "unit": "second",
        "date": _local(run),
    }
    benchmarks = []
    for line in _measured(run):
        blocks = run.blocks(line.token, line.case, line.threads, line.driver)
        values = [row.p50_ns * NANO for row in blocks if row.p50_ns]
        benchmarks.append(
            {
                "metadata": {"name": _name(line), "loops": max(1, line.successes // max(1, line.rounds))},
                "runs": [{"values": values}],
            }
        )
    if not benchmarks:
        raise WorkbenchError(f"{run.path.name} has no figure to export")
    return json.dumps({"version": "1.0", "metadata": suite, "benchmarks": benchmarks}, indent=1) + "\n"


def to_openmetrics(run: Run) -> str:
    """OpenMetrics text: throughput, latency quantiles, CPU time and failures of every line, dated by the run."""
    at = datetime.fromisoformat(run.meta["created"]).timestamp()
    families: dict[str, tuple[str, str, str, list[str]]] = {
        "workbench_throughput": ("gauge", "", "Successful calls per second (median over the rounds).", []),
        "workbench_latency_seconds": ("summary", "seconds", "Latency of a call.", []),
        "workbench_cpu_seconds": ("gauge", "seconds", "CPU time of this machine for a call.", []),
        "workbench_failures": ("counter", "", "Calls that failed, by return code.", []),
    }

    def add(family: str, suffix: str, labels: dict[str, str], value: float) -> None:
        if not np.isnan(value):
            families[family][3].append(f"{family}{suffix}{_labels(labels)} {value!r} {at:.3f}")

    for line in _measured(run):
        labels = {
            "token": line.token,
            "case": line.case,
            "threads": str(line.threads),
            "driver": line.driver,
            "loop": line.loop,
        }
        add("workbench_throughput", "", labels, line.rate.value)
        for quantile, field in QUANTILES:
            value = line.p50.value if field == "p50" else float(getattr(line, field))
            add("workbench_latency_seconds", "", labels | {"quantile": quantile}, value * NANO)
        add("workbench_latency_seconds", "_count", labels, line.successes)
        add("workbench_latency_seconds", "_sum", labels, line.mean_ns * NANO * line.successes)
        add("workbench_cpu_seconds", "", labels, line.cpu_ns * NANO)
        for code, count in sorted(line.errors.items()):
            add("workbench_failures", "_total", labels | {"code": code}, count)
    text = []
    for name, (kind, unit, told, samples) in families.items():
        text.append(f"# TYPE {name} {kind}")
        if unit:
            text.append(f"# UNIT {name} {unit}")
        text.append(f"# HELP {name} {told}")
        text += samples
    return "\n".join([*text, "# EOF", ""])


def _measured(run: Run) -> list[Line]:
    return [line for line in run.lines if line.rounds]


def _name(line: Line) -> str:
    threads = f"{line.threads} thread{'s' if line.threads > 1 else ''}"
    return f"{line.case}, {threads}, {line.token}, {line.driver}"


def _local(run: Run) -> str:
    """The date as pyperf writes it, without a zone."""
    return datetime.fromisoformat(run.meta["created"]).replace(tzinfo=None).isoformat(sep=" ")


def _labels(labels: dict[str, str]) -> str:
    def escaped(value: str) -> str:
        return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')

    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items()) + "}"
