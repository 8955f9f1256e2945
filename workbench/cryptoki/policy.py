"""What may be asked of a token: the first station on the path of every call.

A slot that nobody vouched for has the policy ``REFUSE``: it may be looked at, nothing more. ``tokens`` puts
another policy in its place when it opens a token that it made or that the user declared.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import attrs

from workbench import spec
from workbench.faults import PolicyRefusal

__all__ = ["LOOKS", "REFUSE", "FunctionList", "Policy", "allow_all"]

RW = spec.value("CKF_RW_SESSION")

# Calls that need no session: they read what the library knows of its slots and tokens, and use nothing up.
LOOKS = frozenset(
    {
        "C_Initialize",
        "C_Finalize",
        "C_GetInfo",
        "C_GetFunctionList",
        "C_GetInterfaceList",
        "C_GetInterface",
        "C_GetSlotList",
        "C_GetSlotInfo",
        "C_GetTokenInfo",
        "C_GetMechanismList",
        "C_GetMechanismInfo",
        "C_WaitForSlotEvent",
    }
)
# With these a stranger's token can be looked at, nothing in it being changed.
READS = LOOKS | {"C_OpenSession", "C_CloseSession", "C_GetSessionInfo"}
EVERYTHING = frozenset(f.name for f in spec.functions())


class Policy(ABC):
    """What stands between a caller and a token.

    ``read_write``: whether sessions may write. ``attentive``: whether ``answered`` is to be told of every answer; ``paced``: whether calls must be made
    one by one, each of them reserved before; ``announces``: whether calls must be announced. A policy that is neither costs a call next to nothing.
    """

    name: str
    read_write: bool
    attentive: bool = False
    paced: bool = False
    announces: bool = False
    most_sessions: int = 2**31

    @abstractmethod
    def check(self, function: str, arguments: Sequence[Any]) -> None:
        """Let the call pass, or raise ``PolicyRefusal``; nothing has reached the module then.

        ``arguments``: as the bindings take them (``NativeBinding.invoke``).
        """

    def judge(self, function: str, arguments: Sequence[Any]) -> None:
        """Whether a call like this may be made at all, without accounting for one. Errors: ``PolicyRefusal``."""
        self.check(function, arguments)

    def answered(  # noqa: B027 - most policies have nothing to learn from an answer
        self, function: str, arguments: Sequence[Any], rv: int, results: Sequence[Any], seconds: float
    ) -> None:
        """Learn what the module answered, and how long that took."""

    def ended(self) -> None:  # noqa: B027
        """Learn that the library was finalised or started anew: sessions and handles are gone."""

    def reserve(self, calls: Mapping[str, int]) -> int:
        """How many rounds of these calls (their number in each round) the load kernel may make now.

        The judgement of the calls themselves is ``check``'s, beforehand. Errors: ``PolicyRefusal`` for none.
        """
        return 2**62

    def spent(  # noqa: B027
        self,
        calls: Mapping[str, int],
        rounds: int,
        errors: Mapping[str, int],
        seconds: float,
        alike: Hashable = None,
    ) -> None:
        """Learn how many of the reserved rounds were made, which codes failures had, and the median latency.

        ``alike``: rounds with the same value (key, mechanism, threads) should take equally long.
        """


@attrs.frozen
class FunctionList(Policy):
    """The functions that a token may be asked, and whether sessions may be read/write."""

    name: str
    functions: frozenset[str]
    read_write: bool = False

    def check(self, function: str, arguments: Sequence[Any]) -> None:
        """Whether the function is on the list."""
        if function not in self.functions:
            raise PolicyRefusal(
                f"{function} is refused on this token: its policy is {self.name!r}, which allows "
                "looking only; open a sandbox token by its name (workbench tokens lists them)"
            )
        if function == "C_OpenSession" and not self.read_write and int(arguments[1]) & RW:
            raise PolicyRefusal(
                f"C_OpenSession: policy {self.name!r} allows read-only sessions alone; leave CKF_RW_SESSION out"
            )


REFUSE: Policy = FunctionList("refuse", READS)


def allow_all(name: str) -> Policy:
    """The policy of a token that is ours to use up: every function."""
    return FunctionList(name, EVERYTHING, read_write=True)
