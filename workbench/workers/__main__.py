"""The worker's side: ``python -m workbench.workers FD`` serves one parent on an inherited socket."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import pickle
import select
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any

from workbench.workers.messages import Failed, Ready, Returned, Start, Task

GRACE_SECONDS = 5.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> int:
    """Open the token that the parent names, then answer tasks until the parent hangs up."""
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    descriptor = int(sys.argv[1])
    _die_with_parent(descriptor, bound=sys.argv[2:] == ["bound"])
    connection: Connection[Any, Any] = Connection(descriptor)
    try:
        return _serve(connection)
    except (EOFError, ConnectionError):
        return 0  # the parent has hung up


def _serve(connection: Connection[Any, Any]) -> int:
    start = connection.recv()
    assert isinstance(start, Start)
    if start.import_path is not None:
        sys.path[:] = start.import_path
    try:
        from workbench import tokens

        tokens.join_run(start.run)
        if start.pin is not None:
            tokens.remember_pin(start.token, start.pin)
        token = tokens.open(start.token)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent reports it
        connection.send(_failed(error))
        return 0
    try:
        connection.send(Ready(os.getpid()))
        while True:
            connection.send_bytes(_answer(token, connection.recv_bytes()))
    finally:
        token.close()


def _answer(token: Any, question: bytes) -> bytes:
    try:
        task: Task = pickle.loads(question)  # noqa: S301 - from our parent, over a socket that nobody else has
        return pickle.dumps(Returned(task.function(token, *task.arguments)))
    except Exception as error:  # noqa: BLE001 - it is re-raised in the parent
        return pickle.dumps(_failed(error))


def _failed(error: Exception) -> Failed:
    text = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes, to see whether they come back
    except Exception:  # noqa: BLE001 - any failure means that it cannot travel
        return Failed(None, type(error).__name__, str(error), text)
    return Failed(error, type(error).__name__, str(error), text)


def _die_with_parent(descriptor: int, *, bound: bool) -> None:
    """End this process when the parent is gone, however it went.

    Linux does that for the child of a lasting thread (``bound``), even while a module hangs with the GIL.
    Otherwise a thread of ours watches the parent's end of the socket.
    """
    if bound and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        hang_up = getattr(select, "POLLRDHUP", 0) | select.POLLHUP
        poll = select.poll()
        poll.register(descriptor, hang_up)
        poll.poll()
        time.sleep(GRACE_SECONDS)  # the orderly way out is faster
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="lifeline").start()


if __name__ == "__main__":
    sys.exit(main())
