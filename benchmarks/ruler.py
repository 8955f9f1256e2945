"""Does the ruler measure right? Its figures are held against a device whose truth is known.

The device is the package's own module (``workbench.measure.Device``): it sleeps, then spins, so that a call of 2 ms
takes 2.000 ms; with one place for 2.5 ms it serves 400 calls per second and no more; and it stalls for the last
200 ms of every second. The stall shows what a loop can tell: an open loop, timed from when each call was due, sees
what a client would have waited; a closed loop makes no calls while it waits, and so has one slow call in thousands.

Usage: ``python benchmarks/ruler.py [--rounds 7]``
Exit status 1 when a figure is off: service time 0.5 %, capacity 1 %, the open loop's p99 a tenth.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from device_here import print_load, require_device

from workbench.measure import Device, Emulated, drive
from workbench.measure.drivers import LOOPS

SERVICE, SERVICE_LIMIT = 2e-3, 0.005
CAPACITY, CAPACITY_LIMIT = 400.0, 0.01
STALL, STALL_LIMIT = 0.2, 0.1
RATE = 500.0  # calls per second of the open loop
STALLED_SECONDS = 4


def verdict(what: str, truth: str, found: str, passed: bool) -> bool:
    """Print a line; whether it passed."""
    print(f"{what:<46}{truth:>12}{found:>12}  {'ok' if passed else 'OFF'}", flush=True)
    return passed


def service_time(rounds: int) -> bool:
    """The median latency of one thread."""
    with Emulated(Device(service=SERVICE, punctual=True)) as device:
        medians = [np.median(drive(device.jobs(1), seconds=0.3)[0].latencies) / 1e9 for _ in range(rounds)]
    found = float(np.median(medians))
    passed = abs(found / SERVICE - 1) <= SERVICE_LIMIT
    return verdict("service time, p50, ms", f"{SERVICE * 1e3:.4f}", f"{found * 1e3:.4f}", passed)


def capacity(rounds: int) -> bool:
    """The throughput of two threads on a device with one place."""
    with Emulated(Device(service=1 / CAPACITY, capacity=1, punctual=True)) as device:
        rates = [
            sum(result.rate for result in drive(device.jobs(2), seconds=0.5, warmup=0.02))
            for _ in range(rounds)
        ]
    found = float(np.median(rates))
    passed = abs(found / CAPACITY - 1) <= CAPACITY_LIMIT
    return verdict("capacity, calls per second", f"{CAPACITY:.1f}", f"{found:.1f}", passed)


def stall() -> bool:
    """The 99th percentile of an open and of a closed loop over a device that stalls."""
    # of calls that are due at even intervals, one in a hundred waits longer than this
    truth = STALL - 0.01
    with Emulated(Device(service=1e-4, stall=STALL, punctual=True)) as device:
        closed = drive(device.jobs(1), seconds=STALLED_SECONDS)[0]
        device.restart()
        opened = drive(device.jobs(1), seconds=STALLED_SECONDS, rate=RATE)[0]
    p99 = {
        "open": np.percentile(opened.latencies, 99) / 1e9,
        "closed": np.percentile(closed.latencies, 99) / 1e9,
    }
    passed = abs(p99["open"] / truth - 1) <= STALL_LIMIT
    shown = verdict("p99 of an open loop, ms", f"{truth * 1e3:.0f}", f"{p99['open'] * 1e3:.0f}", passed)
    print(f"  {LOOPS['open']}")
    blind = p99["closed"] < truth / 10
    labelled = verdict("p99 of a closed loop, ms", "blind to it", f"{p99['closed'] * 1e3:.2f}", blind)
    print(f"  {LOOPS['closed']}")
    print(f"  {opened.overdue} calls were due at the end and had not begun: the run ended in a stall")
    return shown and labelled


def main() -> int:
    """Print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=7, help="blocks, whose median counts")
    options = parser.parse_args()
    require_device()
    print(f"{'':<46}{'truth':>12}{'found':>12}")
    passed = [service_time(options.rounds), capacity(options.rounds), stall()]
    print_load()
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
