"""Running a plan: tokens side by side, round by round, every block on disk before the next one starts."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from workbench import tokens as token_room
from workbench.faults import WorkbenchError
from workbench.measure import calibration
from workbench.measure.drivers import DRIVERS, default_driver
from workbench.measure.guarded import case_cost, opening_cost
from workbench.measure.lanes import Lane, Lost
from workbench.measure.plan import Case, Plan, plan_named
from workbench.measure.provenance import Watch, machine, packages
from workbench.measure.results import Run, load
from workbench.measure.store import Row, RunWriter
from workbench.measure.subject import Block

__all__ = ["Progress", "bench"]

MINIMUM_CALLS = 20  # per block and thread: a block grows until so many calls fit
FLOOR_ROUNDS = 3
FLOOR_SECONDS, FLOOR_WARMUP = 0.03, 0.01
OnProgress = Callable[["Progress"], None]


@attrs.frozen
class Progress:
    """Where a run stands, before each step.

    ``remaining_s``: None until the pilots have shown how long the blocks will be. ``worker``: process id.
    """

    done: int
    total: int
    text: str
    remaining_s: float | None
    worker: int | None


@attrs.frozen
class _Step:
    round: int
    case: Case
    threads: int
    lane: Lane
    position: int
    seconds: float


def bench(
    plan: str | Plan = "quick",
    tokens: Sequence[str] = ("sandbox",),
    *,
    cases: Sequence[str] | None = None,
    threads: Sequence[int] | None = None,
    rounds: int | None = None,
    seconds: float | None = None,
    out: Path | str = "runs",
    driver: str | None = None,
    timeout: float | None = None,
    seed: int | None = None,
    on_progress: OnProgress | None = None,
    on_announcement: Callable[[str], None] = print,
) -> Run:
    """Measure a plan on tokens side by side; the run, which is also a new directory below ``out``.

    ``cases``, ``threads``, ``rounds``, ``seconds`` (of a block) replace the plan's own. A token named twice
    is measured against itself. ``timeout``: seconds after which a worker that gives no answer is killed
    (default: by the length of the block). ``seed``: of the random order (default: new, and recorded).
    A worker that dies or hangs costs its block, is started anew, and is given up after the third time; see
    ``Run.failed``. ``on_announcement``: told, before it happens, what a token that is not ours will be asked.
    Errors: ``WorkbenchError`` for bad input and for a directory that cannot be written.
    """
    chosen = _chosen(plan_named(plan) if isinstance(plan, str) else plan, cases, threads, rounds, seconds)
    name = driver or default_driver()
    if name not in DRIVERS:
        raise WorkbenchError(f"no driver {name!r}; one of {', '.join(DRIVERS)}")
    if not tokens:
        raise WorkbenchError("name at least one token to measure")
    for token in tokens:
        if token_room.origin(token).standing != "sandbox" and list(tokens).count(token) > 1:
            raise WorkbenchError(f"token {token!r} is not ours, and has one budget: name it once")
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    order = random.Random(seed)
    writer = RunWriter.create(Path(out), chosen.name)
    with ExitStack() as stack:
        lanes = []
        for label, token in zip(_labels(tokens), tokens, strict=True):
            log = writer.path / f"worker-{label.replace('#', '-')}.txt"
            lanes.append(Lane(label, token, name, max(chosen.threads), log, timeout))
            stack.callback(lanes[-1].close)
        try:
            _Measurement(chosen, lanes, writer, order, on_progress, on_announcement).run(
                {"drivers": [name], "seed": seed, "tokens": {lane.label: lane.token for lane in lanes}}
            )
        except WorkbenchError:
            _discard_if_empty(writer.path)
            raise
    return load(writer.path)


def _chosen(
    plan: Plan,
    cases: Sequence[str] | None,
    threads: Sequence[int] | None,
    rounds: int | None,
    seconds: float | None,
) -> Plan:
    if cases is not None:
        by_name = {case.name: case for case in plan.cases}
        unknown = [name for name in cases if name not in by_name]
        if unknown:
            raise WorkbenchError(
                f"plan {plan.name!r} has no case {unknown[0]!r}; it has {', '.join(by_name)}"
            )
        plan = attrs.evolve(plan, cases=tuple(by_name[name] for name in cases))
    return attrs.evolve(
        plan,
        threads=plan.threads if threads is None else tuple(threads),
        rounds=plan.rounds if rounds is None else rounds,
        seconds=plan.seconds if seconds is None else seconds,
    )


def _labels(tokens: Sequence[str]) -> Iterator[str]:
    for index, name in enumerate(tokens):
        before = tokens[:index].count(name)
        yield f"{name}#{before + 1}" if before else name


def _discard_if_empty(path: Path) -> None:
    """Remove the directory of a run that never began; one with a row in it stays."""
    if (path / "run.json").exists() or (path / "rows.jsonl").stat().st_size:
        return
    for file in (*path.glob("worker-*.txt"), path / "rows.jsonl"):
        file.unlink()
    (path / "latencies").rmdir()
    path.rmdir()


class _Measurement:
    """The steps of one run."""

    def __init__(
        self,
        plan: Plan,
        lanes: Sequence[Lane],
        writer: RunWriter,
        order: random.Random,
        on_progress: OnProgress | None,
        on_announcement: Callable[[str], None],
    ) -> None:
        self.on_announcement = on_announcement
        self.plan, self.lanes, self.writer, self.order = plan, lanes, writer, order
        self.on_progress = on_progress
        self.operations = tuple(dict.fromkeys(case.operation for case in plan.cases))
        blocks = plan.rounds * len(plan.cases) * len(plan.threads) * len(lanes)
        floors = len(self.operations) * len(plan.threads) * len(lanes)
        self.total = len(lanes) * (1 + len(plan.cases)) + floors + blocks
        self.done = 0

    def run(self, meta: dict[str, Any]) -> None:
        watch = Watch()
        self._open(meta)
        lengths = self._prepare()
        self._announce_blocks(lengths)
        for lane in self.lanes:
            for operation in self.operations:
                self._floor(lane, operation)
        steps = list(self._steps(lengths))
        planned = sum(step.seconds + self.plan.warmup for step in steps)
        started, spent = time.monotonic(), 0.0
        for step in steps:
            # What a block costs beyond its length shows in the blocks so far.
            pace = (time.monotonic() - started) / spent if spent else 1.05
            threads = f"{step.threads} thread{'s' if step.threads > 1 else ''}"
            text = f"round {step.round + 1}/{self.plan.rounds}: {step.case.name}, {threads}"
            self._report(f"{text} on {step.lane.label}", step.lane, (planned - spent) * pace)
            self._block(step)
            spent += step.seconds + self.plan.warmup
        self.writer.write_end({"ended": _now(), **watch.seen()})

    def _open(self, meta: dict[str, Any]) -> None:
        found: dict[str, object] = {}
        told: dict[str, object] = {}
        lost = []
        for lane in self.lanes:
            self._report(f"opening {lane.label}", lane)
            self._announce_opening(lane)
            try:
                found[lane.label] = lane.open()
                told[lane.label] = lane.disclose()
            except Lost as error:
                found[lane.label] = {"unknown": f"{error.outcome}: {error.detail}"}
                lost.append(
                    Row("open", lane.label, "", "", 0, error.outcome, lane.driver, detail=error.detail)
                )
        self.writer.write_meta(
            {
                "name": self.writer.path.name,
                "created": _now(),
                "plan": attrs.asdict(self.plan),
                **meta,
                "loop": "closed: every thread makes its next call when the last one has returned",
                "keys": "made for this run, one of each kind, shared by the threads; the token says whether session or token objects",
                "sessions": "one per thread, read/write, logged in",
                "machine": machine(),
                "packages": packages(),
                "provenance": found,
                "disclosure": told,
                "calibration": calibration.stored(),
            }
        )
        for row in lost:
            self.writer.append(row)

    def _prepare(self) -> dict[str, float]:
        """Keys and pilots; seconds of a block for each case, the same on every token so that rounds pair up."""
        lengths = {}
        for case in self.plan.cases:
            calls = [0.0]
            for lane in self.lanes:
                self._report(f"keys for {case.name} on {lane.label}", lane)
                try:
                    calls.append(lane.prepare(case).call_s)
                except Lost as error:
                    self._lost(lane, case, 0, None, error)
            lengths[case.name] = max(self.plan.seconds, MINIMUM_CALLS * max(calls))
        return lengths

    def _announce_opening(self, lane: Lane) -> None:
        if lane.origin.standing == "production":
            self.on_announcement(lane.announce(opening_cost(len(lane.origin.keys))))
        elif lane.origin.standing == "guest":
            self.on_announcement(
                f"token {lane.token!r} (guest) will be asked for session keys and operations, "
                f"within its budget: {lane.origin.budget}"
            )

    def _announce_blocks(self, lengths: dict[str, float]) -> None:
        """What production will be asked: of each case that can be measured there, the same number in every round."""
        for lane in self.lanes:
            if lane.origin.standing != "production" or 1 not in self.plan.threads:
                continue
            total: Counter[str] = Counter()
            for case in self.plan.cases:
                if lane.can(case):
                    calls = self.plan.rounds * self._calls(lane, lengths[case.name])
                    total.update(case_cost(case, calls))
            if total:
                self.on_announcement(lane.announce(dict(total)))

    def _calls(self, lane: Lane, seconds: float) -> int:
        """Calls of a block on a token in production, whose number is announced; elsewhere time is the limit."""
        if lane.origin.standing != "production":
            return 0
        rate = lane.origin.budget.max_rate if lane.origin.budget else None
        return MINIMUM_CALLS if rate is None else max(1, int(rate * seconds))

    def _floor(self, lane: Lane, operation: str) -> None:
        for threads in self.plan.threads:
            self._report(f"floor of {operation} on {lane.label}", lane)
            for round in range(FLOOR_ROUNDS):
                row = Row(
                    "floor", lane.label, "", operation, threads, "ok", lane.driver, round, started=_now()
                )
                try:
                    made = lane.floor(operation, threads, FLOOR_SECONDS, FLOOR_WARMUP)
                except Lost as error:
                    self.writer.append(attrs.evolve(row, outcome=error.outcome, detail=error.detail))
                else:
                    self.writer.append(_filled(row, made, FLOOR_SECONDS), made.latencies)

    def _steps(self, lengths: dict[str, float]) -> Iterator[_Step]:
        for round in range(self.plan.rounds):
            for case in self.plan.cases:
                for threads in self.plan.threads:
                    lanes = list(self.lanes)
                    self.order.shuffle(lanes)
                    for position, lane in enumerate(lanes):
                        yield _Step(round, case, threads, lane, position, lengths[case.name])

    def _block(self, step: _Step) -> None:
        lane, case = step.lane, step.case
        row = Row("block", lane.label, case.name, case.operation, step.threads, "ok", lane.driver, step.round)
        pace = lane.origin.budget.max_rate if lane.origin.budget else None
        row = attrs.evolve(row, position=step.position, started=_now(), pace_per_s=pace)
        try:
            made = lane.block(
                case, step.threads, step.seconds, self.plan.warmup, self._calls(lane, step.seconds)
            )
        except Lost as error:
            if error.outcome != "not offered" or step.round == 0:  # once is enough for what never changes
                self.writer.append(attrs.evolve(row, outcome=error.outcome, detail=error.detail))
            return
        self.writer.append(_filled(row, made, step.seconds), made.latencies)

    def _lost(self, lane: Lane, case: Case, threads: int, round: int | None, error: Lost) -> None:
        row = Row(
            "prepare", lane.label, case.name, case.operation, threads, error.outcome, lane.driver, round
        )
        self.writer.append(attrs.evolve(row, detail=error.detail, started=_now()))

    def _report(self, text: str, lane: Lane, remaining: float | None = None) -> None:
        if self.on_progress is not None:
            self.on_progress(Progress(self.done, self.total, text, remaining, lane.pid))
        self.done += 1


def _filled(row: Row, made: Block, seconds: float) -> Row:
    failed = made.successes == 0 or made.gave_up
    p50, p90, p99, p999, largest = made.quantiles() if made.successes else (None,) * 5
    return attrs.evolve(
        row,
        outcome="failed" if failed else "ok",
        detail=", ".join(f"{name}: {count} calls" for name, count in made.errors.items()),
        seconds=seconds,
        wall_s=made.wall_s,
        cpu_s=made.cpu_s,
        successes=made.successes,
        failures=made.failures,
        errors=made.errors,
        rate_per_s=made.rate_per_s,
        p50_ns=p50,
        p90_ns=p90,
        p99_ns=p99,
        p999_ns=p999,
        max_ns=largest,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
