"""What goes wrong through nobody's fault but the input's: one sentence, no traceback."""

from __future__ import annotations

__all__ = ["BrokenOff", "PolicyRefusal", "WorkbenchError"]


class WorkbenchError(Exception):
    """Bad input or a missing part: the message is one sentence that names what was wrong and what to do.

    The command line prints it and exits with code 2.
    """


class PolicyRefusal(WorkbenchError):
    """A call that the token's policy does not allow; it never reached the module."""


class BrokenOff(Exception):
    """Work that was well under way could not be finished, and not for its input; what was done is kept.

    The command line prints it and exits with code 1.
    """
