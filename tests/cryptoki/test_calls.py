"""The path policy → binding → trace → error, on real tokens."""

from __future__ import annotations

import hashlib
import pickle

import pytest

from workbench.cryptoki import C, CryptokiError, Module, errors, expect, gcm, mechanism, rsa_pss, trace
from workbench.faults import PolicyRefusal, WorkbenchError
from workbench.keys import CURVES
from workbench.tokens import Session, Token

EC = {"CKA_EC_PARAMS": CURVES["P-256"].params, "CKA_VERIFY": True}


def test_softhsm_lists_seventy_mechanisms_and_no_phantom(softhsm: Token) -> None:
    listed = C.GetMechanismList(softhsm.module, softhsm.slot)
    assert len(listed) == len(softhsm.mechanisms) == 70  # PyKCS11's getMechanismList() says 71
    assert not softhsm.offers("CKM_ML_DSA")


def test_the_phantom_mechanism_is_still_in_pykcs11(softhsm: Token) -> None:
    # When this fails PyKCS11 was mended, and the warning in C_GetMechanismList can go.
    names = softhsm.module.pykcs11.library.getMechanismList(softhsm.slot)
    assert len(names) == 71


def test_both_bindings_give_the_same_information(token: Token) -> None:
    module, slot = token.module, token.slot
    seen = []
    for binding in ("pykcs11", "native"):
        other = Module(module.path, binding, module.init_string)
        other.initialize(again=True)
        seen.append(
            (
                C.GetInfo(other),
                C.GetSlotList(other),
                C.GetSlotInfo(other, slot),
                C.GetTokenInfo(other, slot).label,
                sorted(C.GetMechanismList(other, slot)),
                C.GetMechanismInfo(other, slot, "CKM_RSA_PKCS"),
            )
        )
    assert seen[0] == seen[1]


@pytest.mark.parametrize("binding", ["pykcs11", "native"])
def test_either_binding_signs_what_the_other_verifies(token: Token, session: Session, binding: str) -> None:
    pair = session.generate("EC")
    other = Module(token.module.path, binding, token.module.init_string)  # type: ignore[arg-type]
    other.initialize(again=True)
    other.vouch(token.slot, token.policy)
    there = C.OpenSession(other, token.slot)
    digest = hashlib.sha256(b"message").digest()
    C.SignInit(there, "CKM_ECDSA", pair.private)
    signature = C.Sign(there, digest)
    C.VerifyInit(session, "CKM_ECDSA", pair.public)
    C.Verify(session, digest, signature)
    C.CloseSession(there)


def test_a_digest_of_nothing_reaches_the_module(session: Session) -> None:
    # PyKCS11 refuses an empty message before the module is asked, and leaves the operation active
    C.DigestInit(session, "CKM_SHA256")
    assert C.Digest(session, b"") == hashlib.sha256(b"").digest()
    C.DigestInit(session, "CKM_SHA256")
    assert C.Digest(session, b"abc") == hashlib.sha256(b"abc").digest()


def test_a_signature_takes_two_calls_and_no_length_query(session: Session) -> None:
    pair = session.generate("EC")
    with trace() as seen:
        C.SignInit(session, "CKM_ECDSA", pair.private)
        C.Sign(session, b"\0" * 32)
    assert seen.functions() == ["C_SignInit", "C_Sign"]


def test_the_length_query_leaves_the_operation_active(session: Session) -> None:
    pair = session.generate("RSA")
    C.SignInit(session, "CKM_SHA256_RSA_PKCS", pair.private)
    assert C.length_of(session, "C_Sign", b"data") == 256
    assert len(C.Sign(session, b"data")) == 256


def test_a_buffer_that_is_too_small_is_an_answer_and_the_operation_goes_on(
    token: Token, session: Session
) -> None:
    pair = session.generate("RSA")
    C.SignInit(session, "CKM_SHA256_RSA_PKCS", pair.private)
    with pytest.raises(CryptokiError) as caught:
        C.Sign(session, b"data", pSignature=10)
    assert caught.value.name == "CKR_BUFFER_TOO_SMALL"
    if token.name in ("nss", "nss-new"):  # ends the operation, against 5.2; C_Sign offers plenty at once
        with expect("CKR_OPERATION_NOT_INITIALIZED"):
            C.Sign(session, b"data")
    else:
        assert len(C.Sign(session, b"data")) == 256


def test_an_output_larger_than_the_room_is_asked_for_again(session: Session) -> None:
    key = session.generate_secret("AES")
    data = bytes(100_000)
    C.EncryptInit(session, mechanism("CKM_AES_GCM", gcm(b"\1" * 12)), key)
    encrypted = C.Encrypt(session, data)
    C.DecryptInit(session, mechanism("CKM_AES_GCM", gcm(b"\1" * 12)), key)
    assert C.Decrypt(session, encrypted) == data


def test_many_parts_equal_one_part(session: Session) -> None:
    pair = session.generate("RSA")
    C.SignInit(session, mechanism("CKM_SHA256_RSA_PKCS"), pair.private)
    C.SignUpdate(session, b"he")
    C.SignUpdate(session, b"llo")
    in_parts = C.SignFinal(session)
    C.SignInit(session, mechanism("CKM_SHA256_RSA_PKCS"), pair.private)
    assert C.Sign(session, b"hello") == in_parts


def test_a_parameter_structure_reaches_the_module(session: Session) -> None:
    pair = session.generate("RSA")
    C.SignInit(session, mechanism("CKM_SHA256_RSA_PKCS_PSS", rsa_pss("SHA-256", 20)), pair.private)
    signature = C.Sign(session, b"m")
    C.VerifyInit(session, mechanism("CKM_SHA256_RSA_PKCS_PSS", rsa_pss("SHA-256", 20)), pair.public)
    C.Verify(session, b"m", signature)
    C.VerifyInit(session, mechanism("CKM_SHA256_RSA_PKCS_PSS", rsa_pss("SHA-256", 32)), pair.public)
    with expect("CKR_SIGNATURE_INVALID"):
        C.Verify(session, b"m", signature)


def test_attributes_come_back_as_they_went_in(session: Session) -> None:
    template = {
        "CKA_CLASS": "CKO_DATA",
        "CKA_LABEL": "Größe",
        "CKA_APPLICATION": "wb",
        "CKA_VALUE": b"\0\1\2",
    }
    handle = C.CreateObject(session, template)
    values = C.GetAttributeValue(session, handle, ["CKA_LABEL", "CKA_VALUE", "CKA_TOKEN"])
    assert values == {"CKA_LABEL": "Größe", "CKA_VALUE": b"\0\1\2", "CKA_TOKEN": False}
    assert handle in session.find({"CKA_CLASS": "CKO_DATA", "CKA_LABEL": "Größe"})
    C.DestroyObject(session, handle)
    assert session.find({"CKA_LABEL": "Größe"}) == []


def test_a_long_attribute_costs_a_query_and_comes_whole(session: Session) -> None:
    value = bytes(range(256)) * 20
    handle = C.CreateObject(session, {"CKA_CLASS": "CKO_DATA", "CKA_VALUE": value})
    assert C.GetAttributeValue(session, handle, ["CKA_VALUE"]) == {"CKA_VALUE": value}


def test_a_kept_secret_is_an_error_that_carries_the_rest(session: Session) -> None:
    pair = session.generate("EC")
    with pytest.raises(errors.error_class("CKR_ATTRIBUTE_SENSITIVE")) as caught:
        C.GetAttributeValue(session, pair.private, ["CKA_KEY_TYPE", "CKA_VALUE"])
    (answered,) = caught.value.results
    assert answered[1] == (0x11, None)  # type: ignore[index]


@pytest.mark.parametrize(
    "attribute, code",
    [("CKA_VALUE", "CKR_ATTRIBUTE_SENSITIVE"), ("CKA_MODULUS", "CKR_ATTRIBUTE_TYPE_INVALID")],
)
def test_an_attribute_asked_for_alone_and_not_given_is_an_error(
    session: Session, attribute: str, code: str
) -> None:
    with pytest.raises(errors.error_class(code)):
        C.GetAttributeValue(session, session.generate("EC").private, [attribute])


def test_an_error_names_function_section_code_and_next_step(session: Session) -> None:
    with pytest.raises(CryptokiError) as caught:
        C.Sign(session, b"data")
    error = caught.value
    assert type(error) is errors.OperationNotInitialized
    assert (error.function, error.section, error.name) == (
        "C_Sign",
        "5.13.2",
        "CKR_OPERATION_NOT_INITIALIZED",
    )
    assert error.allowed is True
    assert error.means
    assert error.next_steps


def test_an_error_survives_the_way_between_processes(session: Session) -> None:
    with pytest.raises(CryptokiError) as caught:
        C.Sign(session, b"data")
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert (type(copy), str(copy)) == (type(caught.value), str(caught.value))


def test_expect_fails_when_nothing_goes_wrong(session: Session) -> None:
    with pytest.raises(AssertionError, match="every call succeeded"), expect("CKR_DATA_INVALID"):
        C.GenerateRandom(session, 8)


def test_expect_lets_another_error_through(session: Session) -> None:
    with pytest.raises(errors.OperationNotInitialized), expect("CKR_DATA_INVALID"):
        C.Sign(session, b"")


def test_a_slot_that_nobody_vouched_for_may_be_looked_at_only(token: Token) -> None:
    stranger = Module(token.module.path, "auto", token.module.init_string)
    stranger.initialize(again=True)
    assert C.GetTokenInfo(stranger, token.slot).label == token.label
    with pytest.raises(PolicyRefusal, match="read-only"):
        C.OpenSession(stranger, token.slot, "CKF_RW_SESSION")
    looking = C.OpenSession(stranger, token.slot, 0)
    with trace() as seen:
        for refused in (
            lambda: C.GenerateRandom(looking, 8),
            lambda: C.Login(looking, "CKU_USER", "0000"),
            lambda: C.InitToken(stranger, token.slot, "0000", "x"),
        ):
            with pytest.raises(PolicyRefusal):
                refused()
    assert seen.functions() == []
    C.CloseSession(looking)


def test_a_plain_number_is_no_session(session: Session) -> None:
    with pytest.raises(PolicyRefusal, match="hSession"):
        C.GenerateRandom(int(session.handle), 8)  # type: ignore[arg-type]


def test_a_misspelt_attribute_or_constant_is_named() -> None:
    with pytest.raises(WorkbenchError, match="CKA_LABLE"):
        C.CreateObject(None, {"CKA_LABLE": "x"})  # type: ignore[arg-type]
    with pytest.raises(WorkbenchError, match="CKO_DATE"):
        C.CreateObject(None, {"CKA_CLASS": "CKO_DATE"})  # type: ignore[arg-type]
    with pytest.raises(WorkbenchError, match="CKM_ECDSSA"):
        mechanism("CKM_ECDSSA")


def test_a_file_that_is_no_module_is_named(tmp_path: object) -> None:
    with pytest.raises(WorkbenchError, match="no module at"):
        Module.load("/nowhere/libp11.so")
    with pytest.raises(WorkbenchError, match="not a PKCS#11 module"):
        Module.load(__file__)


def test_a_library_without_a_function_list_is_no_module() -> None:
    import _ctypes

    with pytest.raises(WorkbenchError, match="C_GetFunctionList"):
        Module.load(_ctypes.__file__)
