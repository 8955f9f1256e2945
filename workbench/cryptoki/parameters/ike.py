"""Parameters of the key derivations of IKE (6.64)."""

from __future__ import annotations

from workbench.cryptoki.parameters.hashes import number
from workbench.cryptoki.parameters.model import Parameter

__all__ = ["ike1_extended", "ike1_prf", "ike2_prf_plus", "ike_prf"]

PRF = "CKM_SHA256_HMAC"


def ike_prf(
    ni: bytes, nr: bytes, *, data_as_key: bool = True, new_key: int = 0, prf: str | int = PRF
) -> Parameter:
    """CK_IKE_PRF_DERIVE_PARAMS: the nonces; ``data_as_key``: they are the PRF's key (IKEv2's first SKEYSEED).

    ``new_key``: the handle of the new shared secret, for rekeying.
    """
    return Parameter(
        "CK_IKE_PRF_DERIVE_PARAMS",
        {
            "prfMechanism": number(prf, "PRF"),
            "bDataAsKey": int(data_as_key),
            "bRekey": int(bool(new_key)),
            "pNi": ni,
            "pNr": nr,
            "hNewKey": new_key,
        },
    )


def ike2_prf_plus(seed: bytes, seed_key: int = 0, prf: str | int = PRF) -> Parameter:
    """CK_IKE2_PRF_PLUS_DERIVE_PARAMS: the seed as bytes, after the value of ``seed_key`` (a handle) if one is given."""
    return Parameter(
        "CK_IKE2_PRF_PLUS_DERIVE_PARAMS",
        {
            "prfMechanism": number(prf, "PRF"),
            "bHasSeedKey": int(bool(seed_key)),
            "hSeedKey": seed_key,
            "pSeedData": seed,
        },
    )


def ike1_prf(
    shared_key: int,
    initiator_cookie: bytes,
    responder_cookie: bytes,
    key_number: int = 0,
    previous_key: int = 0,
    prf: str | int = PRF,
) -> Parameter:
    """CK_IKE1_PRF_DERIVE_PARAMS: the handle of g^xy, the two cookies, and the key before this one."""
    return Parameter(
        "CK_IKE1_PRF_DERIVE_PARAMS",
        {
            "prfMechanism": number(prf, "PRF"),
            "bHasPrevKey": int(bool(previous_key)),
            "hKeygxy": shared_key,
            "hPrevKey": previous_key,
            "pCKYi": initiator_cookie,
            "pCKYr": responder_cookie,
            "keyNumber": key_number,
        },
    )


def ike1_extended(extra_data: bytes = b"", shared_key: int = 0, prf: str | int = PRF) -> Parameter:
    """CK_IKE1_EXTENDED_DERIVE_PARAMS: extra data, and the handle of g^xy if it takes part."""
    return Parameter(
        "CK_IKE1_EXTENDED_DERIVE_PARAMS",
        {
            "prfMechanism": number(prf, "PRF"),
            "bHasKeygxy": int(bool(shared_key)),
            "hKeygxy": shared_key,
            "pExtraData": extra_data,
        },
    )
