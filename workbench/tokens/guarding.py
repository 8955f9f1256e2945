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
        consents=declared.consent,
        operations=declared.operations,
        read_write=not production,
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
