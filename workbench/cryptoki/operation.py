"""An operation that a session is in the middle of, and how it is ended when its program cannot go on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

from workbench import spec
from workbench.cryptoki import C
from workbench.cryptoki.errors import CryptokiError
from workbench.cryptoki.module import SessionLike
from workbench.faults import PolicyRefusal

__all__ = ["Operation"]

# Answers after which an operation still stands. The first two come when a mechanism that takes one part only
# (CKM_ECDSA) is given several: SoftHSM 2.6.1 and NSS 3.87 both keep it active, though 5.2 reads otherwise.
STANDING = frozenset({"CKR_OPERATION_NOT_INITIALIZED", "CKR_FUNCTION_NOT_SUPPORTED", "CKR_BUFFER_TOO_SMALL"})
Result = TypeVar("Result")


class Operation:
    """An operation of a session; leaving its block ends it. ``active``: whether it still stands."""

    flag: str  # what C_SessionCancel calls it

    def __init__(self, session: SessionLike) -> None:
        self.session = session
        self.active = True

    def _endings(self) -> tuple[Callable[[], object], ...]:
        """Calls that end the operation, in the order in which they are tried."""
        raise NotImplementedError

    def _ended_by(self, call: Callable[[], Result]) -> Result:
        """Make a call that ends the operation, also by failing."""
        try:
            made = call()
        except CryptokiError as error:
            self.active = error.name in STANDING
            raise
        self.active = False
        return made

    def cancel(self) -> None:
        """End the operation without its result; nothing happens when it has ended.

        C_SessionCancel (5.6.5) where the module has it; else, and where that fails (NSS 3.87: operations in one
        part), the final call, whose result is dropped, and at last the single-part call with no data. An Init
        with a NULL mechanism would be gentler, but SoftHSM and NSS refuse it, and an older module may follow
        the null pointer.
        """
        if self.active and self.session.handle.module.native.missing("C_SessionCancel") is None:
            with suppress(CryptokiError, PolicyRefusal):
                C.SessionCancel(self.session, spec.value(self.flag))
                self.active = False
        for call in self._endings():
            if self.active:
                with suppress(CryptokiError, PolicyRefusal):
                    self._ended_by(call)
        self.active = False  # one that stood through all this had ended before

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.cancel()
