"""What may be asked of a token: the first station on the path of every call.

A slot that nobody vouched for has the policy ``REFUSE``: it may be looked at, nothing more. ``tokens`` puts
another policy in its place when it opens a token that it made or that the user declared.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from workbench import spec
from workbench.faults import PolicyRefusal

__all__ = ["REFUSE", "Policy", "allow_all"]

RW = spec.value("CKF_RW_SESSION")

# Calls that change nothing and use nothing up, so that a stranger's token can be looked at.
READS = frozenset(
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
        "C_OpenSession",
        "C_CloseSession",
        "C_GetSessionInfo",
    }
)
EVERYTHING = frozenset(f.name for f in spec.functions())


@attrs.frozen
class Policy:
    """The functions that a token may be asked, and whether sessions may be read/write."""

    name: str
    functions: frozenset[str]
    read_write: bool = False

    def check(self, function: str, arguments: Sequence[object]) -> None:
        """Let the call pass, or raise ``PolicyRefusal``; nothing has reached the module then."""
        if function not in self.functions:
            raise PolicyRefusal(
                f"{function} is refused on this token: its policy is {self.name!r}, which allows "
                "looking only; open a sandbox token by its name (workbench tokens lists them)"
            )
        if function == "C_OpenSession" and not self.read_write and int(arguments[1]) & RW:  # type: ignore[call-overload]
            raise PolicyRefusal(
                f"C_OpenSession: policy {self.name!r} allows read-only sessions alone; leave CKF_RW_SESSION out"
            )


REFUSE = Policy("refuse", READS)


def allow_all(name: str) -> Policy:
    """The policy of a token that is ours to use up: every function."""
    return Policy(name, EVERYTHING, read_write=True)
