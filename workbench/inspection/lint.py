"""The key-policy lint: what the attributes of a token's objects allow that a careful owner would not."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import attrs

from workbench.inspection.holdings import TokenObject
from workbench.inspection.rules import RULES, Owned, Rule, Severity

__all__ = ["Finding", "lint"]


@attrs.frozen
class Finding:
    """A rule that an object breaks; ``detail`` says how far, where that needs saying.

    ``name`` is safe to show; ``section`` of v3.2, where one is known.
    """

    rule: str
    severity: Severity
    name: str
    handle: int
    wrong: str
    detail: str
    why: str
    remedy: str
    about: str
    section: str | None


def lint(
    objects: Sequence[TokenObject], complete: bool = True, now: datetime.datetime | None = None
) -> tuple[Finding, ...]:
    """Every breach of every rule, the gravest first.

    ``complete`` False: objects may be hidden, so nothing is said of what seems to be missing. ``now`` decides on
    expiry (default: the clock).
    """
    owned = Owned(tuple(objects), complete, now or datetime.datetime.now(datetime.UTC))
    found = []
    for rule in RULES:
        for thing in owned.of(*rule.classes):
            more = rule.breach(thing, owned)
            if more is not None:
                found.append(_finding(rule, thing, more))
    return tuple(sorted(found, key=lambda finding: (-finding.severity, finding.rule, finding.name)))


def _finding(rule: Rule, thing: TokenObject, more: str) -> Finding:
    return Finding(
        rule.id,
        rule.severity,
        thing.name,
        thing.handle,
        rule.wrong,
        more,
        rule.why,
        rule.remedy,
        rule.about,
        rule.section(thing.object_class),
    )
