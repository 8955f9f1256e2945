"""How far this machine's figures can be trusted: its clock, its floor, and comparisons of a token with itself.

The noise is measured on the path that users take: whole runs of one token named twice, each with two new workers.
Within a run the two are paired by round; from one run to the next they are not, and both kinds have thresholds of
their own, for one thread and for several.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.faults import WorkbenchError
from workbench.measure.provenance import MACHINE_IS, machine
from workbench.tokens.home import home, private_directory

if TYPE_CHECKING:
    from workbench.measure.results import Run

__all__ = ["calibrate", "calibration_of", "noise", "store", "stored", "threshold_of"]

SCHEMA = 1
FALSE_ALARMS = 0.002  # of verdicts, with all their lines and quantities; the noise is not quite normal
MINIMUM = 0.01  # a difference of less than one percent is of no use to anybody
UNCALIBRATED = 0.05
NINETY_FIVE = NormalDist().inv_cdf(0.975)
ROUNDS, SECONDS, WARMUP = 9, 0.03, 0.005


def threshold_of(
    calibration: Mapping[str, Any] | None,
    quantity: str,
    *,
    paired: bool,
    threads: int,
    looks: int,
    rounds: int | None = None,
) -> float:
    """The deviation of a ratio from 1 that counts, where so many ``looks`` are taken in one verdict.

    The 95th percentile of the deviations of a token from itself is taken for 1.96 standard deviations, and
    Bonferroni's correction says how many of them are needed. A median of fewer ``rounds`` than the calibration's
    deviates by more, as the square root of their number says.
    """
    if calibration is None:
        return UNCALIBRATED
    kind = calibration["noise"]["paired" if paired else "separate"]
    needed = NormalDist().inv_cdf(1 - FALSE_ALARMS / (2 * looks))
    deviation = float(kind["one" if threads == 1 else "several"][quantity]) / NINETY_FIVE
    if rounds:
        deviation *= max(1.0, calibration.get("rounds", ROUNDS) / rounds) ** 0.5
    return max(MINIMUM, deviation * needed)


def noise(deviations: Sequence[float]) -> float:
    """The 95th percentile of deviations from 1."""
    return float(np.percentile(np.abs(deviations), 95)) if len(deviations) else 0.0


def stored() -> dict[str, Any] | None:
    """What ``workbench calibrate`` found on this machine; None where it never ran, or ran on another."""
    return _stored_for(machine())


def calibration_of(run: Run) -> dict[str, Any] | None:
    """What a run carries; where it carries none, what was found since on the machine that it comes from."""
    carried: dict[str, Any] | None = run.meta.get("calibration")
    return carried or _stored_for(run.meta["machine"])


def _stored_for(known: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        return None
    return found if found.get("machine") == _identity(known) else None


def store(found: Mapping[str, Any]) -> Path:
    """Keep a calibration; the file's path.

    Errors: ``WorkbenchError`` for one of a busy machine, whose thresholds would let everything pass, and for a file
    that cannot be written.
    """
    if found.get("unrest"):
        raise WorkbenchError(
            f"the calibration was not kept: {'; '.join(found['unrest'])}. Calibrate again when nothing else runs here"
        )
    file = _file()
    private_directory(file.parent)
    try:
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise WorkbenchError(f"cannot write {file} ({error.strerror}): set WORKBENCH_HOME") from None
    return file


def calibrate(
    token: str = "sandbox",
    repeats: int = 8,
    cases: Sequence[str] = ("ECDSA P-256 sign", "SHA-256 1 KiB"),
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Measure this machine's noise with a sandbox token; plain JSON values, which ``store`` keeps.

    ``unrest`` says what else the machine was doing: thresholds that were found meanwhile are not kept.

    Errors: ``WorkbenchError`` for fewer than three repeats, a token that is not ours, and a run that failed.
    """
    from workbench.measure.plan import Plan
    from workbench.measure.planfile import CASES
    from workbench.measure.runner import bench
    from workbench.tokens import origin

    if repeats < 3:
        raise WorkbenchError("a calibration needs at least three repeats")
    if origin(token).standing != "sandbox":
        raise WorkbenchError(f"token {token!r} is not ours: calibrate with a sandbox, softhsm for one")
    known = machine()
    threads = (1, known["cores_usable"]) if (known["cores_usable"] or 1) > 1 else (1,)
    plan = Plan(
        "calibrate",
        tuple(CASES[name] for name in cases),
        threads=threads,
        rounds=rounds,
        seconds=seconds,
        warmup=WARMUP,
    )
    runs: list[Run] = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        for done in range(repeats):
            on_progress(done, repeats)
            runs.append(bench(plan, [token, token], out=directory))
            if runs[-1].failed:
                raise WorkbenchError(f"token {token!r} failed meanwhile: {runs[-1].failed[0].outcome}")
        return {
            "schema": SCHEMA,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": _identity(known),
            "load_average": known["load_average"],
            "driver": runs[0].driver,
            "token": token,
            "repeats": repeats,
            "rounds": rounds,
            "block_seconds": seconds,
            "seconds": round(time.monotonic() - started, 1),
            "clock_step_ns": _clock_step(runs),
            "floor_ns": _floors(runs),
            "service": known_service() if runs[0].driver == "c-kernel" else None,
            "noise": {"paired": _paired(runs), "separate": _separate(runs)},
            # the load before the later runs is that of the earlier ones
            "unrest": list(
                dict.fromkeys((*runs[0].unrest_before, *(reason for run in runs for reason in run.unrest)))
            ),
            "warnings": list(dict.fromkeys(warning for run in runs for warning in run.warnings)),
        }


def known_service(service: float = 0.002, seconds: float = 0.5) -> dict[str, float]:
    """A device that takes exactly so many seconds for a call, as this machine measures it: medians in s, rates per s."""
    from workbench.measure.device import Device, Emulated
    from workbench.measure.drivers import drive
    from workbench.measure.jobs import throughput

    with Emulated(Device(service=service, punctual=True)) as device:
        alone = drive(device.jobs(1), seconds=seconds, warmup=WARMUP)
    with Emulated(Device(service=service, capacity=1)) as device:
        crowd = drive(device.jobs(4), seconds=2 * seconds, warmup=seconds / 4)
    return {
        "service_s": service,
        "measured_s": float(np.median(alone[0].latencies)) / 1e9,
        "capacity_per_s": 1 / service,
        "measured_per_s": throughput(crowd),
    }


def _paired(runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    from workbench.measure.comparison import compare_tokens

    return _gathered([line for run in runs for line in compare_tokens(run, threshold=0.0).lines])


def _separate(runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    from workbench.measure.comparison import compare_runs

    pairs = zip(runs[1:], runs[:-1], strict=True)
    return _gathered([line for new, old in pairs for line in compare_runs(new, old, threshold=0.0).lines])


def _gathered(lines: Sequence[Any]) -> dict[str, dict[str, float]]:
    from workbench.measure.comparison import QUANTITIES

    found = {}
    for name, of_one in (("one", True), ("several", False)):
        chosen = [line for line in lines if (line.threads == 1) == of_one] or lines
        found[name] = {
            quantity: round(
                noise([c.ratio.value - 1 for line in chosen for c in line.changes if c.quantity == quantity]),
                5,
            )
            for quantity in QUANTITIES
        }
    return found


def _floors(runs: Sequence[Run]) -> dict[str, float]:
    """p50 of one operation on the null module, in ns."""
    found: dict[str, list[float]] = {}
    for run in runs:
        for row in run.rows:
            if row.kind == "floor" and row.p50_ns is not None and row.threads == 1:
                found.setdefault(row.operation, []).append(row.p50_ns)
    return {operation: float(np.median(values)) for operation, values in found.items()}


def _clock_step(runs: Sequence[Run]) -> float:
    """The smallest difference between two latencies, in ns: what the clock can tell apart."""
    values = [
        np.unique(np.load(run.path / row.latencies)[:, 0])
        for run in runs
        for row in run.rows
        if row.kind == "floor" and row.latencies is not None
    ]
    steps = [float(np.diff(each.astype(float)).min()) for each in values if each.size > 1]
    return min(steps) if steps else float("nan")


def _identity(known: Mapping[str, Any]) -> dict[str, Any]:
    return {name: known.get(name) for name in MACHINE_IS}


def _file() -> Path:
    return home() / "calibration.json"
