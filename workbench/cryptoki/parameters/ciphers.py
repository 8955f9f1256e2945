"""Parameters of ciphers and of MACs (6.10 to 6.13, 6.47, 6.58 to 6.61). An IV of CBC, KWP and the like is plain bytes."""

from __future__ import annotations

from workbench.cryptoki.parameters.model import Parameter

__all__ = [
    "camellia_ctr",
    "ccm",
    "chacha20",
    "chacha20_poly1305",
    "ctr",
    "gcm",
    "mac_general",
    "rc2",
    "rc2_cbc",
    "rc2_mac_general",
    "rc5",
    "rc5_cbc",
    "rc5_mac_general",
    "salsa20",
]


def ctr(counter_block: bytes, counter_bits: int = 128) -> Parameter:
    """CK_AES_CTR_PARAMS: the first 16-byte counter block, and how many of its low bits count."""
    return Parameter("CK_AES_CTR_PARAMS", {"ulCounterBits": counter_bits, "cb": counter_block})


def camellia_ctr(counter_block: bytes, counter_bits: int = 128) -> Parameter:
    """CK_CAMELLIA_CTR_PARAMS: as ``ctr``."""
    return Parameter("CK_CAMELLIA_CTR_PARAMS", {"ulCounterBits": counter_bits, "cb": counter_block})


def gcm(iv: bytes, aad: bytes = b"", tag_bits: int = 128) -> Parameter:
    """CK_GCM_PARAMS; ``ulIvBits`` is set too, because some modules refuse 0 and none refuses the true value."""
    return Parameter(
        "CK_GCM_PARAMS", {"pIv": iv, "ulIvBits": 8 * len(iv), "pAAD": aad, "ulTagBits": tag_bits}
    )


def ccm(data_length: int, nonce: bytes, aad: bytes = b"", mac_length: int = 16) -> Parameter:
    """CK_CCM_PARAMS; ``data_length``: bytes of plaintext, which CCM must know first (``mac_length`` not counted)."""
    return Parameter(
        "CK_CCM_PARAMS", {"ulDataLen": data_length, "pNonce": nonce, "pAAD": aad, "ulMACLen": mac_length}
    )


def chacha20(nonce: bytes, counter: int = 0, counter_bits: int = 32) -> Parameter:
    """CK_CHACHA20_PARAMS: nonce of 8, 12 or 24 bytes, and the first block's number (32 or 64 bits)."""
    return Parameter(
        "CK_CHACHA20_PARAMS",
        {
            "pBlockCounter": counter.to_bytes(counter_bits // 8, "little"),
            "blockCounterBits": counter_bits,
            "pNonce": nonce,
            "ulNonceBits": 8 * len(nonce),
        },
    )


def salsa20(nonce: bytes, counter: int = 0) -> Parameter:
    """CK_SALSA20_PARAMS: nonce of 8 or 24 bytes, and the first block's number (64 bits)."""
    return Parameter(
        "CK_SALSA20_PARAMS",
        {"pBlockCounter": counter.to_bytes(8, "little"), "pNonce": nonce, "ulNonceBits": 8 * len(nonce)},
    )


def chacha20_poly1305(nonce: bytes, aad: bytes = b"") -> Parameter:
    """CK_SALSA20_CHACHA20_POLY1305_PARAMS, for CKM_CHACHA20_POLY1305 and CKM_SALSA20_POLY1305."""
    return Parameter("CK_SALSA20_CHACHA20_POLY1305_PARAMS", {"pNonce": nonce, "pAAD": aad})


def mac_general(length: int) -> Parameter:
    """CK_MAC_GENERAL_PARAMS, a number: the bytes of the MAC wanted (every mechanism named _GENERAL)."""
    return Parameter("CK_MAC_GENERAL_PARAMS", {"value": length})


def rc2(effective_bits: int) -> Parameter:
    """CK_RC2_PARAMS, a number: effective bits of the key."""
    return Parameter("CK_RC2_PARAMS", {"value": effective_bits})


def rc2_cbc(effective_bits: int, iv: bytes) -> Parameter:
    """CK_RC2_CBC_PARAMS: effective bits of the key, and an IV of 8 bytes."""
    return Parameter("CK_RC2_CBC_PARAMS", {"ulEffectiveBits": effective_bits, "iv": iv})


def rc2_mac_general(effective_bits: int, length: int) -> Parameter:
    """CK_RC2_MAC_GENERAL_PARAMS: effective bits of the key, and the bytes of the MAC wanted."""
    return Parameter("CK_RC2_MAC_GENERAL_PARAMS", {"ulEffectiveBits": effective_bits, "ulMacLength": length})


def rc5(word_size: int, rounds: int) -> Parameter:
    """CK_RC5_PARAMS: bytes of a word, and rounds."""
    return Parameter("CK_RC5_PARAMS", {"ulWordsize": word_size, "ulRounds": rounds})


def rc5_cbc(word_size: int, rounds: int, iv: bytes) -> Parameter:
    """CK_RC5_CBC_PARAMS: bytes of a word, rounds, and an IV of two words."""
    return Parameter("CK_RC5_CBC_PARAMS", {"ulWordsize": word_size, "ulRounds": rounds, "pIv": iv})


def rc5_mac_general(word_size: int, rounds: int, length: int) -> Parameter:
    """CK_RC5_MAC_GENERAL_PARAMS: bytes of a word, rounds, and the bytes of the MAC wanted."""
    return Parameter(
        "CK_RC5_MAC_GENERAL_PARAMS", {"ulWordsize": word_size, "ulRounds": rounds, "ulMacLength": length}
    )
