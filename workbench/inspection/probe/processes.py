"""Processes and threads: a second C_Initialize, a fork, threads that sign at once, two processes at once."""

from __future__ import annotations

import hmac
import os
import signal
import threading
from collections.abc import Callable

from workbench.cryptoki import C, CryptokiError
from workbench.inspection.probe import objects
from workbench.inspection.probe.judging import code_of
from workbench.inspection.probe.model import Finding, Outcome, Trial
from workbench.inspection.probe.survey import Survey
from workbench.tokens import Token

__all__ = ["FAMILY", "trials"]

FAMILY = "processes"
KEY = bytes(range(64))
THREADS, SIGNATURES = 4, 100
CHILD_SECONDS = 5


def trials(survey: Survey) -> list[Trial]:
    """The trials; signing is done with HMAC, which nearly every token has."""
    made = [
        Trial(FAMILY, "C_Initialize", "a second time", initialise_twice),
        Trial(FAMILY, "fork", "the child goes on", fork_goes_on, seconds=3 * CHILD_SECONDS),
        Trial(FAMILY, "fork", "the child initialises", fork_initialises, seconds=3 * CHILD_SECONDS),
    ]
    if "CKM_SHA256_HMAC" in survey.mechanisms:
        made += [
            Trial(FAMILY, "threads", f"{THREADS} sign at once", threads_sign, seconds=60),
            Trial(FAMILY, "processes", "2 sign at once", process_signs, seconds=60, processes=2),
        ]
    return made


def initialise_twice(token: Token) -> list[Finding]:
    """The second call in one process is told so (5.4.1)."""
    code = code_of(lambda: C.Initialize(token.module))
    right = code == "CKR_CRYPTOKI_ALREADY_INITIALIZED"
    outcome = Outcome.VERIFIED if right else Outcome.DEVIATES
    detail = "" if right else "CKR_CRYPTOKI_ALREADY_INITIALIZED is right"
    return [Finding(FAMILY, "C_Initialize", "a second time", outcome, detail, code)]


def _in_child(run: Callable[[], str]) -> str:
    """What ``run`` gives in a forked child; ``died: SIGSEGV`` or ``no answer`` when it does not come to that."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(CHILD_SECONDS)  # whatever the module does, the child ends
        try:
            os.write(writer, run().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        said = answer.read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == -signal.SIGALRM:
        return "no answer"
    return f"died: {signal.Signals(-status).name}" if status < 0 else said


def fork_goes_on(token: Token) -> list[Finding]:
    """A child that only goes on: the library is not initialised there (5.4.1), though some inherit a working one."""
    place = FAMILY, "fork", "the child goes on"
    objects.bench(token)
    with token.session() as session:
        said = _in_child(lambda: code_of(lambda: C.GetSessionInfo(session)))
        still = code_of(lambda: C.GetSessionInfo(session))
    if still != "CKR_OK":
        return [Finding(*place, Outcome.WRONG, "the parent's session suffered", still)]
    if said == "CKR_CRYPTOKI_NOT_INITIALIZED":
        return [Finding(*place, Outcome.VERIFIED, "the child must initialise the library anew", said)]
    if said == "CKR_OK":
        detail = "the child inherits a library that works; CKR_CRYPTOKI_NOT_INITIALIZED is right"
        return [Finding(*place, Outcome.DEVIATES, detail)]
    return [_child_lost(place, said)]


def fork_initialises(token: Token) -> list[Finding]:
    """A child that calls C_Initialize, as the standard has it, and makes a digest or asks for the slots."""
    place = FAMILY, "fork", "the child initialises"

    def run() -> str:
        code = code_of(token.module.initialize)
        listed = code_of(lambda: C.GetSlotList(token.module))
        return f"{code}|{listed}"

    code, _, listed = _in_child(run).partition("|")
    if (code, listed) == ("CKR_OK", "CKR_OK"):
        return [Finding(*place, Outcome.VERIFIED, "the child has a library of its own")]
    if listed == "CKR_OK":
        return [
            Finding(*place, Outcome.DEVIATES, "the child need not initialise the library, and cannot", code)
        ]
    return [_child_lost(place, listed or code)]


def _child_lost(place: tuple[str, str, str], said: str) -> Finding:
    if said.startswith("died"):
        return Finding(*place, Outcome.DIED, said.removeprefix("died: ") + " in the child")
    if said == "no answer":
        return Finding(*place, Outcome.SILENT, f"none from the child in {CHILD_SECONDS} s")
    return Finding(*place, Outcome.DEVIATES, "CKR_CRYPTOKI_NOT_INITIALIZED or CKR_OK is right", said or None)


def _signs(token: Token, key: int, name: str, wrong: list[str]) -> None:
    """Sign a hundred messages in a session of one's own; what is not right goes to ``wrong``."""
    try:
        with token.session() as session:
            for turn in range(SIGNATURES):
                message = f"{name} {turn}".encode()
                C.SignInit(session, "CKM_SHA256_HMAC", key)
                if C.Sign(session, message) != hmac.digest(KEY, message, "sha256"):
                    wrong.append("a wrong MAC")
    except CryptokiError as error:
        wrong.append(f"{error.function} {error.name}")


def _key(token: Token) -> int:
    bench = objects.bench(token)
    return bench.kept("HMAC", lambda: bench.secret("CKK_GENERIC_SECRET", KEY, "CKA_SIGN", "CKA_VERIFY"))


def threads_sign(token: Token) -> list[Finding]:
    """Threads of one process, each with a session: every MAC must be right."""
    key = _key(token)
    wrong: list[str] = []
    threads = [
        threading.Thread(target=_signs, args=(token, key, str(number), wrong)) for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [_all_right("threads", f"{THREADS} sign at once", wrong, THREADS * SIGNATURES)]


def process_signs(token: Token) -> list[Finding]:
    """One of several processes: its MACs must be right, whatever the others do."""
    wrong: list[str] = []
    _signs(token, _key(token), str(os.getpid()), wrong)
    return [_all_right("processes", "2 sign at once", wrong, SIGNATURES)]


def _all_right(subject: str, aspect: str, wrong: list[str], total: int) -> Finding:
    if not wrong:
        return Finding(FAMILY, subject, aspect, Outcome.VERIFIED, "hmac")
    return Finding(FAMILY, subject, aspect, Outcome.WRONG, f"{len(wrong)} of {total}: {wrong[0]}")
