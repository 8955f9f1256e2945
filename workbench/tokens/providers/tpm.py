"""TPM 2.0 through tpm2-pkcs11: a software TPM of our own, or the one that the user names.

tpm2-pkcs11 speaks to the TPM through tpm2-abrmd, because a TPM has room for three keys at a time and somebody
must swap them; tpm2-abrmd listens on a D-Bus, so there is a private one. Everything talks over sockets in the
sandbox's directory, which nobody else can enter.

The token has ways of its own: every object is a token object, and there are no secret keys to generate.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from workbench.faults import WorkbenchError
from workbench.tokens.home import home, private_directory, write_private
from workbench.tokens.providers.base import Provider
from workbench.tokens.providers.daemons import Daemon, can_run
from workbench.tokens.providers.packages import library_path, locate, preload

__all__ = ["TPM"]

REAL = "WORKBENCH_TPM_TCTI"
_PROGRAMS = {
    "swtpm": ("usr/bin/swtpm",),
    "dbus-daemon": ("usr/bin/dbus-daemon",),
    "dbus-send": ("usr/bin/dbus-send",),
    "tpm2-abrmd": ("usr/sbin/tpm2-abrmd", "usr/bin/tpm2-abrmd"),
}
_BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <deny user="*"/>
    <allow user="{uid}"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""
# TPM2_DictionaryAttackLockReset by the lockout authority, whose password is empty on a TPM of ours.
_RESET_LOCKOUT = bytes.fromhex("8002 0000001b 00000139 4000000a 00000009 40000009 0000 00 0000")
_SUCCESS = bytes.fromhex("00000000")


class TPM(Provider):
    """tpm2-pkcs11, over swtpm and tpm2-abrmd on a private bus.

    ``WORKBENCH_TPM_TCTI`` (``device:/dev/tpmrm0``) names a real TPM instead: the user's device, on which
    C_InitToken keeps a primary key in a persistent slot, and whose lockout counts wrong PINs. The token's
    store is a directory of ours there too.
    """

    name = "tpm"
    title = "TPM 2.0 (tpm2-pkcs11)"
    profile = "tpm2-pkcs11"
    packages = ("swtpm", "tpm2-abrmd", "dbus", "libtss2-tcti-tabrmd0", "libtpm2-pkcs11-1")
    # Installing the module registers it with p11-kit for everybody on this machine.
    always_unpacked = True
    places = (
        "usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so",
        "usr/lib/x86_64-linux-gnu/libtpm2_pkcs11.so.1",
        "usr/lib/aarch64-linux-gnu/pkcs11/libtpm2_pkcs11.so",
        "usr/lib/aarch64-linux-gnu/libtpm2_pkcs11.so.1",
        "usr/lib64/pkcs11/libtpm2_pkcs11.so",
    )

    @property
    def real(self) -> str | None:
        """How to reach the TPM that the user names; None: ours."""
        return os.environ.get(REAL) or None

    @property
    def directory(self) -> Path:
        """The sandbox's directory; a token on the user's TPM has another."""
        return home() / "sandboxes" / (self.name if self.real is None else f"{self.name}-device")

    def missing(self) -> tuple[str, ...]:
        """The module, and the programs unless the TPM is the user's."""
        programs = () if self.real else tuple(name for name in _PROGRAMS if locate(_PROGRAMS[name]) is None)
        return (*super().missing(), *programs)

    def why_not(self) -> str | None:
        """As every provider; and whether the user's TPM can be opened."""
        if not can_run():
            return f"{self.title} needs Linux: its daemons are kept by what /proc says"
        kind, _, path = (self.real or "").partition(":")
        if kind == "device" and not os.access(path or "/dev/tpm0", os.R_OK | os.W_OK):
            return (
                f"{REAL} names {self.real}, which this user cannot open for reading and writing: "
                "join the group that owns it (often tss), or unset the variable for a software TPM"
            )
        return super().why_not()

    def environment(self) -> Mapping[str, str]:
        """Where the store and the TPM are. The bus takes the system bus's place, which nothing of ours uses."""
        own = {
            "TPM2_PKCS11_STORE": str(private_directory(self.directory / "store")),
            "TPM2_PKCS11_LOG_LEVEL": "0",
            "TSS2_LOG": "all+none",
        }
        if self.real is not None:
            return {**own, "TPM2_PKCS11_TCTI": self.real}
        return {**own, "TPM2_PKCS11_TCTI": "tabrmd:bus_type=system", **self._bus_address()}

    def enter(self) -> None:
        """The variables; and the libraries of an unpacked module."""
        super().enter()
        module = self.find()
        if module is None or (path := library_path(module)) is None:
            return
        # the module opens its way to the TPM by name alone
        transport = f"libtss2-tcti-{(self.real or 'tabrmd').partition(':')[0]}.so.0"
        found = (Path(directory) / transport for directory in path.split(os.pathsep))
        for file in (module, *(file for file in found if file.is_file())):
            preload(file)

    def clear(self) -> None:
        """Remove the token's store, and our TPM's memory. A real TPM keeps its primary key."""
        for part in ("store", "state"):
            shutil.rmtree(self.directory / part, ignore_errors=True)

    def daemons(self) -> tuple[Daemon, ...]:
        """The TPM, the bus, and the resource manager between them; none for a real TPM."""
        if self.real is not None:
            return ()
        at = self.directory
        return (
            Daemon("swtpm", at, (at / "tpm", at / "tpm.ctrl")),
            Daemon("dbus-daemon", at, (at / "bus",)),
            Daemon("tpm2-abrmd", at),
        )

    def start(self) -> None:
        """Start what does not run; when the TPM is new, so must be everything behind it."""
        if self.real is not None:
            return
        if not can_run() or self.missing():
            raise WorkbenchError(
                self.why_not() or f"{self.title} is not whole: workbench token up {self.name} --fresh"
            )
        tpm, bus, manager = self.daemons()
        fresh = not (tpm.running() and bus.running())
        if fresh:
            self.stop()
        state, at = private_directory(self.directory / "state"), self.directory
        self._start(
            tpm,
            "socket",
            "--tpm2",
            f"--tpmstate=dir={state},mode=0600",
            f"--server=type=unixio,path={at / 'tpm'},mode=0600",
            f"--ctrl=type=unixio,path={at / 'tpm.ctrl'},mode=0600",
            "--flags=not-need-init,startup-clear",
            "--log=file=/dev/null",  # it writes a line for every command of the TPM
        )
        if fresh:
            _reset_lockout(at / "tpm")
        write_private(at / "bus.conf", _BUS.format(path=at / "bus", uid=os.geteuid()))
        self._start(bus, "--nofork", "--nopidfile", "--nosyslog", f"--config-file={at / 'bus.conf'}")
        self._start(
            manager,
            "--flush-all",
            "--max-connections=64",
            "--max-transients=64",
            f"--tcti=swtpm:path={at / 'tpm'}",
            *(["--allow-root"] if os.geteuid() == 0 else []),
            ready=self._manager_on_bus,
        )

    def _start(self, daemon: Daemon, *arguments: str, ready: Callable[[], bool] | None = None) -> None:
        program = locate(_PROGRAMS[daemon.name])
        assert program is not None, "start() has looked"
        path = library_path(program)
        environment = {} if path is None else {"LD_LIBRARY_PATH": path}
        daemon.start([program, *arguments], {**environment, **self._bus_address()}, ready)

    def _manager_on_bus(self) -> bool:
        """Whether tpm2-abrmd has taken its name on the bus, so that it can be spoken to."""
        program = locate(_PROGRAMS["dbus-send"])
        assert program is not None, "start() has looked"
        path = library_path(program)
        ask = ["--system", "--print-reply", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus"]
        ask += ["org.freedesktop.DBus.NameHasOwner", "string:com.intel.tss2.Tabrmd"]
        environment = {} if path is None else {"LD_LIBRARY_PATH": path}
        answer = subprocess.run(
            [program, *ask], env={**environment, **self._bus_address()}, capture_output=True, check=False
        )
        return b"boolean true" in answer.stdout

    def _bus_address(self) -> dict[str, str]:
        return {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.directory / 'bus'}"}


def _reset_lockout(path: Path) -> None:
    """Let a TPM that was switched off without notice forget it: it counts that as an attack on its PINs."""
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(5)
            line.connect(str(path))
            line.sendall(_RESET_LOCKOUT)
            answer = line.recv(64)
    except OSError as error:
        raise WorkbenchError(f"swtpm does not answer at {path}: {error}") from None
    if answer[6:10] != _SUCCESS:
        raise WorkbenchError(
            f"swtpm keeps its lockout (TPM response 0x{answer[6:10].hex()}); "
            "make the token anew with: workbench token up tpm --fresh"
        )
