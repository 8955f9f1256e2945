"""Sweeping: what runs of the workbench left on a token is removed, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs

from workbench import spec
from workbench.cryptoki import C, errors, operations
from workbench.faults import WorkbenchError
from workbench.tokens import ledger
from workbench.tokens.guard import Guard
from workbench.tokens.guarding import claim

if TYPE_CHECKING:
    from workbench.tokens.session import Session
    from workbench.tokens.token import Token

__all__ = ["Swept", "sweep"]


@attrs.frozen
class Swept:
    """An object of ours that was found. ``outcome``: ``removed``, ``would be removed``, ``in use`` or what went wrong."""

    label: str
    object_class: str
    run: str
    outcome: str


def sweep(token: Token, run: str | None = None, dry_run: bool = False) -> tuple[Swept, ...]:
    """Remove the token objects that this host's runs left, or those of one run, of whatever host.

    Objects of a run that is still at work are left to it, unless it is named. An object is ours when its label
    says so *and* the ledger of this host knows the run (or the user names it): what others made stays.
    Errors: ``WorkbenchError`` for a run that is no run's name, and for a token in production.
    """
    if token.policy.name == "production":
        raise WorkbenchError(
            f"token {token.name!r} is in production, where nothing is made and so nothing swept; "
            "if it was a guest before, declare it so again for the sweep"
        )
    if run is not None and not (len(run) == 12 and set(run) <= set("0123456789abcdef")):
        raise WorkbenchError(
            f"{run!r} names no run: twelve hexadecimal digits, as they stand in a label wb:HOST:RUN"
        )
    named = frozenset({run} if run else ())
    # Only what these runs left is struck from the ledger: a run that begins meanwhile keeps its lines.
    before = frozenset(entry.run for entry in ledger.entries(token.identity))
    if isinstance(token.policy, Guard):
        token.policy.name_runs(named)
    try:
        with token.session(rw=True) as session:
            found = tuple(_each(token, session, named, dry_run))
    finally:
        if isinstance(token.policy, Guard):
            token.policy.name_runs(frozenset())
    if not dry_run:
        left = {one.run for one in found if one.outcome != "removed"}
        ledger.forget(token.identity, (named or before) - left - _busy(token))
    return found


def _busy(token: Token) -> frozenset[str]:
    """Runs that are at work with the token at this moment."""
    return frozenset(entry.run for entry in ledger.entries(token.identity) if ledger.still_running(entry))


def _each(token: Token, session: Session, named: frozenset[str], dry_run: bool) -> Iterator[Swept]:
    for handle in list(operations.finding(session, {"CKA_TOKEN": True})):
        try:
            values = C.GetAttributeValue(session, handle, ["CKA_LABEL", "CKA_CLASS", "CKA_TOKEN"])
        except errors.CryptokiError:
            continue  # an object without a label, or one that has gone meanwhile
        label, kind = str(values["CKA_LABEL"] or ""), values["CKA_CLASS"]
        found = ledger.RunLabel.read(label)
        if found is None or (named and found.run not in named):
            continue
        if not values["CKA_TOKEN"] or claim(token, label, named) == "none":
            continue
        # asked anew for each object: its run may have begun after the search
        busy = found.run not in named and found.run in _busy(token)
        yield Swept(
            label,
            spec.name("CKO", kind if isinstance(kind, int) else 0),
            found.run,
            _removed(session, handle, dry_run, busy),
        )


def _removed(session: Session, handle: int, dry_run: bool, busy: bool) -> str:
    if busy:
        return "in use"
    if dry_run:
        return "would be removed"
    try:
        C.DestroyObject(session, handle)
    except errors.CryptokiError as error:
        return f"stays: {error.name}"
    return "removed"
