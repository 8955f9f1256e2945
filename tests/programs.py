"""Programs and tokens that tests need and a fresh machine may lack: brought where that can be done, else a skip with its reason."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from workbench import tokens
from workbench.faults import WorkbenchError
from workbench.tokens import Sandbox
from workbench.tokens.providers import packages

__all__ = ["brought_up", "compiler", "pkcs11_tool", "unpacked"]

T = TypeVar("T")


def compiler() -> str:
    """The C compiler. On CI root installs it; elsewhere a test does not change the machine."""
    if shutil.which("cc") is None and "CI" in os.environ and os.geteuid() == 0:
        packages.ensure(("gcc", "libc6-dev"))
    return _or_skip(shutil.which("cc"), "there is no C compiler: apt-get install gcc libc6-dev")


def pkcs11_tool() -> tuple[str, dict[str, str]]:
    """OpenSC's pkcs11-tool and the environment it runs in: the system's, or one unpacked beside the sandboxes."""
    found = shutil.which("pkcs11-tool")
    if found is not None:
        return found, dict(os.environ)
    reason = "there is no pkcs11-tool: apt-get install opensc"
    try:
        packages.unpack(("opensc",))
    except WorkbenchError as error:
        reason = str(error)
    program = packages.locate(("usr/bin/pkcs11-tool",))
    path = _or_skip(None if program is None else str(program), reason)
    libraries = packages.library_path(Path(path))
    return path, {**os.environ, **({} if libraries is None else {"LD_LIBRARY_PATH": libraries})}


def _or_skip(found: str | None, reason: str) -> str:
    if found is None and "CI" in os.environ:
        pytest.fail(f"on CI nothing may be missing: {reason}")
    if found is None:
        pytest.skip(reason)
    return found


def brought_up(name: str) -> Sandbox:
    """The sandbox of this name, up; a skip with its reason (on CI a failure) where it cannot be had."""
    return _had(name, lambda: tokens.provider(name).up())


def unpacked(name: str) -> Path:
    """The module of this sandbox, its packages unpacked for every home that links to them; else as ``brought_up``."""
    return _had(name, lambda: tokens.provider(name).module())


def _had(name: str, bring: Callable[[], T]) -> T:
    reason = tokens.why_not(name)
    if reason is None:
        try:
            return bring()
        except WorkbenchError as error:
            reason = str(error)  # what only the mirror knows
    if "CI" in os.environ:
        pytest.fail(f"{name} is not available on CI: {reason}")
    pytest.skip(reason)
