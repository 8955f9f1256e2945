"""What ``help(C.Sign)`` and ``C.Sign?`` say beyond our own sentence: the standard's parameters, codes, section.

Made from the function table when the functions are loaded, so that the docstrings in the source stay short and
nothing is written twice.
"""

from __future__ import annotations

import sys
import textwrap
from html import escape
from inspect import cleandoc
from types import ModuleType

from workbench import spec

__all__ = ["annotate", "annotation"]

WIDTH = 96  # of a line
IN_A_LINE = 3  # return codes


def annotation(name: str) -> str:
    """The paragraphs on a function that the tables hold: its C signature, parameters, answers and places."""
    function = spec.function(name)
    parts = [f"{name}({', '.join(p.name for p in function.params)})"]
    if function.params:
        parts.append(_table([(p.name, p.ctype, p.direction) for p in function.params]))
    if function.returns:
        parts.append("Answers that the standard lists:\n" + _listed(function.returns))
    parts.append(f"PyKCS11 {'reaches it' if function.pykcs11 else 'does not reach it'}.")
    since = "in v2.40 or before" if function.introduced == "2.40" else f"since v{function.introduced}"
    place = f"PKCS#11 v3.2, section {function.section} ({since})"
    url = next((r.url for r in function.references if r.version == "3.2" and r.url), None)
    return "\n\n".join([*parts, f"{place}\n{url}" if url else place])


def _listed(codes: tuple[str, ...]) -> str:
    return ",\n".join("    " + ", ".join(codes[i : i + IN_A_LINE]) for i in range(0, len(codes), IN_A_LINE))


def _table(rows: list[tuple[str, str, str]]) -> str:
    first, second = (max(len(row[i]) for row in rows) for i in (0, 1))
    return "\n".join(f"    {a:{first}}  {b:{second}}  {c}" for a, b, c in rows)


class _Functions(ModuleType):
    """The module ``C``: it shows its functions by chapter."""

    def __repr__(self) -> str:
        lines = [
            f"C: the {len(spec.functions())} functions of PKCS#11 v3.2, without their prefix. C.Sign? explains one."
        ]
        for title, names in _chapters().items():
            lines.append(
                textwrap.fill(", ".join(names), WIDTH, initial_indent=f"{title}: ", subsequent_indent="    ")
            )
        return "\n".join(lines)

    def __dir__(self) -> list[str]:
        return sorted(self.__all__)

    def _repr_html_(self) -> str:
        left = 'style="text-align:left"'
        rows = "".join(
            f"<tr><td {left}>{escape(title)}</td><td {left}>{escape(', '.join(names))}</td></tr>"
            for title, names in _chapters().items()
        )
        return f"<table>{rows}</table>"


def _chapters() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for function in sorted(spec.functions(), key=lambda f: [int(part) for part in f.section.split(".")]):
        title = f"{function.chapter} {function.category}"
        found.setdefault(title, []).append(function.name.removeprefix("C_"))
    return found


def annotate(module_name: str) -> None:
    """Give every function of the module ``C`` its annotation, and the module itself a readable face."""
    module = sys.modules[module_name]
    for function in spec.functions():
        called = getattr(module, function.name.removeprefix("C_"), None)
        if called is not None and called.__doc__:  # python -OO has none
            called.__doc__ = f"{cleandoc(called.__doc__)}\n\n{annotation(function.name)}"
    module.__class__ = _Functions
