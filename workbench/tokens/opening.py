"""Opening a token by its name, and what its name alone can answer."""

from __future__ import annotations

import threading

from workbench.cryptoki import Module, Secret
from workbench.cryptoki.module import BindingChoice
from workbench.faults import WorkbenchError
from workbench.tokens import tombstones
from workbench.tokens.home import locked
from workbench.tokens.origin import Origin, origin
from workbench.tokens.pins import ASKED_ONCE, remember
from workbench.tokens.providers import PROVIDERS, provider
from workbench.tokens.token import Token

__all__ = ["asked_pin", "available", "interpreter", "open_token", "pardon", "remember_pin", "why_not"]

_modules: dict[tuple[str, str], Module] = {}
_settings: dict[str, tuple[str | None, dict[str, str]]] = {}
_modules_lock = threading.Lock()


def why_not(name: str) -> str | None:
    """Why the token cannot be used here, in one line; None when it can."""
    if name == "sandbox" or name in PROVIDERS:
        return provider(name).why_not()
    try:
        origin(name)
    except WorkbenchError as error:
        return str(error)
    return None


def available() -> tuple[str, ...]:
    """The sandbox tokens that are up or can be brought up here."""
    return tuple(name for name in PROVIDERS if why_not(name) is None)


def pardon(token: Token) -> int:
    """Let every PIN that the token has refused be tried again; how many there were."""
    return tombstones.forget(token.pin_identity)


def asked_pin(name: str) -> Secret | None:
    """The PIN of a token whose source is a person, a keyring or a program, asked now; None for every other source.

    Errors: ``WorkbenchError`` as ``PinSource.read``.
    """
    source = origin(name).pin_source
    return source.read(name) if source is not None and source.kind in ASKED_ONCE else None


def remember_pin(name: str, pin: bytes) -> None:
    """Take the PIN that the parent process asked for, so that this one need not ask."""
    source = origin(name).pin_source
    if source is not None:
        remember(name, source, Secret(pin))


def interpreter(name: str) -> tuple[str, ...]:
    """The command of the Python that the token's module loads into; empty when this one will do.

    A sandbox is brought up for it.
    """
    return origin(name).interpreter()


def open_token(name: str = "sandbox", binding: BindingChoice = "auto", initialize: bool = True) -> Token:
    """Open a token: a sandbox (brought up first if need be), a token of workbench.toml, a ``pkcs11:`` URI,
    ``p11-kit:MODULE``, or the path of a module with one token in it.

    ``binding``: ``pykcs11`` or ``native`` forces one of the two. ``initialize`` False loads the library
    without C_Initialize, for those who want to make that call themselves.
    Errors: ``WorkbenchError`` for an unknown name or a token that cannot be brought up.
    """
    found = origin(name)
    with _modules_lock, locked(found.lock):
        module = _module(found, binding)
        if initialize:
            module.initialize(again=True)
        token = Token(name, found, module)
        if initialize:
            token.find_slot()
    return token


def _module(found: Origin, binding: BindingChoice) -> Module:
    """The origin's module in this process: one library reads its configuration once, whoever opens it."""
    path, settings = str(found.module), (found.init_string, dict(found.environment))
    if _settings.setdefault(path, settings) != settings:
        raise WorkbenchError(
            f"{path} is loaded in this process already, with another configuration: "
            f"use token {found.name!r} in a process of its own"
        )
    found.enter()
    if (path, binding) not in _modules:
        _modules[path, binding] = Module(found.module, binding, found.init_string)
    return _modules[path, binding]
