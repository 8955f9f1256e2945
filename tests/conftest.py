"""Real tokens for every test: SoftHSM2 always, NSS softoken where it is or can be brought.

WORKBENCH_TEST_TOKENS names others in their place ("tpm freehsm"). A token with an interpreter of its own wants
pytest itself to run under it: ``tests/cryptoki/test_other_tokens.py`` does so.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings
from programs import brought_up

from workbench import tokens
from workbench.tokens import Session, Token

# HYPOTHESIS_PROFILE=long: for the tests of what reads other people's text (URIs, configuration), once in a while.
settings.register_profile("long", max_examples=40_000, deadline=None)
if "HYPOTHESIS_PROFILE" in os.environ:
    settings.load_profile(os.environ["HYPOTHESIS_PROFILE"])


# A shell starts what runs in its background deaf to Ctrl-C, and what the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TOKENS = os.environ.get("WORKBENCH_TEST_TOKENS", "softhsm nss").split()


def opened(name: str) -> Token:
    brought_up(name)
    return tokens.open(name)


@pytest.fixture(scope="session")
def softhsm() -> Token:
    return opened("softhsm")


@pytest.fixture(scope="session")
def nss() -> Token:
    return opened("nss")


@pytest.fixture(scope="session", params=TOKENS)
def token(request: pytest.FixtureRequest) -> Token:
    return opened(request.param)


@pytest.fixture
def session(token: Token) -> Iterator[Session]:
    with token.session() as made:
        yield made


@pytest.fixture
def softhsm_session(softhsm: Token) -> Iterator[Session]:
    with softhsm.session() as made:
        yield made
