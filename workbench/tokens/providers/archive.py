"""A newer suite of the host's distribution, from the mirror that the host uses; the host itself is left alone.

apt does the work, as any user, with private lists and a private cache. It checks the mirror's signature and the
hash of every package, and nothing here can switch that off.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import attrs

from workbench.faults import WorkbenchError
from workbench.tokens.home import private_directory

__all__ = [
    "ACCEPT_STALE",
    "Archive",
    "Distribution",
    "Package",
    "architecture",
    "distribution",
    "packages_in",
]

ACCEPT_STALE = "WORKBENCH_ACCEPT_STALE_MIRROR"
SECONDS = 600.0


@attrs.frozen
class Distribution:
    """What we must know of a distribution to ask its mirror for a newer suite."""

    origin: str
    """As the mirror's own metadata says it."""
    newest: str
    """The suite that has the newest modules."""
    components: tuple[str, ...]
    keyring: Path
    """The keys that sign every suite; the distribution's own package brings them."""


_DISTRIBUTIONS = {
    "debian": Distribution(
        "Debian", "sid", ("main",), Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    ),
    "ubuntu": Distribution(
        "Ubuntu", "devel", ("main", "universe"), Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg")
    ),
}


@attrs.frozen
class Package:
    """One package as it was downloaded."""

    name: str
    version: str
    architecture: str
    sha256: str
    """Of the archive file, in hexadecimal."""


@functools.cache
def distribution() -> Distribution | None:
    """The distribution of this host, or the one that it is like; None when it is neither Debian nor Ubuntu."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return None
    likenesses = (release.get("ID", ""), *release.get("ID_LIKE", "").split())
    return next((_DISTRIBUTIONS[name] for name in likenesses if name in _DISTRIBUTIONS), None)


@functools.cache
def architecture() -> str | None:
    """This machine's architecture as dpkg names it (``amd64``); None without dpkg."""
    if shutil.which("dpkg") is None:
        return None
    return subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()


# apt reads this file last, so it has the last word. Proxies and logins stay the host's; its hooks do not run, for
# they act on the host. A hash sign starts apt's own directive.
_SETTINGS = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Default-Release;
APT::Update::Error-Mode "any";
Debug::NoLocking "true";
Acquire::Languages "none";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
APT::Get::AllowUnauthenticated "false";
Dir::State::lists "{work}/{lists}";
Dir::Cache "{work}/cache";
"""
_OWN_SETTINGS = """\
Dir::Etc::sourcelist "{work}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{work}";
Dir::State::status "{work}/status";
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Install-Recommends "false";
APT::Install-Suggests "false";
Acquire::Check-Date "true";
Acquire::Check-Valid-Until "{check_age}";
"""


@attrs.frozen
class Archive:
    """One suite on the host's mirror, worked on in the private directory ``work``.

    ``keyring``: who may have signed it.
    """

    suite: str
    distribution: Distribution
    work: Path
    keyring: Path

    def download(self, packages: Sequence[str]) -> Path:
        """Download packages with all that they depend on; the directory with the archive files.

        Errors: ``WorkbenchError`` with the reason (no mirror, not signed, out of date, no such package).
        """
        if not self.keyring.is_file():
            raise WorkbenchError(
                f"the keys that sign {self.suite} are not at {self.keyring}: "
                f"apt-get install {self.keyring.stem}, then try again"
            )
        for part in ("lists/partial", "cache/archives/partial"):
            private_directory(self.work / part)
        (self.work / "status").write_text("", encoding="utf-8")
        line = f"deb [signed-by={self.keyring} target=Packages] {self._mirror()} {self.suite}"
        (self.work / "sources.list").write_text(
            f"{line} {' '.join(self.distribution.components)}\n", encoding="utf-8"
        )
        values = {
            "work": self.work,
            "lists": "lists",
            "architecture": architecture(),
            "check_age": "false" if os.environ.get(ACCEPT_STALE) == "1" else "true",
        }
        self._write("apt.conf", (_SETTINGS + _OWN_SETTINGS).format(**values))
        self._apt("apt.conf", "update")
        self._apt("apt.conf", "--download-only", "--yes", "install", *packages)
        return self.work / "cache" / "archives"

    def _mirror(self) -> str:
        """The address that the host's own sources name for the distribution."""
        found = self._ask_for_mirror([])
        if found is None:  # the lists are empty, as in a fresh container: bring them, privately
            private_directory(self.work / "host-lists" / "partial")
            self._write("host.conf", _SETTINGS.format(work=self.work, lists="host-lists"))
            self._apt("host.conf", "update")
            found = self._ask_for_mirror(["-c", str(self.work / "host.conf")])
        if found is None:
            raise WorkbenchError(
                f"apt names no {self.distribution.origin} mirror on this machine: {self.suite} cannot be brought; "
                "add one to /etc/apt/sources.list.d, then try again"
            )
        return found

    def _ask_for_mirror(self, options: Sequence[str]) -> str | None:
        form = "$(ORIGIN)|$(SUITE)|$(REPO_URI)"
        command = ["apt-get", *options, "indextargets", "--format", form, "Created-By: Packages"]
        for line in _run(command).stdout.splitlines():
            origin, suite, address = line.split("|", 2)
            if origin == self.distribution.origin and "-" not in suite:  # not security, updates, backports
                return address
        return None

    def _write(self, name: str, text: str) -> None:
        if os.geteuid() != 0:
            text += 'APT::Sandbox::User "";\n'  # changing to another user is root's
        (self.work / name).write_text(text, encoding="utf-8")

    def _apt(self, configuration: str, *words: str) -> None:
        done = _run(["apt-get", "-c", str(self.work / configuration), "-qq", *words])
        if done.returncode:
            raise WorkbenchError(self._reason(done.stderr))

    def _reason(self, said: str) -> str:
        if "is expired" in said:
            since = said.partition("(invalid since ")[2].partition(")")[0]
            return (
                f"the mirror's list of {self.suite} is out of date by {since}, and such a list may hide newer "
                f"packages: to use it all the same set {ACCEPT_STALE}=1 or say --accept-stale-mirror "
                "(signatures stay checked)"
            )
        if "is not signed" in said or "GPG error" in said:
            return (
                f"{self.suite} on the mirror is not signed by a key of {self.keyring}: nothing of it is used"
            )
        if "does not have a Release file" in said:
            return f"the mirror of this machine has no suite {self.suite}: set WORKBENCH_SUITE to one that it has"
        if "Unable to locate package" in said:
            missing = said.partition("Unable to locate package ")[2].split()[0]
            return f"{self.suite} has no package {missing}: set WORKBENCH_SUITE to a newer suite"
        errors = [line.removeprefix("E: ") for line in said.splitlines() if line.startswith("E: ")]
        return f"apt could not bring packages of {self.suite} ({errors[0] if errors else 'no message'})"


def packages_in(directory: Path) -> tuple[Package, ...]:
    """What the archive files of a directory are, by name."""
    return tuple(_package(path) for path in sorted(directory.glob("*.deb")))


def _package(path: Path) -> Package:
    form = "${Package}\n${Version}\n${Architecture}\n"
    name, version, machine = _run(["dpkg-deb", "--show", f"--showformat={form}", str(path)]).stdout.split()
    return Package(name, version, machine, hashlib.sha256(path.read_bytes()).hexdigest())


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        return subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise WorkbenchError(f"the mirror gave no answer within {SECONDS:.0f} s: try again later") from None
