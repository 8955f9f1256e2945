"""Every operation on real modules with both drivers: what is made fits, what is made goes again, and the clock is where it was put."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import attrs
import numpy as np
import pytest

from workbench import tokens
from workbench.cryptoki import C, gcm, mechanism
from workbench.cryptoki.library import ffi
from workbench.faults import WorkbenchError
from workbench.measure import Case, Device, Emulated, Job, Stop, Work, drive, subject
from workbench.measure.drivers import GIVE_UP, kernel
from workbench.measure.floor import floor_job
from workbench.measure.jobs import Limits, Lists, throughput
from workbench.measure.material import Keys, Lacking, generate, make_work, use_of
from workbench.measure.operations import OPERATIONS, calls_of
from workbench.tokens import Session, Token
from workbench.workers import Worker

needs_kernel = pytest.mark.skipif(kernel() is None, reason="the load kernel is not built here")
DRIVERS = [pytest.param("c-kernel", marks=needs_kernel), "cffi-abi"]
CASES = (
    Case("verify", "verify", "CKM_ECDSA", 32, "P-256"),
    Case("HMAC", "sign", "CKM_SHA256_HMAC", 100, "HMAC-SHA256"),
    Case("HMAC verified", "verify", "CKM_SHA256_HMAC", 100, "HMAC-SHA256"),
    Case("HMAC in parts", "sign", "CKM_SHA256_HMAC", 100, "HMAC-SHA256", parts=7),
    Case("HMAC verified in parts", "verify", "CKM_SHA256_HMAC", 100, "HMAC-SHA256", parts=7),
    Case("GCM back", "decrypt", "CKM_AES_GCM", 100, "AES-128"),
    Case("GCM, length asked", "encrypt", "CKM_AES_GCM", 100, "AES-128", length_query=True),
    Case("CBC in parts", "encrypt", "CKM_AES_CBC_PAD", 100, "AES-256", parts=3),
    Case("CBC back in parts", "decrypt", "CKM_AES_CBC_PAD", 100, "AES-256", parts=3),
    Case("OAEP back", "decrypt", "CKM_RSA_PKCS_OAEP", 32, "RSA-2048"),
    Case("digest in parts", "digest", "CKM_SHA256", 100, parts=4),
    Case("seed", "seed", None, 32),
    Case("generate", "generate_key", None, 0, "AES-256"),
    Case("generate a pair", "generate_key_pair", None, 0, "P-256"),
    Case("wrap", "wrap", "CKM_AES_KEY_WRAP", 32, "AES-256"),
    Case("wrap, length asked", "wrap", "CKM_AES_KEY_WRAP", 32, "AES-256", length_query=True),
    Case("unwrap", "unwrap", "CKM_AES_KEY_WRAP", 32, "AES-256"),
    Case("ECDH", "derive", "CKM_ECDH1_DERIVE", 0, "P-256"),
    Case("find", "find", None, 10),
    Case("attributes", "attributes", None, 0, "AES-256"),
    Case("session", "session", None, 0),
)


def keys_of(session: Session, case: Case) -> Keys | None:
    made_by_itself = case.operation.startswith("generate")
    return generate(session, case.key, use_of(case)) if case.key and not made_by_itself else None


def job_of(session: Session, case: Case) -> Job:
    return Job.on(session.handle, make_work(session, case, keys_of(session, case), 0))


@pytest.fixture(scope="module")
def alone(softhsm: Token) -> Iterator[Session]:
    with softhsm.session() as made:
        yield made


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_operation_succeeds_and_leaves_no_object_behind(alone: Session, case: Case, driver: str) -> None:
    job = job_of(alone, case)
    before = alone.find()
    result = drive([job], count=4, warmup=1e-9, driver=driver)[0]
    assert (result.successes, result.errors) == (4, {})
    assert alone.find() == before


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_is_made_in_parts_is_what_is_made_at_once(alone: Session, driver: str) -> None:
    case = Case("HMAC in parts", "sign", "CKM_SHA256_HMAC", 1000, "HMAC-SHA256", parts=7)
    job = job_of(alone, case)
    drive([job], count=1, driver=driver)
    C.VerifyInit(alone, "CKM_SHA256_HMAC", job.key)
    C.Verify(alone, ffi().buffer(job.data, 1000)[:], ffi().buffer(job.output, 32)[:])


@pytest.mark.parametrize("driver", DRIVERS)
def test_ciphertext_made_in_parts_decrypts(alone: Session, driver: str) -> None:
    case = Case("CBC in parts", "encrypt", "CKM_AES_CBC_PAD", 1000, "AES-256", output=2048, parts=3)
    job = job_of(alone, case)
    assert job.work.mechanism is not None
    drive([job], count=1, driver=driver)
    C.DecryptInit(alone, job.work.mechanism, job.key)
    assert C.Decrypt(alone, ffi().buffer(job.output, 1008)[:]) == ffi().buffer(job.data, 1000)[:]


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_iv_that_the_token_makes_is_zero_before_the_call(alone: Session, driver: str) -> None:
    """SoftHSM takes the zeros as they are, and so shows what it was given; once, under a key of its own."""
    case = Case("IV of the token", "encrypt", "CKM_AES_GCM", 100, "AES-128", iv="token")
    job = job_of(alone, case)
    ffi().memmove(job.fresh_iv, b"left by the ", 12)
    drive([job], count=1, driver=driver)
    C.DecryptInit(alone, mechanism("CKM_AES_GCM", gcm(bytes(12))), job.key)
    assert C.Decrypt(alone, ffi().buffer(job.output, 116)[:]) == ffi().buffer(job.data, 100)[:]


def test_a_case_that_fails_says_why_and_spoils_none_after_it(softhsm: Token) -> None:
    ecdsa = Case("ECDSA", "sign", "CKM_ECDSA", 32, "P-256", residency="token")
    given = Case("IV of the token", "encrypt", "CKM_AES_GCM", 100, "AES-128", iv="token")
    small = attrs.evolve(ecdsa, name="no room", output=1)
    with Worker(softhsm.name) as worker:
        found = [worker.run(subject.prepare, case, "cffi-abi") for case in (given, small, ecdsa)]
        swept = worker.run(tokens.sweep, tokens.current_run())
    assert [one.outcome for one in swept] == ["removed", "removed"]
    assert [one.outcome for one in found] == ["not offered", "failed", "ok"]
    assert found[0].detail == "the token takes the IV that it is given"
    assert "CKR_BUFFER_TOO_SMALL" in found[1].detail


@needs_kernel
def test_the_kernel_numbers_the_operations_as_the_table_does() -> None:
    found = {name: getattr(kernel().lib, f"LOAD_{name.upper()}") for name in OPERATIONS}
    assert found == {name: place for place, name in enumerate(OPERATIONS)}


@pytest.mark.parametrize(
    "parts,length_query,calls",
    [
        (0, False, ("C_SignInit", "C_Sign")),
        (0, True, ("C_SignInit", "C_Sign", "C_Sign")),
        (2, False, ("C_SignInit", "C_SignUpdate", "C_SignUpdate", "C_SignFinal")),
    ],
)
def test_the_calls_of_an_operation_are_told_before_it_is_made(
    parts: int, length_query: bool, calls: tuple[str, ...]
) -> None:
    assert calls_of("sign", parts, length_query) == calls


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_clock_is_on_the_part_that_was_asked_for(alone: Session, driver: str) -> None:
    """SHA-256 of 64 KiB: the first call takes next to nothing, the second nearly everything."""
    whole = Case("whole", "digest", "CKM_SHA256", 1 << 16)
    found = {}
    for timed in ("all", "init", "rest"):
        job = job_of(alone, attrs.evolve(whole, timed=timed))
        result = drive([job], count=50, driver=driver)[0]
        assert result.successes == 50
        found[timed] = np.median(result.latencies), result.aside_ns / 50
    assert found["init"][0] < found["rest"][0] / 4
    assert found["rest"][0] > found["all"][0] / 2
    assert found["init"][1] > found["rest"][1] * 4  # what the clock was not on


@pytest.mark.parametrize("driver", DRIVERS)
def test_destroying_what_was_made_is_off_the_clock_and_in_the_window(alone: Session, driver: str) -> None:
    job = job_of(alone, Case("generate", "generate_key", None, 0, "AES-256"))
    result = drive([job], count=50, driver=driver)[0]
    assert result.aside_ns > 0
    assert result.latencies.sum() + result.aside_ns <= result.end_ns - result.begin_ns


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_open_loop_makes_its_calls_when_they_are_due(driver: str) -> None:
    jobs = [floor_job(driver, "random") for _ in range(2)]
    results = drive(jobs, seconds=0.3, warmup=0.05, rate=1000, driver=driver)
    made = sum(result.successes for result in results)
    assert 270 <= made <= 301
    for result in results:
        assert result.wall_s >= 0.29  # the window is the time that the calls were spread over
        assert (result.latencies >= result.services).all()
        assert len(result.latencies) == len(result.services) == result.successes


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("threads, warmup", [(1, 0.0), (1, 0.02), (2, 0.013), (4, 0.05)])
def test_an_open_loop_that_keeps_up_has_the_rate_that_it_was_asked_for(
    threads: int, warmup: float, driver: str
) -> None:
    """Neither the idle time at the window's ends nor a call that the warm-up made is missing or too much."""
    jobs = [floor_job(driver, "random") for _ in range(threads)]
    for _ in range(5):  # a busy machine may be late for once
        results = drive(jobs, seconds=0.1, warmup=warmup, rate=100, driver=driver)
        if max(result.latencies.max() for result in results) < 10e6:
            break
    assert throughput(results) == pytest.approx(100, rel=1e-6)
    assert len({result.begin_ns for result in results}) == 1
    assert {result.end_ns - result.begin_ns for result in results} == {100_000_000}


@needs_kernel
def test_processes_that_share_a_rate_take_turns() -> None:
    """Three of them on a device, each from a start of its own: the calls end 10 ms apart within an interval of 30 ms."""
    ends = []
    for number in range(3):
        with Emulated(Device(service=0.001)) as device:
            (result,) = drive(device.jobs(1), seconds=0.3, rate=100 / 3, ends=True, turn=(number, 3))
        due = result.ends.astype(np.int64) - result.latencies.astype(np.int64) - result.begin_ns
        ends.append(np.median(due / 1e6 % 30))
    assert ends == pytest.approx([5, 15, 25], abs=0.01)


@pytest.mark.parametrize("threads, processes", [(1, 1), (3, 1), (1, 4), (2, 3)])
def test_due_times_of_all_threads_of_all_processes_are_evenly_spread(threads: int, processes: int) -> None:
    limits = Limits(0, 0, 0, 0, 0, interval=60_000)
    due = sorted(
        attrs.evolve(limits, turn=(number, processes)).phase(thread, threads)
        for number in range(processes)
        for thread in range(threads)
    )
    step = 60_000 // (threads * processes)
    assert due == list(range(step // 2, 60_000, step))


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_open_loop_that_is_stopped_in_its_warm_up_has_no_window(driver: str) -> None:
    stop = Stop()
    stop.set()
    (result,) = drive([floor_job(driver, "random")], seconds=1, warmup=1, rate=10, stop=stop, driver=driver)
    assert (result.successes, result.rate) == (0, 0)
    assert result.end_ns >= result.begin_ns


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_open_loop_that_the_token_cannot_follow_says_how_far_it_fell_back(driver: str) -> None:
    rate = 50_000_000
    result = drive([floor_job(driver, "random")], seconds=0.1, rate=rate, driver=driver)[0]
    due = rate * 0.1
    assert result.overdue > 0
    assert result.successes + result.overdue == pytest.approx(due, rel=0.02)
    later, earlier = result.latencies[-1], result.latencies[0]
    assert later > earlier  # nobody is left out: each call waits for all that were due before


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_stop_flag_ends_a_wait_for_a_due_time(driver: str) -> None:
    stop, told = Stop(), []

    def tell() -> None:
        told.append(time.monotonic())
        stop.set()

    threading.Timer(0.1, tell).start()
    drive([floor_job(driver, "random")], seconds=3600, rate=0.01, stop=stop, driver=driver)
    assert time.monotonic() - told[0] < 5  # of a wait of 100 s; on an idle machine it is 20 ms


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_ends_of_calls_are_kept_where_they_are_asked_for(driver: str) -> None:
    result = drive([floor_job(driver, "random")], count=100, ends=True, driver=driver)[0]
    assert len(result.ends) == 100
    assert (np.diff(result.ends.astype(np.int64)) >= 0).all()
    assert result.begin_ns <= result.ends[0] <= result.ends[-1] <= result.end_ns
    assert drive([floor_job(driver, "random")], count=5, driver=driver)[0].ends.size == 0


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_login_that_fails_is_not_tried_again(softhsm: Token, driver: str) -> None:
    session = softhsm.session()
    job = Job(Work("login", data=b"", flags=1), Lists.of(softhsm.module), int(session.handle))
    session.close()  # what the token refuses is the session: nobody's PIN is counted
    result = drive([job], seconds=1, warmup=0.01, driver=driver)[0]
    assert result.errors == {"CKR_SESSION_HANDLE_INVALID": 1}
    assert GIVE_UP > 1


def test_what_ends_the_others_sessions_has_one_thread() -> None:
    jobs = [floor_job("cffi-abi", "initialize") for _ in range(2)]
    with pytest.raises(WorkbenchError, match="one thread"):
        drive(jobs, count=1, driver="cffi-abi")


def test_a_module_without_v3_2_has_nothing_to_encapsulate_with(alone: Session) -> None:
    case = Case("encapsulate", "encapsulate", "CKM_ML_KEM", 0, "ML-KEM-768")
    with pytest.raises(Lacking, match=r"v3\.2"):
        make_work(alone, case, Keys(1, 1), 0)


@pytest.mark.parametrize(
    "settings,sentence",
    [
        ({"operation": "rot13"}, "no operation 'rot13'"),
        ({"operation": "random", "parts": 2}, "is not done in parts"),
        ({"operation": "verify", "length_query": True}, "a length query goes before"),
        ({"operation": "sign", "key": None}, "needs a key"),
        ({"operation": "random", "timed": "init"}, "the clock is on all of it"),
        ({"operation": "decrypt", "iv": "token"}, "the token makes the IV of encrypt"),
        ({"parts": 1000}, "1000 parts need 1000 bytes or more, not 32"),
    ],
)
def test_a_case_that_cannot_be_is_one_sentence(settings: dict[str, object], sentence: str) -> None:
    whole: dict[str, object] = {
        "name": "x",
        "operation": "sign",
        "mechanism": "CKM_ECDSA",
        "payload": 32,
        "key": "P-256",
    }
    with pytest.raises(WorkbenchError, match=sentence):
        Case(**(whole | settings))  # type: ignore[arg-type]
