"""What the tests of parameters share: keys of known value, and reading the value of a derived one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from hypothesis import HealthCheck, settings

from workbench.cryptoki import C, Mechanism
from workbench.tokens import Session, Token

few = settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
HASHES = {"SHA-256": hashes.SHA256(), "SHA-384": hashes.SHA384(), "SHA-512": hashes.SHA512()}


RECORDED = json.loads(Path(__file__).with_name("every_function.json").read_text())


def needs(token: Token, *names: str) -> None:
    """Skip the test where the token lacks one of these mechanisms, functions and ways.

    A function that the module has and does not do is known from the recorded answers.
    """
    for name in names:
        if not token.offers(name):
            pytest.skip(f"{token.name} does not offer {name}")
        answer = RECORDED.get(token.name, {"functions": {}})["functions"].get(name, "works")
        if answer != "works":
            pytest.skip(f"{token.name} answers {answer} to {name}")


def secret(session: Session, value: bytes, key_type: str = "CKK_AES", **more: bool) -> int:
    return C.CreateObject(
        session,
        {
            "CKA_CLASS": "CKO_SECRET_KEY",
            "CKA_KEY_TYPE": key_type,
            "CKA_VALUE": value,
            "CKA_SENSITIVE": False,
            "CKA_EXTRACTABLE": True,
            **more,
        },
    )


def cipher_key(session: Session, value: bytes, key_type: str = "CKK_AES") -> int:
    return secret(session, value, key_type, CKA_ENCRYPT=True, CKA_DECRYPT=True)


def readable(length: int, key_type: str = "CKK_GENERIC_SECRET") -> dict[str, Any]:
    return {
        "CKA_CLASS": "CKO_SECRET_KEY",
        "CKA_KEY_TYPE": key_type,
        "CKA_VALUE_LEN": length,
        "CKA_SENSITIVE": False,
        "CKA_EXTRACTABLE": True,
    }


def value_of(session: Session, handle: int) -> bytes:
    value = C.GetAttributeValue(session, handle, ["CKA_VALUE"])["CKA_VALUE"]
    C.DestroyObject(session, handle)
    assert isinstance(value, bytes)
    return value


def encrypt(session: Session, chosen: Mechanism, key: int, data: bytes) -> bytes:
    C.EncryptInit(session, chosen, key)
    made = C.Encrypt(session, data)
    C.DecryptInit(session, chosen, key)
    assert C.Decrypt(session, made) == data
    return made
