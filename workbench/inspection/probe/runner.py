"""Running trials in a worker: a crash or a hang costs one trial, and the worker is started anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import attrs

from workbench import tokens
from workbench.faults import WorkbenchError
from workbench.inspection.probe import (
    buffers,
    codes,
    encodings,
    mechanisms,
    objects,
    parameters,
    processes,
    profiles,
    sessions,
    sizes,
    vectors,
)
from workbench.inspection.probe.model import Finding, Outcome, TokenProbe, Trial
from workbench.inspection.probe.survey import Survey, survey
from workbench.tokens.origin import DeclaredOrigin
from workbench.workers import Worker, WorkerDied, WorkerError, WorkerTimeout

__all__ = ["FAMILIES", "Crew", "Step", "permit", "probe"]

FAMILIES: dict[str, Callable[[Survey], list[Trial]]] = {
    room.FAMILY: room.trials
    for room in (
        mechanisms,
        sizes,
        parameters,
        encodings,
        buffers,
        sessions,
        processes,
        codes,
        vectors,
        profiles,
    )
}


@attrs.frozen
class Step:
    """Progress: the trial that begins, how many are done, and how many there are."""

    trial: str
    done: int
    total: int


def probe(
    name: str,
    families: Sequence[str] = (),
    on_step: Callable[[Step], None] = lambda step: None,
) -> TokenProbe:
    """Probe a token: run the trials of ``families`` (none given: of all) and gather what they find.

    Errors: ``WorkbenchError`` for an unknown family, and for a token that may not be probed.
    """
    for family in families:
        if family not in FAMILIES:
            raise WorkbenchError(f"no family of trials {family!r}; one of {', '.join(FAMILIES)}")
    permit(name)
    began = time.monotonic()
    crew = Crew(name)
    try:
        seen = crew.worker.run(survey)
        planned = [trial for family in families or FAMILIES for trial in FAMILIES[family](seen)]
        findings: list[Finding] = []
        for done, trial in enumerate(planned):
            on_step(Step(f"{name}: {trial.subject} {trial.aspect}", done, len(planned)))
            findings += crew.run(trial)
        crew.finish()
    finally:
        crew.close()
    return TokenProbe(name, seen.provenance, round(time.monotonic() - began, 1), tuple(findings))


def permit(name: str) -> None:
    """Let sandbox tokens pass, and a guest whose owner consents; the token is not touched for it.

    Errors: ``WorkbenchError`` for the others, and for an unknown name.
    """
    found = tokens.origin(name)
    if found.standing == "production":
        raise WorkbenchError(
            f"a probe acts on the token, and {name!r} is in production: look with: workbench inspect --token {name}"
        )
    if isinstance(found, DeclaredOrigin) and "probe" not in found.declared.consent:
        raise WorkbenchError(
            f"a probe acts on the token, and {name!r} is somebody's: let it with "
            'consent = ["probe"] in its table of workbench.toml'
        )


class Crew:
    """The worker of a token, and its successors."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.worker = Worker(name)

    def run(self, trial: Trial) -> list[Finding]:
        """The findings of one trial, whatever becomes of the worker."""
        if trial.processes > 1:
            return self._side_by_side(trial)
        try:
            return list(self.worker.run(trial.run, *trial.arguments, timeout=trial.seconds))
        except Exception as error:  # noqa: BLE001 - whatever it is, it costs this trial alone
            if isinstance(error, (WorkerDied, WorkerTimeout)):
                self.worker = Worker(self.name)
            return [_lost(trial, error)]

    def _side_by_side(self, trial: Trial) -> list[Finding]:
        """The trial in several workers at once; the first finding that is not as it should be stands for all."""
        workers = [self.worker, *(Worker(self.name) for _ in range(trial.processes - 1))]

        def one(worker: Worker) -> list[Finding]:
            try:
                return list(worker.run(trial.run, *trial.arguments, timeout=trial.seconds))
            except Exception as error:  # noqa: BLE001 - it costs this trial alone
                return [_lost(trial, error)]

        try:
            with ThreadPoolExecutor(len(workers)) as pool:
                made = list(pool.map(one, workers))
        finally:
            for worker in workers[1:]:
                worker.close()
            if not self.worker.alive:
                self.worker = Worker(self.name)
        return next((found for found in made if any(row.outcome.remarkable for row in found)), made[0])

    def finish(self) -> None:
        """Destroy what the trials left on the bench."""
        with suppress(WorkerError):
            self.worker.run(objects.clear)

    def close(self) -> None:
        """End the worker."""
        self.worker.close()


def _lost(trial: Trial, error: Exception) -> Finding:
    if isinstance(error, WorkerDied):
        return trial.finding(Outcome.DIED, error.cause)
    if isinstance(error, WorkerTimeout):
        return trial.finding(Outcome.SILENT, f"none in {error.seconds:g} s")
    code = getattr(error, "name", None)
    if code is not None:
        return trial.finding(Outcome.NOT_RUN, f"{getattr(error, 'function', '')} refuses what it needs", code)
    return trial.finding(Outcome.NOT_RUN, str(error).splitlines()[0])
