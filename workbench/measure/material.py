"""What a case works on: its key, made to be used just so, and the input that only the token can make."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Literal

import attrs
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from workbench import spec
from workbench.cryptoki import (
    AttributeValue,
    C,
    CryptokiError,
    Mechanism,
    Secret,
    gcm,
    mechanism,
    mechanisms,
    rsa_pss,
)
from workbench.cryptoki.attributes import Row, encode_template
from workbench.cryptoki.mechanisms import Parameter
from workbench.faults import WorkbenchError
from workbench.keys.encodings import CURVES
from workbench.measure.jobs import IV_BYTES, Work, counting_gcm
from workbench.measure.plan import KEYS, Case, KeySpec
from workbench.tokens import Session, ledger

__all__ = ["Keys", "Lacking", "Use", "generate", "make_work", "use_of"]

Template = dict[str, AttributeValue]
Use = Literal["sign", "encrypt", "wrap", "derive", "encapsulate"]

# Which of a key's abilities an operation needs. What is none of these takes a key as it is usually made.
_USES: dict[str, Use] = {
    "sign": "sign",
    "verify": "sign",
    "encrypt": "encrypt",
    "decrypt": "encrypt",
    "wrap": "wrap",
    "unwrap": "wrap",
    "derive": "derive",
    "encapsulate": "encapsulate",
    "decapsulate": "encapsulate",
}
_USUAL: dict[str, Use] = {"AES": "encrypt", "secret": "sign", "ML-KEM": "encapsulate"}  # others sign
# The attributes that say so: of the public or secret half, and of the private or secret half (4.8 to 4.10).
_ABILITIES: dict[Use, tuple[str, str]] = {
    "sign": ("CKA_VERIFY", "CKA_SIGN"),
    "encrypt": ("CKA_ENCRYPT", "CKA_DECRYPT"),
    "wrap": ("CKA_WRAP", "CKA_UNWRAP"),
    "derive": ("", "CKA_DERIVE"),
    "encapsulate": ("CKA_ENCAPSULATE", "CKA_DECAPSULATE"),
}
_WITH_PUBLIC = frozenset({"verify", "encrypt", "wrap", "encapsulate"})
_SECRET_BYTES = 32  # of what is derived or encapsulated
_READ = ("CKA_CLASS", "CKA_KEY_TYPE", "CKA_TOKEN")
_READ_ROOM = 8
_ROOM = 128  # for a tag, padding, or what wrapping adds
_KEM_ROOM = 2048


class Lacking(WorkbenchError):
    """The token has no such thing: a function of v3.2, a login, IVs of its own."""


@attrs.frozen
class Keys:
    """The handles of a key pair; of a secret key, the same handle twice."""

    public: int
    private: int

    def of(self, operation: str) -> int:
        """The half that an operation works with."""
        return self.public if operation in _WITH_PUBLIC else self.private


def use_of(case: Case) -> Use:
    """The ability that a case's key must have."""
    return _USES.get(case.operation) or _USUAL.get(KEYS[str(case.key)].kind, "sign")


def generate(session: Session, name: str, use: Use, stored: bool = False) -> Keys:
    """Generate the key of this name in ``KEYS`` for a use; it goes with its session unless it is ``stored``."""
    chosen = KEYS[name]
    made = session.make(chosen.mechanism, *key_templates(chosen, use), token=stored)
    return Keys(made[0], made[-1])


def key_templates(chosen: KeySpec, use: Use) -> tuple[Template, ...]:
    """The templates of a key: of a secret one, or public and private."""
    of_public, of_private = _ABILITIES[use]
    secret: Template = {
        "CKA_PRIVATE": True,
        "CKA_SENSITIVE": True,
        "CKA_EXTRACTABLE": False,
        of_private: True,
    }
    public: Template = {of_public: True} if of_public else {}
    match chosen.kind:
        case "AES" | "secret":
            return ({**secret, **public, "CKA_VALUE_LEN": chosen.bits // 8},)
        case "RSA":
            public |= {"CKA_MODULUS_BITS": chosen.bits, "CKA_PUBLIC_EXPONENT": 65537}
        case "EC" | "Ed25519":
            public |= {"CKA_EC_PARAMS": CURVES[chosen.curve or chosen.kind].params}
        case _:
            public |= {"CKA_PARAMETER_SET": spec.value(chosen.parameter_set)}
    return public, secret


def make_work(session: Session, case: Case, keys: Keys | None, user: int) -> Work:
    """The work of a case. ``user``: a number for each job on one key, because their IVs must never meet.

    Verify, decrypt, unwrap and decapsulate are given what the token made by the inverse, once. Errors:
    ``CryptokiError`` where it did not, ``Lacking`` for what the token does not have.
    """
    maker = _Maker(session, case, keys or Keys(0, 0), user)
    work = _MAKERS.get(case.operation, _Maker.plain)(maker)
    return attrs.evolve(work, timed=case.timed, parts=case.parts, length_query=case.length_query)


class _Maker:
    """The work of one case, by its operation."""

    def __init__(self, session: Session, case: Case, keys: Keys, user: int) -> None:
        self.session, self.case, self.keys, self.user = session, case, keys, user

    def plain(self) -> Work:
        """Sign, encrypt, digest, and what else is given bytes at random."""
        case = self.case
        data = b"" if case.operation == "random" else secrets.token_bytes(case.payload)
        counting = case.mechanism == "CKM_AES_GCM" and case.iv == "counter"
        return Work(
            case.operation,
            self.mechanism() if self.case.mechanism else None,
            key=self.keys.of(case.operation),
            data=data,
            capacity=case.payload if case.operation == "random" else case.output,
            count_iv=counting,
            fresh_iv=case.iv == "token",
        )

    def mechanism(self) -> Mechanism:
        """The case's mechanism with a parameter of its own."""
        name = str(self.case.mechanism)
        if name == "CKM_AES_GCM":
            if self.case.iv == "token":
                return mechanism(name, gcm(bytes(IV_BYTES)))
            if self.case.operation == "encrypt":
                return counting_gcm(self.user)
        return mechanism(name, _parameter(name))

    def verify(self) -> Work:
        case, chosen = self.case, self.mechanism()
        data = secrets.token_bytes(case.payload)
        C.SignInit(self.session, chosen, self.keys.private)
        signature = C.Sign(self.session, data)
        return Work("verify", chosen, key=self.keys.public, data=data, signature=signature)

    def decrypt(self) -> Work:
        case, chosen = self.case, self.mechanism()
        C.EncryptInit(self.session, chosen, self.keys.public)
        ciphertext = C.Encrypt(self.session, secrets.token_bytes(case.payload))
        room = max(case.output, case.payload + _ROOM)  # of RSA, as much as the modulus has: SoftHSM2 wants it
        return Work("decrypt", chosen, key=self.keys.private, data=ciphertext, capacity=room)

    def _target(self) -> int:
        """A key that may be wrapped, of as many bytes as the payload."""
        template: Template = {
            "CKA_PRIVATE": True,
            "CKA_SENSITIVE": True,
            "CKA_EXTRACTABLE": True,
            "CKA_ENCRYPT": True,
            "CKA_VALUE_LEN": self.case.payload,
        }
        return self.session.make("CKM_AES_KEY_GEN", template)[0]

    def wrap(self) -> Work:
        case = self.case
        return Work(
            "wrap", self.mechanism(), key=self.keys.public, target=self._target(), capacity=case.output
        )

    def unwrap(self) -> Work:
        chosen, target = self.mechanism(), self._target()
        wrapped = C.WrapKey(self.session, chosen, self.keys.public, target)
        C.DestroyObject(self.session, target)
        template = _made({"CKA_CLASS": "CKO_SECRET_KEY", "CKA_KEY_TYPE": "CKK_AES", "CKA_ENCRYPT": True})
        return Work("unwrap", chosen, key=self.keys.private, data=wrapped, templates=(template,))

    def derive(self) -> Work:
        case = self.case
        name = str(case.mechanism)
        if name == "CKM_ECDH1_DERIVE":
            parameter: Parameter | bytes | None = mechanisms.ecdh1(_peer(KEYS[str(case.key)].curve))
        else:
            parameter = _parameter(name)
        template = _made({**_SECRET, "CKA_VALUE_LEN": _SECRET_BYTES})
        return Work("derive", mechanism(name, parameter), key=self.keys.private, templates=(template,))

    def encapsulate(self) -> Work:
        self._with_v3_2()
        return Work(
            "encapsulate",
            self.mechanism(),
            key=self.keys.public,
            templates=(_made({**_SECRET, "CKA_VALUE_LEN": _SECRET_BYTES}),),
            capacity=_KEM_ROOM,
        )

    def decapsulate(self) -> Work:
        self._with_v3_2()
        template: Template = {**_SECRET, "CKA_VALUE_LEN": _SECRET_BYTES, **_PASSING}
        ciphertext, made = C.EncapsulateKey(self.session, self.mechanism(), self.keys.public, template)
        C.DestroyObject(self.session, made)
        return Work(
            "decapsulate",
            self.mechanism(),
            key=self.keys.private,
            data=ciphertext,
            templates=(tuple(encode_template(template)),),
        )

    def _with_v3_2(self) -> None:
        if not self.session.token.module.function_list_3_2:
            raise Lacking("the module has no function list of v3.2")

    def generate_key(self) -> Work:
        chosen, token = KEYS[str(self.case.key)], self.session.token
        stored = self.case.residency == "token"
        place: Template = {}
        # a worker that dies in the middle leaves an object: the sweep knows it by its label and the ledger
        if stored:
            place = {"CKA_LABEL": token.run_label()}
            ledger.record(token.identity, token.run_label())
        templates = tuple(
            _made(token.template_rules.applied({**place, **one}), stored)
            for one in key_templates(chosen, use_of(self.case))
        )
        return Work(self.case.operation, mechanism(chosen.mechanism), templates=templates)

    def find(self) -> Work:
        """One key is sought by its label, and found where it may be made."""
        label = f"sought-{secrets.token_hex(8)}"
        if not self.session.token.policy.announces:
            template: Template = {"CKA_VALUE_LEN": 32, "CKA_ENCRYPT": True, "CKA_PRIVATE": False}
            with suppress(CryptokiError):  # a TPM makes none: then nothing is found
                self.session.make("CKM_AES_KEY_GEN", template, label=label)
        sought = encode_template({"CKA_CLASS": "CKO_SECRET_KEY", "CKA_LABEL": label})
        return Work("find", templates=(tuple(sought),), capacity=max(1, self.case.payload))

    def attributes(self) -> Work:
        rows: tuple[Row, ...] = tuple((spec.value(name), _READ_ROOM) for name in _READ)
        return Work("attributes", key=self.keys.private, templates=(rows,))

    def opening(self) -> Work:
        token = self.session.token
        flags = spec.value("CKF_SERIAL_SESSION") | spec.value("CKF_RW_SESSION")
        return Work("session", slot=token.slot, flags=flags)

    def login(self) -> Work:
        """The user's login, from a session that is logged out."""
        token = self.session.token
        if "CKF_LOGIN_REQUIRED" not in token.info.flag_names:
            raise Lacking("the token has no login")
        pin = token.pin
        if pin is None:
            raise Lacking("the PIN is entered on the device")
        C.Logout(self.session)
        return Work("login", data=Secret(pin.reveal()), flags=spec.value("CKU_USER"))

    def initialize(self) -> Work:
        return Work("initialize", init_string=self.session.token.module.init_string)


_MAKERS: dict[str, Callable[[_Maker], Work]] = {
    "verify": _Maker.verify,
    "decrypt": _Maker.decrypt,
    "wrap": _Maker.wrap,
    "unwrap": _Maker.unwrap,
    "derive": _Maker.derive,
    "encapsulate": _Maker.encapsulate,
    "decapsulate": _Maker.decapsulate,
    "generate_key": _Maker.generate_key,
    "generate_key_pair": _Maker.generate_key,
    "find": _Maker.find,
    "attributes": _Maker.attributes,
    "session": _Maker.opening,
    "login": _Maker.login,
    "initialize": _Maker.initialize,
}
_SECRET: Template = {
    "CKA_CLASS": "CKO_SECRET_KEY",
    "CKA_KEY_TYPE": "CKK_GENERIC_SECRET",
    "CKA_SENSITIVE": True,
}
_PASSING: Template = {"CKA_TOKEN": False, "CKA_PRIVATE": True}


def _made(template: Mapping[str, AttributeValue], stored: bool = False) -> tuple[Row, ...]:
    """The rows of a template for objects that are destroyed at once."""
    return tuple(encode_template({**_PASSING, **template, "CKA_TOKEN": stored}))


def _parameter(name: str) -> Parameter | bytes | None:
    """The parameter of a mechanism, where it needs one and the case says no more."""
    match name:
        case "CKM_AES_GCM":
            return gcm(secrets.token_bytes(IV_BYTES))
        case "CKM_AES_CBC" | "CKM_AES_CBC_PAD":
            return secrets.token_bytes(16)
        case "CKM_RSA_PKCS_OAEP":
            return mechanisms.rsa_oaep("SHA-1")  # what every module has; SoftHSM2 has no other
        case "CKM_RSA_PKCS_PSS" | "CKM_SHA256_RSA_PKCS_PSS":
            return rsa_pss("SHA-256")
        case "CKM_HKDF_DERIVE":
            return mechanisms.hkdf("SHA-256", info=b"workbench")
        case _:
            return None


def _peer(curve: str) -> bytes:
    """Somebody else's public point on the curve."""
    chosen = CURVES[curve].pyca
    if chosen is None:
        raise Lacking(f"no peer on the curve {curve}")
    point = ec.generate_private_key(chosen()).public_key()
    return point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
