"""What a run has used of its budget, what it has announced, and what makes it stop early."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from functools import cache

from workbench import spec
from workbench.cryptoki.policy import LOOKS
from workbench.faults import PolicyRefusal
from workbench.tokens.budget import Budget

__all__ = ["CLOSING", "Cost", "Spending", "creates", "describe_cost", "operations_in"]

Cost = Mapping[str, int]
"""How often each function is to be called."""

# These end what is open: they are announced like the others, but never refused.
CLOSING = frozenset(
    {"C_CloseSession", "C_CloseAllSessions", "C_Logout", "C_FindObjectsFinal", "C_SessionCancel"}
)
_UNCOUNTED = (
    LOOKS
    | CLOSING
    | {"C_OpenSession", "C_Login", "C_LoginUser", "C_GetSessionInfo", "C_GetSessionValidationFlags"}
)
# Encryption to dual functions: an operation begins with its Init call, and goes on with the others.
_OPERATION_CHAPTERS = frozenset(f"5.{number}" for number in range(8, 18))
FIRST, LAST = 8, 8  # calls whose median latencies are compared
DOUBLED, NOTICEABLE = 2.0, 0.002  # a software token's microseconds double for no reason at all
TRIPS = frozenset(
    {
        spec.value("CKR_HOST_MEMORY"),
        spec.value("CKR_SESSION_COUNT"),
        *(code.value for code in spec.constants("CKR") if code.name.startswith("CKR_DEVICE_")),
    }
)


@cache
def is_operation(function: str) -> bool:
    """Whether a call of the function counts as an operation of its own."""
    if function in _UNCOUNTED or function == "C_FindObjects":
        return False
    if spec.function(function).chapter in _OPERATION_CHAPTERS:
        return function.endswith(("Init", "Message", "MessageBegin"))
    return True


def operations_in(cost: Cost) -> int:
    """How many operations these calls are."""
    return sum(count for function, count in cost.items() if is_operation(function))


def objects_in(cost: Cost) -> int:
    """How many objects these calls make."""
    return sum(count * (2 if f == "C_GenerateKeyPair" else 1) for f, count in cost.items() if creates(f))


def describe_cost(cost: Cost) -> str:
    """The announcement: what a run will cost the device, in one line."""
    calls = ", ".join(f"{function} {count}" for function, count in cost.items() if count)
    sessions, logins = cost.get("C_OpenSession", 0), cost.get("C_Login", 0) + cost.get("C_LoginUser", 0)
    parts = [
        f"{operations_in(cost)} operations",
        f"{sessions} session{'' if sessions == 1 else 's'}",
        f"{logins} login{'' if logins == 1 else 's'}",
        f"{objects_in(cost)} objects",
        f"up to {sum(cost.values())} audit records",
    ]
    return f"{', '.join(parts)} ({calls})"


@cache
def creates(function: str) -> bool:
    """Whether the function makes an object."""
    parameters = spec.function(function).params
    return function != "C_FindObjects" and any(p.ctype == "CK_OBJECT_HANDLE_PTR" for p in parameters)


@cache
def _steady(function: str) -> bool:
    """Whether like calls take equally long: primes are found by luck, and what is stored is written to a disk."""
    writes = creates(function) or function in ("C_DestroyObject", "C_SetAttributeValue")
    return not writes and function not in CLOSING | LOOKS


class Spending:
    """The account of one run with one token; its threads share it.

    ``announced``: calls that were announced and not made yet. ``tripped``: why the token is left alone;
    ``login_failed``: why nobody logs in to it any more.
    """

    def __init__(
        self,
        name: str,
        budget: Budget,
        *,
        must_announce: bool,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.budget = budget
        self.must_announce = must_announce
        self.announced: Counter[str] = Counter()
        self.made: Counter[str] = Counter()
        self.tripped: str | None = None
        self.login_failed: str | None = None
        self._sessions: set[int] = set()
        self._opening = 0
        self._lock = threading.Lock()
        self._clock, self._sleep = clock, sleep
        self._started: float | None = None
        self._next = 0.0
        self._first: dict[Hashable, list[float]] = {}
        self._last: dict[Hashable, deque[float]] = {}

    @property
    def operations(self) -> int:
        """Operations begun so far."""
        return operations_in(self.made)

    @property
    def sessions(self) -> int:
        """Sessions open, or about to be."""
        return len(self._sessions) + self._opening

    def opened(self, session: int | None) -> None:
        """The session that C_OpenSession was asked for: its handle, or None where the token gave none."""
        with self._lock:
            self._opening -= 1
            if session is not None:
                self._sessions.add(session)

    def closed(self, session: int | None = None) -> None:
        """A session is closed; None: all of them are."""
        with self._lock:
            if session is None:
                self._sessions.clear()
            self._sessions.discard(session or 0)

    def announce(self, cost: Cost) -> None:
        """Take note of calls to come. Errors: ``PolicyRefusal`` when they are more than the budget has left."""
        with self._lock:
            self._announce(cost)

    def _announce(self, cost: Cost) -> None:
        ahead = self.announced + Counter(cost)
        self._within("max_operations", self.operations + operations_in(ahead), "operations")
        self._within("max_logins", self._logins(self.made) + self._logins(ahead), "logins")
        self._within("max_sessions", self.sessions + ahead["C_OpenSession"], "sessions")
        self._within("max_objects", objects_in(self.made) + objects_in(ahead), "objects")
        self.announced = ahead

    def before(self, function: str, count: int = 1, spare: int = 0) -> None:
        """Account for calls about to be made; waits where the rate demands it.

        ``spare``: operations that the budget must have left behind them, for what has to follow.
        Errors: ``PolicyRefusal`` where they are beyond the budget or were not announced.
        """
        if function in LOOKS:
            return
        with self._lock:
            wait = 0.0 if function in CLOSING else self._admit(function, count, spare)
            self.made[function] += count
            self.announced[function] = max(0, self.announced[function] - count)
            if function == "C_OpenSession":
                self._opening += count
        if wait > 0:  # outside the lock: closing never waits
            self._sleep(wait)

    def _admit(self, function: str, count: int, spare: int) -> float:
        """Refuse what is too much; of the rest, how many seconds it has to wait."""
        self._unharmed(function)
        if self.must_announce and self.announced[function] < count:
            raise PolicyRefusal(
                f"{function} was not announced: token {self.name!r} is in production, "
                "where every call is told beforehand; use workbench inspect or workbench bench"
            )
        if function == "C_OpenSession":
            self._within("max_sessions", self.sessions + count, "sessions at a time")
        if function in ("C_Login", "C_LoginUser"):
            self._within("max_logins", self._logins(self.made) + count, "logins")
        if creates(function):
            self._within("max_objects", objects_in(self.made) + count * objects_in({function: 1}), "objects")
        self._in_time(function)
        if not is_operation(function):
            return 0.0
        self._within("max_operations", self.operations + count + spare, "operations")
        return self._pace(count)

    def left_for(self, function: str) -> int:
        """How many operations that begin with this function may be made now, without a pace.

        Errors: ``PolicyRefusal`` for none, which says why.
        """
        with self._lock:
            self._unharmed(function)
            self._in_time(function)
            self._within("max_operations", self.operations + 1, "operations")
            limit = self.budget.max_operations
            return 2**62 if limit is None else limit - self.operations

    def _unharmed(self, function: str) -> None:
        if self.tripped is not None:
            raise PolicyRefusal(
                f"{function} was not made: {self.tripped}, and token {self.name!r} is left alone since"
            )

    def after(self, function: str, rv: int, seconds: float, alike: Hashable = None) -> None:
        """Learn an answer: it may be a sign that the device has had enough.

        ``alike``: calls of the function with the same value (mechanism, key, size) should take equally long.
        """
        with self._lock:
            self._judge(function, rv, seconds, alike)

    def _judge(self, function: str, rv: int, seconds: float, alike: Hashable) -> None:
        if rv in TRIPS:
            self.tripped = f"the token answered {spec.name('CKR', rv)} to {function}"
        elif not rv and _steady(function):
            self._watch(function, (function, alike), seconds)

    def _watch(self, function: str, kind: Hashable, seconds: float) -> None:
        first = self._first.setdefault(kind, [])
        if len(first) < FIRST:
            first.append(seconds)
            return
        last = self._last.setdefault(kind, deque(maxlen=LAST))
        last.append(seconds)
        before, now = statistics.median(first), statistics.median(last)
        # above all of the first ones, too: a busy disk makes single calls slow from the beginning
        if len(last) == LAST and now > max(DOUBLED * before, before + NOTICEABLE, *first):
            self.tripped = f"{function} takes {now * 1000:.1f} ms now, and took {before * 1000:.1f} ms"

    def _within(self, limit: str, wanted: int, what: str) -> None:
        allowed = getattr(self.budget, limit)
        if allowed is not None and wanted > allowed:
            raise PolicyRefusal(
                f"the budget of token {self.name!r} has {allowed} {what}, and this would be number {wanted}; "
                f"raise {limit} in workbench.toml if the device can bear it"
            )

    def _in_time(self, function: str) -> None:
        now = self._clock()
        self._started = now if self._started is None else self._started
        limit = self.budget.max_seconds
        if limit is not None and now - self._started > limit:
            raise PolicyRefusal(
                f"{function} was not made: token {self.name!r} gives a run {limit:g} s, and they are over"
            )
        window = self.budget.window
        if window is not None and not window.contains(datetime.now().astimezone()):
            raise PolicyRefusal(
                f"{function} was not made: token {self.name!r} may be used {window} only (local time)"
            )

    def _pace(self, count: int) -> float:
        if self.budget.max_rate is None:
            return 0.0
        now = self._clock()
        due = max(now, self._next)
        self._next = due + count / self.budget.max_rate
        return due - now

    @staticmethod
    def _logins(calls: Mapping[str, int]) -> int:
        return calls.get("C_Login", 0) + calls.get("C_LoginUser", 0)
