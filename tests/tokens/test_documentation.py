"""What docs/tokens.md says of the sandbox tokens, against the tokens that there are."""

from __future__ import annotations

import re
from pathlib import Path

from workbench.tokens.providers import PROVIDERS

ROOT = Path(__file__).parents[2]
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def test_every_sandbox_token_has_a_row_with_its_daemons() -> None:
    text = (ROOT / "docs" / "tokens.md").read_text(encoding="utf-8")
    rows = {found[1]: found[0] for found in re.finditer(r"^\| `([^`]+)` \|.*$", text, re.MULTILINE)}
    assert list(rows) == list(PROVIDERS)
    for name, provider in PROVIDERS.items():
        assert [daemon.name for daemon in provider.daemons() if daemon.name not in rows[name]] == []
    assert f"docs/tokens.md has {NUMBERS[len(PROVIDERS)]} of them" in (ROOT / "README.md").read_text()
