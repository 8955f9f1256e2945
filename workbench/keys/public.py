"""The public key of a token's key pair, for verification outside of the token."""

from __future__ import annotations

import attrs
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from workbench import spec
from workbench.cryptoki import C, SessionLike
from workbench.faults import WorkbenchError
from workbench.keys.encodings import CURVES, curve_of, point_from_token

__all__ = ["PublicKey", "read_public_key"]

HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "SHA-256": hashes.SHA256,
    "SHA-384": hashes.SHA384,
    "SHA-512": hashes.SHA512,
}
PycaKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


@attrs.frozen
class PublicKey:
    """A public key; ``pyca`` is the pyca/cryptography object."""

    pyca: PycaKey

    def verify(
        self, signature: bytes, data: bytes, hash: str = "SHA-256", padding_name: str = "PKCS1"
    ) -> bool:
        """Whether the signature (ECDSA: DER) is right, by pyca/cryptography. ``padding_name``: PKCS1 or PSS."""
        chosen = HASHES[hash]()
        try:
            if isinstance(self.pyca, rsa.RSAPublicKey):
                self.pyca.verify(signature, data, _padding(padding_name, chosen), chosen)
            elif isinstance(self.pyca, ec.EllipticCurvePublicKey):
                self.pyca.verify(signature, data, ec.ECDSA(chosen))
            else:
                self.pyca.verify(signature, data)
        except InvalidSignature:
            return False
        return True

    def pem(self) -> str:
        """SubjectPublicKeyInfo in PEM, for OpenSSL and others."""
        encoded = self.pyca.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return encoded.decode()


def _padding(name: str, hash: hashes.HashAlgorithm) -> padding.AsymmetricPadding:
    if name == "PKCS1":
        return padding.PKCS1v15()
    return padding.PSS(padding.MGF1(hash), salt_length=hash.digest_size)


def read_public_key(session: SessionLike, handle: int) -> PublicKey:
    """Read a public key object's attributes (5.7.5) and build the key.

    Errors: ``WorkbenchError`` for a key type or curve that is not RSA, P-256, P-384, P-521 or Ed25519.
    """
    kind = C.GetAttributeValue(session, handle, ["CKA_KEY_TYPE"])["CKA_KEY_TYPE"]
    if kind == spec.value("CKK_RSA"):
        numbers = C.GetAttributeValue(session, handle, ["CKA_MODULUS", "CKA_PUBLIC_EXPONENT"])
        n, e = (int.from_bytes(_raw(v), "big") for v in numbers.values())
        return PublicKey(rsa.RSAPublicNumbers(e, n).public_key())
    if kind not in (spec.value("CKK_EC"), spec.value("CKK_EC_EDWARDS")):
        raise WorkbenchError(
            f"no public key of type {spec.name('CKK', kind if isinstance(kind, int) else 0)} here yet"
        )
    values = C.GetAttributeValue(session, handle, ["CKA_EC_PARAMS", "CKA_EC_POINT"])
    params, point = (_raw(v) for v in values.values())
    curve = curve_of(params)
    if curve.pyca is None:
        raw = point_from_token(point, curve.size, edwards=True)
        return PublicKey(ed25519.Ed25519PublicKey.from_public_bytes(raw))
    raw = point_from_token(point, CURVES[curve.name].size)
    return PublicKey(ec.EllipticCurvePublicKey.from_encoded_point(curve.pyca(), raw))


def _raw(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise WorkbenchError("the token gave no value for an attribute that every public key has")
    return value
