"""Mechanisms and readable constructors for their parameters (6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Union

import attrs

from workbench import spec
from workbench.faults import WorkbenchError

__all__ = ["Mechanism", "Member", "Parameter", "eddsa", "gcm", "mechanism", "rsa_oaep", "rsa_pss"]

HASHES = {
    "SHA-1": ("CKM_SHA_1", "CKG_MGF1_SHA1", 20),
    "SHA-224": ("CKM_SHA224", "CKG_MGF1_SHA224", 28),
    "SHA-256": ("CKM_SHA256", "CKG_MGF1_SHA256", 32),
    "SHA-384": ("CKM_SHA384", "CKG_MGF1_SHA384", 48),
    "SHA-512": ("CKM_SHA512", "CKG_MGF1_SHA512", 64),
}


Member = Union[int, bytes, "Parameter", "Mechanism", tuple["Parameter", ...]]


@attrs.frozen
class Parameter:
    """A mechanism parameter: the name of its C structure and the values of its members.

    A member that points at bytes takes bytes, at a structure a ``Parameter``, at an array of them a tuple, at
    a mechanism a ``Mechanism``; the member that gives its length is filled in unless it is given.
    """

    struct: str
    members: Mapping[str, Member]


@attrs.frozen
class Mechanism:
    """A CK_MECHANISM: number and parameter (a structure, raw bytes, or None)."""

    type: int
    parameter: Parameter | bytes | None = None

    @property
    def name(self) -> str:
        """The standard's name of the mechanism."""
        return spec.name("CKM", self.type)

    def __str__(self) -> str:
        return (
            self.name if self.parameter is None else f"{self.name} with {describe_parameter(self.parameter)}"
        )


def describe_parameter(parameter: Parameter | bytes) -> str:
    """A parameter in words, without the bytes it may carry (they can be secrets or IVs)."""
    if isinstance(parameter, bytes):
        return f"{len(parameter)} bytes"
    return parameter.struct


def mechanism(type: str | int | Mechanism, parameter: Parameter | bytes | None = None) -> Mechanism:
    """A mechanism by name or number, with its parameter if it takes one."""
    if isinstance(type, Mechanism):
        return type
    if isinstance(type, str):
        try:
            type = spec.value(type)
        except KeyError:
            raise WorkbenchError(
                f"the standard has no mechanism {type!r}; give a CKM_ name or a number"
            ) from None
    return Mechanism(type, parameter)


def _hash(name: str) -> tuple[str, str, int]:
    try:
        return HASHES[name]
    except KeyError:
        raise WorkbenchError(f"no hash {name!r} here; one of {', '.join(HASHES)}") from None


def rsa_pss(hash: str = "SHA-256", salt_length: int | None = None) -> Parameter:
    """CK_RSA_PKCS_PSS_PARAMS: hash and MGF1 over the same hash; ``salt_length`` in bytes, default the hash's."""
    hash_mechanism, mgf, length = _hash(hash)
    return Parameter(
        "CK_RSA_PKCS_PSS_PARAMS",
        {
            "hashAlg": spec.value(hash_mechanism),
            "mgf": spec.value(mgf),
            "sLen": length if salt_length is None else salt_length,
        },
    )


def rsa_oaep(hash: str = "SHA-256", label: bytes = b"") -> Parameter:
    """CK_RSA_PKCS_OAEP_PARAMS: hash, MGF1 over the same hash, and the label."""
    hash_mechanism, mgf, _ = _hash(hash)
    return Parameter(
        "CK_RSA_PKCS_OAEP_PARAMS",
        {
            "hashAlg": spec.value(hash_mechanism),
            "mgf": spec.value(mgf),
            "source": spec.value("CKZ_DATA_SPECIFIED"),
            "pSourceData": label,
        },
    )


def gcm(iv: bytes, aad: bytes = b"", tag_bits: int = 128) -> Parameter:
    """CK_GCM_PARAMS; ``ulIvBits`` is set too, because some modules refuse 0 and none refuses the true value."""
    return Parameter(
        "CK_GCM_PARAMS", {"pIv": iv, "ulIvBits": 8 * len(iv), "pAAD": aad, "ulTagBits": tag_bits}
    )


def eddsa(prehash: bool = False, context: bytes = b"") -> Parameter:
    """CK_EDDSA_PARAMS, for Ed25519ctx, Ed25519ph and Ed448 (plain Ed25519 takes no parameter)."""
    return Parameter("CK_EDDSA_PARAMS", {"phFlag": int(prehash), "pContextData": context})
