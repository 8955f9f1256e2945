"""Parameters of SSL 3.0 and TLS (6.39, 6.40): pre-master and master secret, key material, PRF, MAC.

Lengths named ``bits`` are bits, as in the structures; versions are ``(major, minor)``, TLS 1.2 is (3, 3).
"""

from __future__ import annotations

from workbench import spec
from workbench.cryptoki.parameters.hashes import hash_named
from workbench.cryptoki.parameters.model import Member, OutputBytes, OutputNumber, Parameter

__all__ = [
    "ssl3_key_material",
    "ssl3_master_key",
    "tls12_extended_master_key",
    "tls12_key_material",
    "tls12_master_key",
    "tls_kdf",
    "tls_mac",
    "tls_prf",
    "tls_version",
]


def tls_version(major: int = 3, minor: int = 3) -> Parameter:
    """CK_VERSION, for CKM_SSL3_PRE_MASTER_KEY_GEN and CKM_TLS_PRE_MASTER_KEY_GEN: what the client offered."""
    return Parameter("CK_VERSION", {"major": major, "minor": minor})


def _random(client: bytes, server: bytes) -> Parameter:
    return Parameter("CK_SSL3_RANDOM_DATA", {"pClientRandom": client, "pServerRandom": server})


def _version_out(wanted: bool) -> Parameter | None:
    return Parameter("CK_VERSION", {"major": OutputNumber(), "minor": OutputNumber()}) if wanted else None


def ssl3_master_key(client_random: bytes, server_random: bytes, read_version: bool = True) -> Parameter:
    """CK_SSL3_MASTER_KEY_DERIVE_PARAMS, for SSL 3.0 and TLS 1.0 and 1.1.

    ``read_version``: the version inside an RSA pre-master secret, in ``["pVersion"]["major"].value`` and
    ``["minor"]`` after the call; False for the mechanisms named _DH, which have none.
    """
    return Parameter(
        "CK_SSL3_MASTER_KEY_DERIVE_PARAMS",
        {"RandomInfo": _random(client_random, server_random), "pVersion": _version_out(read_version)},
    )


def tls12_master_key(
    client_random: bytes, server_random: bytes, hash: str = "SHA-256", read_version: bool = True
) -> Parameter:
    """CK_TLS12_MASTER_KEY_DERIVE_PARAMS: as ``ssl3_master_key``, with the hash of the PRF."""
    return Parameter(
        "CK_TLS12_MASTER_KEY_DERIVE_PARAMS",
        {
            "RandomInfo": _random(client_random, server_random),
            "pVersion": _version_out(read_version),
            "prfHashMechanism": spec.value(hash_named(hash).digest),
        },
    )


def tls12_extended_master_key(
    session_hash: bytes, hash: str = "SHA-256", read_version: bool = True
) -> Parameter:
    """CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS: the hash over the handshake in the place of the randoms (RFC 7627)."""
    return Parameter(
        "CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS",
        {
            "prfHashMechanism": spec.value(hash_named(hash).digest),
            "pSessionHash": session_hash,
            "pVersion": _version_out(read_version),
        },
    )


def _key_material(
    client_random: bytes, server_random: bytes, mac_bits: int, key_bits: int, iv_bits: int, export: bool
) -> dict[str, Member]:
    handles = ("hClientMacSecret", "hServerMacSecret", "hClientKey", "hServerKey")
    out: dict[str, Member] = {name: OutputNumber() for name in handles}
    out |= {name: OutputBytes(iv_bits // 8) for name in ("pIVClient", "pIVServer") if iv_bits}
    return {
        "ulMacSizeInBits": mac_bits,
        "ulKeySizeInBits": key_bits,
        "ulIVSizeInBits": iv_bits,
        "bIsExport": int(export),
        "RandomInfo": _random(client_random, server_random),
        "pReturnedKeyMaterial": Parameter("CK_SSL3_KEY_MAT_OUT", out),
    }


def ssl3_key_material(
    client_random: bytes,
    server_random: bytes,
    mac_bits: int,
    key_bits: int,
    iv_bits: int = 0,
    export: bool = False,
) -> Parameter:
    """CK_SSL3_KEY_MAT_PARAMS, for SSL 3.0 and TLS 1.0 and 1.1.

    After the call ``["pReturnedKeyMaterial"]`` has the four handles and the two IVs, each by its ``value``.
    """
    members = _key_material(client_random, server_random, mac_bits, key_bits, iv_bits, export)
    return Parameter("CK_SSL3_KEY_MAT_PARAMS", members)


def tls12_key_material(
    client_random: bytes,
    server_random: bytes,
    mac_bits: int,
    key_bits: int,
    iv_bits: int = 0,
    hash: str = "SHA-256",
) -> Parameter:
    """CK_TLS12_KEY_MAT_PARAMS: as ``ssl3_key_material``, with the hash of the PRF."""
    members = _key_material(client_random, server_random, mac_bits, key_bits, iv_bits, export=False)
    members["prfHashMechanism"] = spec.value(hash_named(hash).digest)
    return Parameter("CK_TLS12_KEY_MAT_PARAMS", members)


def tls_kdf(
    label: bytes,
    client_random: bytes,
    server_random: bytes,
    context: bytes = b"",
    hash: str = "SHA-256",
) -> Parameter:
    """CK_TLS_KDF_PARAMS: keying material for use outside of TLS (RFC 5705)."""
    return Parameter(
        "CK_TLS_KDF_PARAMS",
        {
            "prfMechanism": spec.value(hash_named(hash).digest),
            "pLabel": label,
            "RandomInfo": _random(client_random, server_random),
            "pContextData": context,
        },
    )


def tls_prf(seed: bytes, label: bytes, length: int) -> Parameter:
    """CK_TLS_PRF_PARAMS: ``length`` bytes of the PRF's output, in ``["pOutput"].value`` after the call."""
    return Parameter(
        "CK_TLS_PRF_PARAMS",
        {"pSeed": seed, "pLabel": label, "pOutput": OutputBytes(length), "pulOutputLen": length},
    )


def tls_mac(server: bool, length: int = 12, hash: str = "SHA-256") -> Parameter:
    """CK_TLS_MAC_PARAMS: the MAC of a Finished message, the server's or the client's; ``length`` in bytes."""
    return Parameter(
        "CK_TLS_MAC_PARAMS",
        {
            "prfHashMechanism": spec.value(hash_named(hash).digest),
            "ulMacLength": length,
            "ulServerOrClient": 1 if server else 2,
        },
    )
