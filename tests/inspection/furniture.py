"""Token objects with known faults, put on a sandbox for as long as a test looks at them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from workbench.cryptoki import C, mechanism
from workbench.keys import CURVES
from workbench.tokens import Session, Token

# ESC and CSI move a terminal's cursor, rich reads [red] as markup, a browser <script>, U+202E turns text round.
HOSTILE = "\x1b[2J\x9b31m[red]\0<script>alert(1)</script>&\u202egnp.exe"
SUBJECT = "CN=\x1b]0;owned\x07<img src=x>"
PRIVATE = {"CKA_TOKEN": True, "CKA_PRIVATE": True, "CKA_SENSITIVE": True, "CKA_EXTRACTABLE": False}


@contextmanager
def furnished(token: Token) -> Iterator[dict[str, int]]:
    """A tidy key pair, and objects that each break a rule, by label; all destroyed at the end."""
    with token.session() as session:
        made: dict[str, int] = {}
        try:
            _furnish(session, made)
            yield made
        finally:
            for handle in made.values():
                C.DestroyObject(session, handle)


def _furnish(session: Session, made: dict[str, int]) -> None:
    _pair(session, made, "tidy", b"\x01", "CKM_EC_KEY_PAIR_GEN", {"CKA_EC_PARAMS": CURVES["P-256"].params})
    exponent = 65537 if session.token.name == "nss" else 3  # NSS refuses smaller ones
    weak = {"CKA_MODULUS_BITS": 1024, "CKA_PUBLIC_EXPONENT": exponent, "CKA_ENCRYPT": True}
    _pair(session, made, "weak", b"\x02", "CKM_RSA_PKCS_KEY_PAIR_GEN", weak, {"CKA_DECRYPT": True})
    open_key = {
        "CKA_TOKEN": True,
        "CKA_LABEL": "open",
        "CKA_ID": b"\x03",
        "CKA_VALUE_LEN": 32,
        "CKA_PRIVATE": False,
        "CKA_SENSITIVE": False,
        "CKA_EXTRACTABLE": True,
        "CKA_WRAP": True,
        "CKA_UNWRAP": True,
        "CKA_ENCRYPT": True,
        "CKA_DECRYPT": True,
    }
    made["open"] = C.GenerateKey(session, mechanism("CKM_AES_KEY_GEN"), open_key)
    old = {**PRIVATE, "CKA_LABEL": HOSTILE, "CKA_ID": b"\x04"}
    made["hostile"] = C.GenerateKey(session, mechanism("CKM_DES3_KEY_GEN"), old)
    der = expired_certificate()
    made["expired"] = C.CreateObject(
        session,
        {
            "CKA_CLASS": "CKO_CERTIFICATE",
            "CKA_CERTIFICATE_TYPE": "CKC_X_509",
            "CKA_TOKEN": True,
            "CKA_PRIVATE": False,
            "CKA_LABEL": "expired",
            "CKA_ID": b"\x01",
            "CKA_SUBJECT": x509.load_der_x509_certificate(der).subject.public_bytes(),
            "CKA_ISSUER": x509.load_der_x509_certificate(der).issuer.public_bytes(),
            "CKA_SERIAL_NUMBER": b"\x02\x01\x01",
            "CKA_VALUE": der,
        },
    )


def _pair(
    session: Session,
    made: dict[str, int],
    label: str,
    identifier: bytes,
    name: str,
    public: dict[str, object],
    private: dict[str, object] | None = None,
) -> None:
    common = {"CKA_TOKEN": True, "CKA_LABEL": label, "CKA_ID": identifier}
    made[f"{label} public"], made[f"{label} private"] = C.GenerateKeyPair(
        session,
        mechanism(name),
        {**common, "CKA_PRIVATE": False, "CKA_VERIFY": True, **public},
        {**common, **PRIVATE, "CKA_SIGN": True, **(private or {})},
    )


def expired_certificate() -> bytes:
    """DER of a certificate that ended in 2021, for a key that is on no token."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SUBJECT.removeprefix("CN="))])
    begin = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin.replace(year=2021))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)


def sessions_open(token: Token) -> int | None:
    """For a worker: here, because a worker imports the module of what it runs, and this one imports little."""
    return token.info.ulSessionCount
