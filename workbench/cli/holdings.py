"""The tokens of this machine: `tokens`, and `token up`, `down`, `status` and `env`."""

from __future__ import annotations

import os
import shlex
from typing import Annotated

import attrs
import typer

from workbench.cli.base import AsJson, app, err, out, print_json, progress_bar, table
from workbench.faults import WorkbenchError

__all__: list[str] = []

token_app = typer.Typer(
    help="Sandbox tokens: bring one up, take it down, look what runs for it.", no_args_is_help=True
)
app.add_typer(token_app, name="token")


@app.command("tokens")
def list_tokens(as_json: AsJson = False) -> None:
    """The tokens that have a name here: sandboxes, those of workbench.toml, and the modules that p11-kit knows."""
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
    accept_stale_mirror: Annotated[
        bool,
        typer.Option(
            "--accept-stale-mirror", help="Take a newer suite from a mirror whose list is out of date."
        ),
    ] = False,
) -> None:
    """Bring a sandbox token up; its module is installed (root) or unpacked privately (anybody else) if missing."""
    from workbench import tokens
    from workbench.notebook import kernels

    if accept_stale_mirror:
        os.environ[tokens.ACCEPT_STALE] = "1"
    with progress_bar() as progress:
        progress.add_task(f"bringing {name} up", total=None)
        sandbox = tokens.provider(name).up(fresh)
    print(f"{sandbox.name} is up: token {sandbox.label!r} by {sandbox.module}")
    for package, found in tokens.provider(name).provenance().get("packages", {}).items():
        print(f"  {package} {found['version']}, sha256 {found['sha256']}")
    try:
        kernel = kernels.register(sandbox.name)
    except WorkbenchError as error:
        err.print(f"note: {error}")
    else:
        if kernel is not None:
            print(f"  in JupyterLab: kernel {kernel!r}")


@token_app.command("down")
def token_down(
    name: Annotated[str | None, typer.Argument(help="A sandbox's name.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every sandbox.")] = False,
) -> None:
    """Stop what runs for a sandbox token. The token itself stays, and `token up` finds it again."""
    from workbench import tokens
    from workbench.notebook import kernels

    if (name is None) is not everything:
        raise WorkbenchError("say which sandbox to take down: workbench token down NAME, or --all")
    for provider in tokens.PROVIDERS.values() if name is None else (tokens.provider(name),):
        stopped = [daemon for daemon, runs in provider.running().items() if runs]
        provider.down()
        kernels.unregister(provider.name)
        print(f"{provider.name} is down; stopped: {', '.join(stopped) or 'nothing, nothing ran for it'}")


@token_app.command("status")
def token_status(
    name: Annotated[str | None, typer.Argument(help="A sandbox's name; without it, every one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Which sandbox tokens are up, and what runs for them. Nothing is started by looking."""
    from workbench.inspection import standing

    found = standing(name)
    if as_json:
        print_json([attrs.asdict(one) for one in found])
        return
    shown = table("token", "state", "label", "daemons", "next step")
    for one in found:
        daemons = [
            f"{daemon.name} (pid {daemon.pid}, since {daemon.since})"
            if daemon.running
            else f"{daemon.name} (not running)"
            for daemon in one.daemons
        ]
        reason = " · ".join(filter(None, [one.reason, one.command]))
        shown.add_row(one.name, one.state, one.label or "", "\n".join(daemons), reason)
    out.print(shown)


@token_app.command("pardon")
def token_pardon(name: Annotated[str, typer.Argument(help="A token's name.")]) -> None:
    """Let PINs that the token has refused be tried again: for a PIN that was reset, or mistyped on the device's keypad.

    Every refusal counts on the device: be sure of the PIN before.
    """
    from workbench.tokens import pardon
    from workbench.workers import Worker

    with Worker(name, login=False) as worker:
        count = worker.run(pardon)
    print(f"{name}: {count} refused PIN{'' if count == 1 else 's'} may be tried again")


@token_app.command("env")
def token_env(
    name: Annotated[str, typer.Argument(help="A sandbox's name.")] = "sandbox", as_json: AsJson = False
) -> None:
    """What another program needs to use a sandbox token: `eval "$(workbench token env NAME)"`.

    The PIN is not shown: PKCS11_PIN_FILE names the file that holds it, and PKCS11_URI refers to that file.
    """
    from workbench import tokens

    variables = tokens.provider(name).exports()
    if as_json:
        print_json(variables)
        return
    for variable, value in variables.items():
        print(f"export {variable}={shlex.quote(value)}")
