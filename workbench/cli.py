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

from workbench import measure, notebook
from workbench.cryptoki import CryptokiError
from workbench.faults import WorkbenchError
from workbench.workers import WorkerError

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
    from workbench import tokens

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
    paths = notebook.notebooks_in(notebooks or [Path("notebooks"), Path("benchmarks")])
    with _progress() as progress:
        task = progress.add_task("accepting", total=len(paths))

        def show(path: Path, changed: bool) -> None:
            progress.console.print(f"{'changed' if changed else 'same':8} {path}")
            progress.advance(task)

        notebook.accept(paths, show)


@app.command()
def bench(
    plan: Annotated[str, typer.Option(help="The plan: quick or signing.")] = "quick",
    token: Tokens = None,
    case: Annotated[list[str] | None, typer.Option("--case", help="Only this case; may be repeated.")] = None,
    threads: Annotated[
        list[int] | None, typer.Option("--threads", help="A number of threads; may be repeated.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Blocks per case, token and number of threads.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of a block in seconds.")] = None,
    directory: Annotated[Path, typer.Option("--out", help="Where the run's own directory is made.")] = Path(
        "runs"
    ),
) -> None:
    """Measure tokens side by side in one run. Exit 1 if a worker died or a case failed; what was measured is kept."""
    done = _measure(directory, token or ["sandbox"], plan, case, threads, rounds, seconds)
    print(f"run: {done.path}")
    if done.failed:
        raise typer.Exit(1)


def _measure(
    directory: Path,
    names: Sequence[str],
    plan: str = "quick",
    cases: Sequence[str] | None = None,
    threads: Sequence[int] | None = None,
    rounds: int | None = None,
    seconds: float | None = None,
) -> measure.Run:
    with _progress() as progress:
        task = progress.add_task("starting", total=None)

        def show(step: measure.Progress) -> None:
            left = "" if step.remaining_s is None else f", about {step.remaining_s:.0f} s left"
            progress.update(task, description=step.text + left, total=step.total, completed=step.done)

        done = measure.bench(
            plan,
            names,
            cases=cases,
            threads=threads,
            rounds=rounds,
            seconds=seconds,
            out=directory,
            on_progress=show,
        )
    _print_run(done)
    return done


def _print_run(done: measure.Run) -> None:
    table = Table(box=None, pad_edge=False, title=f"driver {done.driver}, closed loop", title_justify="left")
    for title in (
        "case",
        "threads",
        "token",
        "per second",
        "95 % interval",
        "p50 µs",
        "p99 µs",
        "floor %",
        "note",
    ):
        table.add_column(title, justify="right" if title[0] in "p9f" else "left", overflow="fold")
    for line in done.lines:
        if line.successes:
            figures = (
                f"{line.rate.value:,.0f}",
                f"{line.rate.low:,.0f} – {line.rate.high:,.0f}",
                f"{line.p50.value / 1000:,.1f}",
                f"{line.p99_ns / 1000:,.1f}",
                f"{100 * line.floor_share:.1f}",
            )
        else:
            figures = ("", "", "", "", "")
        note = "; ".join(filter(None, (line.outcome if line.outcome != "ok" else "", *line.warnings)))
        table.add_row(line.case, str(line.threads), line.token, *figures, note)
    out.print(table)
    for row in done.failed:
        err.print(f"{row.outcome}: {row.case or row.kind} on {row.token} {row.detail}".rstrip(), markup=False)


@app.command("report")
def make_report(
    sources: Annotated[
        list[Path] | None, typer.Argument(help="Run directories, and directories of workbench run.")
    ] = None,
    directory: Annotated[Path, typer.Option("--out", help="Where the page goes.")] = Path("build/report"),
) -> None:
    """Write one self-contained HTML page from what was run."""
    found = sources or [
        path for path in (Path("build/run"), *sorted(Path("runs").glob("*"))) if path.is_dir()
    ]
    verdicts = [path for path in found if (path / "verdicts.json").is_file()]
    runs = [path for path in found if (path / "run.json").is_file()]
    for path in found:
        if path not in verdicts and path not in runs:
            raise WorkbenchError(
                f"{path} holds neither a benchmark run nor verdicts; give directories that do"
            )
    if len(verdicts) > 1:
        raise WorkbenchError(
            f"a report shows one set of verdicts, not {len(verdicts)}; give one of: {_names(verdicts)}"
        )
    print(f"report: {_report(directory, verdicts[0] if verdicts else None, runs)}")


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths)


def _report(directory: Path, verdicts: Path | None, runs: Sequence[Path]) -> Path:
    from workbench import report

    return report.write(directory / "index.html", verdicts, runs)


@app.command()
def demo(
    directory: Annotated[Path, typer.Option("--out", help="Where everything goes.")] = Path("build/demo"),
) -> None:
    """Run the lessons and a short side-by-side benchmark, and write the report; its path is the last line."""
    from workbench import tokens

    names = [name for name in tokens.known() if _brought_up(name)]
    passed = _run_lessons([Path("notebooks")], names, directory)
    done = _measure(directory / "runs", names, rounds=5)
    page = _report(directory, directory, [done.path])
    leaked = tokens.leaks(directory)
    if leaked:
        err.print(f"a PIN stands in: {_names(leaked)}", markup=False)
    else:
        print("no PIN in any file that was made")
    print(f"report: {page}")
    if not passed or done.failed or leaked:
        raise typer.Exit(1)


def _brought_up(name: str) -> bool:
    """Bring a token up if that can be done here; if not, say why and go on without it, the default one excepted."""
    from workbench import tokens

    try:
        with _progress() as progress:
            progress.add_task(f"bringing {name} up", total=None)
            tokens.provider(name).up()
    except WorkbenchError as error:
        if name == tokens.provider("sandbox").name:
            raise
        err.print(f"without {name}: {error}", markup=False)
        return False
    return True


def main() -> None:
    """Run the command line. Exit 0: done; 1: it ran, and something in it failed; 2: the input was wrong."""
    try:
        app()
    except WorkbenchError as error:
        print(f"workbench: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except (CryptokiError, WorkerError) as error:  # the token or its module, not the input
        print(f"workbench: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("workbench: interrupted; what was finished is kept", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # a reader that left, `| head` for one
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
