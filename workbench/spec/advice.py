"""What to think and what to do when a return code comes: causes and next steps, in our own words."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import attrs

__all__ = ["Advice", "advice"]


@attrs.frozen
class Advice:
    """For one return code: what it means in a sentence, likely causes, sensible next steps."""

    means: str
    causes: tuple[str, ...]
    next: tuple[str, ...]


@cache
def _table() -> dict[str, Advice]:
    text = files("workbench.spec").joinpath("data", "advice.json").read_text(encoding="utf-8")
    return {
        name: Advice(row["means"], tuple(row["causes"]), tuple(row["next"]))
        for name, row in json.loads(text).items()
    }


def advice(code: str) -> Advice:
    """The advice for a return code by its name, such as ``CKR_PIN_INCORRECT``; KeyError if it is none."""
    return _table()[code]
