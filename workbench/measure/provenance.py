"""Where a figure comes from: the machine, its state, and the versions of what was involved."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["MACHINE_IS", "Watch", "machine", "packages"]

PACKAGES = ("pkcs11-workbench", "PyKCS11", "cffi", "cryptography", "numpy", "pandas", "attrs")
# What makes two records of ``machine()`` those of one machine: the rest may change from day to day.
MACHINE_IS = ("host_sha256", "cpu", "cores", "architecture")
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def machine() -> dict[str, Any]:
    """Plain JSON values; the host's name is hashed, so that a result may be passed on. None: not readable here."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "host_sha256": hashlib.sha256(platform.node().encode()).hexdigest()[:12],
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "cores_usable": usable,
        "governor": _read(GOVERNOR),
        "kernel": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
    }


class Watch:
    """What the machine did between now and ``seen()``."""

    def __init__(self) -> None:
        self._ticks, self._throttles = _cpu_ticks(), _throttle_events()

    def seen(self) -> dict[str, Any]:
        """Plain JSON values. ``busy_share`` and ``stolen_share``: of all CPU time, 0 to 1, what was used and what
        the hypervisor gave to others; ``throttle_events`` of all cores. None: not readable here.
        """
        ticks, throttles = _cpu_ticks(), _throttle_events()
        busy = stolen = None
        if ticks and self._ticks:
            spent = [after - before for after, before in zip(ticks, self._ticks, strict=True)]
            whole = sum(spent)
            if whole > 0:
                user, nice, system, _idle, _waiting, irq, softirq, steal = spent
                busy = round((user + nice + system + irq + softirq) / whole, 3)
                stolen = round(steal / whole, 3)
        return {
            "load_average": [round(load, 2) for load in os.getloadavg()],
            "busy_share": busy,
            "stolen_share": stolen,
            "throttle_events": None if throttles is None else throttles - (self._throttles or 0),
        }


def packages() -> dict[str, str]:
    """The installed versions of the packages that a figure may depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _cpu_model() -> str | None:
    text = _read(Path("/proc/cpuinfo")) or ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model", "cpu model"):
            return value.strip()
    return platform.processor() or None


def _cpu_ticks() -> list[int] | None:
    """user, nice, system, idle, iowait, irq, softirq, steal of all CPUs together since boot (proc(5))."""
    fields = (_read(Path("/proc/stat")) or "").partition("\n")[0].split()
    return [int(field) for field in fields[1:9]] if len(fields) > 8 and fields[0] == "cpu" else None


def _throttle_events() -> int | None:
    files = sorted(Path("/sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/core_throttle_count"))
    counts = [int(text) for file in files if (text := _read(file)) and text.isdigit()]
    return sum(counts) if counts else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
