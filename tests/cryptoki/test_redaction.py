"""No secret of four bytes or more is in any rendering of a trace, in a repr, or in an exception.

Not secret, by design, and so not planted as such: labels and identifiers, names of functions and interfaces,
public keys and domain parameters, numbers, dates, and what the module signs, digests and encrypts.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest
import secrets_hunt as hunt
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from worker_calls import fail_with, fail_without_a_way_back

from workbench import spec
from workbench.cryptoki import (
    C,
    CryptokiError,
    Mechanism,
    Module,
    Parameter,
    Secret,
    encode,
    gcm,
    mechanism,
    trace,
    tracing,
)
from workbench.cryptoki.errors import FunctionNotSupported, new_error
from workbench.cryptoki.records import RECORDS, AsyncData, Interface, Version
from workbench.cryptoki.redaction import PUBLIC_ATTRIBUTES, describe_arguments, describe_results
from workbench.cryptoki.shapes import Kind, Shape, shapes
from workbench.faults import PolicyRefusal
from workbench.tokens import Session, Token
from workbench.workers import Worker, WorkerFailed

FUNCTIONS = [function.name for function in spec.functions()]
VENDOR = 0x80000000
# by number: CKA_ECDSA_PARAMS is another name of the public CKA_EC_PARAMS
PUBLIC_NUMBERS = {spec.value(name) for name in PUBLIC_ATTRIBUTES}
HIDDEN_ATTRIBUTES = sorted({spec.value(a.name) for a in spec.attributes()} - PUBLIC_NUMBERS)
PUBLIC = b"\0" * 32  # stands for what a module makes and anybody may see
PUBLIC_OUTPUTS = {
    "pCiphertext",
    "pCiphertextPart",
    "pDigest",
    "pEncryptedData",
    "pEncryptedPart",
    "pLastEncryptedPart",
    "pSignature",
}


class Planting:
    """Draws values for the places of a call and remembers the secrets that it put there."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.secrets: list[bytes] = []

    def secret(self) -> bytes:
        size = self.draw(st.sampled_from([4, 5, 7, 9, 16, 33]))  # never a CK_ULONG's eight: numbers are shown
        made = hunt.secret(self.draw(st.integers(0, 2**32)), size)
        self.secrets.append(made)
        return made

    def text(self) -> str:
        made = self.secret().hex()
        self.secrets.append(made.encode())
        return made

    def chance(self) -> bool:
        return self.draw(st.booleans())

    def parameter(self, depth: int = 2) -> Parameter | bytes | None:
        kind = self.draw(st.sampled_from(["bytes", "structure", "none", "pbe"]))
        if kind == "none":
            return None
        if kind == "bytes":
            return self.secret()
        if kind == "pbe" or not depth:
            return Parameter(
                "CK_PBE_PARAMS", {"pPassword": self.secret(), "pSalt": self.secret(), "ulIteration": 9}
            )
        inner = Mechanism(VENDOR, self.parameter(depth - 1))
        one = Parameter("CK_GCM_PARAMS", {"pIv": self.secret(), "pAAD": self.secret()})
        return Parameter("CK_KIP_PARAMS", {"pMechanism": inner, "pSeed": self.secret(), "pRows": (one,)})

    def template(self, depth: int = 2) -> list[tuple[int, Any]]:
        numbers = self.draw(st.lists(st.sampled_from(HIDDEN_ATTRIBUTES), min_size=1, max_size=6))
        rows: list[tuple[int, Any]] = [(number, self.secret()) for number in numbers]
        rows.append((VENDOR + self.draw(st.integers(0, 2**20)), self.secret()))
        if depth:
            name = self.draw(
                st.sampled_from(["CKA_WRAP_TEMPLATE", "CKA_UNWRAP_TEMPLATE", "CKA_DERIVE_TEMPLATE"])
            )
            rows.append((spec.value(name), self.template(depth - 1)))
        return rows

    def argument(self, shape: Shape) -> Any:
        match shape.kind:
            case Kind.BYTES:
                return self.secret()
            case Kind.INIT:
                return self.text()
            case Kind.LABEL | Kind.NAME:
                return "a public name"
            case Kind.MECHANISM:
                return Mechanism(self.draw(st.integers(0, 2**32)), self.parameter())
            case Kind.PARAMETER | Kind.FILLED:
                return self.parameter()
            case Kind.VERSION:
                return (3, 2)
            case Kind.TEMPLATE:
                return self.template()
            case Kind.ATTRIBUTES:
                return [(number, None) for number in HIDDEN_ATTRIBUTES[:4]]
            case _:
                return 7

    def result(self, shape: Shape) -> Any:
        match shape.kind:
            case Kind.BUFFER:
                return PUBLIC if shape.name in PUBLIC_OUTPUTS else self.secret()
            case Kind.FILL:
                return self.secret()
            case Kind.ATTRIBUTES:
                return [*self.template(), (VENDOR, None), (VENDOR, 12)]
            case Kind.FILLED:
                return self.parameter()
            case Kind.ASYNC:
                return AsyncData(0, self.secret(), 1, 2)
            case Kind.RECORD:
                return record_of(shape.ctype)
            case Kind.INTERFACE:
                return Interface("PKCS 11", Version((3, 2)), 0)
            case Kind.INTERFACES:
                return [Interface("PKCS 11", Version((3, 2)), 0)]
            case Kind.LIST | Kind.FOUND:
                return [1, 2, 3]
            case Kind.LISTED:
                return Version((2, 40))
            case _:
                return 7


def record_of(ctype: str) -> Any:
    made = RECORDS[ctype]
    values: dict[str, Any] = {}
    for field in spec.struct(made.struct).fields:
        values[field.name] = "text" if field.array else Version((1, 0)) if field.ctype == "CK_VERSION" else 1
    return made(**values)


@pytest.mark.parametrize("function", FUNCTIONS)
# not shrunk: a smaller hash is no simpler
@settings(max_examples=5, deadline=None, derandomize=True, phases=[Phase.generate])
@given(data=st.data())
def test_no_secret_in_any_place_of_any_call_is_shown(function: str, data: st.DataObject) -> None:
    planting = Planting(data.draw)
    arguments = tuple(planting.argument(shape) for shape in shapes(function) if shape.takes)
    results = tuple(planting.result(shape) for shape in shapes(function) if shape.gives)
    rv = data.draw(
        st.sampled_from([0, spec.value("CKR_DEVICE_ERROR"), spec.value("CKR_PIN_INCORRECT"), VENDOR + 1])
    )
    with trace() as seen:
        start = time.monotonic_ns()
        tracing.record(function, arguments, rv, results, (start, start + 5000), 3, "native")
    words = describe_arguments(function, arguments)
    errors = (
        new_error(function, rv or 5, words, results),
        FunctionNotSupported(function, 0x54, words, results),
    )
    places = [*hunt.renderings(seen), *(face for error in errors for face in hunt.faces(error))]
    places += [repr((words, describe_results(function, results))).encode()]
    assert seen.functions() == [function]
    assert hunt.found(planting.secrets, places) == []


def test_the_hunt_finds_what_is_there() -> None:
    hidden = hunt.secret(1, 16)
    with trace() as seen:
        tracing.record("C_Sign", (1, b"", 8), 0, (hidden,), (2**62, 2**62), 1, "native")  # shown: a signature
    assert hunt.found([hidden], hunt.renderings(seen))
    for shown in (repr(hidden), hidden.hex().upper(), str(list(hidden)), hidden.decode("latin-1")):
        assert hunt.found([hidden], [shown.encode()]), shown


@pytest.mark.parametrize("attribute", sorted(PUBLIC_ATTRIBUTES))
def test_a_public_attribute_is_no_secret_by_the_tables(attribute: str) -> None:
    assert not spec.attribute(attribute).sensitive


def test_a_number_of_the_wrong_size_and_a_date_that_is_none_are_not_shown() -> None:
    hidden = hunt.secret(2, 8)
    rows = [(spec.value("CKA_CLASS"), hidden[:5]), (spec.value("CKA_START_DATE"), hidden)]
    told = describe_arguments("C_CreateObject", (1, rows))
    assert told[1] == ("pTemplate", "CKA_CLASS=<5 bytes, not shown>, CKA_START_DATE=<8 bytes, not shown>")


def test_labels_and_public_values_are_shown() -> None:
    template: dict[str, Any] = {
        "CKA_LABEL": "mine",
        "CKA_PRIVATE": True,
        "CKA_CLASS": "CKO_PRIVATE_KEY",
        "CKA_ID": b"\1\2",
    }
    rows = [(spec.value(name), encode(name, value)) for name, value in template.items()]
    words = dict(describe_arguments("C_CreateObject", (1, rows)))["pTemplate"]
    assert words == "CKA_LABEL='mine', CKA_PRIVATE=CK_TRUE, CKA_CLASS=CKO_PRIVATE_KEY, CKA_ID=2 bytes 0102"


def test_real_calls_show_no_secret(session: Session) -> None:
    value, plain, seed = hunt.secret(3, 32), hunt.secret(4, 48), hunt.secret(5, 20)
    iv, aad = hunt.secret(6, 12), hunt.secret(7, 16)
    secrets = [value, plain, seed, iv, aad]
    failures: list[BaseException] = []

    def fails(call: Any, *arguments: Any) -> None:
        with pytest.raises(CryptokiError) as caught:
            call(session, *arguments)
        failures.append(caught.value)

    with trace() as seen:
        key = C.CreateObject(
            session,
            {
                "CKA_CLASS": "CKO_SECRET_KEY",
                "CKA_KEY_TYPE": "CKK_AES",
                "CKA_VALUE": value,
                "CKA_ENCRYPT": True,
                "CKA_DECRYPT": True,
                "CKA_WRAP": True,
                "CKA_EXTRACTABLE": True,
                "CKA_SENSITIVE": False,
            },
        )
        assert C.GetAttributeValue(session, key, ["CKA_VALUE"]) == {"CKA_VALUE": value}
        C.FindObjectsInit(session, {"CKA_CLASS": "CKO_DATA", "CKA_VALUE": plain})
        C.FindObjectsFinal(session)
        C.EncryptInit(session, mechanism("CKM_AES_GCM", gcm(iv, aad)), key)
        encrypted = C.Encrypt(session, plain)
        C.DecryptInit(session, mechanism("CKM_AES_GCM", gcm(iv, aad)), key)
        assert C.Decrypt(session, encrypted) == plain
        C.DigestInit(session, "CKM_SHA256")
        C.DigestUpdate(session, plain)
        assert C.DigestFinal(session) == hashlib.sha256(plain).digest()
        secrets.append(C.GenerateRandom(session, 24))
        wrapped = C.WrapKey(session, "CKM_AES_KEY_WRAP", key, key)
        secrets.append(wrapped)
        fails(C.Sign, plain)
        fails(C.CreateObject, {"CKA_CLASS": "CKO_HW_FEATURE", "CKA_VALUE": plain})
        fails(C.UnwrapKey, "CKM_AES_KEY_WRAP", 0xFFFF, plain, {"CKA_CLASS": "CKO_SECRET_KEY"})
        fails(C.SetOperationState, plain)
        fails(C.EncryptInit, mechanism("CKM_AES_GCM", gcm(iv, aad)), 0xFFFF)
        fails(C.VerifyUpdate, plain)
    assert {"C_CreateObject", "C_Decrypt", "C_WrapKey", "C_SetOperationState"} <= set(seen.functions())
    assert len(failures) == 6
    places = [*hunt.renderings(seen), *(face for error in failures for face in hunt.faces(error))]
    assert hunt.found(secrets, places) == []


def test_a_pin_is_hidden_altogether_and_a_login_shows_none(token: Token) -> None:
    with token.session(login=False) as session, trace() as seen:
        C.Login(session, "CKU_USER", token.pin)
        with pytest.raises(CryptokiError) as caught:
            C.Login(session, "CKU_USER", token.pin)  # the right PIN, once too often: nothing is counted
        C.Logout(session)
    places = [*hunt.renderings(seen), *hunt.faces(caught.value)]
    assert hunt.found([token.pin.reveal()], places) == []
    assert caught.value.arguments[-1] == ("pPin", "<PIN, not shown>")


def test_a_refusal_of_the_policy_shows_no_pin(token: Token) -> None:
    stranger = Module(token.module.path, "auto", token.module.init_string)
    stranger.initialize(again=True)
    pin = hunt.secret(8, 8).hex()
    looking = C.OpenSession(stranger, token.slot, 0)
    calls: list[Any] = [
        lambda: C.InitToken(stranger, token.slot, pin, "label"),
        lambda: C.Login(looking, "CKU_SO", pin),
        lambda: C.SetPIN(looking, pin, Secret(pin)),
        lambda: C.CreateObject(looking, {"CKA_VALUE": pin}),
        lambda: C.Encrypt(looking, pin.encode()),
    ]
    places: list[bytes] = []
    with trace() as seen:
        for call in calls:
            with pytest.raises(PolicyRefusal) as caught:
                call()
            places += [str(caught.value).encode(), repr(caught.value).encode(), *hunt.renderings(seen)]
    C.CloseSession(looking)
    assert hunt.found([pin.encode()], places) == []


def test_a_worker_brings_no_secret_back_in_its_exceptions(token: Token) -> None:
    hidden = hunt.secret(9, 24)
    with Worker(token.name) as worker:
        with pytest.raises(CryptokiError) as travelled:
            worker.run(fail_with, hidden)
        with pytest.raises(WorkerFailed) as stayed:
            worker.run(fail_without_a_way_back, hidden)
        words = worker.stderr.read_bytes()
    places = [*hunt.faces(travelled.value), *hunt.faces(stayed.value), words]
    assert travelled.value.name == "CKR_OPERATION_NOT_INITIALIZED"
    assert hunt.found([hidden], places) == []
