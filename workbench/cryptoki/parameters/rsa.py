"""Parameters of RSA mechanisms (6.1)."""

from __future__ import annotations

from workbench import spec
from workbench.cryptoki.parameters.hashes import hash_named, number
from workbench.cryptoki.parameters.model import Parameter

__all__ = ["rsa_aes_key_wrap", "rsa_oaep", "rsa_pss"]


def rsa_pss(hash: str = "SHA-256", salt_length: int | None = None, mgf_hash: str | None = None) -> Parameter:
    """CK_RSA_PKCS_PSS_PARAMS: hash and MGF1 over the same hash; ``salt_length`` in bytes, default the hash's.

    ``mgf_hash``: another hash for MGF1, should a peer want one.
    """
    chosen, mgf = hash_named(hash), hash_named(mgf_hash or hash)
    return Parameter(
        "CK_RSA_PKCS_PSS_PARAMS",
        {
            "hashAlg": spec.value(chosen.digest),
            "mgf": number(mgf.mgf, "MGF1"),
            "sLen": chosen.size if salt_length is None else salt_length,
        },
    )


def rsa_oaep(hash: str = "SHA-256", label: bytes = b"", mgf_hash: str | None = None) -> Parameter:
    """CK_RSA_PKCS_OAEP_PARAMS: hash, MGF1 over the same hash (or ``mgf_hash``), and the label."""
    chosen, mgf = hash_named(hash), hash_named(mgf_hash or hash)
    return Parameter(
        "CK_RSA_PKCS_OAEP_PARAMS",
        {
            "hashAlg": spec.value(chosen.digest),
            "mgf": number(mgf.mgf, "MGF1"),
            "source": spec.value("CKZ_DATA_SPECIFIED"),
            "pSourceData": label,
        },
    )


def rsa_aes_key_wrap(aes_bits: int = 256, oaep: Parameter | None = None) -> Parameter:
    """CK_RSA_AES_KEY_WRAP_PARAMS: bits of the AES key made for the occasion, and the OAEP that carries it."""
    return Parameter(
        "CK_RSA_AES_KEY_WRAP_PARAMS", {"ulAESKeyBits": aes_bits, "pOAEPParams": oaep or rsa_oaep()}
    )
