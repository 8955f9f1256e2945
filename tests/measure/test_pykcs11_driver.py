"""PyKCS11 as a column: the same job, made by its ``Session``, in one process and in several."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from workbench.cryptoki import C
from workbench.faults import PolicyRefusal
from workbench.measure import CASES, Case, Plan, bench, drive
from workbench.measure.drivers import kernel
from workbench.measure.guarded import case_cost, fitting_key, loop_fault
from workbench.measure.material import generate, use_of
from workbench.measure.plan import CREW, DRIVERS
from workbench.measure.pykcs11_driver import NotServed, pykcs11_calls
from workbench.measure.subject import make_job
from workbench.tokens import NamedKey, Session, Token

SERVED = (
    "ECDSA P-256 sign",
    "ECDSA P-256 verify",
    "AES-256-GCM 1 KiB",
    "AES-256-GCM decrypt 1 KiB",
    "SHA-256 1 KiB",
    "random 32 B",
    "seed 32 B",
)


@pytest.mark.parametrize("name", SERVED)
def test_each_operation_that_pykcs11_has_succeeds(softhsm_session: Session, name: str) -> None:
    case = CASES[name]
    keys = generate(softhsm_session, case.key, use_of(case)) if case.key else None
    job = make_job(softhsm_session, case, keys, 0)
    result = drive([job], count=5, driver="pykcs11")[0]
    assert (result.successes, result.errors, len(result.latencies)) == (5, {}, 5)
    if job.counter:
        assert job.iv_count == 5  # no IV comes twice


def test_a_signature_that_does_not_verify_is_no_success(softhsm_session: Session) -> None:
    case = CASES["ECDSA P-256 verify"]
    job = make_job(softhsm_session, case, generate(softhsm_session, "P-256", "sign"), 0)
    job.data[0] = (job.data[0] + 1) % 256
    result = drive([job], count=2, driver="pykcs11")[0]
    assert (result.successes, result.errors) == (0, {"CKR_SIGNATURE_INVALID": 2})


def test_an_answer_that_is_an_error_is_counted_by_its_code(softhsm_session: Session) -> None:
    case = CASES["ECDSA P-256 sign"]
    keys = generate(softhsm_session, "P-256", "sign")
    job = make_job(softhsm_session, case, keys, 0)
    C.DestroyObject(softhsm_session, keys.private)
    result = drive([job], count=2, driver="pykcs11")[0]
    assert result.successes == 0
    assert set(result.errors) <= {"CKR_KEY_HANDLE_INVALID", "CKR_OBJECT_HANDLE_INVALID"}
    assert sum(result.errors.values()) == 2


@pytest.mark.parametrize(
    "case",
    [
        Case("keys", "generate_key", "CKM_AES_KEY_GEN", 0, "AES-256"),
        Case("parts", "digest", "CKM_SHA256", 64, parts=2),
        Case("init", "digest", "CKM_SHA256", 64, timed="init"),
        Case("query", "digest", "CKM_SHA256", 64, length_query=True),
    ],
    ids=lambda case: case.name,
)
def test_what_pykcs11_does_not_do_so_is_said(softhsm_session: Session, case: Case) -> None:
    with pytest.raises(NotServed, match="single calls of decrypt, digest"):
        drive([make_job(softhsm_session, case, None, 0)], count=1, driver="pykcs11")


def test_its_calls_are_counted_as_it_makes_them() -> None:
    """``bench`` on a token in production, in tests/guard, holds them against what was asked."""
    assert pykcs11_calls("sign") == ("C_SignInit", "C_Sign", "C_Sign")
    assert pykcs11_calls("random") == ("C_GenerateRandom",)
    cost = case_cost(CASES["SHA-256 1 KiB"], 3, "pykcs11")
    assert cost == {"C_DigestInit": 3, "C_Digest": 6}


def test_several_processes_are_for_tokens_of_ours() -> None:
    case = CASES["SHA-256 1 KiB"]
    assert loop_fault("sandbox", case, CREW) is None
    assert "one budget" in str(loop_fault("guest", case, CREW))
    assert loop_fault("guest", case, "c-kernel") is None


@pytest.mark.parametrize(
    "name,standing",
    [
        ("log in", "guest"),
        ("C_Initialize", "guest"),
        ("generate AES-256", "guest"),
        ("open a session", "production"),
        ("find a key", "production"),
        ("seed 32 B", "production"),
        ("ECDSA P-256 verify", "production"),
    ],
)
def test_what_a_token_of_others_is_not_asked_in_a_loop(name: str, standing: str) -> None:
    assert f"({standing})" in str(loop_fault(standing, CASES[name], "c-kernel"))


def test_a_key_that_asks_for_the_pin_at_every_use_is_not_used_in_a_loop() -> None:
    key = NamedKey(
        "signer", 7, "CKO_PRIVATE_KEY", "CKK_EC", 0, "P-256", frozenset({"sign"}), always_authenticate=True
    )
    case = CASES["ECDSA P-256 sign"]
    with pytest.raises(PolicyRefusal, match=r"'signer' asks for the PIN at every use \(CKA_ALWAYS_AUTH"):
        fitting_key([key], case)
    other = attrs.evolve(key, name="other", handle=8, always_authenticate=False)
    assert fitting_key([key, other], case) is other
    assert fitting_key([key], CASES["RSA-2048 sign"]) is None


@pytest.mark.notebook
@pytest.mark.skipif(kernel() is None, reason="the load kernel is not built here")
def test_every_driver_is_a_column_of_one_run(softhsm: Token, tmp_path: Path) -> None:
    cases = (CASES["ECDSA P-256 sign"], CASES["open a session"])
    plan = Plan("columns", cases, threads=(1, 2), rounds=2, seconds=0.02, warmup=0.005, drivers=DRIVERS)
    run = bench(plan, ["softhsm"], out=tmp_path)
    assert run.failed == ()
    assert run.drivers == DRIVERS
    lines = {(line.case, line.threads, line.driver): line for line in run.lines}
    for driver in DRIVERS:
        for threads in (1, 2):
            line = lines["ECDSA P-256 sign", threads, driver]
            assert (line.outcome, line.rounds) == ("ok", 2)
            assert line.floor_ns > 0
            served = driver in ("c-kernel", "cffi-abi")
            assert lines["open a session", threads, driver].outcome == ("ok" if served else "not offered")
    refused = [row for row in run.rows if row.outcome == "not offered"]
    assert [(row.kind, row.driver) for row in refused] == [("prepare", "pykcs11"), ("prepare", CREW)]  # once


@pytest.mark.notebook
def test_an_open_loop_is_asked_for_its_rate_by_every_driver(softhsm: Token, tmp_path: Path) -> None:
    plan = Plan(
        "open",
        (CASES["random 32 B"],),
        threads=(2,),
        rounds=1,
        seconds=0.4,
        loop="open",
        rate=200,
        drivers=("cffi-abi", "pykcs11", CREW),
    )
    run = bench(plan, ["softhsm"], out=tmp_path)
    for row in (row for row in run.rows if row.kind == "block"):
        # 80 calls are due; each process or thread may have one more or less at its ends
        assert 70 <= row.successes + row.overdue <= 90, row
        assert row.service_p50_ns is not None
        assert row.p50_ns is not None
        assert row.p50_ns >= row.service_p50_ns
