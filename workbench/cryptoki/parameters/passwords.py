"""Parameters that carry a password (6.37, 6.38). It is wrapped at once and shown nowhere."""

from __future__ import annotations

from workbench import spec
from workbench.cryptoki.parameters.hashes import hash_named, number
from workbench.cryptoki.parameters.model import OutputBytes, Parameter
from workbench.cryptoki.secret import Secret

__all__ = ["pbe", "pbkdf2"]

IV_BYTES = 8


def _secret(password: Secret | str | bytes) -> Secret:
    return password if isinstance(password, Secret) else Secret(password)


def pbkdf2(
    password: Secret | str | bytes,
    salt: bytes,
    iterations: int,
    hash: str = "SHA-256",
    *,
    length_by_pointer: bool = False,
) -> Parameter:
    """CK_PKCS5_PBKD2_PARAMS2: PBKDF2 with HMAC over ``hash``; the key's length stands in the template.

    ``length_by_pointer``: the older CK_PKCS5_PBKD2_PARAMS, in which the password's length is pointed at. NSS
    softoken (3.87) wants this one. Both have the same size, so that a module cannot tell them apart: it reads the
    wrong one as it stands, and crashes.
    """
    return Parameter(
        "CK_PKCS5_PBKD2_PARAMS" if length_by_pointer else "CK_PKCS5_PBKD2_PARAMS2",
        {
            "saltSource": spec.value("CKZ_SALT_SPECIFIED"),
            "pSaltSourceData": salt,
            "iterations": iterations,
            "prf": number(hash_named(hash).pbkdf2, "PBKDF2"),
            "pPassword": _secret(password),
        },
    )


def pbe(password: Secret | str | bytes, salt: bytes, iterations: int) -> Parameter:
    """CK_PBE_PARAMS: the IV that the token makes of the password stands in ``["pInitVector"].value`` after the call."""
    return Parameter(
        "CK_PBE_PARAMS",
        {
            "pInitVector": OutputBytes(IV_BYTES),
            "pPassword": _secret(password),
            "pSalt": salt,
            "ulIteration": iterations,
        },
    )
