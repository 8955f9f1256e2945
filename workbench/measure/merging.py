"""Runs of several hosts as one: what they did together, and each host's part of it.

A block counts where its window overlaps with those of the other hosts, and nowhere else. A sum's label says of how
many hosts it is one, so that a host that was lost changes no figure: sums without it are lines of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from workbench.faults import WorkbenchError
from workbench.measure.results import Run, load
from workbench.measure.stats import Packed, percentiles, pool
from workbench.measure.steps import now
from workbench.measure.store import Row, RunWriter

__all__ = ["Clock", "Part", "merge", "merge_into"]

TOGETHER = 0.5  # of the shortest window: hosts that overlap by less were not measured at the same time
HARMLESS = ("not offered", "refused")  # of every host alike, or its own business
Place = tuple[str, str, str, int, int | None]  # token, driver, case, threads, round


@attrs.frozen
class Clock:
    """A host's clock against the merging one's: ahead by ``offset_ns``, to within ``uncertainty_ns`` (None: not measured)."""

    offset_ns: int = 0
    uncertainty_ns: int | None = None


@attrs.frozen
class Part:
    """One host's run. ``lost``: why it ends too early, or nothing."""

    host: str
    run: Run
    clock: Clock = attrs.field(factory=Clock)
    lost: str = ""


def merge(runs: Sequence[Path | str], out: Path | str = "runs") -> Run:
    """Merge run directories that were made with one ``--start-at`` into a new one below ``out``.

    The hosts are called ``host1``, ``host2``, … in the order of the runs, and their clocks taken to agree. In the
    result a token is there once for all hosts together (``softhsm on 2 hosts``, ``threads`` of all of them) and once
    for each (``softhsm@host1``). Errors: ``WorkbenchError`` for runs that do not belong together.
    """
    if len(runs) < 2:
        raise WorkbenchError("merge needs at least two runs")
    parts = [Part(f"host{number}", load(Path(path))) for number, path in enumerate(runs, 1)]
    _check(parts)
    return merge_into(RunWriter.create(Path(out), f"{parts[0].run.meta['plan']['name']}-merged"), parts)


def merge_into(writer: RunWriter, parts: Sequence[Part], lost: Mapping[str, str] | None = None) -> Run:
    """Write the merged run. ``lost``: hosts of which there is no run at all, and why."""
    _check(parts)
    missing = lost or {}
    rows = list(_rows(parts, len(parts) + len(missing)))
    summed = {row.token for row, _ in rows if row.kind == "block"}
    rows += [(row, None) for row in _floors(parts) if row.token in summed]
    tokens = tuple(parts[0].run.tokens)
    rows += [
        (Row("open", f"{token}@{host}", "", "", 0, "host lost", parts[0].run.driver, detail=why), None)
        for host, why in missing.items()
        for token in tokens
    ]
    writer.write_meta(_meta(writer, parts, missing, [row for row, _ in rows]))
    for row, latencies in rows:
        writer.append(attrs.evolve(row, latencies=None), latencies)
    if not missing and all(part.run.end and not part.lost for part in parts):
        writer.write_end({"ended": now()})
    return load(writer.path)


def _check(parts: Sequence[Part]) -> None:
    first = parts[0].run
    for part in parts:
        run = part.run
        if "appointment" not in run.meta:
            raise WorkbenchError(f"{run.path} was not made with --start-at: its blocks met nobody's")
        for what in ("plan", "drivers", "seed", "tokens", "appointment"):
            if run.meta[what] != first.meta[what]:
                raise WorkbenchError(
                    f"{run.path} and {first.path} differ in their {what}: hosts that measure together are given "
                    "the same plan, tokens, --driver and --start-at"
                )
    paths = [part.run.path.resolve() for part in parts]
    if len(set(paths)) < len(paths):
        raise WorkbenchError("merge was given one run twice: a host counts once")


def _rows(parts: Sequence[Part], hosts: int) -> Iterable[tuple[Row, Packed | None]]:
    there: dict[Place, dict[str, Row]] = {}
    absent: set[tuple[str, str, str, str]] = set()  # host, and what it does not offer: token, driver, case
    for part in parts:
        for row in part.run.rows:
            if row.kind == "block":
                there.setdefault((row.token, row.driver, row.case, row.threads, row.round), {})[part.host] = (
                    row
                )
            else:
                yield attrs.evolve(row, token=f"{row.token}@{part.host}"), _latencies(part, row)
            if row.outcome in HARMLESS:
                absent.add((part.host, row.token, row.driver, row.case))
    for place, rows in sorted(there.items(), key=lambda item: item[0][4] or 0):
        able = hosts - sum((part.host, *place[:3]) in absent for part in parts)
        yield from _block(parts, place, rows, able, absent)


def _block(
    parts: Sequence[Part],
    place: Place,
    rows: Mapping[str, Row],
    able: int,
    absent: set[tuple[str, str, str, str]],
) -> Iterable[tuple[Row, Packed | None]]:
    token, driver, case, threads, _ = place
    sample = next(iter(rows.values()))
    together, overlap = _together(parts, rows)
    counted: list[tuple[Part, Row, Packed | None]] = []
    for part in parts:
        row = rows.get(part.host)
        if row is None:
            if (part.host, token, driver, case) not in absent:
                yield _without_figure(sample, f"{token}@{part.host}", "host lost", part.lost), None
        elif part.host in together:
            counted.append((part, _within(part, row, *overlap), _latencies(part, row)))
        elif row.measured:
            detail = "its window did not meet those of the other hosts"
            yield _without_figure(row, f"{token}@{part.host}", "not together", detail), None
        else:
            yield attrs.evolve(row, token=f"{token}@{part.host}"), None
    if counted:
        pooled = pool([latencies for _, _, latencies in counted if latencies is not None])
        without = [part.host for part, row, found in counted if row.latencies and found is None]
        total = _sum([row for _, row, _ in counted], sample, pooled)
        if without:
            lacking = f"the latencies of {', '.join(without)} are not in it"
            total = attrs.evolve(total, detail="; ".join(filter(None, (total.detail, lacking))))
        yield total, pooled
    if len(counted) < able:
        missing = (
            ", ".join(part.host for part in parts if part.host not in together) or "a host that was lost"
        )
        row = _without_figure(sample, _label(token, able), "incomplete", f"without {missing}")
        yield attrs.evolve(row, threads=threads * able), None
    for part, row, latencies in counted:
        yield attrs.evolve(row, token=f"{token}@{part.host}"), latencies


def _together(parts: Sequence[Part], rows: Mapping[str, Row]) -> tuple[set[str], tuple[int, int]]:
    """The hosts that were measured at one time, and that time: whoever is farthest from the others is left out."""
    windows = {}
    for part in parts:
        row = rows.get(part.host)
        if row is not None and row.measured and row.window is not None:
            windows[part.host] = row.window.moved(-part.clock.offset_ns)
    while windows:
        begin = max(window.begin_ns for window in windows.values())
        end = min(window.end_ns for window in windows.values())
        shortest = min(window.end_ns - window.begin_ns for window in windows.values())
        if end - begin >= TOGETHER * shortest:
            return set(windows), (begin, end)
        middle = float(np.median([window.begin_ns for window in windows.values()]))
        del windows[max(windows, key=lambda host: abs(windows[host].begin_ns - middle))]
    return set(), (0, 0)


def _within(part: Part, row: Row, begin: int, end: int) -> Row:
    """A host's row with what it did in the overlap. Errors and latencies stay those of the whole block."""
    window = row.window
    assert window is not None
    window = window.moved(-part.clock.offset_ns)
    seconds = (end - begin) / 1e9
    successes = window.successes(begin, end)
    return attrs.evolve(
        row,
        wall_s=seconds,
        cpu_s=row.cpu_s * min(1.0, seconds / row.wall_s) if row.wall_s else row.cpu_s,
        successes=successes,
        rate_per_s=successes / seconds,
        begin_ns=begin,
        end_ns=end,
        slices=(),
    )


def _sum(rows: Sequence[Row], sample: Row, pooled: Packed) -> Row:
    errors: dict[str, int] = {}
    for row in rows:
        for name, count in row.errors.items():
            errors[name] = errors.get(name, 0) + count
    p50, p90, p99, p999, largest = percentiles(pooled, (50, 90, 99, 99.9, 100))
    return attrs.evolve(
        rows[0],
        token=_label(sample.token, len(rows)),
        threads=sum(row.threads for row in rows),
        detail="; ".join(dict.fromkeys(row.detail for row in rows if row.detail)),
        cpu_s=sum(row.cpu_s for row in rows),
        successes=sum(row.successes for row in rows),
        failures=sum(row.failures for row in rows),
        errors=errors,
        overdue=sum(row.overdue for row in rows),
        rate_per_s=sum(row.rate_per_s or 0.0 for row in rows),
        p50_ns=p50,
        p90_ns=p90,
        p99_ns=p99,
        p999_ns=p999,
        max_ns=largest,
        slices=(),
    )


def _floors(parts: Sequence[Part]) -> Iterable[Row]:
    """The floor of a sum: the median of its hosts'."""
    found: dict[tuple[str, str, str, int], list[float]] = {}
    for part in parts:
        for row in part.run.rows:
            if row.kind == "floor" and row.p50_ns is not None:
                found.setdefault((row.token, row.driver, row.operation, row.threads), []).append(row.p50_ns)
    for (token, driver, operation, threads), medians in found.items():
        for hosts in range(1, len(parts) + 1):
            row = Row("floor", _label(token, hosts), "", operation, threads * hosts, "ok", driver)
            yield attrs.evolve(row, p50_ns=float(np.median(medians)))


def _without_figure(row: Row, label: str, outcome: str, detail: str) -> Row:
    return Row(
        row.kind,
        label,
        row.case,
        row.operation,
        row.threads,
        outcome,
        row.driver,
        row.round,
        detail=detail,
        started=row.started,
    )


def _latencies(part: Part, row: Row) -> Packed | None:
    """None also where the file did not come over whole: the row keeps its figures."""
    if row.latencies is None:
        return None
    try:
        packed: Packed = np.load(part.run.path / row.latencies)
    except (OSError, ValueError, EOFError):
        return None
    return packed


def _label(token: str, hosts: int) -> str:
    return f"{token} on {hosts} host{'s' if hosts > 1 else ''}"


def _meta(
    writer: RunWriter, parts: Sequence[Part], missing: Mapping[str, str], rows: Sequence[Row]
) -> dict[str, Any]:
    first = parts[0].run.meta
    labels = {
        **{
            _label(token, hosts): name
            for token, name in first["tokens"].items()
            for hosts in range(len(parts) + len(missing), 0, -1)
            if any(row.token == _label(token, hosts) and row.kind == "block" for row in rows)
        },
        **{f"{token}@{part.host}": name for part in parts for token, name in first["tokens"].items()},
        **{f"{token}@{host}": name for host in missing for token, name in first["tokens"].items()},
    }
    return {
        **{key: value for key, value in first.items() if key not in ("schema_version", "appointment")},
        "name": writer.path.name,
        "created": now(),
        "plan": first["plan"] | {"threads": sorted({row.threads for row in rows if row.kind == "block"})},
        "tokens": labels,
        "machine": _machines([part.run.meta["machine"] for part in parts]),
        "packages": _common([part.run.meta["packages"] for part in parts]),
        "provenance": _by_label(parts, labels, "provenance"),
        "disclosure": _by_label(parts, labels, "disclosure"),
        "hosts": {part.host: _host(part) for part in parts}
        | {host: {"run": None, "lost": why} for host, why in missing.items()},
    }


def _by_label(parts: Sequence[Part], labels: Iterable[str], what: str) -> dict[str, Any]:
    """What each run says of a token: under its host's label, and under the sums' labels where all say the same."""
    found: dict[str, Any] = {}
    for label in labels:
        token, _, host = label.rpartition("@")
        own = [part.run.meta.get(what, {}).get(token, {}) for part in parts if part.host == host]
        everywhere = [part.run.meta.get(what, {}).get(label.rpartition(" on ")[0], {}) for part in parts]
        found[label] = own[0] if own else _common(everywhere)
        trips = [one["round_trip_ns"] for one in everywhere if one.get("round_trip_ns") is not None]
        if trips:  # measured on each host: the farthest from the device
            found[label]["round_trip_ns"] = max(trips)
    return found


def _host(part: Part) -> dict[str, Any]:
    clock, meta = part.clock, part.run.meta
    uncertainty = None if clock.uncertainty_ns is None else clock.uncertainty_ns / 1e6
    return {
        "run": meta["name"],
        "machine": meta["machine"],
        "packages": meta["packages"],
        "clock_ahead_ms": clock.offset_ns / 1e6,
        "clock_within_ms": uncertainty,
        **({"lost": part.lost} if part.lost else {}),
    }


def _common(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all of them say alike."""
    return {k: v for k, v in found[0].items() if all(one.get(k) == v for one in found)} if found else {}


def _machines(machines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Several machines as one: numbers add up, texts are listed once each."""
    return {name: _joined([machine.get(name) for machine in machines]) for name in machines[0]}


_JOINED: tuple[tuple[type, Callable[[list[Any]], Any]], ...] = (
    (list, lambda lists: [round(sum(values), 2) for values in zip(*lists, strict=True)]),
    (str, lambda texts: "; ".join(dict.fromkeys(texts))),
    (bool, all),
    (int, sum),
)


def _joined(values: list[Any]) -> Any:
    for kind, join in _JOINED:
        if all(isinstance(value, kind) for value in values):
            return join(values)
    return None
