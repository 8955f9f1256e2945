"""Generate an RSA pair, sign with it, verify."""

from __future__ import annotations

import PyKCS11


def run(library: PyKCS11.PyKCS11Lib, slot: int, pin: str) -> None:
    session = library.openSession(slot, PyKCS11.CKF_RW_SESSION)
    session.login(pin)
    public, private = session.generateKeyPair(
        [
            (PyKCS11.CKA_TOKEN, False),
            (PyKCS11.CKA_VERIFY, True),
            (PyKCS11.CKA_MODULUS_BITS, 2048),
            (PyKCS11.CKA_PUBLIC_EXPONENT, (1, 0, 1)),
        ],
        [(PyKCS11.CKA_TOKEN, False), (PyKCS11.CKA_SIGN, True)],
    )
    mechanism = PyKCS11.Mechanism(PyKCS11.CKM_SHA256_RSA_PKCS)
    signature = session.sign(private, b"Hello world", mechanism)
    print("Signature:", len(signature), "bytes")
    print("Verified:", session.verify(public, b"Hello world", signature, mechanism))
    session.logout()
    session.closeSession()
