"""What a guest must never do, by every way in that the workbench has; each is one function of a ``Scene``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import recorder
from somebodys import PIN

from workbench import C, spec, tokens
from workbench import mechanism as mech
from workbench.cryptoki import Parameter, allow_all, mechanisms, operations
from workbench.cryptoki.module import BindingChoice
from workbench.faults import PolicyRefusal
from workbench.keys import KeyPair, SecretKey, generate_key_pair, generate_secret_key
from workbench.measure.jobs import Job, Work
from workbench.tokens import Session, Token
from workbench.tokens.ledger import RunLabel, host

__all__ = ["ATTACKS", "Scene", "attempt_all"]

AES: dict[Any, Any] = {"CKA_CLASS": "CKO_SECRET_KEY", "CKA_KEY_TYPE": "CKK_AES"}
NEW = {**AES, "CKA_TOKEN": False, "CKA_VALUE_LEN": 16}
STORED = {**NEW, "CKA_TOKEN": True}


@attrs.frozen
class Scene:
    """A session with the guest's token: a foreign pair, secret key and data object, and the same of our own."""

    token: Token
    session: Session
    public: int
    private: int
    secret: int
    note: int
    pair: KeyPair
    key: SecretKey
    log: Path

    @classmethod
    def open(cls, name: str, log: Path, binding: BindingChoice = "auto") -> Scene:
        token = tokens.open(name, binding)
        session = token.session()

        def foreign(label: str, kind: str) -> int:
            return session.find({"CKA_LABEL": label, "CKA_CLASS": kind})[0]

        return cls(
            token,
            session,
            foreign("codesign", "CKO_PUBLIC_KEY"),
            foreign("codesign", "CKO_PRIVATE_KEY"),
            foreign("vault", "CKO_SECRET_KEY"),
            foreign("note", "CKO_DATA"),
            generate_key_pair(session, "EC"),
            generate_secret_key(session, bits=128),
            log,
        )

    @property
    def label(self) -> str:
        """The label that a token object of this run would have."""
        return self.token.run_label("mine")

    def derive(self, mechanism: str, parameter: Any, base: int = 0) -> None:
        C.DeriveKey(self.session, mech(mechanism, parameter), base or self.key.handle, NEW)


ATTACKS: dict[str, Callable[[Scene], object]] = {}


def attack(function: Callable[[Scene], object]) -> Callable[[Scene], object]:
    ATTACKS[function.__name__] = function
    return function


def each(name: str, **variants: Callable[[Scene], object]) -> None:
    for variant, function in variants.items():
        ATTACKS[f"{name}_{variant}"] = function


each(
    "administer",
    init_token=lambda a: C.InitToken(a.token.module, a.token.slot, b"1234", "gone"),
    init_pin=lambda a: C.InitPIN(a.session, b"1234"),
    set_pin=lambda a: C.SetPIN(a.session, PIN, b"1234"),
    login_as_so=lambda a: C.Login(a.session, "CKU_SO", b"1234"),
    login_as_so_by_number=lambda a: C.Login(a.session, 0, b"1234"),
    login_as_vendors_user=lambda a: C.Login(a.session, 0x80000001, b"1234"),
    login_with_a_name=lambda a: C.LoginUser(a.session, "CKU_USER", PIN, "admin"),
    operation_state=lambda a: C.SetOperationState(a.session, b"\0" * 64, a.secret, 0),
    restored=lambda a: operations.restored(
        a.session, operations.SavedState(operations.Signature, b"x"), a.key.handle
    ),
    asynchronous_session=lambda a: C.OpenSession(
        a.token.module, a.token.slot, spec.value("CKF_ASYNC_SESSION")
    ),
    session_of_another_slot=lambda a: C.FindObjectsInit(
        C.OpenSession(a.token.module, C.GetSlotList(a.token.module)[0], 0)
        if C.GetSlotList(a.token.module)[0] != a.token.slot
        else C.OpenSession(a.token.module, C.GetSlotList(a.token.module)[1], 0)
    ),
    read_write_session_of_another_slot=lambda a: C.OpenSession(
        a.token.module, next(s for s in C.GetSlotList(a.token.module) if s != a.token.slot), "CKF_RW_SESSION"
    ),
)
each(
    "store",
    generate=lambda a: C.GenerateKey(a.session, "CKM_AES_KEY_GEN", {**STORED, "CKA_LABEL": a.label}),
    by_number=lambda a: C.GenerateKey(a.session, "CKM_AES_KEY_GEN", {1: True, "CKA_VALUE_LEN": 16}),
    by_hexadecimal_name=lambda a: C.GenerateKey(
        a.session, "CKM_AES_KEY_GEN", {"CKA_0x1": b"\1", "CKA_VALUE_LEN": 16}
    ),
    said_twice=lambda a: C.GenerateKey(
        a.session, "CKM_AES_KEY_GEN", {1: True, "CKA_TOKEN": False, "CKA_VALUE_LEN": 16}
    ),
    another_true=lambda a: C.GenerateKey(a.session, "CKM_AES_KEY_GEN", {**NEW, "CKA_TOKEN": b"\x80"}),
    session_generate=lambda a: a.session.generate("EC", token=True),
    session_generate_secret=lambda a: a.session.generate_secret(token=True),
    keys_generate_pair=lambda a: generate_key_pair(a.session, "RSA", label=a.label, token=True),
    keys_generate_secret=lambda a: generate_secret_key(a.session, label=a.label, token=True),
    create=lambda a: C.CreateObject(
        a.session, {"CKA_CLASS": "CKO_DATA", "CKA_TOKEN": True, "CKA_LABEL": a.label, "CKA_VALUE": b"x"}
    ),
    one_half_of_a_pair=lambda a: C.GenerateKeyPair(
        a.session,
        "CKM_RSA_PKCS_KEY_PAIR_GEN",
        {"CKA_MODULUS_BITS": 2048, "CKA_TOKEN": False},
        {"CKA_TOKEN": True, "CKA_LABEL": a.label},
    ),
    copy_of_own=lambda a: C.CopyObject(a.session, a.key.handle, {"CKA_TOKEN": True, "CKA_LABEL": a.label}),
    change_of_own=lambda a: C.SetAttributeValue(a.session, a.key.handle, {"CKA_TOKEN": True}),
    unwrap=lambda a: C.UnwrapKey(a.session, "CKM_AES_KEY_WRAP", a.key.handle, bytes(24), STORED),
    derive=lambda a: C.DeriveKey(
        a.session, mech("CKM_AES_ECB_ENCRYPT_DATA", mechanisms.key_derivation_string(bytes(16))),
        a.key.handle, STORED
    ),
    decapsulate=lambda a: C.DecapsulateKey(a.session, "CKM_ML_KEM", a.pair.private_handle, STORED, b"x"),
    encapsulate=lambda a: C.EncapsulateKey(a.session, "CKM_ML_KEM", a.pair.public_handle, STORED),
    template_for_unwrapped=lambda a: C.GenerateKey(
        a.session, "CKM_AES_KEY_GEN", {**NEW, "CKA_UNWRAP_TEMPLATE": {"CKA_TOKEN": True}}
    ),
    template_for_derived=lambda a: C.SetAttributeValue(
        a.session, a.key.handle, {"CKA_DERIVE_TEMPLATE": {1: b"\1"}}
    ),
    template_in_a_template=lambda a: C.GenerateKey(
        a.session,
        "CKM_AES_KEY_GEN",
        {**NEW, "CKA_UNWRAP_TEMPLATE": {"CKA_DERIVE_TEMPLATE": {"CKA_TOKEN": True}}},
    ),
    template_as_bytes=lambda a: C.GenerateKey(
        a.session, "CKM_AES_KEY_GEN", {**NEW, "CKA_UNWRAP_TEMPLATE": bytes(24)}
    ),
    further_derived_key=lambda a: a.derive(
        "CKM_SP800_108_COUNTER_KDF",
        mechanisms.sp800_108(
            mechanisms.kdf_counter(), additional_keys=(mechanisms.kdf_derived_key({"CKA_0x1": True}),)
        ),
    ),
)  # fmt: skip


def _foreign(a: Scene) -> tuple[int, ...]:
    return a.private, a.public, a.secret, a.note


def every_foreign(name: str, function: Callable[[Scene, int], object]) -> None:
    """The same with each kind of foreign object."""
    for place, kind in enumerate(("private", "public", "secret", "note")):
        ATTACKS[f"{name}_{kind}"] = lambda a, place=place: function(a, _foreign(a)[place])


every_foreign("destroy", lambda a, h: C.DestroyObject(a.session, h))
every_foreign("change", lambda a, h: C.SetAttributeValue(a.session, h, {"CKA_LABEL": "ours now"}))
every_foreign("copy", lambda a, h: C.CopyObject(a.session, h, {"CKA_TOKEN": False}))
every_foreign("wrap", lambda a, h: C.WrapKey(a.session, "CKM_AES_KEY_WRAP", a.key.handle, h))
every_foreign("wrap_under", lambda a, h: C.WrapKey(a.session, "CKM_RSA_PKCS", h, a.key.handle))
every_foreign("unwrap_by", lambda a, h: C.UnwrapKey(a.session, "CKM_AES_KEY_WRAP", h, bytes(24), NEW))
every_foreign("derive_from", lambda a, h: a.derive("CKM_SHA256_KEY_DERIVATION", None, h))
every_foreign("decrypt", lambda a, h: C.DecryptInit(a.session, "CKM_RSA_PKCS", h))
every_foreign("decrypting", lambda a, h: operations.decrypting(a.session, "CKM_AES_ECB", h))
every_foreign("digest_key", lambda a, h: C.DigestKey(a.session, h))
every_foreign("sign", lambda a, h: C.SignInit(a.session, "CKM_SHA256_RSA_PKCS", h))
every_foreign("signing", lambda a, h: operations.signing(a.session, "CKM_SHA256_RSA_PKCS", h))
every_foreign("sign_recover", lambda a, h: C.SignRecoverInit(a.session, "CKM_RSA_PKCS", h))
every_foreign("verify", lambda a, h: C.VerifyInit(a.session, "CKM_SHA256_RSA_PKCS", h))
every_foreign("encrypt", lambda a, h: C.EncryptInit(a.session, "CKM_RSA_PKCS", h))
every_foreign("decapsulate", lambda a, h: C.DecapsulateKey(a.session, "CKM_ML_KEM", h, NEW, b"x"))
every_foreign("message_decrypt", lambda a, h: C.MessageDecryptInit(a.session, "CKM_AES_GCM", h))
every_foreign(
    "wrap_authenticated", lambda a, h: C.WrapKeyAuthenticated(a.session, "CKM_AES_GCM", a.key.handle, h)
)
every_foreign("secret_key_destroy", lambda a, h: SecretKey(a.session.handle, "AES", h).destroy())
every_foreign("key_pair_destroy", lambda a, h: KeyPair(a.session.handle, "RSA", h, h).destroy())
every_foreign("key_pair_sign", lambda a, h: KeyPair(a.session.handle, "RSA", h, h).sign(b"x"))
every_foreign("job", lambda a, h: Job.on(a.session.handle, Work("sign", mech("CKM_RSA_PKCS"), key=h)))
every_foreign(
    "job_encrypt", lambda a, h: Job.on(a.session.handle, Work("encrypt", mech("CKM_AES_ECB"), key=h))
)
every_foreign(
    "job_decrypt", lambda a, h: Job.on(a.session.handle, Work("decrypt", mech("CKM_AES_ECB"), key=h))
)
every_foreign(
    "job_wrap",
    lambda a, h: Job.on(a.session.handle, Work("wrap", mech("CKM_AES_ECB"), key=a.key.handle, target=h)),
)
every_foreign("job_unwrap", lambda a, h: Job.on(a.session.handle, Work("unwrap", mech("CKM_AES_ECB"), key=h)))
each(
    "read",
    secret_value=lambda a: C.GetAttributeValue(a.session, a.secret, ["CKA_VALUE"]),
    secret_value_by_number=lambda a: C.GetAttributeValue(a.session, a.secret, [0x11]),
    secret_value_among_others=lambda a: C.GetAttributeValue(a.session, a.secret, ["CKA_LABEL", "CKA_VALUE"]),
    data_value=lambda a: C.GetAttributeValue(a.session, a.note, ["CKA_VALUE"]),
    private_exponent=lambda a: C.GetAttributeValue(a.session, a.private, ["CKA_PRIVATE_EXPONENT"]),
    prime=lambda a: C.GetAttributeValue(a.session, a.private, ["CKA_PRIME_1"]),
    job=lambda a: Job.on(a.session.handle, Work("attributes", key=a.secret, templates=(((0x11, 64),),))),
)

POINT = bytes(65)
HANDLE = "CK_OBJECT_HANDLE"
# Mechanisms whose parameter names a second key; the base key is our own.
each(
    "in_parameter",
    concatenate=lambda a: a.derive("CKM_CONCATENATE_BASE_AND_KEY", mechanisms.concatenate_key(a.secret)),
    concatenate_number=lambda a: a.derive("CKM_CONCATENATE_BASE_AND_KEY", a.secret),
    concatenate_bytes=lambda a: a.derive("CKM_CONCATENATE_BASE_AND_KEY", a.secret.to_bytes(8, "little")),
    concatenate_disguised=lambda a: a.derive("CKM_CONCATENATE_BASE_AND_KEY", mechanisms.extract_bits(a.secret)),
    hkdf_salt=lambda a: a.derive("CKM_HKDF_DERIVE", mechanisms.hkdf(salt_key=a.secret)),
    hkdf_output=lambda a: a.derive(
        "CKM_HKDF_DERIVE",
        Parameter("CK_HKDF_PARAMS", {"hSaltKey": mechanisms.OutputNumber(a.secret)}),
    ),
    hkdf_bytes=lambda a: a.derive("CKM_HKDF_DERIVE", bytes(64)),
    mqv=lambda a: a.derive(
        "CKM_ECMQV_DERIVE", mechanisms.ecmqv(POINT, POINT, a.private, a.pair.public_handle),
        a.pair.private_handle,
    ),
    ecdh2=lambda a: a.derive(
        "CKM_ECMQV_DERIVE", Parameter("CK_ECDH2_DERIVE_PARAMS", {"hPrivateData": a.private}),
        a.pair.private_handle,
    ),
    x9_42_hybrid=lambda a: a.derive(
        "CKM_X9_42_DH_HYBRID_DERIVE", Parameter("CK_X9_42_DH2_DERIVE_PARAMS", {"hPrivateData": a.private})
    ),
    ike_prf=lambda a: a.derive("CKM_IKE_PRF_DERIVE", Parameter("CK_IKE_PRF_DERIVE_PARAMS", {"hNewKey": a.secret})),
    kip=lambda a: a.derive("CKM_KIP_DERIVE", Parameter("CK_KIP_PARAMS", {"hKey": a.secret})),
    mechanism_in_mechanism=lambda a: a.derive(
        "CKM_KIP_DERIVE",
        Parameter("CK_KIP_PARAMS", {"pMechanism": mech("CKM_CONCATENATE_BASE_AND_KEY", a.secret)}),
    ),
    kdf_piece=lambda a: a.derive("CKM_SP800_108_COUNTER_KDF", mechanisms.sp800_108(mechanisms.kdf_key(a.secret))),
    kdf_piece_bytes=lambda a: a.derive(
        "CKM_SP800_108_COUNTER_KDF",
        mechanisms.sp800_108(
            Parameter("CK_PRF_DATA_PARAM", {"type": 5, "pValue": a.secret.to_bytes(8, "little")})
        ),
    ),
    kdf_piece_structure=lambda a: a.derive(
        "CKM_SP800_108_COUNTER_KDF",
        mechanisms.sp800_108(
            Parameter("CK_PRF_DATA_PARAM", {"type": 5, "pValue": Parameter(HANDLE, {"value": a.secret})})
        ),
    ),
    gost_wrap=lambda a: C.WrapKey(
        a.session,
        mech("CKM_GOSTR3410_KEY_WRAP", Parameter("CK_GOSTR3410_KEY_WRAP_PARAMS", {"hKey": a.private})),
        a.key.handle,
        a.key.handle,
    ),
    unknown_mechanism=lambda a: a.derive("CKM_0x80000123", a.secret.to_bytes(8, "little")),
)  # fmt: skip


@attack
def imitated_label_of_another_host(a: Scene) -> None:
    _use(a, str(RunLabel("abcdef", "0123456789ab", "x")))


@attack
def imitated_label_of_an_unknown_run(a: Scene) -> None:
    _use(a, str(RunLabel(host(), "0123456789ab", "x")))


def _use(a: Scene, label: str) -> None:
    found = a.session.find({"CKA_LABEL": label})[0]
    assert C.GetAttributeValue(a.session, found, ["CKA_LABEL", "CKA_TOKEN"])["CKA_LABEL"] == label
    begin(a)
    C.DestroyObject(a.session, found)


@attack
def handle_of_an_object_that_is_gone(a: Scene) -> None:
    key = generate_secret_key(a.session, bits=128)
    key.destroy()
    begin(a)
    C.EncryptInit(a.session, "CKM_AES_ECB", key.handle)


@attack
def handle_of_a_closed_session(a: Scene) -> None:
    with a.token.session(login=False) as other:
        key = generate_secret_key(other, bits=128)
    begin(a)
    C.EncryptInit(a.session, "CKM_AES_ECB", key.handle)


@attack
def session_number(a: Scene) -> None:
    C.FindObjectsInit(int(a.session.handle))  # type: ignore[arg-type]


@attack
def length_query_makes_no_handle_ours(a: Scene) -> None:
    """The length that C_EncapsulateKey answers is no handle."""
    function = ("C_EncapsulateKey", (a.session.handle, mech("CKM_ML_KEM"), 9, [], None))
    a.token.policy.answered(*function, 0, (a.secret, 0), 0.0)
    C.DecryptInit(a.session, "CKM_AES_ECB", a.secret)


def begin(a: Scene) -> None:
    """What came before was allowed: the attack starts here."""
    os.environ["ATTACK_FROM"] = str(a.log.stat().st_size)


def attempt_all(name: str, log: Path, guarded: bool, binding: BindingChoice) -> dict[str, str]:
    """Try every attack; of each, ``refused``, or what happened and what reached the module.

    ``guarded`` False: with a policy that allows everything, to see what there was to refuse.
    """
    a = Scene.open(name, log, binding)
    if not guarded:
        a.token.module.vouch(a.token.slot, allow_all("none"))
    outcomes = {}
    for attack_name, function in ATTACKS.items():
        begin(a)
        try:
            function(a)
            outcome = "it was done"
        except PolicyRefusal:
            outcome = "refused"
        except BaseException as error:  # noqa: BLE001 - it is the outcome
            outcome = repr(error)
        asked = recorder.read(log, int(os.environ["ATTACK_FROM"]))
        reached = [one.function for one in asked if one.function not in HARMLESS]
        outcomes[attack_name] = outcome + (f", and reached the module: {reached}" if reached else "")
    return outcomes


# To find out which token it is and where, and to open a session as one may.
HARMLESS = {
    "C_GetInfo",
    "C_GetSlotList",
    "C_GetSlotInfo",
    "C_GetTokenInfo",
    "C_GetMechanismList",
    "C_OpenSession",
}
