"""Functions that a worker of the tests runs: calls that fail with a secret among their arguments."""

from __future__ import annotations

from workbench.cryptoki import C
from workbench.tokens import Token


def fail_with(token: Token, hidden: bytes) -> None:
    """A CryptokiError, which travels to the parent."""
    with token.session() as session:
        C.Sign(session, hidden)


def fail_without_a_way_back(token: Token, hidden: bytes) -> None:
    """An exception that cannot be pickled, with a CryptokiError as its cause."""

    class Local(Exception):
        pass

    try:
        fail_with(token, hidden)
    except Exception as error:
        raise Local("cannot travel") from error
