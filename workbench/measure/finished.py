"""What a run has on disk already, so that one that was broken off goes on where it stopped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from workbench.faults import WorkbenchError
from workbench.measure.plan import Case, Plan
from workbench.measure.provenance import MACHINE_IS
from workbench.measure.store import Row

__all__ = ["Finished", "check_machine", "check_token", "plan_of"]

# What is the same as long as it is the same token behind the same software.
TOKEN = ("module_sha256", "serial_sha256", "label", "firmware", "library")


class Finished:
    """The rows of a run that need not be measured again.

    A figure, a refusal and a failure that was seen all stay as they are. What was *not run* is still to come.
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._rows = {row.step: row for row in rows}

    def has(self, row: Row) -> bool:
        """Whether there is a row for the same step."""
        found = self._rows.get(row.step)
        return found is not None and found.outcome != "not run"

    def known(self, token: str, driver: str, case: Case) -> str | None:
        """Why the case cannot be measured there, as found out before: an outcome; None when that is not known."""
        found = self._rows.get(("prepare", token, driver, case.name, case.operation, 0, None))
        return found.outcome if found and found.outcome in ("not offered", "refused", "failed") else None

    def knee(self, token: str, driver: str, case: Case) -> int | None:
        """The most threads that the search for the knee looked at, where it was finished."""
        found = [
            row.threads
            for row in self._rows.values()
            if (row.kind, row.token, row.driver, row.case) == ("knee", token, driver, case.name)
        ]
        return found[-1] if found else None

    def seconds(self, case: Case) -> float | None:
        """The length that the blocks of the case had."""
        lengths = [
            row.seconds
            for row in self._rows.values()
            if row.kind == "block" and row.case == case.name and row.seconds
        ]
        return lengths[0] if lengths else None


def plan_of(meta: Mapping[str, Any]) -> Plan:
    """The plan of a run, as its ``run.json`` has it.

    Errors: ``WorkbenchError`` where this workbench reads it otherwise.
    """
    try:
        plan = dict(meta["plan"])
        cases = tuple(Case(**case) for case in plan.pop("cases"))
        for name in ("threads", "drivers"):
            if isinstance(plan.get(name), list):
                plan[name] = tuple(plan[name])
        return Plan(cases=cases, **plan)
    except (KeyError, TypeError) as error:
        raise WorkbenchError(
            f"the plan of this run is another workbench's ({error}): measure it with the one that began it"
        ) from None


def check_machine(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to go on on another machine: its figures would be of another thing. Errors: ``WorkbenchError``."""
    for name in MACHINE_IS:
        if before.get(name) != now.get(name):
            raise WorkbenchError(
                f"the run was begun on another machine ({name.replace('_sha256', '')} {before.get(name)}, here "
                f"{now.get(name)}): go on there, or begin a new run"
            )


def check_token(label: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to go on with another token or module. Errors: ``WorkbenchError``."""
    for name in TOKEN:
        if name in before and before[name] != now.get(name):
            raise WorkbenchError(
                f"token {label!r} is not what it was when the run was begun ({name.replace('_', ' ')} "
                f"{str(before[name])[:16]}, now {str(now.get(name))[:16]}): begin a new run"
            )
