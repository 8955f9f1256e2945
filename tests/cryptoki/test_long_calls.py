"""Other threads of Python run while a call lasts; and C_WaitForSlotEvent, which may last for ever (5.5.4)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from workbench.cryptoki import C, CryptokiError, Module, allow_all, errors
from workbench.measure.drivers import drive, kernel
from workbench.measure.floor import floor_job
from workbench.tokens import Session

needs_kernel = pytest.mark.skipif(kernel() is None, reason="the null module is not built")


@contextmanager
def _ticking() -> Iterator[list[float]]:
    """A second thread that writes down when it ran."""
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.wait(0.001):
            ticks.append(time.monotonic())

    ticker = threading.Thread(target=tick)
    ticker.start()
    try:
        yield ticks
    finally:
        done.set()
        ticker.join()


def _ticks_during(call: Callable[[], object]) -> int:
    with _ticking() as ticks:
        start = time.monotonic()
        call()
        end = time.monotonic()
    return sum(start < t < end for t in ticks)


def _null(monkeypatch: pytest.MonkeyPatch, **settings: int) -> Module:
    """The null module under settings that it reads when it is loaded."""
    for name, value in settings.items():
        monkeypatch.setenv(f"WORKBENCH_NULL_{name}", str(value))
    module = Module.load(kernel().__file__)
    module.vouch(0, allow_all("null"))
    return module


@needs_kernel
@pytest.mark.parametrize("call", ["C_Sign", "C_Digest", "C_Encrypt", "C_GenerateRandom", "C_GenerateKeyPair"])
def test_another_thread_runs_while_the_module_takes_its_time(
    monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    module = _null(monkeypatch, SERVICE_US=100_000)
    session = C.OpenSession(module, 0)
    beginnings: dict[str, Callable[[], None]] = {
        "C_Sign": lambda: C.SignInit(session, "CKM_ECDSA", 64),
        "C_Digest": lambda: C.DigestInit(session, "CKM_SHA256"),
        "C_Encrypt": lambda: C.EncryptInit(session, "CKM_AES_GCM", 32),
    }
    calls: dict[str, Callable[[], object]] = {
        "C_Sign": lambda: C.Sign(session, bytes(32)),
        "C_Digest": lambda: C.Digest(session, bytes(32)),
        "C_Encrypt": lambda: C.Encrypt(session, bytes(32)),
        "C_GenerateRandom": lambda: C.GenerateRandom(session, 32),
        "C_GenerateKeyPair": lambda: C.GenerateKeyPair(session, "CKM_EC_KEY_PAIR_GEN", {}, {}),
    }
    if call in beginnings:
        beginnings[call]()
    assert _ticks_during(calls[call]) >= 3


def test_another_thread_runs_while_a_key_pair_is_generated(session: Session) -> None:
    assert _ticks_during(lambda: session.generate("RSA", bits=3072)) >= 3


@needs_kernel
def test_a_blocking_wait_returns_the_slot_while_another_thread_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    module = _null(monkeypatch, EVENT_MS=100)
    slots: list[int] = []
    assert _ticks_during(lambda: slots.append(C.WaitForSlotEvent(module, 0))) >= 3
    assert slots == [0]


@needs_kernel
def test_a_wait_that_does_not_block_says_that_nothing_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.NoEvent):
        C.WaitForSlotEvent(_null(monkeypatch, EVENT_MS=20_000))


@needs_kernel
def test_finalize_ends_a_blocking_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    module = _null(monkeypatch, EVENT_MS=20_000)
    answers: list[str] = []

    def wait() -> None:
        try:
            answers.append(f"slot {C.WaitForSlotEvent(module, 0)}")
        except CryptokiError as error:
            answers.append(error.name)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while waiting.is_alive():  # a first C_Finalize can come before the wait has begun
        waiting.join(0.05)
        C.Finalize(module)
    assert answers == ["CKR_CRYPTOKI_NOT_INITIALIZED"]


@needs_kernel
def test_a_slow_null_module_leaves_the_floor_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    _null(monkeypatch, SERVICE_US=20_000)
    (result,) = drive([floor_job("c-kernel", "sign")], count=3, driver="c-kernel")
    assert max(result.latencies) < 20_000_000
    monkeypatch.delenv("WORKBENCH_NULL_SERVICE_US")
    module = _null(monkeypatch)
    assert _ticks_during(lambda: C.GenerateRandom(C.OpenSession(module, 0), 32)) < 10


@needs_kernel
def test_the_null_module_counts_its_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    module = _null(monkeypatch)
    before = C.GetTokenInfo(module, 0).ulSessionCount
    assert before is not None
    handles = [C.OpenSession(module, 0) for _ in range(3)]
    assert C.GetTokenInfo(module, 0).ulSessionCount == before + 3
    for handle in handles:
        C.CloseSession(handle)
    assert C.GetTokenInfo(module, 0).ulSessionCount == before
