"""Generating keys: the templates that every module accepts, and nothing a token would have to ignore."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from workbench.cryptoki import AttributeValue, C, SessionLike
from workbench.faults import WorkbenchError
from workbench.keys.encodings import CURVES
from workbench.keys.pair import KeyPair, SecretKey

__all__ = ["TemplateRules", "generate_key_pair", "generate_secret_key"]


@attrs.frozen
class TemplateRules:
    """What a vendor's templates must not and must say: attributes left out, and attributes always given."""

    never_send: frozenset[str] = frozenset()
    always_send: Mapping[str, AttributeValue] = attrs.field(factory=dict)

    def applied(self, template: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
        """The template as the vendor wants it."""
        kept = {name: value for name, value in template.items() if name not in self.never_send}
        return {**self.always_send, **kept}


ANY = TemplateRules()


def generate_key_pair(
    session: SessionLike,
    kind: str,
    *,
    bits: int = 2048,
    curve: str = "P-256",
    label: str = "",
    token: bool = False,
    rules: TemplateRules = ANY,
) -> KeyPair:
    """Generate a key pair on the token (C_GenerateKeyPair, 5.18.2).

    ``kind``: ``RSA`` (``bits``), ``EC`` (``curve``: P-256, P-384, P-521) or ``Ed25519``. A session object
    unless ``token``. The private key is sensitive and not extractable.
    """
    public: dict[str, AttributeValue] = {"CKA_TOKEN": token, "CKA_VERIFY": True}
    private: dict[str, AttributeValue] = {
        "CKA_TOKEN": token,
        "CKA_PRIVATE": True,
        "CKA_SENSITIVE": True,
        "CKA_EXTRACTABLE": False,
        "CKA_SIGN": True,
    }
    if label:
        public["CKA_LABEL"] = private["CKA_LABEL"] = label
    match kind:
        case "RSA":
            mechanism = "CKM_RSA_PKCS_KEY_PAIR_GEN"
            public["CKA_MODULUS_BITS"] = bits
            public["CKA_PUBLIC_EXPONENT"] = 65537
        case "EC":
            if curve not in CURVES or CURVES[curve].pyca is None:
                raise WorkbenchError(f"no curve {curve!r}; one of P-256, P-384, P-521")
            mechanism = "CKM_EC_KEY_PAIR_GEN"
            public["CKA_EC_PARAMS"] = CURVES[curve].params
        case "Ed25519":
            mechanism = "CKM_EC_EDWARDS_KEY_PAIR_GEN"
            public["CKA_EC_PARAMS"] = CURVES["Ed25519"].params
        case _:
            raise WorkbenchError(f"no key pair of kind {kind!r}; one of RSA, EC, Ed25519")
    handles = C.GenerateKeyPair(session, mechanism, rules.applied(public), rules.applied(private))
    return KeyPair(session.handle, kind, *handles)


def generate_secret_key(
    session: SessionLike,
    kind: str = "AES",
    *,
    bits: int = 256,
    label: str = "",
    token: bool = False,
    rules: TemplateRules = ANY,
) -> SecretKey:
    """Generate a secret key (C_GenerateKey, 5.18.1): ``AES`` of 128, 192 or 256 bits, sensitive, not extractable."""
    if kind != "AES":
        raise WorkbenchError(f"no secret key of kind {kind!r}; AES")
    template: dict[str, AttributeValue] = {
        "CKA_TOKEN": token,
        "CKA_PRIVATE": True,
        "CKA_SENSITIVE": True,
        "CKA_EXTRACTABLE": False,
        "CKA_ENCRYPT": True,
        "CKA_DECRYPT": True,
        "CKA_VALUE_LEN": bits // 8,
        "CKA_LABEL": label,
    }
    return SecretKey(session.handle, kind, C.GenerateKey(session, "CKM_AES_KEY_GEN", rules.applied(template)))
