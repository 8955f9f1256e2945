"""Each mechanism: the list against C_GetMechanismInfo against a real operation that somebody else verifies."""

from __future__ import annotations

import attrs

from workbench.inspection.probe import objects
from workbench.inspection.probe.judging import staged
from workbench.inspection.probe.model import Finding, Outcome, Trial
from workbench.inspection.probe.recipes import Recipe, catalogue
from workbench.inspection.probe.survey import Listed, Survey
from workbench.tokens import Token

__all__ = ["FAMILY", "USES", "attempt", "trials"]

FAMILY = "mechanisms"
DESCRIBED = "description"
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
    """One trial for each mechanism and use that the token names, and for each recipe that it does not name; one more
    for each mechanism whose description is at fault.
    """
    faults = {name: _fault(row) for name, row in survey.mechanisms.items()}
    named = [(name, flag) for name, row in survey.mechanisms.items() for flag in USES if flag in row.flags]
    unnamed = [key for key in catalogue() if key not in set(named)]
    return [
        *(Trial(FAMILY, name, DESCRIBED, describe, (name, fault)) for name, fault in faults.items() if fault),
        *(
            Trial(FAMILY, name, _use(flag), attempt, (name, flag, promised), seconds=30)
            for keys, promised in ((named, True), (unnamed, False))
            for name, flag in keys
        ),
    ]


def _fault(row: Listed) -> str:
    """What the list and C_GetMechanismInfo have against each other; empty for nothing."""
    if row.least is None or row.most is None:
        return "in the list, and C_GetMechanismInfo refuses it"
    if not row.flags.intersection(USES):
        return "in the list, and no flag names a use of it"
    if row.least > row.most:
        return f"a least key size of {row.least}, and a most of {row.most}"
    return ""


def describe(token: Token, name: str, fault: str) -> list[Finding]:
    """Write down what the survey saw."""
    return [Finding(FAMILY, name, DESCRIBED, Outcome.DEVIATES, fault)]


def _use(flag: str) -> str:
    return flag.removeprefix("CKF_").lower().replace("_", " ")


def attempt(token: Token, name: str, flag: str, promised: bool) -> list[Finding]:
    """Put one mechanism to one use. ``promised``: C_GetMechanismInfo has the flag."""
    recipe = catalogue().get((name, flag))
    place = FAMILY, name, _use(flag)
    if recipe is None:
        return [Finding(*place, Outcome.NO_RECIPE)]
    made = staged(token, place, recipe.run, Outcome.REFUSED if promised else Outcome.NOT_OFFERED)
    if made.outcome is Outcome.REFUSED:
        made = _once_more(token, recipe, made)
    if not promised and made.outcome in (Outcome.VERIFIED, Outcome.ALONE):
        silent = "its flags do" if objects.bench(token).lists(name) else "the mechanism list does"
        who = f"verified by {made.detail}" if made.detail else made.outcome
        made = attrs.evolve(made, outcome=Outcome.DEVIATES, detail=f"works ({who}), and {silent} not say so")
    return [made]


def _once_more(token: Token, recipe: Recipe, refusal: Finding) -> Finding:
    """A refusal looked at: is it the key's, and does the mechanism work with a pair of the token's own making?"""
    function = refusal.detail
    if function in PREPARATIONS and recipe.flag not in PREPARATIONS[function]:
        needed = f"{function} refuses the key that it needs"
        return attrs.evolve(refusal, outcome=Outcome.NOT_RUN, detail=needed)
    bench = objects.bench(token)
    bench.imports = False
    again = staged(token, refusal.place, recipe.run, Outcome.REFUSED)
    bench.imports = True
    if again.outcome in (Outcome.VERIFIED, Outcome.ALONE):
        detail = f"works with a pair of the token's own making, and {function} refuses an imported one"
        return attrs.evolve(refusal, outcome=Outcome.DEVIATES, detail=detail)
    return attrs.evolve(refusal, detail=f"{recipe.flag} is set, and {function} refuses")
