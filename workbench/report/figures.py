"""The figures of a run as pictures inside the page: SVG, drawn once for light paper and once for dark."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs
import matplotlib as mpl

from workbench import measure
from workbench.measure.plots import finding, latency_finding, payload_finding, scaling_finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Picture", "run_figures"]

Draw = Callable[[measure.Run], "Figure"]

_COMMON: Final = {"svg.hashsalt": "workbench", "savefig.transparent": True}
_LIGHT: Final = {"text.color": "#1d2530", "axes.edgecolor": "#55606e", "grid.color": "#b8c0ca"}
_DARK: Final = {"text.color": "#dfe5ec", "axes.edgecolor": "#a3aebb", "grid.color": "#4a5562"}


@attrs.frozen
class Picture:
    """A figure as data URIs. `text` says what it shows and finds, for those who do not see it."""

    light: str
    dark: str
    text: str
    caption: str


def run_figures(run: measure.Run) -> tuple[Picture, ...]:
    """Throughput and latency of a run, scaling and payload where it swept over them; none where nothing was measured."""
    if not any(line.rounds for line in run.lines):
        return ()
    found = [
        _picture(
            measure.throughput_figure,
            run,
            f"Throughput of every operation and token: {finding(run)}.",
            "Marks are medians of the rounds, bars their 95 % intervals. The table below has the numbers.",
        ),
        _picture(
            measure.latency_figure,
            run,
            f"Latency of every operation and token: {latency_finding(run)}.",
            "From the median of all calls to the slowest one. The table below has the numbers.",
        ),
    ]
    if any(run.saturation(line.token, line.case) for line in run.lines):
        found.append(
            _picture(
                measure.scaling_figure,
                run,
                f"Throughput over the number of threads: {scaling_finding(run)}.",
                "Dashed is the ideal, every thread as fast as the first; the knee is where it meets the plateau.",
            )
        )
    if measure.byte_costs(run):
        found.append(
            _picture(
                measure.payload_figure,
                run,
                f"Latency and data rate over the size of the data: {payload_finding(run)}.",
                "A fixed part of every call and a part for each byte: the line through the medians.",
            )
        )
    return tuple(found)


def _picture(draw: Draw, run: measure.Run, text: str, caption: str) -> Picture:
    return Picture(_uri(draw, run, _LIGHT), _uri(draw, run, _DARK), text, caption)


def _uri(draw: Draw, run: measure.Run, ink: Mapping[str, str]) -> str:
    names = ("xtick.color", "ytick.color", "axes.labelcolor", "axes.titlecolor")
    settings: dict[Any, Any] = {**_COMMON, **ink, **dict.fromkeys(names, ink["text.color"])}
    with mpl.rc_context(settings):
        drawn = io.BytesIO()
        draw(run).savefig(drawn, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(drawn.getvalue()).decode()}"
