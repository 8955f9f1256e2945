"""What every command shares: the application, its two consoles, and progress for whoever looks."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from typer.core import TyperGroup

__all__ = ["AsJson", "Tokens", "app", "err", "listed", "out", "print_json", "progress_bar", "table"]


class _Alphabetical(TyperGroup):
    """The help lists commands by name, whatever file is imported first."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx))


app = typer.Typer(
    cls=_Alphabetical,
    name="workbench",
    help="A workbench for PKCS#11: learn it, measure it, inspect it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Tokens = Annotated[list[str] | None, typer.Option("--token", help="A token's name; may be repeated.")]

# A pipe or a log has no width of its own: wide enough there that no table folds.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 200)


def print_json(value: object) -> None:
    """JSON on standard output."""
    print(json.dumps(value, indent=1, ensure_ascii=False))


def progress_bar() -> Progress:
    """Progress on the terminal's error stream; silent where nobody looks (a pipe, a log)."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)


def table(*titles: str) -> Table:
    """A table with these columns, which fold rather than lose a word."""
    made = Table(box=None, pad_edge=False)
    for title in titles:
        made.add_column(title, overflow="fold")
    return made


def listed(paths: Sequence[Path]) -> str:
    """Paths, as a sentence lists them."""
    return ", ".join(str(path) for path in paths)
