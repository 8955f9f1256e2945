"""Runs that were written rather than measured: what the reader and the verdict make of known figures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from workbench.measure import Run, load
from workbench.measure.store import Row, RunWriter

OLD = Path(__file__).with_name("runs") / "schema-1"
CASE = {"name": "sign", "operation": "sign", "mechanism": "CKM_ECDSA", "payload": 32, "key": "P-256"}
NS = 1e9


def row(token: str, round: int, rate: float, threads: int = 1, **changes: Any) -> Row:
    """A block of 0.1 s in which every thread works all the time."""
    made = Row(
        "block",
        token,
        "sign",
        "sign",
        threads,
        "ok",
        "c-kernel",
        round,
        wall_s=0.1,
        cpu_s=0.1 * threads,
        successes=round_up(rate * 0.1),
        rate_per_s=rate,
        p50_ns=threads / rate * NS,
    )
    return attrs.evolve(made, **changes)


def round_up(value: float) -> int:
    return int(np.ceil(value))


def written(
    path: Path, rows: Sequence[Row], latencies: Mapping[int, Sequence[int]] | None = None, **meta: Any
) -> Run:
    """A run of these rows; ``latencies``: of the row with this index, in ns; ``meta``: members of run.json."""
    machine = json.loads((OLD / "run.json").read_text())["machine"] | {"load_average": [0.0, 0.0, 0.0]}
    tokens = list(dict.fromkeys(row.token for row in rows))
    plan = {
        "name": "written",
        "cases": [CASE],
        "threads": sorted({row.threads for row in rows if row.threads}),
        "rounds": 1 + max(row.round or 0 for row in rows),
        "seconds": 0.1,
        "warmup": 0.0,
        "loop": "closed",
    }
    members: dict[str, Any] = {
        "name": path.name,
        "created": "2026-11-21T12:00:00+00:00",
        "plan": plan,
        "drivers": ["c-kernel"],
        "seed": 1,
        "tokens": {token: token for token in tokens},
        "machine": machine,
        "packages": {},
        "provenance": {},
        "disclosure": {},
        "calibration": None,
    }
    (path / "latencies").mkdir(parents=True)
    (path / "rows.jsonl").touch()
    writer = RunWriter(path)
    writer.write_meta({**members, **meta})
    for number, one in enumerate(rows):
        known = (latencies or {}).get(number)
        packed = None if known is None else np.array([[ns, 1] for ns in sorted(known)], dtype=np.uint64)
        writer.append(one, packed)
    writer.write_end({"ended": members["created"]})
    return load(path)


def copied(path: Path, **meta: Any) -> Run:
    """The run of schema 1 with other members in its run.json."""
    shutil.copytree(OLD, path)
    file = path / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | meta))
    return load(path)
