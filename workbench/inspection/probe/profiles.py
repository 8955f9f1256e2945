"""The OASIS profiles: what each asks of a provider, and what is there."""

from __future__ import annotations

from workbench import spec
from workbench.cryptoki import C, CryptokiError, operations
from workbench.inspection.probe.model import Finding, Outcome, Trial
from workbench.inspection.probe.survey import Survey
from workbench.tokens import Token

__all__ = ["FAMILY", "trials"]

FAMILY = "profiles"
ROLES = ("provider", "provider or consumer")


def trials(survey: Survey) -> list[Trial]:
    """One trial for each profile that a provider can have; consumers are programs."""
    functions, mechanisms = tuple(sorted(survey.functions)), tuple(survey.mechanisms)
    return [
        Trial(FAMILY, one.name, "provider", attempt, (one.name, functions, mechanisms))
        for one in spec.profiles()
        if one.role in ROLES
    ]


def _asked(name: str) -> tuple[set[str], set[str], set[str]]:
    """Functions, mechanisms and classes of objects that a profile asks for, with those that it builds on."""
    one = next(profile for profile in spec.profiles() if profile.name == name)
    asked = set(one.functions or ()), set(one.mechanisms or ()), set(one.objects or ())
    for base in one.builds_on or ():
        if "Provider" in base:
            below = _asked(base.removesuffix(" (provider)"))
            asked = asked[0] | below[0], asked[1] | below[1], asked[2] | below[2]
    return asked


def attempt(
    token: Token, name: str, functions: tuple[str, ...], mechanisms: tuple[str, ...]
) -> list[Finding]:
    """Hold one profile against the function lists, the mechanism list and the objects on the token."""
    asked = _asked(name)
    missing = sorted(asked[0] - set(functions)) + sorted(asked[1] - set(mechanisms))
    claimed = _claimed(token)
    one = next(profile for profile in spec.profiles() if profile.name == name)
    if claimed is not None:
        missing += sorted(kind for kind in asked[2] if not _there(token, kind))
    number = spec.value(one.profile_id) if one.profile_id else None
    if not any(asked):
        return [Finding(FAMILY, name, "provider", Outcome.NOT_RUN, "its demands are not in the tables here")]
    if not missing:
        return [Finding(FAMILY, name, "provider", Outcome.VERIFIED, "everything it asks for is there")]
    detail = "missing: " + ", ".join(missing)
    outcome = Outcome.DEVIATES if claimed and number in claimed else Outcome.NOT_OFFERED
    return [Finding(FAMILY, name, "provider", outcome, detail)]


def _there(token: Token, kind: str) -> bool:
    with token.session() as session:
        return next(iter(operations.finding(session, {"CKA_CLASS": kind}, 1)), None) is not None


def _claimed(token: Token) -> set[int] | None:
    """The profiles that the token's own objects claim; None where it cannot be asked."""
    with token.session() as session:
        try:
            handles = session.find({"CKA_CLASS": "CKO_PROFILE"})
            values = [C.GetAttributeValue(session, one, ["CKA_PROFILE_ID"]) for one in handles]
        except CryptokiError:
            return None
    return {value for row in values for value in row.values() if isinstance(value, int)}
