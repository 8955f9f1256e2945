"""Operations in parts: the block's result, and a session that is free again however the block ends."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from material import needs

import workbench as wb
from workbench import spec
from workbench.cryptoki import C, CryptokiError, Parameter, Template, errors, mechanism, operations, trace
from workbench.cryptoki.errors import FunctionNotSupported
from workbench.cryptoki.operations import (
    Operation,
    decrypting,
    digesting,
    encrypting,
    finding,
    message_decrypting,
    message_encrypting,
    message_signing,
    message_verifying,
    restored,
    saved_state,
    signing,
    verifying,
)
from workbench.tokens import Session, Token

PARTS = (b"a first part, ", b"", b"and a second of another length")
WHOLE = b"".join(PARTS)
CBC = mechanism("CKM_AES_CBC_PAD", bytes(16))


class _Stop(Exception):
    pass


def test_the_facade_has_them() -> None:
    assert wb.operations is operations


def test_a_signature_in_parts_is_the_one_in_a_single_part(session: Session) -> None:
    pair = session.generate("RSA")
    with signing(session, "CKM_SHA256_RSA_PKCS", pair.private) as op:
        for part in PARTS:
            op.update(part)
        signature = op.final()
    C.SignInit(session, "CKM_SHA256_RSA_PKCS", pair.private)
    assert C.Sign(session, WHOLE) == signature
    with verifying(session, "CKM_SHA256_RSA_PKCS", pair.public) as check:
        for part in PARTS:
            check.update(part)
        check.final(signature)


def test_a_digest_in_parts_is_the_digest_of_the_whole(session: Session) -> None:
    with digesting(session, "CKM_SHA256") as op:
        for part in PARTS:
            op.update(part)
        assert op.final() == hashlib.sha256(WHOLE).digest()


def test_what_is_encrypted_in_parts_is_decrypted_in_others(session: Session) -> None:
    key = session.generate_secret("AES")
    with encrypting(session, CBC, key) as op:
        ciphertext = b"".join(op.update(part) for part in PARTS) + op.final()
    C.EncryptInit(session, CBC, key)
    assert C.Encrypt(session, WHOLE) == ciphertext
    with decrypting(session, CBC, key) as op:  # whole blocks: NSS 3.87 takes no others
        assert b"".join([op.update(ciphertext[:32]), op.update(ciphertext[32:]), op.final()]) == WHOLE


def _fails(op: Any, parts: int) -> None:
    for _ in range(parts):
        op.update(b"0123456789")
    raise _Stop


def _beginnings(session: Session) -> dict[str, Callable[[], Operation]]:
    rsa, ec, aes = session.generate("RSA"), session.generate("EC"), session.generate_secret("AES")
    return {
        "digest": lambda: digesting(session, "CKM_SHA256"),
        "sign": lambda: signing(session, "CKM_SHA256_RSA_PKCS", rsa.private),
        "sign in one part only": lambda: signing(session, "CKM_ECDSA", ec.private),
        "verify": lambda: verifying(session, "CKM_SHA256_RSA_PKCS", rsa.public),
        "verify in one part only": lambda: verifying(session, "CKM_ECDSA", ec.public),
        "encrypt": lambda: encrypting(session, CBC, aes),
        "encrypt GCM": lambda: encrypting(session, mechanism("CKM_AES_GCM", wb.gcm(bytes(12))), aes),
        "decrypt": lambda: decrypting(session, CBC, aes),
        "decrypt in one part only": lambda: decrypting(session, "CKM_RSA_PKCS", rsa.private),
    }


@pytest.mark.parametrize("parts", [0, 1])
def test_a_block_that_fails_leaves_the_session_free(session: Session, parts: int) -> None:
    for kind, begin in _beginnings(session).items():
        # NSS and SoftHSM refuse a part to a mechanism that takes one only: the block fails by that, then
        op = begin()
        with pytest.raises((_Stop, CryptokiError)), op:
            _fails(op, parts)
        assert not op.active, kind
        begin().cancel()  # CKR_OPERATION_ACTIVE if the first were still there


def test_a_block_that_is_left_without_a_result_leaves_the_session_free(session: Session) -> None:
    for begin in _beginnings(session).values():
        with begin():
            pass
        with begin():
            pass


def test_a_block_that_ends_with_its_result_makes_no_further_call(session: Session) -> None:
    with trace() as seen, digesting(session, "CKM_SHA256") as op:
        op.update(WHOLE)
        op.final()
    assert seen.functions() == ["C_DigestInit", "C_DigestUpdate", "C_DigestFinal"]


def test_a_wrong_signature_is_an_answer_and_ends_the_operation(session: Session) -> None:
    pair = session.generate("RSA")
    with trace() as seen, verifying(session, "CKM_SHA256_RSA_PKCS", pair.public) as op:
        op.update(WHOLE)
        with pytest.raises(errors.SignatureInvalid):
            op.final(bytes(256))
    assert seen.functions() == ["C_VerifyInit", "C_VerifyUpdate", "C_VerifyFinal"]


def test_a_module_with_session_cancel_is_asked_by_it(token: Token, session: Session) -> None:
    with trace() as seen, digesting(session, "CKM_SHA256") as op:
        op.update(WHOLE)
    ending = "C_DigestFinal" if token.name == "softhsm" else "C_SessionCancel"
    assert seen.functions() == ["C_DigestInit", "C_DigestUpdate", ending]


def test_what_went_wrong_in_the_block_is_what_is_raised(token: Token) -> None:
    session = token.session()
    op = digesting(session, "CKM_SHA256")
    session.close()  # from here on the operation cannot be ended either
    with pytest.raises(_Stop), op:
        raise _Stop


def test_two_operations_at_once_serve_the_dual_functions(token: Token, session: Session) -> None:
    key = session.generate_secret("AES")
    if token.name == "softhsm":
        with digesting(session, "CKM_SHA256"), pytest.raises(errors.OperationActive):
            encrypting(session, CBC, key)  # SoftHSM 2.6.1 knows one operation in a session
        return
    with digesting(session, "CKM_SHA256") as digest, encrypting(session, CBC, key) as encryption:
        made = C.DigestEncryptUpdate(session, WHOLE)
        made += encryption.final()
        assert digest.final() == hashlib.sha256(WHOLE).digest()
    C.DecryptInit(session, CBC, key)
    assert C.Decrypt(session, made) == WHOLE


def _five_objects(session: Session) -> Template:
    for number in range(5):
        template = {"CKA_CLASS": "CKO_DATA", "CKA_LABEL": "batch", "CKA_VALUE": bytes([number])}
        C.CreateObject(session, template)
    return {"CKA_CLASS": "CKO_DATA", "CKA_LABEL": "batch"}


def test_a_search_comes_in_batches_and_ends(session: Session) -> None:
    template = _five_objects(session)
    with trace() as seen:
        found = list(finding(session, template, batch=2))
    assert len(set(found)) == 5
    assert seen.functions() == ["C_FindObjectsInit", *["C_FindObjects"] * 4, "C_FindObjectsFinal"]
    assert session.find(template) == found


def test_a_search_that_is_left_early_ends(session: Session) -> None:
    template = _five_objects(session)
    for handle in finding(session, template, batch=2):
        assert handle
        break
    assert len(list(finding(session, template))) == 5


def test_a_search_in_a_closed_session_says_so(token: Token) -> None:
    session = token.session()
    search = finding(session, _five_objects(session), batch=1)
    next(search)
    session.close()
    with pytest.raises(errors.SessionHandleInvalid, match="C_FindObjects "):
        list(search)


def test_a_digest_goes_on_in_another_session_from_its_saved_state(token: Token, session: Session) -> None:
    with digesting(session, "CKM_SHA256") as op:
        op.update(PARTS[0])
        if token.name == "softhsm":
            with pytest.raises(FunctionNotSupported, match="C_GetOperationState"):
                saved_state(op)
            return
        needs(token, "C_GetOperationState")
        state = saved_state(op)
        op.update(b"this goes elsewhere")
    assert repr(state).endswith(f"<{len(state.state)} bytes, not shown>)")
    with token.session() as other, restored(other, state) as resumed:
        assert isinstance(resumed, operations.Digest)
        resumed.update(PARTS[2])
        assert resumed.final() == hashlib.sha256(WHOLE).digest()


def _gcm_message(iv: bytes, tag: bytes = bytes(16)) -> Parameter:
    members = {"pIv": iv, "ulIvFixedBits": 0, "ivGenerator": 0, "pTag": tag, "ulTagBits": 128}
    return Parameter("CK_GCM_MESSAGE_PARAMS", members)


def test_many_messages_under_one_key_set_up_once(token: Token, session: Session) -> None:
    value = bytes(range(32))
    template = {"CKA_CLASS": "CKO_SECRET_KEY", "CKA_KEY_TYPE": "CKK_AES", "CKA_VALUE": value}
    key = C.CreateObject(session, {**template, "CKA_ENCRYPT": True, "CKA_DECRYPT": True})
    if token.name == "softhsm":
        with pytest.raises(FunctionNotSupported, match="C_MessageEncryptInit"):
            message_encrypting(session, "CKM_AES_GCM", key)
        return
    needs(token, "C_MessageEncryptInit")
    made = []
    with trace() as seen, message_encrypting(session, "CKM_AES_GCM", key) as op:
        for number in range(3):
            iv = bytes(11) + bytes([number])
            ciphertext, parameter = op.encrypt(_gcm_message(iv), WHOLE, b"header")
            assert isinstance(parameter, Parameter)
            tag = parameter.members["pTag"]
            assert isinstance(tag, bytes)
            assert AESGCM(value).decrypt(iv, ciphertext + tag, b"header") == WHOLE
            made.append((iv, ciphertext, tag))
    assert seen.functions() == ["C_MessageEncryptInit", *["C_EncryptMessage"] * 3, "C_MessageEncryptFinal"]
    with message_decrypting(session, "CKM_AES_GCM", key) as op:
        for iv, ciphertext, tag in made:
            assert op.decrypt(_gcm_message(iv, tag), ciphertext, b"header") == WHOLE
        with pytest.raises(CryptokiError):
            op.decrypt(_gcm_message(made[0][0], made[1][2]), made[0][1], b"header")
    message_decrypting(session, "CKM_AES_GCM", key).final()


def test_a_block_of_messages_that_fails_leaves_the_session_free(nss: Token) -> None:
    with nss.session() as session:
        key = session.generate_secret("AES")
        for begin in (message_encrypting, message_decrypting):
            with pytest.raises(_Stop), begin(session, "CKM_AES_GCM", key):
                raise _Stop
            with begin(session, "CKM_AES_GCM", key) as op, pytest.raises(FunctionNotSupported):
                op.begin(_gcm_message(bytes(12)))  # NSS 3.87 takes whole messages only


def test_signing_messages_is_refused_by_name(session: Session) -> None:
    pair = session.generate("EC")
    with pytest.raises(FunctionNotSupported, match="C_MessageSignInit"):
        message_signing(session, "CKM_ECDSA", pair.private)
    with pytest.raises(FunctionNotSupported, match="C_MessageVerifyInit"):
        message_verifying(session, "CKM_ECDSA", pair.public)


def test_ten_thousand_sessions_leave_none_behind(token: Token) -> None:
    token.close()
    before = token.info
    for _ in range(10_000):
        handle = C.OpenSession(token.module, token.slot)
        C.GenerateRandom(handle, 8)
        C.CloseSession(handle)
    after = token.info
    assert (after.ulSessionCount, after.ulRwSessionCount) == (before.ulSessionCount, before.ulRwSessionCount)


def test_sessions_of_failing_blocks_leave_none_behind(token: Token) -> None:
    # SoftHSM does not count its sessions, but the last one to go logs the user out (5.6.2)
    token.close()
    for _ in range(200):
        with pytest.raises(_Stop), token.session() as session, digesting(session, "CKM_SHA256"):
            raise _Stop
    with token.session(login=False) as session:
        assert session.info.state == spec.value("CKS_RW_PUBLIC_SESSION")
