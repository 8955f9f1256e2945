"""Several tokens side by side: what they say of themselves, and their mechanisms, with the differences marked."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from workbench import spec
from workbench.inspection.inspect import Inspection
from workbench.inspection.reading import MechanismRow
from workbench.inspection.words import facts

__all__ = ["Comparison", "FactRow", "MechanismComparison", "compare"]


@attrs.frozen
class FactRow:
    """One fact: a value for each token, in the order of ``Comparison.tokens``. Safe to show."""

    title: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether the tokens do not all say the same."""
        return len(set(self.values)) > 1


@attrs.frozen
class MechanismComparison:
    """One mechanism: for each token its row, or None where it is not in the list."""

    number: int
    rows: tuple[MechanismRow | None, ...]

    @property
    def name(self) -> str:
        """The CKM name."""
        return spec.name("CKM", self.number)

    @property
    def differs(self) -> bool:
        """Whether it is missing somewhere, or has other sizes or flags."""
        return self.missing or self.disagrees

    @property
    def missing(self) -> bool:
        """Whether some token does not list it."""
        return None in self.rows

    @property
    def disagrees(self) -> bool:
        """Whether two tokens that list it say different things of it."""
        first, *rest = (row for row in self.rows if row is not None)
        return any(row != first for row in rest)


@attrs.frozen
class Comparison:
    """Tokens by name, their facts, and every mechanism that one of them lists."""

    tokens: tuple[str, ...]
    facts: tuple[FactRow, ...]
    mechanisms: tuple[MechanismComparison, ...]

    @property
    def sentence(self) -> str:
        """How far the lists agree, in one line."""
        common = [one for one in self.mechanisms if not one.missing]
        odd = sum(one.disagrees for one in common)
        return (
            f"{len(self.mechanisms)} mechanisms, {len(common)} of them on every token, "
            f"{odd} of those with different key sizes or uses"
        )


def compare(inspections: Sequence[Inspection]) -> Comparison:
    """The tokens side by side, in the order given."""
    numbers = sorted({row.number for one in inspections for row in one.mechanisms})
    tables = [{row.number: row for row in one.mechanisms} for one in inspections]
    return Comparison(
        tuple(one.token for one in inspections),
        _facts(inspections),
        tuple(MechanismComparison(n, tuple(table.get(n) for table in tables)) for n in numbers),
    )


def _facts(inspections: Sequence[Inspection]) -> tuple[FactRow, ...]:
    made: dict[str, list[str]] = {}
    for place, one in enumerate(inspections):
        for title, value in facts(one.look):
            made.setdefault(title, [""] * len(inspections))[place] = value
    return tuple(FactRow(title, tuple(values)) for title, values in made.items())
