"""What a token's name stands for: where its module is, how to know it again, who may log in, what it may be asked."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from workbench.cryptoki import C, Module, Secret, SessionLike, TokenInfo
from workbench.faults import WorkbenchError
from workbench.tokens.budget import Budget
from workbench.tokens.config import AllowedKey, Declared, load
from workbench.tokens.home import home
from workbench.tokens.pins import PinSource, forget
from workbench.tokens.profiles import profile
from workbench.tokens.providers import DEFAULT, PROVIDERS, Provider, Sandbox
from workbench.tokens.providers.found import found_module
from workbench.tokens.uri import Uri, is_uri, parse_uri

__all__ = ["DeclaredOrigin", "Origin", "SandboxOrigin", "known", "name_of", "origin"]


class Origin(ABC):
    """A token that has a name here. Nothing secret is in it.

    ``standing``: the policy it is under. ``lock``: the file that serialises starts and logins.
    """

    name: str
    title: str
    standing: Literal["sandbox", "guest", "production"]
    module: Path
    init_string: str | None
    lock: Path
    profile: str | None
    pin_source: PinSource | None = None
    budget: Budget | None = None
    keys: tuple[AllowedKey, ...] = ()
    user: str | None = None
    """The name of C_LoginUser's user (5.6.9), where the user has one."""
    has_pin_source = True
    """Whether somebody said where the PIN comes from, or it is ours: a login needs nobody at a terminal by surprise."""
    declared_facts: Mapping[str, str] = MappingProxyType({})
    """What its owner says of the device, for every result to disclose."""
    label: str | None
    """The token's label, where the name stands for one label."""

    @abstractmethod
    def fits(self, module: Module, slot: int, info: TokenInfo) -> bool:
        """Whether the token in this slot is the one."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """How the token is known, in words."""

    @property
    @abstractmethod
    def remedy(self) -> str:
        """What to do when it is in no slot."""

    @abstractmethod
    def pin(self) -> Secret | None:
        """The user's PIN; None for the protected authentication path. Errors: ``WorkbenchError``."""

    def login(self, session: SessionLike, pin: Secret | None) -> None:
        """Log the user in (5.6.8)."""
        C.Login(session, "CKU_USER", pin)

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that the module reads."""
        return {}

    def forget_pin(self) -> None:
        """Ask for the PIN anew next time: the token has refused the one that was given."""
        return

    def so_pin(self) -> Secret:
        """The security officer's PIN. Errors: ``WorkbenchError`` for a token that is not ours."""
        raise WorkbenchError(f"token {self.name!r} is not ours: its security officer does not log in here")

    def enter(self) -> None:
        """Make this process ready to load the module. Errors: ``WorkbenchError`` where it cannot load here."""
        return

    def interpreter(self) -> tuple[str, ...]:
        """The command of the Python that the module loads into; empty when this one will do."""
        return ()

    def provenance(self) -> dict[str, Any]:
        """Where the module comes from, other than from this system: plain JSON values."""
        return {}


class SandboxOrigin(Origin):
    """A token that a provider made, brought up."""

    standing = "sandbox"

    def __init__(self, provider: Provider, sandbox: Sandbox) -> None:
        self.provider, self.sandbox = provider, sandbox
        self.name, self.title = provider.name, provider.title
        self.module, self.init_string = sandbox.module, sandbox.init_string
        self.lock, self.profile, self.label = provider.lock, provider.profile, sandbox.label

    def fits(self, module: Module, slot: int, info: TokenInfo) -> bool:
        """By label and serial number, never by slot number."""
        return (info.label, info.serialNumber) == (self.sandbox.label, self.sandbox.serial)

    @property
    def identity(self) -> str:
        """Its label."""
        return f"label {self.sandbox.label!r}"

    @property
    def remedy(self) -> str:
        """It is ours to make anew."""
        return f"make it anew with: workbench token up {self.name} --fresh"

    def pin(self) -> Secret:
        """From the private directory."""
        return self.sandbox.pin

    def so_pin(self) -> Secret:
        """From the private directory."""
        return self.sandbox.so_pin

    @property
    def environment(self) -> Mapping[str, str]:
        """The provider's."""
        return self.provider.environment()

    def enter(self) -> None:
        """The provider's environment; refused where the module needs another interpreter."""
        if not self.provider.inside():
            raise WorkbenchError(self.provider.elsewhere())
        self.provider.enter()

    def interpreter(self) -> tuple[str, ...]:
        """The provider's."""
        return self.provider.interpreter() if self.provider.needs_interpreter else ()

    def provenance(self) -> dict[str, Any]:
        """The provider's."""
        return self.provider.provenance()


class DeclaredOrigin(Origin):
    """Somebody's token: declared in workbench.toml, or found by a URI, a module's name or a module's file."""

    def __init__(self, declared: Declared, module: Path) -> None:
        self.declared = declared
        self.name, self.title = declared.name, declared.name
        self.standing = declared.policy
        self.module, self.init_string = module, declared.init_string
        self.profile, self.label = declared.profile, declared.uri.token
        self.budget, self.keys, self.user = declared.budget, declared.keys, declared.user
        self.pin_source = declared.pin or PinSource("prompt")
        self.has_pin_source = declared.pin is not None
        self.declared_facts = declared.declared
        digest = hashlib.sha256(str(module.resolve()).encode()).hexdigest()[:16]
        self.lock = home() / "locks" / f"{digest}.lock"

    def fits(self, module: Module, slot: int, info: TokenInfo) -> bool:
        """By what the URI names; a slot without a token in it, or an uninitialised one, is none."""
        if "CKF_TOKEN_INITIALIZED" not in info.flag_names:
            return False
        return self.declared.uri.matches_token(info, C.GetSlotInfo(module, slot), C.GetInfo(module), slot)

    def check_alone(self, module: Module, slot: int, info: TokenInfo) -> None:
        """A token that workbench.toml declares has that policy and budget by whatever name it is opened.

        Errors: ``WorkbenchError`` that names the declaration, where this one is none or is the laxer one.
        """
        for other in load().tokens.values():
            stricter = other.policy == "production" and self.standing == "guest"
            if other.name == self.name or not (stricter or not self.declared.file):
                continue
            known = other.uri.token is not None or other.uri.serial is not None
            if (known or other.module == self.module) and other.uri.matches_token(
                info, C.GetSlotInfo(module, slot), C.GetInfo(module), slot
            ):
                raise WorkbenchError(
                    f"{self.name} is the token that {other.file} declares as {other.name!r} "
                    f"(policy {other.policy!r}): open it by that name"
                )

    @property
    def identity(self) -> str:
        """The URI without the module."""
        return str(self.declared.uri)

    @property
    def remedy(self) -> str:
        """Ask the doctor."""
        return f"find out why with: workbench doctor --token {self.name}"

    def pin(self) -> Secret | None:
        """From its source."""
        assert self.pin_source is not None
        form = profile(self.profile).pin.form if self.profile else None
        return self.pin_source.read(self.name, form)

    def forget_pin(self) -> None:
        """The one that a person or a program gave."""
        assert self.pin_source is not None
        forget(self.name, self.pin_source)

    def login(self, session: SessionLike, pin: Secret | None) -> None:
        """As the user, or as the named or the vendor's own kind of user that the configuration says."""
        if self.declared.user is not None:
            C.LoginUser(session, self.declared.user_type, pin, self.declared.user)
        else:
            C.Login(session, self.declared.user_type, pin)

    @property
    def environment(self) -> Mapping[str, str]:
        """What the configuration gives."""
        return self.declared.environment

    def enter(self) -> None:
        """The environment that the configuration gives."""
        os.environ.update(self.declared.environment)

    def interpreter(self) -> tuple[str, ...]:
        """The one that the configuration names."""
        return (str(self.declared.interpreter),) if self.declared.interpreter else ()


def known() -> tuple[str, ...]:
    """The names there are: sandboxes, then declared tokens."""
    return (*PROVIDERS, *(name for name in load().tokens if name not in PROVIDERS))


def origin(name: str, fresh: bool = False) -> Origin:
    """What a name stands for; a sandbox is brought up.

    A name of workbench.toml goes before a sandbox's. Errors: ``WorkbenchError`` that lists the names there are.
    """
    declared = load().tokens.get(name)
    if declared is not None:
        return DeclaredOrigin(declared, _module_of(declared))
    key = DEFAULT if name == "sandbox" else name
    if key in PROVIDERS:
        return SandboxOrigin(PROVIDERS[key], PROVIDERS[key].up(fresh))
    if is_uri(name):
        return _by_uri(parse_uri(name))
    if name.startswith("p11-kit:"):
        return _in_registered(name, name.removeprefix("p11-kit:"), Uri())
    if "/" in name:
        return DeclaredOrigin(Declared(name, "", Uri(), module=Path(name)), _file(Path(name)))
    names = ", ".join(["sandbox", *known()])
    raise WorkbenchError(f"no token is named {name!r}; known names: {names}")


def _by_uri(uri: Uri) -> Origin:
    """The one token of a known name that the URI fits, or a token of the registered module that it names.

    The URI's PIN source serves for a token that is not ours; a sandbox keeps its own.
    """
    plain = uri.without_query()
    if not plain.names_token:
        raise WorkbenchError(f"{plain} does not say which token; give it a token or serial attribute")
    name = name_of(plain)
    if name is not None:
        found = origin(name)
        if isinstance(found, DeclaredOrigin) and uri.pin_source is not None:
            found.pin_source = uri.pin_source
            found.has_pin_source = True
        return found
    if uri.module_name is None:
        raise WorkbenchError(
            f"no token that is known here fits {plain}; declare it in workbench.toml, "
            "or say which module of p11-kit's it is in with ?module-name=NAME"
        )
    return _in_registered(str(plain), uri.module_name, plain, uri.pin_source)


def name_of(uri: Uri) -> str | None:
    """The name of the declared token or the sandbox that the URI fits; None when it fits none.

    Nothing is brought up. Errors: ``WorkbenchError`` when it fits several.
    """
    fitting = [n for n, one in load().tokens.items() if _agrees(uri, one.uri.token, one.uri.serial)]
    for name, provider in PROVIDERS.items():
        sandbox = provider.sandbox()
        if sandbox is not None and _agrees(uri, sandbox.label, sandbox.serial):
            fitting.append(name)
    if len(fitting) > 1:
        raise WorkbenchError(
            f"{uri.without_query()} fits several tokens: {', '.join(fitting)}; say more, or use one of these names"
        )
    return fitting[0] if fitting else None


def _agrees(uri: Uri, label: str | None, serial: str | None) -> bool:
    """Whether a URI names a token of this label and serial number, and says which one by at least one of them."""
    if uri.token is None and uri.serial is None:
        return False
    return uri.token in {None, label} and uri.serial in {None, serial}


def _module_of(declared: Declared) -> Path:
    if declared.module is not None and declared.module_name is not None:
        return _in_directory(declared.module, declared.module_name)
    if declared.module is not None:
        return _file(declared.module)
    if declared.module_name is not None:
        return _registered(declared.module_name)[0]
    known = profile(declared.profile or "")
    found = known.module.found()
    if not found:
        raise WorkbenchError(
            f"the module of profile {declared.profile!r} is at none of its usual places "
            f"({', '.join(known.module.patterns)}); give module in {declared.file}"
        )
    return found[0]


def _in_directory(directory: Path, name: str) -> Path:
    """RFC 7512, 2.3: a module-name is the file's name without prefix and ending, in the directory of module-path."""
    for file in (f"{name}.so", f"lib{name}.so", f"{name}.dylib", f"lib{name}.dylib"):
        if (directory / file).is_file():
            return directory / file
    raise WorkbenchError(f"no module {name!r} in {directory}: neither {name}.so nor lib{name}.so is there")


def _file(path: Path) -> Path:
    if not path.is_file():
        raise WorkbenchError(f"no module at {path}: give the path of a PKCS#11 library (usually a .so file)")
    return path


def _in_registered(name: str, module: str, uri: Uri, pin: PinSource | None = None) -> Origin:
    """A token in a module that is registered with p11-kit on this machine."""
    path, init_string = _registered(module)
    return DeclaredOrigin(Declared(name, "", uri, module=path, pin=pin, init_string=init_string), path)


def _registered(name: str) -> tuple[Path, str | None]:
    found = found_module(name)
    assert found.path is not None, "found_module says why it cannot be opened"
    return found.path, found.init_string
