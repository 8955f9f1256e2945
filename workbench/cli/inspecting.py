"""A token read without touching it: `inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from workbench.cli.base import Tokens, app, err, out, progress_bar, table

if TYPE_CHECKING:
    from workbench.inspection.compare import Comparison
    from workbench.inspection.inspect import Inspection
    from workbench.tokens import Cost

__all__: list[str] = []

SHOWN = 12  # objects below one finding in the terminal


@app.command()
def inspect(
    token: Tokens = None,
    login: Annotated[
        bool | None,
        typer.Option(
            "--login/--no-login",
            help="Log in, so that private objects show; by default where a PIN source is configured.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write one HTML page to this file.")] = None,
    side_by_side: Annotated[bool, typer.Option("--compare", help="Show the tokens side by side.")] = False,
) -> None:
    """Read a token: library, slot, limits, mechanisms, objects, and what its keys' attributes give away.

    Nothing is made, changed or used. You are told what a token that is not ours will be asked before it is, and at
    the end what was asked. Exit 1 if a token could not be read.
    """
    from workbench import inspection
    from workbench.cryptoki import CryptokiError
    from workbench.workers import WorkerError

    read: list[Inspection] = []
    failed: list[str] = []
    for name in token or ["sandbox"]:
        try:
            read.append(_read(name, login))
        except (CryptokiError, WorkerError) as error:  # the other tokens are read all the same
            failed.append(f"{name} could not be read: {error}")
    comparison = inspection.compare(read) if side_by_side and read else None
    if html is not None and read:
        from workbench import report

        report.write_inspection(html, read, comparison)
        err.print(f"page: {html}", markup=False)
    if as_json:
        print(inspection.to_json(read, comparison))
    elif comparison is not None:
        _show_comparison(comparison)
    elif html is None:
        for one in read:
            _show(one)
    for line in failed:
        err.print(Text(line))
    if failed:
        raise typer.Exit(1)


def _read(name: str, login: bool | None) -> Inspection:
    from workbench import inspection
    from workbench.tokens.origin import origin
    from workbench.workers import Worker

    found = origin(name)
    logs_in = found.has_pin_source if login is None else login
    with Worker(name, login=logs_in) as worker, progress_bar() as progress:
        task = progress.add_task(f"reading {name}", total=None)

        def announce(step: str, cost: Cost, said: str) -> None:
            progress.update(task, description=f"reading {name}: {step}")
            if found.standing != "sandbox":
                err.print(f"{step}: {said}", markup=False)

        return inspection.inspect(worker, login=logs_in, announce=announce)


def _heading(text: str) -> None:
    out.print()
    out.print(Text(text, style="bold"))


def _show(one: Inspection) -> None:
    from workbench.inspection.words import facts

    out.print(Text(f"{one.token}, policy {one.policy}", style="bold"))
    shown = table("", "")
    shown.show_header = False
    for title, value in facts(one.look):
        shown.add_row(title, Text(value))
    out.print(shown)
    _show_mechanisms(one)
    _show_objects(one)
    _show_findings(one)
    _show_calls(one)


def _show_mechanisms(one: Inspection) -> None:
    from workbench.inspection.words import key_sizes, uses

    _heading(f"Mechanisms: {len(one.mechanisms)}")
    shown = table("mechanism", "key sizes", "for")
    for row in one.mechanisms:
        shown.add_row(row.name, key_sizes(row), uses(row.info))
    out.print(shown)


def _show_objects(one: Inspection) -> None:
    from workbench.inspection.plain import plain
    from workbench.inspection.words import certificate_rows, object_flags

    seen = "" if one.logged_in else ", as seen without a login"
    which = "Objects" if one.whole else "Certificates, profiles, and the objects that the configuration names"
    _heading(f"{which}: {len(one.objects)}{seen}")
    if not one.objects:
        return
    shown = table("class", "label", "ID", "type, size", "uses", "standing")
    for thing in sorted(one.objects, key=lambda o: (o.class_number or 0, o.label, o.id)):
        certificate = certificate_rows(thing)
        kind = f"{(thing.key_type or '').removeprefix('CKK_')} {thing.size}".strip()
        if certificate is not None:
            kind = f"{certificate[0]}; {certificate[1]}; {certificate[2]}"
        shown.add_row(
            thing.object_class.removeprefix("CKO_"),
            Text(plain(thing.label)),
            thing.id.hex(),
            Text(thing.profile or thing.refused or kind),
            " ".join(thing.uses),
            object_flags(thing),
        )
    out.print(shown)


def _show_findings(one: Inspection) -> None:
    from workbench.inspection.words import findings_by_rule

    _heading(f"Findings: {len(one.findings)}")
    for f, objects in findings_by_rule(one.findings):
        section = f"{f.about} §{f.section}" if f.section else f.about
        out.print(Text(f"{f.severity.name:<7}{f.wrong} ({section})"))
        rest = [f"and {len(objects) - SHOWN} more (--json has all)"] if len(objects) > SHOWN else []
        for line in (*objects[:SHOWN], *rest):
            out.print(Text(f"         · {line}"))
        out.print(Text(f"       Why:  {f.why}"))
        out.print(Text(f"       Next: {f.remedy}"))


def _show_calls(one: Inspection) -> None:
    from workbench.inspection.words import OPENING, calls

    _heading(f"What was read: {sum(one.asked.values())} calls")
    out.print(Text(calls(one.asked)))
    out.print(Text(OPENING))
    out.print()


def _show_comparison(comparison: Comparison) -> None:
    from workbench.inspection.words import key_sizes, uses

    shown = table("", "", *comparison.tokens)
    for fact in comparison.facts:
        shown.add_row("≠" if fact.differs else "", fact.title, *map(Text, fact.values))
    out.print(shown)
    _heading(comparison.sentence)
    shown = table("", "mechanism", *comparison.tokens)
    for one in comparison.mechanisms:
        cells = ["–" if row is None else f"{key_sizes(row)} {uses(row.info)}".strip() for row in one.rows]
        shown.add_row("≠" if one.disagrees else "", one.name, *cells)
    out.print(shown)
