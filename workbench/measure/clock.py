"""How long a run will still take, from what its steps were planned to take and took."""

from __future__ import annotations

__all__ = ["Clock"]


class Clock:
    """The time of steps to come: what they are planned for, and what the finished ones took beyond that.

    ``kind``: steps that cost alike beyond their length (a block on one token, a floor).
    """

    def __init__(self) -> None:
        self._left: dict[str, float] = {}
        self._steps: dict[str, int] = {}
        self._beyond: dict[str, list[float]] = {}

    def plan(self, kind: str, seconds: float) -> None:
        """A step of this kind is to come."""
        self._left[kind] = self._left.get(kind, 0.0) + seconds
        self._steps[kind] = self._steps.get(kind, 0) + 1

    def took(self, kind: str, planned: float, seconds: float) -> None:
        """A planned step is over."""
        self._left[kind] -= planned
        self._steps[kind] -= 1
        self._beyond.setdefault(kind, []).append(seconds - planned)

    @property
    def left(self) -> float:
        """Seconds, for all steps to come; of kinds that have not begun, what they are planned for."""
        everything = [value for values in self._beyond.values() for value in values]
        found = 0.0
        for kind, seconds in self._left.items():
            beyond = self._beyond.get(kind) or everything
            found += seconds + self._steps[kind] * (sum(beyond) / len(beyond) if beyond else 0.0)
        return max(0.0, found)
