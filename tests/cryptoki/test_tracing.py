"""What a trace shows, and what it must never show."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import PyKCS11
import pytest

from workbench.cryptoki import C, CryptokiError, Secret, Trace, note, trace, watch
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
