"""The tests of calls and keys on tokens that the fast loop leaves out, each in the Python that its module wants.

What a module lacks is a skip with its reason there. Here one test per token passes when that run does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench import tokens

HERE = Path(__file__).parent
KEYS = ("../keys/test_keys.py",)
CALLS = (
    "test_calls.py",
    "test_operations.py",
    "test_attributes.py",
    "test_derivation.py",
    "test_parameters_on_tokens.py",
    "test_template_advice.py",
    "test_tracing.py",
    "test_redaction.py",
    "test_samples.py",
)
# All of it where the module keeps to the standard closely enough; test_every_function has every token.
OTHERS = {"nss-new": CALLS + KEYS, "opencryptoki": CALLS + KEYS, "freehsm": KEYS, "p11-kit": KEYS}


@pytest.mark.notebook
@pytest.mark.parametrize("name", OTHERS)
def test_calls_and_keys_on_another_token(name: str) -> None:
    reason = tokens.why_not(name)
    if reason is not None and "CI" in os.environ:
        pytest.fail(f"{name} is not available on CI: {reason}")
    if reason is not None:
        pytest.skip(reason)
    python = tokens.interpreter(name) or (sys.executable,)
    files = [str((HERE / file).resolve()) for file in OTHERS[name]]
    chosen = ["-m", "not notebook", "-k", name, "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*python, "-m", "pytest", *chosen, *files],
        cwd=HERE.parents[1],
        env={**os.environ, "WORKBENCH_TEST_TOKENS": name},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
