"""How long must a verdict look? Noise and time for several numbers of rounds and lengths of a block.

For each, some verdicts are taken on nothing planted. ``counts from``: the smallest slowdown that would be believed,
by the rule that every comparison has; a slowdown twice as large is hardly ever missed.

Usage: ``python benchmarks/verdict_time.py [--repeats 12] [--subject null]``
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
from planted import SUBJECTS, subject, thresholds_of, verdict

from workbench.measure.comparison import QUANTITIES

SHAPES = ((15, 40.0), (30, 20.0), (60, 10.0), (120, 5.0), (240, 2.5), (60, 5.0), (30, 5.0))  # rounds, ms


def main() -> int:
    """Print a line for every shape."""
    parser = argparse.ArgumentParser(description="What a verdict costs, and what it can see.")
    parser.add_argument("--subject", action="append", choices=SUBJECTS)
    parser.add_argument("--repeats", type=int, default=12)
    options = parser.parse_args()
    none = dict.fromkeys(QUANTITIES, 0.0)
    order = np.random.default_rng(1)
    for name in options.subject or SUBJECTS:
        with subject(name) as chosen:
            for rounds, milliseconds in SHAPES:
                deviations: dict[str, list[float]] = {quantity: [] for quantity in QUANTITIES}
                begin = time.perf_counter()
                for _ in range(options.repeats):
                    for change in verdict(
                        chosen, 0.0, none, rounds=rounds, seconds=milliseconds / 1e3, order=order
                    ):
                        deviations[change.quantity].append(change.ratio.value - 1)
                seconds = (time.perf_counter() - begin) / options.repeats
                counts = ", ".join(f"{q} {100 * t:.1f} %" for q, t in thresholds_of(deviations).items())
                print(
                    f"{name}: {rounds:3} rounds of {milliseconds:4.1f} ms: {seconds:.1f} s; counts from {counts}"
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
