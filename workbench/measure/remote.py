"""The process that measures on a host of a fleet: ``python -m workbench.measure.remote FD DIRECTORY``.

It takes its assignment from an inherited socket, and ends when nobody is there to listen any more.
"""

from __future__ import annotations

import os
import queue
import shutil
import signal
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from workbench.faults import BrokenOff, WorkbenchError
from workbench.measure.measurement import Progress
from workbench.measure.placed import Assignment, News
from workbench.measure.runner import bench

__all__ = ["main"]

COLLECT_SECONDS = 120.0  # for the last files to be fetched


def main() -> int:
    """Measure what comes over the inherited socket, and stay until the files have been fetched."""
    connection: Connection[Any, Any] = Connection(int(sys.argv[1]))
    directory = Path(sys.argv[2])
    inbox: queue.Queue[float] = queue.Queue()
    finished, gone = threading.Event(), threading.Event()

    def listen() -> None:
        try:
            while True:
                inbox.put(connection.recv())
        except (EOFError, OSError):
            gone.set()
            if not finished.is_set():
                os.kill(os.getpid(), signal.SIGINT)  # the way out that a person would take

    def tell(state: str, text: str, done: int, total: int, remaining: float | None = None) -> None:
        connection.send(News(state, text, done, total, remaining))

    def show(step: Progress) -> None:
        tell(
            "preparing" if step.remaining_s is None else "ready",
            step.text,
            step.done,
            step.total,
            step.remaining_s,
        )

    def agree() -> float:
        tell("ready", "waiting for the other hosts", 0, 1)
        return inbox.get()

    try:
        assignment: Assignment = connection.recv()
        threading.Thread(target=listen, daemon=True, name="fleet").start()
        try:
            bench(
                assignment.plan,
                assignment.tokens,
                out=directory,
                timeout=assignment.timeout,
                seed=assignment.seed,
                start_at=agree,
                asked=assignment.asked,
                on_progress=show,
                on_announcement=lambda text: print(text, file=sys.stderr),
            )
            finished.set()
            tell("finished", "finished", 1, 1)
        except (BrokenOff, WorkbenchError) as error:
            finished.set()
            tell("failed", str(error), 1, 1)
        gone.wait(COLLECT_SECONDS)
    except (KeyboardInterrupt, EOFError, OSError):
        return 130
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
