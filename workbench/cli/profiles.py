"""What is known of the vendors' modules: `profile list` and `profile show`."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from typing import Annotated, Any

import attrs
import typer
from rich.markup import escape

from workbench.cli.base import AsJson, app, out, print_json, table
from workbench.tokens.profile import Encodings, Evidence, Limits, Profile, Switches, Templates

__all__: list[str] = []

profile_app = typer.Typer(help="What is known of the vendors' modules.", no_args_is_help=True)
app.add_typer(profile_app, name="profile")

Row = tuple[str, str, Evidence | None]


@profile_app.command("list")
def list_profiles(as_json: AsJson = False) -> None:
    """The vendors' modules that there is a profile of, and which of them are on this system."""
    from workbench.tokens.profiles import profiles

    known = profiles().values()
    if as_json:
        print_json([_brief(one) for one in known])
        return
    shown = table("profile", "implementation", "vendor", "here")
    for one in known:
        here = one.module.found()
        shown.add_row(one.slug, escape(one.name), escape(one.vendor), escape(str(here[0])) if here else "")
    out.print(shown)


@profile_app.command("show")
def show_profile(
    name: Annotated[str, typer.Argument(help="A profile's name; workbench profile list shows them.")],
    as_json: AsJson = False,
) -> None:
    """Everything that is known of one vendor's module, and of each thing how it is known."""
    from workbench.tokens.profiles import profile

    chosen = profile(name)
    if as_json:
        print_json(_whole(chosen))
        return
    out.print(f"{chosen.name}, by {chosen.vendor}", markup=False)
    sources: dict[str, int] = {}
    for title, rows in _sections(chosen):
        if rows:
            out.print(f"\n{title}", style="bold")
            shown = table("", "", "how it is known")
            for label, text, evidence in rows:
                shown.add_row(escape(label), escape(text), escape(_known(evidence, sources)))
            out.print(shown)
    if sources:
        out.print("\nSources", style="bold")
    for source, number in sources.items():
        out.print(f"({number}) {source}", markup=False, soft_wrap=True)


def _known(evidence: Evidence | None, sources: dict[str, int]) -> str:
    """The status, on which version or day, and the number of the source in the list below the page."""
    if evidence is None:
        return ""
    told = f"{evidence.status}, {evidence.seen_on or evidence.date}"
    if evidence.source is None:
        return told
    return f"{told} ({sources.setdefault(evidence.source, len(sources) + 1)})"


def _brief(one: Profile) -> dict[str, Any]:
    return {
        "profile": one.slug,
        "name": one.name,
        "vendor": one.vendor,
        "here": [str(path) for path in one.module.found()],
    }


def _whole(one: Profile) -> dict[str, Any]:
    def plain(kind: object, field: object, value: object) -> object:
        return value.isoformat() if isinstance(value, datetime.date) else value

    made = attrs.asdict(one, value_serializer=plain)
    made["here"] = {
        "module": [str(path) for path in one.module.found()],
        "environment": {variable.name: variable.name in os.environ for variable in one.environment},
    }
    return made


def _sections(one: Profile) -> list[tuple[str, list[Row]]]:
    return [
        ("Module", list(_module(one))),
        ("Environment", list(_environment(one))),
        ("Configuration files", list(_configuration(one))),
        ("PIN", list(_pin(one))),
        ("Templates", list(_rules(one.templates))),
        ("Encodings", list(_rules(one.encodings))),
        ("Limits", list(_rules(one.limits))),
        ("Deviations that the workbench allows for", list(_rules(one.switches))),
        (
            "Failures",
            [(f"{f.function}, {f.code}", f"{f.cause}: {f.remedy}", f.evidence) for f in one.failures],
        ),
        ("Facts", [(fact.topic, fact.text, fact.evidence) for fact in one.facts]),
    ]


def _module(one: Profile) -> Iterator[Row]:
    found = one.module.found()
    for path in found:
        yield "here", str(path), one.module.evidence
    if not found:
        for pattern in one.module.patterns:
            yield "not here", pattern, one.module.evidence
        if not one.module.patterns:
            yield "not here", "no place is known on this system", None
    if one.module.install:
        yield "install", one.module.install, None


def _environment(one: Profile) -> Iterator[Row]:
    for variable in one.environment:
        # The value stays away, whatever the kind: a text may hold a password too.
        state = "set" if variable.name in os.environ else "not set"
        notes = [state, *(["required"] if variable.required else [])]
        if variable.default is not None:
            notes.append(f"default {variable.default}")
        yield variable.name, f"{variable.meaning} ({', '.join(notes)})", variable.evidence


def _configuration(one: Profile) -> Iterator[Row]:
    for file in one.configuration:
        places = [f"${file.named_by}"] if file.named_by else []
        notes = [*(["required"] if file.required else []), *(["closed to others"] if file.private else [])]
        told = f"{file.meaning}{' (' + ', '.join(notes) + ')' if notes else ''}"
        yield " or ".join([*places, *file.paths]), told, file.evidence


def _pin(one: Profile) -> Iterator[Row]:
    rules = one.pin
    text = rules.form.description + (f", for example {rules.form.example}" if rules.form.example else "")
    yield "form", text, rules.evidence
    if rules.locks_after is not None:
        yield "wrong PINs", f"lock after {rules.locks_after}" if rules.locks_after else "never lock", None
    if rules.protected_path:
        yield "entered", "at the device (protected authentication path)", None


def _rules(part: Templates | Encodings | Limits | Switches | None) -> Iterator[Row]:
    """What differs from the ordinary, one row each; the names are the fields' own."""
    if part is None:
        return
    for field in attrs.fields(type(part)):
        value = getattr(part, field.name)
        ordinary = field.default.factory() if isinstance(field.default, attrs.Factory) else field.default  # type: ignore[arg-type]
        if field.name == "evidence" or value == ordinary:
            continue
        yield field.name.replace("_", " "), _words(value), part.evidence


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, dict):
        return ", ".join(f"{name}={_words(one)}" for name, one in value.items())
    return str(value)
