"""An object as a token tells of it, and what that means: its key, its size, its uses, its certificate."""

from __future__ import annotations

import datetime
import warnings
from functools import cached_property

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import ObjectIdentifier

from workbench import spec
from workbench.cryptoki.attributes import AttributeValue
from workbench.faults import WorkbenchError
from workbench.inspection.plain import plain
from workbench.keys import curve_of

__all__ = ["USES", "Certificate", "TokenObject", "attributes_of", "read_certificate"]

USES = (
    "CKA_ENCRYPT",
    "CKA_DECRYPT",
    "CKA_SIGN",
    "CKA_SIGN_RECOVER",
    "CKA_VERIFY",
    "CKA_VERIFY_RECOVER",
    "CKA_WRAP",
    "CKA_UNWRAP",
    "CKA_DERIVE",
    "CKA_ENCAPSULATE",
    "CKA_DECAPSULATE",
)
_STORAGE = (
    "CKA_TOKEN",
    "CKA_PRIVATE",
    "CKA_MODIFIABLE",
    "CKA_LABEL",
    "CKA_COPYABLE",
    "CKA_DESTROYABLE",
    "CKA_UNIQUE_ID",
)
_KEY = (
    *_STORAGE,
    "CKA_KEY_TYPE",
    "CKA_ID",
    "CKA_START_DATE",
    "CKA_END_DATE",
    "CKA_LOCAL",
    "CKA_KEY_GEN_MECHANISM",
    "CKA_ALLOWED_MECHANISMS",
    *USES,
)
_ASYMMETRIC = ("CKA_SUBJECT", "CKA_MODULUS", "CKA_PUBLIC_EXPONENT", "CKA_EC_PARAMS", "CKA_PARAMETER_SET")
_GUARDED = (
    "CKA_SENSITIVE",
    "CKA_EXTRACTABLE",
    "CKA_ALWAYS_SENSITIVE",
    "CKA_NEVER_EXTRACTABLE",
    "CKA_WRAP_WITH_TRUSTED",
)
# What is read of each class. CKA_VALUE is public in a certificate and nowhere else here: of a key it is never asked.
_OF_CLASS = {
    "CKO_PUBLIC_KEY": (*_KEY, *_ASYMMETRIC, "CKA_EC_POINT", "CKA_MODULUS_BITS", "CKA_TRUSTED"),
    "CKO_PRIVATE_KEY": (*_KEY, *_ASYMMETRIC, *_GUARDED, "CKA_ALWAYS_AUTHENTICATE"),
    "CKO_SECRET_KEY": (*_KEY, *_GUARDED, "CKA_VALUE_LEN", "CKA_TRUSTED"),
    "CKO_OTP_KEY": (*_KEY, *_GUARDED),
    "CKO_CERTIFICATE": (
        *_STORAGE,
        "CKA_CERTIFICATE_TYPE",
        "CKA_CERTIFICATE_CATEGORY",
        "CKA_TRUSTED",
        "CKA_ID",
        "CKA_VALUE",
    ),
    "CKO_DATA": (*_STORAGE, "CKA_APPLICATION"),
    "CKO_DOMAIN_PARAMETERS": (*_STORAGE, "CKA_KEY_TYPE", "CKA_LOCAL"),
    "CKO_PROFILE": ("CKA_PROFILE_ID",),
    "CKO_MECHANISM": ("CKA_MECHANISM_TYPE",),
    "CKO_HW_FEATURE": ("CKA_HW_FEATURE_TYPE",),
}
# Key type → the start of the names of its parameter sets: their numbers are those of other types too.
_PARAMETER_SETS = {"CKK_ML_DSA": "CKP_ML_DSA_", "CKK_SLH_DSA": "CKP_SLH_DSA_", "CKK_ML_KEM": "CKP_ML_KEM_"}
_BITS = {"CKK_DES": 56, "CKK_DES2": 112, "CKK_DES3": 168}


def attributes_of(object_class: int | None) -> tuple[str, ...]:
    """The attributes to read of an object of this CKA_CLASS; of a class not known here the common ones."""
    return _OF_CLASS.get("" if object_class is None else spec.name("CKO", object_class), _STORAGE)


@attrs.frozen(slots=False)  # a cached property needs a place
class TokenObject:
    """An object: its attributes by CKA name, as far as the token tells them.

    ``refused``: the CKR where it told none. ``class_number`` None: it does not tell the class.
    """

    handle: int
    class_number: int | None
    attributes: dict[str, AttributeValue]
    refused: str | None = None

    @property
    def object_class(self) -> str:
        """The CKO name."""
        return "CKO_?" if self.class_number is None else spec.name("CKO", self.class_number)

    @property
    def key_type(self) -> str | None:
        """The CKK name; None for an object that is no key."""
        number = self.attributes.get("CKA_KEY_TYPE")
        return spec.name("CKK", number) if isinstance(number, int) else None

    @property
    def label(self) -> str:
        """CKA_LABEL as the token gives it: somebody else's text, to be shown through ``plain`` only."""
        raw = self.attributes.get("CKA_LABEL", "")
        return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)

    @property
    def id(self) -> bytes:
        """CKA_ID; empty where there is none."""
        return self.octets("CKA_ID")

    @property
    def name(self) -> str:
        """How a sentence calls it: by label and ID, by its handle only where it has neither. Safe to show."""
        what = self.object_class.removeprefix("CKO_").lower().replace("_", " ")
        parts = [f"'{plain(self.label)}'" if self.label else "", f"ID {self.id.hex()}" if self.id else ""]
        said = ", ".join(part for part in parts if part)
        return f"{what} {said or f'without label and ID (handle {self.handle})'}"

    def octets(self, name: str) -> bytes:
        """An attribute's bytes; empty where the token tells none."""
        value = self.attributes.get(name)
        return value if isinstance(value, bytes) else b""

    def says(self, name: str, value: bool) -> bool:
        """Whether the token says this of a CK_BBOOL attribute; it may well say nothing."""
        return self.attributes.get(name) is value

    @property
    def uses(self) -> tuple[str, ...]:
        """What the key may be used for: ``sign``, ``unwrap`` …"""
        return tuple(name.removeprefix("CKA_").lower() for name in USES if self.says(name, True))

    @property
    def bits(self) -> int | None:
        """The size of an RSA or a secret key in bits."""
        if self.octets("CKA_MODULUS"):
            return int.from_bytes(self.octets("CKA_MODULUS"), "big").bit_length()
        length = self.attributes.get("CKA_VALUE_LEN")
        if isinstance(length, int) and length:
            return 8 * length
        return _BITS.get(self.key_type or "")

    @property
    def size(self) -> str:
        """Size, curve or parameter set, in words; empty where the token does not tell."""
        if self.octets("CKA_EC_PARAMS"):
            return _curve(self.octets("CKA_EC_PARAMS"))
        chosen, start = self.attributes.get("CKA_PARAMETER_SET"), _PARAMETER_SETS.get(self.key_type or "")
        if chosen is not None and start is not None:
            names = (c.name for c in spec.constants("CKP") if c.name.startswith(start) and c.value == chosen)
            return next(names, f"CKP {chosen}").removeprefix("CKP_")
        return "" if self.bits is None else f"{self.bits} bits"

    @property
    def profile(self) -> str | None:
        """The name of the profile that a CKO_PROFILE object claims."""
        number = self.attributes.get("CKA_PROFILE_ID")
        claimed = {spec.value(p.profile_id): p.profile_id for p in spec.profiles() if p.profile_id}
        return claimed.get(number, f"CKP_0x{number:08X}") if isinstance(number, int) else None

    @cached_property
    def certificate(self) -> Certificate | None:
        """The X.509 certificate that the object holds; None where it holds none that can be read."""
        value = self.octets("CKA_VALUE")
        return read_certificate(value) if self.object_class == "CKO_CERTIFICATE" and value else None


@attrs.frozen
class Certificate:
    """An X.509 certificate by pyca/cryptography. Names are RFC 4514 text, to be shown through ``plain`` only.

    ``modulus`` (RSA) or ``point`` (EC, Edwards: the raw point) is its public key, as far as pyca can read it.
    """

    subject: str
    issuer: str
    not_before: datetime.datetime
    not_after: datetime.datetime
    key: str
    authority: bool
    modulus: bytes = b""
    point: bytes = b""


def read_certificate(der: bytes) -> Certificate | None:
    """The certificate in these bytes; None where they are none that pyca/cryptography takes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # odd serial numbers and the like
            found = x509.load_der_x509_certificate(der)
        key, modulus, point = _public_key(found)
        return Certificate(
            found.subject.rfc4514_string(),
            found.issuer.rfc4514_string(),
            found.not_valid_before_utc,
            found.not_valid_after_utc,
            key,
            _is_authority(found),
            modulus,
            point,
        )
    except (ValueError, x509.InvalidVersion):
        return None


def _public_key(certificate: x509.Certificate) -> tuple[str, bytes, bytes]:
    try:
        key = certificate.public_key()
    except Exception:  # noqa: BLE001 - an algorithm that pyca does not know, or a point on no curve
        return certificate.public_key_algorithm_oid.dotted_string, b"", b""
    raw, form = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    match key:
        case rsa.RSAPublicKey():
            return (
                f"RSA {key.key_size} bits",
                key.public_numbers().n.to_bytes(key.key_size // 8 + 1, "big"),
                b"",
            )
        case ec.EllipticCurvePublicKey():
            uncompressed = serialization.PublicFormat.UncompressedPoint
            return f"EC {key.curve.name}", b"", key.public_bytes(serialization.Encoding.X962, uncompressed)
        case ed25519.Ed25519PublicKey():
            return "Ed25519", b"", key.public_bytes(raw, form)
        case ed448.Ed448PublicKey():
            return "Ed448", b"", key.public_bytes(raw, form)
    return type(key).__name__.removesuffix("PublicKey"), b"", b""


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (
        x509.ExtensionNotFound,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
        ValueError,
    ):
        return False


def _curve(params: bytes) -> str:
    """The name of a curve from CKA_EC_PARAMS; its OID, or the start of the bytes, where nobody here knows it."""
    try:
        return curve_of(params).name
    except WorkbenchError:
        pass
    if params[:1] == b"\x13":  # a PrintableString names the curve in plain words
        return plain(params[2:].decode("ascii", "replace"))
    oid = _identifier(params)
    if oid is None:
        return f"parameters {params[:8].hex()}{'…' if len(params) > 8 else ''}"
    try:
        return ec.get_curve_for_oid(oid)().name
    except LookupError:
        return oid.dotted_string


def _identifier(der: bytes) -> ObjectIdentifier | None:
    """An object identifier from its DER (X.690, 8.19); None where the bytes are none."""
    content = der[2:]
    if der[:1] != b"\x06" or not content or len(content) != der[1] or content[-1] & 0x80:
        return None
    arcs: list[int] = []
    value = 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    try:
        return ObjectIdentifier(".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:]))))
    except ValueError:
        return None
