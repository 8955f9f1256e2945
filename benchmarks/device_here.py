"""What the benchmarks on the emulated device share: it has to be built here, and Ctrl-C ends them at once."""

from __future__ import annotations

import os
import signal
import sys

from workbench.measure.drivers import kernel

__all__ = ["print_load", "require_device"]


def require_device() -> None:
    """Go on only where there is an emulated device; exit status 2 where there is none."""
    if kernel() is None:
        print("the device is not built here: install the package where a C compiler is", file=sys.stderr)
        raise SystemExit(2)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def print_load() -> None:
    """Print what else the machine had to do."""
    print(f"load of the machine: {', '.join(f'{load:.1f}' for load in os.getloadavg())}")
