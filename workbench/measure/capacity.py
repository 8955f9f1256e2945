"""How many devices a rate needs: what one was measured to do, room to breathe, and one that fails."""

from __future__ import annotations

import math

import attrs

from workbench.faults import WorkbenchError

__all__ = ["Sizing", "sizing"]


@attrs.frozen
class Sizing:
    """``nodes`` devices for ``rate`` calls per second, of which each was measured to do ``node_rate`` at its best.

    ``headroom``: the part of every node that is left free, 0 to 1, because waiting grows without bound towards the
    limit. ``spare``: nodes that may fail, the others still keeping their headroom.
    """

    rate: float
    node_rate: float
    headroom: float
    spare: int
    nodes: int

    @property
    def load(self) -> float:
        """How busy each node is while all work, 0 to 1."""
        return self.rate / (self.nodes * self.node_rate)

    @property
    def load_after_failure(self) -> float:
        """How busy each of those left is once ``spare`` of them failed."""
        return self.rate / ((self.nodes - self.spare) * self.node_rate)


def sizing(rate: float, node_rate: float, headroom: float = 0.3, spare: int = 1) -> Sizing:
    """Size an installation. That n nodes do n times as much is assumed, and to be measured on the real thing.

    Errors: ``WorkbenchError`` for rates that are not above 0, a headroom that is no part of 1, negative spares.
    """
    if not (rate > 0 and node_rate > 0):
        raise WorkbenchError("a sizing needs rates above 0: the one that is wanted, and that of one node")
    if not 0 <= headroom < 1 or spare < 0:
        raise WorkbenchError(
            "headroom is a part of 1, from 0 to below 1, and spare a number of nodes from 0 on"
        )
    carrying = math.ceil(rate / (node_rate * (1 - headroom)) - 1e-9)
    return Sizing(rate, node_rate, headroom, spare, carrying + spare)
