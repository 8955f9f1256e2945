#!/usr/bin/env python3
"""Reduce the fact tables of the standard to what the package needs.

    python tools/reduce_spec.py SOURCE_DIRECTORY

SOURCE_DIRECTORY holds functions.json, constants.json, mechanisms.json, attributes.json, returns.json,
structs.json, sessions.json and profiles.json. A later version of the standard is a re-run of this script.
A null in the source stays absent here: nothing is filled in.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "workbench" / "spec" / "data"
Row = dict[str, Any]


def known(row: Row) -> Row:
    """The row without what the sources do not say."""
    return {key: value for key, value in row.items() if value not in (None, [], {}, False)}


def reference(version: str, place: Row | None) -> Row | None:
    """One place in one version of the standard, or None where the sources name none."""
    if place is None or not (place.get("section") or place.get("section_inferred") or place.get("url")):
        return None
    section = place.get("section") or place.get("section_inferred")
    inferred = bool(place.get("section_inferred")) and not place.get("section")
    return known(
        {
            "version": version,
            "section": section,
            "inferred": inferred,
            "group": bool(place.get("section_level")),
            "title": place.get("title"),
            "url": place.get("url"),
        }
    )


def references(places: dict[str, Row | None]) -> list[Row]:
    return [ref for version, place in places.items() if (ref := reference(version, place))]


def functions(source: Row) -> list[Row]:
    rows = []
    for f in sorted(source["functions"], key=lambda f: f["order"]):
        rows.append(
            known(
                {
                    "name": f["name"],
                    "order": f["order"],
                    "introduced": f["introduced"],
                    "category": f["category"],
                    "chapter": f["spec"]["3.2"]["group_section"],
                    "params": [[p["name"], p["ctype"], p["direction"]] for p in f["params"]],
                    "references": references(f["spec"]),
                    "returns": (f["returns_best"] or {}).get("codes"),
                    "returns_note": f.get("returns_note"),
                    "pykcs11": f["bindings"]["pykcs11_1_5_20"]["low_level"],
                }
            )
        )
    return rows


def constants(source: Row) -> list[Row]:
    keep = ("name", "kind", "value", "introduced", "deprecated", "historical", "alias_of")
    return [known({key: c[key] for key in keep}) for c in source["constants"]]


def mechanisms(source: Row) -> list[Row]:
    rows = []
    for m in source["mechanisms"]:
        places = {"2.40": m["curr_2_40"], "3.1": m["spec_3_1"], "3.2": m["spec_3_2"], "historical": m["hist"]}
        rows.append(
            known(
                {
                    "name": m["name"],
                    "functions": sorted(k for k, marked in (m["functions"] or {}).items() if marked),
                    "single_part_only": m["single_part_only"],
                    "parameter": m["parameter"] and known(m["parameter"]),
                    "key_type": m["key_type"],
                    "references": references(places),
                }
            )
        )
    return rows


def attributes(source: Row) -> list[Row]:
    rows = []
    for a in source["attributes"]:
        entries = [
            known(
                {
                    "objects": e["objects"],
                    "object_class": e["object_class"],
                    "key_type": e["key_type"],
                    "section": e["section"],
                    "title": e["title"],
                    "url": e["url"],
                    "source": e["source"],
                    "data_type": e["data_type"],
                    "default": e["default"],
                    "rules": e["rules"],
                }
            )
            for e in a["entries"]
        ]
        rows.append(known({"name": a["name"], "data_types": a["data_types"], "entries": entries}))
    return rows


def returns(source: Row) -> list[Row]:
    rows = []
    for r in source["returns"]:
        places = {"3.2": {"section": r["section"], "title": r["section_title"], "url": r["url"]}}
        rows.append(
            known(
                {
                    "name": r["name"],
                    "category": r["category"],
                    "references": references(places),
                    "functions": r["functions_3_2"],
                    "other_values": r["other_values"],
                }
            )
        )
    return rows


def structs(source: Row) -> Row:
    return {
        "structs": [
            {
                "name": s["name"],
                "introduced": s["introduced"],
                "fields": [[f["name"], f["ctype"], f["array"]] for f in s["fields"]],
            }
            for s in source["structs"]
        ],
        "typedefs": [[t["name"], t["is"], t["pointer"]] for t in source["typedefs"]],
    }


def section_of(spec: list[Row]) -> str | None:
    """The section in the specification itself (not the usage guide) that a row cites."""
    return next((s["section"] for s in spec if s.get("document") == "spec-3.2-cs01"), None)


def sessions(source: Row) -> Row:
    return {
        "states": [
            known(
                {
                    "name": s["name"],
                    "value": s["value"],
                    "label": s["label"],
                    "logged_in": s["logged_in"],
                    "session": s["session"],
                    "access": s["access"],
                    "section": section_of(s["spec"]),
                }
            )
            for s in source["states"]
        ],
        "transitions": [
            {
                "from": t["from"],
                "to": t["to"],
                "event": t["event"],
                "function": t["function"],
                "condition": t["condition"],
                "section": section_of(t["spec"]),
            }
            for t in source["transitions"]
        ],
        "rules": [
            known({"rule": r["rule"], "error": r["error"], "section": section_of(r["spec"])})
            for r in source["rules"]
        ],
    }


def profiles(source: Row) -> list[Row]:
    keep = (
        "name",
        "section",
        "profile_id",
        "role",
        "builds_on",
        "functions",
        "mechanisms",
        "attributes",
        "objects",
    )
    return [known({key: p[key] for key in keep}) for p in source["profiles"]]


REDUCTIONS = {
    "functions": functions,
    "constants": constants,
    "mechanisms": mechanisms,
    "attributes": attributes,
    "returns": returns,
    "structs": structs,
    "sessions": sessions,
    "profiles": profiles,
}


def compact(table: Any) -> str:
    """JSON with one row a line, so that a change of the standard is a readable diff."""
    if isinstance(table, list):
        rows = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in table)
        return f"[\n{rows}\n]\n"
    parts = ",\n".join(f"{json.dumps(key)}: {compact(rows).rstrip()}" for key, rows in table.items())
    return f"{{\n{parts}\n}}\n"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    origin = Path(arguments[0])
    attribute_rules: dict[str, str] = {}
    for name, reduce in REDUCTIONS.items():
        source = json.loads((origin / f"{name}.json").read_text(encoding="utf-8"))
        (TARGET / f"{name}.json").write_text(compact(reduce(source)), encoding="utf-8")
        if name == "attributes":
            attribute_rules = {r["key"]: r["rule"] for r in source["footnote_rules"].values()}
    (TARGET / "attribute_rules.json").write_text(
        json.dumps(attribute_rules, indent=1) + "\n", encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
