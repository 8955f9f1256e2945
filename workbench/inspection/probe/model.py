"""What a probe finds: one row per trial and aspect, what was answered, and how sure one may be of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    pass

__all__ = ["Finding", "Outcome", "TokenProbe", "Trial"]


class Outcome(StrEnum):
    """How a trial ended."""

    VERIFIED = "verified"  # right, by somebody else than the token
    ALONE = "by the token alone"  # the token agrees with itself; nobody else here can tell
    OBSERVED = "observed"  # a fact that the standard leaves open
    WRONG = "answered wrongly"
    DEVIATES = "deviates"  # right or harmless, but not what the standard or the token itself says
    REFUSED = "refused"  # offered, and yet refused
    NOT_OFFERED = "not offered"
    NO_RECIPE = "no recipe"  # the workbench does not know how to try it
    NOT_RUN = "not run"
    DIED = "died"
    SILENT = "no answer"

    @property
    def remarkable(self) -> bool:
        """Whether somebody who builds on the token should read the row."""
        return self in _REMARKABLE


# The gravest first.
_REMARKABLE = (Outcome.DIED, Outcome.SILENT, Outcome.WRONG, Outcome.DEVIATES, Outcome.REFUSED)


@attrs.frozen
class Finding:
    """One row. ``subject``: what was tried (a mechanism, a curve); ``aspect``: which side of it (sign, 12-byte IV).

    ``code`` is the return code that the finding rests on, None where everything answered CKR_OK or nothing did.
    """

    family: str
    subject: str
    aspect: str
    outcome: Outcome = attrs.field(converter=Outcome)
    detail: str = ""
    code: str | None = None

    @property
    def place(self) -> tuple[str, str, str]:
        """What the row is about: the same on every token, so that tokens can be laid side by side."""
        return self.family, self.subject, self.aspect


@attrs.frozen
class Trial:
    """A function to run in the token's worker: ``run(token, *arguments)`` gives findings.

    ``run`` stands at the top of a module. ``processes``: in so many workers at the same time. A crash or a hang
    costs this trial alone and is told of ``subject`` and ``aspect``.
    """

    family: str
    subject: str
    aspect: str
    run: Callable[..., Iterable[Finding]]
    arguments: tuple[Any, ...] = ()
    seconds: float = 20.0
    processes: int = 1

    def finding(self, outcome: Outcome, detail: str = "", code: str | None = None) -> Finding:
        """A finding about the trial as a whole."""
        return Finding(self.family, self.subject, self.aspect, outcome, detail, code)


@attrs.frozen
class TokenProbe:
    """What the probe of one token found. ``provenance``: plain JSON values, as results of measurements have."""

    token: str
    provenance: dict[str, Any]
    seconds: float
    findings: tuple[Finding, ...]

    @property
    def families(self) -> tuple[str, ...]:
        """The families that have findings, in their order."""
        return tuple(dict.fromkeys(one.family for one in self.findings))

    def of(self, family: str) -> tuple[Finding, ...]:
        """The findings of one family."""
        return tuple(one for one in self.findings if one.family == family)

    def counts(self, family: str) -> dict[Outcome, int]:
        """How many findings of a family ended in each outcome, in the order of ``Outcome``."""
        found = [one.outcome for one in self.of(family)]
        return {outcome: found.count(outcome) for outcome in Outcome if outcome in found}

    @property
    def remarkable(self) -> tuple[Finding, ...]:
        """The findings that somebody who builds on the token should read, the gravest first."""
        found = [one for one in self.findings if one.outcome.remarkable]
        return tuple(sorted(found, key=lambda one: _REMARKABLE.index(one.outcome)))

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcomes that occurred, in the order of ``Outcome``."""
        found = {one.outcome for one in self.findings}
        return tuple(outcome for outcome in Outcome if outcome in found)
