"""The ways to make the calls: the compiled kernel, Python threads where there is no compiler, and PyKCS11.

All are behind ``drive``, and every result names the one that it was measured with.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence

from workbench.faults import PolicyRefusal, WorkbenchError
from workbench.measure.abi_driver import drive_abi
from workbench.measure.jobs import Job, Limits, Stop, ThreadResult
from workbench.measure.kernel_driver import drive_kernel, kernel
from workbench.measure.operations import ALONE
from workbench.measure.pykcs11_driver import drive_pykcs11

__all__ = ["DRIVERS", "LOOPS", "default_driver", "drive", "kernel"]

# What the latencies of each loop are; whoever shows them says so.
LOOPS = {
    "closed": "closed loop: service time. A thread waits for an answer before it asks again, so of a token that "
    "stalls it cannot show what its clients would wait",
    "open": "open loop: response time, counted from the moment when each call was due, whatever the token did",
}

GIVE_UP = 1000  # errors in a row
SAMPLES = 1 << 18  # latencies kept per thread: 2 MiB


def default_driver() -> str:
    """``c-kernel`` where it was built, else ``cffi-abi``."""
    return "c-kernel" if kernel() else "cffi-abi"


def drive(
    jobs: Sequence[Job],
    *,
    seconds: float = 0.0,
    count: int = 0,
    warmup: float = 0.0,
    samples: int = SAMPLES,
    stop: Stop | None = None,
    driver: str | None = None,
    give_up: int = GIVE_UP,
    reserved: bool = False,
    rate: float = 0.0,
    ends: bool = False,
    turn: tuple[int, int] = (0, 1),
) -> list[ThreadResult]:
    """Run every job in a thread of its own, all from one start; one result per job.

    A closed loop (each call when the last one has returned), or with ``rate`` an open one: so many calls per second
    over all threads, due at fixed times whether the token keeps up or not; late ones are made late, none is left out.
    Until ``seconds`` or ``count`` measured calls per thread, whichever comes first; at least one of them is
    given. ``warmup``: seconds of calls before, which count for nothing. ``samples``: latencies kept per
    thread; ``ends``: the ends of the calls too. ``turn``: of processes that share a rate (``rate`` is the part of this
    one), which one it is and how many there are: their calls are due in turn. A thread gives up after ``give_up`` errors in a row. Ctrl-C and
    ``stop.set()`` end the run after the calls in flight, and at once where none is. ``reserved``: the calls were
    accounted for with the token's policy (``Policy.reserve``). Errors: ``PolicyRefusal`` for calls that are not,
    where the policy keeps an account.
    """
    if not jobs or (seconds <= 0 and count <= 0):
        raise WorkbenchError("drive needs at least one job, and seconds or a count to know when to end")
    if rate < 0:
        raise WorkbenchError("drive needs a rate of more than 0 calls per second for an open loop")
    if jobs[0].operation in ALONE and len(jobs) > 1:
        raise WorkbenchError(
            f"{jobs[0].operation} is measured with one thread: it ends what others have open"
        )
    name = driver or default_driver()
    if name not in DRIVERS or (name == "c-kernel" and not kernel()):
        raise WorkbenchError(f"no driver {name!r} here; one of {', '.join(n for n in DRIVERS if n != name)}")
    accounts = [job.judge() for job in jobs]
    if any(accounts) and not reserved:
        raise PolicyRefusal("the load kernel asks a token that is not ours through bench, within its budget")
    flag = stop or Stop()
    if jobs[0].operation == "login":
        warmup, give_up = 0.0, 1  # a PIN that was refused is not tried again
    limits = Limits(
        duration=round(seconds * 1e9),
        count=count,
        warmup=round(warmup * 1e9),
        samples=min(samples, count or samples),
        give_up=give_up,
        interval=round(len(jobs) * 1e9 / rate) if rate else 0,
        ends=ends,
        turn=turn,
    )
    if not _interruptible():
        return DRIVERS[name](jobs, limits, flag)
    results: list[ThreadResult] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.extend(DRIVERS[name](jobs, limits, flag))
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            errors.append(error)

    # Python delivers Ctrl-C to the main thread between two of its own instructions: it has to be free.
    thread = threading.Thread(target=run, name="load")
    thread.start()
    try:
        thread.join()
    except BaseException:
        flag.set()
        thread.join()
        raise
    if errors:
        raise errors[0]
    return results


def _interruptible() -> bool:
    """Whether Ctrl-C would reach this thread as an exception. (In a worker it does not.)"""
    return threading.current_thread() is threading.main_thread() and callable(signal.getsignal(signal.SIGINT))


DRIVERS: dict[str, Callable[[Sequence[Job], Limits, Stop], list[ThreadResult]]] = {
    "c-kernel": drive_kernel,
    "cffi-abi": drive_abi,
    "pykcs11": drive_pykcs11,
}
