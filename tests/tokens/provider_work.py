"""What each sandbox token is put through, in a worker: keys and random numbers, judged by pyca/cryptography."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from workbench.cryptoki import C, errors
from workbench.tokens import Session, Token

MESSAGE = b"sixteen bytes..."


def work(token: Token) -> list[str]:
    """Do what the token can; the names of what was done and verified."""
    with token.session() as session:
        done = ["random"] if session.random(32) != session.random(32) else []
        done += [kind for kind in ("RSA", "EC") if _signs(session, kind)]
        done += ["AES"] if _encrypts(session) else []
        assert session.find() == [], "an object was left behind"
    return done


_held: list[Session] = []


def hold(token: Token) -> None:
    """Log in, and keep the session."""
    _held.append(token.session())


def _signs(session: Session, kind: str) -> bool:
    key = session.generate(kind)
    key.public_key.verify(key.sign(MESSAGE), MESSAGE)  # by pyca/cryptography; raises unless it is right
    key.destroy()
    return True


def _encrypts(session: Session) -> bool:
    """A known key under AES-ECB, which every module that has AES offers, against pyca's."""
    value = bytes(range(32))
    try:
        key = C.CreateObject(
            session,
            {
                "CKA_CLASS": "CKO_SECRET_KEY",
                "CKA_KEY_TYPE": "CKK_AES",
                "CKA_VALUE": value,
                "CKA_ENCRYPT": True,
            },
        )
    except errors.CryptokiError:
        return False
    C.EncryptInit(session, "CKM_AES_ECB", key)
    encrypted = C.Encrypt(session, MESSAGE)
    C.DestroyObject(session, key)
    pyca = Cipher(algorithms.AES(value), modes.ECB()).encryptor()
    return encrypted == pyca.update(MESSAGE) + pyca.finalize()
