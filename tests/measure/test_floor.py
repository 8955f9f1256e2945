"""The floor has room for every plan: as many threads as there may be, whatever they do."""

from __future__ import annotations

import pytest

from workbench.cryptoki import C, Module, TokenInfo
from workbench.measure import subject
from workbench.measure.drivers import kernel
from workbench.measure.plan import MOST_THREADS
from workbench.tokens import Token

pytestmark = pytest.mark.skipif(kernel() is None, reason="the null module is not built")
THREADS = 8


def null_token() -> TokenInfo:
    return C.GetTokenInfo(Module.load(kernel().__file__), 0)


def test_whatever_a_thread_does_and_by_whatever_driver_its_floors_share_a_session(softhsm: Token) -> None:
    before = null_token().ulSessionCount
    for driver in ("c-kernel", "pykcs11"):
        for operation in ("sign", "digest", "random"):
            block = subject.floor_block(softhsm, operation, THREADS, 0.001, 0.0, driver)
            assert block.successes >= THREADS
            assert block.errors == {}
    assert null_token().ulSessionCount - before <= THREADS


def test_the_null_module_has_a_session_for_every_thread_of_a_plan_and_of_its_floor() -> None:
    assert null_token().ulMaxSessionCount > 2 * MOST_THREADS
