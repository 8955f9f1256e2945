"""The catalogue: which mechanisms the workbench can put to use, and who has the last word on each result."""

from __future__ import annotations

from functools import cache

from workbench import spec
from workbench.inspection.probe.recipes import (
    ciphers,
    derivation,
    digests,
    generation,
    lattices,
    signatures,
    transport,
)
from workbench.inspection.probe.recipes.model import ITSELF, Deviation, Recipe, Stage, Wrong, on_stage

__all__ = ["ITSELF", "Deviation", "Recipe", "Stage", "Wrong", "catalogue", "on_stage"]

_ALL = (digests, ciphers, signatures, transport, derivation, generation, lattices)


@cache
def catalogue() -> dict[tuple[str, str], Recipe]:
    """Every recipe by its mechanism's name and the flag of its use."""
    named = {one.name for one in spec.constants("CKM")}  # families of ciphers have holes
    return {(one.mechanism, one.flag): one for room in _ALL for one in room.RECIPES if one.mechanism in named}
