"""Is the load kernel as fast as C? It is held against a plain C loop, and PyKCS11 beside both.

The loop (``c_loop.c``) is compiled as a shared object and runs in the same process, on the same threads, sessions,
keys and buffers, in blocks of the same number of calls that alternate with the kernel's. Each pair of blocks gives
one ratio. Separate processes would not do: two of identical code differ by as much as 0.67 to 1.43. With one
thread it is the calling one in both, because the C library gives every other thread its own heap, and a token that
allocates a kilobyte per call is up to 6 % slower there.

Where the stack and the heap happen to lie is worth up to a percent, for or against either of the two, and stays so
for the life of a process. So this is done in several processes, and the figure is the median over the processes of
the medians over their pairs.

The latency of a block is the mean of the middle half of its calls: as robust as the median, and not held to
the steps of the clock (10 ns on many machines, 1 % of a short call). The throughput of a block is the sum over its
threads of calls by wall time; a pair in which other processes had more than a twentieth of the machine is not
counted, while there are enough others.

Usage: ``python benchmarks/kernel_vs_c.py [TOKEN…] [--processes 7] [--pairs 12] [--milliseconds 25] [--case NAME]``
Exit status 1 when a latency of one thread is more than 1.005 of C's, or a throughput of two less than 0.97 of it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PyKCS11
from c_loop import Block, Figures, c_block, compiled, middle, opened
from theirs import key_of, session_of

from workbench import tokens
from workbench.cryptoki.library import ffi
from workbench.measure import Case, Job, drive
from workbench.measure.drivers import kernel
from workbench.measure.material import generate, use_of
from workbench.measure.stats import median_interval
from workbench.measure.subject import make_job

LATENCY, THROUGHPUT = 1.005, 0.97  # limits
THREADS = 2
QUIET = 0.05  # of the machine, for everybody else
ENOUGH = 20  # quiet pairs
CASES = (
    Case("RSA-2048 sign", "sign", "CKM_SHA256_RSA_PKCS", 32, "RSA-2048"),
    Case("ECDSA P-256 sign", "sign", "CKM_ECDSA", 32, "P-256"),
    Case("ECDSA P-256 verify", "verify", "CKM_ECDSA", 32, "P-256"),
    Case("HMAC-SHA-256 1 KiB", "sign", "CKM_SHA256_HMAC", 1024, "HMAC-SHA256"),
    Case("AES-GCM encrypt 1K", "encrypt", "CKM_AES_GCM", 1024, "AES-256", output=2048),
    Case("AES-GCM decrypt 1K", "decrypt", "CKM_AES_GCM", 1024, "AES-256"),
    Case("SHA-256 1 KiB", "digest", "CKM_SHA256", 1024),
    Case("random 32 B", "random", None, 32, output=32),
)
Found = dict[str, Any]  # what one process found of one case: plain JSON


def kernel_block(jobs: Sequence[Job]) -> Block:
    """Blocks of the load kernel, as a run makes them; its warm-up is one call here."""

    def block(calls: int) -> Figures:
        results = drive(jobs, count=calls, warmup=1e-9, driver="c-kernel", samples=calls)
        assert all(result.successes == calls for result in results), [result.errors for result in results]
        rate = sum(result.rate for result in results)
        return Figures(middle(np.concatenate([result.latencies for result in results])), rate)

    return block


def pykcs11_block(session: tokens.Session, case: Case, job: Job) -> Block:
    """Blocks of PyKCS11's own calls, as a Python program makes them."""
    theirs, handle = session_of(session.token.module, session.handle), key_of(job.key)
    chosen = PyKCS11.Mechanism(getattr(PyKCS11, case.mechanism)) if case.mechanism else None
    data, signature = ffi().buffer(job.data, job.data_length)[:], job.work.signature
    counter = iter(range(1 << 62))

    def gcm(iv: bytes) -> PyKCS11.AES_GCM_Mechanism:
        made = PyKCS11.AES_GCM_Mechanism(iv, b"", 128)
        made._param.ulIvBits = 96  # PyKCS11 1.5.20 leaves it 0, which some modules refuse
        return made

    def encrypt() -> None:
        theirs.encrypt(handle, data, gcm(b"\xff\xff\0\0" + next(counter).to_bytes(8, "big")))

    def decrypt() -> None:
        parameter = ffi().cast("CK_GCM_PARAMS_PTR", job.mechanism.pParameter)
        theirs.decrypt(handle, data, gcm(ffi().buffer(parameter.pIv, 12)[:]))

    call: Callable[[], object] = {
        "sign": lambda: theirs.sign(handle, data, chosen),
        "verify": lambda: theirs.verify(handle, data, signature, chosen),
        "encrypt": encrypt,
        "decrypt": decrypt,
        "digest": lambda: theirs.digest(data, chosen),
        "random": lambda: theirs.generateRandom(case.payload),
    }[case.operation]

    def block(calls: int) -> Figures:
        call()
        spent = []
        for _ in range(calls):
            start = time.monotonic_ns()
            call()
            spent.append(time.monotonic_ns() - start)
        return Figures(middle(spent), calls / sum(spent) * 1e9)

    return block


def busy() -> float:
    """Seconds of CPU that the machine has spent on anybody; 0 where it does not say."""
    try:
        times = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    except OSError:
        return 0.0
    idle = int(times[3]) + int(times[4])
    return (sum(map(int, times)) - idle) / os.sysconf("SC_CLK_TCK")


def paired(
    jobs: Sequence[Job], loop: Any, pairs: int, seconds: float
) -> Iterator[tuple[Figures, Figures, float]]:
    """Alternating blocks of C and of the kernel, each of about ``seconds``; and the others' share of the machine."""
    blocks = c_block(loop, jobs), kernel_block(jobs)
    calls = 3
    for _ in range(2):  # the first few calls are slow ones
        calls = max(3, round(seconds * blocks[0](calls).rate / len(jobs)))
    for pair in range(pairs):
        began, ours, everybody = time.monotonic(), time.process_time(), busy()
        order = (0, 1) if pair % 2 else (1, 0)
        found = {which: blocks[which](calls) for which in order}
        others = busy() - everybody - (time.process_time() - ours)
        yield found[0], found[1], others / (time.monotonic() - began) / (os.cpu_count() or 1)


def measured(token: tokens.Token, case: Case, loop: Any, options: Any) -> Found:
    """One case: latencies and ratios of one thread, throughputs of two, PyKCS11's latency."""
    seconds = options.milliseconds / 1e3
    sessions = [token.session() for _ in range(THREADS)]
    try:
        keys = generate(sessions[0], case.key, use_of(case)) if case.key else None
        jobs = [make_job(session, case, keys, user) for user, session in enumerate(sessions)]
        alone = list(paired(jobs[:1], loop, options.pairs, seconds))
        # twice as long: the machine counts its time in steps of 10 ms
        together = list(paired(jobs, loop, options.pairs, 2 * seconds))
        theirs = pykcs11_block(sessions[0], case, jobs[0])
        try:
            slow: float | str = theirs(max(3, round(seconds * 1e9 / theirs(3).latency))).latency
        except PyKCS11.PyKCS11Error as error:
            slow = str(error)
    finally:
        for session in sessions:
            session.close()
    return {
        "c": float(np.median([c.latency for c, _, _ in alone])),
        "kernel": float(np.median([ours.latency for _, ours, _ in alone])),
        "latency": [ours.latency / c.latency for c, ours, _ in alone],
        "throughput": [(ours.rate / c.rate, others) for c, ours, others in together],
        "pykcs11": slow,
    }


def process(name: str, made: Path, options: Any) -> None:
    """Measure every case in this process, and print a line of JSON for each."""
    # Without a Python handler for Ctrl-C the kernel runs in the calling thread, as it does in a worker.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    token, loop = tokens.open(name), opened(made)
    for case in chosen(options):
        print(json.dumps({"case": case.name, **measured(token, case, loop, options)}), flush=True)


def chosen(options: Any) -> list[Case]:
    """The cases that were asked for."""
    return [case for case in CASES if not options.case or case.name in options.case]


def spread(name: str, made: Path, options: Any) -> dict[str, list[Found]]:
    """What several processes found, one after the other."""
    found: dict[str, list[Found]] = {case.name: [] for case in chosen(options)}
    for _ in range(options.processes):
        command = [sys.executable, __file__, name, "--process", str(made), "--pairs", str(options.pairs)]
        command += ["--milliseconds", str(options.milliseconds)]
        command += [word for case in options.case or () for word in ("--case", case)]
        for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
            one = json.loads(line)
            found[one["case"]].append(one)
    return found


def report(case: str, processes: list[Found]) -> tuple[float, float]:
    """A line of the table; the latency's and the throughput's ratio to C."""
    latency = median_interval([float(np.median(one["latency"])) for one in processes])
    pairs = [pair for one in processes for pair in one["throughput"]]
    quiet = [ratio for ratio, others in pairs if others <= QUIET]
    counted = quiet if len(quiet) >= ENOUGH else [ratio for ratio, _ in pairs]
    throughput = median_interval(counted)
    c, ours = (float(np.median([one[which] for one in processes])) / 1e3 for which in ("c", "kernel"))
    failed = next((one["pykcs11"] for one in processes if isinstance(one["pykcs11"], str)), None)
    theirs = failed or f"{np.median([one['pykcs11'] / one['c'] for one in processes]):.2f}"
    print(
        f"{case:<20}{c:>9.2f}{ours:>9.2f}  {latency.value:.4f} ({latency.low:.4f}–{latency.high:.4f})"
        f"   {throughput.value:.4f} ({throughput.low:.4f}–{throughput.high:.4f}) {len(quiet):>4}/{len(pairs)}  {theirs}",
        flush=True,
    )
    return latency.value, throughput.value


def main() -> int:
    """Print a table for each token."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("tokens", nargs="*", default=["softhsm", "nss"], help="tokens to use")
    parser.add_argument("--processes", type=int, default=7, help="processes for each token")
    parser.add_argument(
        "--pairs", type=int, default=12, help="pairs of blocks for each operation and process"
    )
    parser.add_argument("--milliseconds", type=float, default=25, help="length of a block")
    parser.add_argument(
        "--case", action="append", choices=[case.name for case in CASES], help="only this one"
    )
    parser.add_argument("--process", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if kernel() is None:
        print("the load kernel is not built here: install the package where a C compiler is", file=sys.stderr)
        return 2
    if options.process:
        process(options.tokens[0], options.process, options)
        return 0
    ratios: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as directory:
        compiled(Path(directory))
        for name in options.tokens:
            found = spread(name, Path(directory) / "c_loop.so", options)
            print(
                f"{name}: {options.processes} processes, {options.pairs} pairs of {options.milliseconds:g} ms each"
            )
            print(f"{'µs, 1 thread':<20}{'C':>9}{'kernel':>9}  {'kernel / C':<24}", end="")
            print(f"   {THREADS} threads: kernel / C   quiet pairs  PyKCS11 / C, 1 thread")
            ratios += [report(case, processes) for case, processes in found.items()]
    slowest, least = max(latency for latency, _ in ratios), min(throughput for _, throughput in ratios)
    print(f"highest latency of one thread, kernel / C: {slowest:.4f} (limit {LATENCY})")
    print(f"lowest throughput of {THREADS} threads, kernel / C: {least:.4f} (limit {THROUGHPUT})")
    print(f"load of the machine: {', '.join(f'{load:.1f}' for load in os.getloadavg())}")
    return 0 if slowest <= LATENCY and least >= THROUGHPUT else 1


if __name__ == "__main__":
    sys.exit(main())
