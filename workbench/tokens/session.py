"""A session as a context manager: it closes whatever happens, and knows the token it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from workbench.cryptoki import AttributeValue, C, SessionHandle, SessionInfo, Template, errors, operations
from workbench.keys import KeyPair, SecretKey, generate_key_pair, generate_secret_key
from workbench.tokens import ledger
from workbench.tokens.spending import Cost

if TYPE_CHECKING:
    from workbench.tokens.token import Token

__all__ = ["SESSION", "SESSION_WITH_LOGIN", "Session"]

# What a session of ours asks of its token, from its opening to its end.
SESSION: Cost = {"C_OpenSession": 1, "C_CloseSession": 1}
SESSION_WITH_LOGIN: Cost = {**SESSION, "C_GetSessionInfo": 1, "C_Login": 1}
# How a destroyed object is answered for; tpm2-pkcs11 calls every object a key.
_GONE = (errors.error_class("CKR_OBJECT_HANDLE_INVALID"), errors.error_class("CKR_KEY_HANDLE_INVALID"))


class Session:
    """An open session. It serves wherever a ``C`` function wants ``hSession``; made by ``Token.session()``."""

    def __init__(self, token: Token, handle: SessionHandle) -> None:
        self.token = token
        self.handle = handle
        self._open = True
        self._passing: list[int] = []  # token objects that stand for session objects

    @property
    def info(self) -> SessionInfo:
        """State and flags (C_GetSessionInfo, 5.6.4)."""
        return C.GetSessionInfo(self)

    def generate(
        self,
        kind: str,
        *,
        bits: int | None = None,
        curve: str = "P-256",
        label: str = "",
        token: bool = False,
    ) -> KeyPair:
        """Generate a key pair: ``RSA`` (``bits``, default 2048), ``EC`` (``curve``) or ``Ed25519``.

        A session object unless ``token``; on a token without any, a token object that ``close`` destroys.
        """
        stored, name = self._place(label, token)
        rules = self.token.template_rules
        made = generate_key_pair(
            self, kind, bits=bits or 2048, curve=curve, label=name, token=stored, rules=rules
        )
        if stored and not token:
            self._passing += [made.private_handle, made.public_handle]
        return made

    def generate_secret(
        self, kind: str = "AES", *, bits: int = 256, label: str = "", token: bool = False
    ) -> SecretKey:
        """Generate a secret key of ``bits``: ``AES``. A session object unless ``token``, as ``generate``."""
        stored, name = self._place(label, token)
        made = generate_secret_key(
            self, kind, bits=bits, label=name, token=stored, rules=self.token.template_rules
        )
        if stored and not token:
            self._passing.append(made.handle)
        return made

    def make(
        self,
        mechanism: str,
        template: Mapping[str, AttributeValue],
        private: Mapping[str, AttributeValue] | None = None,
        *,
        label: str = "",
        token: bool = False,
    ) -> tuple[int, ...]:
        """Generate a key, or with a ``private`` template a pair (5.18.1, 5.18.2), by a mechanism and attributes of
        one's own; the handles (of a pair: public, private).

        CKA_TOKEN and CKA_LABEL are added, and what the vendor's templates want. A session object unless ``token``,
        as ``generate``; a token object carries the run's label.
        """
        stored, name = self._place(label, token)
        if stored and token and self.token.policy.name == "sandbox":
            name = self.token.run_label(label)
            ledger.record(self.token.identity, name)
        place: dict[str, AttributeValue] = {"CKA_TOKEN": stored, **({"CKA_LABEL": name} if name else {})}
        applied = self.token.template_rules.applied
        if private is None:
            made: tuple[int, ...] = (C.GenerateKey(self, mechanism, applied({**place, **template})),)
        else:
            publics, privates = applied({**place, **template}), applied({**place, **private})
            made = tuple(C.GenerateKeyPair(self, mechanism, publics, privates))
        if stored and not token:
            self._passing += reversed(made)
        return made

    def _place(self, label: str, token: bool) -> tuple[bool, str]:
        """Whether an object will be a token object, and its label: what may stay says which run made it."""
        stored = token or not self.token.offers("session-objects")
        ours = self.token.policy.name == "sandbox"
        if not stored or (ours and (token or label)):
            return stored, label
        if ours and not self._passing:  # with the first of them the run stands in the ledger
            ledger.record(self.token.identity, self.token.run_label())
        return stored, self.token.run_label(label)

    def find(self, template: Template | None = None) -> list[int]:
        """The handles of all objects with these attributes (5.7.7 to 5.7.9); none given finds all."""
        return list(operations.finding(self, template))

    def random(self, length: int) -> bytes:
        """So many random bytes from the token (5.19.2)."""
        return C.GenerateRandom(self, length)

    def close(self) -> None:
        """C_CloseSession (5.6.2), after objects that are to go with it; closing twice changes nothing."""
        if self._open:
            self._open = False
            try:
                self._remove_passing()
            finally:
                C.CloseSession(self)

    def _remove_passing(self) -> None:
        for handle in self._passing:
            with suppress(*_GONE):  # destroyed before, by its user
                C.DestroyObject(self, handle)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Session with {self.token.name!r}{'' if self._open else ', closed'}>"
