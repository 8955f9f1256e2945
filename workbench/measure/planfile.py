"""Plans as files: those that come with the workbench, and people's own.

A case in which ``key``, ``payload``, ``residency`` or ``parts`` is a list stands for one case of each; its name
then holds the place (``{key}``, ``{payload}``, ``{residency}``, ``{parts}``) where they differ.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import attrs

from workbench import spec
from workbench.cryptoki.attributes import numbered
from workbench.faults import WorkbenchError
from workbench.measure.plan import Case, Plan
from workbench.tokens.toml_table import TomlTable, parse_toml

__all__ = ["CASES", "PLANS", "parse_size", "plan_named", "read_plan", "size_text"]

# The order in which they are listed: from the first look to the long run.
SHIPPED = (
    "quick",
    "signing",
    "symmetric",
    "keys",
    "scaling",
    "phases",
    "python",
    "post-quantum",
    "everything",
)
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20}
ROOM = 1024
LARGEST = 1 << 24  # bytes: what a call is given at most
SWEPT = ("key", "payload", "residency", "parts")
CASE_KEYS = tuple(field.name for field in attrs.fields(Case))
PLAN_KEYS = (
    "title",
    "include",
    "threads",
    "rounds",
    "seconds",
    "warmup",
    "rate",
    "drivers",
    "cases",
)


def plan_named(name: str) -> Plan:
    """The plan of this name that comes with the workbench, or the one in a file (``mine.toml``, ``plans/mine``).

    Errors: ``WorkbenchError`` for a name that is neither, and for a file that is no plan.
    """
    if name in PLANS:
        return PLANS[name]
    if name.endswith(".toml") or "/" in name:
        return read_plan(Path(name))
    raise WorkbenchError(
        f"no plan is named {name!r}; known plans: {', '.join(PLANS)}, or the path of a .toml file"
    )


def read_plan(path: Path) -> Plan:
    """The plan in a TOML file; it has the file's name.

    Errors: ``WorkbenchError`` with the file, the table, and the key or the case.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise WorkbenchError(f"cannot read the plan {path}: {why}") from None
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}", path.stem):
        raise WorkbenchError(
            f"cannot name a run after {path.name!r}: letters, digits, dots and hyphens make a plan's name"
        )
    return _plan(path.stem, parse_toml(text, str(path)))


def _plan(name: str, table: TomlTable) -> Plan:
    table.check_keys(*PLAN_KEYS)
    cases: dict[str, Case] = {}
    for included in table.texts("include"):
        if included not in PLANS:
            raise table.fault("include", f"{included!r} is none of {', '.join(PLANS)}")
        cases |= {case.name: case for case in PLANS[included].cases}
    for one in table.tables("cases"):
        for case in _cases(one):
            if cases.get(case.name, case) != case:
                raise one.fault("name", f"two different cases have the name {case.name!r}")
            cases[case.name] = case
    settings: dict[str, Any] = {
        "title": table.text("title"),
        "threads": _threads(table),
        "rounds": table.integer("rounds", 1, 10_000),
        "seconds": table.number("seconds"),
        "warmup": _warmup(table),
        "loop": "open" if "rate" in table.values else None,
        "rate": table.number("rate"),
        "drivers": table.texts("drivers") or None,
    }
    given = {key: value for key, value in settings.items() if value is not None}
    try:
        return Plan(name, tuple(cases.values()), **given)
    except WorkbenchError as error:
        raise WorkbenchError(f"{table.file}: {error}") from None


def _threads(table: TomlTable) -> tuple[int, ...] | str | None:
    value = table.values.get("threads")
    if value is None or value == "knee":
        return value
    if isinstance(value, list) and value and all(_is_whole(one) and one > 0 for one in value):
        return tuple(value)
    raise table.fault("threads", 'it must be "knee", or a list of numbers from 1 on')


def _warmup(table: TomlTable) -> float | None:
    return 0.0 if table.values.get("warmup") == 0 else table.number("warmup")


def _cases(table: TomlTable) -> Iterator[Case]:
    """The cases that one table stands for."""
    table.check_keys(*CASE_KEYS)
    for key in ("name", "operation"):
        if table.text(key) is None:
            raise table.fault(key, "a case needs one")
    lists = {axis: _axis(table, axis) for axis in SWEPT}
    single: dict[str, Any] = {
        "operation": table.text("operation"),
        "mechanism": table.parsed("mechanism", _mechanism),
        "output": table.integer("output", 0, LARGEST + (1 << 16)),
        "iv": table.text("iv"),
        "timed": table.text("timed"),
        "length_query": _flag(table, "length_query"),
    }
    settings = {key: value for key, value in single.items() if value is not None}
    name = str(table.text("name"))
    for values in itertools.product(*lists.values()):
        chosen = {axis: value for axis, value in zip(lists, values, strict=True) if value is not None}
        defaults: dict[str, Any] = {
            "mechanism": None,
            "payload": 0,
            "output": _room(table, chosen.get("payload")),
        }
        named = _named(table, name, lists, chosen)
        try:
            yield Case(**{**defaults, **settings, **chosen}, name=named)
        except WorkbenchError as error:  # it names the case, and what is wrong there
            raise WorkbenchError(f"{table.file}: [{table.name}] {error}") from None


def _mechanism(name: str) -> str:
    """The name, of the standard or a vendor's number (``CKM_0x80000123``)."""
    try:
        if name.startswith("CKM_"):
            numbered(name)
            return name
    except KeyError:
        pass
    known = [constant.name for constant in spec.constants("CKM")]
    near = difflib.get_close_matches(name.upper(), known, n=3, cutoff=0.0)
    raise WorkbenchError(f"no mechanism is named {name!r}; nearest: {', '.join(near)}")


def _room(table: TomlTable, payload: object) -> int:
    """Bytes for the result where the file does not say: a cipher's is as long as its payload, and a tag longer."""
    ciphers = table.values.get("operation") in ("encrypt", "decrypt")
    return ROOM + payload if ciphers and isinstance(payload, int) else ROOM


def _named(table: TomlTable, name: str, lists: Mapping[str, list[Any]], chosen: Mapping[str, object]) -> str:
    """The name of one case of a sweep, its places filled in."""
    for axis, values in lists.items():
        if len(values) > 1 and f"{{{axis}}}" not in name:
            raise table.fault("name", f"{axis} is a list, so the name must hold {{{axis}}}")
    for axis, value in chosen.items():
        text = size_text(value) if axis == "payload" and isinstance(value, int) else str(value)
        name = name.replace(f"{{{axis}}}", text)
    return name


def _axis(table: TomlTable, axis: str) -> list[Any]:
    """The values of a key that may be a list: None where it is missing."""
    value: Any = table.values.get(axis)
    values = value if isinstance(value, list) and value else [value]
    for one in values:
        if one is None:
            continue
        if axis == "payload" and isinstance(one, str):
            continue
        if axis in ("payload", "parts") and not (_is_whole(one) and 0 <= int(one) <= LARGEST):
            raise table.fault(
                axis, f"it must be a number of bytes up to {size_text(LARGEST)}, or a list of them"
            )
        if axis in ("key", "residency") and not (isinstance(one, str) and one):
            raise table.fault(axis, "it must be text in quotation marks, or a list of texts")
    if axis != "payload":
        return values
    try:
        return [parse_size(one) if isinstance(one, str) else one for one in values]
    except WorkbenchError as error:
        raise table.fault(axis, str(error)) from None


def _flag(table: TomlTable, key: str) -> bool | None:
    value = table.values.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise table.fault(key, "it must be true or false")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def parse_size(text: str) -> int:
    """Bytes: ``64``, ``1k``, ``16 KiB``, ``1M``, in powers of 1024.

    Errors: ``WorkbenchError`` for anything else, and for more than 16 MiB.
    """
    found = re.fullmatch(r"([0-9]{1,9}) ?(k|m|)(?:i?b)?", text.strip().lower())
    size = int(found[1]) * UNITS[found[2]] if found else -1
    if not 0 <= size <= LARGEST:
        raise WorkbenchError(f"{text!r} is no size: a number of bytes, as 64, 1k or 1M, up to 16M")
    return size


def size_text(size: int) -> str:
    """A size as a case's name has it: ``32 B``, ``1 KiB``, ``16 MiB``."""
    for unit, name in ((UNITS["m"], "MiB"), (UNITS["k"], "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


PLANS: dict[str, Plan] = {}
"""The plans that come with the workbench, by name. A plan may include those before it."""
for _name in SHIPPED:
    _file = files("workbench.measure").joinpath("plans", f"{_name}.toml")
    PLANS[_name] = _plan(_name, parse_toml(_file.read_text(encoding="utf-8"), f"plan {_name}"))
CASES = {case.name: case for plan in PLANS.values() for case in plan.cases}
"""Every case of theirs, by name: a name stands for one case in all of them."""
