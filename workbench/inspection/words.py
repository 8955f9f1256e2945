"""What flags, limits and key sizes mean, in words that a table has room for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from workbench import spec
from workbench.cryptoki.records import Interface, MechanismInfo, Record
from workbench.inspection.holdings import TokenObject
from workbench.inspection.lint import Finding
from workbench.inspection.plain import plain
from workbench.inspection.reading import Look, MechanismRow
from workbench.tokens import Cost

__all__ = [
    "FLAGS",
    "OPENING",
    "calls",
    "certificate_rows",
    "facts",
    "findings_by_rule",
    "flag_words",
    "key_sizes",
    "object_flags",
    "unit",
    "uses",
]

FLAGS = {
    "CKF_TOKEN_PRESENT": "a token is in the slot",
    "CKF_REMOVABLE_DEVICE": "its token can be taken out",
    "CKF_HW_SLOT": "a hardware slot, not one in software",
    "CKF_RNG": "has a random number generator",
    "CKF_WRITE_PROTECTED": "write-protected",
    "CKF_LOGIN_REQUIRED": "some functions need a login",
    "CKF_USER_PIN_INITIALIZED": "the user's PIN is set",
    "CKF_RESTORE_KEY_NOT_NEEDED": "an operation state is restored without its keys",
    "CKF_CLOCK_ON_TOKEN": "has a clock",
    "CKF_PROTECTED_AUTHENTICATION_PATH": "the PIN can be typed on the device itself",
    "CKF_DUAL_CRYPTO_OPERATIONS": "one session can do two operations at once",
    "CKF_TOKEN_INITIALIZED": "initialised",
    "CKF_SECONDARY_AUTHENTICATION": "keys may have a PIN of their own (deprecated)",
    "CKF_USER_PIN_COUNT_LOW": "a wrong user PIN was given since the last right one",
    "CKF_USER_PIN_FINAL_TRY": "the next wrong user PIN locks it",
    "CKF_USER_PIN_LOCKED": "the user's PIN is locked",
    "CKF_USER_PIN_TO_BE_CHANGED": "the user's PIN must be changed",
    "CKF_SO_PIN_COUNT_LOW": "a wrong SO PIN was given since the last right one",
    "CKF_SO_PIN_FINAL_TRY": "the next wrong SO PIN locks it",
    "CKF_SO_PIN_LOCKED": "the SO's PIN is locked",
    "CKF_SO_PIN_TO_BE_CHANGED": "the SO's PIN must be changed",
    "CKF_ERROR_STATE": "a self-test failed: the token is in its error state",
    "CKF_SEED_RANDOM_REQUIRED": "the generator must be seeded before use",
    "CKF_ASYNC_SESSION_SUPPORTED": "has asynchronous sessions",
}
OPENING = (
    "Before these, to find the token: C_Initialize, C_GetSlotList, and what C_GetTokenInfo, C_GetSlotInfo and "
    "C_GetInfo say of each slot; after them C_Finalize."
)
# The unit of CK_MECHANISM_INFO's key sizes is the mechanism's own matter (3.5); a module may still deviate from it.
_BITS = frozenset(
    {
        "CKK_RSA",
        "CKK_DSA",
        "CKK_DH",
        "CKK_X9_42_DH",
        "CKK_EC",
        "CKK_EC_EDWARDS",
        "CKK_EC_MONTGOMERY",
        "CKK_GENERIC_SECRET",
        "CKK_RC2",
        "CKK_RC4",
    }
)
_BYTES = frozenset(
    {
        "CKK_AES",
        "CKK_AES_XTS",
        "CKK_ARIA",
        "CKK_BLOWFISH",
        "CKK_CAMELLIA",
        "CKK_CAST",
        "CKK_CAST128",
        "CKK_CAST3",
        "CKK_ML_DSA",
        "CKK_RC5",
        "CKK_SEED",
        "CKK_TWOFISH",
    }
)
# The largest value of a 32-bit and of a 64-bit CK_ULONG: some modules answer it for "no limit".
_NO_LIMIT = {2**32 - 1, 2**64 - 1}


def flag_words(record: Record) -> list[tuple[str, str]]:
    """Each flag that is set, by name and in words; bits that the standard does not define come last, as a number."""
    rows = [(name, FLAGS.get(name, "")) for name in record.flag_names]
    rest = _undefined(record)
    return [*rows, (rest, "not defined by the standard")] if rest else rows


def _undefined(record: Record) -> str:
    known = 0
    for name in record.flag_kind:
        known |= spec.value(name)
    rest = record.flags & ~known
    return f"0x{rest:X}" if rest else ""


def uses(info: MechanismInfo | None) -> str:
    """What a mechanism is for, by its flags without CKF_: ``sign verify``; then undefined bits as a number."""
    if info is None:
        return ""
    names = [name.removeprefix("CKF_").lower() for name in info.flag_names]
    return " ".join([*names, _undefined(info)]).strip()


def unit(mechanism: str) -> str:
    """``bits`` or ``bytes``, as the standard measures keys of a mechanism; empty where it does not say."""
    try:
        key_type = spec.mechanism(mechanism).key_type
    except KeyError:
        return ""
    return "bits" if key_type in _BITS else "bytes" if key_type in _BYTES else ""


def key_sizes(row: MechanismRow) -> str:
    """``512 to 4096 bits``, ``from 128 bits``; empty where both ends are 0, which is how a module says that they mean nothing."""
    if row.info is None:
        return row.refused or ""
    low, high = row.info.ulMinKeySize, row.info.ulMaxKeySize
    if not low and not high:
        return ""
    text = f"from {low}" if high in _NO_LIMIT else str(low) if low == high else f"{low} to {high}"
    return f"{text} {unit(row.name)}".strip()


def facts(look: Look) -> list[tuple[str, str]]:
    """What a token says of itself, row by row: library, slot, token, limits, flags. Safe to show."""
    module, slot, token = look.module, look.slot, look.token
    return [
        ("label", plain(token.label)),
        ("made by, model", plain(f"{token.manufacturerID}, {token.model}")),
        ("serial number", plain(token.serialNumber)),
        ("hardware, firmware", f"{token.hardwareVersion}, {token.firmwareVersion}"),
        ("module", plain(look.module_path)),
        (
            "library",
            plain(f"{module.libraryDescription} {module.libraryVersion}, by {module.manufacturerID}"),
        ),
        ("Cryptoki", str(module.cryptokiVersion)),
        (
            "interfaces",
            ", ".join(map(_interface, look.interfaces)) or "none: the function list of v2.40 alone",
        ),
        ("slot", plain(f"{look.slot_number}: {slot.slotDescription}")),
        ("slot by", plain(slot.manufacturerID)),
        ("slot hardware, firmware", f"{slot.hardwareVersion}, {slot.firmwareVersion}"),
        ("slot flags", _flags_said(slot)),
        ("token flags", _flags_said(token)),
        ("sessions", _used(token.ulSessionCount, token.ulMaxSessionCount)),
        ("read/write sessions", _used(token.ulRwSessionCount, token.ulMaxRwSessionCount)),
        ("PIN length", f"{_told(token.ulMinPinLen)} to {_told(token.ulMaxPinLen)}"),
        ("public memory", _memory(token.ulFreePublicMemory, token.ulTotalPublicMemory)),
        ("private memory", _memory(token.ulFreePrivateMemory, token.ulTotalPrivateMemory)),
        ("clock", plain(token.utcTime) if "CKF_CLOCK_ON_TOKEN" in token.flag_names else "none"),
        ("mechanisms", str(len(look.mechanisms))),
    ]


def _interface(one: Interface) -> str:
    return plain(f"{one.name} {one.version or '(its own)'}")


def _flags_said(record: Record) -> str:
    return "; ".join(words or name for name, words in flag_words(record)) or "none"


def _told(number: int | None) -> str:
    return "not told" if number is None else str(number)


def _used(now: int | None, most: int | None) -> str:
    # 0 is CK_EFFECTIVELY_INFINITE (3.2)
    limit = "limit not told" if most is None else f"at most {most}" if most else "no limit"
    return f"{limit}; open now: {_told(now)}"


def _memory(free: int | None, total: int | None) -> str:
    return "not told" if free is None and total is None else f"{_told(free)} of {_told(total)} bytes free"


def object_flags(thing: TokenObject) -> str:
    """The standing of an object, where it is not the ordinary: ``extractable not-sensitive public …``."""
    return " ".join(word for word, holds in _STANDING.items() if holds(thing))


_STANDING: Mapping[str, Callable[[TokenObject], bool]] = {
    "session": lambda thing: thing.says("CKA_TOKEN", False),
    "private": lambda thing: thing.says("CKA_PRIVATE", True),
    "sensitive": lambda thing: thing.says("CKA_SENSITIVE", True),
    "extractable": lambda thing: thing.says("CKA_EXTRACTABLE", True),
    "local": lambda thing: thing.says("CKA_LOCAL", True),
    "trusted": lambda thing: thing.says("CKA_TRUSTED", True),
    "always-authenticate": lambda thing: thing.says("CKA_ALWAYS_AUTHENTICATE", True),
    "read-only": lambda thing: thing.says("CKA_MODIFIABLE", False),
}


def certificate_rows(thing: TokenObject) -> tuple[str, str, str] | None:
    """Subject, key and validity of a certificate object; None for any other."""
    found = thing.certificate
    if found is None:
        return None
    return plain(found.subject), found.key, f"{found.not_before:%Y-%m-%d} to {found.not_after:%Y-%m-%d}"


def findings_by_rule(findings: Sequence[Finding]) -> list[tuple[Finding, list[str]]]:
    """The findings of each rule: one of them for its words, and all its objects with their details."""
    made: dict[str, tuple[Finding, list[str]]] = {}
    for finding in findings:
        said = f"{finding.name}: {finding.detail}" if finding.detail else finding.name
        made.setdefault(finding.rule, (finding, []))[1].append(said)
    return list(made.values())


def calls(cost: Cost) -> str:
    """``C_GetInfo × 1, C_GetMechanismInfo × 70``."""
    return ", ".join(f"{function} × {count}" for function, count in cost.items() if count)
