"""A run on disk: ``run.json`` (what was run on what), ``rows.jsonl`` (block by block), ``latencies/*.npy``.

A row is written and flushed before the next block starts, so that whatever ends a run, the measured blocks
stay. ``end.json`` says what the machine did meanwhile, and only a run that was finished has one. Nothing is ever
overwritten. ``SCHEMA_VERSION`` rises with every change that an older reader would misread; ``_MIGRATIONS`` then
lifts older runs.
"""

from __future__ import annotations

import errno
import fcntl
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import attrs
import numpy as np

from workbench.faults import BrokenOff, WorkbenchError
from workbench.measure.stats import Packed
from workbench.measure.window import Window

__all__ = ["SCHEMA_VERSION", "Row", "RunWriter", "read_run"]

SCHEMA_VERSION = 2
Records = tuple[dict[str, Any], list[dict[str, Any]]]  # run.json, rows


@attrs.frozen
class Row:
    """One block, or the reason why there is none.

    ``kind``: block; floor (the same calls on the null module); open, prepare (why a token or a case could not be had;
    with 0 threads); search, knee (of ``threads: knee``: a look at so many threads, and the most that were looked at);
    sweep (why token objects stayed). ``round``: from 0; None for what holds in every round. ``position``: the token's
    place in the random order of its round. ``outcome``: ok, not offered, refused, failed, not run, ``worker died
    (SIGSEGV)``, ``no answer within 30 s``. ``rate_per_s``: successes per second; ``pace_per_s``: the rate that the
    token's budget sets. ``service_p50_ns``, ``overdue``: of an open loop, the calls' own time, and calls that were
    due and had not begun at the end. ``begin_ns``, ``end_ns``, ``slices``: the block's ``Window``, of an appointed
    run only. ``latencies``: file of packed latencies in the run directory.
    """

    kind: str
    token: str
    case: str
    operation: str
    threads: int
    outcome: str
    driver: str
    round: int | None = None
    position: int | None = None
    detail: str = ""
    started: str = ""
    seconds: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    successes: int = 0
    failures: int = 0
    errors: dict[str, int] = attrs.field(factory=dict)
    rate_per_s: float | None = None
    p50_ns: float | None = None
    p90_ns: float | None = None
    p99_ns: float | None = None
    p999_ns: float | None = None
    max_ns: float | None = None
    latencies: str | None = None
    pace_per_s: float | None = None
    service_p50_ns: float | None = None
    overdue: int = 0
    begin_ns: int | None = None
    end_ns: int | None = None
    slices: tuple[int, ...] = ()

    @property
    def window(self) -> Window | None:
        """When the block's calls succeeded, where the run was one of several at an appointed time."""
        if self.begin_ns is None or self.end_ns is None:
            return None
        return Window(self.begin_ns, self.end_ns, tuple(self.slices))

    @property
    def step(self) -> tuple[object, ...]:
        """What the row is about: two rows of one step say which came later."""
        return self.kind, self.token, self.driver, self.case, self.operation, self.threads, self.round

    @property
    def measured(self) -> bool:
        """Whether the row holds a figure."""
        return self.outcome == "ok"

    @property
    def failed(self) -> bool:
        """Whether something went wrong. What a token does not offer, or its policy refuses, is none."""
        return self.outcome not in ("ok", "not offered", "refused")


class RunWriter:
    """Writes one run directory, ``<UTC time>-<plan>-<4 hex>`` below ``out``."""

    def __init__(self, path: Path) -> None:
        """For a directory that is there. Errors: ``OSError``; ``WorkbenchError`` while another process writes in it."""
        self.path = path
        self._count = 0
        self._lock = (path / "rows.jsonl").open("ab")  # held as long as the run is written
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise WorkbenchError(f"{path} is being measured by another process at this moment") from None

    def close(self) -> None:
        """Let go of the run."""
        self._lock.close()

    @classmethod
    def create(cls, out: Path, plan: str) -> Self:
        """Make the directory. Errors: ``WorkbenchError`` where that is not possible."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        path = out / f"{stamp}-{plan}-{secrets.token_hex(2)}"
        try:
            (path / "latencies").mkdir(parents=True)
            (path / "rows.jsonl").touch(exist_ok=False)
        except OSError as error:
            raise _unwritable(path, error) from None
        return cls(path)

    @classmethod
    def reopen(cls, path: Path) -> Self:
        """Go on with a run that was broken off; a row that its writer left half done is cut away.

        Errors: ``WorkbenchError`` where that is not possible, or while another process measures the run.
        """
        try:
            made = cls(path)
            with (path / "rows.jsonl").open("r+b") as file:
                text = file.read()
                file.truncate(text.rfind(b"\n") + 1)
        except OSError as error:
            raise _unwritable(path, error) from None
        numbers = [int(file.stem) for file in (path / "latencies").glob("*.npy") if file.stem.isdigit()]
        made._count = max(numbers, default=0)
        return made

    def write_resumption(self, meta: Mapping[str, Any]) -> None:
        """Write who went on with the run, when and with what, beside what ``run.json`` says: ``resumed-1.json`` …"""
        number = 1 + len(list(self.path.glob("resumed-*.json")))
        try:
            _write_whole(self.path / f"resumed-{number}.json", meta)
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def write_meta(self, meta: Mapping[str, Any]) -> None:
        """Write ``run.json``, once."""
        try:
            _write_whole(self.path / "run.json", {"schema_version": SCHEMA_VERSION, **meta})
        except OSError as error:
            raise _unwritable(self.path, error) from None

    @property
    def ended(self) -> bool:
        """Whether the run was finished once."""
        return (self.path / "end.json").exists()

    def write_end(self, end: Mapping[str, Any]) -> None:
        """Write ``end.json``: the run is finished."""
        try:
            _write_whole(self.path / "end.json", end)
        except OSError as error:
            raise _broken_off(self.path, error) from None

    def append(self, row: Row, latencies: Packed | None = None) -> Row:
        """Write a row, and its latencies before it; the row as written. Errors: ``BrokenOff``, on a full disk."""
        try:
            if latencies is not None and latencies.size:
                self._count += 1
                row = attrs.evolve(row, latencies=f"latencies/{self._count:05}.npy")
                np.save(self.path / str(row.latencies), latencies)
            with (self.path / "rows.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(_plain(row), ensure_ascii=False) + "\n")
        except OSError as error:
            raise _broken_off(self.path, error) from None
        return row


def read_run(path: Path) -> tuple[dict[str, Any], tuple[Row, ...], dict[str, Any]]:
    """``(meta, rows, end)`` of a run directory; a last line that a killed writer left half done is dropped.

    ``end`` is empty for a run that was not finished. Errors: ``WorkbenchError`` where it is no run, or one of a
    newer workbench.
    """
    try:
        meta = json.loads((path / "run.json").read_text(encoding="utf-8"))
        lines = (path / "rows.jsonl").read_text(encoding="utf-8").split("\n")
        end = path / "end.json"
        ended = json.loads(end.read_text(encoding="utf-8")) if end.exists() else {}
        records = [json.loads(line) for line in lines[:-1] if line]
    except (OSError, ValueError):
        raise WorkbenchError(
            f"{path} is not a run directory: it lacks a readable run.json and rows.jsonl"
        ) from None
    version = meta.get("schema_version") if isinstance(meta, dict) else None
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        raise WorkbenchError(
            f"{path} has schema version {version}, this workbench reads up to {SCHEMA_VERSION}: use a newer one"
        )
    for older in range(version, SCHEMA_VERSION):
        meta, records = _MIGRATIONS[older](meta, records)
    return meta, _latest(Row(**record) for record in records), ended


def _latest(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Without what holds no longer: a step that was not run at first, a token that was opened later."""
    found = list(rows)
    last = {row.step: number for number, row in enumerate(found)}
    return tuple(
        row
        for number, row in enumerate(found)
        if last[row.step] == number or not (row.outcome == "not run" or row.kind == "open")
    )


def _from_1(meta: dict[str, Any], records: list[dict[str, Any]]) -> Records:
    """Version 1 had one driver, a closed loop only, and disclosed nothing beyond the token's provenance."""
    plan = {"loop": "closed", **meta["plan"]}
    return {
        **meta,
        "schema_version": 2,
        "plan": plan,
        "drivers": meta.get("drivers") or [meta["driver"]],
        "disclosure": {},
        "calibration": None,
    }, records


_MIGRATIONS: dict[int, Callable[[dict[str, Any], list[dict[str, Any]]], Records]] = {1: _from_1}


def _plain(row: Row) -> dict[str, Any]:
    """The row without the members that say nothing."""
    defaults = {field.name: field.default for field in attrs.fields(Row)}
    values = attrs.asdict(row)
    return {name: value for name, value in values.items() if not _left_out(value, defaults[name])}


def _write_whole(path: Path, value: Mapping[str, Any]) -> None:
    """Write a file that is there with all of its text or not at all, also when the disk is full or we are killed."""
    part = path.with_suffix(".part")
    if path.exists():
        raise FileExistsError(errno.EEXIST, f"{path.name} is there already")
    try:
        part.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _broken_off(path: Path, error: OSError) -> BrokenOff:
    return BrokenOff(
        f"the run {path} was broken off ({error.strerror}): what was measured is kept, and "
        f"`workbench bench --resume {path}` goes on when it can be written again"
    )


def _unwritable(path: Path, error: OSError) -> WorkbenchError:
    return WorkbenchError(
        f"cannot write the run directory {path} ({error.strerror}): name another place with --out"
    )


def _left_out(value: object, default: object) -> bool:
    """Whether a field says nothing: empty, or what it is when nobody sets it. A numpy number compares with neither."""
    if isinstance(value, dict | tuple):
        return not value
    return type(value) is type(default) and value == default
