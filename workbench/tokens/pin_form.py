"""What a PIN looks like for one vendor, so that one that cannot be right is refused before the token counts it."""

from __future__ import annotations

import re

import attrs

__all__ = ["PinForm"]


@attrs.frozen
class PinForm:
    """The form of a user's PIN. ``description`` and ``example`` are for people, the rest is checked.

    ``pattern``: a regular expression that the whole PIN must match; ``minimum`` and ``maximum``: bytes.
    """

    description: str
    example: str | None = None
    pattern: str | None = None
    minimum: int | None = None
    maximum: int | None = None

    def why_not(self, pin: bytes) -> str | None:
        """Why this cannot be a PIN of the form, in words that do not repeat it; None when it can."""
        if self.minimum is not None and len(pin) < self.minimum:
            return f"it is shorter than {self.minimum} bytes"
        if self.maximum is not None and len(pin) > self.maximum:
            return f"it is longer than {self.maximum} bytes"
        if self.pattern is None:
            return None
        text = pin.decode("utf-8", "replace")
        if re.fullmatch(self.pattern, text, re.DOTALL) is None:
            shown = f", for example {self.example}" if self.example else ""
            return f"it does not have the form {self.description}{shown}"
        return None
