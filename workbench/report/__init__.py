"""The pages: verdicts and measurements of a run, or an inspection, as one HTML file that needs nothing else."""

from __future__ import annotations

from workbench.report.inspection import write_inspection
from workbench.report.page import write

__all__ = ["write", "write_inspection"]
