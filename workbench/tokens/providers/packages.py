"""Bringing a distribution's package here: installed by root, or unpacked into a private directory without.

The mirror is whatever the host is configured for. apt checks the signatures in both cases.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from workbench.faults import WorkbenchError
from workbench.tokens.home import home, locked, private_directory

__all__ = [
    "can_bring",
    "ensure",
    "install_command",
    "library_path",
    "locate",
    "mirror_refusal",
    "preload",
    "unpack",
    "unpacked_root",
]


_INSTALL = ("-y", "--no-install-recommends", "--no-remove", "install")


def unpacked_root() -> Path:
    """The directory that packages are unpacked into."""
    return home() / "packages"


def locate(places: Sequence[str]) -> Path | None:
    """The first of the places (paths below a root) that is a file, on the host or among what is unpacked."""
    candidates = (root / place for place in places for root in (Path("/"), unpacked_root()))
    return next((path for path in candidates if path.is_file()), None)


def can_bring() -> bool:
    """Whether this host has the tools to install or unpack a Debian package."""
    return shutil.which("apt-get") is not None and shutil.which("dpkg") is not None


@cache
def mirror_refusal(packages: tuple[str, ...]) -> str | None:
    """What apt says where the host's package lists cannot bring the packages; None where they can.

    None too where there are no lists yet: only fetching them would tell.
    """
    if not any(Path("/var/lib/apt/lists").glob("*_Packages*")):
        return None
    try:
        _run(["apt-get", "-qq", "-o", "Debug::NoLocking=1", "--simulate", *_INSTALL, *packages])
    except WorkbenchError as error:
        return str(error)
    return None


def install_command(packages: Sequence[str]) -> str:
    """What a person would type to install the packages."""
    return f"apt-get install {' '.join(packages)}"


def ensure(packages: Sequence[str]) -> None:
    """Install (root) or unpack (anybody else) the packages.

    Errors: ``WorkbenchError`` with the exact command, where that cannot be done here.
    """
    if os.geteuid() != 0:
        unpack(packages)
        return
    _check_tools(packages)
    with _packages_locked():
        _install(packages)


def unpack(packages: Sequence[str]) -> None:
    """Unpack the packages below ``unpacked_root()``, with everything they need that the host does not have.

    The host stays as it is: no script of a package runs. Errors: ``WorkbenchError``, as ``ensure``.
    """
    _check_tools(packages)
    with _packages_locked():
        _unpack(packages)


# --- libraries of what was unpacked


def library_path(file: Path) -> str | None:
    """LD_LIBRARY_PATH for an unpacked program or module; None for one of the host's."""
    root = unpacked_root()
    if not file.is_relative_to(root):
        return None
    # swtpm keeps a library of its own in a directory that only its own installation would name
    patterns = ("usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "usr/lib/*-linux-gnu*/swtpm")
    return os.pathsep.join(str(directory) for pattern in patterns for directory in sorted(root.glob(pattern)))


def preload(file: Path) -> bool:
    """Load an unpacked library, and before it what it needs from there: the loader does not look where they are.

    False where something is missing here too; loading the module will then say what.
    """
    directories = [Path(directory) for directory in (library_path(file) or "").split(os.pathsep)]
    while True:
        try:
            ctypes.CDLL(str(file))
        except OSError as error:
            missing = str(error).partition(":")[
                0
            ]  # the loader's message begins with the name of what it lacks
            found = next((path for d in directories if (path := d / missing).is_file()), None)
            if found is None or found == file or not preload(found):
                return False
        else:
            return True


# --- apt


def _check_tools(packages: Sequence[str]) -> None:
    if not can_bring():
        raise WorkbenchError(
            f"{packages[0]} is not on this machine and there is no apt-get to bring it: install it yourself "
            f"(Debian: {install_command(packages)}; macOS: brew install softhsm), then try again"
        )


@contextmanager
def _packages_locked() -> Iterator[None]:
    # beside the directory itself, which homes may share by a link
    with locked(unpacked_root().resolve().with_suffix(".lock"), seconds=600):
        yield


def _run(command: Sequence[str], cwd: Path | None = None) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        said = next((line for line in lines if line.startswith("E: ")), lines[-1] if lines else "no message")
        raise WorkbenchError(
            f"{command[0]} could not bring the package ({said.removeprefix('E: ')}); "
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
    work = root.resolve().with_suffix(".apt")
    for part in ("lists/partial", "archives/partial"):
        private_directory(work / part)
    # the host's own sources and keys; only what apt writes goes to a directory that this user may write
    private = ["-o", f"Dir::Cache={work}", "-o", f"Dir::Cache::archives={work}/archives"]
    private += ["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User="]
    lists = ["-o", f"Dir::State::lists={work}/lists"]
    download = ["--download-only", *_INSTALL, *packages]
    try:
        try:
            _run(["apt-get", "-qq", *private, *download])
        except WorkbenchError:
            _run(["apt-get", "-qq", *private, *lists, "update"])
            _run(["apt-get", "-qq", *private, *lists, *download])
        for archive in sorted((work / "archives").glob("*.deb")):
            _run(["dpkg", "-x", str(archive), str(root)])
    finally:
        shutil.rmtree(work, ignore_errors=True)
