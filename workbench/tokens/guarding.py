"""The guard of one opened token: its rules come from the configuration, its memory from the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import spec
from workbench.cryptoki import Secret
from workbench.faults import PolicyRefusal
from workbench.tokens import ledger, tombstones
from workbench.tokens.guard import Guard
from workbench.tokens.spending import Spending

if TYPE_CHECKING:
    from workbench.tokens.token import Token

__all__ = ["claims", "guard"]

PIN_FLAGS = ("CKF_USER_PIN_COUNT_LOW", "CKF_USER_PIN_FINAL_TRY", "CKF_USER_PIN_LOCKED")


def guard(token: Token) -> Guard:
    """The policy of a token that is not ours."""
    from workbench.tokens.origin import DeclaredOrigin

    assert isinstance(token.origin, DeclaredOrigin)
    declared = token.origin.declared
    production = declared.policy == "production"
    known = token.profile
    lasting = known is not None and known.templates is not None and known.templates.lasting
    always_writes = known is not None and known.limits is not None and not known.limits.read_only_sessions
    # what is made there cannot be taken back, so consenting to token objects alone is not enough
    held_back = {"token-objects"} if lasting and "irreversible" not in declared.consent else set()

    def gate(pin: bytes | None) -> None:
        info = token.info
        flags = [flag for flag in PIN_FLAGS if spec.value(flag) & info.flags]
        if flags:
            raise PolicyRefusal(
                f"no login to token {token.name!r}: it says {', '.join(flags)}, so a wrong PIN could lock it; "
                "log in once with the vendor's own tool, which clears the flag"
            )
        if tombstones.refused(tombstones.identity(info), _secret(pin)):
            raise PolicyRefusal(
                f"token {token.name!r} refused this PIN before, and a PIN is never tried twice; "
                "correct it at its source"
            )

    def refused(pin: bytes | None) -> None:
        tombstones.bury(token.identity, _secret(pin))

    def made(label: str) -> None:
        ledger.record(token.identity, label)

    return Guard(
        token.name,
        declared.policy,
        Spending(token.name, declared.budget, must_announce=production),
        gate=gate,
        refused=refused,
        claims=lambda label, runs: claims(token, label, runs),
        made=made,
        consents=declared.consent - held_back,
        operations=declared.operations,
        read_write=not production or always_writes,
    )


def _secret(pin: bytes | None) -> Secret | None:
    return None if pin is None else Secret(pin)


def claims(token: Token, label: str, runs: frozenset[str] = frozenset()) -> bool:
    """Whether an object of this label is ours to remove: made by this run, or named by the user, or in the ledger."""
    found = ledger.RunLabel.read(label)
    if found is None:
        return False
    if found.run in runs:
        return True
    if found.host != ledger.host():
        return False
    return found.run == ledger.current_run() or any(
        entry.run == found.run for entry in ledger.entries(token.identity)
    )
