"""Looking at what is here without touching it: the tokens of this machine, and whether the set-up is whole."""

from workbench.inspection.doctor import Check, examine
from workbench.inspection.overview import TokenSummary, overview
from workbench.inspection.standing import DaemonStanding, Standing, standing

__all__ = ["Check", "DaemonStanding", "Standing", "TokenSummary", "examine", "overview", "standing"]
