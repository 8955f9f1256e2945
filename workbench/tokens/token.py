"""A token by its name: found by label and serial number, never by slot number."""

from __future__ import annotations

import hashlib
import threading
import weakref
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

from workbench import spec
from workbench.cryptoki import C, CryptokiError, Module, Policy, Secret, TokenInfo, allow_all, errors
from workbench.faults import WorkbenchError
from workbench.keys import TemplateRules
from workbench.tokens import ledger, tombstones
from workbench.tokens.guard import Guard
from workbench.tokens.guarding import guard
from workbench.tokens.home import locked
from workbench.tokens.named_keys import NamedKey, find_key
from workbench.tokens.origin import DeclaredOrigin, Origin
from workbench.tokens.profile import WAYS, Profile
from workbench.tokens.profiles import profile, profile_of
from workbench.tokens.rules import PIN_REFUSED
from workbench.tokens.session import Session
from workbench.tokens.spending import Cost, describe_cost
from workbench.tokens.uri import Uri

__all__ = ["Token"]

LEFT = ' style="text-align:left"'  # Jupyter sets the cells of a table to the right
_PUBLIC_STATES = {spec.value("CKS_RO_PUBLIC_SESSION"), spec.value("CKS_RW_PUBLIC_SESSION")}


class Token:
    """A token with its loaded module, under the policy that its origin gives it: sandbox, guest or production."""

    def __init__(self, name: str, origin: Origin, module: Module) -> None:
        self.name = name
        self.module = module
        self.origin = origin
        self.policy: Policy = allow_all("sandbox") if origin.standing == "sandbox" else guard(self)
        self._slot: int | None = None
        self._login_lock = threading.Lock()
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()

    @property
    def label(self) -> str:
        """The token's label."""
        return self.info.label if self.origin.label is None else self.origin.label

    @property
    def pin(self) -> Secret | None:
        """The user's PIN, for C_Login; it does not show itself. None: it is entered on the device."""
        return self.origin.pin()

    @property
    def so_pin(self) -> Secret:
        """The security officer's PIN of a sandbox, for C_Login; it does not show itself."""
        return self.origin.so_pin()

    @property
    def identity(self) -> str:
        """Which token this is, for the tombstones and the ledger: 64 hexadecimal digits that tell nothing else."""
        return tombstones.identity(self.info)

    @property
    def slot(self) -> int:
        """The number of the slot that the token is in at the moment."""
        return self.find_slot() if self._slot is None else self._slot

    def find_slot(self) -> int:
        """Look the token up in the module's slots by label and serial number, and put it under its policy.

        Errors: ``WorkbenchError`` when it is in none of them.
        """
        fitting = []
        for slot in C.GetSlotList(self.module):
            info = _info(self.module, slot)
            if info is not None and self.origin.fits(self.module, slot, info):
                fitting.append(slot)
        if not fitting:
            raise WorkbenchError(
                f"token {self.name!r} ({self.origin.identity}) is in no slot of {self.module.path}; "
                f"{self.origin.remedy}"
            )
        if len(fitting) > 1:
            uris = ", ".join(_uri_of(C.GetTokenInfo(self.module, slot)) for slot in fitting)
            raise WorkbenchError(
                f"{self.name} has several tokens: {uris}; declare the one you mean in workbench.toml"
            )
        self._slot = fitting[0]
        if isinstance(self.origin, DeclaredOrigin):
            info = C.GetTokenInfo(self.module, self._slot)
            self.origin.check_alone(self.module, self._slot, info)
            self.policy = guard(self, tombstones.identity(info))
        self.module.vouch(self._slot, self.policy)
        return self._slot

    @property
    def pin_identity(self) -> str:
        """Which PIN of which token a tombstone is for: a named user (5.6.9) has one of his own."""
        return tombstones.identity(self.info, self.origin.user or "")

    @property
    def info(self) -> TokenInfo:
        """C_GetTokenInfo (5.5.3)."""
        return C.GetTokenInfo(self.module, self.slot)

    @property
    def mechanisms(self) -> tuple[int, ...]:
        """The numbers of the token's mechanisms, in ascending order."""
        return tuple(sorted(self.module.mechanisms(self.slot)))

    @property
    def profile(self) -> Profile | None:
        """What is known of the module's ways: the profile that its origin names, or that its file tells; or nothing."""
        named = self.origin.profile
        return profile_of(path=self.module.path) if named is None else profile(named)

    @property
    def template_rules(self) -> TemplateRules:
        """What the profile says that the module's templates must and must not hold."""
        known = self.profile
        if known is None or known.templates is None:
            return TemplateRules()
        return TemplateRules(frozenset(known.templates.never_send), known.templates.always_send)

    def offers(self, *names: str) -> bool:
        """Whether the token has all of these: mechanisms of its list (CKM_…), functions of its module (C_…), and
        ways of the standard (``session-objects``; ``profile.WAYS`` has them all).

        Its profile may say that one of them is missing although the module lists it.

        Errors: ``WorkbenchError`` for a name that is none of the three.
        """
        return not self.lacking(*names)

    def lacking(self, *names: str) -> tuple[str, ...]:
        """Those of the names that the token does not offer."""
        return tuple(name for name in names if not self._offers(name))

    def _offers(self, name: str) -> bool:
        if name in self._lacks:
            return False
        if name.startswith("CKM_"):
            return spec.value(name) in self.module.mechanisms(self.slot)
        if name.startswith("C_"):
            return self.module.native.missing(name) is None
        if name not in WAYS:
            raise WorkbenchError(
                f"{name!r} is no mechanism, function or way; the ways are: {', '.join(WAYS)}"
            )
        return True

    @property
    def _lacks(self) -> tuple[str, ...]:
        found = self.profile
        return () if found is None or found.switches is None else found.switches.lacks

    def session(self, rw: bool | None = None, login: bool = True) -> Session:
        """Open a session (5.6.1), and log the user in (5.6.8) unless some session of this process did already.

        ``rw``: read/write; by default so, but on a token in production, which is read.
        """
        writes = self.policy.read_write if rw is None else rw
        session = Session(self, C.OpenSession(self.module, self.slot, "CKF_RW_SESSION" if writes else 0))
        self._sessions.add(session)
        if login:
            try:
                self._login(session)
            except BaseException:
                session.close()
                raise
        return session

    def _login(self, session: Session) -> None:
        if C.GetSessionInfo(session).state not in _PUBLIC_STATES:
            return
        pin = self.pin  # before the lock: a person may take his time
        # Logins of several processes at once can fail on SoftHSM, which rewrites the token's file: one by one.
        with self._login_lock, locked(self.origin.lock):
            if tombstones.refused(self.pin_identity, pin):
                raise WorkbenchError(
                    f"token {self.name!r} refused this PIN before, and a PIN is never tried twice; "
                    f"{_way_out(self.origin)}"
                )
            try:
                self.origin.login(session, pin)
            except errors.error_class("CKR_USER_ALREADY_LOGGED_IN"):
                return  # by another thread, meanwhile
            except CryptokiError as error:
                if error.rv in PIN_REFUSED:
                    tombstones.bury(self.pin_identity, pin)
                    self.origin.forget_pin()
                raise
            except errors.error_class("CKR_USER_ALREADY_LOGGED_IN"):
                # FreeHSM-C keeps the login when the last session closes, but calls the next one public.
                return

    @property
    def key_names(self) -> tuple[str, ...]:
        """The names that workbench.toml gives to keys of the token."""
        return tuple(key.name for key in self.origin.keys)

    @property
    def login_cost(self) -> Cost:
        """What ``session`` asks of the token for its login, beside C_OpenSession."""
        by_name = isinstance(self.origin, DeclaredOrigin) and self.origin.declared.user is not None
        # a tombstone belongs to a token, and a guard looks at the PIN flags: each asks which token it is
        looks = 2 if isinstance(self.policy, Guard) else 1
        return {"C_GetSessionInfo": 1, "C_GetTokenInfo": looks, "C_LoginUser" if by_name else "C_Login": 1}

    def key(self, session: Session, name: str) -> NamedKey:
        """The key that workbench.toml names so, to be used for what it allows and nothing else.

        Errors: ``WorkbenchError`` where no key or several are found, or the configuration has none of the name.
        """
        return find_key(self, session, name)

    def announce(self, cost: Cost) -> str:
        """Say what is about to be asked of the token: how often each function. The announcement, for the user.

        A token in production is asked nothing else. Errors: ``PolicyRefusal`` when it is beyond the budget.
        """
        if isinstance(self.policy, Guard):
            self.policy.announce(cost)
        return f"token {self.name!r} ({self.policy.name}) will be asked for {describe_cost(cost)}"

    def run_label(self, name: str = "") -> str:
        """The label of an object that this run makes: it says whose it is, so that ``workbench sweep`` finds it."""
        return str(ledger.RunLabel(ledger.host(), ledger.current_run(), name))

    def close(self) -> None:
        """Close every session of this process with the token (5.6.2, 5.6.3). The module stays initialised."""
        for session in list(self._sessions):
            with suppress(errors.error_class("CKR_SESSION_HANDLE_INVALID")):  # closed behind our back
                session.close()
        if isinstance(self.policy, Guard) and not self.policy.spending.sessions:
            return  # a token that was only looked at is not asked
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
            "key_residency": "session objects" if self.offers("session-objects") else "token objects",
            **self.origin.provenance(),
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


def _info(module: Module, slot: int) -> TokenInfo | None:
    try:
        return C.GetTokenInfo(module, slot)
    except errors.CryptokiError:
        return None  # an empty slot, or a token that a neighbour's driver cannot read: not the one sought


def _uri_of(info: TokenInfo) -> str:
    return str(Uri(token=info.label, serial=info.serialNumber))


def _way_out(origin: Origin) -> str:
    if isinstance(origin, DeclaredOrigin):
        return f"correct it at its source, or if it is right by now: workbench token pardon {origin.name}"
    return f"make the token anew with: workbench token up {origin.name} --fresh"
