"""Hosts that measure together: every block begins on each of them at a time that was agreed beforehand.

From the start on nobody talks to anybody: the plan, the seed and the start say when each block begins. A host
that is late for one leaves it out, and is there for the next.
"""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from workbench.faults import WorkbenchError
from workbench.measure.lanes import Lost
from workbench.measure.operations import ALONE
from workbench.measure.plan import Plan
from workbench.measure.steps import Step

__all__ = ["Appointment", "Start", "common_seed", "parse_start"]

SPARE_SECONDS = 0.5  # of a slot beyond its block: latencies are sorted and written in it
SPARE_SHARE = 0.5
Start = float | Callable[[], float]  # Unix time
Moment = tuple[str, str, str, int, int]  # token, driver, case, threads, round
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


def common_seed(start: Start) -> int:
    """The seed of hosts that agreed on a start and on nothing else."""
    return int(start) if isinstance(start, float) else 0


class Appointment:
    """When each block of a plan begins. ``labels``: of the tokens; ``start_at``: as ``bench`` takes it.

    Every block of the plan has a time of its own, also those that this host cannot measure: another one may.
    Errors: ``WorkbenchError`` for a plan whose blocks depend on what is measured.
    """

    def __init__(self, plan: Plan, seed: int, labels: Sequence[str], start_at: Start) -> None:
        if plan.threads == "knee":
            raise WorkbenchError(
                f"plan {plan.name!r} searches the knee, and each host would find another one: give --threads 1,2,8"
            )
        self._spare = SPARE_SECONDS + SPARE_SHARE * plan.seconds
        self._slot = plan.warmup + plan.seconds + self._spare
        self._start_at, self._start = start_at, math.inf
        self._numbers: dict[Moment, int] = {}
        for round in range(plan.rounds):
            for case in plan.cases:
                for threads in (1,) if case.operation in ALONE else plan.threads:
                    places = [(label, driver) for label in labels for driver in plan.drivers]
                    random.Random(f"{seed} {round} {case.name} {threads}").shuffle(places)
                    for label, driver in places:
                        self._numbers[label, driver, case.name, threads, round] = len(self._numbers)

    @property
    def meta(self) -> dict[str, object]:
        """What a run's ``run.json`` says of it: how far apart the blocks begin."""
        return {"appointment": {"slot_s": round(self._slot, 6)}}

    def begin(self, steps: Sequence[Step]) -> list[Step]:
        """The steps in the order of their times; the start is agreed on now, when everything is ready."""
        self._start = self._start_at if isinstance(self._start_at, float) else self._start_at()
        return sorted(steps, key=self._number)

    def keep(self, step: Step) -> None:
        """Sleep until the step is due. Errors: ``Lost`` where it is too late for it."""
        due = self._start + self._number(step) * self._slot
        while (left := due - time.time()) > 0:
            time.sleep(left)
        if -left > self._spare / 2:
            raise Lost("not run", f"{-left:.1f} s late for the appointed time")

    def _number(self, step: Step) -> int:
        row = step.row
        return self._numbers[row.token, row.driver, row.case, row.threads, row.round or 0]


def parse_start(text: str, now: float | None = None) -> float:
    """Unix time of ``22:15``, ``22:15:30`` (the next one in this machine's zone) or an ISO 8601 date and time.

    Errors: ``WorkbenchError`` for another form, and for a time that has passed.
    """
    present = datetime.fromtimestamp(time.time() if now is None else now, UTC).astimezone()
    try:
        if match := _CLOCK.fullmatch(text.strip()):
            hour, minute, second = (int(part or 0) for part in match.groups())
            start = present.replace(hour=hour, minute=minute, second=second, microsecond=0)
            start += timedelta(days=1) if start <= present else timedelta()
        else:
            start = datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError, OSError):
        raise WorkbenchError(
            f"--start-at {text!r} is no time: write 22:15, 22:15:30 or 2030-01-31T22:15:00+01:00"
        ) from None
    if start <= present:
        late = math.ceil((present - start).total_seconds())
        raise WorkbenchError(f"--start-at {text} passed {late} s ago: agree on a time that lies ahead")
    return start.timestamp()
