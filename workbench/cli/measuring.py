"""Measurements: `bench`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from workbench import measure
from workbench.cli.asked import given
from workbench.cli.base import Tokens, app, err, out, progress_bar
from workbench.faults import WorkbenchError
from workbench.measure.choices import Residency
from workbench.measure.plan import DRIVERS
from workbench.measure.planfile import parse_size

__all__ = ["measure_tokens", "print_run"]

COLUMNS: tuple[tuple[str, Literal["left", "right"]], ...] = (
    ("case", "left"),
    ("threads", "left"),
    ("token", "left"),
    ("driver", "left"),
    ("per second", "right"),
    ("95 % interval", "right"),
    ("p50 µs", "right"),
    ("p99 µs", "right"),
    ("floor %", "right"),
    ("note", "left"),
)


NOT_ASKED = ("directory", "resume")  # where a run is written is no part of what it is


@app.command()
def bench(
    context: typer.Context,
    plan: Annotated[
        str, typer.Option(help=f"The plan: {', '.join(measure.PLANS)}, or a .toml file of your own.")
    ] = "quick",
    token: Tokens = None,
    case: Annotated[list[str] | None, typer.Option("--case", help="Only this case; may be repeated.")] = None,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", help="Keys in the place of those of the same kind: RSA-3072,P-521."),
    ] = None,
    payload: Annotated[
        list[str] | None, typer.Option("--payload", help="A sweep over payloads: 64,1k,16k.")
    ] = None,
    residency: Annotated[
        list[str] | None,
        typer.Option("--residency", help="Keys as session objects, token objects: session,token."),
    ] = None,
    length_query: Annotated[
        bool | None,
        typer.Option("--length-query/--no-length-query", help="Ask for the output's length first."),
    ] = None,
    threads: Annotated[
        list[str] | None, typer.Option("--threads", help="Numbers of threads: 1,2,8; or: knee.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Blocks per case, token and number of threads.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of a block in seconds.")] = None,
    rate: Annotated[
        float | None, typer.Option(help="Open loop: so many calls per second, at due times.")
    ] = None,
    driver: Annotated[
        list[str] | None,
        typer.Option("--driver", help=f"Who makes the calls, side by side: {', '.join(DRIVERS)}."),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", help="Go on with this run, which was broken off.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds after which a worker that gives no answer is killed.")
    ] = None,
    start_at: Annotated[
        str | None,
        typer.Option(
            help="Begin at this time (22:15, or ISO 8601), as other hosts do; then `workbench merge`."
        ),
    ] = None,
    fleet: Annotated[
        str | None, typer.Option(help="Measure on every worker of the Dask scheduler at this address.")
    ] = None,
    directory: Annotated[Path, typer.Option("--out", help="Where the run's own directory is made.")] = Path(
        "runs"
    ),
) -> None:
    """Measure tokens side by side in one run. Exit 1 if a worker died or a case failed; what was measured is kept."""
    options = given(context)
    for name, number in (("--timeout", timeout), ("--rate", rate), ("--seconds", seconds)):
        if number is not None and not 0 < number < math.inf:
            raise WorkbenchError(f"{name} is a number above 0, not {number:g}")
    if resume is not None:
        if options.keys() - {"resume", "timeout"}:
            raise WorkbenchError(
                "--resume goes on with the run's own plan and tokens: only --timeout can be given with it"
            )
        done = _watched(
            lambda show, announce: measure.resume(
                resume, timeout=timeout, on_progress=show, on_announcement=announce
            )
        )
    else:
        choices = measure.Choices(
            cases=case,
            keys=_listed("--key", key),
            payloads=_sizes(payload),
            residencies=_residencies(residency),
            length_query=length_query,
            threads=_threads(threads),
            rounds=rounds,
            seconds=seconds,
            rate=rate,
            drivers=_listed("--driver", driver),
        )
        asked = [word for name, words in options.items() if name not in NOT_ASKED for word in words]
        run = measure.bench if fleet is None else partial(measure.fleet_bench, fleet)
        chosen, start = (
            choices.of(measure.plan_named(plan)),
            None if start_at is None else measure.parse_start(start_at),
        )
        done = _watched(
            lambda show, announce: run(
                chosen,
                token or ["sandbox"],
                out=directory,
                timeout=timeout,
                start_at=start,
                asked=asked,
                on_progress=show,
                on_announcement=announce,
            )
        )
    print(f"run: {done.path}")
    if done.failed:
        raise typer.Exit(1)


def _listed(option: str, values: list[str] | None) -> list[str] | None:
    """An option that may be repeated, and lists several values each."""
    if values is None:
        return None
    listed = [one.strip() for value in values for one in value.split(",") if one.strip()]
    if not listed:
        raise WorkbenchError(f"{option} is empty: list its values, or leave it out")
    return listed


def _sizes(values: list[str] | None) -> list[int] | None:
    listed = _listed("--payload", values)
    return None if listed is None else [parse_size(one) for one in listed]


def _residencies(values: list[str] | None) -> list[Residency] | None:
    known: dict[str, Residency] = {"session": "session", "token": "token"}
    listed = _listed("--residency", values)
    for one in listed or ():
        if one not in known:
            raise WorkbenchError(f"--residency is session, token or both, not {one!r}")
    return None if listed is None else [known[one] for one in listed]


def _threads(values: list[str] | None) -> list[int] | Literal["knee"] | None:
    listed = _listed("--threads", values)
    if listed == ["knee"]:
        return "knee"
    if listed is not None and not all(one.isdecimal() for one in listed):
        raise WorkbenchError("--threads is a list of numbers, as 1,2,8, or the word knee")
    return None if listed is None else [int(one) for one in listed]


def measure_tokens(
    directory: Path, names: Sequence[str], plan: str = "quick", rounds: int = 7
) -> measure.Run:
    """Measure with progress, and print the run as a table."""
    asked = ["--plan", plan, *(word for name in names for word in ("--token", name)), "--rounds", str(rounds)]
    return _watched(
        lambda show, announce: measure.bench(
            plan,
            names,
            rounds=rounds,
            out=directory,
            asked=asked,
            on_progress=show,
            on_announcement=announce,
        )
    )


def _watched(
    run: Callable[[Callable[[measure.Progress], None], Callable[[str], None]], measure.Run],
) -> measure.Run:
    with progress_bar() as progress:
        task = progress.add_task("starting", total=None)

        def show(step: measure.Progress) -> None:
            left = "" if step.remaining_s is None else f", about {_duration(step.remaining_s)} left"
            progress.update(task, description=step.text + left, total=step.total, completed=step.done)

        done = run(show, lambda text: err.print(text, markup=False, soft_wrap=True))
    print_run(done)
    return done


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


LOOPS = {
    "closed": "closed loop",
    "open": "open loop at {rate:g} per second: latencies from the moment that each call was due",
}


def _per_second(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 99.5 else f"{rate:.3g}"  # 3.83 SLH-DSA signatures are not 4


def print_run(done: measure.Run) -> None:
    """The run as a table, and on standard error what went wrong in it."""
    loop = LOOPS[done.loop].format(rate=done.meta["plan"].get("rate", 0))
    several = len(done.drivers) > 1
    table = Table(
        box=None,
        pad_edge=False,
        title=f"{'drivers' if several else 'driver'} {done.driver}, {loop}",
        title_justify="left",
    )
    for title, justify in COLUMNS:
        if several or title != "driver":
            table.add_column(title, justify=justify, overflow="fold")
    for line in done.lines:
        if line.successes:
            figures = (
                _per_second(line.rate.value),
                f"{_per_second(line.rate.low)} – {_per_second(line.rate.high)}" if line.rate.known else "",
                f"{line.p50.value / 1000:,.1f}",
                f"{line.p99_ns / 1000:,.1f}",
                f"{100 * line.floor_share:.1f}",
            )
        else:
            figures = ("", "", "", "", "")
        note = "; ".join(filter(None, (line.outcome if line.outcome != "ok" else "", *line.warnings)))
        driver = (line.driver,) if several else ()
        table.add_row(line.case, str(line.threads), line.token, *driver, *figures, note)
    out.print(table)
    for token, detail in dict.fromkeys(
        (row.token, row.detail) for row in done.rows if row.outcome == "refused"
    ):
        err.print(f"refused on {token}: {detail}", markup=False, soft_wrap=True)
    for row in done.failed:
        err.print(f"{row.outcome}: {row.case or row.kind} on {row.token} {row.detail}".rstrip(), markup=False)
