"""The three encodings that everybody trips over: EC points, ECDSA signatures, DigestInfo.

pyca/cryptography does the ASN.1; what stands here is the difference between its world and a token's.
"""

from __future__ import annotations

import attrs
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from workbench.faults import WorkbenchError

__all__ = ["CURVES", "Curve", "curve_of", "der_to_rs", "point_from_token", "rs_to_der"]


@attrs.frozen
class Curve:
    """A named curve: DER of its OID (CKA_EC_PARAMS), size of a coordinate in bytes, pyca's class if ECDSA."""

    name: str
    params: bytes
    size: int
    pyca: type[ec.EllipticCurve] | None = None


# Ed25519's OID is the one that every module with Edwards keys takes; some also take the printable name.
CURVES = {
    curve.name: curve
    for curve in (
        Curve("P-256", bytes.fromhex("06082a8648ce3d030107"), 32, ec.SECP256R1),
        Curve("P-384", bytes.fromhex("06052b81040022"), 48, ec.SECP384R1),
        Curve("P-521", bytes.fromhex("06052b81040023"), 66, ec.SECP521R1),
        Curve("Ed25519", bytes.fromhex("06032b6570"), 32),
    )
}


def curve_of(params: bytes) -> Curve:
    """The curve of a key's CKA_EC_PARAMS. Errors: ``WorkbenchError`` for one that is not in ``CURVES``."""
    for curve in CURVES.values():
        if params == curve.params or (curve.name == "Ed25519" and params.endswith(b"edwards25519")):
            return curve
    raise WorkbenchError(f"no curve here has CKA_EC_PARAMS {params.hex()}; known: {', '.join(CURVES)}")


def point_from_token(point: bytes, size: int, edwards: bool = False) -> bytes:
    """The raw point of a CKA_EC_POINT: a DER OCTET STRING as the standard says, or raw as some modules answer.

    ``size``: bytes of a coordinate. The raw form of a Weierstrass point is ``04 ‖ x ‖ y``, an Edwards
    point is its ``size`` bytes. Both forms differ in length, so there is nothing to guess.
    """
    raw_length = size if edwards else 1 + 2 * size
    if len(point) == raw_length:
        return point
    if point[:1] == b"\x04" and len(point) - raw_length in (2, 3):  # tag, and a length of one byte or two
        return point[-raw_length:]
    raise WorkbenchError(f"CKA_EC_POINT of {len(point)} bytes is neither the raw point nor its OCTET STRING")


def rs_to_der(signature: bytes) -> bytes:
    """An ECDSA signature as X.509 and TLS want it, from the token's r‖s (halves of equal length)."""
    if not signature or len(signature) % 2:
        raise WorkbenchError(f"an r‖s signature has two equal halves; this one has {len(signature)} bytes")
    half = len(signature) // 2
    return encode_dss_signature(
        int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    )


def der_to_rs(signature: bytes, size: int) -> bytes:
    """The token's r‖s from a DER signature; ``size``: bytes of each half (the curve's coordinate size)."""
    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    except (ValueError, OverflowError):
        raise WorkbenchError("this is not a DER ECDSA signature for a curve of that size") from None
