"""What our runs left on a token: `sweep`."""

from __future__ import annotations

from typing import Annotated

import attrs
import typer

from workbench.cli.base import AsJson, app, out, print_json, table

__all__: list[str] = []

SECONDS = 600.0  # a token may hold thousands of objects, each of which is looked at


@app.command()
def sweep(
    token: Annotated[str, typer.Option("--token", help="The token's name.")],
    run: Annotated[
        str | None, typer.Option("--run", help="Objects of this run only, whichever host made them.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove token objects that runs of this workbench left behind, and no others. Exit 1 if one could not be removed."""
    from workbench import tokens
    from workbench.workers import Worker

    with Worker(token) as worker:
        found = worker.run(tokens.sweep, run, dry_run, timeout=SECONDS)
    if as_json:
        print_json([attrs.asdict(one) for one in found])
    elif found:
        shown = table("object", "class", "run", "outcome")
        for one in found:
            shown.add_row(one.label, one.object_class, one.run, one.outcome)
        out.print(shown)
    else:
        print(f"nothing of ours is left on token {token!r}")
    if any(one.outcome.startswith("stays") for one in found):
        raise typer.Exit(1)
