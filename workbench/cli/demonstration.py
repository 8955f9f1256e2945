"""From nothing to a report: `demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.base import Tokens, app, err, listed, progress_bar
from workbench.cli.lessons import run_lessons
from workbench.cli.measuring import measure_tokens
from workbench.cli.reporting import write_report
from workbench.faults import WorkbenchError

__all__: list[str] = []


@app.command()
def demo(
    directory: Annotated[Path, typer.Option("--out", help="Where everything goes.")] = Path("build/demo"),
    token: Tokens = None,
) -> None:
    """Run the lessons and a short side-by-side benchmark, and write the report; its path is the last line."""
    from workbench import tokens

    names = [name for name in token or tokens.PLAIN if _brought_up(name)]
    passed = run_lessons([Path("notebooks")], names, directory)
    done = measure_tokens(directory / "runs", names, rounds=5)
    page = write_report(directory, directory, [done.path])
    leaked = tokens.leaks(directory)
    if leaked:
        err.print(f"a PIN stands in: {listed(leaked)}", markup=False)
    else:
        print("no PIN in any file that was made")
    print(f"report: {page}")
    if not passed or done.failed or leaked:
        raise typer.Exit(1)


def _brought_up(name: str) -> bool:
    """Bring a token up if that can be done here; if not, say why and go on without it, the default one excepted."""
    from workbench import tokens

    try:
        with progress_bar() as progress:
            progress.add_task(f"bringing {name} up", total=None)
            tokens.origin(name)
    except WorkbenchError as error:
        if name in ("sandbox", tokens.PLAIN[0]):
            raise
        err.print(f"without {name}: {error}", markup=False)
        return False
    return True
