"""The plain C loop (``c_loop.c``), compiled here and now, and what its blocks took."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import cffi
import numpy as np
import numpy.typing as npt

from workbench.cryptoki.library import ffi
from workbench.measure import Job
from workbench.spec.declarations import cdef

__all__ = ["Block", "Figures", "c_block", "compiled", "middle"]

SOURCE = Path(__file__).with_name("c_loop.c")
LOOPS = ("sign", "verify", "encrypt", "decrypt", "digest", "random")
WORK = """
typedef struct {
    void *p11; unsigned long session; void *mechanism; unsigned long key;
    void *data; unsigned long data_length; void *signature; unsigned long signature_length;
    void *out; unsigned long room; uint64_t *ns; long count;
    uint64_t begin, end; unsigned long rv;
} work;
typedef unsigned long (*loop)(work *);
int loop_threads(loop run, work *all, int count);
"""


@attrs.frozen
class Figures:
    """One block: the latency in ns (the mean of the middle half), and calls per second."""

    latency: float
    rate: float


Block = Callable[[int], Figures]  # calls of each thread → what they took


def middle(latencies: npt.ArrayLike) -> float:
    """The mean of the middle half."""
    ordered = np.sort(np.asarray(latencies))
    quarter = len(ordered) // 4
    return float(ordered[quarter : len(ordered) - quarter].mean())


def compiled(directory: Path) -> Any:
    """The C loop as a cffi interface and library, made in this directory."""
    header = "#include <stddef.h>\n" + cdef()
    (directory / "cryptoki.h").write_text(header, encoding="utf-8")
    made = directory / "c_loop.so"
    command = ["cc", "-O2", "-std=gnu11", "-shared", "-fPIC", "-pthread", f"-I{directory}", str(SOURCE), "-o"]
    subprocess.run([*command, str(made)], check=True)
    return opened(made)


def opened(made: Path) -> Any:
    """The compiled loop."""
    interface = cffi.FFI()
    interface.cdef(WORK + "".join(f"unsigned long loop_{name}(work *w);" for name in LOOPS))
    return interface, interface.dlopen(str(made))


def c_block(loop: Any, jobs: Sequence[Job]) -> Block:
    """Blocks of the C loop, with one call before the clock starts."""
    interface, library = loop
    function = getattr(library, f"loop_{jobs[0].operation}")
    array = interface.new("work[]", len(jobs))

    def pointer(value: Any) -> Any:
        return interface.cast("void *", int(ffi().cast("uintptr_t", value)))

    for job, one in zip(jobs, array, strict=True):
        one.p11 = interface.cast("void *", job.lists.v2_40)
        one.session, one.key, one.mechanism = job.session, job.key, pointer(job.mechanism)
        one.data, one.data_length = pointer(job.data), job.data_length
        one.signature, one.signature_length = pointer(job.signature), len(job.work.signature)
        one.out, one.room = pointer(job.output), job.capacity

    def block(calls: int) -> Figures:
        times = [np.zeros(calls, dtype=np.uint64) for _ in jobs]
        for ns, one in zip(times, array, strict=True):
            one.ns = interface.cast("uint64_t *", ns.ctypes.data)
        for count in (1, calls):
            for one in array:
                one.count = count
            error = library.loop_threads(function, array, len(jobs))
            assert not error, os.strerror(error)
            assert not any(one.rv for one in array), [hex(one.rv) for one in array]
        rate = sum(calls / (one.end - one.begin) * 1e9 for one in array)
        return Figures(middle(np.concatenate(times)), rate)

    return block
