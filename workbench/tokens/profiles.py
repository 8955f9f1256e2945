"""The vendor profiles: read from ``data/profiles``, looked up by name, recognised from a library or its file."""

from __future__ import annotations

import datetime
import difflib
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path, PureWindowsPath
from typing import Any, TypeVar

import attrs

from workbench.cryptoki.records import Info
from workbench.faults import WorkbenchError
from workbench.tokens.pin_form import PinForm
from workbench.tokens.profile import (
    Configuration,
    Encodings,
    Evidence,
    Fact,
    Failure,
    Limits,
    ModulePaths,
    PinRules,
    Profile,
    Recognition,
    Switches,
    Templates,
    Variable,
)

__all__ = ["parse_profile", "profile", "profile_of", "profiles"]

SCHEMA = 1
T = TypeVar("T")
Table = dict[str, Any]
_HEAD = {"schema", "name", "vendor", "date", "sources"}
_PIN_FORM = {field.name for field in attrs.fields(PinForm)}
# Tables that stand once in a file, and those that stand in lists.
_SINGLE: dict[str, type[Any]] = {
    "recognition": Recognition,
    "module": ModulePaths,
    "templates": Templates,
    "encodings": Encodings,
    "limits": Limits,
    "switches": Switches,
}
_LISTED: dict[str, type[Any]] = {"configuration": Configuration, "failures": Failure, "facts": Fact}


@cache
def profiles() -> Mapping[str, Profile]:
    """Every profile by its name, in alphabetical order."""
    folder = files("workbench.tokens") / "data" / "profiles"
    found = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".toml")),
        key=lambda e: e.name.removesuffix(".toml"),
    )
    return {
        entry.name.removesuffix(".toml"): parse_profile(
            entry.name.removesuffix(".toml"), entry.read_text("utf-8")
        )
        for entry in found
    }


def profile(name: str) -> Profile:
    """The profile of that name. Errors: ``WorkbenchError`` with the nearest names."""
    found = profiles().get(name)
    if found is None:
        near = difflib.get_close_matches(name, profiles(), n=3, cutoff=0.4)
        hint = f"nearest: {', '.join(near)}" if near else "workbench profile list shows them all"
        raise WorkbenchError(f"no vendor profile is named {name!r}; {hint}")
    return found


def profile_of(info: Info | None = None, path: str | Path | None = None) -> Profile | None:
    """The profile of a library: by what C_GetInfo says of it, else by the name of its file; None: unknown.

    One file may serve several devices (OpenSC, openCryptoki): what is recognised then is the library.
    """
    if info is not None:
        for one in profiles().values():
            known = one.recognition
            asked = ((known.manufacturer, info.manufacturerID), (known.library, info.libraryDescription))
            given = [(pattern, text) for pattern, text in asked if pattern is not None]
            if given and all(fnmatchcase(text.strip("\0 "), pattern) for pattern, text in given):
                return one
    if path is not None:
        # both kinds of separator, whatever the system
        name = PureWindowsPath(str(path)).name.lower()
        for one in profiles().values():
            if any(fnmatchcase(name, pattern.lower()) for pattern in one.recognition.files):
                return one
    return None


def parse_profile(slug: str, text: str) -> Profile:
    """A profile from the text of its TOML file.

    Errors: ``WorkbenchError`` that names the file, the table and what is wrong in it.
    """
    where = f"profile {slug}.toml"
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WorkbenchError(f"{where} is not TOML: {error}") from None
    known = {*_HEAD, *_SINGLE, *_LISTED, "pin", "environment"}
    if unknown := sorted(set(document) - known):
        raise WorkbenchError(f"{where} has an unknown key {unknown[0]!r}; known: {', '.join(sorted(known))}")
    if document.get("schema") != SCHEMA:
        raise WorkbenchError(f"{where} has schema {document.get('schema')!r}; this version reads {SCHEMA}")
    for key, kind in (("name", str), ("vendor", str), ("date", datetime.date), ("pin", dict)):
        if not isinstance(document.get(key), kind):
            raise WorkbenchError(f"{where} needs {key!r}")
    reader = _Reader(where, document["date"], document.get("sources", {}))
    parts: Table = {
        name: reader.table(kind, document[name], name) for name, kind in _SINGLE.items() if name in document
    }
    for name, kind in _LISTED.items():
        parts[name] = tuple(reader.table(kind, one, name) for one in document.get(name, ()))
    parts["environment"] = tuple(
        reader.table(Variable, {"name": name, **table}, f"environment.{name}")
        for name, table in document.get("environment", {}).items()
    )
    for name in ("recognition", "module"):
        if name not in parts:
            raise WorkbenchError(f"{where} needs a table [{name}]")
    return Profile(
        slug=slug, name=document["name"], vendor=document["vendor"], pin=reader.pin(document["pin"]), **parts
    )


@attrs.frozen
class _Reader:
    """Makes the classes from tables; the classes' own validators judge the values."""

    where: str
    date: datetime.date
    sources: dict[str, str]

    def table(self, kind: type[T], table: Table, name: str) -> T:
        known = {field.name for field in attrs.fields(kind)} - {"evidence"}  # type: ignore[arg-type]
        evidence = {field.name for field in attrs.fields(Evidence)}
        values = {key: value for key, value in table.items() if key not in evidence}
        if unknown := sorted(set(values) - known):
            raise WorkbenchError(f"{self.where}, [{name}]: unknown key {unknown[0]!r}")
        try:
            return kind(evidence=self.evidence(table), **values)  # type: ignore[call-arg]
        except (TypeError, ValueError) as error:
            raise WorkbenchError(f"{self.where}, [{name}]: {error.args[0]}") from None

    def pin(self, table: Table) -> PinRules:
        try:
            form = PinForm(**{key: value for key, value in table.items() if key in _PIN_FORM})
        except TypeError as error:
            raise WorkbenchError(f"{self.where}, [pin]: {error}") from None
        rest = {key: value for key, value in table.items() if key not in _PIN_FORM}
        return self.table(PinRules, {"form": form, **rest}, "pin")

    def evidence(self, table: Table) -> Evidence:
        source = table.get("source")
        return Evidence(
            status=table.get("status", ""),
            date=table.get("date", self.date),
            seen_on=table.get("seen_on"),
            source=self.sources.get(source, source) if source else None,
        )
