"""openCryptoki's soft token: version 3.2 of the standard, the fullest list of mechanisms, and a daemon of its own.

Every path of openCryptoki is fixed when it is built, and its shared memory has fixed names: one instance a machine.
Here daemon and clients live in namespaces of their own (``private_root``), so that any number of sandboxes run side
by side and the host's own openCryptoki, if there is one, is never touched. That takes root.
"""

from __future__ import annotations

import functools
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from workbench.cryptoki import C, Module, Secret, allow_all
from workbench.faults import WorkbenchError
from workbench.tokens.home import private_directory
from workbench.tokens.providers import private_root
from workbench.tokens.providers.base import Sandbox
from workbench.tokens.providers.daemons import Daemon
from workbench.tokens.providers.newer import Newer
from workbench.tokens.providers.suite import suite

__all__ = ["OpenCryptoki"]

FACTORY_SO_PIN = b"87654321"  # of every new token, documented by openCryptoki
USER, GROUP, ID = "pkcsslotd", "pkcs11", 64999
START_SECONDS = 10.0
_CONFIGURATION = """version opencryptoki-3.23

slot 0
{
    stdll = libpkcs11_sw.so
}
"""
# Where openCryptoki looks, the directory of ours that it sees there, and the mode it insists on.
_DIRECTORIES = (
    ("/etc/opencryptoki", "etc", 0o750),
    ("/var/lib/opencryptoki", "lib", 0o770),
    ("/var/log/opencryptoki", "log", 0o770),
    ("/run/opencryptoki", "run", 0o770),
    ("/run/lock/opencryptoki", "lock", 0o770),
)
# The shell knows the directory it was started in, and the host's paths hold inside too.
_ENTER = 'exec nsenter --target "$0" --mount --ipc --root -- /usr/bin/env --chdir="$PWD" "$@"'


class OpenCryptoki(Newer):
    """openCryptoki's soft token with its daemon pkcsslotd, in namespaces of their own."""

    name = "opencryptoki"
    title = "openCryptoki"
    profile = "opencryptoki"
    packages = ("opencryptoki", "libopencryptoki0")
    places = (
        "usr/lib/x86_64-linux-gnu/libopencryptoki.so.0",
        "usr/lib/aarch64-linux-gnu/libopencryptoki.so.0",
        "usr/lib64/opencryptoki/libopencryptoki.so.0",
    )
    library = "libopencryptoki.so.0"
    installed_as = ("opencryptoki",)
    oldest = (3, 23)
    needs_interpreter = True  # the namespaces, wherever the module comes from

    def why_not(self) -> str | None:
        """Why the sandbox cannot be brought up here: without root it never can."""
        if os.geteuid() != 0:
            return f"{self.title} needs root: its daemon {USER} takes on a user and groups of its own"
        return _no_namespaces() or super().why_not()

    def new_pin(self, file: str) -> str:
        """Eight digits: the soft token takes four to eight characters."""
        return f"{secrets.randbelow(10**8):08d}"

    # --- the daemon and its namespaces

    @property
    def _daemon(self) -> Daemon:
        return Daemon(USER, self.directory)

    @property
    def _software(self) -> Path:
        return Path("/") if self.on_system() else suite().root

    def daemons(self) -> tuple[Daemon, ...]:
        """pkcsslotd, which keeps the namespaces alive as well."""
        return (self._daemon,)

    def running(self) -> Mapping[str, bool]:
        """Whether the daemon runs, listens, and serves the suite as it is unpacked now."""
        process = self._daemon.process
        inside = Path(f"/proc/{process.pid if process else 0}/root/{private_root.SOFTWARE}")
        listens = (self.directory / "run" / "pkcsslotd.socket").exists()
        return {USER: listens and inside.is_dir() and inside.samefile(self._software)}

    def start(self) -> None:
        """Start pkcsslotd in new namespaces; what a crash left of an old one goes first."""
        if self.healthy():
            return
        self.stop()
        for _, name, mode in _DIRECTORIES:
            directory = self.directory / name
            if name in ("run", "lock"):
                shutil.rmtree(directory, ignore_errors=True)
            _owned(directory, mode)
        for part in ("lock/swtok", "lib/swtok", "lib/swtok/TOK_OBJ"):
            _owned(self.directory / part, 0o770)
        self._configure()
        plan = {
            "root": str(private_directory(self.directory / "root")),
            "software": str(self._software.resolve()),
            "files": _accounts(),
            "binds": {path: str(self.directory / name) for path, name, _ in _DIRECTORIES},
            "user": ID,  # started as root it would change to them by itself, and forget its arguments
            "group": ID,
            "command": ["/usr/sbin/pkcsslotd", "-f"],
        }
        python = [sys.executable, "-I", "-S", str(Path(private_root.__file__))]
        self._daemon.start(["unshare", "--mount", "--ipc", "--", *python, json.dumps(plan)])
        self._wait()

    def _configure(self) -> None:
        shipped = self._software / "etc" / "opencryptoki" / "strength.conf"
        for name, text in (
            ("opencryptoki.conf", _CONFIGURATION),
            ("strength.conf", shipped.read_text(encoding="utf-8")),
        ):
            file = self.directory / "etc" / name
            file.write_text(text, encoding="utf-8")
            os.chown(file, 0, ID)
            file.chmod(0o640)  # with another mode C_Initialize answers CKR_GENERAL_ERROR

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.healthy():
            if self._daemon.process is None or time.monotonic() > deadline:
                lines = self._daemon.log.read_text(encoding="utf-8", errors="replace").split("\n")
                said = next((line for line in reversed(lines) if line.strip()), "it said nothing")
                self.stop()
                raise WorkbenchError(f"{USER} does not start ({said.strip()}); its log: {self._daemon.log}")
            time.sleep(0.01)

    def interpreter(self) -> tuple[str, ...]:
        """Our Python in the daemon's namespaces."""
        process = self._daemon.process
        if process is None:
            raise WorkbenchError(f"{USER} is not running: workbench token up {self.name}")
        return ("/bin/sh", "-c", _ENTER, str(process.pid), sys.executable)

    def inside(self) -> bool:
        """Whether this process is in the daemon's namespaces."""
        process = self._daemon.process
        return process is not None and Path("/proc/self/ns/mnt").samefile(f"/proc/{process.pid}/ns/mnt")

    # --- the token

    def clear(self) -> None:
        """Remove the token's data: the daemon makes a factory-new one."""
        shutil.rmtree(self.directory / "lib", ignore_errors=True)

    def initialise(self, module: Module, sandbox: Sandbox) -> str:
        """A factory-new token has known PINs and insists that both are changed, the user's by the user himself."""
        slot = C.GetSlotList(module)[0]
        module.vouch(slot, allow_all("sandbox"))
        interim = Secret(self.new_pin("interim"))
        C.InitToken(module, slot, FACTORY_SO_PIN, sandbox.label)
        session = C.OpenSession(module, slot, "CKF_RW_SESSION")
        C.Login(session, "CKU_SO", FACTORY_SO_PIN)
        C.SetPIN(session, FACTORY_SO_PIN, sandbox.so_pin)
        C.InitPIN(session, interim)
        C.Logout(session)
        C.Login(session, "CKU_USER", interim)
        C.SetPIN(session, interim, sandbox.pin)
        C.Logout(session)
        C.CloseSession(session)
        return C.GetTokenInfo(module, slot).serialNumber


def _owned(directory: Path, mode: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    os.chown(directory, ID, ID)
    directory.chmod(mode)


def _accounts() -> dict[str, str]:
    """The host's users and groups as the namespaces see them, with the daemon's own."""
    ours = {
        "/etc/passwd": f"{USER}:x:{ID}:{ID}::/run/opencryptoki:/bin/false",
        "/etc/group": f"{GROUP}:x:{ID}:root,{USER}",
    }
    files = {"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n"}
    for path, line in ours.items():
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
        kept = [other for other in lines if other.split(":")[0] not in (USER, GROUP)]
        files[path] = "\n".join([*kept, line, ""])
    return files


@functools.cache
def _no_namespaces() -> str | None:
    try:
        done = subprocess.run(
            ["unshare", "--mount", "--ipc", "true"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return "openCryptoki needs unshare and nsenter: apt-get install util-linux"
    if done.returncode:
        return (
            f"openCryptoki needs namespaces of its own, and this machine refuses them ({done.stderr.strip()})"
        )
    return None
