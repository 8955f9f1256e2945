"""What every provider is: something that finds a module and makes a token of ours on it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from workbench.cryptoki import C, Module, Secret, allow_all
from workbench.faults import WorkbenchError
from workbench.tokens.home import home, locked, private_directory, write_private
from workbench.tokens.pins import PinSource
from workbench.tokens.providers.daemons import Daemon
from workbench.tokens.providers.packages import (
    can_bring,
    ensure,
    install_command,
    library_path,
    locate,
    mirror_refusal,
    unpack,
)
from workbench.tokens.uri import Uri

__all__ = ["Provider", "Sandbox", "make", "write_private"]

SCHEMA = 1
MAKE_SECONDS = 120.0  # a TPM takes its time to make its first keys


@attrs.frozen
class Sandbox:
    """A token that we made: where it lives, how to load its module, how to find it again."""

    name: str
    directory: Path
    module: Path
    label: str
    serial: str
    init_string: str | None = None

    @property
    def pin(self) -> Secret:
        """The user's PIN, from the private directory."""
        return self._pin("user.pin")

    @property
    def so_pin(self) -> Secret:
        """The security officer's PIN, from the private directory."""
        return self._pin("so.pin")

    def _pin(self, file: str) -> Secret:
        try:
            return Secret((self.directory / file).read_text(encoding="ascii"))
        except OSError as error:
            raise WorkbenchError(
                f"the PIN of token {self.name!r} cannot be read from {self.directory / file} ({error.strerror}); "
                f"make the token anew with: workbench token up {self.name} --fresh"
            ) from None


class Provider(ABC):
    """One implementation: finds its module, brings it if it may, and keeps one sandbox token.

    Everything that it makes lives in ``directory``. A provider without daemons, and whose module loads into
    this very Python, leaves ``start``, ``stop``, ``running``, ``interpreter`` and ``inside`` as they are.
    """

    name: str
    title: str
    packages: tuple[str, ...]
    places: tuple[str, ...]  # where the module may stand, below the root or an unpacked one
    always_unpacked = False  # by root too: where an installed package would change the host
    pin_length = 16
    profile: str | None = None  # the vendor profile that tells this module's ways

    @property
    def directory(self) -> Path:
        """The sandbox's directory."""
        return home() / "sandboxes" / self.name

    @property
    def lock(self) -> Path:
        """The file that serialises making, starting and stopping this sandbox, and logins to it."""
        return self.directory.with_suffix(".lock")

    @property
    def label(self) -> str:
        """The label of the sandbox token."""
        return f"workbench-{self.name}"

    # --- the module

    def named(self) -> Path | None:
        """The module's file as the environment names it (``WORKBENCH_SOFTHSM_MODULE`` for ``softhsm``)."""
        variable = f"WORKBENCH_{self.name.upper().replace('-', '_')}_MODULE"
        path = os.environ.get(variable)
        if path and not Path(path).is_file():
            raise WorkbenchError(f"no module at {path}: {variable} must name a PKCS#11 library or be unset")
        return Path(path) if path else None

    def find(self) -> Path | None:
        """The module's file on this machine, or None."""
        named = self.named()
        if named is not None:
            return named
        return locate(self.places)

    def missing(self) -> tuple[str, ...]:
        """What the sandbox needs and this machine does not have, in words: the module, programs."""
        return () if self.find() is not None else ("its module",)

    def why_not(self) -> str | None:
        """Why the sandbox cannot be brought up here, in one line with the way out; None when it can."""
        missing = self.missing()
        if not missing:
            return None
        what = f"{self.title}: {', '.join(missing)} not found"
        if not can_bring():
            return f"{what}; Debian: {install_command(self.packages)}"
        refusal = mirror_refusal(self.packages)
        return None if refusal is None else f"{what}, and {refusal}"

    def module(self) -> Path:
        """The module's file; what is missing is installed (by root) or unpacked first."""
        if self.missing():
            (unpack if self.always_unpacked else ensure)(self.packages)
        found = self.find()
        if found is None or self.missing():
            raise WorkbenchError(
                f"{self.title}: {' '.join(self.packages)} came from the package mirror, but there is still no "
                f"{', '.join(self.missing())}; the module was looked for at: {', '.join(self.places)}"
            )
        return found

    def provenance(self) -> dict[str, Any]:
        """What a result must say of where the module comes from, other than from this system: plain JSON values."""
        return {}

    # --- the process that loads it

    @property
    def needs_interpreter(self) -> bool:
        """Whether the module loads only into a Python that ``interpreter`` starts."""
        return False

    def interpreter(self) -> tuple[str, ...]:
        """The command that runs our Python where the module loads; empty when any Python will do.

        Asked when the sandbox is up: it may name what runs only since then.
        """
        return ()

    def inside(self) -> bool:
        """Whether this process is one that the module loads into."""
        return True

    @property
    def kernel(self) -> str | None:
        """The title of the Jupyter kernel that the module loads into; None when every one will do."""
        return None

    def elsewhere(self) -> str:
        """What to tell somebody who opens the token in a process that its module does not load into."""
        return (
            f"{self.title} does not load into this Python; in JupyterLab choose its kernel, and let "
            "workbench run, bench and inspect start the right one by themselves"
        )

    def environment(self) -> Mapping[str, str]:
        """The variables that the module reads, for a process that will load it. Files they name are written."""
        return {}

    def init_string(self) -> str | None:
        """The parameter string that the module's C_Initialize wants, if any."""
        return None

    def enter(self) -> None:
        """Make this process ready to load the module: its environment, and what else it needs beforehand."""
        os.environ.update(self.environment())

    def exports(self) -> Mapping[str, str]:
        """The variables for a program that is not ours, to be set before it starts; the sandbox is brought up.

        Beside the module's own: PKCS11_MODULE (the name that OpenSSL's engine knows it by too),
        PKCS11_PROVIDER_MODULE (OpenSSL's provider), PKCS11_TOKEN_LABEL, PKCS11_PIN_FILE and PKCS11_URI.
        """
        sandbox = self.up()
        path = library_path(sandbox.module)
        pin = self.directory / "user.pin"
        uri = Uri(token=sandbox.label, serial=sandbox.serial, pin_source=PinSource("file", str(pin)))
        return {
            **self.environment(),
            **({} if path is None else {"LD_LIBRARY_PATH": path}),
            "PKCS11_MODULE": str(sandbox.module),
            "PKCS11_PROVIDER_MODULE": str(sandbox.module),
            "PKCS11_TOKEN_LABEL": sandbox.label,
            "PKCS11_PIN_FILE": str(pin),
            "PKCS11_URI": str(uri),
        }

    # --- the token

    def sandbox(self) -> Sandbox | None:
        """The sandbox as it was made; None when there is none yet."""
        try:
            state = json.loads((self.directory / "sandbox.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise WorkbenchError(
                f"{self.directory / 'sandbox.json'} cannot be read ({error}); "
                f"make the token anew with: workbench token up {self.name} --fresh"
            ) from None
        module = self.named() or Path(state["module"])
        if state.get("schema") != SCHEMA or not self.exists(module):
            return None
        return self._sandbox(module, state["label"], state["serial"])

    def exists(self, module: Path) -> bool:
        """Whether a module that was there when the sandbox was made still is."""
        return module.is_file()

    def _sandbox(self, module: Path, label: str, serial: str) -> Sandbox:
        return Sandbox(self.name, self.directory, module, label, serial, self.init_string())

    def up(self, fresh: bool = False) -> Sandbox:
        """Bring the sandbox up: what exists is used, what is missing or has died is made. ``fresh`` makes it anew."""
        made = None if fresh else self.sandbox()
        if made is not None and self.healthy():
            return made
        with locked(self.lock, seconds=600):
            made = None if fresh else self.sandbox()  # another process may have been faster
            try:
                if made is None:
                    return self._make(self.module())
                if not self.healthy():
                    self.start()
            except BaseException:
                self.stop()  # half of the daemons serve nobody
                raise
        return made

    def down(self) -> None:
        """Stop what runs for the sandbox; the token itself stays. Stopping twice changes nothing."""
        with locked(self.lock):
            self.stop()

    def _make(self, module: Path) -> Sandbox:
        private_directory(self.directory)
        self.stop()
        (self.directory / "sandbox.json").unlink(missing_ok=True)
        self.clear()
        for file in ("user.pin", "so.pin"):
            write_private(self.directory / file, self.new_pin(file))
        self.start()
        serial = self._made_elsewhere(module)
        state = {"schema": SCHEMA, "module": str(module), "label": self.label, "serial": serial}
        write_private(self.directory / "sandbox.json", json.dumps(state, indent=1) + "\n")
        return self._sandbox(module, self.label, serial)

    def new_pin(self, file: str) -> str:
        """A random PIN for ``user.pin`` or ``so.pin``."""
        return secrets.token_hex(self.pin_length // 2)

    def _made_elsewhere(self, module: Path) -> str:
        """The serial number of the token, made in a process of its own: a module that crashes ends only that."""
        python = self.interpreter() or (sys.executable,)
        home_of_package = str(Path(__file__).parents[3])
        path = os.pathsep.join(filter(None, [home_of_package, os.environ.get("PYTHONPATH")]))
        try:
            done = subprocess.run(
                [*python, "-m", "workbench.tokens.providers", self.name, str(module)],
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=MAKE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise WorkbenchError(
                f"{self.title} did not make its token within {MAKE_SECONDS:.0f} s; try: workbench token up {self.name} --fresh"
            ) from None
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            raise WorkbenchError(
                f"{self.title} could not make its token ({lines[-1] if lines else f'exit code {done.returncode}'}); "
                f"module: {module}"
            )
        return str(json.loads(done.stdout.splitlines()[-1])["serial"])

    # --- what a provider says for itself

    @abstractmethod
    def clear(self) -> None:
        """Remove the token's own files, so that a new one can be made."""

    def initialise(self, module: Module, sandbox: Sandbox) -> str:
        """Make the token on the loaded module; its serial number.

        C_InitToken on a slot without one, then the user's PIN. The slot's number may change: it is found by
        label again.
        """
        free = self.free_slot(module)
        module.vouch(free, allow_all("sandbox"))
        C.InitToken(module, free, sandbox.so_pin, sandbox.label)
        slot = next(s for s in C.GetSlotList(module) if C.GetTokenInfo(module, s).label == sandbox.label)
        module.vouch(slot, allow_all("sandbox"))
        session = C.OpenSession(module, slot, "CKF_RW_SESSION")
        C.Login(session, "CKU_SO", sandbox.so_pin)
        C.InitPIN(session, sandbox.pin)
        C.Logout(session)
        C.CloseSession(session)
        return C.GetTokenInfo(module, slot).serialNumber

    def free_slot(self, module: Module) -> int:
        """The slot for a new token: the first whose token is not initialised."""
        return next(slot for slot in C.GetSlotList(module) if not _initialized(module, slot))

    # --- daemons

    def start(self) -> None:
        """Start what must run for the module to work, unless it does; repair what a crash left behind."""
        return

    def stop(self) -> None:
        """Stop what ``start`` started, the last one first."""
        for daemon in reversed(self.daemons()):
            daemon.stop()

    def healthy(self) -> bool:
        """Whether everything that ``start`` starts is running. Asked often: cheap."""
        return all(self.running().values())

    def running(self) -> Mapping[str, bool]:
        """What ``start`` starts, by name, and whether it runs."""
        return {daemon.name: daemon.running() for daemon in self.daemons()}

    def daemons(self) -> tuple[Daemon, ...]:
        """The daemons of the sandbox, in the order in which they start."""
        return ()


def _initialized(module: Module, slot: int) -> bool:
    return "CKF_TOKEN_INITIALIZED" in C.GetTokenInfo(module, slot).flag_names


def make(provider: Provider, module: Path) -> str:
    """Make the provider's token in this process, which the provider's interpreter runs; its serial number."""
    provider.enter()
    draft = Sandbox(provider.name, provider.directory, module, provider.label, "", provider.init_string())
    loaded = Module.load(module, init_string=draft.init_string)
    try:
        return provider.initialise(loaded, draft)
    finally:
        C.Finalize(loaded)
