"""docs/coverage.md says what the repository has."""

from __future__ import annotations

import json
from pathlib import Path
from runpy import run_path

from workbench import spec

ROOT = Path(__file__).resolve().parents[2]
TOOL = run_path(str(ROOT / "tools" / "coverage_page.py"))


def test_the_coverage_page_is_fresh() -> None:
    recorded = json.loads(TOOL["RECORDED"].read_text())
    made = TOOL["page"](recorded)
    assert made == TOOL["PAGE"].read_text(), "run tools/coverage_page.py"


def test_the_coverage_page_has_every_function() -> None:
    text = TOOL["PAGE"].read_text()
    assert all(f"| {function.name} | {function.section} |" in text for function in spec.functions())
