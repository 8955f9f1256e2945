"""Trying what a token claims: `probe`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from workbench.cli.base import Tokens, app, out, progress_bar, table
from workbench.faults import WorkbenchError

if TYPE_CHECKING:
    from workbench.inspection.probe import Step, TokenProbe

__all__: list[str] = []


@app.command()
def probe(
    token: Tokens = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Only this family of trials; may be repeated.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Print every finding.")] = False,
    side_by_side: Annotated[
        bool, typer.Option("--compare", help="Print what differs between the tokens.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the findings as JSON.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write one self-contained page.")] = None,
) -> None:
    """Try what tokens claim: each mechanism for real, verified by somebody else; sizes, limits, buffers, codes.

    This acts on the token: sandboxes only, and guests whose configuration consents.
    """
    from workbench.inspection.probe import probe as probe_token
    from workbench.inspection.probe import save

    names = token or ["sandbox"]
    if side_by_side and len(names) < 2:
        raise WorkbenchError("--compare lays tokens side by side: give --token at least twice")
    done = []
    with progress_bar() as progress:
        task = progress.add_task("starting", total=None)

        def show(step: Step) -> None:
            progress.update(task, description=step.trial, total=step.total, completed=step.done)

        for name in names:
            done.append(probe_token(name, only or (), show))
            if json_file:
                save(json_file, done)  # what was found is kept, whatever the next token does
    for one in done:
        _print_counts(one)
        _print_findings(one, everything)
    if side_by_side:
        _print_differences(done)
    if html_file:
        from workbench.report import write_probe_page

        print(f"page: {write_probe_page(html_file, done)}")


def _print_counts(done: TokenProbe) -> None:
    shown = table("family", *done.outcomes)
    for family in done.families:
        counts = done.counts(family)
        shown.add_row(family, *(str(counts.get(outcome, "")) for outcome in done.outcomes))
    out.print(f"\n{done.token}: {len(done.findings)} findings in {done.seconds:g} s", markup=False)
    out.print(shown)


def _print_findings(done: TokenProbe, everything: bool) -> None:
    findings = done.findings if everything else done.remarkable
    if not findings:
        return
    shown = table("family", "tried", "how", "outcome", "answer", "detail")
    for one in findings:
        row = (one.family, one.subject, one.aspect, one.outcome, one.code or "", one.detail)
        shown.add_row(*(escape(text) for text in row))
    out.print()
    out.print(shown)


def _print_differences(done: Sequence[TokenProbe]) -> None:
    from workbench.inspection.probe import compare

    shown = table("family", "tried", "how", *(one.token for one in done))
    for row in compare(done):
        cells = [
            " ".join(
                filter(None, (one.outcome, one.code or (one.detail if not one.outcome.remarkable else "")))
            )
            if one
            else "not tried"
            for one in row.findings
        ]
        shown.add_row(*(escape(text) for text in (row.family, row.subject, row.aspect, *cells)))
    out.print("\nside by side: what differs")
    out.print(shown)
