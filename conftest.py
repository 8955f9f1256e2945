"""Tests keep their tokens apart from the user's: under build/, unless WORKBENCH_HOME says otherwise.

What the tests start for a token is stopped when they end; what ran before them runs on.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Throw-away tokens may come from a mirror whose list has passed its date; signatures are checked all the same.
os.environ.setdefault("WORKBENCH_ACCEPT_STALE_MIRROR", "1")
os.environ.setdefault("WORKBENCH_HOME", str(Path(__file__).resolve().parent / "build" / "test-home"))

_ran_before = pytest.StashKey[set[str]]()


def _running() -> set[str]:
    from workbench.tokens import PROVIDERS

    return {name for name, provider in PROVIDERS.items() if any(provider.running().values())}


def pytest_sessionstart(session: pytest.Session) -> None:
    """Which tokens somebody else keeps up."""
    session.config.stash[_ran_before] = _running()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take down what the tests brought up."""
    from workbench.tokens import PROVIDERS

    for name in _running() - session.config.stash.get(_ran_before, set()):
        PROVIDERS[name].down()
