"""The one environment of every page: what a token says is escaped, and a name that is missing is an error."""

from __future__ import annotations

import jinja2

__all__ = ["ENVIRONMENT"]

ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("workbench.report"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
