"""Each mechanism: the list against C_GetMechanismInfo against a real operation that somebody else verifies."""

from __future__ import annotations

import attrs

from workbench.inspection.probe import objects
from workbench.inspection.probe.judging import staged
from workbench.inspection.probe.model import Finding, Outcome, Trial
from workbench.inspection.probe.recipes import catalogue
from workbench.inspection.probe.survey import Survey
from workbench.tokens import Token

__all__ = ["FAMILY", "USES", "attempt", "trials"]

FAMILY = "mechanisms"
# The flags of CK_MECHANISM_INFO that name a use; the others say how, or where.
USES = (
    "CKF_DIGEST",
    "CKF_SIGN",
    "CKF_VERIFY",
    "CKF_SIGN_RECOVER",
    "CKF_VERIFY_RECOVER",
    "CKF_ENCRYPT",
    "CKF_DECRYPT",
    "CKF_GENERATE",
    "CKF_GENERATE_KEY_PAIR",
    "CKF_WRAP",
    "CKF_UNWRAP",
    "CKF_DERIVE",
    "CKF_ENCAPSULATE",
    "CKF_DECAPSULATE",
)
# Functions that a recipe calls to have a key, and the uses that they are themselves.
PREPARATIONS: dict[str, tuple[str, ...]] = {
    "C_CreateObject": (),
    "C_GenerateKey": ("CKF_GENERATE",),
    "C_GenerateKeyPair": ("CKF_GENERATE_KEY_PAIR",),
}


def trials(survey: Survey) -> list[Trial]:
    """One trial for each mechanism and use that the token names, and for each recipe that it does not name."""
    named = [(name, flag) for name, row in survey.mechanisms.items() for flag in USES if flag in row.flags]
    unnamed = [key for key in catalogue() if key not in set(named)]
    return [
        Trial(FAMILY, name, _use(flag), attempt, (name, flag, promised), seconds=30)
        for keys, promised in ((named, True), (unnamed, False))
        for name, flag in keys
    ]


def _use(flag: str) -> str:
    return flag.removeprefix("CKF_").lower().replace("_", " ")


def attempt(token: Token, name: str, flag: str, promised: bool) -> list[Finding]:
    """Put one mechanism to one use. ``promised``: C_GetMechanismInfo has the flag."""
    recipe = catalogue().get((name, flag))
    place = FAMILY, name, _use(flag)
    if recipe is None:
        return [Finding(*place, Outcome.NO_RECIPE)]
    made = staged(token, place, recipe.run, Outcome.REFUSED if promised else Outcome.NOT_OFFERED)
    if (
        made.outcome is Outcome.REFUSED
        and made.detail in PREPARATIONS
        and flag not in PREPARATIONS[made.detail]
    ):
        made = attrs.evolve(
            made, outcome=Outcome.NOT_RUN, detail=f"{made.detail} refuses the key that it needs"
        )
    if made.outcome is Outcome.REFUSED:
        made = attrs.evolve(made, detail=f"{flag} is set, and {made.detail} refuses")
    if not promised and made.outcome in (Outcome.VERIFIED, Outcome.ALONE):
        silent = "its flags do" if objects.bench(token).lists(name) else "the mechanism list does"
        who = f"verified by {made.detail}" if made.detail else made.outcome
        made = attrs.evolve(made, outcome=Outcome.DEVIATES, detail=f"works ({who}), and {silent} not say so")
    return [made]
