"""What the information functions answer, as frozen records with the standard's member names."""

from __future__ import annotations

from typing import ClassVar

import attrs

from workbench import spec

__all__ = [
    "RECORDS",
    "AsyncData",
    "Info",
    "Interface",
    "MechanismInfo",
    "Record",
    "SessionInfo",
    "SlotInfo",
    "TokenInfo",
    "Version",
]


class Version(tuple[int, int]):
    """A CK_VERSION, ``(major, minor)``."""

    def __str__(self) -> str:
        return f"{self[0]}.{self[1]}"


@attrs.frozen
class Record:
    """A structure that a module filled in. Text is stripped of its padding; None means *unavailable*."""

    struct: ClassVar[str]
    flag_kind: ClassVar[tuple[str, ...]] = ()

    flags: int

    @property
    def flag_names(self) -> tuple[str, ...]:
        """The names of the flags that are set, as far as this structure defines them."""
        return tuple(name for name in self.flag_kind if self.flags & spec.value(name))


@attrs.frozen
class Info(Record):
    """CK_INFO (3.1), of the module."""

    struct = "CK_INFO"

    cryptokiVersion: Version
    manufacturerID: str
    libraryDescription: str
    libraryVersion: Version


@attrs.frozen
class SlotInfo(Record):
    """CK_SLOT_INFO (3.2)."""

    struct = "CK_SLOT_INFO"
    flag_kind = ("CKF_TOKEN_PRESENT", "CKF_REMOVABLE_DEVICE", "CKF_HW_SLOT")

    slotDescription: str
    manufacturerID: str
    hardwareVersion: Version
    firmwareVersion: Version


@attrs.frozen
class TokenInfo(Record):
    """CK_TOKEN_INFO (3.2)."""

    struct = "CK_TOKEN_INFO"
    flag_kind = (
        "CKF_RNG",
        "CKF_WRITE_PROTECTED",
        "CKF_LOGIN_REQUIRED",
        "CKF_USER_PIN_INITIALIZED",
        "CKF_RESTORE_KEY_NOT_NEEDED",
        "CKF_CLOCK_ON_TOKEN",
        "CKF_PROTECTED_AUTHENTICATION_PATH",
        "CKF_DUAL_CRYPTO_OPERATIONS",
        "CKF_TOKEN_INITIALIZED",
        "CKF_SECONDARY_AUTHENTICATION",
        "CKF_USER_PIN_COUNT_LOW",
        "CKF_USER_PIN_FINAL_TRY",
        "CKF_USER_PIN_LOCKED",
        "CKF_USER_PIN_TO_BE_CHANGED",
        "CKF_SO_PIN_COUNT_LOW",
        "CKF_SO_PIN_FINAL_TRY",
        "CKF_SO_PIN_LOCKED",
        "CKF_SO_PIN_TO_BE_CHANGED",
        "CKF_ERROR_STATE",
        "CKF_SEED_RANDOM_REQUIRED",
        "CKF_ASYNC_SESSION_SUPPORTED",
    )

    label: str
    manufacturerID: str
    model: str
    serialNumber: str
    ulMaxSessionCount: int | None
    ulSessionCount: int | None
    ulMaxRwSessionCount: int | None
    ulRwSessionCount: int | None
    ulMaxPinLen: int | None
    ulMinPinLen: int | None
    ulTotalPublicMemory: int | None
    ulFreePublicMemory: int | None
    ulTotalPrivateMemory: int | None
    ulFreePrivateMemory: int | None
    hardwareVersion: Version
    firmwareVersion: Version
    utcTime: str


@attrs.frozen
class SessionInfo(Record):
    """CK_SESSION_INFO (3.3)."""

    struct = "CK_SESSION_INFO"
    flag_kind = ("CKF_RW_SESSION", "CKF_SERIAL_SESSION", "CKF_ASYNC_SESSION")

    slotID: int
    state: int
    ulDeviceError: int

    @property
    def state_name(self) -> str:
        """The CKS name of the state."""
        return spec.name("CKS", self.state)


@attrs.frozen
class MechanismInfo(Record):
    """CK_MECHANISM_INFO (3.5); key sizes in the unit of the mechanism (bits or bytes)."""

    struct = "CK_MECHANISM_INFO"
    flag_kind = (
        "CKF_HW",
        "CKF_MESSAGE_ENCRYPT",
        "CKF_MESSAGE_DECRYPT",
        "CKF_MESSAGE_SIGN",
        "CKF_MESSAGE_VERIFY",
        "CKF_MULTI_MESSAGE",
        "CKF_FIND_OBJECTS",
        "CKF_ENCRYPT",
        "CKF_DECRYPT",
        "CKF_DIGEST",
        "CKF_SIGN",
        "CKF_SIGN_RECOVER",
        "CKF_VERIFY",
        "CKF_VERIFY_RECOVER",
        "CKF_GENERATE",
        "CKF_GENERATE_KEY_PAIR",
        "CKF_WRAP",
        "CKF_UNWRAP",
        "CKF_DERIVE",
        "CKF_EC_F_P",
        "CKF_EC_F_2M",
        "CKF_EC_ECPARAMETERS",
        "CKF_EC_OID",
        "CKF_EC_UNCOMPRESS",
        "CKF_EC_COMPRESS",
        "CKF_EC_CURVENAME",
        "CKF_ENCAPSULATE",
        "CKF_DECAPSULATE",
    )

    ulMinKeySize: int
    ulMaxKeySize: int


@attrs.frozen
class AsyncData:
    """CK_ASYNC_DATA (5.21): what an asynchronous call gave; handles 0 where it gave none."""

    ulVersion: int
    pValue: bytes
    hObject: int
    hAdditionalObject: int


@attrs.frozen
class Interface:
    """CK_INTERFACE (5.4.5): a name, the version of its function list, and flags.

    ``version`` None: a vendor's own interface, whose list has a shape that only the vendor knows.
    """

    name: str
    version: Version | None
    flags: int


RECORDS: dict[str, type[Record]] = {
    f"{record.struct}_PTR": record for record in (Info, SlotInfo, TokenInfo, SessionInfo, MechanismInfo)
}
