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


def main() -> int:
    """Open the token that the parent names, then answer tasks until the parent hangs up."""
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    descriptor = int(sys.argv[1])
    _die_with(descriptor)
    connection: Connection[Any, Any] = Connection(descriptor)
    start = connection.recv()
    assert isinstance(start, Start)
    if start.import_path is not None:
        sys.path[:] = start.import_path
    try:
        from workbench import tokens

        token = tokens.open(start.token)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent reports it
        connection.send(_failed(error))
        return 0
    try:
        connection.send(Ready(os.getpid()))
        while True:
            try:
                connection.send(_answer(token, connection.recv()))
            except (EOFError, ConnectionError):
                return 0
    finally:
        token.close()


def _answer(token: Any, task: Task) -> Returned | Failed:
    try:
        returned = Returned(task.function(token, *task.arguments))
        pickle.dumps(returned)
    except Exception as error:  # noqa: BLE001 - it is re-raised in the parent
        return _failed(error)
    return returned


def _failed(error: Exception) -> Failed:
    text = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes, to see whether they come back
    except Exception:  # noqa: BLE001 - any failure means that it cannot travel
        return Failed(None, type(error).__name__, str(error), text)
    return Failed(error, type(error).__name__, str(error), text)


def _die_with(descriptor: int) -> None:
    """End this process when the parent's end of the socket closes, even while a module hangs.

    Linux also sends SIGKILL by itself when the thread that started us ends, but that thread need not be
    the parent's last; so a thread of ours watches the socket. It needs no GIL to wait, and a module that
    holds the GIL for ever is ended by the parent's own watchdog.
    """

    def watch() -> None:
        poll = select.poll()
        poll.register(descriptor, getattr(select, "POLLRDHUP", 0))
        while not any(
            event & (select.POLLHUP | getattr(select, "POLLRDHUP", 0)) for _, event in poll.poll(60_000)
        ):
            pass
        time.sleep(GRACE_SECONDS)  # the orderly way out is faster
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="lifeline").start()


if __name__ == "__main__":
    sys.exit(main())
