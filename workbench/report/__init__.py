"""The report: verdicts and measurements of a run as one HTML page that needs nothing else."""

from __future__ import annotations

from workbench.report.page import write

__all__ = ["write"]
