"""What `aa.py` and `verdict_time.py` share: a subject whose blocks are slower by as much as one says."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import cffi
import numpy as np

from workbench import tokens
from workbench.measure import CASES, Job, drive
from workbench.measure.comparison import QUANTITIES, Change, judge
from workbench.measure.floor import floor_job
from workbench.measure.jobs import Lists
from workbench.measure.material import generate, use_of
from workbench.measure.stats import pack, percentiles
from workbench.measure.store import Row
from workbench.measure.subject import make_job
from workbench.spec.declarations import cdef

__all__ = ["SUBJECTS", "Subject", "subject", "thresholds_of", "verdict"]

SOURCE = Path(__file__).with_name("slowdown.c")
SUBJECTS = ("null", "softhsm")
NULL_COUNT = 4000  # some microseconds of work for each call of the null module, in steps of 0.025 %


@attrs.frozen
class Subject:
    """``jobs``: two sessions with the same key; ``slow(part)`` makes the next blocks slower by this part."""

    name: str
    jobs: tuple[Job, Job]
    slow: Callable[[float], None]


@contextmanager
def subject(name: str) -> Iterator[Subject]:
    """``null``: the null module with counted work, which is exactly so much more; ``softhsm``: ECDSA P-256."""
    with tempfile.TemporaryDirectory() as directory:
        interface, library = _compiled(Path(directory))

        def behind(job: Job) -> Job:
            made = library.slowed(interface.cast("void *", job.lists.v2_40))
            job.lists = Lists(int(interface.cast("uintptr_t", made)))
            return job

        if name == "null":
            jobs = behind(floor_job("c-kernel", "sign")), behind(floor_job("c-kernel", "sign"))
            yield Subject(name, jobs, lambda part: library.slow_by(0.0, round(NULL_COUNT * (1 + part))))
            return
        token = tokens.open(name)
        case = CASES["ECDSA P-256 sign"]
        with token.session() as one, token.session() as other:
            keys = generate(one, str(case.key), use_of(case))
            # both sessions work with one key: two keys may take two times
            jobs = behind(make_job(one, case, keys, 1)), behind(make_job(other, case, keys, 2))
            yield Subject(name, jobs, lambda part: library.slow_by(part, 0))


def verdict(
    chosen: Subject,
    part: float,
    thresholds: dict[str, float],
    *,
    rounds: int,
    seconds: float,
    order: np.random.Generator,
) -> tuple[Change, ...]:
    """One verdict: ``rounds`` pairs of blocks in random order, the second of each pair slower by ``part``."""
    blocks: tuple[list[Row], list[Row]] = ([], [])
    swapped = order.permutation(2)  # which session is the slower one is drawn too
    for round in range(rounds):
        for side in order.permutation(2):
            chosen.slow(part if side else 0.0)
            blocks[side].append(_block(chosen.jobs[swapped[side]], round, seconds))
    return judge(blocks[1], blocks[0], thresholds, paired=True)


def thresholds_of(deviations: dict[str, list[float]]) -> dict[str, float]:
    """From verdicts on nothing planted, by the rule that every comparison has."""
    from workbench.measure.calibration import noise, threshold_of

    calibration = {"noise": {"paired": {"one": {name: noise(values) for name, values in deviations.items()}}}}
    return {
        name: threshold_of(calibration, name, paired=True, threads=1, looks=len(QUANTITIES))
        for name in QUANTITIES
    }


def _block(job: Job, round: int, seconds: float) -> Row:
    made = drive([job], seconds=seconds, warmup=seconds / 10, driver="c-kernel")[0]
    assert not made.failures, made.errors
    row = Row(
        "block", "", "", "sign", 1, "ok", "c-kernel", round, wall_s=made.wall_s, cpu_s=made.cpu_ns / 1e9
    )
    p50 = percentiles(pack(made.latencies), [50])[0]
    return attrs.evolve(row, successes=made.successes, rate_per_s=made.rate, p50_ns=p50)


def _compiled(directory: Path) -> tuple[Any, Any]:
    (directory / "cryptoki.h").write_text("#include <stddef.h>\n" + cdef(), encoding="utf-8")
    made = directory / "slowdown.so"
    command = ["cc", "-O2", "-std=gnu11", "-shared", "-fPIC", f"-I{directory}", str(SOURCE), "-o", str(made)]
    subprocess.run(command, check=True)
    interface = cffi.FFI()
    interface.cdef("void *slowed(void *of); void slow_by(double part, unsigned long count);")
    return interface, interface.dlopen(str(made))
