"""The steps of one run, in order: opening, keys and pilots, the search for the knee, and the blocks, floors among them."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs

from workbench.measure import calibration
from workbench.measure.appointment import Appointment
from workbench.measure.clock import Clock
from workbench.measure.disclosure import keys_in_words
from workbench.measure.drivers import kernel
from workbench.measure.finished import Finished, check_token
from workbench.measure.guarded import case_cost, opening_cost
from workbench.measure.knee import next_threads, thread_counts
from workbench.measure.lanes import Lane, Lost
from workbench.measure.operations import ALONE
from workbench.measure.plan import Case, Plan
from workbench.measure.provenance import Watch, machine, packages
from workbench.measure.steps import MINIMUM_CALLS, Floor, Place, Step, filled, length, now, with_floors
from workbench.measure.store import Row, RunWriter

__all__ = ["Measurement", "OnProgress", "Progress"]

FLOOR_SECONDS, FLOOR_WARMUP = 0.03, 0.01
LOOKS = 2  # at each number of threads of a search: what disturbs one only ever takes away
OnProgress = Callable[["Progress"], None]


@attrs.frozen
class Progress:
    """Where a run stands, before each step.

    ``remaining_s``: None until it is known how long the blocks will be. ``worker``: process id.
    """

    done: int
    total: int
    text: str
    remaining_s: float | None
    worker: int | None


class Measurement:
    """A plan on its lanes, into a run directory; ``done``: what is there already."""

    def __init__(
        self,
        plan: Plan,
        lanes: Sequence[Lane],
        writer: RunWriter,
        seed: int,
        done: Finished,
        on_progress: OnProgress | None,
        on_announcement: Callable[[str], None],
    ) -> None:
        self.plan, self.lanes, self.writer, self.seed, self.done = plan, lanes, writer, seed, done
        self.on_progress, self.on_announcement = on_progress, on_announcement
        self.places = [Place(lane, driver) for lane in lanes for driver in plan.drivers]
        self.counts: dict[tuple[Place, str], tuple[int, ...]] = {}
        self.clock = Clock()
        self.appointment: Appointment | None = None
        self.taken, self.total = 0, len(lanes) + len(plan.cases) * len(self.places)

    @property
    def left(self) -> bool:
        """Whether anything of the plan is not there yet."""
        return any(
            self.done.known(place.lane.label, place.driver, case) is None
            and (
                not (counts := self._known_counts(place, case))
                or any(
                    not self.done.has(Step(round, case, threads, place, 0).row)
                    for threads in counts
                    for round in range(self.plan.rounds)
                )
            )
            for place in self.places
            for case in self.plan.cases
        )

    def run(self, meta: Mapping[str, Any]) -> None:
        """Measure everything. Errors: ``WorkbenchError`` for a token that cannot be had, ``BrokenOff`` on a full disk."""
        watch = Watch()
        found, told, lost = self._open()
        plan = attrs.asdict(self.plan)
        self.writer.write_meta(
            {
                "name": self.writer.path.name,
                "created": now(),
                "plan": plan,
                **meta,
                **({} if self.appointment is None else self.appointment.meta),
                "drivers": list(self.plan.drivers),
                "keys": keys_in_words(plan["cases"], found),
                "sessions": "one per thread, read/write, logged in",
                "machine": machine(),
                "packages": packages(),
                "provenance": found,
                "disclosure": told,
                "calibration": calibration.stored(),
            }
        )
        self._measure(lost)
        self.writer.write_end({"ended": now(), **watch.seen()})

    def go_on(self, meta: Mapping[str, Any]) -> None:
        """Measure what is not there yet. Errors: ``WorkbenchError``, as ``run``, and for another token or module."""
        watch = Watch()
        found, _, lost = self._open()
        for label, provenance in found.items():
            before = meta["provenance"].get(label, {})
            if "unknown" not in before and "unknown" not in provenance:
                check_token(label, before, provenance)
        self.writer.write_resumption(
            {"created": now(), "machine": machine(), "packages": packages(), "provenance": found}
        )
        for lane in self.lanes:
            row = Row("open", lane.label, "", "", 0, "ok", "")
            if self.done.has(row) and "unknown" not in found[lane.label]:
                self.writer.append(row)
        self._measure(lost)
        if not self.writer.ended:
            self.writer.write_end({"ended": now(), **watch.seen()})

    def _measure(self, lost: Sequence[Row]) -> None:
        for row in lost:
            self.writer.append(row)
        lengths = self._prepare()
        for case in self.plan.cases:
            self._find_counts(case, lengths[case.name])
        order = [one for one in with_floors(self._steps(), self.plan.rounds) if self._to_do(one)]
        steps = [one for one in order if isinstance(one, Step)]
        self._announce_blocks(steps, lengths)
        for one in order:
            self.clock.plan(one.kind, self._seconds(one, lengths))
        self.total = self.taken + len(order)
        if self.appointment is not None:
            # blocks have times of their own then, and nothing goes between them
            for floor in (one for one in order if isinstance(one, Floor)):
                self._make(floor, lengths)
            order = [*self.appointment.begin(steps)]
        for one in order:
            self._make(one, lengths)
        self._sweep()

    # --- before the blocks

    def _open(self) -> tuple[dict[str, dict[str, object]], dict[str, dict[str, object]], list[Row]]:
        found: dict[str, dict[str, object]] = {}
        told: dict[str, dict[str, object]] = {}
        lost = []
        for lane in self.lanes:
            self._report(f"opening {lane.label}", lane)
            self._announce_opening(lane)
            try:
                found[lane.label] = lane.open()
                told[lane.label] = lane.disclose()
            except Lost as error:
                found[lane.label] = {"unknown": f"{error.outcome}: {error.detail}"}
                lost.append(Row("open", lane.label, "", "", 0, error.outcome, "", detail=error.detail))
        return found, told, lost

    def _out(self, place: Place, case: Case) -> bool:
        """Whether the case was found not to be measurable there, now or before."""
        known = self.done.known(place.lane.label, place.driver, case)
        return known is not None or place.lane.cannot(case, place.driver)

    def _announce_opening(self, lane: Lane) -> None:
        if lane.origin.standing == "production":
            self.on_announcement(lane.announce(opening_cost(len(lane.origin.keys))))
        elif lane.origin.standing == "guest":
            self.on_announcement(
                f"token {lane.token!r} (guest) will be asked for session keys and operations, "
                f"within its budget: {lane.origin.budget}"
            )

    def _prepare(self) -> dict[str, float]:
        """Keys and pilots; seconds of a block for each case, the same at every place so that rounds pair up."""
        lengths = {}
        for case in self.plan.cases:
            calls = [0.0]
            for place in self.places:
                lane, driver = place.lane, place.driver
                row = Row("prepare", lane.label, case.name, case.operation, 0, "ok", driver, started=now())
                self._report(f"keys for {case.name} on {lane.label}", lane)
                if self.done.known(lane.label, driver, case):
                    continue
                try:
                    made = lane.prepare(case, driver)
                except Lost as error:
                    self.writer.append(attrs.evolve(row, outcome=error.outcome, detail=error.detail))
                    continue
                calls.append(made.call_s)
                if made.outcome != "ok":  # once is enough for what never changes
                    self.writer.append(attrs.evolve(row, outcome=made.outcome, detail=made.detail))
            # by appointment: the other hosts do not know how long a call takes here
            fitting = self.plan.seconds if self.appointment else length(self.plan, max(calls))
            lengths[case.name] = self.done.seconds(case) or fitting
        return lengths

    def _announce_blocks(self, steps: Sequence[Step], lengths: Mapping[str, float]) -> None:
        """What production will be asked: of each case that can be measured there, the same number in every round."""
        for lane in self.lanes:
            total: Counter[str] = Counter()
            for step in steps:
                place, case = step.place, step.case
                if place.lane is lane and step.threads == 1 and lane.can(case, place.driver):
                    total.update(case_cost(case, self._calls(lane, lengths[case.name]), place.driver))
            if total and lane.origin.standing == "production":
                self.on_announcement(lane.announce(dict(total)))

    def _calls(self, lane: Lane, seconds: float) -> int:
        """Calls of a block where their number is announced (production) or the budget's pace; else time is the limit."""
        rate = lane.origin.budget.max_rate if lane.origin.budget else None
        if rate is not None:
            return max(1, int(rate * seconds))
        return MINIMUM_CALLS if lane.origin.standing == "production" else 0

    # --- how many threads

    def _known_counts(self, place: Place, case: Case) -> tuple[int, ...]:
        """The numbers of threads of a case at a place, as far as they are known without a search."""
        if case.operation in ALONE:
            return (1,)
        if self.plan.threads != "knee":
            return self.plan.threads
        most = self.done.knee(place.lane.label, place.driver, case)
        return () if most is None else thread_counts(most)

    def _find_counts(self, case: Case, seconds: float) -> None:
        searched = []
        for place in self.places:
            if self._out(place, case):
                continue
            counts = self._known_counts(place, case)
            if counts:
                self.counts[place, case.name] = counts
            else:
                searched.append(place)
        rates: dict[Place, dict[int, float | None]] = {place: {} for place in searched}
        limits = {place: self._limit(place) for place in searched}
        # the places take turns here too
        while searched:
            for place in tuple(searched):
                threads = next_threads(rates[place], limits[place]) if limits[place] > 1 else None
                if threads is None:
                    searched.remove(place)
                    looked_at = [count for count, rate in rates[place].items() if rate is not None]
                    most = max(looked_at, default=1)
                    self.counts[place, case.name] = thread_counts(most)
                    self.writer.append(self._search_row("knee", place, case, most))
                else:
                    rates[place][threads] = self._look(place, case, threads, seconds)

    def _limit(self, place: Place) -> int:
        try:
            return place.lane.most_threads()
        except Lost:
            return 1

    def _search_row(self, kind: str, place: Place, case: Case, threads: int) -> Row:
        return Row(
            kind, place.lane.label, case.name, case.operation, threads, "ok", place.driver, started=now()
        )

    def _look(self, place: Place, case: Case, threads: int, seconds: float) -> float | None:
        """Throughput with so many threads, roughly; None where it could not be had."""
        rates = []
        for _ in range(LOOKS):
            row = self._search_row("search", place, case, threads)
            self._report(f"knee of {case.name}: {_threads(threads)} on {place.lane.label}", place.lane)
            try:
                made = place.lane.block(case, place.driver, threads, seconds, self.plan.warmup)
            except Lost as error:
                # no more sessions, or no more of the budget: that is what is looked for
                outcome = "refused" if error.code == "CKR_SESSION_COUNT" else error.outcome
                self.writer.append(attrs.evolve(row, outcome=outcome, detail=error.detail))
                return None
            row = filled(row, made, seconds)
            self.writer.append(row)
            if not row.measured:
                return None
            rates.append(made.rate_per_s)
        return max(rates)

    # --- the blocks

    def _steps(self) -> Iterator[Step]:
        for round in range(self.plan.rounds):
            for case in self.plan.cases:
                chosen = {place: self.counts.get((place, case.name), ()) for place in self.places}
                for threads in dict.fromkeys(count for counts in chosen.values() for count in counts):
                    places = [place for place in self.places if threads in chosen[place]]
                    # by itself for each step: a run that goes on has the order that it would have had
                    random.Random(f"{self.seed} {round} {case.name} {threads}").shuffle(places)
                    for position, place in enumerate(places):
                        yield Step(round, case, threads, place, position)

    def _to_do(self, one: Step | Floor) -> bool:
        # there is no null module that PyKCS11 could load without the kernel
        possible = isinstance(one, Step) or kernel() or not one.place.driver.startswith("pykcs11")
        return bool(possible) and not self.done.has(one.row)

    def _seconds(self, one: Step | Floor, lengths: Mapping[str, float]) -> float:
        if isinstance(one, Floor):
            return FLOOR_SECONDS + FLOOR_WARMUP
        return lengths[one.case.name] + self.plan.warmup

    def _make(self, one: Step | Floor, lengths: Mapping[str, float]) -> None:
        """Measure a block, or a floor, and write its row."""
        row, lane = one.row, one.place.lane
        if isinstance(one, Floor):
            text = f"floor of {one.operation}"
        else:
            text = f"round {one.round + 1}/{self.plan.rounds}: {one.case.name}"
        with self._timed(one.kind, self._seconds(one, lengths), text, row, lane):
            if isinstance(one, Floor):
                self._floor(row, lane)
            else:
                self._block(one, row, lengths[one.case.name])

    def _floor(self, row: Row, lane: Lane) -> None:
        row = attrs.evolve(row, started=now())
        try:
            made = lane.floor(row.operation, row.driver, row.threads, FLOOR_SECONDS, FLOOR_WARMUP)
        except Lost as error:
            self.writer.append(attrs.evolve(row, outcome=error.outcome, detail=error.detail))
        else:
            self.writer.append(filled(row, made, FLOOR_SECONDS), made.latencies)

    def _block(self, step: Step, row: Row, seconds: float) -> None:
        row, lane, case = attrs.evolve(row, started=now()), step.place.lane, step.case
        try:
            if self.appointment is not None:
                lane.prepare(case, step.place.driver)
                self.appointment.keep(step)
            made = lane.block(
                case,
                step.place.driver,
                step.threads,
                seconds,
                self.plan.warmup,
                self._calls(lane, seconds),
                self.plan.rate,
            )
        except Lost as error:
            self.writer.append(attrs.evolve(row, outcome=error.outcome, detail=error.detail))
        else:
            row = filled(row, made, seconds)
            if self.appointment is not None:
                window = made.window
                row = attrs.evolve(row, begin_ns=window.begin_ns, end_ns=window.end_ns, slices=window.slices)
            self.writer.append(row, made.latencies)

    def _sweep(self) -> None:
        """Remove the keys that were token objects; one that stays is a failure, and told."""
        if not any(case.residency == "token" for case in self.plan.cases):
            return
        for lane in self.lanes:
            row = Row("sweep", lane.label, "", "", 0, "failed", "", started=now())
            try:
                stayed = [f"{one.label}: {one.outcome}" for one in lane.sweep() if one.outcome != "removed"]
            except Lost as error:
                stayed = [
                    f"{error.detail or error.outcome}; workbench sweep --token {lane.token} does it later"
                ]
            if stayed:
                self.writer.append(attrs.evolve(row, detail=", ".join(stayed)))

    # --- what the user sees

    @contextmanager
    def _timed(self, kind: str, seconds: float, text: str, row: Row, lane: Lane) -> Iterator[None]:
        driver = f" by {row.driver}" if len(self.plan.drivers) > 1 else ""
        self._report(f"{text}, {_threads(row.threads)} on {lane.label}{driver}", lane, self.clock.left)
        started = time.monotonic()
        yield
        self.clock.took(kind, seconds, time.monotonic() - started)

    def _report(self, text: str, lane: Lane, remaining: float | None = None) -> None:
        if self.on_progress is not None:
            self.on_progress(Progress(self.taken, max(self.total, self.taken), text, remaining, lane.pid))
        self.taken += 1


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"
