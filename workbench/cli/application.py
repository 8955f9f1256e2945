"""All commands, and what becomes of the errors that they end with."""

from __future__ import annotations

import os
import sys

# Each of these puts its commands on the application.
from workbench.cli import (  # noqa: F401
    demonstration,
    doctor,
    fleet,
    holdings,
    inspecting,
    learning,
    lessons,
    measuring,
    probing,
    profiles,
    reporting,
    sweeping,
    verdicts,
)
from workbench.cli.base import app
from workbench.cryptoki import CryptokiError
from workbench.faults import BrokenOff, WorkbenchError
from workbench.workers import WorkerError

__all__ = ["app", "run"]


def run() -> None:
    """Run a command. Exit 0: done; 1: it ran, and something in it failed; 2: the input was wrong."""
    try:
        app()
    except WorkbenchError as error:
        print(f"workbench: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except (
        BrokenOff,
        CryptokiError,
        WorkerError,
    ) as error:  # the token, its module or the disk, not the input
        print(f"workbench: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # a reader that left, `| head` for one
        raise SystemExit(1) from None
