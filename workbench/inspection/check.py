"""One finding of the doctor."""

from __future__ import annotations

import attrs
from attrs.validators import in_

__all__ = ["STATES", "Check"]

STATES = ("ok", "note", "missing", "failed")


@attrs.frozen
class Check:
    """One finding.

    ``state``: ``ok``; ``note`` (works, with a limit, or could not be looked at); ``missing`` (something is not
    there); ``failed`` (it is there and does not work). ``remedy``: what to do, a command where there is one.
    """

    name: str
    state: str = attrs.field(validator=in_(STATES))
    detail: str
    remedy: str | None = None

    @property
    def bad(self) -> bool:
        """Whether this keeps the thing from working."""
        return self.state in ("missing", "failed")
