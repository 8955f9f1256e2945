"""A token by its name: found by label and serial number, never by slot number."""

from __future__ import annotations

import hashlib
import threading
from html import escape
from pathlib import Path
from typing import Any

from workbench import spec
from workbench.cryptoki import C, Module, Policy, Secret, TokenInfo, allow_all, errors
from workbench.cryptoki.module import BindingChoice
from workbench.faults import WorkbenchError
from workbench.tokens.home import locked
from workbench.tokens.providers import PROVIDERS, TOMBSTONE, Sandbox, provider
from workbench.tokens.session import Session

__all__ = ["Token", "available", "interpreter", "known", "open_token", "why_not"]

LEFT = ' style="text-align:left"'  # Jupyter sets the cells of a table to the right
_PUBLIC_STATES = {spec.value("CKS_RO_PUBLIC_SESSION"), spec.value("CKS_RW_PUBLIC_SESSION")}
_modules: dict[tuple[str, str], Module] = {}
_modules_lock = threading.Lock()


class Token:
    """A token that the workbench made, with its loaded module and the policy that lets it be used up."""

    def __init__(self, name: str, sandbox: Sandbox, module: Module, policy: Policy) -> None:
        self.name = name
        self.module = module
        self.policy = policy
        self._sandbox = sandbox
        self._slot: int | None = None
        self._login_lock = threading.Lock()

    @property
    def label(self) -> str:
        """The token's label."""
        return self._sandbox.label

    @property
    def pin(self) -> Secret:
        """The user's PIN, for C_Login; it does not show itself."""
        return self._sandbox.pin

    @property
    def so_pin(self) -> Secret:
        """The security officer's PIN, for C_Login; it does not show itself."""
        return self._sandbox.so_pin

    @property
    def slot(self) -> int:
        """The number of the slot that the token is in at the moment."""
        return self.find_slot() if self._slot is None else self._slot

    def find_slot(self) -> int:
        """Look the token up in the module's slots by label and serial number, and put it under its policy.

        Errors: ``WorkbenchError`` when it is in none of them.
        """
        for slot in C.GetSlotList(self.module):
            info = C.GetTokenInfo(self.module, slot)
            if (info.label, info.serialNumber) == (self._sandbox.label, self._sandbox.serial):
                self.module.vouch(slot, self.policy)
                self._slot = slot
                return slot
        raise WorkbenchError(
            f"token {self.name!r} (label {self._sandbox.label!r}) is in no slot of {self.module.path}; "
            f"make it anew with: workbench token up {self._sandbox.name} --fresh"
        )

    @property
    def info(self) -> TokenInfo:
        """C_GetTokenInfo (5.5.3)."""
        return C.GetTokenInfo(self.module, self.slot)

    @property
    def mechanisms(self) -> tuple[int, ...]:
        """The numbers of the token's mechanisms, in ascending order."""
        return tuple(sorted(self.module.mechanisms(self.slot)))

    def offers(self, *mechanisms: str) -> bool:
        """Whether the token's list has all of these mechanisms."""
        return all(spec.value(name) in self.module.mechanisms(self.slot) for name in mechanisms)

    def session(self, rw: bool = True, login: bool = True) -> Session:
        """Open a session (5.6.1), and log the user in (5.6.8) unless some session of this process did already."""
        session = Session(self, C.OpenSession(self.module, self.slot, "CKF_RW_SESSION" if rw else 0))
        if login:
            try:
                self._login(session)
            except BaseException:
                session.close()
                raise
        return session

    def _login(self, session: Session) -> None:
        # Logins of several processes at once can fail on SoftHSM, which rewrites the token's file: one by one.
        with self._login_lock, locked(self._sandbox.directory.with_suffix(".lock")):
            if C.GetSessionInfo(session).state not in _PUBLIC_STATES:
                return
            tombstone = self._sandbox.directory / TOMBSTONE
            if tombstone.exists():
                raise WorkbenchError(
                    f"the token {self.name!r} refused this PIN before, and a PIN is never tried twice; "
                    f"make the token anew with: workbench token up {self._sandbox.name} --fresh"
                )
            try:
                C.Login(session, "CKU_USER", self.pin)
            except errors.error_class("CKR_PIN_INCORRECT"):
                tombstone.touch()
                raise

    def close(self) -> None:
        """Close every session of this process with the token (5.6.3). The module stays initialised."""
        C.CloseAllSessions(self.module, self.slot)

    def provenance(self) -> dict[str, Any]:
        """What a result must say about its token: plain JSON values, nothing secret, the serial number hashed."""
        module, info = C.GetInfo(self.module), self.info
        return {
            "token": self.name,
            "label": info.label,
            "manufacturer": info.manufacturerID,
            "model": info.model,
            "serial_sha256": hashlib.sha256(info.serialNumber.encode()).hexdigest()[:16],
            "hardware": str(info.hardwareVersion),
            "firmware": str(info.firmwareVersion),
            "module": Path(self.module.path).name,
            "module_sha256": hashlib.sha256(Path(self.module.path).read_bytes()).hexdigest(),
            "library": f"{module.libraryDescription} {module.libraryVersion}",
            "library_manufacturer": module.manufacturerID,
            "cryptoki": str(module.cryptokiVersion),
            "policy": self.policy.name,
        }

    def _rows(self) -> list[tuple[str, str]]:
        module, info = C.GetInfo(self.module), self.info
        return [
            ("token", self.name),
            ("label", info.label),
            ("manufacturer, model", f"{info.manufacturerID}, {info.model}"),
            (
                "library",
                f"{module.libraryDescription} {module.libraryVersion}, Cryptoki {module.cryptokiVersion}",
            ),
            ("flags", " ".join(info.flag_names)),
            ("mechanisms", str(len(self.mechanisms))),
            ("policy", self.policy.name),
        ]

    def __repr__(self) -> str:
        return f"<Token {self.name!r}, policy {self.policy.name!r}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th{LEFT}>{name}</th><td{LEFT}>{escape(text)}</td></tr>" for name, text in self._rows()
        )
        return f"<table>{rows}</table>"


def known() -> tuple[str, ...]:
    """The names that ``open_token`` takes, without the alias ``sandbox``."""
    return tuple(PROVIDERS)


def why_not(name: str) -> str | None:
    """Why the token cannot be used here, in one line; None when it can."""
    return provider(name).why_not()


def available() -> tuple[str, ...]:
    """The names of the tokens that are up or can be brought up here."""
    return tuple(name for name in PROVIDERS if why_not(name) is None)


def interpreter(name: str) -> tuple[str, ...]:
    """The command of the Python that the token's module loads into; empty when this one will do.

    A sandbox that needs a command of its own is brought up for it.
    """
    chosen = provider(name)
    if not chosen.needs_interpreter:
        return ()
    chosen.up()
    return chosen.interpreter()


def open_token(name: str = "sandbox", binding: BindingChoice = "auto", initialize: bool = True) -> Token:
    """Open a token by name, bringing its sandbox up first if need be.

    ``binding``: ``pykcs11`` or ``native`` forces one of the two. ``initialize`` False loads the library
    without C_Initialize, for those who want to make that call themselves.
    Errors: ``WorkbenchError`` for an unknown name or a token that cannot be brought up.
    """
    chosen = provider(name)
    sandbox = chosen.up()
    if not chosen.inside():
        raise WorkbenchError(
            f"{chosen.title} does not load into this Python; in JupyterLab choose its kernel, and let "
            "workbench run, bench and inspect start the right one by themselves"
        )
    chosen.enter()
    with _modules_lock, locked(sandbox.directory.with_suffix(".lock")):
        key = (str(sandbox.module), binding)
        module = _modules.get(key)
        if module is None:
            module = _modules[key] = Module(sandbox.module, binding, sandbox.init_string)
        if initialize:
            module.initialize(again=True)
        token = Token(name, sandbox, module, allow_all("sandbox"))
        if initialize:
            token.find_slot()
    return token
