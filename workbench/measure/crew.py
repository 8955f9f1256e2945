"""PyKCS11 in one process for each thread: how a Python program gets more than one core, or waits for a device twice."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from workbench.cryptoki import CryptokiError
from workbench.measure import subject
from workbench.measure.plan import Case
from workbench.measure.subject import Block, Preparation
from workbench.workers import Worker

__all__ = ["Crew"]

MEMBER = "pykcs11"
LEAD_NS = 30_000_000  # from the word to the start: every process has heard it by then


@attrs.define
class _Member:
    worker: Worker
    ready: dict[str, Preparation] = attrs.field(factory=dict)


class Crew:
    """The processes of one token. Each logs in once, and has keys of its own."""

    def __init__(self, token: str, log: Path) -> None:
        self._token, self._log = token, log
        self._members: list[_Member] = []

    def prepare(self, case: Case, seconds: float) -> Preparation:
        """Make the case ready in the first process; whether it can be measured. Errors: those of ``Worker.run``."""
        return self._prepared(self._gather(1)[0], case, seconds)

    def block(
        self, case: Case, threads: int, seconds: float, warmup: float, rate: float, timeout: float
    ) -> Block:
        """One block of so many processes, from one start. Errors: those of ``Worker.run``.

        Where the token has no sessions for so many, those that were started in vain end, and give theirs back.
        """
        before = len(self._members)
        try:
            return self._block(case, threads, seconds, warmup, rate, timeout)
        except CryptokiError:
            for member in self._members[before:]:
                member.worker.close()
            del self._members[before:]
            raise

    def _block(
        self, case: Case, threads: int, seconds: float, warmup: float, rate: float, timeout: float
    ) -> Block:
        members = self._gather(threads)
        for member in members:
            self._prepared(member, case, timeout)
        start = time.monotonic_ns() + LEAD_NS

        def measure(number: int) -> Block:
            arguments = (start, case, seconds, warmup, MEMBER, rate / threads, (number, threads))
            return members[number].worker.run(subject.block_at, *arguments, timeout=timeout)

        with ThreadPoolExecutor(threads) as pool:
            blocks = list(pool.map(measure, range(threads)))
        return subject.together(blocks)

    def close(self) -> None:
        """End the processes."""
        for member in self._members:
            member.worker.close()
        self._members.clear()

    def _gather(self, count: int) -> list[_Member]:
        # one after the other: processes that start on one token at once can fail, and each logs in
        while len(self._members) < count:
            self._members.append(_Member(Worker(self._token, stderr=self._log)))
        return self._members[:count]

    @staticmethod
    def _prepared(member: _Member, case: Case, seconds: float) -> Preparation:
        if case.name not in member.ready:
            member.ready[case.name] = member.worker.run(subject.prepare, case, MEMBER, timeout=seconds)
        return member.ready[case.name]
