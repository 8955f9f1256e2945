"""Hash functions by their common names, and the numbers that stand for them in parameters."""

from __future__ import annotations

import attrs

from workbench import spec
from workbench.faults import WorkbenchError

__all__ = ["Hash", "hash_named", "number"]


@attrs.frozen
class Hash:
    """A hash function: its digest in bytes, and its digest, HMAC, MGF1 and PBKDF2 constants (None: there is none)."""

    size: int
    digest: str
    hmac: str
    mgf: str | None = None
    pbkdf2: str | None = None


HASHES = {
    "SHA-1": Hash(20, "CKM_SHA_1", "CKM_SHA_1_HMAC", "CKG_MGF1_SHA1", "CKP_PKCS5_PBKD2_HMAC_SHA1"),
    "SHA-224": Hash(28, "CKM_SHA224", "CKM_SHA224_HMAC", "CKG_MGF1_SHA224", "CKP_PKCS5_PBKD2_HMAC_SHA224"),
    "SHA-256": Hash(32, "CKM_SHA256", "CKM_SHA256_HMAC", "CKG_MGF1_SHA256", "CKP_PKCS5_PBKD2_HMAC_SHA256"),
    "SHA-384": Hash(48, "CKM_SHA384", "CKM_SHA384_HMAC", "CKG_MGF1_SHA384", "CKP_PKCS5_PBKD2_HMAC_SHA384"),
    "SHA-512": Hash(64, "CKM_SHA512", "CKM_SHA512_HMAC", "CKG_MGF1_SHA512", "CKP_PKCS5_PBKD2_HMAC_SHA512"),
    "SHA-512/224": Hash(
        28, "CKM_SHA512_224", "CKM_SHA512_224_HMAC", pbkdf2="CKP_PKCS5_PBKD2_HMAC_SHA512_224"
    ),
    "SHA-512/256": Hash(
        32, "CKM_SHA512_256", "CKM_SHA512_256_HMAC", pbkdf2="CKP_PKCS5_PBKD2_HMAC_SHA512_256"
    ),
    "SHA3-224": Hash(28, "CKM_SHA3_224", "CKM_SHA3_224_HMAC", "CKG_MGF1_SHA3_224"),
    "SHA3-256": Hash(32, "CKM_SHA3_256", "CKM_SHA3_256_HMAC", "CKG_MGF1_SHA3_256"),
    "SHA3-384": Hash(48, "CKM_SHA3_384", "CKM_SHA3_384_HMAC", "CKG_MGF1_SHA3_384"),
    "SHA3-512": Hash(64, "CKM_SHA3_512", "CKM_SHA3_512_HMAC", "CKG_MGF1_SHA3_512"),
}


def hash_named(name: str) -> Hash:
    """The hash of that name. Errors: ``WorkbenchError`` that lists the names."""
    try:
        return HASHES[name]
    except KeyError:
        raise WorkbenchError(f"no hash {name!r} here; one of {', '.join(HASHES)}") from None


def number(constant: str | int | None, wanted: str) -> int:
    """The number of a constant given by name or number. ``wanted``: what it is, for the error.

    Errors: ``WorkbenchError`` where the standard has no such constant (or None: no such use of a hash).
    """
    if isinstance(constant, int):
        return constant
    try:
        return spec.value(constant or "")
    except KeyError:
        raise WorkbenchError(f"the standard has no {wanted} {constant or 'for this hash'}") from None
