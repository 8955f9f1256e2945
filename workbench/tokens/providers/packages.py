"""Bringing a distribution's package here: installed by root, or unpacked into a private directory without.

The mirror is whatever the host is configured for. apt checks the signatures in both cases.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from workbench.faults import WorkbenchError
from workbench.tokens.home import home, locked, private_directory

__all__ = ["can_bring", "ensure", "install_command", "unpacked_root"]


def unpacked_root() -> Path:
    """The directory that packages are unpacked into."""
    return home() / "packages"


def can_bring() -> bool:
    """Whether this host has the tools to install or unpack a Debian package."""
    return shutil.which("apt-get") is not None and shutil.which("dpkg") is not None


def install_command(packages: Sequence[str]) -> str:
    """What a person would type to install the packages."""
    return f"apt-get install {' '.join(packages)}"


def ensure(packages: Sequence[str]) -> None:
    """Install (root) or unpack (anybody else) the packages.

    Errors: ``WorkbenchError`` with the exact command, where that cannot be done here.
    """
    if not can_bring():
        raise WorkbenchError(
            f"{packages[0]} is not on this machine and there is no apt-get to bring it: install it yourself "
            f"(Debian: {install_command(packages)}; macOS: brew install softhsm), then try again"
        )
    with locked(home() / "packages.lock", seconds=600):
        if os.geteuid() == 0:
            _install(packages)
        else:
            _unpack(packages)


def _run(command: Sequence[str], cwd: Path | None = None) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise WorkbenchError(
            f"{' '.join(command[:1])} could not bring the package ({lines[-1] if lines else 'no message'}); "
            f"run it by hand to see why: {' '.join(command)}"
        )


def _install(packages: Sequence[str]) -> None:
    install = ["apt-get", "-qq", "-y", "--no-install-recommends", "install", *packages]
    try:
        _run(install)
    except WorkbenchError:  # empty or stale package lists are the usual reason
        _run(["apt-get", "-qq", "update"])
        _run(install)


def _unpack(packages: Sequence[str]) -> None:
    root = private_directory(unpacked_root())
    work = private_directory(home() / "apt")
    try:
        _run(["apt-get", "-qq", "download", *packages], cwd=work)
    except WorkbenchError:
        private = _private_lists(work)
        _run(["apt-get", *private, "-qq", "update"])
        _run(["apt-get", *private, "-qq", "download", *packages], cwd=work)
    for archive in sorted(work.glob("*.deb")):
        _run(["dpkg", "-x", str(archive), str(root)])
    shutil.rmtree(work, ignore_errors=True)


def _private_lists(work: Path) -> list[str]:
    """Options for apt: the host's own sources and keys, but package lists that this user may write."""
    for part in ("lists/partial", "cache/archives/partial"):
        private_directory(work / part)
    return [
        "-o",
        f"Dir::State::lists={work}/lists",
        "-o",
        f"Dir::Cache={work}/cache",
        "-o",
        "Debug::NoLocking=1",
        "-o",
        "APT::Sandbox::User=",
    ]
