"""The modules that p11-kit knows on this machine: what its configuration files say, and nothing is loaded.

A module is registered by a file ``NAME.module`` of ``key: value`` lines in the package directory, the system's
or the user's. Files of one name are read together, the user's values first. What the user may add is said by
``user-config`` in ``pkcs11.conf``: ``merge`` (default), ``only``, or ``none``; root has no user configuration.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import attrs

from workbench.faults import WorkbenchError

__all__ = ["Found", "Places", "found_module", "found_modules"]

SUFFIX = ".module"
_MODES = {"none": "none", "merge": "merge", "only": "only", "override": "only"}
# Where p11-kit looks for a module that is named without a directory: compiled in, so all usual ones are tried.
_MODULE_DIRECTORIES = (
    "/usr/lib/x86_64-linux-gnu/pkcs11",
    "/usr/lib/aarch64-linux-gnu/pkcs11",
    "/usr/lib64/pkcs11",
    "/usr/lib/pkcs11",
    "/usr/local/lib/pkcs11",
    "/opt/homebrew/lib/pkcs11",
)


@attrs.frozen
class Found:
    """A registered module. ``why_not`` says in one line why it cannot be opened; None when it can."""

    name: str
    path: Path | None
    registered_in: tuple[Path, ...]
    why_not: str | None = None
    init_string: str | None = None  # x-init-reserved: the argument of C_Initialize
    priority: int = 0  # higher comes first


def _user_directory() -> Path | None:
    if os.geteuid() == 0:
        return None
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "pkcs11"


@attrs.frozen
class Places:
    """The directories of p11-kit's configuration; ``user`` None: it has none, as for root."""

    package: Path = Path("/usr/share/p11-kit/modules")
    system: Path = Path("/etc/pkcs11")
    user: Path | None = attrs.field(factory=_user_directory)
    modules: tuple[Path, ...] = tuple(map(Path, _MODULE_DIRECTORIES))


def found_modules(places: Places | None = None) -> tuple[Found, ...]:
    """Every registered module, also those that cannot be opened, by descending priority and then by name.

    Errors: ``WorkbenchError`` where ``pkcs11.conf`` has a ``user-config`` that p11-kit does not know.
    """
    places = places or Places()
    registered: dict[str, tuple[dict[str, str], list[Path]]] = {}
    for directory in _directories(places):
        for file in _module_files(directory):
            values, files = registered.setdefault(file.name.removesuffix(SUFFIX), ({}, []))
            values.update({key: value for key, value in _read(file).items() if key not in values})
            files.append(file)
    found = [_found(name, values, tuple(files), places) for name, (values, files) in registered.items()]
    return tuple(sorted(found, key=lambda one: (-one.priority, one.name)))


def found_module(name: str, places: Places | None = None) -> Found:
    """The registered module of this name.

    Errors: ``WorkbenchError`` that lists the names there are, or says why this one cannot be opened.
    """
    found = {one.name: one for one in found_modules(places)}
    if name not in found:
        names = ", ".join(found) or "none"
        raise WorkbenchError(f"p11-kit has no module {name!r} on this machine; registered: {names}")
    why_not = found[name].why_not
    if why_not is not None:
        raise WorkbenchError(f"the module {name!r} of p11-kit cannot be opened: {why_not}")
    return found[name]


def _directories(places: Places) -> tuple[Path, ...]:
    user = () if places.user is None else (places.user / "modules",)
    system = (places.system / "modules", places.package)
    return {"none": system, "merge": (*user, *system), "only": user}[_user_mode(places)]


def _user_mode(places: Places) -> str:
    """What the system's ``pkcs11.conf`` allows, and then the user's own may narrow."""
    mode = _mode_in(places.system / "pkcs11.conf", "merge")
    if places.user is None or mode == "none":
        return "none"
    return _mode_in(places.user / "pkcs11.conf", mode)


def _mode_in(file: Path, default: str) -> str:
    said = _read(file).get("user-config", default)
    if said not in _MODES:
        raise WorkbenchError(f"{file}: user-config is none, merge or only, not {said!r}")
    return _MODES[said]


def _module_files(directory: Path) -> list[Path]:
    try:
        return sorted(file for file in directory.iterdir() if file.name.endswith(SUFFIX) and file.is_file())
    except OSError:
        return []


def _read(file: Path) -> dict[str, str]:
    """The ``key: value`` lines of a file, without comments; nothing where it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition(":") for line in lines if ":" in line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, _, value in pairs}


def _found(name: str, values: Mapping[str, str], files: tuple[Path, ...], places: Places) -> Found:
    path, why_not = _module(values, places)
    return Found(
        name,
        path,
        files,
        why_not or _disabled(values),
        values.get("x-init-reserved"),
        int(values["priority"]) if values.get("priority", "").lstrip("-").isdecimal() else 0,
    )


def _module(values: Mapping[str, str], places: Places) -> tuple[Path | None, str | None]:
    if "remote" in values:
        # p11-kit would run the command that may stand here
        return None, f"it is behind remote: {values['remote']}, which only p11-kit's own proxy goes to"
    named = values.get("module")
    if not named:
        return None, "its file names no module, which is how p11-kit switches one off"
    path = Path(named)
    if not path.is_absolute():
        found = next((p for directory in places.modules if (p := directory / named).is_file()), None)
        return found, None if found else f"{named} is in none of p11-kit's module directories"
    return path, None if path.is_file() else f"there is no file {path}"


def _disabled(values: Mapping[str, str]) -> str | None:
    """``enable-in`` and ``disable-in`` name programs; where both stand, p11-kit goes by the first."""
    programs = {"workbench", Path(sys.executable).name, Path(sys.argv[0] or "workbench").name}
    for key, refuses in (("enable-in", False), ("disable-in", True)):
        if key in values:
            named = programs & set(values[key].replace(",", " ").split())
            return (
                f"its {key} is {values[key]!r}, which leaves workbench out"
                if bool(named) is refuses
                else None
            )
    return None
