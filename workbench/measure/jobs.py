"""One thread's work: which calls, on which session and key, with the memory that they use."""

from __future__ import annotations

import secrets
from typing import Any, Self

import attrs
import numpy as np
import numpy.typing as npt

from workbench import spec
from workbench.cryptoki import Mechanism, SessionHandle, gcm
from workbench.cryptoki.library import ffi
from workbench.cryptoki.memory import new_mechanism
from workbench.measure.operations import calls_of

__all__ = ["Job", "Latencies", "Stop", "ThreadResult", "counting_gcm"]

Latencies = npt.NDArray[np.uint64]

COUNTER_BYTES = 8
IV_BYTES = 12


class Stop:
    """A flag that ends every thread of a running measurement after the call it is in."""

    def __init__(self) -> None:
        self.flag = ffi().new("int *", 0)

    def set(self) -> None:
        """Raise the flag."""
        self.flag[0] = 1


class Job:
    """An operation, ready to be called again and again by one thread at a time.

    ``operation``: a name in ``OPERATIONS``; ``capacity``: size of the output buffer in bytes, or the bytes
    to draw for ``random``; ``length_query``: ask for the output's length before each call, as many programs
    do. A CKM_AES_GCM mechanism made by ``counting_gcm`` has its IV counted up before every call, also from
    one run to the next: an IV never repeats under one key.
    """

    def __init__(
        self,
        operation: str,
        function_list: int,
        session: int,
        *,
        key: int = 0,
        mechanism: Mechanism | None = None,
        data: bytes = b"",
        capacity: int = 0,
        count_iv: bool = False,
        length_query: bool = False,
    ) -> None:
        self._asks: tuple[SessionHandle, Mechanism | None, int] | None = None
        self.operation = operation
        self.function_list = function_list
        self.session = int(session)
        self.key = key
        self.length_query = length_query
        self.data = ffi().new("CK_BYTE[]", data or b"\0")
        self.data_length = len(data)
        self.output = ffi().new("CK_BYTE[]", max(1, capacity))
        self.capacity = capacity
        self.mechanism, self._keep = (ffi().NULL, []) if mechanism is None else new_mechanism(mechanism)
        self.counter = ffi().NULL
        if count_iv:
            parameter = ffi().cast("CK_GCM_PARAMS_PTR", self.mechanism.pParameter)
            self.counter = parameter.pIv + (parameter.ulIvLen - COUNTER_BYTES)

    @classmethod
    def on(cls, session: SessionHandle, operation: str, **settings: Any) -> Self:
        """A job on a session. Errors: ``PolicyRefusal`` where the token's policy does not allow the calls."""
        made = cls(operation, session.module.function_list, session, **settings)
        made._asks = (session, settings.get("mechanism"), settings.get("key", 0))
        made.judge()
        return made

    def judge(self) -> bool:
        """Put the job's calls to the policy of its token as it is now; whether that policy keeps an account of them.

        A key that was ours when the job was made may be gone, and its handle another's. Errors: ``PolicyRefusal``.
        """
        if self._asks is None:  # not on a token: the null module
            return False
        session = self._asks[0]
        policy = session.module.policy(session.slot)
        for function in dict.fromkeys(self.calls):
            policy.judge(function, self._asks)
        return policy.attentive

    @property
    def kind(self) -> tuple[int, int, int]:
        """Mechanism, key and bytes in: what decides how long a call takes."""
        mechanism = int(self.mechanism.mechanism) if self.mechanism else 0
        return mechanism, self.key, self.data_length

    @property
    def calls(self) -> tuple[str, ...]:
        """The functions of one operation in order, each as often as it is called."""
        return calls_of(self.operation, length_query=self.length_query)

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


@attrs.frozen(eq=False)
class ThreadResult:
    """What one thread did in its measured window, ``begin_ns`` to ``end_ns`` on CLOCK_MONOTONIC.

    The window starts and ends with a whole call, at most one call past the deadline. ``latencies``: ns of
    the successful calls in order, as many as there was room for. ``errors``: calls per CKR name.
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

    @property
    def wall_s(self) -> float:
        """Seconds of the window."""
        return (self.end_ns - self.begin_ns) / 1e9

    @property
    def rate(self) -> float:
        """Successes per second: a failed call counts for nothing, however fast it failed."""
        return self.successes / self.wall_s if self.wall_s > 0 else 0.0
