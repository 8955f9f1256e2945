"""The rules of the key-policy lint, as a table: what is wrong, why it matters, what to do."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from enum import IntEnum

import attrs

from workbench import spec
from workbench.inspection.holdings import TokenObject
from workbench.tokens.ledger import RunLabel

__all__ = ["RULES", "Owned", "Rule", "Severity"]

PRIVATE, PUBLIC, CERTIFICATE = ("CKO_PRIVATE_KEY",), ("CKO_PUBLIC_KEY",), ("CKO_CERTIFICATE",)
SECRET = ("CKO_SECRET_KEY", "CKO_OTP_KEY")
GUARDED = (*PRIVATE, *SECRET)
WEAK_CIPHERS = frozenset({"CKK_DES", "CKK_DES2", "CKK_DES3", "CKK_RC2", "CKK_RC4", "CKK_CDMF"})
RSA_BITS, RSA_EXPONENT = 2048, 65537


class Severity(IntEnum):
    """How much it matters: HIGH gives a key away, MEDIUM weakens its protection, LOW is untidy."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


@attrs.frozen
class Owned:
    """All objects that were read, with the look-ups that rules need.

    ``complete``: nothing is hidden (the user was logged in, everything was looked for), so that what is not
    here does not exist.
    """

    objects: tuple[TokenObject, ...]
    complete: bool
    now: datetime.datetime

    def of(self, *classes: str) -> tuple[TokenObject, ...]:
        """The objects of these classes."""
        return tuple(o for o in self.objects if o.object_class in classes)

    def partners(self, thing: TokenObject, *classes: str) -> tuple[TokenObject, ...]:
        """The objects of these classes with the same CKA_ID; none for one without an ID."""
        return tuple(o for o in self.of(*classes) if thing.id and o.id == thing.id and o is not thing)


Breach = Callable[[TokenObject, Owned], str | None]


@attrs.frozen
class Rule:
    """One thing that can be wrong with an object of these classes.

    ``about``: the attribute or function whose section of the standard is given. ``breach(object, owned)``:
    None where the object is in order, otherwise what there is to add to ``wrong`` (often an empty text).
    """

    id: str
    severity: Severity
    classes: tuple[str, ...]
    wrong: str
    why: str
    remedy: str
    about: str
    breach: Breach

    def section(self, object_class: str) -> str | None:
        """The section of v3.2 on ``about`` for this class of object; None where the tables have none."""
        if self.about.startswith("C_"):
            return spec.function(self.about).section
        entries = [e for e in spec.attribute(self.about).entries if e.section]
        own = [e.section for e in entries if e.object_class == object_class]
        return next(iter(own or [e.section for e in entries if e.object_class is None]), None)


def _flags(**flags: bool) -> Breach:
    """All these CK_BBOOL attributes (named without CKA_) are told so."""
    wanted = {f"CKA_{name}": value for name, value in flags.items()}
    return lambda thing, owned: "" if all(thing.says(n, v) for n, v in wanted.items()) else None


def _rsa_signs_and_decrypts(thing: TokenObject, owned: Owned) -> str | None:
    return _flags(SIGN=True, DECRYPT=True)(thing, owned) if thing.key_type == "CKK_RSA" else None


def _authority_can_be_changed(thing: TokenObject, owned: Owned) -> str | None:
    named = [o.certificate for o in owned.partners(thing, *CERTIFICATE)]
    authority = any(c.authority for c in named if c is not None)
    return "" if authority and thing.says("CKA_MODIFIABLE", True) else None


def _short_rsa(thing: TokenObject, owned: Owned) -> str | None:
    if thing.key_type != "CKK_RSA" or thing.bits is None or thing.bits >= RSA_BITS:
        return None
    private = thing.object_class == "CKO_PUBLIC_KEY" and any(
        o.bits == thing.bits for o in owned.partners(thing, *PRIVATE)
    )
    return None if private else f"{thing.bits} bits"  # of a pair, the private key alone is named


def _small_exponent(thing: TokenObject, owned: Owned) -> str | None:
    exponent = int.from_bytes(thing.octets("CKA_PUBLIC_EXPONENT"), "big")
    return str(exponent) if 0 < exponent < RSA_EXPONENT else None


def _weak_cipher(thing: TokenObject, owned: Owned) -> str | None:
    return thing.key_type if thing.key_type in WEAK_CIPHERS else None


def _any_mechanism(thing: TokenObject, owned: Owned) -> str | None:
    return None if thing.attributes.get("CKA_ALLOWED_MECHANISMS") else ""


def _past_its_end(thing: TokenObject, owned: Owned) -> str | None:
    end = thing.attributes.get("CKA_END_DATE")
    return f"{end}" if isinstance(end, datetime.date) and end < owned.now.date() else None


def _same_id(thing: TokenObject, owned: Owned) -> str | None:
    return _repeated(thing, owned, lambda o: o.id)


def _same_label(thing: TokenObject, owned: Owned) -> str | None:
    return _repeated(thing, owned, lambda o: o.label)


def _repeated(thing: TokenObject, owned: Owned, by: Callable[[TokenObject], str | bytes]) -> str | None:
    """Said once, of the first of them."""
    alike = [o for o in owned.of(thing.object_class) if by(o) and by(o) == by(thing)]
    return f"{len(alike)} of them" if len(alike) > 1 and alike[0] is thing else None


def _halves_differ(thing: TokenObject, owned: Owned) -> str | None:
    halves = owned.partners(thing, *PUBLIC)
    return "" if halves and not any(_same_key(thing, o) for o in halves) else None


def _same_key(private: TokenObject, public: TokenObject) -> bool:
    """Whether nothing that both halves tell speaks against their being one pair."""
    names = ("CKA_KEY_TYPE", "CKA_MODULUS", "CKA_EC_PARAMS", "CKA_PARAMETER_SET")
    told = [(_number(private, n), _number(public, n)) for n in names]
    return all(mine == theirs for mine, theirs in told if mine and theirs)


def _number(thing: TokenObject, name: str) -> object:
    value = thing.attributes.get(name)
    # a modulus may come with a leading zero or without
    return int.from_bytes(value, "big") if name == "CKA_MODULUS" and isinstance(value, bytes) else value


def _no_public_half(thing: TokenObject, owned: Owned) -> str | None:
    return None if owned.partners(thing, *PUBLIC, *CERTIFICATE) or not owned.complete else ""


def _no_private_half(thing: TokenObject, owned: Owned) -> str | None:
    return None if owned.partners(thing, *PRIVATE) or not owned.complete else ""


def _no_key(thing: TokenObject, owned: Owned) -> str | None:
    if thing.certificate is None or thing.certificate.authority:
        return None  # of an authority one has the certificate alone
    return _no_private_half(thing, owned)


def _not_valid_now(thing: TokenObject, owned: Owned) -> str | None:
    found = thing.certificate
    if found is None or found.not_before <= owned.now <= found.not_after:
        return None
    if found.not_after < owned.now:
        return f"it expired on {found.not_after:%Y-%m-%d}"
    return f"it begins on {found.not_before:%Y-%m-%d}"


def _not_of_its_key(thing: TokenObject, owned: Owned) -> str | None:
    keys = owned.partners(thing, *PUBLIC, *PRIVATE)
    return "" if any(_contradicts(thing, key) for key in keys) else None


def _contradicts(certificate: TokenObject, key: TokenObject) -> bool:
    found, modulus, point = certificate.certificate, key.octets("CKA_MODULUS"), key.octets("CKA_EC_POINT")
    if found is None:
        return False
    if modulus:
        return int.from_bytes(modulus, "big") != int.from_bytes(found.modulus, "big")
    # the raw point ends every form in which tokens give one
    return bool(point) and not (found.point and point.endswith(found.point))


def _unreadable(thing: TokenObject, owned: Owned) -> str | None:
    x509 = thing.attributes.get("CKA_CERTIFICATE_TYPE") == spec.value("CKC_X_509")
    return "" if x509 and thing.octets("CKA_VALUE") and thing.certificate is None else None


def _left_over(thing: TokenObject, owned: Owned) -> str | None:
    return "" if RunLabel.read(thing.label) else None


HIGH, MEDIUM, LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW
RULES = (
    Rule(
        "value-readable", HIGH, GUARDED,
        "the value can be read in plain: CKA_SENSITIVE is false and CKA_EXTRACTABLE is true",
        "every program that logs in can copy the key, and no later change tells who has",
        "treat the key as known, make a new one with CKA_SENSITIVE true and CKA_EXTRACTABLE false",
        "CKA_SENSITIVE", _flags(SENSITIVE=False, EXTRACTABLE=True),
    ),
    Rule(
        "seen-without-login", HIGH, GUARDED,
        "CKA_PRIVATE is false: it is there without a login",
        "whoever reaches the token can find it, and use it where the token asks for no login",
        "copy or make it with CKA_PRIVATE true and destroy this one",
        "CKA_PRIVATE", _flags(PRIVATE=False),
    ),
    Rule(
        "wraps-and-decrypts", HIGH, SECRET,
        "CKA_WRAP and CKA_DECRYPT are both true",
        "a key that is wrapped with it can then be decrypted with it, and lies in plain in the program",
        "use one key to wrap and another to decrypt",
        "C_WrapKey", _flags(WRAP=True, DECRYPT=True),
    ),
    Rule(
        "short-rsa", HIGH, (*PRIVATE, *PUBLIC),
        "the modulus is shorter than 2048 bits",
        "such moduli have been factored, or are about to be",
        "make a new key of 3072 bits or more, and replace what was signed with this one",
        "CKA_MODULUS", _short_rsa,
    ),
    Rule(
        "not-sensitive", MEDIUM, GUARDED,
        "CKA_SENSITIVE is false",
        "only CKA_EXTRACTABLE keeps the value from being read",
        "set CKA_SENSITIVE to true: that needs no new key",
        "CKA_SENSITIVE",
        lambda thing, owned: None if thing.says("CKA_EXTRACTABLE", True) else _flags(SENSITIVE=False)(thing, owned),
    ),
    Rule(
        "extractable", MEDIUM, GUARDED,
        "CKA_EXTRACTABLE is true",
        "the key can leave the token, wrapped with another key",
        "set CKA_EXTRACTABLE to false, unless its backup depends on wrapping: that needs no new key",
        "CKA_EXTRACTABLE", _flags(EXTRACTABLE=True),
    ),
    Rule(
        "wrapped-by-any-key", MEDIUM, GUARDED,
        "CKA_EXTRACTABLE is true and CKA_WRAP_WITH_TRUSTED is false",
        "a wrapping key whose value an attacker knows (he may create one) is enough to take it away",
        "set CKA_WRAP_WITH_TRUSTED to true and let the security officer mark the wrapping keys as trusted",
        "CKA_WRAP_WITH_TRUSTED", _flags(EXTRACTABLE=True, WRAP_WITH_TRUSTED=False),
    ),
    Rule(
        "unwraps-and-encrypts", MEDIUM, SECRET,
        "CKA_UNWRAP and CKA_ENCRYPT are both true",
        "whoever may use it can encrypt a value of his choice and unwrap that as a key",
        "use one key to unwrap and another to encrypt",
        "C_UnwrapKey", _flags(UNWRAP=True, ENCRYPT=True),
    ),
    Rule(
        "signs-and-decrypts", MEDIUM, PRIVATE,
        "CKA_SIGN and CKA_DECRYPT are both true on an RSA key",
        "both are the same operation inside: with raw mechanisms, what decrypts for one also signs for him",
        "use one key pair to sign and another to decrypt",
        "CKA_SIGN", _rsa_signs_and_decrypts,
    ),
    Rule(
        "once-extractable", MEDIUM, GUARDED,
        "generated here and not extractable now, but CKA_NEVER_EXTRACTABLE is false",
        "it could leave the token for a time, and nobody can tell whether it did",
        "make a new key with CKA_EXTRACTABLE false from the start",
        "CKA_NEVER_EXTRACTABLE", _flags(LOCAL=True, EXTRACTABLE=False, NEVER_EXTRACTABLE=False),
    ),
    Rule(
        "once-readable", MEDIUM, GUARDED,
        "generated here and sensitive now, but CKA_ALWAYS_SENSITIVE is false",
        "its value could be read for a time, and nobody can tell whether it was",
        "make a new key with CKA_SENSITIVE true from the start",
        "CKA_ALWAYS_SENSITIVE", _flags(LOCAL=True, SENSITIVE=True, ALWAYS_SENSITIVE=False),
    ),
    Rule(
        "authority-can-be-changed", MEDIUM, PRIVATE,
        "CKA_MODIFIABLE is true on the key of a certification authority",
        "its uses can be widened, and its label and ID put on another key",
        "make or copy it with CKA_MODIFIABLE false",
        "CKA_MODIFIABLE", _authority_can_be_changed,
    ),
    Rule(
        "weak-cipher", MEDIUM, SECRET,
        "the key is for a cipher that is no longer to be used",
        "DES and RC2 keys can be searched through; the 64-bit blocks of triple DES repeat in long traffic",
        "move what it protects to an AES key",
        "CKA_KEY_TYPE", _weak_cipher,
    ),
    Rule(
        "small-exponent", MEDIUM, (*PUBLIC,),
        "the public exponent is smaller than 65537",
        "with it, faults in a padding or its check become forgeries",
        "make a new key with CKA_PUBLIC_EXPONENT 65537",
        "CKA_PUBLIC_EXPONENT", _small_exponent,
    ),
    Rule(
        "halves-differ", MEDIUM, PRIVATE,
        "the public key with the same CKA_ID is not its other half",
        "programs that pair them by ID sign with one key and verify with another",
        "give each pair an ID of its own",
        "CKA_ID", _halves_differ,
    ),
    Rule(
        "certificate-of-another-key", MEDIUM, CERTIFICATE,
        "the key with the same CKA_ID is not the one in the certificate",
        "TLS servers and signers that pair them by ID fail, or sign what nobody can verify",
        "set the certificate's CKA_ID to that of its key",
        "CKA_ID", _not_of_its_key,
    ),
    Rule(
        "certificate-not-valid", MEDIUM, CERTIFICATE,
        "the certificate is not valid now",
        "relying parties refuse it",
        "renew it, and remove it once nothing old has to be verified with it",
        "CKA_VALUE", _not_valid_now,
    ),
    Rule(
        "certificate-unreadable", LOW, CERTIFICATE,
        "CKA_VALUE is no X.509 certificate that pyca/cryptography reads",
        "programs that take the first certificate they find may stop at it",
        "find out what was written there, and write the certificate's DER",
        "CKA_VALUE", _unreadable,
    ),
    Rule(
        "certificate-without-key", LOW, CERTIFICATE,
        "no private key has its CKA_ID",
        "it cannot be used to sign or to serve TLS from this token",
        "set the CKA_ID of both to the same value; remove the certificate where its key is gone",
        "CKA_ID", _no_key,
    ),
    Rule(
        "key-past-its-end", LOW, (*GUARDED, *PUBLIC),
        "CKA_END_DATE has passed",
        "the owner meant it to be out of use; the token does not enforce that",
        "replace it, or set the date that is meant",
        "CKA_END_DATE", _past_its_end,
    ),
    Rule(
        "any-mechanism", LOW, GUARDED,
        "no CKA_ALLOWED_MECHANISMS",
        "it works with every mechanism of its type that the token has, old paddings too",
        "name the mechanisms when the key is made, where the token takes the attribute",
        "CKA_ALLOWED_MECHANISMS", _any_mechanism,
    ),
    Rule(
        "same-id", LOW, (*GUARDED, *PUBLIC, *CERTIFICATE),
        "several objects of its class have the same CKA_ID",
        "a program that finds by ID uses whichever comes first",
        "give each its own ID",
        "CKA_ID", _same_id,
    ),
    Rule(
        "same-label", LOW, (*GUARDED, *PUBLIC, *CERTIFICATE),
        "several objects of its class have the same CKA_LABEL",
        "a program that finds by label uses whichever comes first",
        "give each its own label",
        "CKA_LABEL", _same_label,
    ),
    Rule(
        "no-public-half", LOW, PRIVATE,
        "neither a public key nor a certificate has its CKA_ID",
        "nobody can verify with it or encrypt to it without the key from elsewhere",
        "write the public key, with the same CKA_ID, to the token",
        "CKA_ID", _no_public_half,
    ),
    Rule(
        "no-private-half", LOW, PUBLIC,
        "no private key has its CKA_ID",
        "it may be left over from a pair whose private key is gone",
        "remove it where nothing verifies with it; otherwise give both the same CKA_ID",
        "CKA_ID", _no_private_half,
    ),
    Rule(
        "left-over", LOW, ("CKO_DATA", *GUARDED, *PUBLIC, *CERTIFICATE),
        "the label says that a run of this workbench made it",
        "a run that ended early left it behind",
        "remove it with: workbench sweep --token NAME",
        "CKA_LABEL", _left_over,
    ),
)  # fmt: skip
