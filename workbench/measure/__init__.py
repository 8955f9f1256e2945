"""The measuring bench: plans, the load kernel, statistics, results.

Names are looked up when they are first used, so that a worker does not load what only its parent needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.measure.appointment import parse_start
    from workbench.measure.capacity import Sizing, sizing
    from workbench.measure.changes import Change
    from workbench.measure.choices import Choices
    from workbench.measure.comparison import Comparison, LineComparison, compare_runs, compare_tokens
    from workbench.measure.device import Device, Emulated, timeline
    from workbench.measure.disclosure import Fact, facts
    from workbench.measure.drivers import default_driver, drive
    from workbench.measure.fleet import fleet_bench
    from workbench.measure.jobs import Job, Stop, ThreadResult, Work
    from workbench.measure.measurement import Progress
    from workbench.measure.merging import merge
    from workbench.measure.payload import ByteCost, byte_costs
    from workbench.measure.plan import KEYS, Case, KeySpec, Plan
    from workbench.measure.planfile import CASES, PLANS, plan_named
    from workbench.measure.plots import (
        capacity_figure,
        comparison_figure,
        history_figure,
        latency_figure,
        payload_figure,
        phases_finding,
        scaling_figure,
        tail_figure,
        throughput_figure,
    )
    from workbench.measure.results import Line, Run, load
    from workbench.measure.runner import bench, resume
    from workbench.measure.saturation import Law, Saturation, fit
    from workbench.measure.stats import Interval
    from workbench.measure.store import SCHEMA_VERSION, Row

__all__ = [
    "CASES",
    "KEYS",
    "PLANS",
    "SCHEMA_VERSION",
    "ByteCost",
    "Case",
    "Change",
    "Choices",
    "Comparison",
    "Device",
    "Emulated",
    "Fact",
    "Interval",
    "Job",
    "KeySpec",
    "Law",
    "Line",
    "LineComparison",
    "Plan",
    "Progress",
    "Row",
    "Run",
    "Saturation",
    "Sizing",
    "Stop",
    "ThreadResult",
    "Work",
    "bench",
    "byte_costs",
    "capacity_figure",
    "compare_runs",
    "compare_tokens",
    "comparison_figure",
    "default_driver",
    "drive",
    "facts",
    "fit",
    "fleet_bench",
    "history_figure",
    "latency_figure",
    "load",
    "merge",
    "parse_start",
    "payload_figure",
    "phases_finding",
    "plan_named",
    "resume",
    "scaling_figure",
    "sizing",
    "tail_figure",
    "throughput_figure",
    "timeline",
]

_HOMES = {
    "capacity": ("Sizing", "sizing"),
    "appointment": ("parse_start",),
    "choices": ("Choices",),
    "changes": ("Change",),
    "comparison": ("Comparison", "LineComparison", "compare_runs", "compare_tokens"),
    "device": ("Device", "Emulated", "timeline"),
    "disclosure": ("Fact", "facts"),
    "drivers": ("default_driver", "drive"),
    "fleet": ("fleet_bench",),
    "jobs": ("Job", "Stop", "ThreadResult", "Work"),
    "measurement": ("Progress",),
    "payload": ("ByteCost", "byte_costs"),
    "merging": ("merge",),
    "plan": ("KEYS", "Case", "KeySpec", "Plan"),
    "planfile": ("CASES", "PLANS", "plan_named"),
    "plots": (
        "capacity_figure",
        "comparison_figure",
        "history_figure",
        "latency_figure",
        "payload_figure",
        "phases_finding",
        "scaling_figure",
        "tail_figure",
        "throughput_figure",
    ),
    "results": ("Line", "Run", "load"),
    "runner": ("bench", "resume"),
    "saturation": ("Law", "Saturation", "fit"),
    "stats": ("Interval",),
    "store": ("SCHEMA_VERSION", "Row"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
