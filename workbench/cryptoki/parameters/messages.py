"""Parameters of one message (5.9, 5.11) and of authenticated wrapping (5.18.6), since v3.0 and v3.2.

Who makes the IV or nonce is said by ``generator``: the caller (CKG_NO_GENERATE) or the token; what the token
made comes back in the parameter that the call returns, and so does the tag.
"""

from __future__ import annotations

from workbench.cryptoki.parameters.hashes import number
from workbench.cryptoki.parameters.model import Parameter

__all__ = ["ccm_message", "ccm_wrap", "chacha20_poly1305_message", "gcm_message", "gcm_wrap"]

BY_CALLER = "CKG_NO_GENERATE"
TAG = bytes(16)  # room for a tag of 128 bits


def gcm_message(
    iv: bytes, tag: bytes = TAG, generator: str | int = BY_CALLER, fixed_bits: int = 0
) -> Parameter:
    """CK_GCM_MESSAGE_PARAMS. ``tag``: to encrypt, as many bytes as it shall have; to decrypt, the tag itself.

    ``fixed_bits``: the high bits of ``iv`` that the token keeps when it makes the rest.
    """
    return Parameter(
        "CK_GCM_MESSAGE_PARAMS",
        {
            "pIv": iv,
            "ulIvFixedBits": fixed_bits,
            "ivGenerator": number(generator, "generator"),
            "pTag": tag,
            "ulTagBits": 8 * len(tag),
        },
    )


def ccm_message(
    data_length: int,
    nonce: bytes,
    mac: bytes = TAG,
    generator: str | int = BY_CALLER,
    fixed_bits: int = 0,
) -> Parameter:
    """CK_CCM_MESSAGE_PARAMS. ``data_length``: bytes of plaintext; ``mac``: as ``tag`` of ``gcm_message``."""
    return Parameter(
        "CK_CCM_MESSAGE_PARAMS",
        {
            "ulDataLen": data_length,
            "pNonce": nonce,
            "ulNonceFixedBits": fixed_bits,
            "nonceGenerator": number(generator, "generator"),
            "pMAC": mac,
        },
    )


def chacha20_poly1305_message(nonce: bytes, tag: bytes = TAG) -> Parameter:
    """CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS. ``tag``: 16 bytes, of room or of the tag itself."""
    return Parameter("CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS", {"pNonce": nonce, "pTag": tag})


def gcm_wrap(
    iv: bytes,
    aad: bytes = b"",
    tag_bits: int = 128,
    generator: str | int = BY_CALLER,
    fixed_bits: int = 0,
) -> Parameter:
    """CK_GCM_WRAP_PARAMS, for C_WrapKeyAuthenticated and C_UnwrapKeyAuthenticated."""
    return Parameter(
        "CK_GCM_WRAP_PARAMS",
        {
            "pIv": iv,
            "ulIvFixedBits": fixed_bits,
            "ivGenerator": number(generator, "generator"),
            "pAAD": aad,
            "ulTagBits": tag_bits,
        },
    )


def ccm_wrap(
    data_length: int,
    nonce: bytes,
    aad: bytes = b"",
    mac_length: int = 16,
    generator: str | int = BY_CALLER,
    fixed_bits: int = 0,
) -> Parameter:
    """CK_CCM_WRAP_PARAMS, for C_WrapKeyAuthenticated; ``data_length``: bytes of the key to wrap."""
    return Parameter(
        "CK_CCM_WRAP_PARAMS",
        {
            "ulDataLen": data_length,
            "pNonce": nonce,
            "ulNonceFixedBits": fixed_bits,
            "nonceGenerator": number(generator, "generator"),
            "pAAD": aad,
            "ulMACLen": mac_length,
        },
    )
