"""The line that a cell prints in place of its outputs when the token lacks something it needs.

`%%requires` prints it, the judge recognises it: both take it from here, so it cannot drift.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MAGIC", "missing_line", "required", "says_missing"]

MAGIC: Final = "requires"

_LINE: Final = re.compile(r"not offered by this token: (?P<names>[\w-]+(?:, [\w-]+)*) \(cell not run\)")


def missing_line(missing: Iterable[str]) -> str:
    """The fixed line for these names."""
    return f"not offered by this token: {', '.join(missing)} (cell not run)"


def required(source: str) -> tuple[str, ...]:
    """The mechanisms, functions and ways that a cell asks for: the words after `%%requires` in its first line."""
    first = source.lstrip().split("\n", 1)[0].split()
    return tuple(first[1:]) if first and first[0] == f"%%{MAGIC}" else ()


def says_missing(source: str, text: str) -> tuple[str, ...]:
    """The names that `text` reports as missing, if it is the fixed line and this cell asked for each.

    Anything else, a line about a name that the cell never asked for included, gives an empty tuple.
    """
    match = _LINE.fullmatch(text.rstrip("\n"))
    names = tuple(match["names"].split(", ")) if match else ()
    return names if set(names) <= set(required(source)) else ()
