"""Two drawings of the standard's model: the way of an application, and the states of a session.

Both are SVG with a text of the same content, and the same input gives the same bytes: lessons compare them.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import attrs

from workbench import spec

__all__ = ["Diagram", "lifecycle", "state_machine"]

# Inline SVG shares its style sheet with the page: every rule begins with the drawing's own class.
_STYLE = "".join(
    f".wb-diagram {rule}"
    for rule in (
        "text{font:13px sans-serif;fill:#1b1f24;text-anchor:middle}",
        ".f{font:11px monospace}",
        ".off{fill:#8c959f}",
        ".box{fill:#eaeef2;stroke:#57606a}",
        ".on{fill:#ddf4ff;stroke:#0550ae;stroke-width:2}",
        ".arrow{stroke:#8c959f;fill:none;stroke-width:1.2}",
        ".went{stroke:#0550ae;stroke-width:2}",
    )
)
_MARKERS = (
    '<defs><marker id="grey" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0L8 4L0 8z" fill="#8c959f"/></marker>'
    '<marker id="blue" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
    '<path d="M0 0L8 4L0 8z" fill="#0550ae"/></marker></defs>'
)

# The stations of an application and the calls that lead from one to the next, and back.
_STATIONS = ("library loaded", "initialised", "public session", "user session", "operation active")
_FORTH = (("C_Initialize",), ("C_OpenSession",), ("C_Login",), ("C_SignInit", "C_DigestInit", "C_VerifyInit"))
_BACK = (("C_Finalize",), ("C_CloseSession",), ("C_Logout",), ("C_Sign", "C_Digest", "C_Verify"))
_HERE = (
    (),
    ("C_GetInfo", "C_GetSlotList", "C_GetTokenInfo"),
    ("C_GetSessionInfo",),
    ("C_GenerateKeyPair", "C_FindObjects", "C_DestroyObject"),
    (),
)


@attrs.frozen
class Diagram:
    """A drawing: ``_repr_svg_`` for a notebook, ``str`` for a terminal."""

    svg: str
    text: str

    def _repr_svg_(self) -> str:
        return self.svg

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Diagram: {self.text.splitlines()[0]}>"


def _svg(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'class="wb-diagram" style="max-width:100%;height:auto" '
        f'aria-label="{escape(title)}"><style>{_STYLE}</style><rect width="{width}" height="{height}" fill="#fff"/>'
        f"{_MARKERS}{''.join(parts)}</svg>"
    )


def _box(x: int, y: int, width: int, height: int, lines: tuple[str, ...], on: bool) -> str:
    top = y + height // 2 + 5 - 9 * (len(lines) - 1)
    words = "".join(
        f'<text x="{x + width // 2}" y="{top + 18 * i}"{"" if i == 0 else _F}>{escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    return f'<rect class="{"on" if on else "box"}" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>{words}'


_F = ' class="f"'


def _arrow(path: str, went: bool) -> str:
    return f'<path class="arrow{" went" if went else ""}" d="{path}" marker-end="url(#{"blue" if went else "grey"})"/>'


def lifecycle(called: Iterable[str] = ()) -> Diagram:
    """The way of every PKCS#11 application, from loading the library to C_Finalize and back (5.4 to 5.6).

    ``called``: names of functions, such as ``trace.functions()``; their arrows and stations are marked.
    """
    called = frozenset(called)
    width, gap, top, height = 132, 66, 96, 54
    parts, lines = [], ["from loading the library to C_Finalize:"]
    reached = {0} | {i + 1 for i, forth in enumerate(_FORTH) if called & set(forth)}
    for i, station in enumerate(_STATIONS):
        x = 14 + i * (width + gap)
        parts.append(_box(x, top, width, height, (station,), i in reached))
        parts += _labels(x + width // 2, top + height + 58, _HERE[i], called)
        if i == len(_STATIONS) - 1:
            continue
        end = x + width + gap
        forth, back = called & set(_FORTH[i]), called & set(_BACK[i])
        parts.append(_arrow(f"M{x + width} {top + 16} H{end - 2}", bool(forth)))
        parts.append(_arrow(f"M{end} {top + 38} H{x + width + 2}", bool(back)))
        middle = x + width + gap // 2
        parts += _labels(middle, top - 10 - 14 * (len(_FORTH[i]) - 1), _FORTH[i], called)
        parts += _labels(middle, top + height + 16, _BACK[i], called)
        marks = " (called)" if forth else ""
        lines.append(
            f"  {station} → {_STATIONS[i + 1]}: {' / '.join(_FORTH[i])}{marks}; back: {' / '.join(_BACK[i])}"
        )
    total = 28 + len(_STATIONS) * width + (len(_STATIONS) - 1) * gap
    return Diagram(
        _svg(total, top + height + 108, "The way of a PKCS#11 application", parts), "\n".join(lines)
    )


def _labels(x: int, y: int, functions: Iterable[str], called: frozenset[str]) -> list[str]:
    return [
        f'<text class="f{"" if name in called or not called else " off"}" x="{x}" y="{y + 14 * i}">{name}</text>'
        for i, name in enumerate(functions)
    ]


_PLACES = {
    "CKS_RO_PUBLIC_SESSION": (30, 60),
    "CKS_RO_USER_FUNCTIONS": (30, 240),
    "CKS_RW_PUBLIC_SESSION": (420, 60),
    "CKS_RW_USER_FUNCTIONS": (420, 240),
    "CKS_RW_SO_FUNCTIONS": (690, 60),
}


def state_machine(visited: Iterable[str] = ()) -> Diagram:
    """The five states of a session and the logins between them (3.3), drawn from the tables.

    ``visited``: CKS names to mark, such as those that C_GetSessionInfo answered.
    """
    visited = frozenset(visited)
    width, height = 210, 60
    parts = []
    for state in spec.session_states():
        x, y = _PLACES[state.name]
        parts.append(_box(x, y, width, height, (state.label, state.name), state.name in visited))
    for x in (30 + width // 2, 420 + width // 2):
        both = bool(visited) and any(
            _PLACES[name][0] + width // 2 == x and _PLACES[name][1] == 240 for name in visited
        )
        parts.append(_arrow(f"M{x - 30} 120 V238", both))
        parts.append(_arrow(f"M{x + 30} 240 V122", False))
        parts.append(
            f'<text class="f" x="{x - 84}" y="176">C_Login</text><text class="f" x="{x - 84}" y="190">(CKU_USER)</text>'
        )
        parts.append(f'<text class="f" x="{x + 72}" y="182">C_Logout</text>')
    so = "CKS_RW_SO_FUNCTIONS" in visited
    parts.append(_arrow("M630 78 H688", so))
    parts.append(_arrow("M690 104 H632", False))
    parts.append(
        '<text class="f" x="660" y="42">C_Login (CKU_SO)</text><text class="f" x="660" y="138">C_Logout</text>'
    )
    for x, flag in ((135, "C_OpenSession, read-only"), (525, "C_OpenSession, CKF_RW_SESSION")):
        parts.append(f'<text class="f" x="{x}" y="22">{flag}</text>')
        parts.append(_arrow(f"M{x} 28 V58", False))
    lines = ["the states of a session:"]
    for transition in spec.session_transitions():
        source = transition.source or "(no session)"
        target = transition.target or "(no session)"
        lines.append(f"  {source} → {target}: {transition.function} ({transition.event})")
    return Diagram(_svg(930, 330, "The five states of a session", parts), "\n".join(lines))
