"""What a worker answers when the mechanisms of its token are held against another program's list."""

from __future__ import annotations

from workbench.inspection.reading import read_mechanisms
from workbench.tokens import Token

__all__ = ["Rows", "mechanism_rows"]

Rows = dict[int, tuple[int, int, int]]  # number → smallest and largest key size, flags


def mechanism_rows(token: Token) -> Rows:
    """As `inspect` reads them."""
    rows = read_mechanisms(token, token.mechanisms).value
    assert all(row.info is not None for row in rows)
    infos = ((row.number, row.info) for row in rows if row.info is not None)
    return {number: (info.ulMinKeySize, info.ulMaxKeySize, info.flags) for number, info in infos}
