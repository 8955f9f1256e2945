"""Figures of runs and verdicts. The finding stands in the title, what was measured on what at the foot."""

from __future__ import annotations

from workbench.measure.plots.bars import (
    finding,
    latency_figure,
    latency_finding,
    phases_finding,
    throughput_figure,
)
from workbench.measure.plots.capacity import capacity_figure
from workbench.measure.plots.history import history_figure, history_finding
from workbench.measure.plots.payload import payload_figure, payload_finding
from workbench.measure.plots.scaling import scaling_figure, scaling_finding
from workbench.measure.plots.tail import tail_figure
from workbench.measure.plots.verdicts import comparison_figure

__all__ = [
    "capacity_figure",
    "comparison_figure",
    "finding",
    "history_figure",
    "history_finding",
    "latency_figure",
    "latency_finding",
    "payload_figure",
    "payload_finding",
    "phases_finding",
    "scaling_figure",
    "scaling_finding",
    "tail_figure",
    "throughput_figure",
]
