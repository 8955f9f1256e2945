"""Sessions do not leak: after thousands of uses, failing ones included, as many are open as before."""

from __future__ import annotations

import pytest
from programs import brought_up
from recorder import counted
from somebodys import Somebodys

from workbench import C, tokens
from workbench.cryptoki import CryptokiError, SessionHandle
from workbench.faults import PolicyRefusal
from workbench.tokens import Token
from workbench.workers import Worker

pytestmark = pytest.mark.notebook

CYCLES = 10_000
ROOM = 300  # sessions that are opened to see whether there is still room for them


class Expected(Exception):
    """Raised in a block on purpose."""


def use(token: Token, cycle: int, key: int) -> None:
    """One use of a session, one in five of each kind; three of them fail."""
    kind = cycle % 5
    with token.session(login=False) as s:
        if kind == 0:
            s.random(8)
        elif kind == 1:
            C.SignInit(s, "CKM_SHA256_HMAC", 2**40)  # no such key
        elif kind == 2:
            C.FindObjectsInit(int(s.handle))  # type: ignore[arg-type]  # refused: a number is no session
        elif kind == 3:
            C.EncryptInit(s, "CKM_AES_ECB", key)  # left unfinished
        else:
            raise Expected


def cycles(token: Token, count: int) -> tuple[int | None, int | None, int, int]:
    """Sessions that the token counts, before and after; and how many more could be opened, before and after."""
    with token.session() as keeper:
        key = keeper.generate_secret().handle if token.offers("CKM_AES_KEY_GEN") else 2**40
        counted_before, room_before = token.info.ulSessionCount, room(token)
        for cycle in range(count):
            try:
                use(token, cycle, key)
            except (CryptokiError, PolicyRefusal, Expected):
                pass
        return counted_before, token.info.ulSessionCount, room_before, room(token)


def room(token: Token) -> int:
    opened: list[SessionHandle] = []
    try:
        while len(opened) < ROOM:
            opened.append(C.OpenSession(token.module, token.slot))
    except (CryptokiError, PolicyRefusal):
        pass
    for session in opened:
        C.CloseSession(session)
    return len(opened)


@pytest.mark.parametrize("name", list(tokens.PROVIDERS))
def test_sessions_of_a_sandbox_do_not_leak(name: str) -> None:
    brought_up(name)
    with Worker(name) as worker:
        before, after, room_before, room_after = worker.run(cycles, CYCLES, timeout=300)
    assert before == after
    assert room_before == room_after > 0


def guests_cycles(count: int) -> tuple[int, tuple[int | None, int | None, int, int]]:
    token = tokens.open("device")
    found = cycles(token, count)
    return token.policy.spending.sessions, found  # type: ignore[attr-defined]


def test_sessions_of_a_guest_do_not_leak(somebody: Somebodys) -> None:
    somebody.configure("budget = { max_seconds = 600 }")
    open_in_account, (_, _, room_before, room_after) = somebody.run(guests_cycles, CYCLES)
    assert (open_in_account, room_before, room_after) == (0, 3, 3)
    asked = counted(somebody.asked())
    assert asked["C_OpenSession"] == asked["C_CloseSession"] > CYCLES
