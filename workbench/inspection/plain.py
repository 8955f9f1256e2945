"""Text that came from a token, made harmless: a label may hold whatever its writer liked."""

from __future__ import annotations

import unicodedata

__all__ = ["plain"]

# Control, format (among them the marks that reverse the direction of text), surrogates, private use, unassigned,
# line and paragraph separators: what moves a cursor, hides, or makes one name look like another.
_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def plain(text: str) -> str:
    """The text on one line, each character that is not simply shown replaced by its number (``\\x1b``)."""
    return "".join(_shown(c) if unicodedata.category(c) in _HARMFUL or c == "\\" else c for c in text)


def _shown(character: str) -> str:
    if character == "\\":  # or else nobody could tell an escape of ours from letters on the token
        return "\\\\"
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
