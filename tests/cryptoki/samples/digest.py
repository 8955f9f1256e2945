"""Hash a message whole and in parts, and take some random bytes."""

from __future__ import annotations

import PyKCS11


def run(library: PyKCS11.PyKCS11Lib, slot: int, pin: str) -> None:
    session = library.openSession(slot)
    sha256 = PyKCS11.Mechanism(PyKCS11.CKM_SHA256)
    print("Whole:", bytes(session.digest(b"abc", sha256)).hex())
    parts = session.digestSession(sha256)
    parts.update(b"a")
    parts.update(b"bc")
    print("In parts:", bytes(parts.final()).hex())
    print("Random:", len(session.generateRandom(16)), "bytes")
    session.closeSession()
