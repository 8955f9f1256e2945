"""The claims of a token put to the proof: every mechanism, size, parameter, limit and code, tried for real.

A probe acts: it makes keys, uses and destroys them. Sandbox tokens only, and guests whose owner consents.
"""

from workbench.inspection.probe.model import Finding, Outcome, TokenProbe
from workbench.inspection.probe.results import Difference, compare, document, load, save
from workbench.inspection.probe.runner import FAMILIES, Step, probe

__all__ = [
    "FAMILIES",
    "Difference",
    "Finding",
    "Outcome",
    "Step",
    "TokenProbe",
    "compare",
    "document",
    "load",
    "probe",
    "save",
]
