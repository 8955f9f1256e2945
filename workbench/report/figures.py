"""The figures of a run as pictures inside the page: SVG, one drawn for light paper and one for dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from workbench import measure

if TYPE_CHECKING:
    pass

__all__ = ["Picture", "run_figures"]


@attrs.frozen
class Picture:
    """A figure as data URIs, and what it shows in words."""

    light: str
    dark: str
    text: str


def run_figures(run: measure.Run) -> tuple[Picture, ...]:
    """Throughput and latency of a run; none of a run that measured nothing."""
    return ()
