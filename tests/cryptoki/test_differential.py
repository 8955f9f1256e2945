"""PyKCS11 and the native view give the same return codes and bytes, save for the faults of PyKCS11 (``PINNED``).

Generated calls, lockstep: each step goes through PyKCS11 in one session and natively in another.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from differential import PINNED, REACHED, Side, both
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench import spec
from workbench.cryptoki import C, Mechanism, Parameter, gcm, mechanism, rsa_oaep, rsa_pss
from workbench.keys import CURVES
from workbench.tokens import Token

Step = tuple[Any, ...]
# The same calls in every run: some modules do not survive all that could be drawn, and a crash ends pytest.
quick = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

KEYS = ("rsa_public", "rsa_private", "ec_public", "ec_private", "aes", "wrapping", "secret")
BAD_HANDLES = (0, 987_654)
key = st.sampled_from(KEYS) | st.sampled_from(BAD_HANDLES)
made = st.tuples(st.just("made"), st.integers(0, 3))
some_object = key | made
data = st.sampled_from([b"a", bytes(16), bytes(32), b"long" * 1500]) | st.binary(min_size=1, max_size=40)
# Signatures are never empty here: SoftHSM 2.6.1 does not survive that (PyKCS11 keeps it from the module).
perhaps_empty = data | st.sampled_from([b""])
room = st.sampled_from([9000, 9000, 9000, None, "tight"])
slot = st.sampled_from(["slot", 4_321])
bad_session = st.sampled_from(["session"] * 9 + list(BAD_HANDLES))

UNKNOWN = Mechanism(0x8000_0ABC)
DIGESTS = ("CKM_SHA_1", "CKM_SHA256", "CKM_SHA512")
# Each with the key that fits; a step may still take another.
SIGNING = (
    (mechanism("CKM_RSA_PKCS"), "rsa"),
    (mechanism("CKM_SHA256_RSA_PKCS"), "rsa"),
    (mechanism("CKM_SHA256_RSA_PKCS_PSS", rsa_pss("SHA-256", 20)), "rsa"),
    (mechanism("CKM_ECDSA"), "ec"),
    (mechanism("CKM_SHA256_HMAC"), "secret"),
)
CIPHERS = (
    (mechanism("CKM_AES_ECB"), "aes"),
    (Mechanism(spec.value("CKM_AES_CBC"), b"\1" * 16), "aes"),
    (Mechanism(spec.value("CKM_AES_CBC_PAD"), b"\1" * 16), "aes"),
    (
        mechanism("CKM_AES_CTR", Parameter("CK_AES_CTR_PARAMS", {"ulCounterBits": 128, "cb": b"\2" * 16})),
        "aes",
    ),
    (mechanism("CKM_AES_GCM", gcm(b"\3" * 12, b"associated")), "aes"),
    (mechanism("CKM_RSA_PKCS"), "rsa"),
    (mechanism("CKM_RSA_PKCS_OAEP", rsa_oaep("SHA-1")), "rsa"),
)
WRAPPING = (
    (mechanism("CKM_AES_KEY_WRAP"), "wrapping"),
    (mechanism("CKM_AES_KEY_WRAP_PAD"), "wrapping"),
    (mechanism("CKM_RSA_PKCS"), "rsa"),
)


def named(name: str, half: str) -> str:
    return f"{name}_{half}" if name in ("rsa", "ec") else name


def beginning(function: str, table: tuple[tuple[Mechanism, str], ...], half: str) -> st.SearchStrategy[Step]:
    fitting = st.sampled_from(table).map(lambda row: (function, "session", row[0], named(row[1], half)))
    any_mechanism = st.sampled_from([row[0] for row in table] + [UNKNOWN])
    return fitting | fitting | st.tuples(st.just(function), bad_session, any_mechanism, key)


def step(function: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(function), bad_session, *arguments)


PLENTY = st.just(9000)  # PyKCS11 asks for the length by itself in these, and takes no notice of our room
secret = {"CKA_CLASS": "CKO_SECRET_KEY", "CKA_TOKEN": False, "CKA_EXTRACTABLE": True, "CKA_SENSITIVE": False}


def rows(template: dict[str, Any]) -> list[tuple[int, bytes]]:
    from workbench.cryptoki.attributes import encode_template

    return encode_template(template)


template = st.sampled_from(
    [
        rows({"CKA_CLASS": "CKO_DATA", "CKA_LABEL": "differential", "CKA_VALUE": b"\0\1\2"}),
        rows({**secret, "CKA_KEY_TYPE": "CKK_GENERIC_SECRET", "CKA_VALUE": b"v" * 20}),
        rows({**secret, "CKA_KEY_TYPE": "CKK_AES", "CKA_VALUE_LEN": 16}),
        rows({"CKA_VALUE_LEN": 16, "CKA_TOKEN": False}),
        rows({"CKA_LABEL": "another name"}),
        rows({"CKA_MODIFIABLE": b"\1\1\1"}),  # too long for a truth value
        [(0x8000_0001, b"vendor")],
        [],
    ]
)
unwrapped = st.just(rows({**secret, "CKA_KEY_TYPE": "CKK_AES", "CKA_ENCRYPT": True}))
asked = st.lists(
    st.sampled_from([(0x0, 8), (0x3, None), (0x11, None), (0x100, 8), (0x120, None), (0x161, None)]),
    min_size=1,
    max_size=3,
)
pair = st.sampled_from(
    [
        ("CKM_EC_KEY_PAIR_GEN", {"CKA_EC_PARAMS": CURVES["P-256"].params}),
        ("CKM_EC_KEY_PAIR_GEN", {"CKA_EC_PARAMS": b"\5\0"}),
        ("CKM_EC_KEY_PAIR_GEN", {}),
        ("CKM_SHA256", {}),
    ]
).map(lambda row: ("C_GenerateKeyPair", "session", mechanism(row[0]), rows(row[1]), rows({"CKA_SIGN": True})))

RECIPES: dict[str, st.SearchStrategy[Step]] = {
    "digest": st.one_of(
        step("C_DigestInit", st.sampled_from([mechanism(m) for m in DIGESTS] + [UNKNOWN])),
        step("C_Digest", perhaps_empty, room),
        step("C_DigestUpdate", perhaps_empty),
        step("C_DigestKey", key),
        step("C_DigestFinal", room),
    ),
    "sign": st.one_of(
        beginning("C_SignInit", SIGNING, "private"),
        step("C_Sign", perhaps_empty, room),
        step("C_SignUpdate", perhaps_empty),
        step("C_SignFinal", room),
    ),
    "verify": st.one_of(
        beginning("C_VerifyInit", SIGNING, "public"),
        step("C_Verify", perhaps_empty, data),
        step("C_VerifyUpdate", perhaps_empty),
        step("C_VerifyFinal", data),
    ),
    "encrypt": st.one_of(
        beginning("C_EncryptInit", CIPHERS, "public"),
        step("C_Encrypt", perhaps_empty, room),
        step("C_EncryptUpdate", perhaps_empty, PLENTY),
        step("C_EncryptFinal", PLENTY),
    ),
    "decrypt": st.one_of(
        beginning("C_DecryptInit", CIPHERS, "private"),
        step("C_Decrypt", perhaps_empty, room),
        step("C_DecryptUpdate", perhaps_empty, PLENTY),
        step("C_DecryptFinal", PLENTY),
    ),
    "objects": st.one_of(
        step("C_CreateObject", template),
        step("C_GetAttributeValue", some_object, asked),
        step("C_SetAttributeValue", made, template),
        step("C_GetObjectSize", some_object),
        step("C_DestroyObject", made | st.sampled_from(BAD_HANDLES)),
        step("C_FindObjectsInit", st.sampled_from([[], rows({"CKA_CLASS": "CKO_DATA"}), rows({"CKA_ID": b"no"})])),
        step("C_FindObjects", st.sampled_from([0, 1, 100])),
        step("C_FindObjectsFinal"),
    ),
    "keys": st.one_of(
        pair,
        st.tuples(
            st.just("C_GenerateKey"),
            bad_session,
            st.sampled_from([mechanism("CKM_AES_KEY_GEN"), mechanism("CKM_GENERIC_SECRET_KEY_GEN"), UNKNOWN]),
            template,
        ),
        st.sampled_from(WRAPPING).flatmap(
            lambda row: step("C_WrapKey", st.just(row[0]), st.just(named(row[1], "public")), key, room)
        ),
        st.sampled_from(WRAPPING).flatmap(
            lambda row: step(
                "C_UnwrapKey",
                st.just(row[0]),
                st.just(named(row[1], "private")),
                st.just(("output", "C_WrapKey")) | perhaps_empty,
                unwrapped,
            )
        ),
        st.tuples(
            st.just("C_DeriveKey"),
            bad_session,
            st.just(mechanism("CKM_ECDH1_DERIVE", Parameter("CK_ECDH1_DERIVE_PARAMS", {"kdf": 1, "pPublicData": b"\4" + bytes(64)})))
            | st.just(UNKNOWN),
            st.sampled_from(["ec_private", "secret", 0]),
            template,
        ),
    ),
    "information": st.one_of(
        st.just(("C_GetInfo",)),
        st.tuples(st.just("C_GetSlotList"), st.sampled_from([0, 1]), st.sampled_from([None, 99])),
        st.tuples(st.sampled_from(["C_GetSlotInfo", "C_GetTokenInfo"]), slot),
        st.tuples(st.just("C_GetMechanismList"), slot, st.sampled_from([None, 999])),
        st.tuples(st.just("C_GetMechanismInfo"), slot, st.sampled_from([0x0, 0x250, 0x1087, 0x8000_0ABC])),
        st.just(("C_WaitForSlotEvent", 1)),
    ),
    "sessions": st.one_of(
        st.tuples(st.just("C_OpenSession"), slot, st.sampled_from([0, 4, 6])),
        step("C_GetSessionInfo"),
        step("C_CloseSession"),
        st.tuples(st.just("C_Login"), st.sampled_from(BAD_HANDLES), st.just(1), st.just(b"any PIN")),
        st.tuples(st.just("C_Logout"), st.sampled_from(BAD_HANDLES)),
    ),
    "random": st.one_of(
        step("C_GenerateRandom", st.sampled_from([0, 1, 16, 5000])), step("C_SeedRandom", perhaps_empty)
    ),
}  # fmt: skip
BEGINS = {"C_DigestInit", "C_SignInit", "C_VerifyInit", "C_EncryptInit", "C_DecryptInit"}


@pytest.fixture(scope="module")
def keys(token: Token) -> Iterator[dict[str, int]]:
    """Session keys that both sides use; the session that made them stays open."""
    with token.session() as holder:
        rsa, ec = holder.generate("RSA"), holder.generate("EC")
        usable = {"CKA_EXTRACTABLE": True, "CKA_SENSITIVE": False, "CKA_TOKEN": False, "CKA_VALUE_LEN": 32}
        wraps = {**usable, "CKA_WRAP": True, "CKA_UNWRAP": True}
        generic = {**usable, "CKA_SIGN": True, "CKA_VERIFY": True, "CKA_DERIVE": True}
        yield {
            "slot": token.slot,
            "rsa_public": rsa.public_handle,
            "rsa_private": rsa.private_handle,
            "ec_public": ec.public_handle,
            "ec_private": ec.private_handle,
            "aes": C.GenerateKey(holder, "CKM_AES_KEY_GEN", {**usable, "CKA_ENCRYPT": True, "CKA_DECRYPT": True}),
            "wrapping": C.GenerateKey(holder, "CKM_AES_KEY_GEN", wraps),
            "secret": C.GenerateKey(holder, "CKM_GENERIC_SECRET_KEY_GEN", generic),
        }  # fmt: skip


def opened(token: Token) -> tuple[Side, Side]:
    # NSS 3.87 writes a whole digest, or MAC, into whatever room it is given
    tight = 9000 if token.name == "nss" else 5
    sides = Side(token.module.pykcs11, tight), Side(token.module.native, tight)
    for side in sides:
        rv, (handle,) = side.binding.invoke("C_OpenSession", (token.slot, 6))
        assert rv == 0
        side.session = int(handle)  # type: ignore[call-overload]
    return sides


@pytest.mark.parametrize("recipe", RECIPES)
@quick
@given(drawn=st.data())
def test_both_bindings_give_the_same(
    token: Token, keys: dict[str, int], recipe: str, drawn: st.DataObject
) -> None:
    steps = drawn.draw(st.lists(RECIPES[recipe], min_size=2, max_size=6))
    theirs, ours = opened(token)
    active = None
    try:
        for function, *arguments in steps:
            begins = isinstance(arguments[1], Mechanism) if len(arguments) > 1 else False
            using = arguments[1].type if begins else active
            rv = both(theirs, ours, function, arguments, keys, using)
            if rv is None:
                break  # a known fault: from here on the two may be in different states
            if begins and function in BEGINS and rv == 0:
                active = using
    finally:
        for side in (theirs, ours):
            side.binding.invoke("C_CloseSession", (side.session,))


# One script for each pin: the last step is where the two part. (token, steps)
PARTING: tuple[tuple[str, list[Step]], ...] = (
    ("softhsm", [("C_DigestInit", "session", mechanism("CKM_SHA256")), ("C_Digest", "session", b"", 9000)]),
    ("softhsm", [("C_FindObjectsInit", "session", []), ("C_FindObjects", "session", 0)]),
    (
        "softhsm",
        [("C_DigestInit", "session", mechanism("CKM_SHA256")), ("C_Digest", "session", b"a", "tight")],
    ),
    (
        "nss",
        [("C_EncryptInit", "session", mechanism("CKM_AES_ECB"), "aes"), ("C_EncryptFinal", "session", 9000)],
    ),
    ("softhsm", [("C_GetAttributeValue", "session", "rsa_public", [(0x3, None), (0x11, None)])]),
    ("softhsm", [("C_CreateObject", "session", [])]),
)


@pytest.mark.skipif(not PINNED, reason="the pins are of another version of PyKCS11")
@pytest.mark.parametrize(
    "token, place", [(name, place) for place, (name, _) in enumerate(PARTING)], indirect=["token"]
)
def test_each_pin_is_still_needed(token: Token, keys: dict[str, int], place: int) -> None:
    steps = PARTING[place][1]
    sides = opened(token)
    *first, (function, *arguments) = steps
    for earlier, *its in first:
        assert both(*sides, earlier, its, keys) == 0
    theirs, ours = (side.call(function, arguments, keys) for side in sides)
    assert theirs != ours
    pin = PINNED[place]
    assert pin.applies(function, arguments), pin.reason
    assert pin.seen(theirs, ours), pin.reason
    for side in sides:
        side.binding.invoke("C_CloseSession", (side.session,))


# C_Initialize, C_Finalize, logins, PINs and tokens concern the whole application: each token is one of a process.

APPLICATION = Path(__file__).with_name("differential_application.py")


def test_both_bindings_start_log_in_and_initialise_tokens_alike(token: Token, tmp_path: Path) -> None:
    environment = {**os.environ, "WORKBENCH_HOME": str(tmp_path)}
    run = [sys.executable, str(APPLICATION), token.name]
    done = subprocess.run(run, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    reached = set(json.loads(done.stdout.splitlines()[-1]))
    assert {
        "C_Initialize",
        "C_Finalize",
        "C_Login",
        "C_Logout",
        "C_InitToken",
        "C_InitPIN",
        "C_SetPIN",
    } <= reached


def test_every_function_of_pykcs11_was_compared() -> None:
    """Ends the file: what the tests above reached, with those of ``differential_application.py``."""
    if not {"C_GetInfo", "C_SeedRandom"} <= REACHED:
        pytest.skip("only part of this file was run")
    alone = {"C_Initialize", "C_Finalize", "C_InitToken", "C_InitPIN", "C_SetPIN", "C_CloseAllSessions"}
    assert REACHED | alone == {function.name for function in spec.functions() if function.pykcs11}
