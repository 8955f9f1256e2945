"""A token's place in a run: its worker, started anew when it dies, given up when it keeps dying."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from workbench import tokens
from workbench.cryptoki import CryptokiError
from workbench.faults import PolicyRefusal, WorkbenchError
from workbench.measure import disclosure, guarded, subject
from workbench.measure.plan import Case
from workbench.measure.subject import Block, Preparation
from workbench.workers import Worker, WorkerDied, WorkerFailed, WorkerTimeout

if TYPE_CHECKING:
    from workbench.tokens import Cost, Token

__all__ = ["Lane", "Lost"]

LANE_DEATHS = 3
CASE_DEATHS = 2
PREPARE_SECONDS = 120.0  # a hardware token may take long for RSA-4096
BLOCK_SECONDS = 30.0
R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class Lost(Exception):
    """There is no figure: ``outcome`` and ``detail`` as they stand in a row."""

    def __init__(self, outcome: str, detail: str = "") -> None:
        super().__init__(outcome, detail)
        self.outcome, self.detail = outcome, detail


class Lane:
    """One token of a run. ``label`` names it in the results (``softhsm``, ``softhsm#2``)."""

    def __init__(
        self, label: str, token: str, driver: str, threads: int, log: Path, timeout: float | None
    ) -> None:
        self.label, self.token, self.driver, self.threads = label, token, driver, threads
        self.origin = tokens.origin(token)
        self._log, self._timeout = log, timeout
        self._worker: Worker | None = None
        self._ready: dict[str, Preparation] = {}
        self._opened = False
        self._given_up = ""
        self._deaths = 0
        self._case_deaths: dict[str, int] = {}

    @property
    def pid(self) -> int | None:
        """The worker's process id while there is one."""
        return self._worker.pid if self._worker else None

    def open(self) -> dict[str, object]:
        """Start the worker and log in; the token's provenance. Errors: ``WorkbenchError`` (bad input), ``Lost``.

        A login that the token refuses gives the lane up at once: a PIN is never tried again.
        """
        try:
            found = self._call("", subject.provenance, seconds=BLOCK_SECONDS)
        except Lost as error:
            if error.outcome == "failed":
                self._given_up = error.detail
            raise
        self._opened = True
        return found

    def disclose(self) -> dict[str, object]:
        """What a result must say about this token (see ``disclosure``); empty where it could not be found out."""
        try:
            return self._call("", disclosure.disclose, seconds=BLOCK_SECONDS)
        except Lost:
            return {}

    def announce(self, cost: Cost) -> str:
        """Announce calls to a token in production; the sentence for the user. Errors: ``WorkbenchError`` beyond the budget."""
        return self._running().run(guarded.announce, cost, timeout=BLOCK_SECONDS)

    def prepare(self, case: Case) -> Preparation:
        """Make the case ready in the present worker, once. Errors: ``Lost``."""
        known = self._ready.get(case.name)
        if known is None:
            known = self._call(
                case.name, subject.prepare, case, self.threads, self.driver, seconds=PREPARE_SECONDS
            )
            self._ready[case.name] = known
        return known

    def can(self, case: Case) -> bool:
        """Whether the case was found to be measurable here."""
        return case.name in self._ready and self._ready[case.name].outcome == "ok"

    def block(self, case: Case, threads: int, seconds: float, warmup: float, count: int = 0) -> Block:
        """Measure one block, of ``count`` calls at most for each thread. Errors: ``Lost``, with what stood in the way."""
        prepared = self.prepare(case)
        if prepared.outcome != "ok":
            raise Lost(prepared.outcome, prepared.detail)
        arguments = (case, threads, seconds, warmup, count, self.driver)
        return self._call(
            case.name, subject.block, *arguments, seconds=BLOCK_SECONDS + 10 * (seconds + warmup)
        )

    def floor(self, operation: str, threads: int, seconds: float, warmup: float) -> Block:
        """Measure one block of the null module in the same worker. Errors: ``Lost``."""
        arguments = (operation, threads, seconds, warmup, self.driver)
        return self._call("", subject.floor_block, *arguments, seconds=BLOCK_SECONDS)

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _running(self) -> Worker:
        # Not asked whether it is still alive: a worker that died idle is a failure to report, like any other.
        if self._worker is None:
            self._worker = Worker(self.token, stderr=self._log)
        return self._worker

    def _call(self, case: str, function: Callable[[Token, *Ts], R], *arguments: *Ts, seconds: float) -> R:
        if self._given_up:
            raise Lost("not run", self._given_up)
        # a budget is the run's, and dies with the worker that keeps its account
        if self._deaths >= (LANE_DEATHS if self.origin.standing == "sandbox" else 1):
            raise Lost("not run", f"the worker died {self._deaths} times")
        if self._case_deaths.get(case, 0) >= CASE_DEATHS:
            raise Lost("not run", f"this case ended the worker {self._case_deaths[case]} times")
        try:
            return self._running().run(function, *arguments, timeout=self._timeout or seconds)
        except WorkerDied as error:
            self._mourn(case)
            raise Lost(f"worker died ({error.cause})", self._last_words(error.stderr)) from None
        except WorkerTimeout as error:
            self._mourn(case)
            raise Lost(f"no answer within {error.seconds:g} s", "the worker was killed") from None
        except CryptokiError as error:
            raise Lost("failed", f"{error.function} answered {error.name}") from None
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

    def _mourn(self, case: str) -> None:
        self._deaths += 1
        if case:
            self._case_deaths[case] = self._case_deaths.get(case, 0) + 1
        # The next worker has no keys yet; what a token does not offer stays so.
        self._ready = {name: p for name, p in self._ready.items() if p.outcome == "not offered"}
        self.close()

    def _last_words(self, text: str) -> str:
        last = text.splitlines()[-1] if text else ""
        # Python's own account of a crash is long, and ends with a list of modules
        return f"its last stack is in {self._log.name}" if last.startswith("Extension modules:") else last
