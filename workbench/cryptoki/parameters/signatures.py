"""Parameters of signatures other than RSA's: Edwards curves (6.3), ML-DSA (6.67) and SLH-DSA (6.69)."""

from __future__ import annotations

from workbench import spec
from workbench.cryptoki.parameters.hashes import hash_named, number
from workbench.cryptoki.parameters.model import Parameter

__all__ = ["eddsa", "hash_sign_context", "sign_context", "xeddsa"]

HEDGE = "CKH_HEDGE_PREFERRED"


def eddsa(prehash: bool = False, context: bytes = b"") -> Parameter:
    """CK_EDDSA_PARAMS, for Ed25519ctx, Ed25519ph and Ed448 (plain Ed25519 takes no parameter)."""
    return Parameter("CK_EDDSA_PARAMS", {"phFlag": int(prehash), "pContextData": context})


def xeddsa(hash: str = "SHA-512") -> Parameter:
    """CK_XEDDSA_PARAMS: the hash that XEdDSA signs with."""
    return Parameter("CK_XEDDSA_PARAMS", {"hash": spec.value(hash_named(hash).digest)})


def sign_context(context: bytes = b"", hedge: str | int = HEDGE) -> Parameter:
    """CK_SIGN_ADDITIONAL_CONTEXT of ML-DSA and SLH-DSA: up to 255 bytes of context.

    ``hedge``: CKH_HEDGE_PREFERRED, CKH_HEDGE_REQUIRED or CKH_DETERMINISTIC_REQUIRED.
    """
    return Parameter(
        "CK_SIGN_ADDITIONAL_CONTEXT", {"hedgeVariant": number(hedge, "hedge variant"), "pContext": context}
    )


def hash_sign_context(hash: str = "SHA-256", context: bytes = b"", hedge: str | int = HEDGE) -> Parameter:
    """CK_HASH_SIGN_ADDITIONAL_CONTEXT, for CKM_HASH_ML_DSA and CKM_HASH_SLH_DSA: which hash was used before."""
    return Parameter(
        "CK_HASH_SIGN_ADDITIONAL_CONTEXT",
        {
            "hedgeVariant": number(hedge, "hedge variant"),
            "pContext": context,
            "hash": spec.value(hash_named(hash).digest),
        },
    )
