"""Runs of several hosts: `merge`. (`bench --fleet` and `bench --start-at` make them.)"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench import measure
from workbench.cli.base import app
from workbench.cli.measuring import print_run

__all__: list[str] = []


@app.command()
def merge(
    run: Annotated[list[Path], typer.Argument(help="Run directories, one from each host.")],
    directory: Annotated[
        Path, typer.Option("--out", help="Where the merged run's own directory is made.")
    ] = Path("runs"),
) -> None:
    """Put together what hosts measured with one `bench --start-at`. Exit 1 if a host failed or was lost."""
    done = measure.merge(run, directory)
    print_run(done)
    print(f"run: {done.path}")
    if done.failed:
        raise typer.Exit(1)
