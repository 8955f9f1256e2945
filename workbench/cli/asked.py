"""What stood on the command line, as arguments: for a run to record, and to find options that do not go together."""

from __future__ import annotations

import typer

__all__ = ["given"]


def given(context: typer.Context) -> dict[str, list[str]]:
    """The options of the command that were given, not left at their defaults: name of the parameter → its arguments."""
    found: dict[str, list[str]] = {}
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE":
            continue
        value, option = context.params[name], parameter.opts[0]
        if value is False:
            found[name] = parameter.secondary_opts[:1]
        elif value is True:
            found[name] = [option]
        else:
            values = value if isinstance(value, list) else [value]
            found[name] = [text for one in values for text in (option, _text(one))]
    return found


def _text(value: object) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)
