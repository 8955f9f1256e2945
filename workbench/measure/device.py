"""A device of known speed: the package's own module with a service time, a capacity and faults.

What a measurement finds on it can be held against the truth. It lives in the compiled kernel (native/null_device.c);
each has a slot of its own, so that a process can have several.
"""

from __future__ import annotations

from itertools import count
from types import TracebackType
from typing import Any, ClassVar, Self

import attrs
import numpy as np
import numpy.typing as npt

from workbench.cryptoki.library import ffi
from workbench.faults import WorkbenchError
from workbench.measure.floor import floor_work, open_session
from workbench.measure.jobs import Job, Lists, ThreadResult
from workbench.measure.kernel_driver import kernel

__all__ = ["Device", "Emulated", "timeline"]


@attrs.frozen
class Device:
    """What is to be emulated; times in seconds.

    ``service``: of every data call; ``jitter``: a call takes up to so much more or less. ``nodes`` share the calls;
    ``capacity``: calls that each serves at a time, 0 for any number. ``lost_after``: the last node is lost so long
    after the first call, with what it was serving (CKR_DEVICE_ERROR); 0: never. ``stall``: of each second since the
    first call, the last so much in which nothing begins or goes on. ``fail_every``: of so many calls one answers
    CKR_DEVICE_ERROR. ``punctual``: the end of a call is spun for, which takes CPU: for few threads only.
    """

    service: float = 0.0
    jitter: float = 0.0
    nodes: int = 1
    capacity: int = 0
    lost_after: float = 0.0
    stall: float = 0.0
    fail_every: int = 0
    punctual: bool = False

    @property
    def rate(self) -> float:
        """Calls per second that it serves at most, all nodes up and no stall; infinite without a limit."""
        return self.nodes * self.capacity / self.service if self.capacity and self.service else float("inf")


class Emulated:
    """A device that can be measured: ``jobs`` for ``drive``, on sessions of their own; a context manager."""

    _used: ClassVar[set[int]] = {0}  # slots; the first one belongs to the environment

    def __init__(self, device: Device) -> None:
        if kernel() is None:
            raise WorkbenchError(
                "the emulated device is compiled with the load kernel, which is not built here"
            )
        lib, cast = kernel().lib, kernel().ffi.cast
        self.device = device
        self.slot = next(slot for slot in count() if slot not in self._used)
        self.lists = Lists(
            int(cast("uintptr_t", lib.load_emulated_module())),
            int(cast("uintptr_t", lib.load_emulated_module_3_2())),
        )
        self._sessions: list[int] = []
        self.restart(device)
        self._used.add(self.slot)  # until it is closed

    def restart(self, device: Device | None = None) -> None:
        """Make the device as new: its clock starts with the next call. ``device``: another one in its place.

        Errors: ``WorkbenchError`` for a device that cannot be, and when there are too many.
        """
        self.device = device or self.device
        wanted = self.device
        settings = kernel().ffi.new(
            "load_device *",
            {
                "service_ns": round(wanted.service * 1e9),
                "jitter_ns": round(wanted.jitter * 1e9),
                "nodes": wanted.nodes,
                "capacity": wanted.capacity,
                "lost_after_ns": round(wanted.lost_after * 1e9),
                "stall_ns": round(wanted.stall * 1e9),
                "fail_every": wanted.fail_every,
                "spin": wanted.punctual,
            },
        )
        if kernel().lib.load_device_set(self.slot, settings):
            raise WorkbenchError(
                f"no such device: a process has {kernel().lib.LOAD_DEVICES - 1} of them, nodes times capacity is "
                f"{kernel().lib.LOAD_DEVICE_PLACES} at most, jitter within the service time, a stall below a second"
            )

    def jobs(self, threads: int, operation: str = "sign") -> list[Job]:
        """So many jobs, each on a session of its own."""
        while len(self._sessions) < threads:
            self._sessions.append(open_session(self.lists, self.slot))
        return [Job(floor_work(operation), self.lists, session) for session in self._sessions[:threads]]

    @property
    def counts(self) -> tuple[int, int]:
        """Calls that the device has answered since it was new, and how many of them failed."""
        made = kernel().ffi.new("uint64_t[2]")
        kernel().lib.load_device_counts(self.slot, made, made + 1)
        return int(made[0]), int(made[1])

    def close(self) -> None:
        """Close the sessions, and leave the slot to the next device."""
        functions: Any = ffi().cast("CK_FUNCTION_LIST_PTR", self.lists.v2_40)
        while self._sessions:
            functions.C_CloseSession(self._sessions.pop())
        self._used.discard(self.slot)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


def timeline(
    results: list[ThreadResult], width: float = 0.1
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Successes per second over the time of a run: the starts of the bins in s since its begin, and their rates.

    ``results``: of ``drive(…, ends=True)``; ``width``: of a bin in seconds. The last bin, which the run does not
    fill, is left out.
    """
    begin = min(result.begin_ns for result in results)
    end = max(result.end_ns for result in results)
    bins = int((end - begin) / 1e9 / width)
    if bins < 1:
        raise WorkbenchError(f"the run is shorter than a bin of its timeline ({width:g} s)")
    edges = np.arange(bins + 1, dtype=np.float64) * width
    ends = np.concatenate([result.ends for result in results]).astype(np.int64) - begin
    counted, _ = np.histogram(ends / 1e9, edges)
    return edges[:-1], (counted / width).astype(np.float64)
