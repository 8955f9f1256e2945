"""A provider whose module is newer than many systems: the system's own where it is new enough, else a newer suite's."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.faults import WorkbenchError
from workbench.tokens.providers.base import Provider
from workbench.tokens.providers.suite import suite

__all__ = ["Newer", "installed_version"]

_ASK = (  # each prints the version of an installed package, and nothing or an error for one that is not
    ("dpkg-query", "--show", "--showformat=${Version}"),
    ("rpm", "--query", "--queryformat=%{VERSION}"),
    ("pacman", "--query"),
)


@functools.cache
def installed_version(packages: Sequence[str]) -> tuple[int, ...]:
    """The version of whichever of the packages the system has (3.132 as ``(3, 132)``); empty for none."""
    for command in _ASK:
        for package in packages:
            if shutil.which(command[0]) is None:
                continue
            done = subprocess.run([*command, package], capture_output=True, text=True, check=False)
            found = re.search(r"(?:^|[: ])(\d+(?:\.\d+)*)(?=[^:]*$)", done.stdout.strip())
            if done.returncode == 0 and found:
                return tuple(int(part) for part in found[1].split("."))
    return ()


class Newer(Provider):
    """A module that needs newer libraries than this system may have."""

    library: str  # the module's file, below the suite's library directory
    installed_as: tuple[str, ...]  # the package's names on the distributions that have it
    oldest: tuple[int, ...]  # the first version that is new enough

    @property
    def kernel(self) -> str | None:
        """The title of the Jupyter kernel that the module loads into; None when every one will do."""
        return f"Python 3 ({self.name})" if self.needs_interpreter else None

    def find(self) -> Path | None:
        """The module's file: as the environment names it, the system's if new enough, the unpacked suite's."""
        return self.named() or self.on_system() or self._in_suite()

    def on_system(self) -> Path | None:
        """The system's own module, where it is new enough."""
        if installed_version(self.installed_as) < self.oldest:
            return None
        places = [Path("/") / place for place in self.places]
        return next((place for place in places if place.is_file()), None)

    def _in_suite(self) -> Path | None:
        unpacked = suite()
        if unpacked.why_not() is not None or not unpacked.has(self.packages):
            return None
        module = unpacked.libraries / self.library
        return module if module.is_file() else None

    def why_not(self) -> str | None:
        """Why the sandbox cannot be brought up here. Whether the mirror has the packages shows when it is asked."""
        if self.find() is not None:
            return None
        reason = suite().why_not()
        return None if reason is None else f"{self.title} is not installed, and {reason}"

    def module(self) -> Path:
        """The module's file, unpacked first if need be. Errors: ``WorkbenchError`` with the reason of ``why_not``."""
        reason = self.why_not()
        if reason is not None:
            raise WorkbenchError(reason)
        found = self.find()
        if found is None:
            suite().ensure(self.packages)
            found = self.find()
        return found or suite().libraries / self.library

    def exists(self, module: Path) -> bool:
        """Whether the sandbox's module is the one that would be used now: another suite may have been chosen."""
        return module == self.find()

    @property
    def needs_interpreter(self) -> bool:
        """Whether the module comes from a suite: then only a Python under that suite's loader can have it."""
        return self.named() is None and self.on_system() is None

    def interpreter(self) -> tuple[str, ...]:
        """Our Python under the suite's loader."""
        return suite().interpreter() if self.needs_interpreter else ()

    def inside(self) -> bool:
        """Whether this process runs under the suite's loader, or need not."""
        return not self.needs_interpreter or suite().inside()

    def elsewhere(self) -> str:
        """What to tell somebody who opens the token in a process that its module does not load into."""
        return (
            f"{self.title} does not load into this Python: in JupyterLab choose the kernel {self.kernel!r} "
            f"(workbench token up {self.name} lists it); workbench run, bench and inspect start it by themselves"
        )

    def exports(self) -> Mapping[str, str]:
        """The module's own variables. No library path: it would give a program of the host the wrong libraries."""
        return self.environment()

    def provenance(self) -> dict[str, Any]:
        """Where the module comes from: suite, and version and hash of its packages; empty for the system's own."""
        return {} if self.named() or self.on_system() else suite().provenance(self.packages)
