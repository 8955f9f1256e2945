"""Does the rest of a Python program run while the token works?

While one thread is inside a long call, another ticks every millisecond; its longest stall is given as a share
of the call, for our calls and for PyKCS11's, which holds the interpreter's lock for the whole call. Two long
calls: random numbers from the null module, which is given a service time; and an RSA-4096 key pair on real
tokens. A notebook's progress display and its kernel's heartbeat stand still for as long as that other thread.

Usage: ``python benchmarks/long_calls.py [TOKEN…] [--rounds 5] [--service 2] [--limit 5]``
Exit status 1 when the median of our stalls is above the limit (in % of the call).
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from statistics import median

import attrs
import PyKCS11
from theirs import session_of

from workbench import tokens
from workbench.cryptoki import C, Module, allow_all
from workbench.measure.drivers import kernel

TICK = 0.001  # seconds
EXPONENT = (1, 0, 1)
Call = Callable[[], object]


@attrs.frozen
class Stall:
    """One long call in seconds, and the longest time in it without a tick of the other thread."""

    call: float
    longest: float

    @property
    def percent(self) -> float:
        """The stall as a share of the call."""
        return 100 * self.longest / self.call


def watched(call: Call) -> Stall:
    """Make a call while another thread ticks."""
    ticks: list[float] = []
    running, done = threading.Event(), threading.Event()

    def tick() -> None:
        running.set()
        while not done.wait(TICK):
            ticks.append(time.monotonic())

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    running.wait()
    start = time.monotonic()
    call()
    end = time.monotonic()
    done.set()
    ticker.join()
    marks = [start, *(t for t in ticks if start < t < end), end]
    return Stall(end - start, max(b - a for a, b in pairwise(marks)))


def compare(name: str, ours: Call, theirs: Call, rounds: int) -> float:
    """Both in turn; print a line for each and return the median of our stalls in %."""
    found: dict[str, list[Stall]] = {"annotated": [], "PyKCS11": []}
    for _ in range(rounds):
        found["annotated"].append(watched(ours))
        found["PyKCS11"].append(watched(theirs))
    for who, stalls in found.items():
        percents = [s.percent for s in stalls]
        print(
            f"{name:<34}{who:<11}{median(s.call for s in stalls):>8.2f}{median(s.longest for s in stalls) * 1e3:>12.1f}"
            f"{median(percents):>12.1f}{max(percents):>10.1f}",
            flush=True,
        )
    return median(s.percent for s in found["annotated"])


def service_time(path: str, seconds: float, rounds: int) -> float:
    """Calls of exactly so many seconds on the null module."""
    os.environ["WORKBENCH_NULL_SERVICE_US"] = str(round(seconds * 1e6))
    module = Module.load(path)
    (slot,) = C.GetSlotList(module)
    module.vouch(slot, allow_all("null"))
    session = C.OpenSession(module, slot)
    theirs = session_of(module, session)
    name = f"null module, {seconds:g} s of service"
    return compare(name, lambda: C.GenerateRandom(session, 32), lambda: theirs.generateRandom(32), rounds)


def key_generation(name: str, rounds: int) -> float:
    """RSA-4096 key pairs, whose time differs from one to the next."""
    token = tokens.open(name)
    with token.session() as session:
        theirs = session_of(token.module, session.handle)
        public = [
            (PyKCS11.CKA_MODULUS_BITS, 4096),
            (PyKCS11.CKA_PUBLIC_EXPONENT, EXPONENT),
            (PyKCS11.CKA_TOKEN, False),
        ]
        private = [(PyKCS11.CKA_TOKEN, False), (PyKCS11.CKA_SIGN, True)]
        return compare(
            f"{name}, RSA-4096 key pair",
            lambda: session.generate("RSA", bits=4096).destroy(),
            lambda: [theirs.destroyObject(key) for key in theirs.generateKeyPair(public, private)],
            rounds,
        )


def main() -> int:
    """Print two lines for each kind of call."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("tokens", nargs="*", default=["softhsm", "nss"], help="tokens to make keys on")
    parser.add_argument("--rounds", type=int, default=5, help="calls of each kind")
    parser.add_argument("--service", type=float, default=2, help="seconds that the null module takes")
    parser.add_argument("--limit", type=float, default=5, help="longest stall that passes, in %% of the call")
    options = parser.parse_args()
    if kernel() is None:
        print("the null module is not built here: install the package where a C compiler is", file=sys.stderr)
        return 2
    print(f"{'':<45}{'call':>8}{'longest':>12}{'stall':>12}{'worst':>10}")
    print(f"{'':<45}{'s':>8}{'stall, ms':>12}{'% of call':>12}{'%':>10}")
    worst = service_time(kernel().__file__, options.service, options.rounds)
    for name in options.tokens:
        worst = max(worst, key_generation(name, options.rounds))
    print(f"our longest stall: {worst:.1f} % of the call (limit {options.limit:g} %)")
    return 0 if worst <= options.limit else 1


if __name__ == "__main__":
    sys.exit(main())
