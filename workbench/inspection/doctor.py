"""Is everything here that the workbench needs? What is missing, and the one command that brings it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil

from workbench.faults import WorkbenchError
from workbench.inspection.check import Check
from workbench.inspection.overview import overview
from workbench.tokens import home
from workbench.tokens.home import private_directory

__all__ = ["examine"]

# The packages that the results depend on; pip has checked the rest.
PACKAGES = (
    "PyKCS11",
    "cffi",
    "cryptography",
    "papermill",
    "nbval",
    "jupyterlab",
    "pandas",
    "matplotlib",
    "pyelftools",
)


def examine() -> tuple[Check, ...]:
    """Every check, in the order in which they matter. Nothing is changed."""
    return (_python(), *_packages(), _kernel(), _home(), *_tokens())


def _python() -> Check:
    return Check("Python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _packages() -> list[Check]:
    checks = []
    for name in PACKAGES:
        try:
            checks.append(Check(name, "ok", importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            checks.append(Check(name, "missing", "not installed in this environment", "make setup"))
    return checks


def _kernel() -> Check:
    if importlib.util.find_spec("workbench.measure._kernel") is not None:
        return Check("load kernel", "ok", "compiled: measurements run at the native ceiling")
    what = "not compiled: measurements go through cffi, which costs cheap operations up to half their rate"
    remedy = "make setup" if shutil.which("cc") else "apt-get install gcc python3-dev, then: make setup"
    return Check("load kernel", "note", what, remedy)


def _home() -> Check:
    try:
        path = private_directory(home())
    except WorkbenchError as error:
        return Check("private directory", "missing", str(error), "export WORKBENCH_HOME=DIRECTORY")
    if not os.access(path, os.W_OK):
        return Check(
            "private directory", "missing", f"{path} is read-only", "export WORKBENCH_HOME=DIRECTORY"
        )
    return Check("private directory", "ok", str(path))


def _tokens() -> list[Check]:
    states = {
        "up": "ok",
        "down": "note",
        "not made yet": "note",
        "not available": "note",
        "broken": "missing",
    }
    checks = []
    for found in overview():
        if found.state not in states:
            continue  # somebody's token: it is asked only by name
        remedy = None if found.state == "up" else f"workbench token up {found.name}"
        if found.state == "broken":
            remedy = f"workbench token up {found.name} --fresh"
        detail = f"{found.library}, {found.mechanisms} mechanisms" if found.state == "up" else found.detail
        checks.append(Check(f"token {found.name}", states[found.state], f"{found.state}: {detail}", remedy))
    return checks
