"""Progress of long work inside a notebook: shown to a person, never stored.

A bar is drawn only where somebody is looking at a live front end. Under papermill, nbval, nbconvert and in CI
nothing is printed, so outputs stay the same from run to run. It is one display that is updated in place (no
widget, no JavaScript) and taken away at the end.
"""

from __future__ import annotations

import html
import os
import time
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

__all__ = ["Progress", "is_live", "track"]

_T = TypeVar("_T")

_INTERVAL: Final = 0.1
"""Seconds between two drawings; a front end gains nothing from more."""


def is_live() -> bool:
    """Whether a person watches this kernel.

    A front end says so with every request: one that can ask its user for input (`allow_stdin`) has a user.
    papermill, nbclient, nbconvert and nbval send False.
    """
    if os.environ.get("CI"):
        return False
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    kernel = getattr(get_ipython(), "kernel", None)
    return bool(getattr(kernel, "_allow_stdin", False))


class Progress:
    """A context manager that draws how far the work has come.

    with Progress(total=8, label="signing") as progress:
        for plan in plans:
            progress.advance(note=plan.name)
    """

    def __init__(self, total: int, label: str = "") -> None:
        self.total = total
        self.label = label
        self.done = 0
        self._note = ""
        self._drawn = 0.0
        self._display: Any = None

    def __enter__(self) -> Self:
        if is_live():
            from IPython.display import HTML, display

            self._display = display(HTML(self._bar()), display_id=True)  # type: ignore[no-untyped-call]
        return self

    def advance(self, by: int = 1, note: str = "") -> None:
        """Count work as done; `note` says what is at hand."""
        self.done = min(self.done + by, self.total)
        self._note = note or self._note
        if self._display is not None and time.monotonic() - self._drawn >= _INTERVAL:
            self._drawn = time.monotonic()
            self._update(self._bar())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._display is not None:
            self._update("")
            self._display = None

    def _update(self, markup: str) -> None:
        from IPython.display import HTML

        self._display.update(HTML(markup))  # type: ignore[no-untyped-call]

    def _bar(self) -> str:
        words = " ".join(filter(None, [self.label, f"{self.done} of {self.total}", self._note]))
        return f'<progress value="{self.done}" max="{self.total}"></progress> {html.escape(words)}'


def track(work: Iterable[_T], total: int, label: str = "") -> Iterator[_T]:
    """Iterate over `work`, drawing progress."""
    with Progress(total, label) as progress:
        for item in work:
            yield item
            progress.advance()
