"""Does a fleet's sum equal its parts, and what does a lost host cost?

Dask workers on this machine, over loopback, stand for the hosts. The first run is left alone; in the second one
the Dask worker of a host is killed in mid-run. Both are checked against what the hosts themselves wrote: every sum
is counted anew from their windows, and what a host had finished must be there.

Usage: ``python benchmarks/fleet.py [--token softhsm] [--hosts 4] [--rounds 3] [--seconds 1]``
Exit status 1 when a check fails.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from distributed import LocalCluster

from workbench.measure import CASES, Plan, Progress, Run, fleet_bench, load
from workbench.measure.store import Row

CHECKS: list[bool] = []
OUT_OF_STEP = "not together"  # a busy machine: finished, and not counted


def check(text: str, holds: bool) -> None:
    """Print and remember whether something holds."""
    CHECKS.append(holds)
    print(f"  {'yes' if holds else 'NO '}  {text}")


def sums(run: Run) -> Iterator[tuple[Row, list[Row]]]:
    """Each measured sum with the rows of its hosts."""
    for row in run.rows:
        if row.kind == "block" and row.measured and " on " in row.token:
            token = row.token.rpartition(" on ")[0]
            parts = [
                part
                for part in run.rows
                if part.kind == "block"
                and part.measured
                and part.token.startswith(f"{token}@")
                and (part.case, part.round, part.begin_ns) == (row.case, row.round, row.begin_ns)
            ]
            yield row, parts


def recounted(run: Run, row: Row) -> tuple[int, float]:
    """A sum's successes from the hosts' own runs, and the share of their windows that it covers."""
    begin, end = row.begin_ns or 0, row.end_ns or 0
    total, lengths = 0, []
    for host, facts in run.meta["hosts"].items():
        ahead = round(facts["clock_ahead_ms"] * 1e6)
        for own in load(run.path / "hosts" / host / facts["run"]).rows:
            window = own.window
            if window and own.measured and (own.case, own.round) == (row.case, row.round):
                window = window.moved(-ahead)
                if window.begin_ns <= begin and end <= window.end_ns:
                    total += window.successes(begin, end)
                    lengths.append(window.end_ns - window.begin_ns)
    return total, (end - begin) / max(lengths)


def check_sums(run: Run) -> None:
    """Every sum against its parts, and against the hosts' own files."""
    found = list(sums(run))
    check(f"{len(found)} sums are those of their hosts' rows", all(
        row.successes == sum(part.successes for part in parts)
        and abs((row.rate_per_s or 0) - sum(part.rate_per_s or 0 for part in parts)) < 1e-6 * (row.rate_per_s or 1)
        and row.threads == sum(part.threads for part in parts)
        for row, parts in found
    ))  # fmt: skip
    counts = [recounted(run, row) for row, _ in found]
    check("counted anew from the hosts' own runs they are the same", all(
        count == row.successes for (row, _), (count, _) in zip(found, counts, strict=True)
    ))  # fmt: skip
    shares = sorted(share for _, share in counts)
    print(
        f"       the windows overlap by {shares[0]:.1%} at least, {shares[len(shares) // 2]:.1%} in the middle"
    )


def print_lines(run: Run) -> None:
    """The run, line by line."""
    for line in run.lines:
        print(
            f"       {line.token:<22}{line.case:<18}{line.threads:>3} threads{line.rounds:>3} rounds"
            f"{line.rate.value:>12,.0f}/s  {line.outcome if line.outcome != 'ok' else ''}"
        )


def killer(cluster: LocalCluster, when: str) -> tuple[Callable[[Progress], None], list[int]]:
    """A progress callback that kills the first host's Dask worker in the middle of a step."""
    killed: list[int] = []

    def show(step: Progress) -> None:
        if when in step.text and not killed:
            killed.append(next(iter(cluster.workers.values())).pid)
            threading.Timer(0.2, os.kill, (killed[0], signal.SIGKILL)).start()

    return show, killed


def runners() -> set[str]:
    """Processes of ours that measure for a fleet."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"workbench.measure.remote" in path.read_bytes():
                found.add(path.parent.name)
        except OSError:
            continue
    return found


def left_alone(cluster: LocalCluster, plan: Plan, token: str, hosts: int, out: Path) -> None:
    """The first run: everything is there."""
    print(f"{hosts} hosts, nothing happens:")
    run = fleet_bench(cluster.scheduler_address, plan, [token], out=out)
    print_lines(run)
    check("nothing failed", not run.failed)
    whole = [row for row, parts in sums(run) if len(parts) == hosts]
    check(f"every block is summed over {hosts} hosts", len(whole) == plan.rounds * len(plan.cases))
    check_sums(run)
    within = [facts["clock_within_ms"] for facts in run.meta["hosts"].values()]
    print(f"       clock offsets are known to within {max(within):.2f} ms")


def one_killed(cluster: LocalCluster, plan: Plan, token: str, hosts: int, out: Path) -> None:
    """The second run: a host's Dask worker is killed in its second round."""
    print(f"{hosts} hosts, the Dask worker of one killed in round 2:")
    show, killed = killer(cluster, "round 2/")
    run = fleet_bench(cluster.scheduler_address, plan, [token], out=out, on_progress=show)
    print_lines(run)
    blocks = plan.rounds * len(plan.cases)
    lost = [host for host, facts in run.meta["hosts"].items() if "lost" in facts]
    check("one host is lost, and said to be", bool(killed) and len(lost) == 1)
    for host in run.meta["hosts"]:
        own = [row for row in run.rows if row.token == f"{token}@{host}" and row.kind == "block"]
        there = sum(row.measured or row.outcome == OUT_OF_STEP for row in own)
        if host in lost:
            kept = load(run.path / "hosts" / host / run.meta["hosts"][host]["run"])
            finished = sum(row.kind == "block" and row.measured for row in kept.rows)
            check(f"{host} keeps the {there} blocks it had finished", 0 < there == finished < blocks)
            check("and the others of its blocks are marked", len(own) == blocks)
        else:
            check(f"{host} has all of its {blocks} blocks", there == blocks)
    check(
        f"there are sums of {hosts} and of {hosts - 1} hosts",
        {len(parts) for _, parts in sums(run)} >= {hosts, hosts - 1},
    )
    check_sums(run)


def main() -> int:
    """Run both, and print what holds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--token", default="softhsm")
    parser.add_argument("--hosts", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a block")
    options = parser.parse_args()
    cases = (CASES["ECDSA P-256 sign"], CASES["SHA-256 1 KiB"])
    plan = Plan("fleet", cases, threads=(1,), rounds=options.rounds, seconds=options.seconds)
    before = runners()
    with tempfile.TemporaryDirectory(prefix="workbench-fleet-") as directory:
        settings = {"threads_per_worker": 1, "dashboard_address": None, "local_directory": directory}
        with LocalCluster(
            n_workers=options.hosts, processes=True, silence_logs="CRITICAL", **settings
        ) as cluster:
            left_alone(cluster, plan, options.token, options.hosts, Path(directory))
            one_killed(cluster, plan, options.token, options.hosts, Path(directory))
        deadline = time.monotonic() + 15
        while runners() - before and time.monotonic() < deadline:
            time.sleep(0.2)
        check("no process is left", not runners() - before)
    print(f"{sum(CHECKS)} of {len(CHECKS)} hold")
    return 0 if all(CHECKS) else 1


if __name__ == "__main__":
    sys.exit(main())
