"""`bench` on many hosts at once: Dask places our runner on each of them and carries what it writes.

Every host gets the same plan, prepares its keys, and begins each block at an agreed time on its own clock, whose
offset was measured. Rows come in while the run goes on: what a host had finished before it was lost is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from workbench.faults import WorkbenchError
from workbench.measure import placed
from workbench.measure.appointment import Appointment
from workbench.measure.drivers import default_driver
from workbench.measure.measurement import Progress
from workbench.measure.merging import Clock, Part, merge_into
from workbench.measure.placed import Assignment, News
from workbench.measure.plan import Plan
from workbench.measure.planfile import plan_named
from workbench.measure.results import Run, load
from workbench.measure.store import RunWriter

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["fleet_bench"]

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 20.0  # a host that has not answered for so long is lost
PREPARE_SECONDS = 600.0  # slow tokens, large RSA keys
POLL_SECONDS = 0.5
LEAD_SECONDS = 1.5  # from the last host's readiness to the first block
PINGS = 8


class _HostLost(Exception):
    """The host's Dask worker does not answer."""


@attrs.define
class _Host:
    """One host as the fleet knows it. ``address``: of its Dask worker."""

    name: str
    address: str
    directory: Path
    clock: Clock = attrs.field(factory=Clock)
    news: News = attrs.field(factory=News)
    lost: str = ""

    @property
    def going(self) -> bool:
        return not self.lost and self.news.state in ("preparing", "ready")

    @property
    def run_directory(self) -> Path | None:
        """Where its files have arrived, once there is enough of them to be a run."""
        found = sorted(self.directory.glob("*/run.json"))
        return found[0].parent if found and (found[0].parent / "rows.jsonl").exists() else None


def fleet_bench(
    address: str,
    plan: str | Plan = "quick",
    tokens: Sequence[str] = ("sandbox",),
    *,
    out: Path | str = "runs",
    timeout: float | None = None,
    seed: int | None = None,
    start_at: float | None = None,
    asked: Sequence[str] = (),
    on_progress: Callable[[Progress], None] | None = None,
    on_announcement: Callable[[str], None] = print,
) -> Run:
    """Measure a plan on every worker of the Dask scheduler at ``address`` at the same time; the merged run.

    The other arguments are those of ``bench``, and the result that of ``merge``; each host's own run is below
    ``hosts/`` in the run directory. Each host needs the same version of the workbench, and the token under the
    same name; its PINs come from its own configuration. A plan that names no drivers is measured with this
    machine's on every host; a host that has not a driver of the plan is lost before anything is measured. Errors:
    ``WorkbenchError`` where no scheduler or no host answers, or where none can measure.
    """
    chosen = plan_named(plan) if isinstance(plan, str) else plan
    if not chosen.drivers:  # agreed beforehand: figures of different drivers would not add up
        chosen = attrs.evolve(chosen, drivers=(default_driver(),))
    _require_distributed()
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    Appointment(chosen, seed, tokens, 0.0)  # it refuses what would fail on every host
    writer = RunWriter.create(Path(out), f"{chosen.name}-fleet")
    assignment = Assignment(secrets.token_hex(8), chosen, tuple(tokens), timeout, seed, tuple(asked))
    hosts: list[_Host] = []
    try:
        fleet = _Fleet(assignment, hosts, start_at, on_progress, on_announcement)
        asyncio.run(fleet.conduct(address, writer.path / "hosts"))
    finally:  # whatever ended it: what has come in is merged
        arrived = [host for host in hosts if host.run_directory]
        run = _merged(writer, arrived, hosts) if arrived else None
        if run is None:
            _discard(writer.path)
    if run is None:
        reasons = "; ".join(dict.fromkeys(f"{host.name}: {host.lost}" for host in hosts))
        raise WorkbenchError(f"no host of the fleet could measure ({reasons})")
    return run


def _require_distributed() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise WorkbenchError(
            "a fleet needs Dask distributed: install pkcs11-workbench[fleet] here and on every host, or measure "
            "on each host with --start-at and put the runs together with `workbench merge`"
        ) from None


class _Fleet:
    """What is said between the fleet and its hosts."""

    def __init__(
        self,
        assignment: Assignment,
        hosts: list[_Host],
        start_at: float | None,
        on_progress: Callable[[Progress], None] | None,
        on_announcement: Callable[[str], None],
    ) -> None:
        self.assignment, self.hosts, self.start_at = assignment, hosts, start_at
        self.on_progress, self.on_announcement = on_progress, on_announcement

    async def conduct(self, address: str, directory: Path) -> None:
        """Find the hosts, have each prepare and then begin, and collect what they write below ``directory``."""
        from distributed import Client

        untyped: Any = Client
        self.client: Client = untyped(address, asynchronous=True, timeout=CONNECT_SECONDS)
        try:
            await self.client
        except (OSError, ValueError):
            await self.client.close()
            raise WorkbenchError(
                f"no Dask scheduler answers at {address}: start one with `dask scheduler`, and "
                f"`dask worker {address}` on each host"
            ) from None
        async with self.client:
            workers = sorted(await self.client.nthreads())
            if not workers:
                raise WorkbenchError(
                    f"the Dask scheduler at {address} has no workers: start `dask worker {address}` on each host"
                )
            for number, worker in enumerate(workers, 1):
                self.hosts.append(_Host(f"host{number}", worker, directory / f"host{number}"))
            try:
                await self.each(self.prepare)
                await self.watch("ready", PREPARE_SECONDS)
                start = self.start_at or time.time() + LEAD_SECONDS
                await self.each(lambda host: self.begin(host, start))
                await self.watch("finished", None)
            finally:
                await asyncio.gather(*(self.dismiss(host) for host in self.hosts))

    async def each(self, act: Callable[[_Host], Any]) -> None:
        """Do this with every host that is still there; one that does not answer, or refuses, is lost."""

        async def attempt(host: _Host) -> None:
            try:
                await act(host)
            except _HostLost:
                host.lost = "its Dask worker was lost"
            except Exception as error:  # noqa: BLE001 - raised on the host, by whatever is installed there
                host.lost = (
                    str(error) if isinstance(error, WorkbenchError) else f"{type(error).__name__}: {error}"
                )

        await asyncio.gather(*(attempt(host) for host in self.hosts if host.going))

    async def prepare(self, host: _Host) -> None:
        """Measure the host's clock, and have it make its keys."""
        ours, theirs = placed.greet(), await self._ask(host, placed.greet)
        if ours != theirs:
            raise WorkbenchError(f"it has version {theirs} of the workbench, and {ours} is needed")
        there = await self._ask(host, placed.drivers)
        if missing := [driver for driver in self.assignment.plan.drivers if driver not in there]:
            raise WorkbenchError(
                f"it has no driver {missing[0]}: build the load kernel there, or measure all hosts with --driver {there[0]}"
            )
        pings = []
        for _ in range(PINGS):
            asked = time.time_ns()
            shown = await self._ask(host, time.time_ns)
            answered = time.time_ns()
            pings.append(((answered - asked) // 2, shown - (asked + answered) // 2))
        uncertainty, offset = min(pings)
        host.clock = Clock(offset, uncertainty)
        for sentence in await self._ask(host, placed.announcements, self.assignment.tokens):
            self.on_announcement(f"{host.name}: {sentence}")
        await self._ask(host, placed.place, self.assignment)

    async def begin(self, host: _Host, start: float) -> None:
        """Tell the host when to begin, by its own clock."""
        await self._ask(host, placed.begin, self.assignment.name, start + host.clock.offset_ns / 1e9)

    async def watch(self, state: str, patience: float | None) -> None:
        """Collect news until every host is in this state, has failed, or is lost."""
        until = None if patience is None else time.monotonic() + patience
        while waiting := [host for host in self.hosts if host.going and host.news.state != state]:
            if until is not None and time.monotonic() > until:
                for host in waiting:
                    host.lost = f"not ready within {patience:g} s"
                return
            await asyncio.sleep(POLL_SECONDS)
            await self.each(self._collect)
            self._report()

    async def dismiss(self, host: _Host) -> None:
        """Have the host end what it still does; one that is lost cannot be asked."""
        if not host.lost:
            with contextlib.suppress(_HostLost, Exception):
                await self._ask(host, placed.leave, self.assignment.name)

    async def _collect(self, host: _Host) -> None:
        news = await self._ask(host, placed.news, self.assignment.name)
        if news is None:
            raise WorkbenchError("its runner is gone")
        for name, added in news.files.items():
            path = host.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(added)
        host.news = attrs.evolve(news, files={})
        if news.state == "failed":
            host.lost = news.text

    async def _ask(self, host: _Host, function: Callable[..., Any], *arguments: Any) -> Any:
        asked = self.client.run(function, *arguments, workers=[host.address])
        try:
            return (await asyncio.wait_for(asked, ANSWER_SECONDS))[host.address]
        except (OSError, TimeoutError, KeyError):
            raise _HostLost from None

    def _report(self) -> None:
        behind = min((host for host in self.hosts if host.going), key=lambda h: h.news.done, default=None)
        if self.on_progress is not None and behind is not None:
            news, count = behind.news, sum(host.going for host in self.hosts)
            text = f"{count} of {len(self.hosts)} hosts: {news.text}"
            self.on_progress(Progress(news.done, news.total, text, news.remaining_s, None))


def _merged(writer: RunWriter, arrived: Sequence[_Host], hosts: Sequence[_Host]) -> Run:
    parts = [
        Part(host.name, load(host.run_directory or host.directory), host.clock, host.lost) for host in arrived
    ]
    missing = {host.name: host.lost or "interrupted" for host in hosts if host not in arrived}
    return merge_into(writer, parts, missing)


def _discard(path: Path) -> None:
    for file in sorted(path.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    path.rmdir()
