"""Running a plan: tokens side by side, round by round, every block on disk before the next one starts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import attrs

from workbench import tokens as token_room
from workbench.faults import WorkbenchError
from workbench.measure.appointment import Appointment, Start, common_seed
from workbench.measure.choices import Choices
from workbench.measure.drivers import default_driver, kernel
from workbench.measure.finished import Finished, check_machine, plan_of
from workbench.measure.lanes import Lane
from workbench.measure.measurement import Measurement, OnProgress
from workbench.measure.plan import Plan
from workbench.measure.planfile import plan_named
from workbench.measure.provenance import machine
from workbench.measure.results import Run, load
from workbench.measure.store import RunWriter

__all__ = ["bench", "resume"]


def bench(
    plan: str | Plan = "quick",
    tokens: Sequence[str] = ("sandbox",),
    *,
    cases: Sequence[str] | None = None,
    threads: Sequence[int] | Literal["knee"] | None = None,
    rounds: int | None = None,
    seconds: float | None = None,
    out: Path | str = "runs",
    driver: str | None = None,
    timeout: float | None = None,
    seed: int | None = None,
    start_at: Start | None = None,
    asked: Sequence[str] = (),
    on_progress: OnProgress | None = None,
    on_announcement: Callable[[str], None] = print,
) -> Run:
    """Measure a plan on tokens side by side; the run, which is also a new directory below ``out``.

    ``cases``, ``threads``, ``rounds``, ``seconds`` (of a block), ``driver`` replace the plan's own; ``Choices``
    has more. A token named twice is measured against itself. ``timeout``: seconds after which a worker that gives
    no answer is killed (default: by the length of the block). ``seed``: of the random order (default: new, and
    recorded). A worker that dies or hangs costs its block, is started anew, and is given up after the third time;
    see ``Run.failed``. ``start_at``: Unix time of the first block, or what is called for it when everything is
    ready: other hosts measure the same plan from then on, block by block. ``asked``: the arguments
    of the command line, for run.json. ``on_announcement``: told, before it happens, what a token that is not ours will be asked.
    Errors: ``WorkbenchError`` for bad input and for a directory that cannot be written, ``BrokenOff`` for a disk that
    is full before the end.
    """
    named = plan_named(plan) if isinstance(plan, str) else plan
    drivers = None if driver is None else (driver,)
    chosen = with_drivers(
        Choices(cases, None, None, None, None, threads, rounds, seconds, None, drivers).of(named)
    )
    if not tokens:
        raise WorkbenchError("name at least one token to measure")
    for token in tokens:
        if token_room.origin(token).standing != "sandbox" and list(tokens).count(token) > 1:
            raise WorkbenchError(f"token {token!r} is not ours, and has one budget: name it once")
    labels = dict(zip(_labels(tokens), tokens, strict=True))
    if seed is None:
        seed = random.SystemRandom().randrange(2**32) if start_at is None else common_seed(start_at)
    appointment = None if start_at is None else Appointment(chosen, seed, tuple(labels), start_at)
    writer = RunWriter.create(Path(out), chosen.name)
    with ExitStack() as stack:
        stack.callback(writer.close)
        lanes = _lanes(stack, labels, writer.path, timeout)
        measurement = Measurement(chosen, lanes, writer, seed, Finished(), on_progress, on_announcement)
        measurement.appointment = appointment
        try:
            meta = {"seed": seed, "tokens": labels, "run": token_room.current_run()}
            measurement.run(meta | ({"asked": list(asked)} if asked else {}))
        except WorkbenchError:
            _discard_if_empty(writer.path)
            raise
    return load(writer.path)


def resume(
    path: Path | str,
    *,
    timeout: float | None = None,
    on_progress: OnProgress | None = None,
    on_announcement: Callable[[str], None] = print,
) -> Run:
    """Go on with a run that was broken off: the same plan, tokens, seed and order.

    What was measured is kept, and so is a failure that was seen; what was not run is measured. The second start
    is written down beside the first. Errors: ``WorkbenchError`` for what is no run, for one that another process
    is at work on, and on another machine, or with another token or module; and where one of its tokens is not
    ours: the first start used up an unknown part of its budget.
    """
    run = load(path)
    check_machine(run.meta["machine"], machine())
    chosen = with_drivers(plan_of(run.meta))
    with ExitStack() as stack:
        writer = RunWriter.reopen(run.path)
        stack.callback(writer.close)
        run = load(path)  # nobody writes in it from here on
        if "run" in run.meta:  # token objects of the first start are this run's own
            token_room.join_run(run.meta["run"])
        lanes = _lanes(stack, run.meta["tokens"], run.path, timeout)
        seed, done = run.meta["seed"], Finished(run.rows)
        measurement = Measurement(chosen, lanes, writer, seed, done, on_progress, on_announcement)
        if measurement.left:
            _check_ours(lanes)
            measurement.go_on(run.meta)
    return load(path)


def with_drivers(plan: Plan) -> Plan:
    """The plan with its drivers named. Errors: ``WorkbenchError`` for one that this installation has not."""
    if "c-kernel" in plan.drivers and not kernel():
        raise WorkbenchError(
            "the driver c-kernel was not built here (there was no compiler): leave it out, or install the workbench anew"
        )
    return plan if plan.drivers else attrs.evolve(plan, drivers=(default_driver(),))


def _lanes(stack: ExitStack, labels: dict[str, str], path: Path, timeout: float | None) -> list[Lane]:
    lanes = []
    for label, token in labels.items():
        lanes.append(Lane(label, token, path / f"worker-{label.replace('#', '-')}.txt", timeout))
        stack.callback(lanes[-1].close)
    return lanes


def _check_ours(lanes: Sequence[Lane]) -> None:
    for lane in lanes:
        if lane.origin.standing != "sandbox":
            raise WorkbenchError(
                f"token {lane.token!r} is not ours, and its budget is for one run: a run on it that was broken off "
                "is not resumed; begin a new one"
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
