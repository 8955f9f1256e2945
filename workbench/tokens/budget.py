"""What a run may cost somebody's device: counted before it begins, and held while it runs."""

from __future__ import annotations

import datetime
import re

import attrs

from workbench.faults import WorkbenchError

__all__ = ["Budget", "Window", "parse_window"]


@attrs.frozen
class Window:
    """The hours of the day, in local time, in which a device may be used. An end before the start is the next day's."""

    start: datetime.time
    end: datetime.time

    def contains(self, moment: datetime.datetime) -> bool:
        """Whether the moment (in local time) lies in it; the end itself does not."""
        now = moment.time()
        if self.start <= self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"


def parse_window(text: str) -> Window:
    """Read ``HH:MM-HH:MM``.

    Errors: ``WorkbenchError`` for anything else, and for a window without length.
    """
    hour = r"((?:[01][0-9]|2[0-3]):[0-5][0-9])"
    found = re.fullmatch(f"{hour}-{hour}", text)
    if found is None or found[1] == found[2]:
        raise WorkbenchError("a window is two different times of the day, as in 22:00-05:00")
    return Window(datetime.time.fromisoformat(found[1]), datetime.time.fromisoformat(found[2]))


@attrs.frozen
class Budget:
    """The most that one run may ask of a device; None is no limit.

    ``max_sessions`` open at once, ``max_rate`` operations per second, ``max_operations`` and ``max_objects``
    made in all, ``max_seconds`` from the first call, ``max_logins`` in all, ``window`` the hours of the day.
    """

    max_sessions: int | None = None
    max_rate: float | None = None
    max_operations: int | None = None
    max_seconds: float | None = None
    max_objects: int | None = None
    max_logins: int | None = None
    window: Window | None = None

    def __str__(self) -> str:
        limits = (
            (self.max_sessions, "sessions"),
            (self.max_rate, "operations per second"),
            (self.max_operations, "operations"),
            (self.max_seconds, "s"),
            (self.max_objects, "objects"),
            (self.max_logins, "logins"),
        )
        words = [f"{limit:,g} {unit}" for limit, unit in limits if limit is not None]
        return ", ".join([*words, *([f"from {self.window}"] if self.window else [])]) or "no limit"

    @classmethod
    def guest(cls) -> Budget:
        """Somebody's token: enough for a lesson or a short measurement."""
        return cls(max_sessions=4, max_operations=100_000, max_seconds=600, max_objects=20, max_logins=2)

    @classmethod
    def production(cls) -> Budget:
        """A device that others depend on: enough to look, and to try out a key that was named."""
        return cls(max_sessions=1, max_rate=10, max_operations=1000, max_objects=0, max_logins=1)
