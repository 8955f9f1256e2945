"""Parameters of ciphers and signatures on tokens: pyca/cryptography checks what comes out."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st
from material import HASHES, cipher_key, encrypt, few, needs, secret

from workbench.cryptoki import C, errors, mechanism, mechanisms
from workbench.cryptoki.mechanisms import Parameter
from workbench.keys import KeyPair, read_public_key
from workbench.tokens import Session, Token


@given(
    hash=st.sampled_from(sorted(HASHES)),
    salt=st.integers(0, 64),
    message=st.binary(max_size=100),
)
@few
def test_pss_signs_with_this_hash_and_salt(
    token: Token, rsa: tuple[Session, KeyPair], hash: str, salt: int, message: bytes
) -> None:
    session, pair = rsa
    digest = hashlib.new(hash.replace("-", "").lower(), message).digest()
    if token.name == "nss":
        salt = min(salt, len(digest))  # NSS 3.87 refuses a salt longer than the hash
    C.SignInit(session, mechanism("CKM_RSA_PKCS_PSS", mechanisms.rsa_pss(hash, salt)), pair.private)
    signature = C.Sign(session, digest)
    chosen = HASHES[hash]
    pss = padding.PSS(padding.MGF1(chosen), salt_length=salt)
    pair.public_key.pyca.verify(signature, digest, pss, Prehashed(chosen))


@pytest.fixture
def rsa(session: Session) -> tuple[Session, KeyPair]:
    return session, session.generate("RSA")


@given(st.binary(max_size=60), st.binary(max_size=30), st.sampled_from(["SHA-1", "SHA-256", "SHA-384"]))
@few
def test_oaep_decrypts_what_pyca_encrypted(
    token: Token, oaep_pair: Any, message: bytes, label: bytes, hash: str
) -> None:
    session, private, public = oaep_pair
    if token.name == "softhsm":
        hash, label = "SHA-1", b""  # SoftHSM 2.6.1 takes no other: CKR_ARGUMENTS_BAD
    chosen = {"SHA-1": hashes.SHA1(), **HASHES}[hash]
    encrypted = public.encrypt(message, padding.OAEP(padding.MGF1(chosen), chosen, label or None))
    C.DecryptInit(session, mechanism("CKM_RSA_PKCS_OAEP", mechanisms.rsa_oaep(hash, label)), private)
    assert C.Decrypt(session, encrypted) == message


@pytest.fixture
def oaep_pair(session: Session) -> Any:
    public, private = C.GenerateKeyPair(
        session,
        "CKM_RSA_PKCS_KEY_PAIR_GEN",
        {"CKA_MODULUS_BITS": 2048, "CKA_PUBLIC_EXPONENT": 65537, "CKA_ENCRYPT": True},
        {"CKA_DECRYPT": True, "CKA_TOKEN": False},
    )
    return session, private, read_public_key(session, public).pyca


@given(
    st.sampled_from([16, 24, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
    st.binary(min_size=12, max_size=12),
    st.binary(max_size=40),
    st.binary(max_size=100),
    st.sampled_from([96, 104, 112, 120, 128]),
)
@few
def test_gcm_is_what_pyca_makes_of_it(
    session: Session, key: bytes, iv: bytes, aad: bytes, data: bytes, tag_bits: int
) -> None:
    made = encrypt(
        session, mechanism("CKM_AES_GCM", mechanisms.gcm(iv, aad, tag_bits)), cipher_key(session, key), data
    )
    assert made == AESGCM(key).encrypt(iv, data, aad)[: len(data) + tag_bits // 8]


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16), st.binary(max_size=100))
@few
def test_ctr_is_what_pyca_makes_of_it(
    token: Token, session: Session, key: bytes, block: bytes, data: bytes
) -> None:
    block = bytes([block[0] & 0x7F]) + block[1:]  # a counter that would run over is refused by some
    chosen = mechanism("CKM_AES_CTR", mechanisms.ctr(block))
    whole = data + b"x"
    if token.name == "opencryptoki":  # 3.27 counts in whole blocks
        whole += bytes(-len(whole) % 16)
    made = encrypt(session, chosen, cipher_key(session, key), whole)
    other = Cipher(algorithms.AES(key), modes.CTR(block)).encryptor()
    assert made == other.update(whole)


@given(
    st.binary(min_size=16, max_size=16),
    st.integers(0, 5).flatmap(lambda n: st.binary(min_size=16 * n + 16, max_size=16 * n + 16)),
)
@few
def test_cbc_takes_its_iv_as_plain_bytes(session: Session, iv: bytes, data: bytes) -> None:
    made = encrypt(session, mechanism("CKM_AES_CBC", iv), cipher_key(session, b"k" * 32), data)
    other = Cipher(algorithms.AES(b"k" * 32), modes.CBC(iv)).encryptor()
    assert made == other.update(data)


def test_ccm_is_what_pyca_makes_of_it(token: Token, session: Session) -> None:
    needs(token, "CKM_AES_CCM")
    data, nonce = b"a message", bytes(range(12))
    chosen = mechanism("CKM_AES_CCM", mechanisms.ccm(len(data), nonce, b"aad", 16))
    made = encrypt(session, chosen, cipher_key(session, b"k" * 16), data)
    assert made == AESCCM(b"k" * 16, tag_length=16).encrypt(nonce, data, b"aad")


def test_chacha20_poly1305_is_what_pyca_makes_of_it(token: Token, session: Session) -> None:
    needs(token, "CKM_CHACHA20_POLY1305")
    chosen = mechanism("CKM_CHACHA20_POLY1305", mechanisms.chacha20_poly1305(b"n" * 12, b"aad"))
    made = encrypt(session, chosen, cipher_key(session, b"k" * 32, "CKK_CHACHA20"), b"a message")
    assert made == ChaCha20Poly1305(b"k" * 32).encrypt(b"n" * 12, b"a message", b"aad")


def test_chacha20_begins_at_the_block_asked_for(token: Token, session: Session) -> None:
    needs(token, "CKM_CHACHA20")
    chosen = mechanism("CKM_CHACHA20", mechanisms.chacha20(b"n" * 12, counter=7))
    made = encrypt(session, chosen, cipher_key(session, b"k" * 32, "CKK_CHACHA20"), bytes(100))
    nonce = (7).to_bytes(4, "little") + b"n" * 12
    assert made == Cipher(algorithms.ChaCha20(b"k" * 32, nonce), None).encryptor().update(bytes(100))


@given(st.integers(1, 16))
@few
def test_a_general_mac_is_cut_to_the_length_asked_for(token: Token, session: Session, length: int) -> None:
    needs(token, "CKM_AES_MAC_GENERAL")  # (NSS 3.87 refuses the parameter of its HMAC and CMAC _GENERAL)
    key = secret(session, b"k" * 16, CKA_SIGN=True)
    cbc = Cipher(algorithms.AES(b"k" * 16), modes.CBC(bytes(16))).encryptor()
    whole = cbc.update(b"data".ljust(16, b"\0"))
    for parameter in (mechanisms.mac_general(length), length):
        C.SignInit(session, mechanism("CKM_AES_MAC_GENERAL", parameter), key)
        assert C.Sign(session, b"data") == whole[:length]


def test_an_rc2_cipher_takes_its_effective_bits(token: Token, session: Session) -> None:
    needs(token, "CKM_RC2_CBC")
    key = cipher_key(session, b"k" * 16, "CKK_RC2")
    made = {
        bits: encrypt(session, mechanism("CKM_RC2_CBC", mechanisms.rc2_cbc(bits, b"i" * 8)), key, b"8 bytes.")
        for bits in (64, 128)
    }
    assert made[64] != made[128]


@pytest.mark.parametrize(
    "name, key_type, size, parameter, other",
    [
        ("CKM_AES_GCM", "CKK_AES", 16, mechanisms.gcm_message, AESGCM),
        ("CKM_CHACHA20_POLY1305", "CKK_CHACHA20", 32, mechanisms.chacha20_poly1305_message, ChaCha20Poly1305),
    ],
)
def test_the_tag_of_a_message_comes_back_in_its_parameter(
    token: Token, session: Session, name: str, key_type: str, size: int, parameter: Any, other: Any
) -> None:
    needs(token, name)
    key, nonce = cipher_key(session, b"k" * size, key_type), b"n" * 12
    try:
        C.MessageEncryptInit(session, name, key)
    except errors.FunctionNotSupported as error:
        pytest.skip(f"{token.name} does not offer C_MessageEncryptInit: {error.reason}")
    ciphertext, answered = C.EncryptMessage(session, parameter(nonce), b"aad", b"data")
    C.MessageEncryptFinal(session)
    assert isinstance(answered, Parameter)
    tag = answered["pTag"]
    assert isinstance(tag, bytes)
    assert ciphertext + tag == other(b"k" * size).encrypt(nonce, b"data", b"aad")
    C.MessageDecryptInit(session, name, key)
    assert C.DecryptMessage(session, parameter(nonce, tag), b"aad", ciphertext) == b"data"
    with pytest.raises(errors.error_class("CKR_ENCRYPTED_DATA_INVALID")):
        C.DecryptMessage(session, parameter(nonce, bytes(16)), b"aad", ciphertext)
    C.MessageDecryptFinal(session)


def test_kwp_and_key_wrap_carry_a_key_out(token: Token, session: Session) -> None:
    needs(token, "CKM_AES_KEY_WRAP")
    wrapping = secret(session, b"w" * 32, CKA_WRAP=True)
    key = secret(session, b"k" * 32)
    assert C.WrapKey(session, "CKM_AES_KEY_WRAP", wrapping, key) == keywrap.aes_key_wrap(b"w" * 32, b"k" * 32)
