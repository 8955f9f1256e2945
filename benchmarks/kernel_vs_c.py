"""Is the load kernel as fast as C? It is held against a plain C loop, and PyKCS11 beside both.

The loop (``c_loop.c``) is compiled here and now as a shared object and runs in this process, on the same
thread, session, key and buffers, in blocks of the same number of calls that alternate with the kernel's.
Each pair of blocks gives one ratio of latencies; the figure is the median over the pairs. Separate processes
would not do: two of identical code differ by as much as 0.67 to 1.43. Separate threads would not either: the
C library gives each its own heap, and a token that allocates a kilobyte per call is up to 6 % slower there.

The latency of a block is the mean of the middle half of its calls: as robust as the median, and not held to
the steps of the clock (10 ns on many machines, 1 % of a short call).

Usage: ``python benchmarks/kernel_vs_c.py [TOKEN…] [--pairs 60] [--milliseconds 25] [--limit 1.01]``
Exit status 1 when a ratio is above the limit.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import cffi
import numpy as np
import numpy.typing as npt
import PyKCS11
from theirs import key_of, session_of

from workbench import tokens
from workbench.cryptoki.library import ffi
from workbench.measure import Case, Interval, Job, drive, plan_named
from workbench.measure.drivers import kernel
from workbench.measure.stats import median_interval
from workbench.measure.subject import generate_key, make_job, prepare
from workbench.spec.declarations import cdef

SOURCE = Path(__file__).with_name("c_loop.c")
Block = Callable[[int], float]  # calls → latency in ns


def middle(latencies: npt.ArrayLike) -> float:
    """The mean of the middle half."""
    ordered = np.sort(np.asarray(latencies))
    quarter = len(ordered) // 4
    return float(ordered[quarter : len(ordered) - quarter].mean())


@attrs.frozen
class Result:
    """One operation: latencies in ns, and ratios to the C loop pair by pair."""

    case: str
    calls: int
    c_ns: float
    kernel_ns: float
    ratio: Interval
    pykcs11: Interval | str


def compiled(directory: Path) -> Any:
    """The C loop as a cffi library."""
    header = "#include <stddef.h>\n" + cdef()
    (directory / "cryptoki.h").write_text(header, encoding="utf-8")
    made = directory / "c_loop.so"
    command = ["cc", "-O2", "-std=gnu11", "-shared", "-fPIC", f"-I{directory}", str(SOURCE), "-o", str(made)]
    subprocess.run(command, check=True)
    interface = cffi.FFI()
    for name in ("sign", "encrypt", "digest", "random"):
        interface.cdef(
            f"unsigned long loop_{name}(void *p11, unsigned long session, void *mechanism, unsigned long key,"
            " void *data, unsigned long data_length, void *out, unsigned long room, void *ns, long count);"
        )
    return interface, interface.dlopen(str(made))


def c_block(loop: Any, job: Job) -> Block:
    """Blocks of the C loop, with one call before the clock starts."""
    interface, library = loop
    function = getattr(library, f"loop_{job.operation}")

    def pointer(value: Any) -> Any:
        return interface.cast("void *", int(ffi().cast("uintptr_t", value)))

    arguments = (
        interface.cast("void *", job.function_list),
        job.session,
        pointer(job.mechanism),
        job.key,
        pointer(job.data),
        job.data_length,
        pointer(job.output),
        job.capacity,
    )

    def block(calls: int) -> float:
        ns = np.zeros(calls, dtype=np.uint64)
        address = interface.cast("void *", ns.ctypes.data)
        for count in (1, calls):
            rv = function(*arguments, address, count)
            assert rv == 0, f"CKR 0x{rv:X}"
        return middle(ns)

    return block


def kernel_block(job: Job) -> Block:
    """Blocks of the load kernel, as a run makes them; its warm-up is one call here."""

    def block(calls: int) -> float:
        result = drive([job], count=calls, warmup=1e-9, driver="c-kernel")[0]
        assert result.successes == calls, result.errors
        return middle(result.latencies)

    return block


def pykcs11_block(session: tokens.Session, case: Case, key: int, data: bytes) -> Block:
    """Blocks of PyKCS11's own calls, as a Python program makes them."""
    theirs, handle = session_of(session.token.module, session.handle), key_of(key)
    chosen = PyKCS11.Mechanism(getattr(PyKCS11, case.mechanism)) if case.mechanism else None
    counter = iter(range(1 << 62))

    def encrypt() -> None:
        iv = b"\xff\xff\0\0" + next(counter).to_bytes(8, "big")
        gcm = PyKCS11.AES_GCM_Mechanism(iv, b"", 128)
        gcm._param.ulIvBits = 96  # PyKCS11 1.5.20 leaves it 0, which some modules refuse
        theirs.encrypt(handle, data, gcm)

    call: Callable[[], object] = {
        "sign": lambda: theirs.sign(handle, data, chosen),
        "encrypt": encrypt,
        "digest": lambda: theirs.digest(data, chosen),
        "random": lambda: theirs.generateRandom(case.payload),
    }[case.operation]

    def block(calls: int) -> float:
        call()
        spent = []
        for _ in range(calls):
            start = time.monotonic_ns()
            call()
            spent.append(time.monotonic_ns() - start)
        return middle(spent)

    return block


def compare(session: tokens.Session, case: Case, loop: Any, pairs: int, seconds: float) -> Result:
    """Measure one case in alternating blocks of about ``seconds``."""
    key = generate_key(session, case.key) if case.key else 0
    c, ours = make_job(session, case, key, 0), make_job(session, case, key, 1)
    c.data, c.output = ours.data, ours.output  # where a buffer lies in memory shows, too
    blocks: dict[str, Block] = {"c": c_block(loop, c), "kernel": kernel_block(ours)}
    data = ffi().buffer(c.data)[: case.payload]
    pykcs11: Block = pykcs11_block(session, case, key, data)
    calls = max(3, round(seconds * 1e9 / blocks["c"](3)))
    calls = max(3, round(seconds * 1e9 / blocks["c"](calls)))  # the first few calls are slow ones
    theirs: Interval | str
    try:
        slow_calls = max(3, round(seconds * 1e9 / pykcs11(3)))
        theirs = Interval(0, 0, 0)
    except PyKCS11.PyKCS11Error as error:
        slow_calls, theirs = 0, f"fails ({error})"
    found: dict[str, list[float]] = {"c": [], "kernel": [], "pykcs11": []}
    for pair in range(pairs):
        order = ("c", "kernel") if pair % 2 else ("kernel", "c")
        for name in order:
            found[name].append(blocks[name](calls))
        if slow_calls and pair % 4 == 0:  # far from 1: fewer blocks show it
            found["pykcs11"].append(pykcs11(slow_calls) / found["c"][-1])
    ratio = median_interval([k / c for k, c in zip(found["kernel"], found["c"], strict=True)])
    if slow_calls:
        theirs = median_interval(found["pykcs11"])
    return Result(
        case.name, calls, float(np.median(found["c"])), float(np.median(found["kernel"])), ratio, theirs
    )


def shown(result: Result) -> str:
    """A line of the table."""
    theirs = result.pykcs11 if isinstance(result.pykcs11, str) else f"{result.pykcs11.value:7.2f}"
    ratio = f"{result.ratio.value:.4f} ({result.ratio.low:.4f}–{result.ratio.high:.4f})"
    return (
        f"{result.case:<18}{result.calls:>8}{result.c_ns / 1e3:>11.2f}{result.kernel_ns / 1e3:>12.2f}"
        f"{ratio:>26}  {theirs}"
    )


def main() -> int:
    """Print a table for each token."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("tokens", nargs="*", default=["softhsm"], help="tokens to use (default: softhsm)")
    parser.add_argument("--pairs", type=int, default=60, help="pairs of blocks for each operation")
    parser.add_argument("--milliseconds", type=float, default=25, help="length of a block")
    parser.add_argument("--limit", type=float, default=1.01, help="highest ratio that passes")
    options = parser.parse_args()
    if kernel() is None:
        print("the load kernel is not built here: install the package where a C compiler is", file=sys.stderr)
        return 2
    # Without a Python handler for Ctrl-C the kernel runs in the calling thread, as it does in a worker.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    worst = 0.0
    with tempfile.TemporaryDirectory() as directory:
        loop = compiled(Path(directory))
        for name in options.tokens:
            token = tokens.open(name)
            info = token.provenance()
            print(
                f"{name}: {info['library']}, one thread, {options.pairs} pairs of {options.milliseconds:g} ms blocks"
            )
            print(f"{'':<18}{'calls':>8}{'C':>11}{'kernel':>12}{'kernel / C':>26}  PyKCS11 / C")
            print(f"{'':<18}{'a block':>8}{'µs':>11}{'µs':>12}{'latency (95 % CI)':>26}  latency")
            for case in plan_named("quick").cases:
                prepared = prepare(token, case, 1, "c-kernel")
                if prepared.outcome != "ok":
                    print(f"{case.name:<18}  {prepared.outcome}: {prepared.detail}")
                    continue
                with token.session() as session:
                    result = compare(session, case, loop, options.pairs, options.milliseconds / 1e3)
                worst = max(worst, result.ratio.value)
                print(shown(result), flush=True)
    print(f"highest ratio of the kernel to C: {worst:.4f} (limit {options.limit:g})")
    return 0 if worst <= options.limit else 1


if __name__ == "__main__":
    sys.exit(main())
