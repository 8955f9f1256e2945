"""The guard of one opened token: its rules come from the configuration, its memory from the disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workbench import spec
from workbench.cryptoki import Secret
from workbench.faults import PolicyRefusal
from workbench.tokens import ledger, tombstones
from workbench.tokens.guard import Claim, Guard
from workbench.tokens.handles import Handles
from workbench.tokens.spending import Spending

if TYPE_CHECKING:
    from workbench.tokens.token import Token

__all__ = ["claim", "guard"]

PIN_FLAGS = ("CKF_USER_PIN_COUNT_LOW", "CKF_USER_PIN_FINAL_TRY", "CKF_USER_PIN_LOCKED")


# A token has one account and, in each library, one set of handles, however often and by whatever name a process
# opens it.
_accounts: dict[str, Spending] = {}
_handles: dict[tuple[str, str], Handles] = {}


def guard(token: Token, identity: str | None = None) -> Guard:
    """The policy of a token that is not ours. ``identity``: which token it is; None while nobody knows."""
    from workbench.tokens.origin import DeclaredOrigin

    assert isinstance(token.origin, DeclaredOrigin)
    declared = token.origin.declared
    production = declared.policy == "production"
    known = token.profile
    lasting = known is not None and known.templates is not None and known.templates.lasting
    always_writes = known is not None and known.limits is not None and not known.limits.read_only_sessions
    # what is made there cannot be taken back, so consenting to token objects alone is not enough
    held_back = {"token-objects"} if lasting and "irreversible" not in declared.consent else set()
    spending, handles = Spending(token.name, declared.budget, must_announce=production), Handles()
    if identity is not None:
        spending = _accounts.setdefault(identity, spending)
        spending.budget = declared.budget  # the configuration may have been changed since
        spending.must_announce = production
        handles = _handles.setdefault((str(Path(token.module.path).resolve()), identity), handles)

    def gate(pin: bytes | None) -> None:
        info = token.info
        flags = [flag for flag in PIN_FLAGS if spec.value(flag) & info.flags]
        if flags:
            raise PolicyRefusal(
                f"no login to token {token.name!r}: it says {', '.join(flags)}, so a wrong PIN could lock it; "
                "log in once with the vendor's own tool, which clears the flag"
            )
        if tombstones.refused(tombstones.identity(info, declared.user or ""), _secret(pin)):
            raise PolicyRefusal(
                f"token {token.name!r} refused this PIN before, and a PIN is never tried twice; "
                f"correct it at its source, or if it is right by now: workbench token pardon {token.name}"
            )

    def refused(pin: bytes | None) -> None:
        tombstones.bury(token.pin_identity, _secret(pin))

    def made(label: str) -> None:
        ledger.record(token.identity, label)

    name = declared.user
    return Guard(
        token.name,
        declared.policy,
        spending,
        handles,
        gate=gate,
        refused=refused,
        claim=lambda label, runs: claim(token, label, runs),
        made=made,
        users=frozenset({(declared.user_type, None if name is None else name.encode())}),
        consents=declared.consent - held_back,
        operations=declared.operations,
        read_write=not production or always_writes,
    )


def _secret(pin: bytes | None) -> Secret | None:
    return None if pin is None else Secret(pin)


def claim(token: Token, label: str, runs: frozenset[str] = frozenset()) -> Claim:
    """Whose an object of this label is: this run's, or one that may be removed.

    That is an object of a run that the user named, or of one that the ledger of this host knows.
    """
    found = ledger.RunLabel.read(label)
    if found is None:
        return "none"
    if found.host == ledger.host() and found.run == ledger.current_run():
        return "run"
    if found.run in runs:
        return "swept"
    known = found.host == ledger.host() and any(e.run == found.run for e in ledger.entries(token.identity))
    return "swept" if known else "none"
