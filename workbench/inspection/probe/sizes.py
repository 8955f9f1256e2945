"""Key sizes and curves: what works against the limits of C_GetMechanismInfo."""

from __future__ import annotations

import attrs

from workbench.cryptoki import C
from workbench.inspection.probe.judging import staged
from workbench.inspection.probe.model import Finding, Outcome, Trial
from workbench.inspection.probe.recipes import Stage, Wrong
from workbench.inspection.probe.recipes.generation import ec_generated, rsa_generated
from workbench.inspection.probe.survey import Listed, Survey
from workbench.tokens import Token

__all__ = ["FAMILY", "trials"]

FAMILY = "sizes"
# RSA 4096 takes some tokens half a minute, a smart card minutes: once, with time.
RSA = {1024: 20.0, 2048: 30.0, 3072: 60.0, 4096: 180.0}
AES = (128, 192, 256)
CURVES = {
    "P-192": (192, "CKM_EC_KEY_PAIR_GEN"),
    "P-224": (224, "CKM_EC_KEY_PAIR_GEN"),
    "P-256": (256, "CKM_EC_KEY_PAIR_GEN"),
    "P-384": (384, "CKM_EC_KEY_PAIR_GEN"),
    "P-521": (521, "CKM_EC_KEY_PAIR_GEN"),
    "secp256k1": (256, "CKM_EC_KEY_PAIR_GEN"),
    "brainpoolP256r1": (256, "CKM_EC_KEY_PAIR_GEN"),
    "brainpoolP384r1": (384, "CKM_EC_KEY_PAIR_GEN"),
    "brainpoolP512r1": (512, "CKM_EC_KEY_PAIR_GEN"),
    "Ed25519": (255, "CKM_EC_EDWARDS_KEY_PAIR_GEN"),
    "Ed448": (448, "CKM_EC_EDWARDS_KEY_PAIR_GEN"),
    "X25519": (255, "CKM_EC_MONTGOMERY_KEY_PAIR_GEN"),
    "X448": (448, "CKM_EC_MONTGOMERY_KEY_PAIR_GEN"),
}


def trials(survey: Survey) -> list[Trial]:
    """One trial for each size and curve of what the token generates."""
    made = []
    listed = survey.mechanisms.get("CKM_RSA_PKCS_KEY_PAIR_GEN")
    if listed:
        for bits, seconds in RSA.items():
            within = _within(listed, bits)
            made.append(Trial(FAMILY, "RSA", f"{bits} bits", rsa, (bits, within), seconds))
    listed = survey.mechanisms.get("CKM_AES_KEY_GEN")
    if listed:
        for bits in AES:
            # the standard counts AES in bytes; a token that says 128 to 256 counts in bits
            unit = 8 if (listed.most or 0) < 128 else 1
            made.append(
                Trial(FAMILY, "AES", f"{bits} bits", aes, (bits, _within(listed, bits // unit), unit))
            )
    for curve, (bits, mechanism) in CURVES.items():
        listed = survey.mechanisms.get(mechanism)
        if listed:
            made.append(Trial(FAMILY, "curve", curve, on_curve, (curve, _within(listed, bits, slack=2)), 30))
    return made


def _within(listed: Listed, size: int, slack: int = 0) -> bool | None:
    """Whether the limits hold the size; None where they say nothing. ``slack``: Ed25519 is 255 bits to some, 256 to others."""
    if not listed.most or listed.least is None:
        return None
    return listed.least - slack <= size <= listed.most + slack


def _held(made: Finding, within: bool | None) -> list[Finding]:
    """The finding in the light of the limits."""
    worked = made.outcome in (Outcome.VERIFIED, Outcome.ALONE)
    if worked and within is False:
        detail = f"works ({made.detail}), and C_GetMechanismInfo's limits leave it out"
        return [attrs.evolve(made, outcome=Outcome.DEVIATES, detail=detail)]
    if made.outcome is Outcome.NOT_OFFERED and within is False:
        return [attrs.evolve(made, detail=f"{made.detail}; outside of the limits")]
    return [made]


def rsa(token: Token, bits: int, within: bool | None) -> list[Finding]:
    """Generate an RSA pair of that size."""
    refused = Outcome.REFUSED if within else Outcome.NOT_OFFERED
    made = staged(token, (FAMILY, "RSA", f"{bits} bits"), lambda s: rsa_generated(s, bits), refused)
    return _held(made, within)


def on_curve(token: Token, curve: str, within: bool | None) -> list[Finding]:
    """Generate a pair on that curve. A limit in bits promises no curve, so a refusal is none of a promise."""
    return _held(staged(token, (FAMILY, "curve", curve), lambda s: ec_generated(s, curve)), within)


def aes(token: Token, bits: int, within: bool | None, unit: int) -> list[Finding]:
    """Generate an AES key of that size."""

    def run(stage: Stage) -> str:
        wanted = stage.bench.wanted("CKK_AES", bits // 8, "CKA_ENCRYPT")
        value = stage.bench.value(stage.mine(C.GenerateKey(stage.session, "CKM_AES_KEY_GEN", wanted)))
        if len(value) != bits // 8:
            raise Wrong(f"a key of {len(value)} bytes")
        return "its value"

    refused = Outcome.REFUSED if within else Outcome.NOT_OFFERED
    made = _held(staged(token, (FAMILY, "AES", f"{bits} bits"), run, refused), within)
    if unit == 1:
        unusual = "C_GetMechanismInfo counts AES keys in bits; the standard counts them in bytes"
        made.append(Finding(FAMILY, "AES", "unit of the limits", Outcome.DEVIATES, unusual))
    return made
