"""Loading the module and asking it, in a process of its own: what it answers, and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from workbench.cryptoki import Secret
from workbench.cryptoki.errors import new_error
from workbench.faults import WorkbenchError
from workbench.inspection.check import Check
from workbench.inspection.diagnosis.subject import Subject
from workbench.tokens import Cost
from workbench.tokens.profile import Profile

__all__ = ["ask", "login_cost"]

START_SECONDS = 60.0  # a Python that starts on a busy machine is no hanging module
LONGEST_WORDS = 500  # characters
Said = dict[str, Any]


def login_cost(user: str | None) -> Cost:
    """The calls of ``Token.session`` with a login, and of its end."""
    login = "C_LoginUser" if user is not None else "C_Login"
    return {"C_OpenSession": 1, "C_GetSessionInfo": 1, login: 1, "C_CloseSession": 1}


def ask(subject: Subject, login: bool, pin: Secret | None, seconds: float) -> Iterator[Check]:
    """One check for each step, as it ends. ``seconds``: how long one step may take.

    ``pin``: what a person, a keyring or a program was asked for; None where the process reads the source itself.

    The process is gone when the iterator is exhausted or closed.
    """
    order = {
        "name": subject.name,
        "module": str(subject.module),
        "init_string": subject.init_string,
        "uri": None if subject.uri is None else str(subject.uri.without_query()),
        "provider": subject.provider,
        "cost": login_cost(subject.user) if login else None,
        # to our own child, through a pipe that nobody else has
        "pin": None if pin is None else pin.reveal().hex(),
    }
    reading, writing = os.pipe()
    with (
        tempfile.NamedTemporaryFile(prefix="workbench-doctor-") as written,
        os.fdopen(reading, "rb", 0) as channel,
    ):
        try:
            process = _started(subject, writing, written)
        finally:
            os.close(writing)
        printed = Path(written.name)
        try:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError), process.stdin:
                process.stdin.write(json.dumps(order).encode())
            yield from _followed(process, channel, printed, subject.profile, seconds)
        finally:
            process.kill()
            process.wait()


def _started(subject: Subject, writing: int, written: IO[bytes]) -> subprocess.Popen[bytes]:
    environment = subject.surroundings
    home_of_package = str(Path(__file__).parents[3])
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, [home_of_package, environment.get("PYTHONPATH")])
    )
    command = subject.interpreter or (sys.executable,)
    try:
        return subprocess.Popen(
            [*command, "-m", "workbench.inspection.diagnosis.steps", str(writing)],
            pass_fds=[writing],
            stdin=subprocess.PIPE,
            stdout=written,
            stderr=written,
            env=environment,
        )
    except OSError as error:
        raise WorkbenchError(f"cannot start {command[0]}: {error.strerror}; correct interpreter") from None


def _followed(
    process: subprocess.Popen[bytes],
    channel: IO[bytes],
    printed: Path,
    profile: Profile | None,
    seconds: float,
) -> Iterator[Check]:
    step, mark = "starting", 0
    while True:
        said = _line(channel, START_SECONDS if step == "starting" else seconds)
        if said is None:
            yield Check(
                step,
                "failed",
                f"no answer in {seconds:g} s: the module hangs in {step}",
                "see whether its device or service answers; --timeout waits longer",
            )
            return
        if not said:
            break
        if "begins" in said:
            step, mark = said["begins"], printed.stat().st_size
        elif "asked" in said:
            calls = ", ".join(f"{function} {count}" for function, count in said["asked"].items())
            yield Check("calls made", "ok", calls or "none")
            step = "leaving"
        else:
            yield _check(said, profile, _words(printed, mark, step))
    yield from _end(process, _words(printed, mark, step), step, seconds)


def _line(channel: IO[bytes], seconds: float) -> Said | None:
    """The next line of the process; empty when it has closed its end, None when it says nothing in time."""
    deadline = time.monotonic() + seconds
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                return None
            piece = channel.read(1)
            if not piece:
                return {}
            line += piece
    said: Said = json.loads(line)
    return said


def _end(process: subprocess.Popen[bytes], words: str, step: str, seconds: float) -> Iterator[Check]:
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        told = f"the process did not end in {seconds:g} s: the module hangs in its destructors"
        yield Check(
            step, "failed", told, "report it to the vendor; programs that use it may hang at their end"
        )
        return
    if code == 0:
        return
    cause = f"exit code {code}"
    if code < 0:
        with contextlib.suppress(ValueError):
            cause = signal.Signals(-code).name
    if step == "starting":
        told = f"the Python that should load the module ended ({cause}){words}"
        yield Check(step, "failed", told, "the interpreter must have this workbench and its packages")
        return
    where = "after the last call" if step == "leaving" else f"in {step}"
    told = f"the module ended the process ({cause}) {where}{words}"
    yield Check(step, "failed", told, "report it to the vendor, with the versions of module and system")


def _words(printed: Path, mark: int, step: str) -> str:
    """What the module printed in this step, as the end of a sentence, without Python's own report of a crash.

    What it prints during a login may hold the PIN: it is not shown.
    """
    if step == "C_Login":
        return ""
    # Read through a handle of our own: the module's has the place where it writes next.
    with printed.open("rb") as file:
        file.seek(mark)
        text = file.read(LONGEST_WORDS * 4).decode("utf-8", "replace").partition("Fatal Python error")[0]
    lines = " / ".join(line.strip() for line in text.splitlines() if line.strip())
    return f"; it printed: {lines[:LONGEST_WORDS]}" if lines else ""


def _check(said: Said, profile: Profile | None, words: str) -> Check:
    if "rv" not in said:
        return Check(said["name"], said["state"], said["detail"], said.get("remedy"))
    error = new_error(said["function"], said["rv"])
    told = f"{error.function} (§{error.section}) answered {error.name}"
    known = profile.failure(error.function, error.name) if profile is not None else None
    if known is not None and profile is not None:
        told += f"; with {profile.name} ({known.evidence.status}): {known.cause}"
        return Check(said["name"], "failed", told + words, known.remedy)
    return Check(said["name"], "failed", f"{told}: {error.means}{words}", error.next_steps[0])
