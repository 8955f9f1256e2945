"""What a vendor's profile is: everything known of one implementation, and of each thing how it is known."""

from __future__ import annotations

import datetime
import os
import re
import sys
from collections.abc import Mapping
from glob import glob
from pathlib import Path

import attrs
from attrs.validators import deep_iterable, deep_mapping, in_, instance_of, matches_re, optional, or_

from workbench.tokens.pin_form import PinForm

__all__ = [
    "ENCODING_CHOICES",
    "STATUSES",
    "TOPICS",
    "VARIABLE_KINDS",
    "WAYS",
    "Configuration",
    "Encodings",
    "Evidence",
    "Fact",
    "Failure",
    "Limits",
    "ModulePaths",
    "PinRules",
    "Profile",
    "Recognition",
    "Switches",
    "Templates",
    "Variable",
    "expanded",
]

STATUSES = ("documented", "measured", "reported", "unverified")
TOPICS = (
    "start",
    "sessions",
    "login",
    "templates",
    "objects",
    "mechanisms",
    "encodings",
    "errors",
    "processes",
    "performance",
    "tracing",
    "post-quantum",
)
VARIABLE_KINDS = ("file", "directory", "address", "text", "flag", "secret")
ENCODING_CHOICES = ("raw", "der", "either")
# Ways of the standard that a token may lack; lessons ask for them by these names (%%requires).
WAYS = {
    "session-objects": "objects that go with their session (CKA_TOKEN false, 4.4)",
    "public-objects": "CKA_PRIVATE false is kept: the object is made and seen without a login (4.4)",
    "second-initialize": "C_Initialize once more is answered by CKR_CRYPTOKI_ALREADY_INITIALIZED (5.4.1)",
    "one-function-list": "C_GetFunctionList leads to the same sessions and logins whoever asks (5.4.4)",
    "shared-login": "a login sets the state of all the application's sessions with the token (5.6.8)",
    "logout-at-last-close": "the last session to close ends the login (5.6.2)",
    "attribute-codes": "C_GetAttributeValue says by the codes of 5.7.5 why it does not give an attribute",
    "template-codes": "a template without what is needed is answered by CKR_TEMPLATE_INCOMPLETE (5.7.1, 5.18)",
    "exact-search": "C_FindObjects compares every attribute of its template (5.7.7)",
    "public-digest": "C_Digest needs no login (5.12; CKF_LOGIN_REQUIRED leaves it to the token)",
    "multipart-signing": "a mechanism that hashes signs in parts too (5.13.3)",
    "long-ecdsa-input": "CKM_ECDSA takes the leftmost bits of an input longer than the order (6.3.12)",
}

_text = instance_of(str)
_maybe_text = optional(instance_of(str))
_flag = instance_of(bool)
_count = optional(instance_of(int))
_texts = deep_iterable(instance_of(str), instance_of(tuple))
_point = optional(in_(ENCODING_CHOICES))
_attribute = matches_re(r"CKA_[A-Z0-9_]+")
_way = or_(in_(WAYS), matches_re(r"C_\w+|CKM_[A-Z0-9_]+"))


def expanded(pattern: str) -> str:
    """A path of the data with ``~`` and environment variables (``$HOME``, ``%ProgramFiles%``) filled in."""
    text = re.sub(r"%(\w+)%", lambda name: os.environ.get(name[1], name[0]), pattern)
    return os.path.expanduser(os.path.expandvars(text))  # noqa: PTH111 - a pattern, not a path yet


@attrs.frozen
class Evidence:
    """How a thing is known: ``status``, the version it was ``seen_on``, where it is said, when we looked.

    ``documented``: the vendor says so. ``measured``: by us. ``reported``: by a user or another project.
    ``unverified``: from memory, or nobody that could be named.
    """

    status: str = attrs.field(validator=in_(STATUSES))
    date: datetime.date = attrs.field(validator=instance_of(datetime.date))
    seen_on: str | None = attrs.field(default=None, validator=_maybe_text)
    source: str | None = attrs.field(default=None, validator=_maybe_text)

    def __attrs_post_init__(self) -> None:
        if self.status != "unverified" and not (self.seen_on or self.source):
            raise ValueError(f"what is {self.status} needs seen_on or source")


@attrs.frozen
class ModulePaths:
    """Where the module's file usually stands, by system; patterns as of ``glob``, with ``~`` and variables."""

    evidence: Evidence
    linux: tuple[str, ...] = attrs.field(default=(), converter=tuple, validator=_texts)
    macos: tuple[str, ...] = attrs.field(default=(), converter=tuple, validator=_texts)
    windows: tuple[str, ...] = attrs.field(default=(), converter=tuple, validator=_texts)
    install: str | None = attrs.field(default=None, validator=_maybe_text)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns for the system that this Python runs on."""
        return {"darwin": self.macos, "win32": self.windows}.get(sys.platform, self.linux)

    def found(self) -> tuple[Path, ...]:
        """The files that are here, in the order of the patterns."""
        paths = [Path(path) for pattern in self.patterns for path in sorted(glob(expanded(pattern)))]  # noqa: PTH207 - absolute
        return tuple(dict.fromkeys(path for path in paths if path.is_file()))


@attrs.frozen
class Recognition:
    """How a library is known to be this one: patterns for CK_INFO's two texts, and for the file's name."""

    evidence: Evidence
    manufacturer: str | None = attrs.field(default=None, validator=_maybe_text)
    library: str | None = attrs.field(default=None, validator=_maybe_text)
    files: tuple[str, ...] = attrs.field(default=(), converter=tuple, validator=_texts)


@attrs.frozen
class Variable:
    """An environment variable that the module reads. The value of a ``secret`` one is never shown."""

    evidence: Evidence
    name: str = attrs.field(validator=matches_re(r"[A-Za-z_][A-Za-z0-9_]*"))
    meaning: str = attrs.field(validator=_text)
    kind: str = attrs.field(validator=in_(VARIABLE_KINDS))
    required: bool = attrs.field(default=False, validator=_flag)
    default: str | None = attrs.field(default=None, validator=_maybe_text)


@attrs.frozen
class Configuration:
    """A file that the module reads. ``paths``: the places it looks in, in order, when nothing names one.

    ``named_by``: the variable that names the file. ``private``: the vendor wants it closed to group and others.
    """

    evidence: Evidence
    meaning: str = attrs.field(validator=_text)
    paths: tuple[str, ...] = attrs.field(default=(), converter=tuple, validator=_texts)
    named_by: str | None = attrs.field(default=None, validator=_maybe_text)
    required: bool = attrs.field(default=False, validator=_flag)
    private: bool = attrs.field(default=False, validator=_flag)


@attrs.frozen
class PinRules:
    """What a PIN looks like and how many wrong ones lock it (None: unknown; 0: never)."""

    evidence: Evidence
    form: PinForm
    locks_after: int | None = attrs.field(default=None, validator=_count)
    protected_path: bool = attrs.field(default=False, validator=_flag)


@attrs.frozen
class Templates:
    """What a template must and must not say, and what creating an object means for the device."""

    evidence: Evidence
    token_objects_only: bool = attrs.field(default=False, validator=_flag)
    session_objects_only: bool = attrs.field(default=False, validator=_flag)
    never_send: tuple[str, ...] = attrs.field(
        default=(), converter=tuple, validator=deep_iterable(_attribute, instance_of(tuple))
    )
    always_send: Mapping[str, bool | int | str] = attrs.field(
        factory=dict, validator=deep_mapping(_attribute, instance_of((bool, int, str)))
    )
    creation_irreversible: bool = attrs.field(default=False, validator=_flag)
    replicated: bool = attrs.field(default=False, validator=_flag)

    @property
    def lasting(self) -> bool:
        """Whether what is created cannot be taken back as if it had not been, or appears on other devices too."""
        return self.creation_irreversible or self.replicated


@attrs.frozen
class Encodings:
    """How values are written: ``raw``, ``der`` (an OCTET STRING around it) or ``either``; None: unknown.

    ``ec_point`` and ``edwards_point``: CKA_EC_POINT as the module gives it. ``ecdh_point``: the peer's point as
    it takes it. ``ed25519_params``: CKA_EC_PARAMS as ``oid``, ``name`` (a PrintableString) or ``either``.
    ``gcm_iv``: made by the ``caller`` or the ``token``.
    """

    evidence: Evidence
    ec_point: str | None = attrs.field(default=None, validator=_point)
    edwards_point: str | None = attrs.field(default=None, validator=_point)
    ecdh_point: str | None = attrs.field(default=None, validator=_point)
    ed25519_params: str | None = attrs.field(default=None, validator=optional(in_(("oid", "name", "either"))))
    gcm_iv: str | None = attrs.field(default=None, validator=optional(in_(("caller", "token"))))


@attrs.frozen
class Limits:
    """How much of what: ``sessions`` at once (None: unknown or without end), and two things that may be absent."""

    evidence: Evidence
    sessions: int | None = attrs.field(default=None, validator=_count)
    read_only_sessions: bool = attrs.field(default=True, validator=_flag)
    login_required: bool = attrs.field(default=True, validator=_flag)


@attrs.frozen
class Switches:
    """Deviations that our own code must know, each explained by a fact of the same profile.

    ``lacks``: names of ``WAYS``, and functions and mechanisms that are listed and yet do not work.
    """

    evidence: Evidence
    serialise_start: bool = attrs.field(default=False, validator=_flag)
    init_string: bool = attrs.field(default=False, validator=_flag)
    nul_padded_text: bool = attrs.field(default=False, validator=_flag)
    digest_outside_list: bool = attrs.field(default=False, validator=_flag)
    pbkdf2_length_by_pointer: bool = attrs.field(default=False, validator=_flag)
    lacks: tuple[str, ...] = attrs.field(
        default=(), converter=tuple, validator=deep_iterable(_way, instance_of(tuple))
    )


@attrs.frozen
class Failure:
    """What one return code of one function usually means with this module."""

    evidence: Evidence
    function: str = attrs.field(validator=matches_re(r"C_\w+"))
    code: str = attrs.field(validator=matches_re(r"CKR_\w+"))
    cause: str = attrs.field(validator=_text)
    remedy: str = attrs.field(validator=_text)


@attrs.frozen
class Fact:
    """One thing that is known of the implementation, in a sentence."""

    evidence: Evidence
    topic: str = attrs.field(validator=in_(TOPICS))
    text: str = attrs.field(validator=_text)


@attrs.frozen
class Profile:
    """One implementation of Cryptoki as data. ``slug`` is the name that people type."""

    slug: str
    name: str
    vendor: str
    recognition: Recognition
    module: ModulePaths
    pin: PinRules
    environment: tuple[Variable, ...] = ()
    configuration: tuple[Configuration, ...] = ()
    templates: Templates | None = None
    encodings: Encodings | None = None
    limits: Limits | None = None
    switches: Switches | None = None
    failures: tuple[Failure, ...] = ()
    facts: tuple[Fact, ...] = ()

    def failure(self, function: str, code: str) -> Failure | None:
        """What this answer usually means with this module, if anything is known of it."""
        return next((one for one in self.failures if (one.function, one.code) == (function, code)), None)
