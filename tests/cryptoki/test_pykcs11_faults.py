"""What PyKCS11 does wrong, absorbed: for each fault a test that fails when the workaround goes, and a probe.

The probes show that PyKCS11 still has the fault. They are tied to the version they were written for: with
another one they are skipped, and then the faults and ``pykcs11.py`` are to be looked through again.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version

import PyKCS11
import pytest

from workbench.cryptoki import C, Mechanism, Parameter, errors, expect, gcm, mechanism, trace, watch
from workbench.tokens import Session, Token

KNOWN = "1.5.20"
probe = pytest.mark.skipif(
    version("PyKCS11") != KNOWN, reason=f"PyKCS11 is no longer {KNOWN}: see which faults are left"
)
# The faults of NSS are its own: 3.87 is the version they were seen on.
NSS_KNOWN = (3, 87)


@pytest.fixture
def library(token: Token) -> PyKCS11.PyKCS11Lib:
    return PyKCS11.PyKCS11Lib().load(token.module.path)


@pytest.fixture
def theirs(library: PyKCS11.PyKCS11Lib, session: Session) -> Iterator[PyKCS11.Session]:
    opened = library.openSession(session.token.slot, PyKCS11.CKF_RW_SESSION)
    yield opened
    opened.closeSession()


@pytest.fixture
def nss_session(nss: Token) -> Iterator[Session]:
    with nss.session() as made:
        yield made


def handle(number: int) -> PyKCS11.LowLevel.CK_OBJECT_HANDLE:
    made = PyKCS11.LowLevel.CK_OBJECT_HANDLE()
    made.assign(number)
    return made


def code(call: Callable[[], object]) -> str:
    with pytest.raises(PyKCS11.PyKCS11Error) as caught:
        call()
    return str(PyKCS11.CKR[caught.value.value])


# A mechanism that no token has.


def test_the_phantom_mechanism_is_in_no_list_of_ours(token: Token) -> None:
    for_the_module = token.module.native.invoke("C_GetMechanismList", (token.slot, 1024))[1][0]
    assert C.GetMechanismList(token.module, token.slot) == for_the_module
    assert not token.offers("CKM_ML_DSA")


@probe
def test_pykcs11_still_adds_a_mechanism_to_every_list(token: Token, library: PyKCS11.PyKCS11Lib) -> None:
    named = library.getMechanismList(token.slot)
    assert len(named) == len(C.GetMechanismList(token.module, token.slot)) + 1
    assert named[-1] == PyKCS11.CKM[PyKCS11.CKM_ML_DSA]


# ulIvBits of CK_GCM_PARAMS.


def test_a_gcm_parameter_says_how_many_bits_the_iv_has(nss_session: Session) -> None:
    key = nss_session.generate_secret("AES")
    C.EncryptInit(nss_session, mechanism("CKM_AES_GCM", gcm(b"\1" * 12)), key)
    C.Encrypt(nss_session, b"data")
    without = Parameter("CK_GCM_PARAMS", {**gcm(b"\1" * 12).members, "ulIvBits": 0})
    with expect("CKR_MECHANISM_PARAM_INVALID"):
        C.EncryptInit(nss_session, mechanism("CKM_AES_GCM", without), key)


@probe
def test_pykcs11_still_leaves_the_bits_of_the_iv_at_zero() -> None:
    assert PyKCS11.AES_GCM_Mechanism(b"\1" * 12, b"", 128)._param.ulIvBits == 0


# Empty messages.


def test_an_empty_message_reaches_the_module_and_ends_the_operation(session: Session) -> None:
    for _ in range(2):
        C.DigestInit(session, "CKM_SHA256")
        assert C.Digest(session, b"") == hashlib.sha256(b"").digest()
    pair = session.generate("RSA")
    C.SignInit(session, "CKM_SHA256_RSA_PKCS", pair.private)
    signature = C.Sign(session, b"")
    C.VerifyInit(session, "CKM_SHA256_RSA_PKCS", pair.public)
    C.Verify(session, b"", signature)


@probe
def test_pykcs11_still_refuses_an_empty_message_and_leaves_the_operation_active(
    theirs: PyKCS11.Session,
) -> None:
    sha256 = PyKCS11.Mechanism(PyKCS11.CKM_SHA256)
    assert code(lambda: theirs.digest(b"", sha256)) == "CKR_ARGUMENTS_BAD"
    assert code(lambda: theirs.digest(b"abc", sha256)) == "CKR_OPERATION_ACTIVE"


# A length query before every output.


def test_an_output_costs_one_call(session: Session) -> None:
    pair = session.generate("EC")
    with trace() as seen:
        C.SignInit(session, "CKM_ECDSA", pair.private)
        C.Sign(session, bytes(32))
        C.DigestInit(session, "CKM_SHA256")
        C.Digest(session, b"abc")
    assert seen.functions() == ["C_SignInit", "C_Sign", "C_DigestInit", "C_Digest"]


@probe
def test_pykcs11_still_asks_for_the_length_first(session: Session, theirs: PyKCS11.Session) -> None:
    pair = session.generate("EC")
    watch(theirs.pykcs11)
    with trace() as seen:
        theirs.sign(handle(pair.private_handle), bytes(32), PyKCS11.Mechanism(PyKCS11.CKM_ECDSA))
    assert seen.functions() == ["C_SignInit", "C_Sign", "C_Sign"]


# The parameter string of C_Initialize, in a process of its own: a module is initialised once.


def said(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_module_gets_its_parameter_string(nss: Token) -> None:
    program = "import workbench; print(workbench.open('nss').info.flag_names)"
    assert "CKF_TOKEN_INITIALIZED" in said(program)


@probe
def test_pykcs11_still_has_no_way_to_pass_a_parameter_string(nss: Token) -> None:
    program = f"""
import PyKCS11
try:
    PyKCS11.PyKCS11Lib().load({nss.module.path!r})
except PyKCS11.PyKCS11Error as error:
    print(PyKCS11.CKR[error.value])
"""
    assert said(program) == "CKR_ARGUMENTS_BAD"


# The GIL.

RSA_PUBLIC = {"CKA_MODULUS_BITS": 3072, "CKA_PUBLIC_EXPONENT": b"\1\0\1"}


class Ticker:
    """A thread that writes down when it runs."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tick)

    def _tick(self) -> None:
        while not self._stop.wait(0.001):
            self.times.append(time.monotonic())

    def __enter__(self) -> Ticker:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def during(self, call: Callable[[], object]) -> int:
        """How often the thread ran while the call did; what happens at its edges does not count."""
        start = time.monotonic()
        call()
        margin = (time.monotonic() - start) / 10
        return sum(start + margin < tick < start + 9 * margin for tick in self.times)


def test_another_thread_runs_while_the_module_works(softhsm_session: Session) -> None:
    with Ticker() as ticker:
        private = {"CKA_SIGN": True}
        ticks = ticker.during(
            lambda: C.GenerateKeyPair(softhsm_session, "CKM_RSA_PKCS_KEY_PAIR_GEN", RSA_PUBLIC, private)
        )
    assert ticks


def test_a_call_that_waits_does_not_go_through_pykcs11(softhsm: Token) -> None:
    with trace() as seen, expect("CKR_NO_EVENT"):
        C.WaitForSlotEvent(softhsm.module)
    assert [record.binding for record in seen] == ["native"]


@probe
def test_pykcs11_still_stops_every_other_thread(softhsm_session: Session) -> None:
    theirs = PyKCS11.PyKCS11Lib().load(softhsm_session.token.module.path)
    opened = theirs.openSession(softhsm_session.token.slot, PyKCS11.CKF_RW_SESSION)
    public = [(PyKCS11.CKA_MODULUS_BITS, 3072), (PyKCS11.CKA_PUBLIC_EXPONENT, (1, 0, 1))]
    with Ticker() as ticker:
        ticks = ticker.during(lambda: opened.generateKeyPair(public, [(PyKCS11.CKA_SIGN, True)]))
    opened.closeSession()
    assert not ticks


# Lengths that a module gets wrong, on which PyKCS11 relies: it offers the room that the length query named.


def test_a_module_that_names_too_small_a_length_still_encrypts_and_wraps(nss_session: Session) -> None:
    key = nss_session.generate_secret("AES")
    C.EncryptInit(nss_session, mechanism("CKM_AES_GCM", gcm(b"\1" * 12)), key)
    assert len(C.Encrypt(nss_session, bytes(100))) == 116
    secret = {"CKA_VALUE_LEN": 32, "CKA_EXTRACTABLE": True, "CKA_TOKEN": False}
    wrapped = C.GenerateKey(nss_session, "CKM_AES_KEY_GEN", secret)
    wrapping = C.GenerateKey(nss_session, "CKM_AES_KEY_GEN", {**secret, "CKA_WRAP": True})
    assert len(C.WrapKey(nss_session, "CKM_AES_KEY_WRAP_KWP", wrapping, wrapped)) == 40


def test_an_ed25519_signature_is_given_room_for_exactly_its_length(softhsm_session: Session) -> None:
    # NSS 3.13x refuses any other room, also more, and says 144 when asked; 3.87 has no Ed25519
    pair = softhsm_session.generate("Ed25519")
    with trace() as seen:
        assert len(pair.sign(b"data")) == 64
    assert seen.records[-1].arguments[-1] == ("pSignature", "room for 64")


@probe
def test_pykcs11_still_relies_on_the_length_query(nss: Token, nss_session: Session) -> None:
    if C.GetInfo(nss.module).libraryVersion != NSS_KNOWN:
        pytest.skip("the wrong lengths were seen on NSS 3.87")
    library = PyKCS11.PyKCS11Lib().load(nss.module.path)
    theirs = library.openSession(nss.slot, PyKCS11.CKF_RW_SESSION)
    key = handle(nss_session.generate_secret("AES").handle)
    right = PyKCS11.AES_GCM_Mechanism(b"\1" * 12, b"", 128)
    right._param.ulIvBits = 96
    assert code(lambda: theirs.encrypt(key, bytes(100), right)) == "CKR_BUFFER_TOO_SMALL"
    secret = {"CKA_VALUE_LEN": 32, "CKA_EXTRACTABLE": True}
    wrapped = handle(C.GenerateKey(nss_session, "CKM_AES_KEY_GEN", secret))
    wrapping = handle(C.GenerateKey(nss_session, "CKM_AES_KEY_GEN", {**secret, "CKA_WRAP": True}))
    kwp = PyKCS11.Mechanism(0x210B)  # CKM_AES_KEY_WRAP_KWP
    assert code(lambda: theirs.wrapKey(wrapping, wrapped, kwp)) == "CKR_BUFFER_TOO_SMALL"
    theirs.closeSession()


# Smaller ones, met while the two bindings were compared.


@pytest.fixture
def forced(session: Session) -> Callable[..., tuple[int, tuple[object, ...]]]:
    binding = session.token.module.pykcs11

    def invoke(function: str, *arguments: object) -> tuple[int, tuple[object, ...]]:
        return binding.invoke(function, (session.handle, *arguments))

    return invoke


def test_an_empty_attribute_is_not_one_that_was_kept_back(
    session: Session, forced: Callable[..., tuple[int, tuple[object, ...]]]
) -> None:
    made = C.CreateObject(session, {"CKA_CLASS": "CKO_DATA", "CKA_LABEL": "x", "CKA_VALUE": b""})
    value = (0x11, 8)
    assert forced("C_GetAttributeValue", made, [value]) == (0, ([(0x11, b"")],))
    key = session.generate("EC").private_handle
    rv, results = forced("C_GetAttributeValue", key, [value])
    assert rv == errors.AttributeSensitive("C_GetAttributeValue", 0x11).rv
    assert results == ([(0x11, None)],)


@probe
def test_pykcs11_still_gives_nothing_for_a_value_that_was_kept_back(
    session: Session, theirs: PyKCS11.Session
) -> None:
    low = theirs.lib
    attributes = PyKCS11.LowLevel.ckattrlist(1)
    attributes[0].SetType(PyKCS11.CKA_VALUE)
    attributes[0].Reserve(8)
    assert low.C_GetAttributeValue(theirs.session, handle(session.generate("EC").private_handle), attributes)
    assert attributes[0].GetLen() == 0


def test_a_number_of_pykcs11_takes_any_parameter_structure(session: Session) -> None:
    # its CK_MECHANISM takes bytes of any kind, so the structures that it has no class for pass too
    key = session.generate_secret("AES")
    iv = Mechanism(0x1082, b"\2" * 16)  # CKM_AES_CBC
    ctr = mechanism("CKM_AES_CTR", Parameter("CK_AES_CTR_PARAMS", {"ulCounterBits": 128, "cb": b"\3" * 16}))
    for made in (iv, ctr, mechanism("CKM_AES_GCM", gcm(b"\1" * 12, b"with associated data"))):
        found = []
        for binding in (session.token.module.pykcs11, session.token.module.native):
            assert binding.invoke("C_EncryptInit", (session.handle, made, key.handle)) == (0, ())
            found.append(binding.invoke("C_Encrypt", (session.handle, bytes(32), 100)))
        assert found[0] == found[1]
        assert found[0][0] == 0
