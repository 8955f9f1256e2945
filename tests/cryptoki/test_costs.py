"""What a call may cost, as far as it shows without a clock; the figures are in benchmarks/call_cost.py."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

import PyKCS11
import pytest
from PyKCS11 import LowLevel

from workbench.cryptoki import C, trace
from workbench.tokens import Session, Token

MIB = bytes(2**20)


def _fastest(call: Callable[[], object]) -> float:
    spent = []
    for _ in range(3):
        start = time.monotonic()
        call()
        spent.append(time.monotonic() - start)
    return min(spent)


def test_a_digest_of_a_mebibyte_is_faster_than_pykcs11s(token: Token, session: Session) -> None:
    # 20 to 50 times; what a busy machine does to both is less than what 2 leaves
    number = LowLevel.CK_SESSION_HANDLE()
    number.assign(int(session.handle))
    theirs = PyKCS11.Session(token.module.pykcs11.library, number)

    def digest() -> bytes:
        C.DigestInit(session, "CKM_SHA256")
        return C.Digest(session, MIB)

    def digest_there() -> bytes:
        return bytes(theirs.digest(MIB, PyKCS11.Mechanism(PyKCS11.CKM_SHA256)))

    assert digest() == digest_there() == hashlib.sha256(MIB).digest()
    assert _fastest(digest_there) > 2 * _fastest(digest)


@pytest.mark.parametrize("length", [0, 1, 2**20])
def test_the_room_offered_for_a_digest_does_not_grow_with_the_data(session: Session, length: int) -> None:
    with trace() as seen:
        C.DigestInit(session, "CKM_SHA256")
        C.Digest(session, bytes(length))
    offered = dict(seen.records[1].arguments)["pDigest"]
    assert offered == "room for 8192"


def test_the_room_offered_for_ciphertext_does(session: Session) -> None:
    key = session.generate_secret("AES")
    with trace() as seen:
        C.EncryptInit(session, "CKM_AES_ECB", key)
        assert len(C.Encrypt(session, MIB)) == len(MIB)
    assert seen.functions() == ["C_EncryptInit", "C_Encrypt"]  # no second call with a larger buffer


def test_a_call_is_no_slower_to_make_through_a_session_than_through_its_handle(session: Session) -> None:
    with trace() as seen:
        C.GenerateRandom(session, 8)
        C.GenerateRandom(session.handle, 8)
    first, second = seen.records
    assert (first.function, first.arguments, first.session) == (
        second.function,
        second.arguments,
        second.session,
    )
