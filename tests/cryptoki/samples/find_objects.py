"""Log in, put an object on the token, find it by its label, read it, change it, and take it away again."""

from __future__ import annotations

import PyKCS11


def run(library: PyKCS11.PyKCS11Lib, slot: int, pin: str) -> None:
    session = library.openSession(slot, PyKCS11.CKF_RW_SESSION)
    session.login(pin)
    session.createObject(
        [
            (PyKCS11.CKA_CLASS, PyKCS11.CKO_DATA),
            (PyKCS11.CKA_TOKEN, False),
            (PyKCS11.CKA_LABEL, "a sample"),
            (PyKCS11.CKA_VALUE, (1, 2, 3)),
        ]
    )
    (found,) = session.findObjects([(PyKCS11.CKA_LABEL, "a sample")])
    print("Value:", bytes(session.getAttributeValue(found, [PyKCS11.CKA_VALUE])[0]).hex())
    session.setAttributeValue(found, [(PyKCS11.CKA_LABEL, "another sample")])
    session.destroyObject(found)
    session.logout()
    session.closeSession()
