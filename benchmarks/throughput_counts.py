"""Does a failure count for nothing, and is it seen? A device fails every tenth call with CKR_DEVICE_ERROR.

The device counts what it answered; what a run says must be those numbers, to the call: the successes, the failures
by their codes, latencies of successes alone, and a rate of successes by wall time. The line of the results carries
the warning. Done with both drivers, with one thread and with several, in a closed and in an open loop.

Usage: ``python benchmarks/throughput_counts.py``
Exit status 1 when a number differs or the warning is missing.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

import attrs
from device_here import require_device

from workbench.measure import Case, Device, Emulated, Plan, Row, ThreadResult, drive, load
from workbench.measure.provenance import machine, packages
from workbench.measure.stats import pack, percentiles, pool
from workbench.measure.store import RunWriter

EVERY = 10
CODE = "CKR_DEVICE_ERROR"
CALLS = 2000  # of each thread
RATE = 20_000.0  # calls per second of the open loop


def counted(driver: str, threads: int, rate: float) -> tuple[bool, list[ThreadResult]]:
    """One run, and whether its numbers are the device's."""
    with Emulated(Device(service=20e-6, fail_every=EVERY, punctual=True)) as device:
        results = drive(device.jobs(threads), count=CALLS, driver=driver, rate=rate)
        answered, failed = device.counts
    successes, failures, codes = totals(results)
    print(f"  device: {answered - failed} answered, {failed} failed; run: {successes} and {codes}")
    agrees = (
        (successes, failures, codes) == (answered - failed, failed, {CODE: failed})
        and failed == answered // EVERY
        and sum(len(result.latencies) for result in results) == successes
        and all(result.rate == result.successes / result.wall_s for result in results)
    )
    return agrees, results


def totals(results: list[ThreadResult]) -> tuple[int, int, dict[str, int]]:
    """Successes, failures, and failures per code, of all threads."""
    codes: Counter[str] = sum((Counter(result.errors) for result in results), Counter())
    return sum(r.successes for r in results), sum(r.failures for r in results), dict(codes)


def warned(results: list[ThreadResult], driver: str) -> bool:
    """Whether the line of a run with this block carries the warning."""
    case = Case("failing", "sign", "CKM_ECDSA", 32, "P-256")
    plan = Plan("failing", (case,), threads=(len(results),), rounds=1)
    successes, failures, codes = totals(results)
    latencies = pool([pack(result.latencies) for result in results])
    (p50,) = percentiles(latencies, [50])
    block = Row(
        "block",
        "emulated",
        case.name,
        case.operation,
        len(results),
        "ok",
        driver,
        0,
        wall_s=max(result.wall_s for result in results),
        cpu_s=sum(result.cpu_ns for result in results) / 1e9,
        successes=successes,
        failures=failures,
        errors=codes,
        rate_per_s=sum(result.rate for result in results),
        p50_ns=p50,
    )
    about = {
        "plan": attrs.asdict(plan),
        "driver": driver,
        "drivers": [driver],
        "tokens": {"emulated": "emulated"},
        "provenance": {},
    }
    with tempfile.TemporaryDirectory() as directory:
        writer = RunWriter.create(Path(directory), plan.name)
        writer.write_meta({"name": plan.name, "machine": machine(), "packages": packages(), **about})
        writer.append(block, latencies)
        (line,) = load(writer.path).lines
    print(f"  warnings of the line: {'; '.join(line.warnings)}")
    wanted = f"{failures} calls answered {CODE}"
    return line.successes == successes and any(wanted in warning for warning in line.warnings)


def main() -> int:
    """Print the numbers of each way, and the verdict."""
    require_device()
    passed = []
    for driver in ("c-kernel", "cffi-abi"):
        for threads in (1, 4):
            for rate in (0.0, RATE):
                loop = f"open loop, {rate:g} per second" if rate else "closed loop"
                print(f"{driver}, {threads} threads, {loop}")
                right, results = counted(driver, threads, rate)
                passed.append(right)
        passed.append(warned(results, driver))
    print(
        "every number is the device's" if all(passed) else "NOT: a number differs, or the warning is missing"
    )
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
