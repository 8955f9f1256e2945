"""Operations in several parts as context managers: whatever happens in the block, the session is free after it.

    with signing(session, "CKM_SHA256_RSA_PKCS", key.private) as op:
        op.update(b"first part, ")
        op.update(b"second part")
        signature = op.final()

Each is the raw calls of its chapter, in their order, and shows as such in a trace. Two operations may be open
at once, as the dual functions (5.17) need it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import attrs

from workbench.cryptoki import C
from workbench.cryptoki.attributes import Template
from workbench.cryptoki.errors import CryptokiError
from workbench.cryptoki.mechanisms import Mechanism
from workbench.cryptoki.message_operations import (
    MessageDecryption,
    MessageEncryption,
    MessageSigning,
    MessageVerification,
    message_decrypting,
    message_encrypting,
    message_signing,
    message_verifying,
)
from workbench.cryptoki.module import ObjectLike, SessionLike
from workbench.cryptoki.operation import Operation

__all__ = [
    "Decryption",
    "Digest",
    "Encryption",
    "MessageDecryption",
    "MessageEncryption",
    "MessageSigning",
    "MessageVerification",
    "Operation",
    "SavedState",
    "Signature",
    "Verification",
    "decrypting",
    "digesting",
    "encrypting",
    "finding",
    "message_decrypting",
    "message_encrypting",
    "message_signing",
    "message_verifying",
    "restored",
    "saved_state",
    "signing",
    "verifying",
]


class Signature(Operation):
    """A signature or MAC in the making (5.13)."""

    flag = "CKF_SIGN"

    def update(self, part: bytes) -> None:
        """C_SignUpdate."""
        C.SignUpdate(self.session, part)

    def final(self) -> bytes:
        """C_SignFinal: the signature."""
        return self._ended_by(lambda: C.SignFinal(self.session))

    def _endings(self) -> tuple[Callable[[], object], ...]:
        return lambda: C.SignFinal(self.session), lambda: C.Sign(self.session, b"")


class Verification(Operation):
    """A signature or MAC on trial (5.15)."""

    flag = "CKF_VERIFY"

    def update(self, part: bytes) -> None:
        """C_VerifyUpdate."""
        C.VerifyUpdate(self.session, part)

    def final(self, signature: bytes) -> None:
        """C_VerifyFinal; ``SignatureInvalid`` when the signature is wrong."""
        self._ended_by(lambda: C.VerifyFinal(self.session, signature))

    def _endings(self) -> tuple[Callable[[], object], ...]:
        return lambda: C.VerifyFinal(self.session, b""), lambda: C.Verify(self.session, b"", b"")


class Digest(Operation):
    """A digest in the making (5.12)."""

    flag = "CKF_DIGEST"

    def update(self, part: bytes) -> None:
        """C_DigestUpdate."""
        C.DigestUpdate(self.session, part)

    def key(self, key: ObjectLike) -> None:
        """C_DigestKey: the value of a secret key as the next part."""
        C.DigestKey(self.session, key)

    def final(self) -> bytes:
        """C_DigestFinal: the digest."""
        return self._ended_by(lambda: C.DigestFinal(self.session))

    def _endings(self) -> tuple[Callable[[], object], ...]:
        return lambda: C.DigestFinal(self.session), lambda: C.Digest(self.session, b"")


class Encryption(Operation):
    """An encryption in progress (5.8)."""

    flag = "CKF_ENCRYPT"

    def update(self, part: bytes) -> bytes:
        """C_EncryptUpdate: the ciphertext that is ready, perhaps none yet."""
        return C.EncryptUpdate(self.session, part)

    def final(self) -> bytes:
        """C_EncryptFinal: the last of the ciphertext, an AEAD's tag with it."""
        return self._ended_by(lambda: C.EncryptFinal(self.session))

    def _endings(self) -> tuple[Callable[[], object], ...]:
        return lambda: C.EncryptFinal(self.session), lambda: C.Encrypt(self.session, b"")


class Decryption(Operation):
    """A decryption in progress (5.10)."""

    flag = "CKF_DECRYPT"

    def update(self, part: bytes) -> bytes:
        """C_DecryptUpdate: the data that is ready, perhaps none yet. Of an AEAD nothing is proven yet."""
        return C.DecryptUpdate(self.session, part)

    def final(self) -> bytes:
        """C_DecryptFinal: the last of the data; an AEAD's tag has been checked when it returns."""
        return self._ended_by(lambda: C.DecryptFinal(self.session))

    def _endings(self) -> tuple[Callable[[], object], ...]:
        return lambda: C.DecryptFinal(self.session), lambda: C.Decrypt(self.session, b"")


def signing(session: SessionLike, mechanism: Mechanism | str | int, key: ObjectLike) -> Signature:
    """Begin a signature or MAC (C_SignInit, 5.13.1)."""
    C.SignInit(session, mechanism, key)
    return Signature(session)


def verifying(session: SessionLike, mechanism: Mechanism | str | int, key: ObjectLike) -> Verification:
    """Begin a verification (C_VerifyInit, 5.15.1)."""
    C.VerifyInit(session, mechanism, key)
    return Verification(session)


def digesting(session: SessionLike, mechanism: Mechanism | str | int) -> Digest:
    """Begin a digest (C_DigestInit, 5.12.1)."""
    C.DigestInit(session, mechanism)
    return Digest(session)


def encrypting(session: SessionLike, mechanism: Mechanism | str | int, key: ObjectLike) -> Encryption:
    """Begin an encryption (C_EncryptInit, 5.8.1)."""
    C.EncryptInit(session, mechanism, key)
    return Encryption(session)


def decrypting(session: SessionLike, mechanism: Mechanism | str | int, key: ObjectLike) -> Decryption:
    """Begin a decryption (C_DecryptInit, 5.10.1)."""
    C.DecryptInit(session, mechanism, key)
    return Decryption(session)


def finding(session: SessionLike, template: Template | None = None, batch: int = 64) -> Iterator[int]:
    """The handles of all objects with these attributes (5.7.7 to 5.7.9), fetched ``batch`` at a time.

    The search begins with the first handle asked for and ends with the last one, or when the iterator is
    closed (a loop left early closes it). Only one search can be active in a session.
    """
    C.FindObjectsInit(session, template)
    try:
        while handles := C.FindObjects(session, batch):
            yield from handles
    except BaseException:
        with suppress(CryptokiError):  # what went wrong in the search says more
            C.FindObjectsFinal(session)
        raise
    C.FindObjectsFinal(session)


@attrs.frozen
class SavedState:
    """The state of an operation (5.6.6), good for the same token. It may hold data or keys: never shown."""

    kind: type[Operation]
    state: bytes = attrs.field(repr=lambda state: f"<{len(state)} bytes, not shown>")


def saved_state(operation: Operation) -> SavedState:
    """Save an operation (C_GetOperationState), which goes on; ``restored`` takes it up again later.

    Errors: ``FunctionNotSupported`` from a module without it, ``StateUnsaveable`` for a mechanism without it.
    """
    return SavedState(type(operation), C.GetOperationState(operation.session))


def restored(
    session: SessionLike,
    saved: SavedState,
    encryption_key: ObjectLike = 0,
    authentication_key: ObjectLike = 0,
) -> Operation:
    """Go on with a saved operation in this session (C_SetOperationState, 5.6.7); an operation of the same kind.

    The keys are handed over anew where the operation had any: they are not part of the state.
    """
    C.SetOperationState(session, saved.state, encryption_key, authentication_key)
    return saved.kind(session)
