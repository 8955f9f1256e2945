"""What a client of a network HSM would see, on devices whose truth is known.

Two nodes that share the calls, each serving four at a time: the knee of the curve must be found at eight threads,
and the loss of a node in mid-run in the timeline. A token 2 ms away: 32 threads must do the work of 32. One 20 ms
away with 256 sessions. And the same with threads of a PyKCS11 program, which holds the interpreter's lock for the
whole of every call.

The devices sleep for their service time, as a client that waits for the network does; a sleep ends late, so what
one thread gets is the measure of what several should get.

The knee is the product's own: its fit of a sweep, and its search, which doubles the threads until that brings nothing.

Usage: ``python benchmarks/emulated.py [--rounds 5]``
Exit status 1 when the knee is off by more than 5 %, the sweep is not said to have stopped growing, the search stops
before the knee or long after it, the loss is not seen where it was, 32 threads do less than the work of 31, or 256
sessions less than 0.95 of theirs.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Sequence

import numpy as np
from device_here import print_load, require_device
from theirs import session_of

from workbench.cryptoki import C, Module, SessionHandle, allow_all
from workbench.measure import Device, Emulated, drive, fit, timeline
from workbench.measure.drivers import kernel
from workbench.measure.knee import MOST, next_threads
from workbench.measure.measurement import LOOKS

HA = Device(service=10e-3, jitter=2e-3, nodes=2, capacity=4)
KNEE_LIMIT = 0.05
THREADS = (1, 2, 4, 6, 8, 12, 16, 24)
LOST_AFTER, RUN, BIN = 1.5, 3.0, 0.1
NETWORK, FAR = Device(service=2e-3), Device(service=20e-3)
TIMES_LIMIT, SHARE_LIMIT = 31.0, 0.95


def rate(device: Emulated, threads: int, seconds: float = 0.5) -> float:
    """Successes per second of so many threads."""
    return sum(result.rate for result in drive(device.jobs(threads), seconds=seconds, warmup=0.05))


def medians(device: Emulated, threads: Sequence[int], rounds: int) -> list[float]:
    """Median rates of interleaved rounds."""
    found = [[rate(device, count) for count in threads] for _ in range(rounds)]
    return [float(np.median(column)) for column in zip(*found, strict=True)]


def knee(rounds: int) -> bool:
    """What the product makes of a sweep whose truth is known, and where its search for the knee stops."""
    truth = HA.nodes * HA.capacity
    with Emulated(HA) as device:
        found = [[rate(device, count) for count in THREADS] for _ in range(rounds)]
        looked = searched(device)
    sweep = fit(dict(zip(THREADS, zip(*found, strict=True), strict=True)))
    print(f"two nodes of {HA.capacity} places, {HA.service * 1e3:g} ms ± {HA.jitter * 1e3:g} ms")
    print("  threads      " + "".join(f"{count:>8}" for count in sweep.threads))
    print("  per second   " + "".join(f"{median:>8.0f}" for median in sweep.rates))
    print(
        f"  knee: {sweep.knee.value:.2f} threads ({sweep.knee.low:.2f} to {sweep.knee.high:.2f}), truth {truth}; "
        f"at most {sweep.peak:.0f} per second, truth {HA.rate:.0f}"
    )
    right = said(abs(sweep.knee.value / truth - 1) <= KNEE_LIMIT, f"the knee within {KNEE_LIMIT:.0%}")
    right = said(sweep.closed, "the growth was seen to end") and right
    print("  searched     " + "".join(f"{count:>8}" for count in looked))
    print("  per second   " + "".join(f"{best:>8.0f}" for best in looked.values()))
    # a doubling without growth ends at 16; the second one, which makes sure, at 32
    past = truth <= max(looked) / 2 and max(looked) <= 4 * truth
    return said(past, f"the search stopped at {max(looked)}, past the knee and soon after it") and right


def searched(device: Emulated) -> dict[int, float]:
    """Threads doubled as ``threads: knee`` does it, to the end: the rate at each number, the better of two looks."""
    rates: dict[int, float] = {}
    while (threads := next_threads(rates, MOST)) is not None:
        rates[threads] = max(rate(device, threads) for _ in range(LOOKS))
    return rates


def loss() -> bool:
    """The timeline of a run in whose middle a node is lost."""
    lost = Device(HA.service, HA.jitter, HA.nodes, HA.capacity, lost_after=LOST_AFTER)
    with Emulated(lost) as device:
        results = drive(device.jobs(2 * HA.nodes * HA.capacity), seconds=RUN, ends=True)
    times, rates = timeline(results, BIN)
    # the cut that leaves the two sides as different as can be
    cuts = range(2, len(rates) - 1)
    cut = max(cuts, key=lambda i: (rates[:i].mean() - rates[i:].mean()) ** 2 * i * (len(rates) - i))
    before, after = rates[:cut].mean(), rates[cut:].mean()
    errors = sum(result.errors.get("CKR_DEVICE_ERROR", 0) for result in results)
    print("  per second, every 0.1 s: " + " ".join(f"{value:.0f}" for value in rates))
    print(
        f"  from {before:.0f} to {after:.0f} per second at {times[cut]:.1f} s (a node was lost at {LOST_AFTER:g} s); "
        f"{errors} calls failed with it, {HA.capacity} at most were in it"
    )
    seen = abs(times[cut] - LOST_AFTER) <= BIN and abs(after / before - 0.5) <= 0.05
    return said(
        bool(seen and 0 < errors <= HA.capacity), "the loss where it was, the half of the rate with it"
    )


def network(rounds: int) -> bool:
    """32 threads against one, 2 ms away; 256 sessions against one, 20 ms away."""
    with Emulated(NETWORK) as near, Emulated(FAR) as far:
        one, many = medians(near, (1, 32), rounds)
        alone, crowd = medians(far, (1, 256), rounds)
    times, share = many / one, crowd / alone / 256
    print(f"2 ms away: {one:.0f} per second with one thread, {many:.0f} with 32: {times:.1f} times as many")
    print(f"20 ms away: 256 sessions do {crowd:.0f} per second, {share:.3f} of 256 times one")
    near_enough = said(times >= TIMES_LIMIT, f"at least {TIMES_LIMIT:g} times")
    return said(share >= SHARE_LIMIT, f"at least {SHARE_LIMIT:g} of ideal") and near_enough


def pykcs11(threads: int, seconds: float = 1.0) -> float:
    """Calls per second that so many threads of a PyKCS11 program get of the token 2 ms away."""
    os.environ["WORKBENCH_NULL_SERVICE_US"] = f"{NETWORK.service * 1e6:.0f}"
    module = Module.load(kernel().__file__)
    module.vouch(0, allow_all("null"))
    done = [0] * threads
    barrier = threading.Barrier(threads)

    def run(index: int, session: SessionHandle) -> None:
        theirs = session_of(module, session)
        barrier.wait()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            theirs.generateRandom(32)
            done[index] += 1

    sessions = [C.OpenSession(module, 0) for _ in range(threads)]
    crew = [threading.Thread(target=run, args=(i, session)) for i, session in enumerate(sessions)]
    began = time.monotonic()
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    took = time.monotonic() - began
    for session in sessions:
        C.CloseSession(session)
    return sum(done) / took


def said(passed: bool, what: str) -> bool:
    """Print whether it passed."""
    print(f"  {'ok' if passed else 'NOT'}: {what}", flush=True)
    return passed


def main() -> int:
    """Print what was found, and the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds, whose median counts")
    options = parser.parse_args()
    require_device()
    passed = [knee(options.rounds), loss(), network(options.rounds)]
    one, eight = pykcs11(1), pykcs11(8)
    print(f"for contrast, PyKCS11 2 ms away: {one:.0f} per second with one thread, {eight:.0f} with 8")
    print_load()
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
