"""Looking at tokens without touching them: which there are, whether the set-up is whole, what one holds."""

from workbench.inspection.check import Check
from workbench.inspection.compare import Comparison, compare
from workbench.inspection.diagnosis import diagnose
from workbench.inspection.doctor import examine
from workbench.inspection.document import document, to_json
from workbench.inspection.inspect import Inspection, Step, inspect
from workbench.inspection.lint import Finding, lint
from workbench.inspection.overview import TokenSummary, overview
from workbench.inspection.standing import DaemonStanding, Standing, standing

__all__ = [
    "Check",
    "Comparison",
    "DaemonStanding",
    "Finding",
    "Inspection",
    "Standing",
    "Step",
    "TokenSummary",
    "compare",
    "diagnose",
    "document",
    "examine",
    "inspect",
    "lint",
    "overview",
    "standing",
    "to_json",
]
