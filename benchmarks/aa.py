"""Does the verdict cry wolf, and does it see the wolf? (A token against itself, and against itself made slower.)

On each subject: some verdicts on nothing planted give the machine's noise and from it the thresholds, by the rule
that every comparison has. Then so many verdicts on nothing planted, of which at most 2 in 100 may show a difference
(in throughput, p50 or CPU time), and as many on a planted slowdown, of which at least 95 in 100 must find it: 3 %
on the null module (which is given some microseconds of counted work, and exactly 3 % more of it), 6 % on SoftHSM
(ECDSA P-256). Both kinds take turns, so that both meet the same moods of the machine.

Those verdicts are taken in one process, on blocks of 5 ms. What users get is taken from whole runs of a plan that
comes along, in workers, by this machine's calibration: so many runs of SoftHSM named twice are compared as ``workbench
compare`` does, and their false verdicts are told beside the others. They decide nothing: there are too few of them.

Every verdict is written to a file before the next one, so a run that was ended goes on where it stopped.

Usage: ``python benchmarks/aa.py [--repeats 100] [--rounds 60] [--milliseconds 5] [--runs 20] [--out runs/aa.jsonl]``
Exit status 1 when there are too many false verdicts, or a slowdown is found too seldom.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from planted import SUBJECTS, Subject, subject, thresholds_of, verdict

from workbench.measure import bench, calibration, compare_tokens
from workbench.measure.comparison import QUANTITIES, Change

PLANTED = {"null": 0.03, "softhsm": 0.06}
NOISE_REPEATS = 30
SILENT = ("no difference shown", "no verdict")
PLAN, CASES = "quick", ("ECDSA P-256 sign", "SHA-256 1 KiB", "random 32 B")
FALSE, FOUND = 0.02, 0.95  # of the repeats


class Log:
    """What has been measured so far, one JSON object a line."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        if lines and lines[0] != settings:
            raise SystemExit(f"{path} was made with {lines[0]}: name another --out, or the same settings")
        if not lines:
            self._append(settings)
        self.done = {(line["subject"], line["kind"], line["number"]): line for line in lines[1:]}

    def _append(self, line: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def once(self, key: tuple[str, str, int], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The entry of this key, measured now unless it is there."""
        if key not in self.done:
            entry = {"subject": key[0], "kind": key[1], "number": key[2], **measure()}
            self._append(entry)
            self.done[key] = entry
        return self.done[key]


def entry(changes: tuple[Change, ...], seconds: float) -> dict[str, Any]:
    """A verdict as it is kept."""
    return {
        "seconds": seconds,
        "load": os.getloadavg()[0],
        "ratios": {change.quantity: change.ratio.value for change in changes},
        "verdicts": {change.quantity: change.verdict for change in changes},
    }


def look(
    chosen: Subject, part: float, thresholds: dict[str, float], options: argparse.Namespace
) -> dict[str, Any]:
    """One verdict, timed."""
    begin = time.perf_counter()
    changes = verdict(
        chosen,
        part,
        thresholds,
        rounds=options.rounds,
        seconds=options.milliseconds / 1e3,
        order=np.random.default_rng(),
    )
    return entry(changes, time.perf_counter() - begin)


def trial(name: str, log: Log, options: argparse.Namespace) -> bool:
    """All verdicts on one subject; whether they are right often enough."""
    planted = PLANTED[name]
    with subject(name) as chosen:
        none = dict.fromkeys(QUANTITIES, 0.0)
        first = [
            log.once((name, "noise", n), lambda: look(chosen, 0.0, none, options))
            for n in range(NOISE_REPEATS)
        ]
        thresholds = thresholds_of({q: [one["ratios"][q] - 1 for one in first] for q in QUANTITIES})
        same, slower = [], []
        for n in range(options.repeats):
            same.append(log.once((name, "same", n), lambda: look(chosen, 0.0, thresholds, options)))
            slower.append(log.once((name, "slower", n), lambda: look(chosen, planted, thresholds, options)))
    false = [one for one in same if set(one["verdicts"].values()) != {"same"}]
    found = [one for one in slower if "worse" in one["verdicts"].values()]
    wrong = [one for one in slower if "better" in one["verdicts"].values()]
    seconds = [one["seconds"] for one in same + slower]
    print(
        f"{name}: a difference counts from "
        + ", ".join(f"{q} {100 * t:.1f} %" for q, t in thresholds.items())
    )
    for title, some in (("nothing planted", same), (f"{planted:.0%} planted", slower)):
        shown = [
            f"{q} {100 * (np.median([one['ratios'][q] for one in some]) - 1):+.2f} % "
            f"({sum(one['verdicts'][q] != 'same' for one in some)} shown)"
            for q in QUANTITIES
        ]
        print(f"  {title}: median {', '.join(shown)}")
    print(
        f"  false verdicts {len(false)} of {len(same)}, found {len(found)} of {len(slower)}, "
        f"called faster {len(wrong)}; a verdict takes {np.median(seconds):.1f} s "
        f"(longest {max(seconds):.1f} s); load {np.median([one['load'] for one in same]):.1f}"
    )
    return len(false) <= FALSE * len(same) and len(found) >= FOUND * len(slower) and not wrong


def whole_runs(count: int, log: Log) -> None:
    """Verdicts on whole runs of one token named twice; told, and not judged."""
    if not count:
        return
    known = calibration.stored() or calibration.calibrate("softhsm")

    def look() -> dict[str, Any]:
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory() as out:
            run = bench(PLAN, ["softhsm", "softhsm"], cases=CASES, out=out)
            found = compare_tokens(attrs.evolve(run, meta=run.meta | {"calibration": known}))
        verdicts = {f"{line.case}, {line.threads}": line.verdict for line in found.lines}
        return {"seconds": time.perf_counter() - begin, "load": os.getloadavg()[0], "verdicts": verdicts}

    made = [log.once(("softhsm", "run", n), look) for n in range(count)]
    shown = [[v for v in one["verdicts"].values() if v not in SILENT] for one in made]
    lines = sum(len(one["verdicts"]) for one in made)
    silent = sum(verdict == "no verdict" for one in made for verdict in one["verdicts"].values())
    print(
        f"whole runs of plan {PLAN}: false verdicts in {sum(map(bool, shown))} of {len(made)} "
        f"({sum(map(len, shown))} of {lines} lines; {silent} without a verdict); "
        f"a run takes {np.median([one['seconds'] for one in made]):.1f} s; "
        f"load {np.median([one['load'] for one in made]):.1f}"
    )


def main() -> int:
    """Run the trials that are asked for."""
    parser = argparse.ArgumentParser(description="A verdict's false alarms and misses.")
    parser.add_argument("--subject", action="append", choices=SUBJECTS)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=60, help="pairs of blocks in one verdict")
    parser.add_argument("--milliseconds", type=float, default=5.0, help="length of a block")
    parser.add_argument("--runs", type=int, default=20, help="whole runs of SoftHSM named twice")
    parser.add_argument("--out", type=Path, default=Path("runs/aa.jsonl"))
    options = parser.parse_args()
    log = Log(options.out, {"rounds": options.rounds, "milliseconds": options.milliseconds})
    right = [trial(name, log, options) for name in options.subject or SUBJECTS]
    whole_runs(options.runs, log)
    print("pass" if all(right) else "FAIL")
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
