"""The command line: argument parsing and printing. What it prints is computed in the rooms below."""

from __future__ import annotations

import sys

__all__ = ["main"]

INTERRUPTED = 130


def main() -> None:
    """Run the command line. Exit 0: done; 1: it ran, and something in it failed; 2: the input was wrong; 130: Ctrl-C."""
    try:
        from workbench.cli.application import run  # half a second, and Ctrl-C may come in it

        run()
    except KeyboardInterrupt:
        _interrupted()
        raise SystemExit(INTERRUPTED) from None
    except SystemExit as left:
        if left.code == INTERRUPTED:  # all that typer leaves of a KeyboardInterrupt
            _interrupted()
        raise


def _interrupted() -> None:
    print("workbench: interrupted; what was finished is kept", file=sys.stderr)
