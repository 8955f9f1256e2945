"""What probes found, as a file and side by side."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from workbench.faults import WorkbenchError
from workbench.inspection.probe.model import Finding, TokenProbe

__all__ = ["SCHEMA", "Difference", "compare", "document", "load", "save"]

SCHEMA = 1
KIND = "workbench probe"


@attrs.frozen
class Difference:
    """A trial that did not end alike on all tokens; ``findings`` in the tokens' order, None where it was not tried."""

    family: str
    subject: str
    aspect: str
    findings: tuple[Finding | None, ...]


def compare(probes: Sequence[TokenProbe]) -> tuple[Difference, ...]:
    """The trials whose outcome, code or detail differ between the tokens, in the order of the first that ran them.

    What one token verifies and another does not offer is a difference; who verified is none.
    """
    by_place = [{one.place: one for one in probe.findings} for probe in probes]
    places = dict.fromkeys(place for rows in by_place for place in rows)
    made = (Difference(*place, tuple(rows.get(place) for rows in by_place)) for place in places)
    return tuple(one for one in made if len({_essence(found) for found in one.findings}) > 1)


def _essence(found: Finding | None) -> tuple[str, ...]:
    """What two findings must share to be alike: of an observation every word, of others the outcome and the code."""
    if found is None:
        return ("not offered",)
    if found.outcome.value == "observed":
        return found.outcome, found.detail
    return (found.outcome,)


def document(probes: Sequence[TokenProbe]) -> dict[str, Any]:
    """The probes as plain JSON values: ``schema``, ``kind``, ``created`` (UTC), ``probes``."""
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    rows = [attrs.asdict(probe) for probe in probes]
    return {"schema": SCHEMA, "kind": KIND, "created": created, "probes": rows}


def save(path: Path, probes: Sequence[TokenProbe]) -> None:
    """Write the probes as JSON. Errors: ``WorkbenchError`` where the file cannot be written."""
    text = json.dumps(document(probes), indent=1, ensure_ascii=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WorkbenchError(f"cannot write the findings to {path}: {error.strerror}") from None


def load(path: Path) -> tuple[TokenProbe, ...]:
    """Read what ``save`` wrote. Errors: ``WorkbenchError`` for another file, or another schema."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        if read["kind"] != KIND:
            raise KeyError("kind")
        if read["schema"] != SCHEMA:
            raise WorkbenchError(
                f"{path} has schema {read['schema']}, this workbench reads {SCHEMA}: probe the token again"
            )
        return tuple(
            TokenProbe(**{**row, "findings": tuple(Finding(**one) for one in row["findings"])})
            for row in read["probes"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no file that workbench probe wrote"
        raise WorkbenchError(f"cannot read the findings in {path}: {why}") from None
