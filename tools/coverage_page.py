#!/usr/bin/env python3
"""Write docs/coverage.md: function by function, who calls it and what real modules answer.

coverage_page.py            the page, from the tables, notebooks, tests and tests/cryptoki/every_function.json
coverage_page.py --record   first ask the modules of this machine anew and keep what they say

The page has no dates and no paths of a machine: the same repository gives the same page.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from workbench import spec  # noqa: E402

PAGE = ROOT / "docs" / "coverage.md"
RECORDED = ROOT / "tests" / "cryptoki" / "every_function.json"
TOKENS = ("softhsm", "nss", "p11-kit", "tpm", "nss-new", "freehsm", "opencryptoki")
DIRECT = re.compile(r"\bC\.([A-Z]\w+)\(")
NAMED = re.compile(r"\bC_([A-Z]\w+)\b")
# How a trace shows a call, as text and in its drawings; an explanation names functions that nobody called.
TRACED = re.compile(r"\bC_([A-Z]\w+)(?: §|</text>)")
# These speak of functions without calling them.
SILENT = {"test_chapters", "test_tables", "test_explain", "test_search", "test_advice", "test_words"}
EVERYTHING = ("test_every_function", "test_differential")


def notebooks() -> dict[str, set[str]]:
    """The functions that each notebook calls: in its code, or by the traces among its outputs."""
    found = {}
    for path in sorted((*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("benchmarks/*.ipynb"))):
        called: set[str] = set()
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] == "code":
                called.update(DIRECT.findall("".join(cell["source"])))
                called.update(TRACED.findall(json.dumps(cell["outputs"], ensure_ascii=False)))
        found[path.stem] = called
    return found


def tests() -> dict[str, set[str]]:
    """The functions that each test file names, but for the files that only read the tables."""
    found = {}
    for path in sorted(ROOT.glob("tests/**/test_*.py")):
        if path.stem not in SILENT | set(EVERYTHING):
            text = path.read_text()
            found[path.stem] = {*DIRECT.findall(text), *NAMED.findall(text)}
    return found


def users(found: dict[str, set[str]], name: str) -> str:
    """The files that have the function, in one cell."""
    return ", ".join(stem.removeprefix("test_") for stem, called in found.items() if name in called)


def page(recorded: dict[str, Any]) -> str:
    """The whole page."""
    lessons, exercised = notebooks(), tests()
    head = [
        "# Coverage",
        "",
        "Function by function: which notebooks and tests call it, and what real modules answer when it is",
        "called with sensible arguments. Made by `tools/coverage_page.py`; a test holds it to the repository.",
        "",
        "Modules: " + "; ".join(f"{name}: {recorded[name]['library']}" for name in TOKENS) + ".",
        "",
        "*works*: CKR_OK, and the result was what the standard promises. A return code: what the function",
        "answered. *after C_X*: a call that has to come first failed, so it was called by itself. *absent*: the",
        "module has no function list of that version. *NULL*: the list has an empty entry.",
        "",
        f"Every function is also in the tests {' and '.join(f'`{name}`' for name in EVERYTHING)}",
        "(the second: the 54 that PyKCS11 has).",
        "",
    ]
    counted = [*_counts(recorded), ""]
    return "\n".join(head + counted + _chapters(recorded, lessons, exercised)) + "\n"


def _counts(recorded: dict[str, Any]) -> list[str]:
    rows = ["| introduced | functions | " + " | ".join(f"{name} works" for name in TOKENS) + " |"]
    rows.append("|" + "---|" * (2 + len(TOKENS)))
    for version in ("2.40", "3.0", "3.2"):
        names = [function.name for function in spec.functions() if function.introduced == version]
        works = [sum(recorded[token]["functions"][n] == "works" for n in names) for token in TOKENS]
        rows.append(f"| v{version} | {len(names)} | " + " | ".join(str(n) for n in works) + " |")
    return rows


def _chapters(
    recorded: dict[str, Any], lessons: dict[str, set[str]], exercised: dict[str, set[str]]
) -> list[str]:
    rows: list[str] = []
    chapters = sorted({f.chapter for f in spec.functions()}, key=lambda c: [int(n) for n in c.split(".")])
    for chapter in chapters:
        here = [function for function in spec.functions() if function.chapter == chapter]
        rows += [f"## {chapter} {here[0].category[0].upper()}{here[0].category[1:]}", ""]
        rows.append("| function | section | since | notebooks | tests | " + " | ".join(TOKENS) + " |")
        rows.append("|" + "---|" * (5 + len(TOKENS)))
        for function in sorted(here, key=lambda f: [int(n) for n in f.section.split(".")]):
            short = function.name.removeprefix("C_")
            answers = [_brief(recorded[token]["functions"][function.name]) for token in TOKENS]
            cells = [function.name, function.section, function.introduced]
            cells += [users(lessons, short) or "—", users(exercised, short) or "—", *answers]
            rows.append("| " + " | ".join(cells) + " |")
        rows.append("")
    return rows


def _brief(said: str) -> str:
    code, _, before = said.partition(" (after ")
    return f"{code}, after {before.split()[0]}" if before else code


def record() -> dict[str, Any]:
    """Ask the modules, each in a process and with a token of its own."""
    sys.path.insert(0, str(RECORDED.parent))
    from every_function import ask

    answers = {}
    for name in TOKENS:
        with tempfile.TemporaryDirectory() as home:
            answers[name] = ask(name, Path(home))
    return answers


def main(arguments: list[str]) -> None:
    if "--record" in arguments:
        RECORDED.write_text(json.dumps(record(), indent=1) + "\n")
    PAGE.write_text(page(json.loads(RECORDED.read_text())))


if __name__ == "__main__":
    main(sys.argv[1:])
