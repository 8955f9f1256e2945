"""The command line: argument parsing and printing. What it prints is computed in the rooms below."""

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

__all__ = ["app", "main"]

INTERRUPTED = 130


def main() -> None:
    """Run the command line. Exit 0: done; 1: it ran, and something in it failed; 2: the input was wrong."""
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
    except SystemExit as left:
        if left.code == INTERRUPTED:  # all that typer leaves of a KeyboardInterrupt
            print("workbench: interrupted; what was finished is kept", file=sys.stderr)
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # a reader that left, `| head` for one
        raise SystemExit(1) from None
