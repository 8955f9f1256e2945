"""Tests keep their tokens apart from the user's: under build/, unless WORKBENCH_HOME says otherwise."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("WORKBENCH_HOME", str(Path(__file__).resolve().parent / "build" / "test-home"))
