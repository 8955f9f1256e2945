"""The tokens of this machine: `doctor`, `tokens` and `token up`."""

from __future__ import annotations

from typing import Annotated

import attrs
import typer

from workbench.cli.base import AsJson, app, out, print_json, progress_bar, table

__all__: list[str] = []

token_app = typer.Typer(help="Bring a sandbox token up, or look at it.", no_args_is_help=True)
app.add_typer(token_app, name="token")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Is everything here? What is missing, and the one command that brings it. Exit 1 if something is."""
    from workbench.inspection import examine

    checks = examine()
    if as_json:
        print_json([attrs.asdict(check) for check in checks])
    else:
        shown = table("check", "state", "detail", "remedy")
        for check in checks:
            shown.add_row(check.name, check.state, check.detail, check.remedy or "")
        out.print(shown)
    if any(check.state == "missing" for check in checks):
        raise typer.Exit(1)


@app.command("tokens")
def list_tokens(as_json: AsJson = False) -> None:
    """The tokens that have a name here, and what each of them is."""
    from workbench.inspection import overview

    found = overview()
    if as_json:
        print_json([attrs.asdict(token) for token in found])
        return
    shown = table("token", "state", "library", "mechanisms", "policy", "module or next step")
    for token in found:
        count = "" if token.mechanisms is None else str(token.mechanisms)
        shown.add_row(
            token.name, token.state, token.library or token.title, count, token.policy or "", token.detail
        )
    out.print(shown)


@token_app.command("up")
def token_up(
    name: Annotated[str, typer.Argument(help="A token's name; workbench tokens lists them.")] = "sandbox",
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw the sandbox away and make it anew.")] = False,
) -> None:
    """Bring a sandbox token up; its module is installed (root) or unpacked privately (anybody else) if missing."""
    from workbench import tokens

    with progress_bar() as progress:
        progress.add_task(f"bringing {name} up", total=None)
        sandbox = tokens.provider(name).up(fresh)
    print(f"{sandbox.name} is up: token {sandbox.label!r} by {sandbox.module}")
