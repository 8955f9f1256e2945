"""Encrypt with RSA-OAEP and decrypt again; then with AES-CBC, the data in parts."""

from __future__ import annotations

import PyKCS11


def run(library: PyKCS11.PyKCS11Lib, slot: int, pin: str) -> None:
    session = library.openSession(slot, PyKCS11.CKF_RW_SESSION)
    session.login(pin)
    public, private = session.generateKeyPair(
        [
            (PyKCS11.CKA_TOKEN, False),
            (PyKCS11.CKA_ENCRYPT, True),
            (PyKCS11.CKA_MODULUS_BITS, 2048),
            (PyKCS11.CKA_PUBLIC_EXPONENT, (1, 0, 1)),
        ],
        [(PyKCS11.CKA_TOKEN, False), (PyKCS11.CKA_DECRYPT, True)],
    )
    oaep = PyKCS11.RSAOAEPMechanism(PyKCS11.CKM_SHA_1, PyKCS11.CKG_MGF1_SHA1)
    encrypted = session.encrypt(public, b"Hello world", oaep)
    print("Decrypted:", bytes(session.decrypt(private, encrypted, oaep)))
    key = session.generateKey(
        [
            (PyKCS11.CKA_CLASS, PyKCS11.CKO_SECRET_KEY),
            (PyKCS11.CKA_KEY_TYPE, PyKCS11.CKK_AES),
            (PyKCS11.CKA_TOKEN, False),
            (PyKCS11.CKA_ENCRYPT, True),
            (PyKCS11.CKA_VALUE_LEN, 32),
        ]
    )
    session.encryptInit(PyKCS11.Mechanism(PyKCS11.CKM_AES_CBC_PAD, bytes(16)), key)
    parts = bytes(session.encryptUpdate(bytes(16))) + bytes(session.encryptFinal())
    print("In parts:", len(parts), "bytes")
    session.logout()
    session.closeSession()
