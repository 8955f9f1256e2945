"""Notebooks: `run` and `accept`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from workbench import notebook
from workbench.cli.base import Tokens, app, err, progress_bar
from workbench.cli.reporting import write_report

__all__ = ["run_lessons"]


@app.command()
def run(
    notebooks: Annotated[
        list[Path] | None, typer.Argument(help="Notebooks or directories; default: notebooks")
    ] = None,
    token: Tokens = None,
    report: Annotated[Path, typer.Option("--report", help="Directory for artifacts and the report.")] = Path(
        "build/run"
    ),
) -> None:
    """Run notebooks on tokens and hold them against their committed outputs. Exit 1 if one fails."""
    passed = run_lessons(notebooks or [Path("notebooks")], token or ["sandbox"], report)
    print(f"report: {write_report(report, report, ())}")
    if not passed:
        raise typer.Exit(1)


def run_lessons(paths: Sequence[Path], names: Sequence[str], directory: Path) -> bool:
    """Run notebooks on tokens with progress; whether all of them passed."""
    from workbench import tokens

    for name in names:
        tokens.origin(name)  # a wrong name is said at once, not after the first token's run
    with progress_bar() as progress:
        task = progress.add_task("starting", total=None)

        def show(step: notebook.Step) -> None:
            where = f"{step.notebook} on {step.token}"
            done = step.position - 1 + (1 if step.verdict else step.cell / max(step.cells, 1))
            progress.update(task, description=where, total=step.total, completed=done)
            if step.verdict is not None:
                verdict = step.verdict
                line = f"{verdict.outcome:8} {where} ({verdict.seconds:.1f} s) {verdict.reason}"
                progress.console.print(line.rstrip())

        verdicts = notebook.run(paths, names, directory, show)
    for line in notebook.failures(verdicts):
        err.print(line, markup=False)
    return all(verdict.outcome in ("passed", "skipped") for verdict in verdicts)


@app.command()
def accept(
    notebooks: Annotated[list[Path] | None, typer.Argument(help="Notebooks or directories.")] = None,
) -> None:
    """Run notebooks on the sandbox and keep what they print as the outputs to hold later runs against."""
    paths = notebook.notebooks_in(notebooks or [Path("notebooks"), Path("benchmarks")])
    with progress_bar() as progress:
        task = progress.add_task("accepting", total=len(paths))

        def show(path: Path, changed: bool) -> None:
            progress.console.print(f"{'changed' if changed else 'same':8} {path}")
            progress.advance(task)

        notebook.accept(paths, show)
