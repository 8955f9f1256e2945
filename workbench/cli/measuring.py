"""Measurements: `bench`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from workbench import measure
from workbench.cli.base import Tokens, app, err, out, progress_bar

__all__ = ["measure_tokens"]


@app.command()
def bench(
    plan: Annotated[str, typer.Option(help="The plan: quick or signing.")] = "quick",
    token: Tokens = None,
    case: Annotated[list[str] | None, typer.Option("--case", help="Only this case; may be repeated.")] = None,
    threads: Annotated[
        list[int] | None, typer.Option("--threads", help="A number of threads; may be repeated.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Blocks per case, token and number of threads.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of a block in seconds.")] = None,
    directory: Annotated[Path, typer.Option("--out", help="Where the run's own directory is made.")] = Path(
        "runs"
    ),
) -> None:
    """Measure tokens side by side in one run. Exit 1 if a worker died or a case failed; what was measured is kept."""
    done = measure_tokens(directory, token or ["sandbox"], plan, case, threads, rounds, seconds)
    print(f"run: {done.path}")
    if done.failed:
        raise typer.Exit(1)


def measure_tokens(
    directory: Path,
    names: Sequence[str],
    plan: str = "quick",
    cases: Sequence[str] | None = None,
    threads: Sequence[int] | None = None,
    rounds: int | None = None,
    seconds: float | None = None,
) -> measure.Run:
    """Measure with progress, and print the run as a table."""
    with progress_bar() as progress:
        task = progress.add_task("starting", total=None)

        def show(step: measure.Progress) -> None:
            left = "" if step.remaining_s is None else f", about {step.remaining_s:.0f} s left"
            progress.update(task, description=step.text + left, total=step.total, completed=step.done)

        done = measure.bench(
            plan,
            names,
            cases=cases,
            threads=threads,
            rounds=rounds,
            seconds=seconds,
            out=directory,
            on_progress=show,
            on_announcement=lambda text: err.print(text, markup=False, soft_wrap=True),
        )
    _print_run(done)
    return done


def _print_run(done: measure.Run) -> None:
    table = Table(box=None, pad_edge=False, title=f"driver {done.driver}, closed loop", title_justify="left")
    for title in (
        "case",
        "threads",
        "token",
        "per second",
        "95 % interval",
        "p50 µs",
        "p99 µs",
        "floor %",
        "note",
    ):
        table.add_column(title, justify="right" if title[0] in "p9f" else "left", overflow="fold")
    for line in done.lines:
        if line.successes:
            figures = (
                f"{line.rate.value:,.0f}",
                f"{line.rate.low:,.0f} – {line.rate.high:,.0f}",
                f"{line.p50.value / 1000:,.1f}",
                f"{line.p99_ns / 1000:,.1f}",
                f"{100 * line.floor_share:.1f}",
            )
        else:
            figures = ("", "", "", "", "")
        note = "; ".join(filter(None, (line.outcome if line.outcome != "ok" else "", *line.warnings)))
        table.add_row(line.case, str(line.threads), line.token, *figures, note)
    out.print(table)
    for token, detail in dict.fromkeys(
        (row.token, row.detail) for row in done.rows if row.outcome == "refused"
    ):
        err.print(f"refused on {token}: {detail}", markup=False, soft_wrap=True)
    for row in done.failed:
        err.print(f"{row.outcome}: {row.case or row.kind} on {row.token} {row.detail}".rstrip(), markup=False)
