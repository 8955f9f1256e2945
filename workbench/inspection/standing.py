"""What runs for the sandboxes at the moment: read from their directories and from /proc, without any module."""

from __future__ import annotations

import attrs

from workbench.faults import WorkbenchError
from workbench.tokens import PROVIDERS, Provider, provider

__all__ = ["DaemonStanding", "Standing", "standing"]


@attrs.frozen
class DaemonStanding:
    """One daemon; ``pid`` and ``since`` (ISO 8601, UTC) are None when it is not running."""

    name: str
    running: bool
    pid: int | None
    since: str | None


@attrs.frozen
class Standing:
    """One sandbox: ``state`` is ``up``, ``down``, ``not made``, ``broken`` or ``not available``.

    ``reason`` says why it is not up, ``command`` what changes that.
    """

    name: str
    title: str
    state: str
    label: str | None
    directory: str
    daemons: tuple[DaemonStanding, ...]
    reason: str | None = None
    command: str | None = None


def standing(name: str | None = None) -> tuple[Standing, ...]:
    """How one sandbox stands, or every one.

    Errors: ``WorkbenchError`` for an unknown name.
    """
    return tuple(_standing(one) for one in (PROVIDERS.values() if name is None else (provider(name),)))


def _standing(one: Provider) -> Standing:
    daemons = tuple(
        DaemonStanding(daemon.name, daemon.running(), getattr(daemon.process, "pid", None), daemon.since)
        for daemon in one.daemons()
    )
    command: str | None = f"workbench token up {one.name}"
    label, reason = None, one.why_not()
    if reason is not None:
        state, command = "not available", None
    else:
        try:
            sandbox = one.sandbox()
        except WorkbenchError as error:
            state, reason, command = "broken", str(error), f"{command} --fresh"
        else:
            label = None if sandbox is None else sandbox.label
            stopped = [daemon for daemon, runs in one.running().items() if not runs]
            if sandbox is None:
                state, reason = "not made", "there is no token yet"
            elif stopped:
                state, reason = "down", f"not running: {', '.join(stopped)}"
            else:
                state, command = "up", None
    return Standing(one.name, one.title, state, label, str(one.directory), daemons, reason, command)
