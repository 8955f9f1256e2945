"""What is missing, and what to do: `doctor` for this machine, and for one token or module."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import attrs
import typer
from rich.markup import escape

from workbench.cli.base import AsJson, app, err, out, print_json, progress_bar, table
from workbench.faults import WorkbenchError
from workbench.inspection.check import Check

__all__: list[str] = []


@app.command()
def doctor(
    token: Annotated[
        str | None,
        typer.Option("--token", help="A token's name, or the path of a module: why does it not work?"),
    ] = None,
    login: Annotated[
        bool | None,
        typer.Option(
            "--login/--no-login",
            help="Log the user in, once. By default on our own tokens, and on a guest whose PIN nobody must type; "
            "never on production.",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="How long one call to the module may take, in seconds.")
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Is everything here? What is missing, and the one command that brings it. Exit 1 if something is."""
    from workbench.inspection import diagnose, examine

    if token is None and login is not None:
        raise WorkbenchError("--login and --no-login are said of a token: add --token NAME")
    if not 0 < timeout <= 3600:
        raise WorkbenchError(f"--timeout {timeout:g} is no time to wait; give 1 to 3600 seconds")
    if token is None:
        checks = examine()
    elif login:  # a person may be asked for the PIN, and a moving bar would write over the question
        checks = diagnose(token, login, timeout, _announce)
    else:
        with progress_bar() as progress:
            progress.add_task("looking", total=None)
            checks = diagnose(token, login, timeout, _announce)
    if as_json:
        print_json([attrs.asdict(check) for check in checks])
    else:
        _show(checks)
    if any(check.bad for check in checks):
        raise typer.Exit(1)


def _announce(told: str) -> None:
    err.print(told, markup=False)


def _show(checks: Iterable[Check]) -> None:
    shown = table("check", "state", "detail", "remedy")
    for check in checks:
        shown.add_row(_shown(check.name), check.state, _shown(check.detail), _shown(check.remedy or ""))
    out.print(shown)


def _shown(text: str) -> str:
    """Text that may come from a module or a file, without what a terminal would obey."""
    return escape("".join(character if character.isprintable() else "\ufffd" for character in text))
