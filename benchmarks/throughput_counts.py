"""Does a failure count for nothing, and is it seen? A device fails every tenth call with CKR_DEVICE_ERROR.

The device counts what it answered; what a run says must be those numbers, to the call: the successes, the failures
by their codes, latencies of successes alone, and a rate of successes by wall time. The line of the results carries
the warning. Done with both drivers, with one thread and with several, in a closed and in an open loop.

Usage: ``python benchmarks/throughput_counts.py``
Exit status 1 when a number differs or the warning is missing.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from workbench.measure import Case, Device, Emulated, Plan, Row, ThreadResult, drive, load
from workbench.measure.drivers import kernel
from workbench.measure.provenance import machine, packages
from workbench.measure.store import RunWriter
from workbench.measure.subject import Block, summed

EVERY = 10
CODE = "CKR_DEVICE_ERROR"
CALLS = 2000  # of each thread
RATE = 20_000.0  # calls per second of the open loop


def counted(driver: str, threads: int, rate: float) -> tuple[bool, Block]:
    """One run, and whether its numbers are the device's."""
    with Emulated(Device(service=20e-6, fail_every=EVERY, punctual=True)) as device:
        results = drive(device.jobs(threads), count=CALLS, driver=driver, rate=rate)
        answered, failed = device.counts
    return agrees(results, answered, failed), summed(results)


def agrees(results: list[ThreadResult], answered: int, failed: int) -> bool:
    """Whether the results say what the device counted; print both."""
    successes = sum(result.successes for result in results)
    failures = sum(result.failures for result in results)
    codes: dict[str, int] = {}
    for result in results:
        for name, count in result.errors.items():
            codes[name] = codes.get(name, 0) + count
    print(f"  device: {answered - failed} answered, {failed} failed; run: {successes} and {codes}")
    return (
        (successes, failures, codes) == (answered - failed, failed, {CODE: failed})
        and failed == answered // EVERY
        and sum(len(result.latencies) for result in results) == successes
        and all(result.rate == result.successes / result.wall_s for result in results)
    )


def warned(block: Block, driver: str) -> bool:
    """Whether the line of a run with this block carries the warning."""
    case = Case("failing", "sign", "CKM_ECDSA", 32, "P-256")
    plan = Plan("failing", (case,), threads=(1,), rounds=1)
    with tempfile.TemporaryDirectory() as directory:
        writer = RunWriter.create(Path(directory), plan.name)
        writer.write_meta(meta(plan, driver))
        writer.append(row(case, block, driver), block.latencies)
        (line,) = load(writer.path).lines
    print(f"  warnings of the line: {'; '.join(line.warnings)}")
    wanted = f"{block.errors[CODE]} calls answered {CODE}"
    return line.successes == block.successes and any(wanted in warning for warning in line.warnings)


def meta(plan: Plan, driver: str) -> dict[str, object]:
    """What a run says of itself."""
    import attrs

    return {
        "name": plan.name,
        "plan": attrs.asdict(plan),
        "driver": driver,
        "tokens": {"emulated": "emulated"},
        "machine": machine(),
        "packages": packages(),
        "provenance": {},
    }


def row(case: Case, block: Block, driver: str) -> Row:
    """The block's row."""
    p50, p90, p99, largest = block.quantiles()
    return Row(
        "block",
        "emulated",
        case.name,
        case.operation,
        1,
        "ok",
        driver,
        0,
        wall_s=block.wall_s,
        cpu_s=block.cpu_s,
        successes=block.successes,
        failures=block.failures,
        errors=block.errors,
        rate_per_s=block.rate_per_s,
        p50_ns=p50,
        p90_ns=p90,
        p99_ns=p99,
        max_ns=largest,
    )


def main() -> int:
    """Print the numbers of each way, and the verdict."""
    if kernel() is None:
        print("the device is not built here: install the package where a C compiler is", file=sys.stderr)
        return 2
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    passed = []
    for driver in ("c-kernel", "cffi-abi"):
        for threads in (1, 4):
            for rate in (0.0, RATE):
                loop = f"open loop, {rate:g} per second" if rate else "closed loop"
                print(f"{driver}, {threads} threads, {loop}")
                right, block = counted(driver, threads, rate)
                passed.append(right)
        passed.append(warned(block, driver))
    print(
        "every number is the device's" if all(passed) else "NOT: a number differs, or the warning is missing"
    )
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
