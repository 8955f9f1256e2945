"""What the standard says: `explain` and `search`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from workbench.cli.base import AsJson, app, out, print_json
from workbench.faults import WorkbenchError

__all__: list[str] = []


@app.command()
def explain(
    term: Annotated[str, typer.Argument(help="A name (C_Sign), a number (0xA0), a section (5.13).")],
    as_json: AsJson = False,
) -> None:
    """What the standard says about a function, constant, structure, number or section."""
    from workbench.spec.explain import explain as explained

    found = explained(term)
    if as_json:
        print_json(found.to_dict())
    else:
        print(found)


@app.command()
def search(text: Annotated[list[str], typer.Argument(help="Words, in any order.")]) -> None:
    """Find names of the standard by free text."""
    from workbench.spec.search import search as searched

    hits = searched(" ".join(text))
    if not hits:
        raise WorkbenchError(f"nothing in the standard's tables matches {' '.join(text)!r}; try fewer words")
    table = Table(box=None, show_header=False, pad_edge=False)
    for hit in hits:
        table.add_row(hit.name, hit.line)
    out.print(table)
