"""From what a trial did to a finding: verified, answered wrongly, refused with a code."""

from __future__ import annotations

from collections.abc import Callable

from workbench.cryptoki import CryptokiError
from workbench.inspection.probe.model import Finding, Outcome
from workbench.inspection.probe.recipes import ITSELF, Deviation, Stage, Wrong, on_stage
from workbench.tokens import Token

__all__ = ["code_of", "judged", "staged"]


def code_of(call: Callable[[], object]) -> str:
    """The name of the return code with which a call ends: CKR_OK, or what was raised."""
    try:
        call()
    except CryptokiError as error:
        return error.name
    return "CKR_OK"


def judged(
    place: tuple[str, str, str], run: Callable[[], str], refused: Outcome = Outcome.NOT_OFFERED
) -> Finding:
    """The finding of ``run``, which gives who verified what it did.

    ``refused``: what a refusal is here: ``REFUSED`` where the token had promised, else no more than not offered.
    """
    try:
        by = run()
    except Wrong as wrong:
        return Finding(*place, Outcome.WRONG, str(wrong))
    except Deviation as deviation:
        return Finding(*place, Outcome.DEVIATES, str(deviation))
    except CryptokiError as error:
        return Finding(*place, refused, error.function, error.name)
    except ValueError as error:  # this Python or its OpenSSL has no such algorithm
        return Finding(*place, Outcome.NOT_RUN, f"nobody here can verify it: {error}")
    return Finding(*place, Outcome.ALONE if by == ITSELF else Outcome.VERIFIED, by)


def staged(
    token: Token,
    place: tuple[str, str, str],
    run: Callable[[Stage], str],
    refused: Outcome = Outcome.NOT_OFFERED,
) -> Finding:
    """As ``judged``, in a session of this trial alone."""
    with on_stage(token) as stage:
        return judged(place, lambda: run(stage), refused)
