"""Both drivers on real modules: what is called is counted, and only what succeeded counts as done."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import attrs
import numpy as np
import pytest

from workbench import spec
from workbench.cryptoki import C, Module
from workbench.faults import PolicyRefusal, WorkbenchError
from workbench.measure import CASES, PLANS, Case, Job, Stop, drive
from workbench.measure.drivers import GIVE_UP, kernel
from workbench.measure.floor import floor_job
from workbench.measure.jobs import counting_gcm
from workbench.measure.material import Keys, generate, use_of
from workbench.measure.operations import ALONE, OPERATIONS
from workbench.measure.subject import make_job
from workbench.tokens import Session, Token

QUICK = PLANS["quick"].cases
needs_kernel = pytest.mark.skipif(kernel() is None, reason="the load kernel is not built here")
DRIVERS = [pytest.param("c-kernel", marks=needs_kernel), "cffi-abi"]


@pytest.fixture
def sessions(softhsm: Token) -> Iterator[tuple[Session, Session]]:
    with softhsm.session() as one, softhsm.session() as two:
        yield one, two


def keys_of(session: Session, case: Case) -> Keys | None:
    return generate(session, case.key, use_of(case)) if case.key else None


def gcm_jobs(sessions: tuple[Session, ...]) -> list[Job]:
    case = CASES["AES-256-GCM 1 KiB"]
    keys = keys_of(sessions[0], case)
    return [make_job(session, case, keys, user) for user, session in enumerate(sessions)]


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("case", [c for c in QUICK if c.key != "RSA-4096"], ids=lambda c: c.name)
def test_every_operation_of_the_plan_succeeds_on_softhsm(
    softhsm_session: Session, case: Case, driver: str
) -> None:
    keys = keys_of(softhsm_session, case)
    result = drive([make_job(softhsm_session, case, keys, 0)], count=5, driver=driver)[0]
    assert (result.successes, result.errors, len(result.latencies)) == (5, {}, 5)
    assert 0 < result.latencies.sum() <= result.end_ns - result.begin_ns


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_iv_moves_once_per_call_warm_up_and_later_runs_included(
    sessions: tuple[Session, Session], driver: str
) -> None:
    jobs = gcm_jobs(sessions)
    made = [0, 0]
    for _ in range(2):
        for index, result in enumerate(drive(jobs, count=300, warmup=0.005, driver=driver)):
            made[index] += result.successes + result.warmup_calls
            assert result.successes == 300
            assert result.warmup_calls > 0
    assert [job.iv_count for job in jobs] == made


def test_two_users_of_a_key_never_share_an_iv_prefix() -> None:
    prefixes = {counting_gcm(user).parameter.members["pIv"][:4] for user in range(200)}  # type: ignore[union-attr,index]
    assert len(prefixes) == 200


@pytest.mark.parametrize("driver", DRIVERS)
def test_gcm_under_the_counted_iv_decrypts(softhsm_session: Session, driver: str) -> None:
    from workbench.cryptoki import gcm, mechanism
    from workbench.cryptoki.library import ffi

    job = gcm_jobs((softhsm_session,))[0]
    drive([job], count=3, driver=driver)
    parameter = ffi().cast("CK_GCM_PARAMS_PTR", job.mechanism.pParameter)
    iv = ffi().buffer(parameter.pIv, 12)[:]
    assert iv.endswith((3).to_bytes(8, "big"))
    C.DecryptInit(softhsm_session, mechanism("CKM_AES_GCM", gcm(iv)), job.key)
    assert (
        C.Decrypt(softhsm_session, ffi().buffer(job.output, 1024 + 16)[:]) == ffi().buffer(job.data, 1024)[:]
    )


@needs_kernel
@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name not in ALONE | {"session"}])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_kernel_makes_exactly_the_calls_that_it_counts(operation: str, threads: int) -> None:
    jobs = [floor_job("c-kernel", operation) for _ in range(threads)]
    for job, result in zip(jobs, drive(jobs, seconds=0.02, warmup=0.005, driver="c-kernel"), strict=True):
        assert kernel().lib.load_null_calls(job.session) == result.successes + result.warmup_calls


@pytest.mark.parametrize("driver", DRIVERS)
def test_threads_run_at_the_same_time_until_the_deadline(
    sessions: tuple[Session, Session], driver: str
) -> None:
    jobs = [make_job(session, CASES["random 32 B"], None, 0) for session in sessions]
    results = drive(jobs, seconds=0.3, warmup=0.02, driver=driver)
    assert max(r.begin_ns for r in results) < min(r.end_ns for r in results)
    for result in results:
        assert result.successes > 0
        assert result.rate == pytest.approx(result.successes / result.wall_s)


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_stop_flag_ends_a_run_that_would_last_an_hour(
    sessions: tuple[Session, Session], driver: str
) -> None:
    jobs = [make_job(session, CASES["SHA-256 1 KiB"], None, 0) for session in sessions]
    stop = Stop()
    threading.Timer(0.1, stop.set).start()
    results = drive(jobs, seconds=3600, stop=stop, driver=driver)
    assert all(result.successes > 0 and result.wall_s < 60 for result in results)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_closed_session_fails_every_call_and_the_rate_is_zero(softhsm: Token, driver: str) -> None:
    with softhsm.session() as open_session:
        case = CASES["ECDSA P-256 sign"]
        keys = keys_of(open_session, case)
        with softhsm.session() as session:
            job = make_job(session, case, keys, 0)
        result = drive([job], seconds=0.05, driver=driver)[0]
    assert result.successes == 0
    assert result.errors == {"CKR_SESSION_HANDLE_INVALID": result.failures}
    assert result.rate == 0
    assert result.latencies.size == 0
    assert result.gave_up == (result.failures == GIVE_UP)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_thread_that_gave_up_early_is_charged_for_the_whole_window(softhsm: Token, driver: str) -> None:
    session = softhsm.session()
    job = make_job(session, CASES["random 32 B"], None, 0)
    session.close()
    result = drive([job], seconds=0.5, driver=driver)[0]
    assert result.gave_up
    assert result.failures == GIVE_UP
    assert result.wall_s > 0.49  # from the end of the warm-up to the deadline


@pytest.mark.parametrize("driver", DRIVERS)
def test_one_thread_failing_takes_nothing_from_the_other(softhsm: Token, driver: str) -> None:
    closed = softhsm.session()
    bad = make_job(closed, CASES["random 32 B"], None, 0)
    closed.close()
    with softhsm.session() as session:
        good = make_job(session, CASES["random 32 B"], None, 0)
        first, second = drive([bad, good], count=500, driver=driver)
    assert (first.successes, first.errors) == (0, {"CKR_SESSION_HANDLE_INVALID": 500})
    assert (second.successes, second.errors) == (500, {})


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_length_query_before_each_call_changes_nothing_but_the_time(
    softhsm_session: Session, driver: str
) -> None:
    case = attrs.evolve(CASES["ECDSA P-256 sign"], length_query=True)
    job = make_job(softhsm_session, case, keys_of(softhsm_session, case), 0)
    result = drive([job], count=20, driver=driver)[0]
    assert (result.successes, result.errors) == (20, {})


@pytest.mark.parametrize("driver", DRIVERS)
def test_calls_beyond_the_room_for_latencies_still_count(softhsm_session: Session, driver: str) -> None:
    job = make_job(softhsm_session, CASES["random 32 B"], None, 0)
    result = drive([job], seconds=0.05, samples=10, driver=driver)[0]
    assert len(result.latencies) == 10
    assert result.successes > 10


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("operation", ["sign", "encrypt", "digest", "random"])
def test_the_floor_is_below_the_real_operation(softhsm_session: Session, operation: str, driver: str) -> None:
    case = next(c for c in QUICK if c.operation == operation and c.key in (None, "P-256", "AES-256"))
    real = drive(
        [make_job(softhsm_session, case, keys_of(softhsm_session, case), 0)], count=200, driver=driver
    )[0]
    floor = drive([floor_job(driver, operation)], count=200, driver=driver)[0]
    assert floor.successes == 200
    assert np.median(floor.latencies) < np.median(real.latencies)


def test_a_token_under_the_refusing_policy_gets_no_job(softhsm: Token) -> None:
    from workbench.cryptoki import REFUSE

    with softhsm.session() as session:
        softhsm.module.vouch(softhsm.slot, REFUSE)
        try:
            with pytest.raises(PolicyRefusal):
                make_job(session, CASES["random 32 B"], None, 0)
        finally:
            softhsm.module.vouch(softhsm.slot, softhsm.policy)


def test_a_run_without_an_end_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="seconds or a count"):
        drive([floor_job("cffi-abi", "random")], driver="cffi-abi")


@needs_kernel
def test_the_extension_loads_as_a_pkcs11_module() -> None:
    module = Module.load(kernel().__file__)
    assert C.GetInfo(module).libraryDescription == "null module: no cryptography"
    (slot,) = C.GetSlotList(module)
    assert C.GetTokenInfo(module, slot).label == "null"
    names = {spec.name("CKM", number) for number in C.GetMechanismList(module, slot)}
    assert names >= {case.mechanism for case in QUICK if case.mechanism}
