"""What an annotated call costs, held against PyKCS11 in the same process.

On the null module, which does no cryptography, everything measured is the way there and back: an annotated sign
(C.SignInit and C.Sign) against PyKCS11's ``Session.sign``, and what a trace adds to a call. On real tokens: a
digest of 1 MiB in one call. Blocks of the two alternate, each pair of blocks gives one figure (a ratio, or a
difference), and what is printed is the median over the pairs with its 95 % bootstrap interval.

Usage: ``python benchmarks/call_cost.py [TOKEN…] [--pairs 40] [--milliseconds 20]``
Exit status 1 when a median misses its target.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from operator import truediv

import attrs
import PyKCS11
from theirs import key_of, session_of

from workbench import tokens
from workbench.cryptoki import C, Module, allow_all, mechanism, trace
from workbench.measure import Interval
from workbench.measure.drivers import kernel
from workbench.measure.stats import median_interval

MIB = bytes(2**20)
Call = Callable[[], object]
Block = Callable[[int], float]  # how many → µs each


@attrs.frozen
class Target:
    """A figure and what it is held to: at most, or at least, ``limit``."""

    name: str
    unit: str
    found: Interval
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the median is on the right side of the limit."""
        return self.found.value >= self.limit if self.at_least else self.found.value <= self.limit

    def __str__(self) -> str:
        interval = f"{self.found.value:.2f} ({self.found.low:.2f}–{self.found.high:.2f}) {self.unit}"
        words = f"at {'least' if self.at_least else 'most'} {self.limit:g}"
        return f"{self.name:<56}{interval:<32}{words:<15}{'met' if self.met else 'MISSED'}"


def block(call: Call) -> Block:
    """Blocks of a call, timed as a whole."""

    def timed(count: int) -> float:
        start = time.monotonic_ns()
        for _ in range(count):
            call()
        return (time.monotonic_ns() - start) / count / 1e3

    return timed


def traced(call: Call) -> Block:
    """The same under a trace, a new one for each block."""

    def timed(count: int) -> float:
        with trace():
            return block(call)(count)

    return timed


def in_pairs(
    first: Block, second: Block, figure: Callable[[float, float], float], pairs: int, seconds: float
) -> Interval:
    """Alternate the two in blocks of about ``seconds``; the figure's median over the pairs."""
    counts = [max(1, round(seconds * 1e6 / one(max(1, round(2e4 / one(3)))))) for one in (first, second)]
    found = []
    for pair in range(pairs):
        if pair % 2:
            a = first(counts[0])
            b = second(counts[1])
        else:
            b = second(counts[1])
            a = first(counts[0])
        found.append(figure(a, b))
    return median_interval(found)


def null_targets(path: str, pairs: int, seconds: float) -> list[Target]:
    """Sign, and a trace, on the null module."""
    module = Module.load(path)
    (slot,) = C.GetSlotList(module)
    module.vouch(slot, allow_all("null"))
    session = C.OpenSession(module, slot)
    theirs = session_of(module, session)
    _, key = C.GenerateKeyPair(session, "CKM_RSA_PKCS_KEY_PAIR_GEN", {"CKA_MODULUS_BITS": 2048}, {})
    handle = key_of(key)
    data = bytes(32)
    chosen, there = mechanism("CKM_SHA256_RSA_PKCS"), PyKCS11.Mechanism(PyKCS11.CKM_SHA256_RSA_PKCS)

    def sign() -> bytes:
        C.SignInit(session, chosen, key)
        return C.Sign(session, data)

    def sign_there() -> object:
        return theirs.sign(handle, data, there)

    def sign_to_bytes() -> bytes:
        return bytes(theirs.sign(handle, data, there))

    ours = block(sign)
    blocks = [[block(one)(500) for one in (sign, sign_there, sign_to_bytes)] for _ in range(20)]
    best = [min(column) for column in zip(*blocks, strict=True)]
    print(
        f"null module: an annotated sign {best[0]:.1f} µs, PyKCS11's {best[1]:.1f} µs, "
        f"its result as bytes {best[2]:.1f} µs (best of twenty blocks)"
    )
    return [
        Target(
            "sign, annotated / PyKCS11's Session.sign",
            "of its time",
            in_pairs(ours, block(sign_there), truediv, pairs, seconds),
            1,
        ),
        Target(
            "sign, annotated / bytes(Session.sign)",
            "of its time",
            in_pairs(ours, block(sign_to_bytes), truediv, pairs, seconds),
            1,
        ),
        Target(
            "what a trace adds to a call",
            "µs",
            in_pairs(traced(sign), ours, lambda a, b: (a - b) / 2, pairs, seconds),
            15,
        ),
    ]


def digest_target(name: str, pairs: int, seconds: float) -> Target:
    """A digest of 1 MiB on a real token."""
    token = tokens.open(name)
    with token.session(login=False) as session:
        theirs = session_of(token.module, session.handle)
        chosen = PyKCS11.Mechanism(PyKCS11.CKM_SHA256)

        def digest() -> bytes:
            C.DigestInit(session, "CKM_SHA256")
            return C.Digest(session, MIB)

        def digest_there() -> object:
            return theirs.digest(MIB, chosen)

        assert digest() == bytes(theirs.digest(MIB, chosen))
        ours, other = block(digest), block(digest_there)
        print(f"{name}: a digest of 1 MiB {ours(5) / 1e3:.2f} ms, PyKCS11's {other(1) / 1e3:.0f} ms")
        found = in_pairs(other, ours, truediv, max(5, pairs // 4), seconds)
    return Target(f"digest of 1 MiB on {name}, PyKCS11's / annotated", "times ours", found, 10, at_least=True)


def main() -> int:
    """Print a line for each target."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("tokens", nargs="*", default=["softhsm", "nss"], help="tokens to digest on")
    parser.add_argument("--pairs", type=int, default=40, help="pairs of blocks for each figure")
    parser.add_argument("--milliseconds", type=float, default=20, help="length of a block")
    options = parser.parse_args()
    if kernel() is None:
        print("the null module is not built here: install the package where a C compiler is", file=sys.stderr)
        return 2
    seconds = options.milliseconds / 1e3
    targets = null_targets(kernel().__file__, options.pairs, seconds)
    targets += [digest_target(name, options.pairs, seconds) for name in options.tokens]
    print(f"medians of {options.pairs} pairs of blocks, with 95 % intervals (digests: a quarter as many)")
    for target in targets:
        print(target)
    return 0 if all(target.met for target in targets) else 1


if __name__ == "__main__":
    sys.exit(main())
