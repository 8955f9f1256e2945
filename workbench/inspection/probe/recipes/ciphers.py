"""Block and stream ciphers, and the MACs that are made of them (6.10 to 6.16, 6.47, 6.58 to 6.61)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from cryptography.hazmat.decrepit.ciphers import algorithms as old
from cryptography.hazmat.decrepit.ciphers import modes as old_modes
from cryptography.hazmat.primitives import cmac, keywrap, padding, poly1305
from cryptography.hazmat.primitives.ciphers import Cipher, aead, algorithms, modes

from workbench.cryptoki import C, CryptokiError, Mechanism, mechanism, mechanisms
from workbench.inspection.probe.recipes.model import (
    ITSELF,
    MESSAGE,
    Recipe,
    Stage,
    Wrong,
    same,
    signed_and_refused,
)

__all__ = ["FAMILIES", "RECIPES", "BlockCipher", "decrypt", "encrypt"]

PYCA = "pyca/cryptography"
DATA = bytes(range(96))
IV = bytes(range(100, 116))
NONCE = IV[:12]
AAD = b"associated"


@attrs.frozen
class BlockCipher:
    """A block cipher: the stem of its mechanisms, its key type, bytes of key and block, pyca's class (None: it has none)."""

    stem: str
    key_type: str
    key: bytes
    block: int
    algorithm: Callable[[bytes], Any] | None

    def handle(self, stage: Stage, *uses: str) -> int:
        """A key of the known value that may be used so."""
        chosen = uses or ("CKA_ENCRYPT", "CKA_DECRYPT", "CKA_SIGN", "CKA_VERIFY")

        def make() -> int:
            return stage.bench.secret(self.key_type, self.key, *chosen)

        return stage.bench.kept(f"{self.stem} {' '.join(chosen)}", make)

    def cipher(self, mode: Any) -> Cipher[Any]:
        """The same by pyca/cryptography."""
        assert self.algorithm is not None
        return Cipher(self.algorithm(self.key), mode)


# Keys of DES have odd parity: some modules look.
DES_KEY = bytes.fromhex("0123456789abcdef 23456789abcdef01 456789abcdef0123".replace(" ", ""))
AES = BlockCipher("AES", "CKK_AES", bytes(range(32)), 16, algorithms.AES)
FAMILIES = (
    AES,
    BlockCipher("DES3", "CKK_DES3", DES_KEY, 8, old.TripleDES),
    BlockCipher("DES", "CKK_DES", DES_KEY[:8], 8, lambda key: old.TripleDES(key * 3)),
    BlockCipher("CAMELLIA", "CKK_CAMELLIA", bytes(range(32)), 16, old.Camellia),
    BlockCipher("SEED", "CKK_SEED", bytes(range(16)), 16, old.SEED),
    BlockCipher("ARIA", "CKK_ARIA", bytes(range(32)), 16, None),
    BlockCipher("BLOWFISH", "CKK_BLOWFISH", bytes(range(16)), 8, old.Blowfish),
    BlockCipher("CAST128", "CKK_CAST128", bytes(range(16)), 8, old.CAST5),
    BlockCipher("IDEA", "CKK_IDEA", bytes(range(16)), 8, old.IDEA),
)


def encrypt(stage: Stage, how: Mechanism, key: int, data: bytes, room: int | None = None) -> bytes:
    """C_EncryptInit and C_Encrypt."""
    C.EncryptInit(stage.session, how, key)
    return C.Encrypt(stage.session, data, room)


def decrypt(stage: Stage, how: Mechanism, key: int, data: bytes) -> bytes:
    """C_DecryptInit and C_Decrypt."""
    C.DecryptInit(stage.session, how, key)
    return C.Decrypt(stage.session, data)


def _both_ways(
    family: BlockCipher,
    name: str,
    how: Callable[[], Mechanism],
    expected: Callable[[bytes], bytes] | None,
    data: bytes = DATA,
) -> tuple[Recipe, Recipe]:
    """Encryption and decryption with a parameter that fixes the result; ``expected``: the ciphertext, by somebody else."""

    def encryption(stage: Stage) -> str:
        made = encrypt(stage, how(), family.handle(stage), data)
        if expected is None:
            same(decrypt(stage, how(), family.handle(stage), made), data, "the plaintext")
            return ITSELF
        same(made, expected(data), "a ciphertext")
        return PYCA

    def decryption(stage: Stage) -> str:
        key = family.handle(stage)
        made = encrypt(stage, how(), key, data) if expected is None else expected(data)
        same(decrypt(stage, how(), key, made), data, "the plaintext")
        return ITSELF if expected is None else PYCA

    return Recipe(name, "CKF_ENCRYPT", encryption), Recipe(name, "CKF_DECRYPT", decryption)


def _mac(
    family: BlockCipher, name: str, how: Callable[[], Mechanism], expected: Callable[[bytes], bytes] | None
) -> tuple[Recipe, Recipe]:
    """A MAC of a message; ``expected``: the MAC, by somebody else."""

    def made(stage: Stage) -> bytes:
        C.SignInit(stage.session, how(), family.handle(stage))
        return C.Sign(stage.session, MESSAGE)

    def sign(stage: Stage) -> str:
        mac = made(stage)
        if expected is None:
            return ITSELF
        same(mac, expected(MESSAGE), "a MAC")
        return PYCA

    def verify(stage: Stage) -> str:
        mac = made(stage) if expected is None else expected(MESSAGE)
        signed_and_refused(stage, how(), family.handle(stage), MESSAGE, mac)
        return ITSELF if expected is None else PYCA

    return Recipe(name, "CKF_SIGN", sign), Recipe(name, "CKF_VERIFY", verify)


def _modes(family: BlockCipher) -> tuple[Recipe, ...]:
    """ECB, CBC and CBC_PAD, and the MACs that are the end of a CBC."""
    iv, block = IV[: family.block], family.block
    ecb, cbc, pad = (f"CKM_{family.stem}_{mode}" for mode in ("ECB", "CBC", "CBC_PAD"))

    def padded(data: bytes) -> bytes:
        padder = padding.PKCS7(8 * block).padder()
        return _run(family.cipher(modes.CBC(iv)), padder.update(data) + padder.finalize())

    def cbc_mac(data: bytes) -> bytes:
        filled = data + bytes(-len(data) % block)
        return _run(family.cipher(modes.CBC(bytes(block))), filled)[-block:]

    known = family.algorithm is not None
    half, general = f"CKM_{family.stem}_MAC", f"CKM_{family.stem}_MAC_GENERAL"
    return (
        *_both_ways(
            family,
            ecb,
            lambda: mechanism(ecb),
            (lambda data: _run(family.cipher(modes.ECB()), data)) if known else None,
        ),
        *_both_ways(
            family,
            cbc,
            lambda: mechanism(cbc, iv),
            (lambda data: _run(family.cipher(modes.CBC(iv)), data)) if known else None,
        ),
        *_both_ways(family, pad, lambda: mechanism(pad, iv), padded if known else None, DATA[:50]),
        *_mac(family, half, lambda: mechanism(half), (lambda d: cbc_mac(d)[: block // 2]) if known else None),
        *_mac(
            family,
            general,
            lambda: mechanism(general, mechanisms.mac_general(block - 1)),
            (lambda d: cbc_mac(d)[: block - 1]) if known else None,
        ),
    )


def _run(cipher: Cipher[Any], data: bytes) -> bytes:
    encryptor = cipher.encryptor()
    made: bytes = encryptor.update(data) + encryptor.finalize()
    return made


def _cmac(family: BlockCipher) -> tuple[Recipe, ...]:
    def expected(data: bytes) -> bytes:
        assert family.algorithm is not None
        made = cmac.CMAC(family.algorithm(family.key))
        made.update(data)
        return made.finalize()

    plain, general = f"CKM_{family.stem}_CMAC", f"CKM_{family.stem}_CMAC_GENERAL"
    short = family.block // 2
    return (
        *_mac(family, plain, lambda: mechanism(plain), expected),
        *_mac(
            family,
            general,
            lambda: mechanism(general, mechanisms.mac_general(short)),
            lambda d: expected(d)[:short],
        ),
    )


def _streams(name: str, mode: Any, parameter: Any = IV, data: bytes = DATA[:50]) -> tuple[Recipe, ...]:
    return _both_ways(
        AES, name, lambda: mechanism(name, parameter), lambda d: _run(AES.cipher(mode), d), data
    )


def _aead(
    family: BlockCipher,
    name: str,
    parameter: Callable[[int], Any],
    seal: Callable[[bytes], bytes],
) -> tuple[Recipe, ...]:
    """An AEAD: both ways, and a ciphertext with one bit turned must be refused."""
    data = DATA[:50]
    encryption = _both_ways(family, name, lambda: mechanism(name, parameter(len(data))), seal, data)[0]

    def decryption(stage: Stage) -> str:
        key, sealed = family.handle(stage), seal(data)
        same(decrypt(stage, mechanism(name, parameter(len(data))), key, sealed), data, "the plaintext")
        _refused(stage, mechanism(name, parameter(len(data))), key, sealed)
        return PYCA

    return encryption, Recipe(name, "CKF_DECRYPT", decryption)


def _refused(stage: Stage, how: Mechanism, key: int, sealed: bytes) -> None:
    try:
        decrypt(stage, how, key, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    except CryptokiError:
        return
    raise Wrong("a ciphertext with a wrong tag was decrypted")


def _gmac(data: bytes) -> bytes:
    return aead.AESGCM(AES.key).encrypt(NONCE, b"", data)


def _poly(data: bytes) -> bytes:
    return poly1305.Poly1305.generate_tag(POLY.key, data)


def _xcbc(data: bytes) -> bytes:
    """RFC 3566, by AES alone."""
    key = XCBC.key

    def block(under: bytes, text: bytes) -> bytes:
        return _run(Cipher(algorithms.AES(under), modes.ECB()), text)

    first, full, partial = (block(key, bytes([n]) * 16) for n in (1, 2, 3))
    state, parts = bytes(16), [data[i : i + 16] for i in range(0, len(data), 16)]
    last = parts[-1]
    whole = last if len(last) == 16 else last + b"\x80" + bytes(15 - len(last))
    mask = full if len(last) == 16 else partial
    parts[-1] = bytes(a ^ b for a, b in zip(whole, mask, strict=True))
    for part in parts:
        state = block(first, bytes(a ^ b for a, b in zip(state, part, strict=True)))
    return state


CHACHA = BlockCipher("CHACHA20", "CKK_CHACHA20", bytes(range(32)), 1, None)
POLY = BlockCipher("POLY1305", "CKK_POLY1305", bytes(range(32)), 1, None)
XTS = BlockCipher("AES_XTS", "CKK_AES_XTS", bytes(range(64)), 16, algorithms.AES)
XCBC = BlockCipher("AES 128", "CKK_AES", bytes(range(16)), 16, algorithms.AES)
RC4 = BlockCipher("RC4", "CKK_RC4", bytes(range(16)), 1, old.ARC4)

RECIPES: tuple[Recipe, ...] = (
    *(recipe for family in FAMILIES for recipe in _modes(family)),
    *_cmac(AES),
    *_cmac(FAMILIES[1]),
    *_streams("CKM_AES_CTR", modes.CTR(IV), mechanisms.ctr(IV)),
    *_streams("CKM_AES_OFB", old_modes.OFB(IV)),
    *_streams("CKM_AES_CFB128", old_modes.CFB(IV)),
    *_streams("CKM_AES_CFB8", old_modes.CFB8(IV)),
    *_both_ways(AES, "CKM_AES_CTS", lambda: mechanism("CKM_AES_CTS", IV), None, DATA[:50]),
    *_both_ways(
        XTS,
        "CKM_AES_XTS",
        lambda: mechanism("CKM_AES_XTS", IV),
        lambda data: _run(XTS.cipher(modes.XTS(IV)), data),
    ),
    *_both_ways(
        RC4,
        "CKM_RC4",
        lambda: mechanism("CKM_RC4"),
        lambda data: _run(Cipher(old.ARC4(RC4.key), None), data),
    ),
    *_both_ways(
        CHACHA,
        "CKM_CHACHA20",
        lambda: mechanism("CKM_CHACHA20", mechanisms.chacha20(NONCE, 1)),
        lambda data: _run(
            Cipher(algorithms.ChaCha20(CHACHA.key, (1).to_bytes(4, "little") + NONCE), None), data
        ),
    ),
    *_aead(
        AES,
        "CKM_AES_GCM",
        lambda _: mechanisms.gcm(NONCE, AAD),
        lambda data: aead.AESGCM(AES.key).encrypt(NONCE, data, AAD),
    ),
    *_aead(
        AES,
        "CKM_AES_CCM",
        lambda size: mechanisms.ccm(size, NONCE, AAD),
        lambda data: aead.AESCCM(AES.key).encrypt(NONCE, data, AAD),
    ),
    *_aead(
        CHACHA,
        "CKM_CHACHA20_POLY1305",
        lambda _: mechanisms.chacha20_poly1305(NONCE, AAD),
        lambda data: aead.ChaCha20Poly1305(CHACHA.key).encrypt(NONCE, data, AAD),
    ),
    *_both_ways(
        AES,
        "CKM_AES_KEY_WRAP",
        lambda: mechanism("CKM_AES_KEY_WRAP"),
        lambda data: keywrap.aes_key_wrap(AES.key, data),
    ),
    *_both_ways(
        AES,
        "CKM_AES_KEY_WRAP_KWP",
        lambda: mechanism("CKM_AES_KEY_WRAP_KWP"),
        lambda data: keywrap.aes_key_wrap_with_padding(AES.key, data),
        DATA[:50],
    ),
    *_both_ways(AES, "CKM_AES_KEY_WRAP_PAD", lambda: mechanism("CKM_AES_KEY_WRAP_PAD"), None, DATA[:50]),
    *_mac(AES, "CKM_AES_GMAC", lambda: mechanism("CKM_AES_GMAC", mechanisms.gcm(NONCE)), _gmac),
    *_mac(POLY, "CKM_POLY1305", lambda: mechanism("CKM_POLY1305"), _poly),
    *_mac(XCBC, "CKM_AES_XCBC_MAC", lambda: mechanism("CKM_AES_XCBC_MAC"), _xcbc),
    *_mac(XCBC, "CKM_AES_XCBC_MAC_96", lambda: mechanism("CKM_AES_XCBC_MAC_96"), lambda d: _xcbc(d)[:12]),
)
