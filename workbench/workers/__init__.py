"""One process per module: a vendor library that crashes or hangs ends a worker, not the program."""

from workbench.workers.messages import WorkerDied, WorkerFailed, WorkerTimeout
from workbench.workers.worker import Worker

__all__ = ["Worker", "WorkerDied", "WorkerFailed", "WorkerTimeout"]
