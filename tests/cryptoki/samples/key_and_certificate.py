"""Generate an EC pair, and store a certificate for its public key beside it, under the same CKA_ID."""

from __future__ import annotations

import datetime

import PyKCS11
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

P_256 = bytes.fromhex("06082a8648ce3d030107")
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a sample")])


def certificate(point: bytes) -> bytes:
    """A certificate for the point, by an authority that lives as long as this call."""
    authority = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(NAME, NAME, serial_number=1)
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    made = builder.public_key(public).sign(authority, hashes.SHA256())
    return made.public_bytes(Encoding.DER)


def run(library: PyKCS11.PyKCS11Lib, slot: int, pin: str) -> None:
    session = library.openSession(slot, PyKCS11.CKF_RW_SESSION)
    session.login(pin)
    public, _ = session.generateKeyPair(
        [(PyKCS11.CKA_TOKEN, False), (PyKCS11.CKA_EC_PARAMS, P_256), (PyKCS11.CKA_ID, b"\x01")],
        [(PyKCS11.CKA_TOKEN, False), (PyKCS11.CKA_SIGN, True), (PyKCS11.CKA_ID, b"\x01")],
        PyKCS11.MechanismECGENERATEKEYPAIR,
    )
    point = bytes(session.getAttributeValue(public, [PyKCS11.CKA_EC_POINT])[0])
    session.createObject(
        [
            (PyKCS11.CKA_CLASS, PyKCS11.CKO_CERTIFICATE),
            (PyKCS11.CKA_CERTIFICATE_TYPE, PyKCS11.CKC_X_509),
            (PyKCS11.CKA_TOKEN, False),
            (PyKCS11.CKA_SUBJECT, NAME.public_bytes()),
            (PyKCS11.CKA_ISSUER, NAME.public_bytes()),
            (PyKCS11.CKA_SERIAL_NUMBER, b"\x02\x01\x01"),
            (PyKCS11.CKA_ID, b"\x01"),
            (PyKCS11.CKA_VALUE, certificate(point[-65:])),
        ]
    )
    (found,) = session.findObjects([(PyKCS11.CKA_CLASS, PyKCS11.CKO_CERTIFICATE), (PyKCS11.CKA_ID, b"\x01")])
    print("Certificate:", len(session.getAttributeValue(found, [PyKCS11.CKA_VALUE])[0]) > 200)
    session.logout()
    session.closeSession()
