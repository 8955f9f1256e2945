"""Parameters of key derivation on tokens: pyca/cryptography or hashlib derives the same key."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from material import HASHES, few, needs, readable, secret, value_of

from workbench.cryptoki import C, SessionHandle, mechanism, mechanisms, trace
from workbench.cryptoki.mechanisms import OutputBytes, OutputNumber, Parameter
from workbench.keys import CURVES, read_public_key
from workbench.tokens import Session, Token


@pytest.fixture
def ec_private(session: Session) -> Any:
    public, private = C.GenerateKeyPair(
        session,
        "CKM_EC_KEY_PAIR_GEN",
        {"CKA_EC_PARAMS": CURVES["P-256"].params, "CKA_DERIVE": True},
        {"CKA_DERIVE": True, "CKA_TOKEN": False},
    )
    return session, private, read_public_key(session, public).pyca


@given(st.integers(1, 2**200))
@few
def test_ecdh_gives_the_secret_that_pyca_gets(ec_private: Any, scalar: int) -> None:
    session, private, public = ec_private
    ours = ec.derive_private_key(scalar, ec.SECP256R1())
    point = ours.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    derived = C.DeriveKey(
        session, mechanism("CKM_ECDH1_DERIVE", mechanisms.ecdh1(point)), private, readable(32)
    )
    assert value_of(session, derived) == ours.exchange(ec.ECDH(), public)


def test_ecdh_with_a_key_derivation_hashes_the_shared_data_in(token: Token, ec_private: Any) -> None:
    session, private, public = ec_private
    if token.name == "softhsm":
        pytest.skip("softhsm offers CKM_ECDH1_DERIVE with CKD_NULL alone")
    ours = ec.derive_private_key(12345, ec.SECP256R1())
    point = ours.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    parameter = mechanisms.ecdh1(point, "CKD_SHA256_KDF", b"shared data")
    derived = C.DeriveKey(session, mechanism("CKM_ECDH1_DERIVE", parameter), private, readable(32))
    shared = ours.exchange(ec.ECDH(), public)
    x963 = hashlib.sha256(shared + (1).to_bytes(4, "big") + b"shared data").digest()
    assert value_of(session, derived) == x963


@given(
    st.sampled_from(sorted(HASHES)),
    st.one_of(st.none(), st.binary(min_size=1, max_size=40)),
    st.binary(max_size=40),
    st.integers(16, 64),
)
@few
def test_hkdf_gives_the_key_that_pyca_gets(
    token: Token, session: Session, hash: str, salt: bytes | None, info: bytes, length: int
) -> None:
    needs(token, "CKM_HKDF_DERIVE")
    base = secret(session, b"input keying material", "CKK_GENERIC_SECRET", CKA_DERIVE=True)
    chosen = mechanism("CKM_HKDF_DERIVE", mechanisms.hkdf(hash, salt, info))
    derived = C.DeriveKey(session, chosen, base, readable(length))
    expected = HKDF(HASHES[hash], length, salt, info).derive(b"input keying material")
    assert value_of(session, derived) == expected


def test_hkdf_takes_its_salt_from_a_key(token: Token, session: Session) -> None:
    needs(token, "CKM_HKDF_DERIVE")
    base = secret(session, b"input keying material", "CKK_GENERIC_SECRET", CKA_DERIVE=True)
    salt = secret(session, b"the salt", "CKK_GENERIC_SECRET", CKA_DERIVE=True)
    chosen = mechanism("CKM_HKDF_DERIVE", mechanisms.hkdf(salt_key=salt, info=b"info"))
    derived = C.DeriveKey(session, chosen, base, readable(32))
    assert value_of(session, derived) == HKDF(hashes.SHA256(), 32, b"the salt", b"info").derive(
        b"input keying material"
    )


@given(
    st.binary(min_size=1, max_size=30), st.binary(min_size=8, max_size=32), st.sampled_from(sorted(HASHES))
)
@few
def test_pbkdf2_gives_the_key_that_hashlib_gets(
    token: Token, session: Session, password: bytes, salt: bytes, hash: str
) -> None:
    needs(token, "CKM_PKCS5_PBKD2")
    # NSS reads the older structure, and would follow the length of the other as a pointer
    parameter = mechanisms.pbkdf2(password, salt, 1000, hash, length_by_pointer=token.name == "nss")
    chosen = mechanism("CKM_PKCS5_PBKD2", parameter)
    with trace() as seen:
        key = C.GenerateKey(session, chosen, readable(32))
    name = hash.replace("-", "").lower()
    assert value_of(session, key) == hashlib.pbkdf2_hmac(name, password, salt, 1000, 32)
    assert f"CKM_PKCS5_PBKD2 with {parameter.struct}" in str(seen)


def test_pbe_leaves_the_iv_that_it_made(token: Token, session: Session) -> None:
    needs(token, "CKM_PBE_SHA1_DES3_EDE_CBC")
    parameter = mechanisms.pbe("password", b"saltsalt", 1000)
    template = {**readable(24, "CKK_DES3"), "CKA_ENCRYPT": True}
    del template["CKA_VALUE_LEN"]
    C.DestroyObject(
        session, C.GenerateKey(session, mechanism("CKM_PBE_SHA1_DES3_EDE_CBC", parameter), template)
    )
    out = parameter["pInitVector"]
    assert isinstance(out, OutputBytes)
    assert out.value == pkcs12_iv(b"password", b"saltsalt", 1000)


def pkcs12_iv(text: bytes, salt: bytes, rounds: int) -> bytes:
    """RFC 7292, appendix B.2, for 8 bytes of ID 2 with SHA-1; NSS takes the password's bytes as they stand."""
    fed = b"\2" * 64 + (salt * 64)[:64] + (text * 64)[: (len(text) + 63) // 64 * 64]
    for _ in range(rounds):
        fed = hashlib.sha1(fed).digest()
    return fed[:8]


def test_sp800_108_counter_mode_gives_the_key_that_pyca_gets(token: Token, session: Session) -> None:
    needs(token, "CKM_SP800_108_COUNTER_KDF")
    base = secret(session, b"k" * 32, "CKK_GENERIC_SECRET", CKA_DERIVE=True)
    more = mechanisms.kdf_derived_key(readable(16))
    parameter = mechanisms.sp800_108(
        mechanisms.kdf_counter(32),
        mechanisms.kdf_bytes(b"label\0context"),
        mechanisms.kdf_length(32),
        additional_keys=(more,),
    )
    derived = C.DeriveKey(session, mechanism("CKM_SP800_108_COUNTER_KDF", parameter), base, readable(32))
    both = KBKDFHMAC(
        hashes.SHA256(), Mode.CounterMode, 48, 4, 4, CounterLocation.BeforeFixed, b"label", b"context", None
    ).derive(b"k" * 32)
    second = more["phKey"]
    assert isinstance(second, OutputNumber)
    assert value_of(session, derived) + value_of(session, second.value) == both


@pytest.mark.parametrize("name", ["CKM_SP800_108_FEEDBACK_KDF", "CKM_SP800_108_DOUBLE_PIPELINE_KDF"])
def test_the_other_modes_of_sp800_108_by_hand(token: Token, session: Session, name: str) -> None:
    needs(token, name)
    base = secret(session, b"k" * 32, "CKK_GENERIC_SECRET", CKA_DERIVE=True)
    pieces = (mechanisms.kdf_iteration(), mechanisms.kdf_bytes(b"fixed"))
    feedback = name.endswith("FEEDBACK_KDF")
    parameter = (
        mechanisms.sp800_108_feedback(*pieces, iv=b"iv" * 16) if feedback else mechanisms.sp800_108(*pieces)
    )
    derived = C.DeriveKey(session, mechanism(name, parameter), base, readable(32))
    first = b"iv" * 16 if feedback else hmac.digest(b"k" * 32, b"fixed", "sha256")
    assert value_of(session, derived) == hmac.digest(b"k" * 32, first + b"fixed", "sha256")


@pytest.mark.parametrize("mode", ["ECB", "CBC"])
def test_encrypting_data_makes_a_key(token: Token, session: Session, mode: str) -> None:
    needs(token, f"CKM_AES_{mode}_ENCRYPT_DATA")
    base = secret(session, b"k" * 16, CKA_DERIVE=True)
    data, iv = bytes(range(32)), b"i" * 16
    parameter = (
        mechanisms.key_derivation_string(data) if mode == "ECB" else mechanisms.cbc_encrypt_data(iv, data)
    )
    derived = C.DeriveKey(session, mechanism(f"CKM_AES_{mode}_ENCRYPT_DATA", parameter), base, readable(32))
    other: Any = modes.ECB() if mode == "ECB" else modes.CBC(iv)
    expected = Cipher(algorithms.AES(b"k" * 16), other).encryptor().update(data)
    assert value_of(session, derived) == expected


# --- NSS keeps TLS and the small derivations in its other slot, which needs no login ---------------------------


@pytest.fixture
def generic(token: Token) -> Iterator[SessionHandle]:
    if token.name != "nss":
        pytest.skip(f"{token.name} offers no CKM_TLS12_MASTER_KEY_DERIVE")
    token.module.vouch(1, token.policy)
    session = C.OpenSession(token.module, 1)
    yield session
    C.CloseSession(session)


def prf(key: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """The PRF of TLS 1.2 with SHA-256 (RFC 5246, 5)."""
    made, a = b"", label + seed
    while len(made) < length:
        a = hmac.digest(key, a, "sha256")
        made += hmac.digest(key, a + label + seed, "sha256")
    return made[:length]


def test_tls12_makes_a_master_secret_and_key_material(generic: Any) -> None:
    premaster = b"\3\3" + b"p" * 46
    base = secret(generic, premaster, "CKK_GENERIC_SECRET", CKA_DERIVE=True)
    client, server = b"c" * 32, b"s" * 32
    parameter = mechanisms.tls12_master_key(client, server)
    template = {**readable(48), "CKA_DERIVE": True}
    master = C.DeriveKey(generic, mechanism("CKM_TLS12_MASTER_KEY_DERIVE", parameter), base, template)
    secret_value = prf(premaster, b"master secret", client + server, 48)
    version = parameter["pVersion"]
    assert isinstance(version, Parameter)
    assert [one.value for one in version.members.values() if isinstance(one, OutputNumber)] == [3, 3]
    assert C.GetAttributeValue(generic, master, ["CKA_VALUE"]) == {"CKA_VALUE": secret_value}

    parameter = mechanisms.tls12_key_material(client, server, mac_bits=256, key_bits=128, iv_bits=128)
    aes = {**readable(16, "CKK_AES"), "CKA_ENCRYPT": True}
    C.DeriveKey(generic, mechanism("CKM_TLS12_KEY_AND_MAC_DERIVE", parameter), master, aes)
    block = prf(secret_value, b"key expansion", server + client, 2 * (32 + 16 + 16))
    out = parameter["pReturnedKeyMaterial"]
    assert isinstance(out, Parameter)
    names = ("hClientMacSecret", "hServerMacSecret", "hClientKey", "hServerKey")
    handles = [one.value for one in (out[name] for name in names) if isinstance(one, OutputNumber)]
    ivs = [one.value for one in out.members.values() if isinstance(one, OutputBytes)]
    assert b"".join([*(value_of(generic, handle) for handle in handles), *ivs]) == block


def test_small_derivations_by_name(generic: Any) -> None:
    base = secret(generic, b"0123456789abcdef", "CKK_GENERIC_SECRET", CKA_DERIVE=True)
    other = secret(generic, b"another", "CKK_GENERIC_SECRET", CKA_DERIVE=True)
    string = mechanisms.key_derivation_string
    cases = [
        ("CKM_CONCATENATE_BASE_AND_DATA", string(b"tail"), b"0123456789abcdeftail"),
        ("CKM_CONCATENATE_DATA_AND_BASE", string(b"head"), b"head0123456789abcdef"),
        ("CKM_XOR_BASE_AND_DATA", string(b"\1" * 16), bytes(b ^ 1 for b in b"0123456789abcdef")),
        ("CKM_CONCATENATE_BASE_AND_KEY", mechanisms.concatenate_key(other), b"0123456789abcdefanother"),
        ("CKM_EXTRACT_KEY_FROM_KEY", mechanisms.extract_bits(16), b"23456789"),
    ]
    for name, parameter, expected in cases:
        derived = C.DeriveKey(generic, mechanism(name, parameter), base, readable(len(expected)))
        assert value_of(generic, derived) == expected, name
