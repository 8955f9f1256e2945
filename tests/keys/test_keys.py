"""Keys made on the token, checked by pyca/cryptography; encodings both ways."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from workbench.cryptoki import C
from workbench.faults import WorkbenchError
from workbench.keys import CURVES, curve_of, der_to_rs, point_from_token, rs_to_der
from workbench.tokens import Session, Token


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521"])
@pytest.mark.parametrize("hash", ["SHA-256", "SHA-512"])
def test_an_ecdsa_signature_verifies_outside_of_the_token(session: Session, curve: str, hash: str) -> None:
    pair = session.generate("EC", curve=curve)
    signature = pair.sign(b"message", hash=hash)
    assert pair.public_key.verify(signature, b"message", hash=hash)
    assert not pair.public_key.verify(signature, b"massage", hash=hash)


@pytest.mark.parametrize("padding", ["PKCS1", "PSS"])
@pytest.mark.parametrize("hash", ["SHA-256", "SHA-384", "SHA-512"])
def test_an_rsa_signature_verifies_outside_of_the_token(session: Session, padding: str, hash: str) -> None:
    pair = session.generate("RSA", bits=2048)
    signature = pair.sign(b"message", hash=hash, padding=padding)
    assert pair.public_key.verify(signature, b"message", hash=hash, padding_name=padding)
    assert not pair.public_key.verify(signature, b"massage", hash=hash, padding_name=padding)


def test_an_ed25519_signature_verifies_outside_of_the_token(token: Token, session: Session) -> None:
    if not token.offers("CKM_EDDSA", "CKM_EC_EDWARDS_KEY_PAIR_GEN"):
        pytest.skip(f"{token.name} does not offer CKM_EDDSA")
    pair = session.generate("Ed25519")
    signature = pair.sign(b"message")
    assert pair.public_key.verify(signature, b"message")
    assert not pair.public_key.verify(signature, b"massage")


def test_a_digest_made_here_signs_what_the_tokens_own_hash_signs(session: Session) -> None:
    # PKCS#1 v1.5 is deterministic: both ways must give the same bytes
    import hashlib

    from workbench.keys.pair import DIGEST_INFO

    pair = session.generate("RSA")
    C.SignInit(session, "CKM_RSA_PKCS", pair.private)
    by_hand = C.Sign(session, DIGEST_INFO["SHA-256"] + hashlib.sha256(b"m").digest())
    assert by_hand == pair.sign(b"m", hash="SHA-256")


def test_a_private_key_is_sensitive_and_stays(session: Session) -> None:
    pair = session.generate("EC")
    values = C.GetAttributeValue(session, pair.private, ["CKA_SENSITIVE", "CKA_EXTRACTABLE", "CKA_TOKEN"])
    assert values == {"CKA_SENSITIVE": True, "CKA_EXTRACTABLE": False, "CKA_TOKEN": False}


def test_the_pem_is_the_public_key(session: Session) -> None:
    assert session.generate("EC").public_key.pem().startswith("-----BEGIN PUBLIC KEY-----")


@pytest.mark.parametrize("kind", ["DSA", "ec", ""])
def test_an_unknown_kind_of_key_names_the_known_ones(session: Session, kind: str) -> None:
    with pytest.raises(WorkbenchError, match="RSA, EC, Ed25519"):
        session.generate(kind)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_rs_and_der_lead_to_each_other(r: bytes, s: bytes) -> None:
    assert der_to_rs(rs_to_der(r + s), 32) == r + s


@pytest.mark.parametrize("bad", [b"", b"\1\2\3"])
def test_a_signature_without_equal_halves_is_refused(bad: bytes) -> None:
    with pytest.raises(WorkbenchError, match="halves"):
        rs_to_der(bad)


@given(st.integers(min_value=1, max_value=2**250))
def test_a_point_is_read_raw_and_as_an_octet_string(number: int) -> None:
    key = ec.derive_private_key(number, ec.SECP256R1()).public_key()
    numbers = key.public_numbers()
    raw = b"\4" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    assert point_from_token(raw, 32) == raw
    assert point_from_token(b"\x04\x41" + raw, 32) == raw


def test_a_point_of_another_curve_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="neither"):
        point_from_token(bytes(40), 32)


def test_a_curve_is_known_by_its_oid_and_ed25519_by_its_name_too() -> None:
    assert [curve_of(curve.params).name for curve in CURVES.values()] == list(CURVES)
    assert curve_of(b"\x13\x0cedwards25519").name == "Ed25519"
