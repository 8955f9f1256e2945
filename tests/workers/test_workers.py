"""Workers on a real token, with real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import worker_functions as functions

from workbench.cryptoki import CryptokiError
from workbench.faults import WorkbenchError
from workbench.tokens import Token
from workbench.workers import Worker, WorkerDied, WorkerFailed, WorkerTimeout


@pytest.fixture
def worker(softhsm: Token) -> Iterator[Worker]:
    with Worker("softhsm") as made:
        yield made


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_function_runs_in_another_process_with_the_token_open(worker: Worker, softhsm: Token) -> None:
    assert worker.run(functions.pid) == worker.pid != os.getpid()
    assert worker.run(functions.label) == softhsm.info.label
    assert worker.run(functions.add, 2, 3) == 5


def test_large_values_travel_both_ways(worker: Worker) -> None:
    data = os.urandom(5_000_000)
    assert worker.run(functions.echo, data) == data


def test_a_cryptoki_error_of_the_worker_is_raised_here_and_the_worker_goes_on(worker: Worker) -> None:
    with pytest.raises(CryptokiError) as caught:
        worker.run(functions.sign_without_init)
    assert caught.value.name == "CKR_OPERATION_NOT_INITIALIZED"
    assert "In the worker" in caught.value.__notes__[0]
    assert worker.run(functions.add, 1, 1) == 2


def test_an_ordinary_exception_keeps_its_type(worker: Worker) -> None:
    with pytest.raises(ZeroDivisionError):
        worker.run(functions.divide, 1, 0)


def test_an_exception_that_cannot_travel_is_told_in_words(worker: Worker) -> None:
    with pytest.raises(WorkerFailed, match="Unpicklable: cannot travel"):
        worker.run(functions.raise_unpicklable)
    assert worker.run(functions.add, 1, 1) == 2


def test_a_function_of_the_main_program_is_refused_in_one_sentence(worker: Worker) -> None:
    with pytest.raises(WorkbenchError, match="put it at the top of a module file"):
        worker.run(lambda token: None)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_signal_in_mid_task_is_named(worker: Worker, number: signal.Signals) -> None:
    threading.Timer(0.2, os.kill, (worker.pid, number)).start()
    with pytest.raises(WorkerDied) as caught:
        worker.run(functions.wait, 30.0)
    assert caught.value.cause == number.name
    assert not worker.alive
    assert not exists(worker.pid)


def test_a_crash_in_native_code_leaves_its_stack_as_last_words(worker: Worker) -> None:
    with pytest.raises(WorkerDied) as caught:
        worker.run(functions.read_address_zero)
    assert caught.value.cause == "SIGSEGV"
    assert "read_address_zero" in caught.value.stderr


def test_a_worker_that_was_killed_idle_is_found_dead_at_the_next_task(worker: Worker) -> None:
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(WorkerDied, match="SIGKILL"):
        worker.run(functions.add, 1, 1)


def test_the_exit_code_and_the_last_lines_are_reported(softhsm: Token, tmp_path: Path) -> None:
    with Worker("softhsm", stderr=tmp_path / "log") as worker, pytest.raises(WorkerDied) as caught:
        worker.run(functions.leave, 3)
    assert caught.value.cause == "exit code 3"
    assert "these are my last words" in caught.value.stderr
    assert "these are my last words" in (tmp_path / "log").read_text()


def test_a_stopped_worker_is_killed_after_the_timeout(worker: Worker) -> None:
    os.kill(worker.pid, signal.SIGSTOP)
    with pytest.raises(WorkerTimeout, match=r"within 0\.5 s"):
        worker.run(functions.add, 1, 1, timeout=0.5)
    assert not exists(worker.pid)


def test_a_stopped_worker_that_must_take_a_large_message_is_killed_too(worker: Worker) -> None:
    os.kill(worker.pid, signal.SIGSTOP)
    with pytest.raises(WorkerTimeout):
        worker.run(functions.echo, bytes(5_000_000), timeout=0.5)


def test_close_ends_the_process_and_leaves_no_zombie(softhsm: Token) -> None:
    worker = Worker("softhsm")
    worker.close()
    assert not exists(worker.pid)
    with pytest.raises(WorkbenchError, match="is closed"):
        worker.run(functions.add, 1, 1)


def test_a_wrong_token_name_is_the_tokens_own_sentence() -> None:
    with pytest.raises(WorkbenchError, match="no token is named 'nowhere'"):
        Worker("nowhere")


def test_a_wrong_interpreter_is_one_sentence() -> None:
    with pytest.raises(WorkbenchError, match="cannot start a worker with /nowhere/python"):
        Worker("softhsm", interpreter="/nowhere/python")


@pytest.mark.parametrize("thread", ["main", "other"])
def test_the_worker_does_not_outlive_its_parent(softhsm: Token, tmp_path: Path, thread: str) -> None:
    start = "start()" if thread == "main" else "t = threading.Thread(target=start); t.start(); t.join()"
    script = (
        "import threading, os, signal, time\n"
        "from workbench.workers import Worker\n"
        "def start():\n    global w\n    w = Worker('softhsm'); print(w.pid, flush=True)\n"
        f"{start}\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert parent.returncode == -signal.SIGKILL, parent.stderr
    pid = int(parent.stdout)
    # it is nobody's child here: init reaps it, or it stays a zombie where there is none
    assert until(lambda: not exists(pid) or "State:\tZ" in Path(f"/proc/{pid}/status").read_text())


def test_no_pin_in_the_environment_or_the_arguments_of_a_worker(worker: Worker, softhsm: Token) -> None:
    from workbench.cryptoki.secret import reveal

    seen = worker.run(functions.environment_and_arguments)
    pin = reveal(softhsm.pin)
    assert pin is not None
    text = pin.decode() if isinstance(pin, bytes) else pin
    assert "workbench.workers" in seen
    assert text not in seen
