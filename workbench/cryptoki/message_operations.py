"""Message-based operations (since v3.0) as context managers: one key set up once, many messages.

    with message_encrypting(session, "CKM_AES_GCM", key) as op:
        for message in messages:
            ciphertext, parameter = op.encrypt(parameter, message)

Arguments stand in the standard's order: the message's parameter (IV and tag, for one) comes first. Leaving the
block makes the Final call; after an exception C_SessionCancel comes before it, for a message may be half done.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from workbench import spec
from workbench.cryptoki import C
from workbench.cryptoki.mechanisms import Mechanism, Parameter
from workbench.cryptoki.module import ObjectLike, SessionLike
from workbench.cryptoki.operation import Operation

__all__ = [
    "MessageDecryption",
    "MessageEncryption",
    "MessageSigning",
    "MessageVerification",
    "message_decrypting",
    "message_encrypting",
    "message_signing",
    "message_verifying",
]

END = spec.value("CKF_END_OF_MESSAGE")
MessageParameter = Parameter | bytes | None


class _Messages(Operation):
    _end: Callable[[SessionLike], None]

    def final(self) -> None:
        """The Final call: no more messages."""
        self._ended_by(lambda: type(self)._end(self.session))

    def _endings(self) -> tuple[Callable[[], object], ...]:
        return (self.final,)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self.active and kind is None:
            self.final()
        else:
            self.cancel()


class MessageEncryption(_Messages):
    """Messages being encrypted (5.9)."""

    flag = "CKF_MESSAGE_ENCRYPT"
    _end = staticmethod(C.MessageEncryptFinal)

    def encrypt(
        self, parameter: MessageParameter, data: bytes, associated_data: bytes = b""
    ) -> tuple[bytes, MessageParameter]:
        """C_EncryptMessage: the ciphertext, and the parameter with the IV and tag that the module made."""
        return C.EncryptMessage(self.session, parameter, associated_data, data)

    def begin(self, parameter: MessageParameter, associated_data: bytes = b"") -> MessageParameter:
        """C_EncryptMessageBegin: a message in parts; the parameter with the IV."""
        return C.EncryptMessageBegin(self.session, parameter, associated_data)

    def next(self, parameter: MessageParameter, part: bytes) -> bytes:
        """C_EncryptMessageNext: the ciphertext of the next part."""
        return C.EncryptMessageNext(self.session, parameter, part)[0]

    def last(self, parameter: MessageParameter, part: bytes = b"") -> tuple[bytes, MessageParameter]:
        """C_EncryptMessageNext with CKF_END_OF_MESSAGE: the rest, and the parameter with the tag."""
        return C.EncryptMessageNext(self.session, parameter, part, flags=END)


class MessageDecryption(_Messages):
    """Messages being decrypted (5.11)."""

    flag = "CKF_MESSAGE_DECRYPT"
    _end = staticmethod(C.MessageDecryptFinal)

    def decrypt(self, parameter: MessageParameter, data: bytes, associated_data: bytes = b"") -> bytes:
        """C_DecryptMessage; ``AeadDecryptFailed`` when the tag is wrong."""
        return C.DecryptMessage(self.session, parameter, associated_data, data)

    def begin(self, parameter: MessageParameter, associated_data: bytes = b"") -> None:
        """C_DecryptMessageBegin: a message in parts."""
        C.DecryptMessageBegin(self.session, parameter, associated_data)

    def next(self, parameter: MessageParameter, part: bytes) -> bytes:
        """C_DecryptMessageNext: the data of the next part; nothing is proven yet."""
        return C.DecryptMessageNext(self.session, parameter, part)

    def last(self, parameter: MessageParameter, part: bytes = b"") -> bytes:
        """C_DecryptMessageNext with CKF_END_OF_MESSAGE: the rest; the tag has been checked."""
        return C.DecryptMessageNext(self.session, parameter, part, flags=END)


class MessageSigning(_Messages):
    """Messages being signed (5.14)."""

    flag = "CKF_MESSAGE_SIGN"
    _end = staticmethod(C.MessageSignFinal)

    def sign(self, parameter: MessageParameter, data: bytes) -> bytes:
        """C_SignMessage: the signature of a message."""
        return C.SignMessage(self.session, parameter, data)

    def begin(self, parameter: MessageParameter) -> None:
        """C_SignMessageBegin: a message in parts."""
        C.SignMessageBegin(self.session, parameter)

    def next(self, parameter: MessageParameter, part: bytes) -> None:
        """C_SignMessageNext without room for a signature: more is to come."""
        C.SignMessageNext(self.session, parameter, part)

    def last(self, parameter: MessageParameter, part: bytes = b"") -> bytes:
        """C_SignMessageNext with the last part: the signature."""
        return C.SignMessageNext(self.session, parameter, part, None)


class MessageVerification(_Messages):
    """Messages being verified (5.16)."""

    flag = "CKF_MESSAGE_VERIFY"
    _end = staticmethod(C.MessageVerifyFinal)

    def verify(self, parameter: MessageParameter, data: bytes, signature: bytes) -> None:
        """C_VerifyMessage; ``SignatureInvalid`` when the signature is wrong."""
        C.VerifyMessage(self.session, parameter, data, signature)

    def begin(self, parameter: MessageParameter) -> None:
        """C_VerifyMessageBegin: a message in parts."""
        C.VerifyMessageBegin(self.session, parameter)

    def next(self, parameter: MessageParameter, part: bytes) -> None:
        """C_VerifyMessageNext without a signature: more is to come."""
        C.VerifyMessageNext(self.session, parameter, part)

    def last(self, parameter: MessageParameter, part: bytes, signature: bytes) -> None:
        """C_VerifyMessageNext with the last part; ``SignatureInvalid`` when the signature is wrong."""
        C.VerifyMessageNext(self.session, parameter, part, signature)


def message_encrypting(
    session: SessionLike, mechanism: Mechanism | str | int, key: ObjectLike
) -> MessageEncryption:
    """Begin encrypting messages (C_MessageEncryptInit, 5.9.1)."""
    C.MessageEncryptInit(session, mechanism, key)
    return MessageEncryption(session)


def message_decrypting(
    session: SessionLike, mechanism: Mechanism | str | int, key: ObjectLike
) -> MessageDecryption:
    """Begin decrypting messages (C_MessageDecryptInit, 5.11.1)."""
    C.MessageDecryptInit(session, mechanism, key)
    return MessageDecryption(session)


def message_signing(
    session: SessionLike, mechanism: Mechanism | str | int, key: ObjectLike
) -> MessageSigning:
    """Begin signing messages (C_MessageSignInit, 5.14.1)."""
    C.MessageSignInit(session, mechanism, key)
    return MessageSigning(session)


def message_verifying(
    session: SessionLike, mechanism: Mechanism | str | int, key: ObjectLike
) -> MessageVerification:
    """Begin verifying messages (C_MessageVerifyInit, 5.16.1)."""
    C.MessageVerifyInit(session, mechanism, key)
    return MessageVerification(session)
