"""C declarations of Cryptoki, written from the tables.

One text serves the call binding (cffi, ABI mode) and the load kernel (compiled). The build runs this file
by its path before anything is installed, so it imports the standard library alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["cdef"]

_DATA = Path(__file__).resolve().parent / "data"

# What the headers spell as macros or function types and the tables therefore do not carry.
_PRELUDE = """\
typedef unsigned char CK_BYTE;
typedef unsigned long CK_ULONG;
typedef long CK_LONG;
typedef void *CK_VOID_PTR;
"""
_CALLBACKS = """\
typedef CK_RV (*CK_NOTIFY)(CK_SESSION_HANDLE hSession, CK_NOTIFICATION event, CK_VOID_PTR pApplication);
typedef CK_RV (*CK_CREATEMUTEX)(CK_VOID_PTR *ppMutex);
typedef CK_RV (*CK_DESTROYMUTEX)(CK_VOID_PTR pMutex);
typedef CK_RV (*CK_LOCKMUTEX)(CK_VOID_PTR pMutex);
typedef CK_RV (*CK_UNLOCKMUTEX)(CK_VOID_PTR pMutex);
"""
_LISTS = (("CK_FUNCTION_LIST", "2.40"), ("CK_FUNCTION_LIST_3_0", "3.0"), ("CK_FUNCTION_LIST_3_2", "3.2"))


def _load(name: str) -> Any:
    return json.loads((_DATA / f"{name}.json").read_text(encoding="utf-8"))


def _structure(name: str, fields: list[list[Any]]) -> str:
    members = "".join(f" {ctype} {field}{f'[{array}]' if array else ''};" for field, ctype, array in fields)
    return f"struct {name} {{{members} }};"


def _function_types(functions: list[dict[str, Any]]) -> list[str]:
    lines = []
    for f in functions:
        parameters = ", ".join(f"{ctype} {name}" for name, ctype, _ in f["params"]) or "void"
        lines.append(f"typedef CK_RV (*CK_{f['name']})({parameters});")
    return lines


def _in_order(structs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Structures such that a member by value stands after the structure it is made of."""
    pending = {s["name"]: s for s in structs}
    ordered = []
    while pending:
        ready = [s for s in pending.values() if not {t for _, t, _ in s["fields"]} & pending.keys()]
        ordered += ready
        for s in ready:
            del pending[s["name"]]
    return ordered


def cdef() -> str:
    """Every type, structure and function list of v2.40, v3.0 and v3.2 (natural C alignment)."""
    functions = _load("functions")
    tables = _load("structs")
    structs = tables["structs"]
    scalars = [(n, t) for n, t, pointer in tables["typedefs"] if not pointer and n != t]
    scalars.sort(key=lambda pair: pair[1] not in ("CK_ULONG", "CK_BYTE", "CK_LONG"))  # made of these: first
    pointers = [(n, t) for n, t, pointer in tables["typedefs"] if pointer]
    list_names = [name for name, _ in _LISTS]
    lines = [_PRELUDE]
    lines += [f"typedef {target} {name};" for name, target in scalars]
    lines += [f"typedef struct {s['name']} {s['name']};" for s in structs]
    lines += [f"typedef struct {name} {name};" for name in list_names]
    known = {name for name, _ in pointers}
    wanted = {f"{name}_PTR": name for name in [*list_names, *(s["name"] for s in structs)]}
    pointers += [(name, target) for name, target in wanted.items() if name not in known]
    pointers += [
        ("CK_FUNCTION_LIST_PTR_PTR", "CK_FUNCTION_LIST_PTR"),
        ("CK_INTERFACE_PTR_PTR", "CK_INTERFACE_PTR"),
    ]
    pending = dict(pointers)
    declared: set[str] = set()
    while pending:
        for name, target in list(pending.items()):
            if target not in pending:
                if name not in declared and name != "CK_VOID_PTR":
                    lines.append(f"typedef {target} *{name};")
                declared.add(name)
                del pending[name]
    lines.append(_CALLBACKS)
    lines += [_structure(s["name"], s["fields"]) for s in _in_order(structs)]
    lines += _function_types(functions)
    for name, version in _LISTS:
        members = [["version", "CK_VERSION", None]]
        members += [
            [f["name"], f"CK_{f['name']}", None]
            for f in functions
            if float(f["introduced"]) <= float(version)
        ]
        lines.append(_structure(name, members))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(cdef(), end="")
