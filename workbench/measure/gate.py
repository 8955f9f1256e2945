"""The verdict for machines: JUnit for a test report, annotations for GitHub's page."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from workbench.measure.changes import NAMES, Change
from workbench.measure.comparison import Comparison, LineComparison

__all__ = ["change_text", "github", "junit", "line_name"]

LEVELS = {
    "slower": "error",
    "failing": "error",
    "lost": "error",
    "faster": "notice",
    "no verdict": "warning",
    "not measured": "warning",
}


def line_name(line: LineComparison) -> str:
    """A line in words."""
    threads = f"{line.threads} thread{'s' if line.threads > 1 else ''}"
    return f"{line.case}, {threads}, {line.token}, {line.driver}"


def change_text(change: Change) -> str:
    """``throughput −7.1 % (−8.0 to −6.3, counts from 2.0 %): worse``."""
    interval = ""
    if change.ratio.known:
        interval = f"{_percent(change.ratio.low)} to {_percent(change.ratio.high)}, "
    return (
        f"{NAMES[change.quantity]} {_percent(change.ratio.value)} % ({interval}counts from {100 * change.threshold:.1f} %): "
        f"{change.verdict}"
    )


def _percent(ratio: float) -> str:
    return "?" if np.isnan(ratio) else f"{100 * (ratio - 1):+z.1f}".replace("-", "−")


def _text(line: LineComparison) -> str:
    return "; ".join([*(change_text(change) for change in line.changes), *filter(None, [line.note])])


def junit(found: Comparison) -> str:
    """One test case per line: a regression is a failure, a line that was not measured or has no verdict is skipped."""
    suite = ElementTree.Element(
        "testsuite",
        name=f"{found.name} against {found.baseline}",
        tests=str(len(found.lines)),
        failures=str(len(found.regressions)),
        skipped=str(sum(not line.judged for line in found.lines)),
        errors="0",
    )
    for line in found.lines:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"workbench.{line.token}", name=line_name(line)
        )
        if line.regression:
            ElementTree.SubElement(case, "failure", message=line.verdict).text = _text(line)
        elif not line.judged:
            message = f"{line.verdict}: {line.note}" if line.note else line.verdict
            ElementTree.SubElement(case, "skipped", message=message)
        else:
            ElementTree.SubElement(case, "system-out").text = _text(line)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def github(found: Comparison) -> list[str]:
    """A workflow command per line that says something, and one with the verdict."""
    said = []
    for line in found.lines:
        level = LEVELS.get(line.verdict)
        if level is not None:
            said.append(_command(level, f"{line.verdict}: {line_name(line)}", _text(line)))
    level = {0: "notice", 1: "error", 2: "warning"}[found.exit_code]
    return [*said, _command(level, "workbench gate", f"{found.sentence} (threshold: {found.threshold})")]


def _command(level: str, title: str, message: str) -> str:
    # a message ends at the end of its line, a property at a comma or a colon
    escaped = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    named = title.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    named = named.replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={named}::{escaped}"
