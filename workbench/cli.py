"""The command line: argument parsing and printing. What it prints is computed in the rooms below."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import attrs
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from workbench.errors import WorkbenchError

__all__ = ["app", "main"]

app = typer.Typer(
    name="workbench",
    help="A workbench for PKCS#11: learn it, measure it, inspect it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
token_app = typer.Typer(help="Bring a sandbox token up, or look at it.", no_args_is_help=True)
app.add_typer(token_app, name="token")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Tokens = Annotated[list[str] | None, typer.Option("--token", help="A token's name; may be repeated.")]

# A pipe or a log has no width of its own: wide enough there that no table folds.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 200)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False))


def _progress() -> Progress:
    """Progress on the terminal's error stream; silent where nobody looks (a pipe, a log)."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)


@app.command()
def explain(
    term: Annotated[str, typer.Argument(help="A name (C_Sign), a number (0xA0), a section (5.13).")],
    as_json: AsJson = False,
) -> None:
    """What the standard says about a function, constant, structure, number or section."""
    from workbench.spec.explain import explain as explained

    found = explained(term)
    if as_json:
        _print_json(found.to_dict())
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


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Is everything here? What is missing, and the one command that brings it. Exit 1 if something is."""
    from workbench.inspection import examine

    checks = examine()
    if as_json:
        _print_json([attrs.asdict(check) for check in checks])
    else:
        table = Table(box=None, pad_edge=False)
        for title in ("check", "state", "detail", "remedy"):
            table.add_column(title, overflow="fold")
        for check in checks:
            table.add_row(check.name, check.state, check.detail, check.remedy or "")
        out.print(table)
    if any(check.state == "missing" for check in checks):
        raise typer.Exit(1)


@app.command("tokens")
def list_tokens(as_json: AsJson = False) -> None:
    """The tokens that have a name here, and what each of them is."""
    from workbench.inspection import overview

    found = overview()
    if as_json:
        _print_json([attrs.asdict(token) for token in found])
        return
    table = Table(box=None, pad_edge=False)
    for title in ("token", "state", "library", "mechanisms", "policy", "module or next step"):
        table.add_column(title, overflow="fold")
    for token in found:
        count = "" if token.mechanisms is None else str(token.mechanisms)
        table.add_row(
            token.name, token.state, token.library or token.title, count, token.policy or "", token.detail
        )
    out.print(table)


@token_app.command("up")
def token_up(
    name: Annotated[str, typer.Argument(help="A token's name; workbench tokens lists them.")] = "sandbox",
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw the sandbox away and make it anew.")] = False,
) -> None:
    """Bring a sandbox token up; its module is installed (root) or unpacked privately (anybody else) if missing."""
    from workbench import tokens

    with _progress() as progress:
        progress.add_task(f"bringing {name} up", total=None)
        sandbox = tokens.provider(name).up(fresh)
    print(f"{sandbox.name} is up: token {sandbox.label!r} by {sandbox.module}")


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
    passed = _run_lessons(notebooks or [Path("notebooks")], token or ["sandbox"], report)
    print(f"report: {_report(report, report, ())}")
    if not passed:
        raise typer.Exit(1)


def _run_lessons(paths: Sequence[Path], names: Sequence[str], directory: Path) -> bool:
    from workbench import notebook, tokens

    for name in names:
        tokens.provider(name)  # a wrong name is said at once, not after the first token's run
    with _progress() as progress:
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
    from workbench import notebook

    paths = notebook.notebooks_in(notebooks or [Path("notebooks"), Path("benchmarks")])
    with _progress() as progress:
        task = progress.add_task("accepting", total=len(paths))

        def show(path: Path, changed: bool) -> None:
            progress.console.print(f"{'changed' if changed else 'same':8} {path}")
            progress.advance(task)

        notebook.accept(paths, show)


def _report(directory: Path, verdicts: Path | None, runs: Sequence[Path]) -> Path:
    from workbench import report

    return report.write(directory / "index.html", verdicts, runs)


def main() -> None:
    """Run the command line. Exit 0: done; 1: it ran, and something in it failed; 2: the input was wrong."""
    try:
        app()
    except WorkbenchError as error:
        print(f"workbench: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # a reader that left, `| head` for one
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
