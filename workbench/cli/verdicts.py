"""What runs say: `compare`, `gate`, `history`, `calibrate`, `export`, `disclose`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer
from rich.text import Text

from workbench.cli.base import AsJson, app, err, out, print_json, progress_bar, table

if TYPE_CHECKING:
    from workbench.measure import Comparison

__all__: list[str] = []

Threshold = Annotated[
    float | None,
    typer.Option(help="Deviation in percent from which a difference counts; default: this machine's own."),
]
OtherHost = Annotated[
    bool,
    typer.Option("--other-host", help="Accept another host name where CPU, cores and architecture agree."),
]
RunArgument = Annotated[Path, typer.Argument(help="A run's directory.")]


@app.command()
def compare(
    run: RunArgument,
    other: Annotated[
        Path | None, typer.Argument(help="An earlier run; without it, two tokens of the run.")
    ] = None,
    token: Annotated[str | None, typer.Option(help="Of one run: the token to judge.")] = None,
    against: Annotated[str | None, typer.Option(help="Of one run: the token to hold it against.")] = None,
    threshold: Threshold = None,
    other_host: OtherHost = False,
    as_json: AsJson = False,
) -> None:
    """Compare two runs, or two tokens of one run: throughput, median latency and CPU time, with a verdict.

    Exit 0: no regression; 1: a regression; 2: it cannot be said.
    """
    from workbench import measure

    if other is not None and (token or against):
        raise typer.BadParameter("--token and --against choose within one run")
    if other is None:
        found = measure.compare_tokens(measure.load(run), token, against, _part(threshold))
    else:
        found = _two_runs(run, other, threshold, other_host)
    _show(found, as_json)
    raise typer.Exit(found.exit_code)


@app.command()
def gate(
    run: RunArgument,
    baseline: Annotated[Path, typer.Option(help="The run to hold it against.")],
    threshold: Threshold = None,
    other_host: OtherHost = False,
    junit: Annotated[Path | None, typer.Option(help="Write a JUnit report to this file.")] = None,
    github: Annotated[
        bool, typer.Option("--github", help="Print annotations for a GitHub workflow.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Pass or fail a run against a baseline. Exit 0: pass; 1: a regression; 2: it cannot be said."""
    from workbench.faults import WorkbenchError
    from workbench.measure.gate import github as annotations
    from workbench.measure.gate import junit as to_junit

    if github and as_json:
        raise typer.BadParameter("--github and --json are two forms of one answer: choose one")
    found = _two_runs(run, baseline, threshold, other_host)
    if junit is not None:
        try:
            junit.write_text(to_junit(found), encoding="utf-8")
        except OSError as error:
            raise WorkbenchError(f"cannot write {junit} ({error.strerror})") from None
    if github:
        print("\n".join(annotations(found)))
    else:
        _show(found, as_json)
    raise typer.Exit(found.exit_code)


@app.command()
def history(
    directories: Annotated[list[Path], typer.Argument(help="Runs, or directories that hold runs.")],
    threshold: Threshold = None,
    other_host: OtherHost = False,
    as_json: AsJson = False,
) -> None:
    """Find where a line became slower or faster over many runs, and stayed so.

    Exit 1 if some line's last step was for the worse; 2 if no line has twelve runs.
    """
    from workbench.measure import history as past

    found = past.history(past.runs_below(directories), _part(threshold), same_host=not other_host)
    if as_json:
        print_json(attrs.asdict(found))
    else:
        shown = table("case", "threads", "token", "driver", "quantity", "from run", "change", "")
        for series in found.changed:
            for step in series.steps:
                shown.add_row(
                    Text(series.case),
                    str(series.threads),
                    Text(series.token),
                    series.driver,
                    series.quantity,
                    Text(series.runs[step.at]),
                    f"{100 * (step.ratio - 1):+.1f} %",
                    "worse" if series.worse(step) else "better",
                )
        if found.changed:
            out.print(shown)
        long_enough = sum(series.long_enough for series in found.series)
        print(
            f"{found.runs} runs, {len(found.series)} series, {long_enough} of them long enough: "
            f"{len(found.changed)} changed"
        )
    raise typer.Exit(found.exit_code)


@app.command()
def calibrate(
    token: Annotated[
        str, typer.Option("--token", help="A sandbox token to compare with itself.")
    ] = "sandbox",
    repeats: Annotated[int, typer.Option(help="Runs; each takes about five seconds.")] = 8,
    as_json: AsJson = False,
) -> None:
    """Measure how far this machine's figures can be trusted: clock, floor, known service time, A/A.

    The result is kept, unless something else was running: then exit 2, and it is to be repeated.
    """
    from workbench.measure import calibration

    with progress_bar() as progress:
        task = progress.add_task("a token against itself", total=repeats)
        found = calibration.calibrate(
            token, repeats, on_progress=lambda done, total: progress.update(task, completed=done, total=total)
        )
    if as_json:
        print_json(found)
    else:
        _show_calibration(found)
    file = calibration.store(found)
    if not as_json:
        print(f"kept in {file}; runs made from now on carry it")


@app.command()
def export(
    run: RunArgument,
    csv: Annotated[bool, typer.Option("--csv", help="A table, one row per line.")] = False,
    pyperf: Annotated[bool, typer.Option("--pyperf", help="pyperf's JSON.")] = False,
    openmetrics: Annotated[bool, typer.Option("--openmetrics", help="OpenMetrics text.")] = False,
) -> None:
    """Print a run's figures in a form that other tools read."""
    from workbench import measure
    from workbench.measure.export import to_csv, to_openmetrics, to_pyperf

    chosen = [
        form for form, asked in ((to_csv, csv), (to_pyperf, pyperf), (to_openmetrics, openmetrics)) if asked
    ]
    if len(chosen) != 1:
        raise typer.BadParameter("choose one of --csv, --pyperf and --openmetrics")
    sys.stdout.write(chosen[0](measure.load(run)))


@app.command()
def disclose(run: RunArgument, as_json: AsJson = False) -> None:
    """Say what stands behind a run's figures: device, link, FIPS mode, hashing; measured or declared."""
    from workbench import measure
    from workbench.measure.disclosure import LICENCE

    read = measure.load(run)
    told = {token: measure.facts(read, token) for token in read.tokens}
    if as_json:
        print_json({token: [attrs.asdict(fact) for fact in facts] for token, facts in told.items()})
        return
    shown = table("token", "", "", "")
    shown.show_header = False
    for token, facts in told.items():
        for fact in facts:
            shown.add_row(Text(token), fact.name, Text(fact.value), fact.how)
    out.print(shown)
    for line in read.lines:
        if line.local:
            out.print(Text(f"answered by the client library: {line.case} on {line.token}"))
    print(LICENCE)


def _two_runs(run: Path, earlier: Path, threshold: float | None, other_host: bool) -> Comparison:
    from workbench import measure
    from workbench.faults import WorkbenchError

    part = _part(threshold)
    if run.resolve() == earlier.resolve():
        raise WorkbenchError(f"cannot compare: {run} is held against itself; name an earlier run")
    return measure.compare_runs(measure.load(run), measure.load(earlier), part, same_host=not other_host)


def _part(percent: float | None) -> float | None:
    if percent is not None and not 0 <= percent < 100:
        raise typer.BadParameter("a threshold is a percentage from 0 to 100")
    return None if percent is None else percent / 100


def _show(found: Comparison, as_json: bool) -> None:
    from workbench.measure.gate import change_text

    if as_json:
        lines = [attrs.asdict(line) | {"verdict": line.verdict} for line in found.lines]
        print_json(
            attrs.asdict(found) | {"lines": lines, "sentence": found.sentence, "exit_code": found.exit_code}
        )
        return
    shown = table("case", "threads", "token", "driver", "verdict", "new over old", "note")
    for line in found.lines:
        shown.add_row(
            Text(line.case),
            str(line.threads),
            Text(line.token),
            line.driver,
            line.verdict,
            "\n".join(change_text(change) for change in line.changes),
            Text(line.note),
        )
    out.print(shown)
    for warning in found.warnings:
        err.print(f"note: {warning}", markup=False, soft_wrap=True)
    print(f"{found.sentence} (threshold: {found.threshold})")


def _show_calibration(found: dict[str, Any]) -> None:
    from workbench.measure.calibration import threshold_of
    from workbench.measure.comparison import QUANTITIES

    shown = table("what", "found")
    shown.show_header = False
    shown.add_row("clock", f"steps of {found['clock_step_ns']:g} ns")
    for operation, floor in found["floor_ns"].items():
        shown.add_row(f"floor of {operation}", f"{floor:g} ns at the median, on the null module")
    if found["service"]:
        known = found["service"]
        off = known["measured_s"] / known["service_s"] - 1
        shown.add_row(
            f"a device that takes {1e3 * known['service_s']:g} ms",
            f"{1e3 * known['measured_s']:.4f} ms measured, off by {off:+.2%}",
        )
        off = known["measured_per_s"] / known["capacity_per_s"] - 1
        shown.add_row(
            f"a device that serves {known['capacity_per_s']:g} per second",
            f"{known['measured_per_s']:.1f} per second measured with four threads, off by {off:+.2%}",
        )
    out.print(shown)
    shown = table("a token against itself", "threads", *(f"{name}: 95 % within" for name in QUANTITIES))
    for kind, title in (("paired", "in one run, paired"), ("separate", "in two runs")):
        for threads, number in (("one", 1), ("several", 2)):
            cells = []
            for name in QUANTITIES:
                counts = threshold_of(
                    found, name, paired=kind == "paired", threads=number, looks=len(QUANTITIES)
                )
                cells.append(f"{found['noise'][kind][threads][name]:.1%}, counts from {counts:.1%}")
            shown.add_row(title, threads, *cells)
    out.print(shown)
    for warning in found["warnings"]:
        err.print(f"note: {warning}", markup=False, soft_wrap=True)
