"""The pages, each one HTML file that needs nothing else: verdicts and measurements of a run, an inspection, a probe."""

from __future__ import annotations

from workbench.report.inspection import write_inspection
from workbench.report.page import write
from workbench.report.probing import write_probe_page

__all__ = ["write", "write_inspection", "write_probe_page"]
