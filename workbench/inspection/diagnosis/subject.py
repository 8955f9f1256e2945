"""What is to be diagnosed: a sandbox, a token that workbench.toml declares, or the file of a module."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import attrs

from workbench import tokens
from workbench.faults import WorkbenchError
from workbench.inspection.check import Check
from workbench.tokens import Provider
from workbench.tokens.config import Declared, load
from workbench.tokens.origin import known, name_of
from workbench.tokens.pins import PinSource
from workbench.tokens.profile import Profile
from workbench.tokens.profiles import profile, profile_of
from workbench.tokens.providers import PROVIDERS
from workbench.tokens.providers.found import found_module
from workbench.tokens.uri import Uri, is_uri, parse_uri

__all__ = ["Subject", "subject"]


@attrs.frozen
class Subject:
    """What the doctor looks at, put together without loading anything.

    ``uri`` says which token; None: any. ``user``: the name for C_LoginUser (5.6.9), where there is one.
    ``elsewhere``: another Python than this one loads the module, the one that ``interpreter`` starts. ``ready``:
    everything that is ours stands, so that loading it makes sense.
    ``environment``: variables on top of this process's. ``found_out``: what was noticed while putting it together.
    """

    name: str
    policy: str
    module: Path | None
    uri: Uri | None = None
    provider: str | None = None
    interpreter: tuple[str, ...] = ()
    elsewhere: bool = False
    ready: bool = True
    profile: Profile | None = None
    environment: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    init_string: str | None = attrs.field(default=None, repr=False)
    pin: PinSource | None = None
    user: str | None = None
    reach: tuple[str, ...] = ()
    found_out: tuple[Check, ...] = ()

    @property
    def surroundings(self) -> dict[str, str]:
        """The environment that the module will see."""
        return {**os.environ, **self.environment}


def subject(name: str) -> Subject:
    """What a name stands for, as ``tokens.open`` takes it; nothing is brought up or made.

    Errors: ``WorkbenchError`` for a name that nobody knows, and for a workbench.toml that cannot be read.
    """
    declared = load().tokens
    if is_uri(name):
        uri = parse_uri(name)
        named = name_of(uri)
        if named is None and uri.module_name is not None:
            return _registered(name, uri.module_name, uri.without_query())
        name = named or name
    if name in declared:
        return _declared(declared[name])
    if name == "sandbox" or name in PROVIDERS:
        return _sandbox(tokens.provider(name))
    if name.startswith("p11-kit:"):
        return _registered(name, name.removeprefix("p11-kit:"), None)
    if "/" in name and not is_uri(name):
        path = Path(name).expanduser()
        return Subject(name, "guest", path, profile=profile_of(path=path))
    names = ", ".join(["sandbox", *known()])
    raise WorkbenchError(f"no token is named {name!r}; known names: {names}; or give the path of a module")


def _registered(name: str, module: str, uri: Uri | None) -> Subject:
    found = found_module(module)
    return Subject(
        name, "guest", found.path, uri=uri, profile=profile_of(path=found.path), init_string=found.init_string
    )


def _sandbox(provider: Provider) -> Subject:
    checks = []
    made = None
    up = f"workbench token up {provider.name}"
    try:
        made = provider.sandbox()
    except WorkbenchError as error:
        checks.append(Check("sandbox", "failed", str(error), f"{up} --fresh"))
    else:
        if made is None:
            checks.append(Check("sandbox", "missing", "not made yet", up))
    if made is not None:
        stopped = [name for name, runs in provider.running().items() if not runs]
        checks += [Check(f"daemon {name}", "missing", "it does not run", up) for name in stopped]
    whole = made is not None and not checks
    return Subject(
        name=provider.name,
        policy="sandbox",
        module=made.module if made is not None else provider.find(),
        uri=Uri(token=made.label, serial=made.serial) if made is not None else None,
        provider=provider.name,
        interpreter=provider.interpreter() if whole and provider.needs_interpreter else (),
        elsewhere=provider.needs_interpreter,
        ready=whole,
        profile=profile(provider.profile) if provider.profile else None,
        environment=provider.environment() if made is not None else {},
        init_string=provider.init_string(),
        found_out=tuple(checks),
    )


def _declared(one: Declared) -> Subject:
    module = _module(one)
    return Subject(
        name=one.name,
        policy=one.policy,
        module=module,
        uri=one.uri,
        interpreter=(str(one.interpreter),) if one.interpreter is not None else (),
        elsewhere=one.interpreter is not None,
        profile=profile(one.profile) if one.profile else profile_of(path=module),
        environment=one.environment,
        init_string=one.init_string,
        pin=one.pin,
        user=one.user,
        reach=one.reach,
    )


def _module(one: Declared) -> Path | None:
    """The file that the declaration means; None where its profile finds none here."""
    if one.module is not None:
        return one.module
    if one.module_name is not None:
        return found_module(one.module_name).path
    assert one.profile is not None
    return next(iter(profile(one.profile).module.found()), None)
