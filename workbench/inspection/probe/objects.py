"""What the trials work with: templates, and keys of known value that are made once per worker.

Everything here is a session object, unless the token keeps token objects only (a TPM); those carry the run's
label. ``clear`` destroys whatever was made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from workbench import spec
from workbench.cryptoki import AttributeValue, C, CryptokiError, mechanism, mechanisms
from workbench.faults import PolicyRefusal
from workbench.tokens import Session, Token

__all__ = ["READABLE", "Bench", "bench", "clear", "session_objects", "template"]

T = TypeVar("T")
READABLE: dict[str, AttributeValue] = {"CKA_SENSITIVE": False, "CKA_EXTRACTABLE": True}
P256 = bytes.fromhex("06082a8648ce3d030107")
_NEVER_HERE = frozenset(
    {"CKR_ATTRIBUTE_VALUE_INVALID", "CKR_TEMPLATE_INCONSISTENT", "CKR_ATTRIBUTE_READ_ONLY"}
)
_session_objects: dict[str, bool] = {}
_benches: dict[str, Bench] = {}


def template(token: Token, attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    """The attributes of an object that a trial makes, with where it lives; the one place that decides that."""
    if session_objects(token):
        return {"CKA_TOKEN": False, **attributes}
    return {"CKA_TOKEN": True, "CKA_LABEL": token.run_label("probe"), **attributes}


def session_objects(token: Token) -> bool:
    """Whether the token keeps session objects: asked once, by making a key pair (a TPM refuses)."""
    if token.name not in _session_objects:
        kept = True
        if token.offers("CKM_EC_KEY_PAIR_GEN"):
            with token.session() as session:
                try:
                    public: dict[str, AttributeValue] = {"CKA_TOKEN": False, "CKA_EC_PARAMS": P256}
                    pair = C.GenerateKeyPair(session, "CKM_EC_KEY_PAIR_GEN", public, {"CKA_TOKEN": False})
                    for handle in pair:
                        C.DestroyObject(session, handle)
                except CryptokiError as error:
                    kept = error.name not in _NEVER_HERE
        _session_objects[token.name] = kept
    return _session_objects[token.name]


class Bench:
    """A session of the worker's own and the keys on it, made when a trial first asks for them.

    ``imports``: key pairs are made elsewhere and brought in, where the token takes them; else they are its own.
    """

    def __init__(self, token: Token) -> None:
        self.token = token
        self.session: Session = token.session()
        self.imports = True
        self._kept: dict[str, Any] = {}
        self._handles: list[int] = []

    def kept(self, name: str, make: Callable[[], T]) -> T:
        """What ``make`` gave the first time it was asked for under this name."""
        if name not in self._kept:
            self._kept[name] = make()
        value: T = self._kept[name]
        return value

    def create(self, attributes: Mapping[str, AttributeValue]) -> int:
        """C_CreateObject; the handle."""
        return self.mine(C.CreateObject(self.session, template(self.token, attributes)))

    def mine(self, *handles: int) -> int:
        """Note objects down for destruction; the first of them."""
        self._handles += handles
        return handles[0]

    def secret(self, key_type: str, value: bytes, *uses: str) -> int:
        """A secret key of a known value that may be used for ``uses`` (CKA_…) and read where the token lets it.

        Devices in FIPS mode refuse to create one: there it is unwrapped under an RSA key of the token's own.
        """
        kind: dict[str, AttributeValue] = {"CKA_CLASS": "CKO_SECRET_KEY", "CKA_KEY_TYPE": key_type}
        may: dict[str, AttributeValue] = dict.fromkeys(uses, True)
        try:
            return self.create({**kind, "CKA_VALUE": value, **READABLE, **may})
        except CryptokiError as refusal:
            for readable in (READABLE, {}):
                with suppress(CryptokiError):
                    return self._unwrapped({**kind, **readable, **may}, value)
            raise refusal from None

    def _unwrapped(self, attributes: Mapping[str, AttributeValue], value: bytes) -> int:
        def make() -> tuple[int, rsa.RSAPublicKey]:
            public: dict[str, AttributeValue] = {"CKA_MODULUS_BITS": 2048, "CKA_PUBLIC_EXPONENT": 65537}
            handles = C.GenerateKeyPair(
                self.session,
                "CKM_RSA_PKCS_KEY_PAIR_GEN",
                template(self.token, public),
                template(self.token, {"CKA_UNWRAP": True}),
            )
            self.mine(*handles)
            n, e = (self.value(handles[0], name) for name in ("CKA_MODULUS", "CKA_PUBLIC_EXPONENT"))
            numbers = rsa.RSAPublicNumbers(int.from_bytes(e, "big"), int.from_bytes(n, "big"))
            return handles[1], numbers.public_key()

        private, theirs = self.kept("door", make)
        oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
        how = mechanism("CKM_RSA_PKCS_OAEP", mechanisms.rsa_oaep("SHA-1"))
        wanted = template(self.token, attributes)
        return self.mine(C.UnwrapKey(self.session, how, private, theirs.encrypt(value, oaep), wanted))

    def value(self, handle: int, attribute: str = "CKA_VALUE") -> bytes:
        """An attribute's bytes."""
        found = C.GetAttributeValue(self.session, handle, [attribute])[attribute]
        return found if isinstance(found, bytes) else b""

    def wanted(self, key_type: str, length: int | None, *uses: str) -> dict[str, AttributeValue]:
        """The template of a secret key that a generation, derivation or unwrapping is to make, readable afterwards."""
        size: dict[str, AttributeValue] = {} if length is None else {"CKA_VALUE_LEN": length}
        made: dict[str, AttributeValue] = {
            "CKA_CLASS": "CKO_SECRET_KEY",
            "CKA_KEY_TYPE": key_type,
            **READABLE,
            **size,
        }
        return template(self.token, {**made, **dict.fromkeys(uses, True)})

    def mechanisms(self) -> frozenset[int]:
        """The numbers in the token's mechanism list."""
        return self.session.handle.module.mechanisms(self.session.handle.slot)

    def lists(self, name: str) -> bool:
        """Whether the mechanism list has this one."""
        return spec.value(name) in self.mechanisms()

    def clear(self) -> None:
        """Destroy what was made, and close the session."""
        for handle in self._handles:
            with suppress(CryptokiError, PolicyRefusal):
                C.DestroyObject(self.session, handle)
        self._handles.clear()
        self._kept.clear()
        with suppress(CryptokiError):
            self.session.close()


def bench(token: Token) -> Bench:
    """The bench of this worker; made anew in a worker that took the place of a dead one."""
    if token.name not in _benches:
        _benches[token.name] = Bench(token)
    return _benches[token.name]


def clear(token: Token) -> None:
    """Destroy what the bench of this worker made, and close its session."""
    if token.name in _benches:
        _benches.pop(token.name).clear()
