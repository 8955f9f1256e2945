"""Keys on a token as objects: handles, signing with a chosen hash, and the public key for pyca/cryptography."""

from __future__ import annotations

import hashlib

import attrs

from workbench import spec
from workbench.cryptoki import C, Mechanism, SessionHandle, mechanism, note, rsa_pss
from workbench.faults import WorkbenchError
from workbench.keys.encodings import rs_to_der
from workbench.keys.public import PublicKey, read_public_key

__all__ = ["KeyPair", "ObjectHandle", "SecretKey"]

ED25519_LENGTH = 64
# The DER that PKCS#1 v1.5 puts before a digest, for tokens that sign only what is given to them.
DIGEST_INFO = {
    "SHA-256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "SHA-384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "SHA-512": bytes.fromhex("3051300d060960864801650304020305000440"),
}


@attrs.frozen
class ObjectHandle:
    """The handle of an object, for use in the session's application."""

    handle: int


@attrs.frozen
class SecretKey:
    """A secret key on the token."""

    session: SessionHandle
    kind: str
    handle: int

    def destroy(self) -> None:
        """C_DestroyObject (5.7.3)."""
        C.DestroyObject(self.session, self.handle)


@attrs.frozen
class KeyPair:
    """A key pair on the token; ``public_handle`` and ``private_handle`` serve in every ``C`` function."""

    session: SessionHandle
    kind: str
    public_handle: int
    private_handle: int

    @property
    def public(self) -> ObjectHandle:
        """The public key object."""
        return ObjectHandle(self.public_handle)

    @property
    def private(self) -> ObjectHandle:
        """The private key object."""
        return ObjectHandle(self.private_handle)

    @property
    def public_key(self) -> PublicKey:
        """The public key as pyca/cryptography has it, read from the token's attributes."""
        return read_public_key(self.session, self.public_handle)

    def sign(self, data: bytes, hash: str = "SHA-256", padding: str = "PKCS1") -> bytes:
        """Sign a message (5.13); the signature in the form that X.509 uses (ECDSA: DER).

        ``hash``: SHA-256, SHA-384 or SHA-512, done by the token where it has the mechanism, else here (a
        trace says which); Ed25519 takes none. ``padding`` for RSA: ``PKCS1`` or ``PSS`` (salt as long as
        the hash).
        """
        chosen, message, hashed_here = self._plan(data, hash, padding)
        if hashed_here:
            note(f"{hash} computed by this program: {len(data)} bytes in")
        C.SignInit(self.session, chosen, self.private_handle)
        # NSS 3.13x takes room for exactly the 64 bytes of an Ed25519 signature, and names 144 when asked
        signature = C.Sign(self.session, message, ED25519_LENGTH if self.kind == "Ed25519" else None)
        return rs_to_der(signature) if self.kind == "EC" else signature

    def _plan(self, data: bytes, hash: str, padding: str) -> tuple[Mechanism, bytes, bool]:
        if self.kind == "Ed25519":
            return mechanism("CKM_EDDSA"), data, False
        if hash not in DIGEST_INFO or padding not in ("PKCS1", "PSS"):
            raise WorkbenchError(
                f"hash is one of {', '.join(DIGEST_INFO)}, padding PKCS1 or PSS; not {hash!r}, {padding!r}"
            )
        sha = hash.replace("-", "")
        parameter = rsa_pss(hash) if self.kind == "RSA" and padding == "PSS" else None
        scheme = "ECDSA" if self.kind == "EC" else "RSA_PKCS_PSS" if parameter else "RSA_PKCS"
        combined = f"CKM_ECDSA_{sha}" if self.kind == "EC" else f"CKM_{sha}_{scheme}"
        if spec.value(combined) in self._mechanisms():
            return mechanism(combined, parameter), data, False
        digest = hashlib.new(sha.lower(), data).digest()
        prefix = DIGEST_INFO[hash] if scheme == "RSA_PKCS" else b""
        return mechanism(f"CKM_{scheme}", parameter), prefix + digest, True

    def _mechanisms(self) -> frozenset[int]:
        return self.session.module.mechanisms(self.session.slot)

    def destroy(self) -> None:
        """C_DestroyObject (5.7.3) for both halves."""
        C.DestroyObject(self.session, self.private_handle)
        C.DestroyObject(self.session, self.public_handle)
