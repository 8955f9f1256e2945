"""Looking at what is here without touching it: the tokens of this machine, and whether the set-up is whole."""

from workbench.inspection.doctor import Check, examine
from workbench.inspection.overview import TokenSummary, overview

__all__ = ["Check", "TokenSummary", "examine", "overview"]
