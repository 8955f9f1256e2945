"""What a recipe is: one mechanism put to one use, and somebody else's word on the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import attrs

from workbench.cryptoki import C, CryptokiError, Mechanism
from workbench.faults import PolicyRefusal
from workbench.inspection.probe import objects
from workbench.inspection.probe.objects import Bench
from workbench.tokens import Session, Token

__all__ = [
    "ITSELF",
    "MESSAGE",
    "Deviation",
    "Recipe",
    "Stage",
    "Wrong",
    "on_stage",
    "same",
    "signed_and_refused",
]

MESSAGE = b"The probe asks, somebody else checks. "
ITSELF = ""  # the verifier of what only the token itself can check here
BAD_SIGNATURE = frozenset({"CKR_SIGNATURE_INVALID", "CKR_SIGNATURE_LEN_RANGE"})


class Wrong(Exception):
    """The token answered CKR_OK and something that is not so; the text says what."""


class Deviation(Exception):
    """The token answered CKR_OK and something usable that the standard has otherwise; the text says what."""


@attrs.frozen
class Stage:
    """Where a recipe is cooked: the worker's bench with its keys, and a session of this trial alone."""

    bench: Bench
    session: Session
    made: list[int] = attrs.field(factory=list, init=False)

    def mine(self, handle: int) -> int:
        """Note an object of this trial down for destruction; its handle."""
        self.made.append(handle)
        return handle


@contextmanager
def on_stage(token: Token) -> Iterator[Stage]:
    """A stage for one trial. What it made is destroyed before the session closes: a handle outlives neither."""
    bench = objects.bench(token)
    with token.session() as session:
        stage = Stage(bench, session)
        try:
            yield stage
        finally:
            for handle in stage.made:
                with suppress(CryptokiError, PolicyRefusal):
                    C.DestroyObject(session, handle)


@attrs.frozen
class Recipe:
    """``run(stage)`` puts ``mechanism`` (its name) to the use that ``flag`` (CKF_…) stands for.

    It gives who verified the result (``ITSELF``: nobody but the token), and raises ``Wrong`` or ``CryptokiError``.
    """

    mechanism: str
    flag: str
    run: Callable[[Stage], str]

    @property
    def use(self) -> str:
        """The use in words: sign, generate key pair."""
        return self.flag.removeprefix("CKF_").lower().replace("_", " ")


def same(got: bytes, expected: bytes, what: str) -> None:
    """Hold an answer against the expected one. Errors: ``Wrong``, with the lengths, or the place where they part."""
    if got == expected:
        return
    if len(got) != len(expected):
        raise Wrong(f"{what} of {len(got)} bytes where {len(expected)} are right")
    place = next(i for i, (a, b) in enumerate(zip(got, expected, strict=True)) if a != b)
    raise Wrong(f"{what} of the right length, {len(got)} bytes, differs from byte {place}")


def signed_and_refused(
    stage: Stage, chosen: Mechanism, key: int, data: bytes, signature: bytes, forged: bytes | None = None
) -> None:
    """The token must accept a right signature or MAC, and refuse the same with one bit turned.

    ``forged``: a wrong one of another making.
    """
    C.VerifyInit(stage.session, chosen, key)
    C.Verify(stage.session, data, signature)
    C.VerifyInit(stage.session, chosen, key)
    try:
        C.Verify(stage.session, data, forged or signature[:-1] + bytes([signature[-1] ^ 1]))
    except CryptokiError as error:
        if error.name not in BAD_SIGNATURE:
            raise Wrong(f"a wrong signature is answered {error.name}") from None
    else:
        raise Wrong("a wrong signature was accepted")
