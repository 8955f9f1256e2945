"""What a trace shows, and what it must never show."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import PyKCS11
import pytest

from workbench import spec
from workbench.cryptoki import C, CryptokiError, Secret, Trace, note, trace, tracing, watch
from workbench.faults import WorkbenchError
from workbench.tokens import Session, Token


def renderings(seen: Trace) -> str:
    shown = [str(seen), repr(seen), seen._repr_html_(), seen.to_jsonl(), str(seen.ladder())]
    shown += [seen.ladder(timings=True)._repr_svg_(), seen.to_dataframe().to_string()]
    return "\n".join(shown)


def test_a_trace_has_section_code_and_duration_of_every_call(session: Session) -> None:
    with trace() as seen:
        C.DigestInit(session, "CKM_SHA256")
        C.Digest(session, b"abc")
    first, second = seen.records
    assert (first.function, first.section, first.rv_name) == ("C_DigestInit", "5.12.1", "CKR_OK")
    assert ("pMechanism", "CKM_SHA256") in first.arguments
    assert second.results == (("pDigest", "32 bytes ba7816bf8f01cfea…"),)
    assert all(record.duration_ns > 0 for record in seen)


def test_nothing_is_written_down_without_a_trace(session: Session) -> None:
    with trace() as seen:
        pass
    C.GenerateRandom(session, 8)
    assert len(seen) == 0


def test_a_failed_call_is_in_the_trace_and_in_failing(session: Session) -> None:
    with trace() as seen:
        with pytest.raises(CryptokiError):
            C.Sign(session, b"x")
        C.GenerateRandom(session, 1)
    assert [r.rv_name for r in seen] == ["CKR_OPERATION_NOT_INITIALIZED", "CKR_OK"]
    assert seen.failing().functions() == ["C_Sign"]


def test_json_lines_are_one_object_a_call(session: Session) -> None:
    with trace() as seen:
        C.GenerateRandom(session, 8)
        C.GetSessionInfo(session)
    rows = [json.loads(line) for line in seen.to_jsonl().splitlines()]
    assert [row["function"] for row in rows] == ["C_GenerateRandom", "C_GetSessionInfo"]


def test_the_ladder_is_well_formed_and_shows_notes(session: Session) -> None:
    with trace() as seen:
        note("hashed <here> & now")
        C.GenerateRandom(session, 8)
    svg = seen.ladder()._repr_svg_()
    texts = "".join(ET.fromstring(svg).itertext())
    assert "hashed <here> & now" in texts
    assert "C_GenerateRandom" in texts
    assert svg == seen.ladder()._repr_svg_()


def test_a_pin_is_in_no_rendering(token: Token) -> None:
    pin = token.pin.reveal().decode()
    with token.session(login=False) as session, trace() as seen:
        C.Login(session, "CKU_USER", token.pin)
        C.Logout(session)
    assert seen.functions() == ["C_Login", "C_Logout"]
    assert pin not in renderings(seen)
    assert "<PIN, not shown>" in renderings(seen)


def test_a_key_value_that_goes_in_is_in_no_rendering_and_no_error(session: Session) -> None:
    value = b"a very secret key value, 32 bytes"[:32]
    template = {"CKA_CLASS": "CKO_SECRET_KEY", "CKA_KEY_TYPE": "CKK_GENERIC_SECRET", "CKA_VALUE": value}
    with trace() as seen:
        C.CreateObject(session, template)
        with pytest.raises(CryptokiError) as caught:
            C.CreateObject(session, {**template, "CKA_CLASS": "CKO_HW_FEATURE"})
    text = renderings(seen) + str(caught.value) + repr(caught.value) + repr(caught.value.arguments)
    assert value.decode() not in text
    assert value.hex()[:8] not in text


def test_plaintext_is_in_no_rendering(session: Session) -> None:
    key = session.generate_secret("AES")
    plain = b"attack at dawn!!" * 2
    with trace() as seen:
        C.EncryptInit(session, "CKM_AES_ECB", key)
        encrypted = C.Encrypt(session, plain)
        C.DecryptInit(session, "CKM_AES_ECB", key)
        assert C.Decrypt(session, encrypted) == plain
    text = renderings(seen)
    assert "attack" not in text
    assert plain.hex()[:16] not in text


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret("12345678")
    assert "1234" not in f"{secret!r} {secret}"
    with pytest.raises(TypeError):
        secret.__reduce__()


def test_a_pykcs11_program_is_traced_as_it_stands(token: Token, session: Session) -> None:
    library = PyKCS11.PyKCS11Lib()
    library.load(token.module.path)
    watch(library)
    with trace() as seen:
        other = library.openSession(token.slot, PyKCS11.CKF_SERIAL_SESSION | PyKCS11.CKF_RW_SESSION)
        public, private = other.generateKeyPair(
            [
                (PyKCS11.CKA_MODULUS_BITS, 2048),
                (PyKCS11.CKA_PUBLIC_EXPONENT, (1, 0, 1)),
                (PyKCS11.CKA_VERIFY, True),
            ],
            [(PyKCS11.CKA_SIGN, True), (PyKCS11.CKA_SENSITIVE, True)],
        )
        mechanism = PyKCS11.Mechanism(PyKCS11.CKM_SHA256_RSA_PKCS)
        signature = other.sign(private, b"data", mechanism)
        assert other.verify(public, b"data", signature, mechanism)
        other.getAttributeValue(public, [PyKCS11.CKA_MODULUS])
        other.closeSession()
    calls = seen.functions()
    assert calls[:3] == ["C_OpenSession", "C_GenerateKeyPair", "C_SignInit"]
    assert calls.count("C_Sign") == 2, "PyKCS11 asks the length first"
    assert all(record.rv_name == "CKR_OK" for record in seen)
    sign = [record for record in seen if record.function == "C_Sign"]
    assert sign[-1].results[0][1].startswith("256 bytes")


def test_watching_hides_the_pin_of_a_pykcs11_program(token: Token) -> None:
    library = PyKCS11.PyKCS11Lib()
    library.load(token.module.path)
    watch(library)
    token.close()
    with trace() as seen:
        session = library.openSession(token.slot)
        session.login(token.pin.reveal().decode())
        session.logout()
        session.closeSession()
    assert "C_Login" in seen.functions()
    assert token.pin.reveal().decode() not in renderings(seen)


def written(*calls: tuple[str, str, float], session: int = 1) -> Trace:
    """A trace of calls without a module: ``(function, return code, microseconds)``."""
    with trace() as made:
        for function, code, took in calls:
            start = time.monotonic_ns()
            times = (start, start + int(took * 1000))
            tracing.record(function, (session,), spec.value(code), (), times, session, "native")
    return made


def test_filters_take_chapter_function_and_session_and_chain(session: Session, token: Token) -> None:
    with token.session() as other, trace() as seen:
        C.DigestInit(session, "CKM_SHA256")
        C.DigestInit(other, "CKM_SHA256")
        C.Digest(other, b"abc")
        C.GetSessionInfo(other)
        C.Digest(session, b"abc")
    assert seen.filter(chapter="5.12").functions() == ["C_DigestInit"] * 2 + ["C_Digest"] * 2
    assert seen.filter(chapter="5.12.2").functions() == ["C_Digest"] * 2
    assert seen.filter(function="Digest").functions() == ["C_Digest"] * 2
    assert seen.filter(session=other).functions() == ["C_DigestInit", "C_Digest", "C_GetSessionInfo"]
    assert seen.filter(session=int(other.handle), chapter="5.12").filter(function="C_Digest").functions() == [
        "C_Digest"
    ]
    assert len(seen.filter(thread="nobody")) == 0
    assert len(seen.filter()) == 5


def test_a_filter_for_what_the_standard_does_not_have_is_named() -> None:
    with pytest.raises(WorkbenchError, match="C_Sing"):
        Trace().filter(function="Sing")
    for chapter in ("5.99", "5.", "13"):
        with pytest.raises(WorkbenchError, match="chapter"):
            Trace().filter(chapter=chapter)


def test_slow_calls_are_those_that_took_at_least_so_long() -> None:
    seen = written(("C_Sign", "CKR_OK", 50), ("C_Digest", "CKR_OK", 500), ("C_SignInit", "CKR_OK", 5000))
    assert seen.slow(microseconds=500).functions() == ["C_Digest", "C_SignInit"]
    assert seen.slow().failing().functions() == []


def test_a_code_that_the_standard_does_not_list_is_marked_in_every_form(tmp_path: Path) -> None:
    seen = written(("C_Digest", "CKR_PIN_INCORRECT", 1), ("C_Digest", "CKR_DEVICE_ERROR", 1))
    assert seen.deviating().failing().records == seen.records[:1]
    for form in (
        str(seen),
        seen._repr_html_(),
        str(seen.ladder()),
        seen.ladder()._repr_svg_(),
        seen.to_perfetto(),
    ):
        assert form.count("(not listed)") == 1
    assert [json.loads(line)["allowed"] for line in seen.to_jsonl().splitlines()] == [False, True]
    assert list(seen.to_dataframe()["listed"]) == [False, True]
    assert [line.unlisted for line in seen.summary().lines] == [1]


def test_the_summary_adds_up_function_by_function() -> None:
    calls = [("C_Sign", "CKR_OK", 10), ("C_Sign", "CKR_DATA_INVALID", 30), ("C_SignInit", "CKR_OK", 100)]
    first, second = written(*calls).summary().lines
    assert (first.function, first.calls, first.total_us) == ("C_SignInit", 1, 100)
    assert (second.calls, second.failed, second.total_us, second.mean_us, second.longest_us) == (
        2,
        1,
        40,
        20,
        30,
    )
    told = written(*calls).summary()
    assert "C_SignInit" in str(told).splitlines()[1]
    assert list(told.to_dataframe()["calls"]) == [1, 2]


def test_calls_stand_in_the_order_in_which_they_began() -> None:
    start = time.monotonic_ns()
    with trace() as seen:
        later = time.monotonic_ns()
        tracing.record("C_Digest", (2,), 0, (), (later + 500, later + 600), 2, "native")
        tracing.record("C_GenerateKeyPair", (1,), 0, (), (later + 100, later + 900), 1, "native")
        tracing.record("C_Login", (1,), 0, (), (start, later), 1, "native")  # began before the block
    assert seen.functions() == ["C_GenerateKeyPair", "C_Digest"]


def test_traces_may_overlap_and_be_nested(session: Session) -> None:
    first, second = trace(), trace()
    a = first.__enter__()
    C.GenerateRandom(session, 1)
    b = second.__enter__()
    C.GetSessionInfo(session)
    first.__exit__(None, None, None)
    C.DigestInit(session, "CKM_SHA256")
    second.__exit__(None, None, None)
    C.Digest(session, b"")
    assert a.functions() == ["C_GenerateRandom", "C_GetSessionInfo"]
    assert b.functions() == ["C_GetSessionInfo", "C_DigestInit"]
    with trace() as outer:
        with trace() as inner:
            C.GenerateRandom(session, 1)
        C.GetSessionInfo(session)
    assert (inner.functions(), outer.functions()) == (
        ["C_GenerateRandom"],
        ["C_GenerateRandom", "C_GetSessionInfo"],
    )


def test_a_trace_of_many_threads_has_every_call_once_and_in_order(softhsm: Token) -> None:
    rounds, threads = 50, 4

    def work() -> None:
        with softhsm.session() as mine:
            for _ in range(rounds):
                C.GenerateRandom(mine, 8)

    with trace() as seen:
        workers = [threading.Thread(target=work, name=f"worker {i}") for i in range(threads)]
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            seen.functions()  # reading while others write loses nothing and doubles nothing
        for worker in workers:
            worker.join()
    drawn = seen.filter(function="C_GenerateRandom")
    assert len(drawn) == rounds * threads
    starts = [record.start_ns for record in drawn]
    assert starts == sorted(starts)
    for i in range(threads):
        mine = drawn.filter(thread=f"worker {i}")
        assert len(mine) == rounds
        assert len({record.session for record in mine}) == 1
        ends = [record.start_ns + record.duration_ns for record in mine]
        assert all(end <= start for end, start in zip(ends, [r.start_ns for r in mine][1:], strict=False))


def test_a_trace_is_saved_in_the_form_of_the_suffix(tmp_path: Path) -> None:
    seen = written(("C_Sign", "CKR_OK", 10))
    for suffix, begins in {
        ".jsonl": '{"function": "C_Sign"',
        ".json": '{"traceEvents"',
        ".svg": "<svg",
        ".csv": "function,section",
        ".html": "<!DOCTYPE html>",
        ".txt": "C_Sign §5.13.2",
    }.items():
        path = seen.save(tmp_path / f"calls{suffix}")
        assert path.read_text().startswith(begins)
    with pytest.raises(WorkbenchError, match=r"\.xlsx"):
        seen.save(tmp_path / "calls.xlsx")


def test_a_long_table_is_cut_and_says_so(tmp_path: Path) -> None:
    seen = written(*[("C_Sign", "CKR_OK", 1.0)] * 250)
    assert seen._repr_html_().count("<tr>") == 201
    assert "50 calls more" in seen._repr_html_()
    assert seen.save(tmp_path / "all.html").read_text().count("<tr>") == 251


def test_a_trace_travels_to_another_process() -> None:
    seen = written(("C_Sign", "CKR_OK", 10))
    assert pickle.loads(pickle.dumps(seen)).to_jsonl() == seen.to_jsonl()  # noqa: S301 - our own bytes


def test_importing_and_tracing_load_nothing_heavy() -> None:
    program = (
        "import sys; from workbench.cryptoki import trace\n"
        "with trace() as t: pass\n"
        "t.to_perfetto(), t.ladder()._repr_svg_(), str(t.summary()), t._repr_html_()\n"
        "print({'pandas', 'numpy', 'IPython', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
