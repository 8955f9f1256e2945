"""A token's place in a run: its worker, started anew when it dies, given up when it keeps dying."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from workbench import tokens
from workbench.cryptoki import CryptokiError
from workbench.faults import PolicyRefusal, WorkbenchError
from workbench.measure import disclosure, guarded, subject
from workbench.measure.crew import Crew
from workbench.measure.guarded import loop_fault
from workbench.measure.operations import ALONE
from workbench.measure.plan import CREW, Case
from workbench.measure.subject import Block, Preparation
from workbench.workers import Worker, WorkerDied, WorkerFailed, WorkerTimeout

if TYPE_CHECKING:
    from workbench.tokens import Cost, Swept, Token

__all__ = ["Lane", "Lost"]

LANE_DEATHS = 3
CASE_DEATHS = 2
PREPARE_SECONDS = 120.0  # a hardware token may take long for RSA-4096
BLOCK_SECONDS = 30.0
PACED_CALLS = 20  # of one request, at most, where a budget sets the pace: of a block of one call, or of a key
SHARED = "shared"
R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class Lost(Exception):
    """There is no figure: ``outcome`` and ``detail`` as they stand in a row; ``code``: what the token answered (CKR)."""

    def __init__(self, outcome: str, detail: str = "", code: str = "") -> None:
        super().__init__(outcome, detail, code)
        self.outcome, self.detail, self.code = outcome, detail, code


class Lane:
    """One token of a run. ``label`` names it in the results (``softhsm``, ``softhsm#2``).

    Its cases share one worker, its sessions and its login; those that end sessions or logins have a worker each,
    and the driver of several processes has its own (``Crew``).
    """

    def __init__(self, label: str, token: str, log: Path, timeout: float | None) -> None:
        self.label, self.token = label, token
        self.origin = tokens.origin(token)
        self._log, self._timeout = log, timeout
        pace = self.origin.budget.max_rate if self.origin.budget else None
        self._turns = PACED_CALLS / pace if pace else 0.0  # seconds in which so many calls get their turn
        self._workers: dict[str, Worker] = {}
        self._crew = Crew(token, log)
        self._ready: dict[tuple[str, str], Preparation] = {}
        self._opened = False
        self._given_up = ""
        self._deaths = 0
        self._case_deaths: dict[str, int] = {}

    @property
    def pid(self) -> int | None:
        """The worker's process id while there is one."""
        return self._workers[SHARED].pid if SHARED in self._workers else None

    def open(self) -> dict[str, object]:
        """Start the worker and log in; the token's provenance. Errors: ``WorkbenchError`` (bad input), ``Lost``.

        A login that the token refuses gives the lane up at once: a PIN is never tried again.
        """
        try:
            found = self._call("", SHARED, subject.provenance, seconds=BLOCK_SECONDS)
        except Lost as error:
            if error.outcome == "failed":
                self._given_up = error.detail
            raise
        self._opened = True
        return found

    def disclose(self) -> dict[str, object]:
        """What a result must say about this token (see ``disclosure``), and that it could not be found out."""
        try:
            told = self._call("", SHARED, subject.disclosed, seconds=BLOCK_SECONDS)
        except Lost as error:
            told = disclosure.not_asked(error.detail or error.outcome)
        return disclosure.with_declared(told, self.origin.declared_facts)

    def announce(self, cost: Cost) -> str:
        """Announce calls to a token in production; the sentence for the user. Errors: ``WorkbenchError`` beyond the budget."""
        return self._running(SHARED).run(guarded.announce, cost, timeout=BLOCK_SECONDS)

    def most_threads(self) -> int:
        """The most threads that a search for the knee may use here. Errors: ``Lost``."""
        return self._call("", SHARED, guarded.most_threads, seconds=BLOCK_SECONDS)

    def prepare(self, case: Case, driver: str) -> Preparation:
        """Make the case ready in the present worker, once. Errors: ``Lost``."""
        known = self._ready.get((case.name, driver))
        if known is None:
            fault = loop_fault(self.origin.standing, case, driver)
            known = Preparation("refused", fault) if fault else self._prepared(case, driver)
            self._ready[case.name, driver] = known
        return known

    def _prepared(self, case: Case, driver: str) -> Preparation:
        if driver == CREW:
            return self._survived(
                case.name, CREW, lambda: self._crew.prepare(case, self._limit(PREPARE_SECONDS))
            )
        return self._call(case.name, _room(case), subject.prepare, case, driver, seconds=PREPARE_SECONDS)

    def can(self, case: Case, driver: str) -> bool:
        """Whether the case was found to be measurable here."""
        known = self._ready.get((case.name, driver))
        return known is not None and known.outcome == "ok"

    def cannot(self, case: Case, driver: str) -> bool:
        """Whether the case was found not to be measurable here. What is not known yet may turn out either way."""
        known = self._ready.get((case.name, driver))
        return known is not None and known.outcome != "ok"

    def block(
        self,
        case: Case,
        driver: str,
        threads: int,
        seconds: float,
        warmup: float,
        count: int = 0,
        rate: float = 0.0,
    ) -> Block:
        """Measure one block, of ``count`` calls at most for each thread, or at a ``rate`` over all of them.

        Errors: ``Lost``, with what stood in the way.
        """
        prepared = self.prepare(case, driver)
        if prepared.outcome != "ok":
            raise Lost(prepared.outcome, prepared.detail)
        limit = BLOCK_SECONDS + 10 * (seconds + warmup)
        if driver == CREW:
            patience = self._limit(limit)
            return self._survived(
                case.name, CREW, lambda: self._crew.block(case, threads, seconds, warmup, rate, patience)
            )
        arguments = (case, threads, seconds, warmup, count, driver, rate)
        return self._call(case.name, _room(case), subject.block, *arguments, seconds=limit)

    def floor(self, operation: str, driver: str, threads: int, seconds: float, warmup: float) -> Block:
        """Measure one block of the null module in the same worker. Errors: ``Lost``."""
        if driver == CREW:  # each of its processes is alone with its interpreter
            driver, threads = "pykcs11", 1
        arguments = (operation, threads, seconds, warmup, driver)
        return self._call("", SHARED, subject.floor_block, *arguments, seconds=BLOCK_SECONDS)

    def sweep(self) -> tuple[Swept, ...]:
        """Remove the token objects that this run made here, those of workers that died as well. Errors: ``Lost``."""
        if self.origin.standing == "production":
            return ()  # nothing was made
        return self._call("", SHARED, tokens.sweep, tokens.current_run(), seconds=PREPARE_SECONDS)

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()
        self._crew.close()

    def _running(self, room: str) -> Worker:
        # Not asked whether it is still alive: a worker that died idle is a failure to report, like any other.
        if room not in self._workers:
            self._workers[room] = Worker(self.token, stderr=self._log)
        return self._workers[room]

    def _limit(self, seconds: float) -> float:
        return self._timeout or seconds + self._turns

    def _call(
        self, case: str, room: str, function: Callable[[Token, *Ts], R], *arguments: *Ts, seconds: float
    ) -> R:
        return self._survived(
            case, room, lambda: self._running(room).run(function, *arguments, timeout=self._limit(seconds))
        )

    def _survived(self, case: str, room: str, call: Callable[[], R]) -> R:
        """Make a call in a worker; what goes wrong is a reason for a row. Errors: ``Lost``."""
        if self._given_up:
            raise Lost("not run", self._given_up)
        # a budget is the run's, and dies with the worker that keeps its account
        if self._deaths >= (LANE_DEATHS if self.origin.standing == "sandbox" else 1):
            raise Lost("not run", f"the worker died {self._deaths} times")
        if self._case_deaths.get(case, 0) >= CASE_DEATHS:
            raise Lost("not run", f"this case ended the worker {self._case_deaths[case]} times")
        try:
            return call()
        except WorkerDied as error:
            self._mourn(case, room)
            raise Lost(f"worker died ({error.cause})", self._last_words(error.stderr)) from None
        except WorkerTimeout as error:
            self._mourn(case, room)
            raise Lost(f"no answer within {error.seconds:g} s", "the worker was killed") from None
        except CryptokiError as error:
            raise Lost("failed", f"{error.function} answered {error.name}", error.name) from None
        except (WorkerFailed, OSError) as error:
            raise Lost("failed", str(error)) from None
        except PolicyRefusal as error:
            if not self._opened:
                raise
            raise Lost("refused", str(error)) from None
        except WorkbenchError as error:
            if not self._opened:
                raise  # the very first start: the input was wrong
            raise Lost("failed", str(error)) from None

    def _mourn(self, case: str, room: str) -> None:
        self._deaths += 1
        if case:
            self._case_deaths[case] = self._case_deaths.get(case, 0) + 1
        # The next worker has no keys yet; what a token does not offer stays so.
        self._ready = {key: p for key, p in self._ready.items() if p.outcome != "ok"}
        if room == CREW:
            self._crew.close()
        elif room in self._workers:  # one that died while it started is none yet
            self._workers.pop(room).close()

    def _last_words(self, text: str) -> str:
        last = text.splitlines()[-1] if text else ""
        # Python's own account of a crash is long, and ends with a list of modules
        return f"its last stack is in {self._log.name}" if last.startswith("Extension modules:") else last


def _room(case: Case) -> str:
    """The worker that a case is measured in."""
    return case.operation if case.operation in ALONE else SHARED
