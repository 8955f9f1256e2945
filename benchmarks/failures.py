"""What is left of a run that meets a fault at a random point?

Each run is `workbench bench` in a session of its own, and something happens to it: its worker is killed, stopped or
crashes; the token is taken away, or the daemon behind it is stopped; the disk is full; Ctrl-C is pressed, or the run
itself is killed. Then the run must load with every row that had been written, what failed must be marked, the exit
status must say so, no process and no object may be left after a sweep, and a run that was broken off must go on to its end.

Usage: ``python benchmarks/failures.py [--runs 50] [--seed N] [--token softhsm --token p11-kit …]``
All tokens are made in a temporary directory. Exit status 1 when something is not as it must be.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import attrs

from workbench.faults import WorkbenchError
from workbench.measure import Run, load

CASES, THREADS, ROUNDS, SECONDS = ("ECDSA P-256 sign", "random 32 B"), (1, 2), 4, 0.1
BLOCKS = len(CASES) * len(THREADS) * ROUNDS
HANG_SECONDS = 4.0
CALM_SECONDS = 15.0  # for processes to end
PROMPT_SECONDS = 1.0  # from Ctrl-C to the end of the command, Python's own way out included
WORKBENCH = (sys.executable, "-m", "workbench.cli")
DAEMONS = ("p11-kit", "tpm", "opencryptoki")


@attrs.frozen
class Trial:
    """A run on its way."""

    process: subprocess.Popen[bytes]
    out: Path
    token: str

    @property
    def path(self) -> Path | None:
        """The run directory, once it is there."""
        return next((path for path in self.out.iterdir() if (path / "rows.jsonl").exists()), None)

    def rows(self) -> bytes:
        """The finished rows so far."""
        with contextlib.suppress(OSError):
            if self.path is not None:
                text = (self.path / "rows.jsonl").read_bytes()
                return text[: text.rfind(b"\n") + 1]
        return b""

    def members(self) -> list[int]:
        """The processes of the run's session that are alive."""
        return [
            pid for pid, session, state in processes() if session == self.process.pid and state not in "ZX"
        ]

    def worker(self) -> int | None:
        """The worker's process, if there is one now."""
        for pid in self.members():
            with contextlib.suppress(OSError):
                if b"workbench.workers" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return None


def processes() -> Iterator[tuple[int, int, str]]:
    """pid, session and state of every process."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            fields = path.read_text().rpartition(")")[2].split()
            yield int(path.parent.name), int(fields[3]), fields[0]


# --- the faults: each returns whether it came to pass


def signalled(number: signal.Signals) -> Callable[[Trial], bool]:
    """The worker gets a signal."""

    def act(trial: Trial) -> bool:
        worker = trial.worker()
        if worker is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, number)
                return True
        return False

    return act


def interrupted(trial: Trial) -> bool:
    """Ctrl-C in a terminal reaches the whole group."""
    if trial.process.poll() is None:
        os.killpg(trial.process.pid, signal.SIGINT)
        return True
    return False


def orphaned(trial: Trial) -> bool:
    """The run itself is killed."""
    if trial.process.poll() is None:
        trial.process.kill()
        return True
    return False


def removed(trial: Trial) -> bool:
    """The token's files are gone."""
    tokens = token_directory()
    if trial.process.poll() is None:
        tokens.rename(tokens.with_name("away"))
        return True
    return False


def put_back() -> None:
    """The token's files are there again."""
    away = token_directory().with_name("away")
    if away.exists():
        shutil.rmtree(token_directory(), ignore_errors=True)
        away.rename(token_directory())


def token_directory() -> Path:
    """Where SoftHSM keeps its tokens."""
    return Path(os.environ["WORKBENCH_HOME"]) / "sandboxes" / "softhsm" / "tokens"


def daemon_stopped(trial: Trial) -> bool:
    """What runs for the token is stopped."""
    if trial.process.poll() is None:
        workbench("token", "down", trial.token)
        return True
    return False


FAULTS: dict[str, Callable[[Trial], bool]] = {
    "SIGKILL": signalled(signal.SIGKILL),
    "SIGSTOP": signalled(signal.SIGSTOP),
    "SIGSEGV": signalled(signal.SIGSEGV),
    "token removed": removed,
    "daemon stopped": daemon_stopped,
    "disk full": lambda trial: True,  # its disk was small from the start
    "Ctrl-C": interrupted,
    "run killed": orphaned,
}
INTERRUPTIONS: list[float] = []  # seconds from Ctrl-C to the end
BROKEN_OFF = ("disk full", "Ctrl-C", "run killed")


def workbench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, to its end."""
    return subprocess.run([*WORKBENCH, *arguments], check=False, capture_output=True, text=True, timeout=300)


def started(token: str, out: Path) -> Trial:
    """A run, in a session of its own."""
    cases = [word for case in CASES for word in ("--case", case)]
    options = ["--threads", ",".join(map(str, THREADS)), "--rounds", str(ROUNDS), "--seconds", str(SECONDS)]
    command = [*WORKBENCH, "bench", "--token", token, *cases, *options, "--timeout", str(HANG_SECONDS)]
    with (out.parent / f"{out.name}.txt").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--out", str(out)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return Trial(process, out, token)


@contextlib.contextmanager
def disk(out: Path, room: int | None) -> Iterator[None]:
    """A directory for the run, on a disk of its own with so much room if that is given."""
    out.mkdir()
    if room is None:
        yield
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", out], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", out], check=True)


def trial(fault: str, token: str, out: Path, moment: float) -> list[str]:
    """One run with one fault after so many seconds; what is not as it must be."""
    room = 4096 * random.Random(moment).randrange(6, 40) if fault == "disk full" else None
    with disk(out, room):
        run = started(token, out)
        began = time.monotonic()
        come = False
        before = b""
        while not come and run.process.poll() is None:
            time.sleep(max(0.01, moment - (time.monotonic() - began)))
            before = run.rows()
            come = FAULTS[fault](run)
        acted = time.monotonic()
        status = run.process.wait(180)
        took = time.monotonic() - acted
        wrong = judged(run, fault, come, before, status)
        if fault == "Ctrl-C" and come:
            INTERRUPTIONS.append(took)
            if took > PROMPT_SECONDS:
                wrong.append(f"it ended {took:.1f} s after Ctrl-C")
        put_back()
        if fault == "daemon stopped":
            workbench("token", "up", token)
        if fault in BROKEN_OFF and come:
            if room is not None:
                subprocess.run(["mount", "-o", "remount,size=16m", out], check=True)
            wrong += goes_on(run)
    return wrong


def judged(trial: Trial, fault: str, come: bool, before: bytes, status: int) -> list[str]:
    """What is wrong with what a run has left."""
    wrong = []
    deadline = time.monotonic() + CALM_SECONDS
    while trial.members() and time.monotonic() < deadline:
        time.sleep(0.05)
    if trial.members():
        wrong.append(f"processes are left: {trial.members()}")
    said = (trial.out.parent / f"{trial.out.name}.txt").read_text()
    if "Traceback" in said:
        wrong.append("it printed a traceback: " + said.strip().splitlines()[-1])
    if not trial.rows().startswith(before):
        wrong.append("rows that had been written are gone")
    run = None
    try:
        run = load(trial.path) if trial.path is not None else None
    except WorkbenchError as error:
        if before:
            wrong.append(f"it does not load: {error}")
    failed = () if run is None else run.failed
    if run is not None:
        wrong += inconsistent(run)
    blocks = () if run is None else [row for row in run.rows if row.kind == "block"]
    expected: tuple[int, ...] = (1,) if failed else (0,)
    if come and fault == "Ctrl-C":
        expected = (130,)
    elif come and fault == "run killed":
        expected = (-signal.SIGKILL,)
    elif fault == "disk full" and (run is None or not run.end):
        expected = (2,) if run is None else (1,)  # it could not begin, or it could not go on
    elif len(blocks) < BLOCKS:
        # nothing came of it at all: the module or the token was not there when the run began
        expected = (1, 2) if not blocks else ()
    if status not in expected:
        wrong.append(
            f"exit status {status}, not {expected}, with {len(blocks)} blocks, {len(failed)} failures"
        )
    if (
        come
        and fault.startswith("SIG")
        and len(blocks) == BLOCKS
        and before.count(b'"block"') < BLOCKS
        and not failed
    ):
        wrong.append("the failure is not marked")
    return wrong


def inconsistent(run: Run) -> list[str]:
    """What does not fit together in a run that was read."""
    wrong = []
    for row in run.rows:
        file = run.path / (row.latencies or "nowhere")
        if row.kind == "block" and row.measured and not (row.successes and file.exists()):
            wrong.append("a measured row lacks its figures")
    steps = Counter((row.case, row.threads, row.round) for row in run.rows if row.kind == "block")
    if any(count > 1 for count in steps.values()):
        wrong.append("a block is there twice")
    _ = run.lines, run.table()  # they must be had from every run
    return wrong


def goes_on(trial: Trial) -> list[str]:
    """What is wrong when a run that was broken off is resumed."""
    path = trial.path
    if (
        path is None
        or not (path / "run.json").exists()
        or not (path / "run.json").read_text().rstrip().endswith("}")
    ):
        return []  # it had not begun
    before = [row for row in load(path).rows if row.kind == "block" and row.measured]
    done = workbench("bench", "--resume", str(path))
    run = load(path)
    blocks = [row for row in run.rows if row.kind == "block" and row.measured]
    wrong = [] if blocks[: len(before)] == before else ["resumed, it lost a row"]
    expected = 1 if run.failed else 0
    if (
        len({(row.case, row.threads, row.round) for row in blocks}) < BLOCKS - len(run.failed)
        or done.returncode != expected
    ):
        wrong.append(
            f"resumed, it has {len(blocks)} of {BLOCKS} blocks and exit status {done.returncode}: {done.stderr.strip()[-300:]}"
        )
    return wrong


def token_for(fault: str, tokens: list[str], order: random.Random) -> str | None:
    """A token that the fault can happen to."""
    fitting = {"token removed": ["softhsm"], "daemon stopped": [t for t in tokens if t in DAEMONS]}.get(
        fault, tokens
    )
    found = [token for token in fitting if token in tokens]
    return order.choice(found) if found else None


def main() -> int:
    """Print a line for each fault, and what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument(
        "--token", action="append", help="default: softhsm, p11-kit and tpm, as far as they are here"
    )
    options = parser.parse_args()
    # a shell starts what runs in its background deaf to Ctrl-C, and the runs would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    order = random.Random(options.seed)
    counted: Counter[str] = Counter()
    faulty: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory(prefix="workbench-failures-", ignore_cleanup_errors=True) as directory:
        os.environ["WORKBENCH_HOME"] = str(Path(directory) / "home")
        wanted = options.token or ["softhsm", "p11-kit", "tpm"]
        tokens = [token for token in wanted if workbench("token", "up", token).returncode == 0]
        print(f"seed {options.seed}, tokens {', '.join(tokens)}")
        try:
            lengths = {}
            for token in tokens:
                began = time.monotonic()
                out = Path(directory) / f"clean-{token}"
                out.mkdir()
                started(token, out).process.wait(180)
                lengths[token] = time.monotonic() - began
            faults = [fault for fault in FAULTS if token_for(fault, tokens, order)]
            if os.geteuid() != 0:
                faults.remove("disk full")  # it needs a disk of its own
            for number in range(options.runs):
                fault = faults[number % len(faults)]
                token = token_for(fault, tokens, order)
                assert token is not None
                moment = order.uniform(0.1, lengths[token])
                wrong = trial(fault, token, Path(directory) / f"run-{number}", moment)
                counted[fault] += 1
                print(
                    f"{number + 1:>3}  {fault:<15}{token:<9}{moment:>5.1f} s  {'; '.join(wrong) or 'as it must be'}",
                    flush=True,
                )
                faulty.setdefault(fault, []).extend(wrong)
            for token in tokens:
                # who is killed cannot tidy up; what it leaves is known to be ours, and goes
                swept = workbench("sweep", "--token", token)
                left = workbench("sweep", "--token", token, "--dry-run").stdout
                if swept.returncode or "nothing of ours is left" not in left:
                    faulty.setdefault("objects left", []).append(left)
                print(f"{token}: {swept.stdout.count(' removed')} objects of killed runs swept away")
        finally:
            for token in tokens:
                workbench("token", "down", token)
    for fault, count in counted.items():
        print(f"{fault:<15}{count:>3} runs, {len(faulty.get(fault, []))} faults in what they left")
    if INTERRUPTIONS:
        print(
            f"Ctrl-C ended the command within {median(INTERRUPTIONS) * 1000:.0f} ms, at most {max(INTERRUPTIONS) * 1000:.0f} ms"
        )
    return 1 if any(faulty.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
