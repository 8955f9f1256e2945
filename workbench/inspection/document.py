"""An inspection as JSON, for other programs.

``{"schema": 1, "tokens": [...]}``, and ``"comparison"`` where tokens were compared. Of each token:

- ``token``, ``policy``, ``logged_in``, ``whole`` (all objects were looked for);
- ``module``, ``slot``, ``info``: the members of CK_INFO, CK_SLOT_INFO and CK_TOKEN_INFO by the standard's names;
  a version is text, ``flags`` a number and ``flag_names`` its names, null what the token does not tell;
- ``interfaces``: name, version (null: a vendor's own), flags;
- ``mechanisms``: name, number, ``min``, ``max``, ``unit`` (null where the standard gives none), flags and
  flag_names; ``refused`` with the CKR where C_GetMechanismInfo gave one;
- ``objects``: handle, class, name, ``size``, ``attributes`` by CKA name (bytes as hexadecimal digits, constants
  by name, what the token keeps back is absent), ``certificate`` (subject, issuer, key, not_before, not_after);
- ``findings``: rule, severity (HIGH, MEDIUM, LOW), name of the object, handle, wrong, detail, why, remedy, about, section;
- ``steps``: the calls announced and those made, and ``asked``, their sum.

Text from the token is here as the token gave it, control characters escaped by JSON's own rules.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import Any

import attrs

from workbench import spec
from workbench.cryptoki.attributes import AttributeValue
from workbench.cryptoki.records import Record, Version
from workbench.inspection.compare import Comparison
from workbench.inspection.holdings import TokenObject
from workbench.inspection.inspect import Inspection
from workbench.inspection.lint import Finding
from workbench.inspection.reading import MechanismRow
from workbench.inspection.words import unit

__all__ = ["SCHEMA", "document", "to_json"]

SCHEMA = 1
# Attributes whose number is a constant → its kind.
_CONSTANTS = {
    "CKA_CERTIFICATE_TYPE": "CKC",
    "CKA_KEY_GEN_MECHANISM": "CKM",
    "CKA_KEY_TYPE": "CKK",
    "CKA_MECHANISM_TYPE": "CKM",
}


def to_json(inspections: Sequence[Inspection], comparison: Comparison | None = None) -> str:
    """The document as text in plain ASCII: nothing in it can move a terminal's cursor."""
    return json.dumps(document(inspections, comparison), indent=1, ensure_ascii=True)


def document(inspections: Sequence[Inspection], comparison: Comparison | None = None) -> dict[str, Any]:
    """The document as the head of this module describes it."""
    made: dict[str, Any] = {"schema": SCHEMA, "tokens": [_token(one) for one in inspections]}
    if comparison is not None:
        made["comparison"] = {
            "tokens": list(comparison.tokens),
            "facts": [
                {"fact": fact.title, "values": list(fact.values), "differs": fact.differs}
                for fact in comparison.facts
            ],
            "mechanisms": [
                {
                    "name": one.name,
                    "number": one.number,
                    "differs": one.differs,
                    "listed": [None if row is None else _mechanism(row) for row in one.rows],
                }
                for one in comparison.mechanisms
            ],
        }
    return made


def _token(one: Inspection) -> dict[str, Any]:
    return {
        "token": one.token,
        "policy": one.policy,
        "logged_in": one.logged_in,
        "whole": one.whole,
        "module": {"path": one.look.module_path} | _record(one.look.module),
        "interfaces": [
            {"name": i.name, "version": None if i.version is None else str(i.version), "flags": i.flags}
            for i in one.look.interfaces
        ],
        "slot": {"slotID": one.look.slot_number} | _record(one.look.slot),
        "info": _record(one.look.token),
        "mechanisms": [_mechanism(row) for row in one.mechanisms],
        "objects": [_object(thing) for thing in one.objects],
        "findings": [_finding(finding) for finding in one.findings],
        "steps": [attrs.asdict(step) for step in one.steps],
        "asked": one.asked,
    }


def _record(record: Record) -> dict[str, Any]:
    members = attrs.asdict(record, recurse=False)
    made = {name: str(value) if isinstance(value, Version) else value for name, value in members.items()}
    return made | {"flag_names": list(record.flag_names)}


def _mechanism(row: MechanismRow) -> dict[str, Any]:
    if row.info is None:
        return {"name": row.name, "number": row.number, "refused": row.refused}
    return {
        "name": row.name,
        "number": row.number,
        "min": row.info.ulMinKeySize,
        "max": row.info.ulMaxKeySize,
        "unit": unit(row.name) or None,
        "flags": row.info.flags,
        "flag_names": list(row.info.flag_names),
    }


def _object(thing: TokenObject) -> dict[str, Any]:
    found = thing.certificate
    made: dict[str, Any] = {
        "handle": thing.handle,
        "class": thing.object_class,
        "name": thing.name,
        "size": thing.size or None,
        "attributes": {name: _value(name, value) for name, value in thing.attributes.items()},
    }
    if thing.refused is not None:
        made["refused"] = thing.refused
    if found is not None:
        made["certificate"] = {
            "subject": found.subject,
            "issuer": found.issuer,
            "key": found.key,
            "authority": found.authority,
            "not_before": found.not_before.isoformat(),
            "not_after": found.not_after.isoformat(),
        }
    return made


def _value(name: str, value: AttributeValue) -> Any:
    if name == "CKA_ALLOWED_MECHANISMS" and isinstance(value, list):
        return [spec.name("CKM", number) for number in value]
    if name in _CONSTANTS and isinstance(value, int):
        return spec.name(_CONSTANTS[name], value)
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, datetime.date) else value


def _finding(finding: Finding) -> dict[str, Any]:
    return attrs.asdict(finding) | {"severity": finding.severity.name}
