"""One thread's work: which calls, on which session and key, with the memory that they use."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, Literal, Self

import attrs
import numpy as np
import numpy.typing as npt

from workbench import spec
from workbench.cryptoki import Mechanism, Module, Secret, SessionHandle, gcm
from workbench.cryptoki.attributes import Row
from workbench.cryptoki.library import ffi
from workbench.cryptoki.memory import attribute_array, new_mechanism
from workbench.faults import PolicyRefusal
from workbench.measure.operations import ALONE, CLEANING, calls_of

__all__ = [
    "Job",
    "Latencies",
    "Limits",
    "Lists",
    "Stop",
    "ThreadResult",
    "Work",
    "counting_gcm",
    "throughput",
]

Latencies = npt.NDArray[np.uint64]

COUNTER_BYTES = 8
IV_BYTES = 12
# CK_C_INITIALIZE_ARGS with CKF_OS_LOCKING_OK; NSS reads one member more than the structure has: it stays zero
OS_LOCKING_OK = spec.value("CKF_OS_LOCKING_OK")
SPARE_MEMBER = 8


class Stop:
    """A flag that ends every thread of a running measurement after the call it is in."""

    def __init__(self) -> None:
        self.flag = ffi().new("int *", 0)

    def set(self) -> None:
        """Raise the flag."""
        self.flag[0] = 1


@attrs.frozen
class Lists:
    """The addresses of a module's function lists: v2.40's, and v3.2's, or 0 where it has none."""

    v2_40: int
    v3_2: int = 0

    @classmethod
    def of(cls, module: Module) -> Self:
        """Those of a loaded module."""
        return cls(module.function_list, module.function_list_3_2)


@attrs.frozen
class Work:
    """What a thread asks for again and again, as plain values.

    ``operation``: a name in ``OPERATIONS``. ``key``: the handle that it works with (wrap, unwrap: the wrapping
    key; derive: the base key; attributes: the object); ``target``: the key that is wrapped. ``data``: what is
    worked on (unwrap: the wrapped key; decapsulate: the ciphertext; login: the PIN); ``signature``: what verify
    verifies. ``templates``: the rows of what is made (of a pair: public, private) or sought, or read with so many
    bytes of room each. ``capacity``: bytes of room for the output; of random: to draw; of find: handles asked for.

    ``count_iv``: the IV of a CKM_AES_GCM made by ``counting_gcm`` is counted up before every call, also from one
    run to the next: no IV comes twice under one key. ``fresh_iv``: it is zero before every call, for a token that
    makes the IV and writes it there. ``timed``, ``parts`` and ``length_query``: as in a ``Case``. ``slot`` and
    ``flags``: of session; ``flags`` of login: the CKU number. ``init_string``: of initialize.
    """

    operation: str
    mechanism: Mechanism | None = None
    key: int = 0
    target: int = 0
    data: bytes | Secret = b""
    signature: bytes = b""
    templates: tuple[tuple[Row, ...], ...] = ()
    capacity: int = 0
    count_iv: bool = False
    fresh_iv: bool = False
    timed: Literal["all", "init", "rest"] = "all"
    parts: int = 0
    length_query: bool = False
    slot: int = 0
    flags: int = 0
    init_string: str | None = None

    @property
    def calls(self) -> tuple[str, ...]:
        """The functions of one operation in order, each as often as it is called."""
        return calls_of(self.operation, self.parts, self.length_query)


class Job:
    """Work on a session, in the memory that the calls use; called again and again by one thread at a time."""

    def __init__(self, work: Work, lists: Lists, session: int) -> None:
        self._on: SessionHandle | None = None
        self.work = work
        self.calls = work.calls
        self.lists = lists
        self.session = int(session)
        data = work.data.reveal() if isinstance(work.data, Secret) else work.data
        self.data = ffi().new("CK_BYTE[]", data or b"\0")
        self.data_length = len(data)
        self.signature = ffi().new("CK_BYTE[]", work.signature or b"\0")
        self.output = ffi().new(*self._room())
        self.templates = [attribute_array(rows) for rows in work.templates]
        self.mechanism, self._keep = (
            (ffi().NULL, []) if work.mechanism is None else new_mechanism(work.mechanism)
        )
        self.counter = self.fresh_iv = ffi().NULL
        if work.count_iv or work.fresh_iv:
            parameter = ffi().cast("CK_GCM_PARAMS_PTR", self.mechanism.pParameter)
            if work.count_iv:
                self.counter = parameter.pIv + (parameter.ulIvLen - COUNTER_BYTES)
            else:
                self.fresh_iv = ffi().cast("CK_BYTE *", parameter.pIv)
        self.arguments, self._arguments = self._initialization()

    def _room(self) -> tuple[str, int]:
        if self.work.operation == "find":
            return "CK_OBJECT_HANDLE[]", max(1, self.work.capacity)
        return "CK_BYTE[]", max(1, self.work.capacity)

    def _initialization(self) -> tuple[Any, list[Any]]:
        if self.work.operation != "initialize":
            return ffi().NULL, []
        room = ffi().new("char[]", ffi().sizeof("CK_C_INITIALIZE_ARGS") + SPARE_MEMBER)
        arguments = ffi().cast("CK_C_INITIALIZE_ARGS_PTR", room)
        arguments.flags = OS_LOCKING_OK
        if self.work.init_string is None:
            return arguments, [room]
        text = ffi().new("char[]", self.work.init_string.encode())
        arguments.pReserved = text
        return arguments, [room, text]

    @classmethod
    def on(cls, session: SessionHandle, work: Work) -> Self:
        """A job on a session. Errors: ``PolicyRefusal`` where the token's policy does not allow the calls."""
        made = cls(work, Lists.of(session.module), session)
        made._on = session
        made.judge()
        return made

    def judge(self) -> bool:
        """Put the job's calls to the policy of its token as it is now; whether that policy keeps an account of them.

        A key that was ours when the job was made may be gone, and its handle another's. Errors: ``PolicyRefusal``.
        """
        if self._on is None:  # not on a token: the null module
            return False
        policy = self._on.module.policy(self._on.slot)
        once = dict.fromkeys(self.calls)
        if policy.attentive and (self.operation in {*ALONE, "session"} or CLEANING & once.keys()):
            raise PolicyRefusal(
                f"{self.operation} is not done in a loop on a token that is not ours: "
                "it would fill the token, or end what others are doing"
            )
        for function in once:
            policy.judge(function, self._asked(function, self._on))
        return policy.attentive

    def _asked(self, function: str, session: SessionHandle) -> tuple[Any, ...]:
        """A call's arguments as the bindings take them, as far as a policy looks at them."""
        work = self.work
        match function:
            case "C_WrapKey":
                return session, work.mechanism, work.key, work.target
            case "C_FindObjectsInit":
                return session, [row for rows in work.templates for row in rows]
            case "C_GetAttributeValue":
                return session, work.key, [row for rows in work.templates for row in rows]
            case _:
                return session, work.mechanism, work.key

    @property
    def kind(self) -> tuple[int, int, int]:
        """Mechanism, key and bytes in: what decides how long a call takes."""
        mechanism = int(self.mechanism.mechanism) if self.mechanism else 0
        return mechanism, self.key, self.data_length

    @property
    def operation(self) -> str:
        """The operation's name."""
        return self.work.operation

    @property
    def key(self) -> int:
        """The handle that the operation works with."""
        return self.work.key

    @property
    def capacity(self) -> int:
        """Bytes of room for the output, to draw, or handles to ask for."""
        return self.work.capacity

    @property
    def length_query(self) -> bool:
        """Whether the output's length is asked for before each call."""
        return self.work.length_query

    @property
    def module(self) -> Module | None:
        """The module of a job on a token; None on the null module."""
        return None if self._on is None else self._on.module

    @property
    def iv_count(self) -> int:
        """The counter in the last eight bytes of the IV, for a job that counts it."""
        return int.from_bytes(ffi().buffer(self.counter, COUNTER_BYTES)[:], "big")


def counting_gcm(user: int) -> Mechanism:
    """CKM_AES_GCM for one of several users of a key: an IV of 4 bytes of prefix and 8 bytes of counter from 0.

    Half of the prefix is the user's number, so that two users never meet; half is random.
    """
    prefix = user.to_bytes(2, "big") + secrets.token_bytes(IV_BYTES - COUNTER_BYTES - 2)
    return Mechanism(spec.value("CKM_AES_GCM"), gcm(prefix + bytes(COUNTER_BYTES)))


@attrs.frozen
class Limits:
    """When a run ends, and what is written down; times in ns.

    ``duration`` 0: no deadline. ``count``: measured calls of each thread, 0 for any number. ``samples``: latencies
    kept of each thread. ``give_up``: errors in a row after which a thread stops. ``interval``: of an open loop,
    between two due times of one thread; 0: a closed loop. ``ends``: whether the end of every call is kept. ``turn``: of
    processes that share a rate, the number of this one, from 0, and how many there are.
    """

    duration: int
    count: int
    warmup: int
    samples: int
    give_up: int
    interval: int = 0
    ends: bool = False
    turn: tuple[int, int] = (0, 1)

    def phase(self, thread: int, threads: int) -> int:
        """When a thread's first call of the measured window is due after its begin: those of all threads are evenly spread.

        Each is in the middle of its share of the interval: rounding moves none over the edge of a window.
        """
        number, processes = self.turn
        return self.interval * (2 * (thread * processes + number) + 1) // (2 * threads * processes)


def _none() -> Latencies:
    return np.empty(0, dtype=np.uint64)


@attrs.frozen(eq=False)
class ThreadResult:
    """What one thread did in its measured window, ``begin_ns`` to ``end_ns`` on CLOCK_MONOTONIC.

    The window of a closed loop starts and ends with a whole call, at most one call past the deadline; that of an open
    loop which keeps up is as long as it was to be, and has every call that was due in it. ``errors``: calls per CKR
    name. ``latencies``: ns of the successful calls in order, as many as there was room for: in a closed loop of the
    calls themselves (service time), in an open loop from the moment they were due (response time).

    ``services``: of an open loop, the service times of the same calls. ``ends``: when each of them ended
    (CLOCK_MONOTONIC, ns), where that was asked for. ``aside_ns``: time of the window spent in calls that the clock
    was not on (C_DestroyObject, and what ``timed`` leaves out). ``overdue``: of an open loop, calls that were due in
    the window and had not begun at its end: the token did not keep up.
    """

    successes: int
    failures: int
    errors: dict[str, int]
    begin_ns: int
    end_ns: int
    cpu_ns: int
    warmup_calls: int
    gave_up: bool
    latencies: Latencies
    services: Latencies = attrs.field(factory=_none)
    ends: Latencies = attrs.field(factory=_none)
    aside_ns: int = 0
    overdue: int = 0

    @property
    def wall_s(self) -> float:
        """Seconds of the window."""
        return (self.end_ns - self.begin_ns) / 1e9

    @property
    def rate(self) -> float:
        """Successes per second: a failed call counts for nothing, however fast it failed."""
        return self.successes / self.wall_s if self.wall_s > 0 else 0.0


def throughput(results: Sequence[ThreadResult]) -> float:
    """Successes per second of threads that ran side by side.

    A thread's time ends with its own last call: that of another one may last longer. It begins with the first of
    them all, or later by one call of its own at most, the last one of the warm-up. A thread that waits for a CPU
    or for the token while others have it is a part of the whole all the same: by its own window alone, more threads
    than cores would seem to do more than all cores can.
    """
    begin = min(result.begin_ns for result in results)
    return sum(_rate_since(result, begin) for result in results)


def _rate_since(result: ThreadResult, begin_ns: int) -> float:
    longest = int(result.latencies.max()) if len(result.latencies) else 0
    aside = result.aside_ns // max(1, result.successes + result.failures)
    wall = result.end_ns - min(result.begin_ns, begin_ns + longest + aside)
    return result.successes / wall * 1e9 if wall > 0 else 0.0
