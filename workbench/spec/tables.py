"""Look-ups in the tables of the standard, loaded when first asked for.

Every look-up by name raises ``KeyError`` for a name that the standard does not have.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from workbench.spec.model import (
    Advice,
    Attribute,
    AttributeEntry,
    Constant,
    Field,
    Function,
    Mechanism,
    MechanismParameter,
    Param,
    Profile,
    Reference,
    ReturnCode,
    SessionRule,
    SessionState,
    SessionTransition,
    Struct,
)

__all__ = [
    "advice",
    "allows",
    "attribute",
    "attribute_rules",
    "attributes",
    "constant",
    "constants",
    "function",
    "functions",
    "mechanism",
    "mechanisms",
    "name",
    "names",
    "profiles",
    "return_code",
    "return_codes",
    "session_rules",
    "session_states",
    "session_transitions",
    "struct",
    "structs",
    "types",
    "value",
]

Row = dict[str, Any]


def _load(table: str) -> Any:
    return json.loads(files("workbench.spec").joinpath("data", f"{table}.json").read_text(encoding="utf-8"))


def _references(row: Row) -> tuple[Reference, ...]:
    return tuple(Reference(**r) for r in row.get("references", ()))


@cache
def _functions() -> dict[str, Function]:
    made = {}
    for row in _load("functions"):
        row["params"] = tuple(Param(*p) for p in row["params"])
        row["references"] = _references(row)
        row["returns"] = tuple(row["returns"]) if "returns" in row else None
        made[row["name"]] = Function(**row)
    return made


@cache
def _constants() -> dict[str, Constant]:
    return {row["name"]: Constant(**{**row, "value": int(row["value"], 16)}) for row in _load("constants")}


@cache
def _mechanisms() -> dict[str, Mechanism]:
    made = {}
    for row in _load("mechanisms"):
        parameter = row.get("parameter")
        made[row["name"]] = Mechanism(
            name=row["name"],
            functions=tuple(row.get("functions", ())),
            single_part_only=tuple(row.get("single_part_only", ())),
            parameter=MechanismParameter(**parameter) if parameter else None,
            key_type=row.get("key_type"),
            references=_references(row),
        )
    return made


@cache
def _attributes() -> dict[str, Attribute]:
    made = {}
    for row in _load("attributes"):
        entries = tuple(
            AttributeEntry(**{**e, "rules": tuple(e.get("rules", ()))}) for e in row.get("entries", ())
        )
        made[row["name"]] = Attribute(row["name"], tuple(row.get("data_types", ())), entries)
    return made


@cache
def _returns() -> dict[str, ReturnCode]:
    made = {}
    for row in _load("returns"):
        others = tuple((int(o["value"], 16), tuple(o["used_by"])) for o in row.get("other_values", ()))
        made[row["name"]] = ReturnCode(
            name=row["name"],
            category=row.get("category"),
            references=_references(row),
            functions=tuple(row.get("functions", ())),
            other_values=others,
        )
    return made


@cache
def _structs() -> dict[str, Struct]:
    made = {}
    for row in _load("structs")["structs"]:
        fields = tuple(Field(n, t, int(a) if a else None) for n, t, a in row["fields"])
        made[row["name"]] = Struct(row["name"], row["introduced"], fields)
    return made


@cache
def _names() -> dict[str, dict[int, str]]:
    """Kind → number → name; the first name wins, so that an alias never hides the name it stands for."""
    table: dict[str, dict[int, str]] = {}
    for c in sorted(_constants().values(), key=lambda c: c.alias_of is not None):
        table.setdefault(c.kind, {}).setdefault(c.value, c.name)
    for code in _returns().values():
        for number, _ in code.other_values:
            table["CKR"].setdefault(number, code.name)
    return table


def function(name: str) -> Function:
    """The function of that name, such as ``C_Sign``."""
    return _functions()[name]


def functions() -> tuple[Function, ...]:
    """All functions in the order of the function list."""
    return tuple(_functions().values())


def allows(function: str, code: str) -> bool | None:
    """Whether the standard lists a return code for a function.

    None where that cannot be said: the function's list is not known, or no function lists the code at all
    (CKR_FUNCTION_NOT_SUPPORTED and the vendors' own).
    """
    listed = _functions()[function].returns
    known = _returns().get(code)
    if listed is None or known is None or not known.functions:
        return None
    return code in listed


def constant(name: str) -> Constant:
    """The constant of that name, such as ``CKM_ECDSA``."""
    return _constants()[name]


def constants(kind: str | None = None) -> tuple[Constant, ...]:
    """All constants, or those of one kind (``CKM``, ``CKA`` …)."""
    return tuple(c for c in _constants().values() if kind in (None, c.kind))


def value(name: str) -> int:
    """The number of a constant."""
    return _constants()[name].value


def name(kind: str, number: int) -> str:
    """The name of a number within its kind; ``CKM_0x80000123`` where the standard has none."""
    return _names()[kind].get(number) or f"{kind}_0x{number:08X}"


def names(kind: str) -> dict[int, str]:
    """Number → name of one kind."""
    return dict(_names()[kind])


def mechanism(name: str) -> Mechanism:
    """The mechanism of that name."""
    return _mechanisms()[name]


def mechanisms() -> tuple[Mechanism, ...]:
    """All mechanisms of the standard."""
    return tuple(_mechanisms().values())


def attribute(name: str) -> Attribute:
    """The attribute of that name."""
    return _attributes()[name]


def attributes() -> tuple[Attribute, ...]:
    """All attributes of the standard."""
    return tuple(_attributes().values())


@cache
def attribute_rules() -> dict[str, str]:
    """Key of an attribute rule → what it says."""
    rules: dict[str, str] = _load("attribute_rules")
    return rules


def return_code(name: str) -> ReturnCode:
    """The return code of that name."""
    return _returns()[name]


def return_codes() -> tuple[ReturnCode, ...]:
    """All return codes of the standard."""
    return tuple(_returns().values())


@cache
def _advice() -> dict[str, Advice]:
    return {
        name: Advice(row["means"], tuple(row.get("causes", ())), tuple(row.get("next", ())))
        for name, row in _load("advice").items()
    }


def advice(code: str) -> Advice | None:
    """Plain words on a return code; None for a vendor's own."""
    return _advice().get(code)


def struct(name: str) -> Struct:
    """The structure of that name, such as ``CK_GCM_PARAMS``."""
    return _structs()[name]


def structs() -> tuple[Struct, ...]:
    """All structures of the standard."""
    return tuple(_structs().values())


@cache
def types() -> dict[str, str]:
    """The type names of the header that are neither structures nor pointers → what they stand for."""
    rows = [(name, target) for name, target, pointer in _load("structs")["typedefs"] if not pointer]
    return {
        name: "structure of the functions' addresses" if name == target else target for name, target in rows
    }


@cache
def session_states() -> tuple[SessionState, ...]:
    """The five session states (3.3)."""
    return tuple(
        SessionState(**{**row, "value": int(row["value"], 16)}) for row in _load("sessions")["states"]
    )


@cache
def session_transitions() -> tuple[SessionTransition, ...]:
    """Every change of session state and the function that makes it."""
    return tuple(
        SessionTransition(r["from"], r["to"], r["event"], r["function"], r["condition"], r["section"])
        for r in _load("sessions")["transitions"]
    )


@cache
def session_rules() -> tuple[SessionRule, ...]:
    """The rules on sessions and login."""
    return tuple(SessionRule(**row) for row in _load("sessions")["rules"])


@cache
def profiles() -> tuple[Profile, ...]:
    """The OASIS profiles."""
    return tuple(Profile(**_frozen(row)) for row in _load("profiles"))


def _frozen(row: Row) -> Row:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
