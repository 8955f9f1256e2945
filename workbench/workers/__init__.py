"""One process per module: a vendor library that crashes or hangs ends a worker, not the program."""

from workbench.workers.messages import WorkerDied, WorkerError, WorkerFailed, WorkerTimeout
from workbench.workers.worker import Worker

__all__ = ["Worker", "WorkerDied", "WorkerError", "WorkerFailed", "WorkerTimeout"]
