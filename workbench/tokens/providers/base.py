"""What every provider is: something that finds a module and makes a token of ours on it."""

from __future__ import annotations

import json
import os
import secrets
from abc import ABC, abstractmethod
from pathlib import Path

import attrs

from workbench.cryptoki import Module, Secret
from workbench.faults import WorkbenchError
from workbench.tokens.home import home, locked, private_directory
from workbench.tokens.providers.packages import can_bring, ensure, install_command, unpacked_root

__all__ = ["TOMBSTONE", "Provider", "Sandbox", "write_private"]

SCHEMA = 1
TOMBSTONE = "pin-refused"  # stands here once the token has refused the PIN: nobody tries it again


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


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    temporary = path.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


class Provider(ABC):
    """One implementation: finds its module, brings it if it may, and keeps one sandbox token."""

    name: str
    title: str
    packages: tuple[str, ...]
    places: tuple[str, ...]  # where the module may stand, below the root or an unpacked one
    pin_length = 16

    @property
    def directory(self) -> Path:
        """The sandbox's directory."""
        return home() / "sandboxes" / self.name

    def named(self) -> Path | None:
        """The module's file as the environment names it (``WORKBENCH_SOFTHSM_MODULE`` for ``softhsm``)."""
        variable = f"WORKBENCH_{self.name.upper()}_MODULE"
        path = os.environ.get(variable)
        if path and not Path(path).is_file():
            raise WorkbenchError(f"no module at {path}: {variable} must name a PKCS#11 library or be unset")
        return Path(path) if path else None

    def find(self) -> Path | None:
        """The module's file on this machine, or None."""
        named = self.named()
        if named is not None:
            return named
        for place in self.places:
            for root in (Path("/"), unpacked_root()):
                found = root / place
                if found.is_file():
                    return found
        return None

    def why_not(self) -> str | None:
        """Why the sandbox cannot be brought up here, in one line; None when it can."""
        if self.find() is not None or can_bring():
            return None
        return f"{self.title} is not installed; Debian: {install_command(self.packages)}"

    def module(self) -> Path:
        """The module's file, installed or unpacked first if need be."""
        found = self.find()
        if found is None:
            ensure(self.packages)
            found = self.find()
        if found is None:
            raise WorkbenchError(
                f"{' '.join(self.packages)} is installed, but its module is in none of: {', '.join(self.places)}"
            )
        return found

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
        if state.get("schema") != SCHEMA or not module.is_file():
            return None
        return self._sandbox(module, state["label"], state["serial"])

    def _sandbox(self, module: Path, label: str, serial: str) -> Sandbox:
        return Sandbox(self.name, self.directory, module, label, serial, self.init_string())

    def up(self, fresh: bool = False) -> Sandbox:
        """Bring the sandbox up: what exists is used, what is missing is made. ``fresh`` makes it anew."""
        made = None if fresh else self.sandbox()
        if made is not None:
            self.environment()
            return made
        module = self.module()
        with locked(self.directory.with_suffix(".lock")):
            made = None if fresh else self.sandbox()  # another process may have been faster
            if made is None:
                made = self._make(module)
        return made

    def _make(self, module: Path) -> Sandbox:
        private_directory(self.directory)
        self.clear()
        (self.directory / TOMBSTONE).unlink(missing_ok=True)
        for file in ("user.pin", "so.pin"):
            write_private(self.directory / file, secrets.token_hex(self.pin_length // 2))
        self.environment()
        label = f"workbench-{self.name}"
        draft = self._sandbox(module, label, "")
        serial = self.initialise(Module.load(module, init_string=draft.init_string), draft)
        state = {"schema": SCHEMA, "module": str(module), "label": label, "serial": serial}
        write_private(self.directory / "sandbox.json", json.dumps(state, indent=1) + "\n")
        return self._sandbox(module, label, serial)

    def init_string(self) -> str | None:
        """The parameter string that the module's C_Initialize wants, if any."""
        return None

    @abstractmethod
    def environment(self) -> None:
        """Set what the module reads from the environment and from files, before it is loaded."""

    @abstractmethod
    def clear(self) -> None:
        """Remove the token's own files, so that a new one can be made."""

    @abstractmethod
    def initialise(self, module: Module, sandbox: Sandbox) -> str:
        """Make the token on the loaded module; its serial number."""
