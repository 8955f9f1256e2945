"""Parameters of key agreement and derivation (6.3, 6.17, 6.43, 6.62). A peer's public value of DH is plain bytes."""

from __future__ import annotations

from workbench import spec
from workbench.cryptoki.parameters.hashes import hash_named, number
from workbench.cryptoki.parameters.model import Parameter
from workbench.faults import WorkbenchError

__all__ = [
    "cbc_encrypt_data",
    "concatenate_key",
    "ecdh1",
    "ecdh_aes_key_wrap",
    "ecmqv",
    "extract_bits",
    "hkdf",
    "key_derivation_string",
]

_CBC = {
    "AES": "CK_AES_CBC_ENCRYPT_DATA_PARAMS",
    "ARIA": "CK_ARIA_CBC_ENCRYPT_DATA_PARAMS",
    "Camellia": "CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS",
    "DES": "CK_DES_CBC_ENCRYPT_DATA_PARAMS",
    "SEED": "CK_SEED_CBC_ENCRYPT_DATA_PARAMS",
}


def ecdh1(public_point: bytes, kdf: str | int = "CKD_NULL", shared_data: bytes = b"") -> Parameter:
    """CK_ECDH1_DERIVE_PARAMS: the peer's point (raw, or DER as some modules want it), and a CKD key derivation."""
    return Parameter(
        "CK_ECDH1_DERIVE_PARAMS",
        {"kdf": number(kdf, "key derivation"), "pSharedData": shared_data, "pPublicData": public_point},
    )


def ecmqv(
    public_point: bytes,
    second_public_point: bytes,
    private_key: int,
    own_public_key: int,
    kdf: str | int = "CKD_NULL",
    shared_data: bytes = b"",
    private_size: int = 32,
) -> Parameter:
    """CK_ECMQV_DERIVE_PARAMS: the peer's two points, and the handles of our second private key and first public key.

    ``private_size``: bytes of the second private key's value.
    """
    return Parameter(
        "CK_ECMQV_DERIVE_PARAMS",
        {
            "kdf": number(kdf, "key derivation"),
            "pSharedData": shared_data,
            "pPublicData": public_point,
            "ulPrivateDataLen": private_size,
            "hPrivateData": private_key,
            "pPublicData2": second_public_point,
            "publicKey": own_public_key,
        },
    )


def ecdh_aes_key_wrap(
    aes_bits: int = 256, kdf: str | int = "CKD_SHA256_KDF", shared_data: bytes = b""
) -> Parameter:
    """CK_ECDH_AES_KEY_WRAP_PARAMS: bits of the AES key agreed on for the occasion, and how it is derived."""
    return Parameter(
        "CK_ECDH_AES_KEY_WRAP_PARAMS",
        {"ulAESKeyBits": aes_bits, "kdf": number(kdf, "key derivation"), "pSharedData": shared_data},
    )


def hkdf(
    hash: str = "SHA-256",
    salt: bytes | None = None,
    info: bytes = b"",
    *,
    salt_key: int = 0,
    extract: bool = True,
    expand: bool = True,
) -> Parameter:
    """CK_HKDF_PARAMS: the two steps of HKDF, both or one of them.

    The salt is bytes, a key on the token (``salt_key``, its handle), or none: then as many zeros as the hash
    has bytes.
    """
    if salt is not None and salt_key:
        raise WorkbenchError("hkdf: give the salt as bytes or as a key's handle, not both")
    kind = "KEY" if salt_key else "NULL" if salt is None else "DATA"
    return Parameter(
        "CK_HKDF_PARAMS",
        {
            "bExtract": int(extract),
            "bExpand": int(expand),
            "prfHashMechanism": spec.value(hash_named(hash).digest),
            "ulSaltType": spec.value(f"CKF_HKDF_SALT_{kind}"),
            "pSalt": salt,
            "hSaltKey": salt_key,
            "pInfo": info,
        },
    )


def key_derivation_string(data: bytes) -> Parameter:
    """CK_KEY_DERIVATION_STRING_DATA: what is concatenated, xored, or encrypted in ECB to make the new key."""
    return Parameter("CK_KEY_DERIVATION_STRING_DATA", {"pData": data})


def cbc_encrypt_data(iv: bytes, data: bytes, cipher: str = "AES") -> Parameter:
    """CK_…_CBC_ENCRYPT_DATA_PARAMS: what is encrypted in CBC to make the new key. ``cipher``: AES, ARIA, Camellia, DES, SEED.

    DES serves CKM_DES3_CBC_ENCRYPT_DATA too.
    """
    if cipher not in _CBC:
        raise WorkbenchError(f"no cipher {cipher!r} here; one of {', '.join(_CBC)}")
    return Parameter(_CBC[cipher], {"iv": iv, "pData": data})


def concatenate_key(handle: int) -> Parameter:
    """CK_OBJECT_HANDLE, a number: the key whose value is put behind the base key's."""
    return Parameter("CK_OBJECT_HANDLE", {"value": handle})


def extract_bits(first: int) -> Parameter:
    """CK_EXTRACT_PARAMS, a number: the bit of the base key at which the new key begins (0: the highest)."""
    return Parameter("CK_EXTRACT_PARAMS", {"value": first})
