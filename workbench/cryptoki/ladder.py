"""A trace drawn as a sequence ladder: the program on the left, the token on the right, time downwards."""

from __future__ import annotations

from html import escape

import attrs

from workbench.cryptoki.redaction import LENGTH_QUERY
from workbench.cryptoki.tracing import Note, Record

__all__ = ["Ladder"]

LEFT, RIGHT, TOP, STEP, WIDTH = 150, 690, 56, 46, 840
# Inline SVG shares its style sheet with the page: every rule begins with the drawing's own class.
_STYLE = "".join(
    f".wb-ladder {rule}"
    for rule in (
        "text{font:13px sans-serif;fill:#1b1f24}",
        ".small{font-size:11px;fill:#57606a}",
        ".bad{font-size:11px;fill:#b3261e;font-weight:bold}",
        "line{stroke:#57606a;stroke-width:1.2}",
        ".life{stroke-dasharray:3 4}",
        ".answer{stroke-dasharray:6 3}",
        ".ground{fill:#fff}",
        ".head{fill:#eaeef2;stroke:#57606a}",
        ".own{fill:#fff4d6;stroke:#9a6700}",
    )
)


@attrs.frozen
class Ladder:
    """The drawing (``_repr_svg_``) and its text; the same trace gives the same bytes unless ``timings``."""

    entries: tuple[Record | Note, ...]
    timings: bool = False

    def __str__(self) -> str:
        lines = []
        for entry in self.entries:
            if isinstance(entry, Note):
                lines.append(f"  · {entry.text}")
            else:
                lines.append(f"→ {entry.function} (§{entry.section})")
                lines.append(f"← {entry.answer}{self._took(entry)}")
        return "\n".join(lines) or "(no calls)"

    def __repr__(self) -> str:
        return f"<Ladder of {sum(isinstance(e, Record) for e in self.entries)} calls>"

    def _took(self, entry: Record) -> str:
        return f" after {entry.duration_ns / 1000:.0f} µs" if self.timings else ""

    def _repr_svg_(self) -> str:
        y = TOP + 18
        parts: list[str] = []
        for entry in self.entries:
            parts += self._note(entry, y) if isinstance(entry, Note) else self._call(entry, y)
            y += STEP
        height = y + 8
        frame = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" '
            'class="wb-ladder" style="max-width:100%;height:auto" '
            f'aria-label="Sequence of {len(self.entries)} steps between program and token">',
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
        ]
        for x, title in ((LEFT, "program"), (RIGHT, "token")):
            frame.append(f'<line class="life" x1="{x}" y1="{TOP - 16}" x2="{x}" y2="{height - 6}"/>')
            frame.append(f'<rect class="head" x="{x - 60}" y="12" width="120" height="28" rx="4"/>')
            frame.append(f'<text x="{x}" y="31" text-anchor="middle">{title}</text>')
        return "".join([*frame, *parts, "</svg>"])

    def _call(self, entry: Record, y: int) -> list[str]:
        middle = (LEFT + RIGHT) // 2
        what = _first_words(entry)
        return [
            f'<line x1="{LEFT}" y1="{y}" x2="{RIGHT - 8}" y2="{y}"/>',
            f'<path d="M{RIGHT - 10} {y - 4} L{RIGHT} {y} L{RIGHT - 10} {y + 4} z" fill="#57606a"/>',
            f'<text x="{middle}" y="{y - 6}" text-anchor="middle">{entry.function}'
            f'<tspan class="small" dx="8">{escape(what)}</tspan></text>',
            f'<text class="small" x="{LEFT - 66}" y="{y + 4}" text-anchor="end">§{entry.section}</text>',
            f'<line class="answer" x1="{LEFT + 8}" y1="{y + 18}" x2="{RIGHT}" y2="{y + 18}"/>',
            f'<path d="M{LEFT + 10} {y + 14} L{LEFT} {y + 18} L{LEFT + 10} {y + 22} z" fill="#57606a"/>',
            f'<text x="{middle}" y="{y + 13}" text-anchor="middle">'
            f'<tspan class="{"bad" if entry.failed else "small"}">{entry.answer}{self._took(entry)}</tspan></text>',
        ]

    def _note(self, entry: Note, y: int) -> list[str]:
        return [
            f'<rect class="own" x="{LEFT - 120}" y="{y - 12}" width="360" height="28" rx="4"/>',
            f'<text class="small" x="{LEFT - 110}" y="{y + 6}">{escape(entry.text)}</text>',
        ]


def _first_words(entry: Record) -> str:
    """The argument that tells most: a mechanism, a user type, a length query; handles and sizes say little."""
    for name, words in entry.arguments:
        if words == LENGTH_QUERY:
            return "asks the length"
        if name in ("pMechanism", "userType", "flags"):
            return words
    return ""
