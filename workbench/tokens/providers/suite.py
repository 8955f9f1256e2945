"""The modules of a newer suite, unpacked beside the host with every library they need, and our Python among them.

No root, no chroot: the suite's own loader runs the very Python that runs us, with its packages, and finds the
suite's libraries before the host's. A process started so has the suite's C library, and its modules load.

``suites/<suite>/`` holds a directory for each state that was unpacked and the link ``current``. A state is complete
before it gets its name, and is never changed afterwards.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from workbench.faults import WorkbenchError
from workbench.tokens.home import home, locked, private_directory
from workbench.tokens.providers.archive import (
    ACCEPT_STALE,
    Archive,
    Package,
    architecture,
    distribution,
    packages_in,
)

__all__ = ["Manifest", "Suite", "suite"]

# What Python and its extension modules are linked with. Anything else they find on the host, which the newer C
# library serves as well.
RUNTIME = (
    "libc6",
    "libgcc-s1",
    "libstdc++6",
    "zlib1g",
    "libbz2-1.0",
    "liblzma5",
    "libffi8",
    "libsqlite3-0",
    "libssl3t64",
    "libncursesw6",
    "libreadline8t64",
    "libexpat1",
    "libuuid1",
)
_LOADERS = {
    "amd64": ("x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "arm64": ("aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}
MANIFEST = "manifest.json"
KEPT = 2  # states: the current one, and the one before, whose files a running process may still ask for


@attrs.frozen
class Manifest:
    """What a state of an unpacked suite consists of, for provenance."""

    suite: str
    wanted: tuple[str, ...]
    """The packages that were asked for; the rest came because these need it."""
    stale_accepted: bool
    """Whether the mirror's list was allowed to be out of date."""
    packages: tuple[Package, ...]

    def version(self, name: str) -> str | None:
        """The version of a package; None when it is not there."""
        return next((package.version for package in self.packages if package.name == name), None)


@attrs.frozen
class Suite:
    """A suite by name (``sid``), unpacked or not."""

    name: str

    @property
    def directory(self) -> Path:
        """Where its states are."""
        return home() / "suites" / self.name

    @property
    def root(self) -> Path:
        """The current state, by a path that stays when the state changes."""
        return self.directory / "current"

    @property
    def libraries(self) -> Path:
        """The directory of the suite's libraries (``usr/lib/x86_64-linux-gnu``)."""
        return self.root / "usr" / "lib" / _LOADERS[architecture() or ""][0]

    def why_not(self, keyring: Path | None = None) -> str | None:
        """Why nothing can be unpacked on this machine, in one line; None when only the mirror can still object."""
        known = distribution()
        if known is None:
            return "newer modules are unpacked on Debian and Ubuntu only, and this machine is neither"
        if architecture() not in _LOADERS or shutil.which("apt-get") is None:
            return f"newer modules are unpacked by apt on {' and '.join(_LOADERS)} only"
        if not (keyring or known.keyring).is_file():
            return f"the keys of the mirror are missing: apt-get install {known.keyring.stem}"
        return None

    def manifest(self) -> Manifest | None:
        """What is unpacked; None when nothing is."""
        try:
            read = json.loads((self.root / MANIFEST).read_text(encoding="utf-8"))
            packages = tuple(Package(**package) for package in read.pop("packages"))
            return Manifest(read["suite"], tuple(read["wanted"]), read["stale_accepted"], packages)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, TypeError, KeyError):
            raise WorkbenchError(
                f"{self.root / MANIFEST} cannot be read: remove {self.directory}, then try again"
            ) from None

    def has(self, packages: Sequence[str]) -> bool:
        """Whether the packages were asked for and are unpacked."""
        unpacked = self.manifest()
        return unpacked is not None and set(packages) <= set(unpacked.wanted)

    def ensure(self, packages: Sequence[str], keyring: Path | None = None) -> None:
        """Unpack the packages and all that they need, beside what is there, unless they are there already.

        Takes some seconds and 10 to 25 MB from the mirror. ``keyring``: who may have signed the suite (default:
        the distribution).
        Errors: ``WorkbenchError`` with the reason; what was unpacked before is as it was.
        """
        if self.has(packages):
            return
        reason = self.why_not(keyring)
        known = distribution()
        if reason is not None or known is None:
            raise WorkbenchError(reason or "")
        with locked(self.directory.with_suffix(".lock"), seconds=900):
            unpacked = self.manifest()
            if unpacked is not None and set(packages) <= set(unpacked.wanted):
                return  # another process was faster
            wanted = tuple(sorted({*packages, *(unpacked.wanted if unpacked else ())}))
            private_directory(self.directory)
            with tempfile.TemporaryDirectory(prefix="new-", dir=self.directory) as temporary:
                work = Path(temporary)
                archives = Archive(self.name, known, work, keyring or known.keyring).download(
                    [*RUNTIME, *wanted]
                )
                self._unpack(archives, wanted, work / "root")
                self._switch(work / "root")
            self._forget_older()

    def _unpack(self, archives: Path, wanted: tuple[str, ...], root: Path) -> None:
        root.mkdir(mode=0o755)
        for archive in sorted(archives.glob("*.deb")):
            done = subprocess.run(
                ["dpkg-deb", "--extract", archive, root], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise WorkbenchError(f"{archive.name} cannot be unpacked ({done.stderr.strip()})")
        stale = os.environ.get(ACCEPT_STALE) == "1"
        manifest = Manifest(self.name, wanted, stale, packages_in(archives))
        (root / MANIFEST).write_text(json.dumps(attrs.asdict(manifest), indent=1) + "\n", encoding="utf-8")

    def _switch(self, root: Path) -> None:
        state = Path(tempfile.mkdtemp(prefix="state-", dir=self.directory))
        root.replace(state)  # an empty directory gives way to a full one
        link = self.directory / ".current"
        link.unlink(missing_ok=True)
        link.symlink_to(state.name)
        link.replace(self.root)

    def _forget_older(self) -> None:
        states = sorted(self.directory.glob("state-*"), key=lambda state: state.stat().st_mtime, reverse=True)
        current = self.root.resolve()
        for state in [state for state in states if state != current][KEPT - 1 :]:
            shutil.rmtree(state, ignore_errors=True)

    # --- our Python under the suite's loader

    def interpreter(self) -> tuple[str, ...]:
        """The command of our own Python under this suite's loader. It knows itself by its usual name.

        The link is followed here: a process keeps to one state of the suite as long as it lives.
        """
        libraries = self.libraries.resolve()
        loader = libraries / _LOADERS[architecture() or ""][1]
        directories = (libraries, libraries / "nss")
        return (
            str(loader),
            "--library-path",
            ":".join(str(path) for path in directories if path.is_dir()),
            "--argv0",
            sys.executable,
            str(Path(sys.executable).resolve()),
        )

    def inside(self) -> bool:
        """Whether this process runs under the suite's loader: the C library that it has mapped is the suite's."""
        ours = self.libraries / "libc.so.6"
        mapped = re.findall(r"(/\S*/libc\.so\.6)$", _maps(), re.MULTILINE)
        return any(Path(path).is_file() and ours.is_file() and ours.samefile(path) for path in mapped)

    def provenance(self, packages: Sequence[str]) -> dict[str, Any]:
        """What a result must say of modules from here: the suite, and the version and hash of each package."""
        unpacked = self.manifest()
        found = [package for package in unpacked.packages if package.name in packages] if unpacked else []
        return {
            "suite": self.name,
            "stale_mirror_accepted": unpacked.stale_accepted if unpacked else False,
            "packages": {package.name: attrs.asdict(package) for package in found},
        }


def _maps() -> str:
    try:
        return Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def suite() -> Suite:
    """The suite that newer modules come from: ``$WORKBENCH_SUITE``, else the newest of this distribution.

    Errors: ``WorkbenchError`` for a name that is none.
    """
    named = os.environ.get("WORKBENCH_SUITE")
    if named is None:
        known = distribution()
        return Suite(known.newest if known else "sid")
    if not re.fullmatch(r"[a-z][a-z0-9-]*", named):
        raise WorkbenchError(f"WORKBENCH_SUITE must name a suite such as sid or trixie, not {named!r}")
    return Suite(named)
