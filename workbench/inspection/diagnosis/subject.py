"""What is to be diagnosed: a sandbox, a token that workbench.toml declares, or the file of a module."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import attrs

from workbench import tokens
from workbench.faults import WorkbenchError
from workbench.inspection.check import Check
from workbench.tokens import Provider, config
from workbench.tokens.config import Declared
from workbench.tokens.pins import PinSource
from workbench.tokens.profile import Profile
from workbench.tokens.profiles import profile, profile_of
from workbench.tokens.providers import PROVIDERS
from workbench.tokens.uri import Uri

__all__ = ["Subject", "subject"]

# Where distributions put PKCS#11 modules, for one that is named without a directory.
MODULE_DIRECTORIES = ("/usr/lib/*/pkcs11", "/usr/lib64/pkcs11", "/usr/lib/pkcs11", "/usr/local/lib/pkcs11")


@attrs.frozen
class Subject:
    """What the doctor looks at, put together without loading anything.

    ``uri`` says which token; None: any. ``opens``: ``tokens.open`` takes the name, so a login can be tried.
    ``elsewhere``: another Python than this one loads the module, the one that ``interpreter`` starts. ``ready``:
    everything that is ours stands, so that loading it makes sense.
    ``environment``: variables on top of this process's. ``found_out``: what was noticed while putting it together.
    """

    name: str
    policy: str
    module: Path | None
    uri: Uri | None = None
    opens: bool = False
    provider: str | None = None
    interpreter: tuple[str, ...] = ()
    elsewhere: bool = False
    ready: bool = True
    profile: Profile | None = None
    environment: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    init_string: str | None = attrs.field(default=None, repr=False)
    pin: PinSource | None = None
    reach: tuple[str, ...] = ()
    found_out: tuple[Check, ...] = ()

    @property
    def surroundings(self) -> dict[str, str]:
        """The environment that the module will see."""
        return {**os.environ, **self.environment}


def subject(name: str) -> Subject:
    """What a token's name, or a path, stands for.

    Errors: ``WorkbenchError`` for a name that nobody knows, and for a workbench.toml that cannot be read.
    """
    if name == "sandbox" or name in PROVIDERS:
        return _sandbox(tokens.provider(name))
    if "/" in name and not name.startswith("pkcs11:"):
        path = Path(name).expanduser()
        return Subject(name, "look only", path, profile=profile_of(path=path))
    declared = config.load().tokens
    if name in declared:
        return _declared(declared[name])
    known = ", ".join(["sandbox", *PROVIDERS, *declared])
    raise WorkbenchError(f"no token is named {name!r}; known names: {known}; or give the path of a module")


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
        opens=whole,
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
        opens=True,
        interpreter=(str(one.interpreter),) if one.interpreter is not None else (),
        elsewhere=one.interpreter is not None,
        profile=profile(one.profile) if one.profile else profile_of(path=module),
        environment=one.environment,
        init_string=one.init_string,
        pin=one.pin,
        reach=one.reach,
    )


def _module(one: Declared) -> Path | None:
    """The file that the declaration means; None where a profile or a name finds none here."""
    if one.module_name is None:
        if one.module is not None:
            return one.module
        assert one.profile is not None
        return next(iter(profile(one.profile).module.found()), None)
    directories = [one.module] if one.module is not None else []
    directories += [] if directories else [d for p in MODULE_DIRECTORIES for d in Path("/").glob(p[1:])]
    names = (one.module_name, f"{one.module_name}.so", f"lib{one.module_name}.so")
    candidates = [directory / name for directory in directories for name in names]
    return next((path for path in candidates if path.is_file()), candidates[0] if one.module else None)
