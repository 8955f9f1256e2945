"""What this process has learnt of the handles of a token's objects, and when it has to forget it.

A number that was one object's handle may be another's later: what is known of it lasts as long as the standard
promises that the handle does (5.6, 5.7), and not longer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import attrs

__all__ = ["Handles", "Known"]


@attrs.frozen
class Known:
    """What is known of one handle.

    ``own``: this run made the object. ``removable``: another run did, whose objects may be removed.
    ``stored``: whether it is a token object, None where nobody has looked. ``session``: where it was made or
    found. ``kind``: its CKA_CLASS in bytes. ``uses``: what the configuration names it for.
    """

    session: int
    own: bool = False
    removable: bool = False
    stored: bool | None = None
    kind: bytes | None = None
    uses: frozenset[str] = frozenset()


class Handles:
    """The handles of one token in one library; several threads may ask and tell."""

    def __init__(self) -> None:
        self._known: dict[int, Known] = {}
        self._lock = threading.Lock()

    def get(self, handle: int) -> Known:
        """What is known of a handle; of a stranger, nothing that would allow anything."""
        return self._known.get(handle, _STRANGER)

    def made(self, handle: int, session: int, stored: bool) -> None:
        """An object that this run made: whatever the number was before, it is this now."""
        with self._lock:
            self._known[handle] = Known(session, own=True, stored=stored)

    def learn(
        self,
        handle: int,
        session: int,
        *,
        own: bool = False,
        removable: bool = False,
        stored: bool | None = None,
        kind: bytes | None = None,
        uses: frozenset[str] | None = None,
    ) -> None:
        """Add to what is known: what is False or None here says nothing new."""
        with self._lock:
            known = self._known.get(handle) or Known(session)
            self._known[handle] = attrs.evolve(
                known,
                own=known.own or own,
                removable=known.removable or removable,
                stored=known.stored if stored is None else stored,
                kind=kind or known.kind,
                uses=known.uses if uses is None else uses,
            )

    def destroyed(self, handle: int) -> None:
        """The object is gone."""
        self._forget(lambda number, known: number == handle)

    def session_closed(self, session: int) -> None:
        """Session objects went with their session; what may have been one is forgotten with it."""
        self._forget(
            lambda number, known: known.stored is None or (not known.stored and known.session == session)
        )

    def clear(self) -> None:
        """Nobody is logged in any more, or no session is open: no handle need mean what it did."""
        self._forget(lambda number, known: True)

    def _forget(self, gone: Callable[[int, Known], bool]) -> None:
        with self._lock:
            self._known = {n: known for n, known in self._known.items() if not gone(n, known)}


_STRANGER = Known(0)
