"""A token in production: what was not announced does not reach it, and what is announced stays within the budget."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable

import pytest
from recorder import counted
from somebodys import Somebodys, refusal

from workbench import C, spec, tokens
from workbench.cryptoki.policy import LOOKS
from workbench.keys import generate_key_pair, generate_secret_key
from workbench.tokens.spending import CLOSING, creates

KEYS = 'keys = [{ name = "signer", label = "codesign", allow = ["sign"] }]\n'
RANDOM = 'operations = ["random"]\n'
OPENING = {"C_OpenSession": 1, "C_GetSessionInfo": 1, "C_Login": 1, "C_CloseSession": 1}
FINDING = {
    "C_FindObjectsInit": 1,
    "C_FindObjects": 1,
    "C_FindObjectsFinal": 1,
    "C_GetAttributeValue": 1,
}


def reached(somebody: Somebodys) -> dict[str, int]:
    """What the token was asked, but for what needs no session."""
    return {name: count for name, count in counted(somebody.asked()).items() if name not in LOOKS}


# --- the announcement


def nothing_announced() -> list[str]:
    token = tokens.open("plant")
    return [
        refusal(token.session),
        refusal(token.session, True),
        refusal(token.session, False, False),
        refusal(C.OpenSession, token.module, token.slot, 0),
        refusal(C.OpenSession, token.module, token.slot, "CKF_RW_SESSION"),
    ]


def test_without_an_announcement_there_is_not_even_a_session(somebody: Somebodys) -> None:
    assert all("refused" in said or "announced" in said for said in somebody.run(nothing_announced))
    assert reached(somebody) == {}


def call_for_call() -> str:
    token = tokens.open("plant")
    cost = {**OPENING, **FINDING, "C_SignInit": 2, "C_Sign": 2}
    said = token.announce(cost)
    with token.session() as s:
        key = token.key(s, "signer")
        for _ in range(2):
            C.SignInit(s, "CKM_SHA256_RSA_PKCS", key.handle)
            C.Sign(s, b"x")
        assert "not announced" in refusal(C.SignInit, s, "CKM_SHA256_RSA_PKCS", key.handle)
        assert "not announced" in refusal(token.key, s, "signer")
        assert "not announced" in refusal(C.GetSessionInfo, s)
    return said


def test_what_was_announced_is_what_is_asked(somebody: Somebodys) -> None:
    somebody.configure(plant=KEYS)
    said = somebody.run(call_for_call)
    assert reached(somebody) == {**OPENING, **FINDING, "C_SignInit": 2, "C_Sign": 2}
    for function, count in reached(somebody).items():
        assert f"{function} {count}" in said


def everything_announced() -> dict[str, str]:
    token = tokens.open("plant")
    functions = [f.name for f in spec.functions() if f.name not in LOOKS]
    token.announce({**dict.fromkeys(functions, 3), "C_OpenSession": 1, "C_Login": 1, **NOTHING_MADE})
    with token.session() as s:
        key = token.key(s, "signer").handle

        def private() -> None:
            C.GetAttributeValue(s, key, ["CKA_PRIVATE_EXPONENT"])

        harm: dict[str, Callable[[], object]] = {
            "list everything": lambda: C.FindObjectsInit(s, {}),
            "generate": lambda: generate_secret_key(s),
            "generate a pair": lambda: generate_key_pair(s, "EC"),
            "create": lambda: C.CreateObject(s, {"CKA_CLASS": "CKO_DATA"}),
            "copy": lambda: C.CopyObject(s, key, {}),
            "destroy": lambda: C.DestroyObject(s, key),
            "change": lambda: C.SetAttributeValue(s, key, {"CKA_LABEL": "x"}),
            "decrypt": lambda: C.DecryptInit(s, "CKM_RSA_PKCS", key),
            "unwrap": lambda: C.UnwrapKey(s, "CKM_RSA_PKCS", key, bytes(128), {}),
            "wrap": lambda: C.WrapKey(s, "CKM_RSA_PKCS", key, key),
            "derive": lambda: C.DeriveKey(s, "CKM_SHA256_KEY_DERIVATION", key, {}),
            "random": lambda: C.GenerateRandom(s, 1),
            "seed": lambda: C.SeedRandom(s, b"x"),
            "digest": lambda: C.DigestInit(s, "CKM_SHA256"),
            "init token": lambda: C.InitToken(token.module, token.slot, b"1234", "x"),
            "init pin": lambda: C.InitPIN(s, b"1234"),
            "set pin": lambda: C.SetPIN(s, b"1234", b"1234"),
            "so login": lambda: C.Login(s, "CKU_SO", b"1234"),
            "read/write": lambda: C.OpenSession(token.module, token.slot, "CKF_RW_SESSION"),
            "second session": lambda: C.OpenSession(token.module, token.slot, 0),
            "second login": lambda: C.Login(s, "CKU_USER", token.pin),
            "read a private key": private,
        }
        return {name: refusal(call) for name, call in harm.items()}


# More of these would be beyond the budget, and the announcement itself refused.
NOTHING_MADE = dict.fromkeys([f.name for f in spec.functions() if creates(f.name)], 0) | {"C_LoginUser": 0}


def test_an_announcement_allows_nothing_that_the_policy_forbids(somebody: Somebodys) -> None:
    somebody.configure(plant=KEYS)
    said = somebody.run(everything_announced)
    assert [name for name, text in said.items() if not text or text.startswith("made")] == []
    assert reached(somebody) == {**OPENING, **FINDING}


def too_much(cost: dict[str, int]) -> str:
    return refusal(tokens.open("plant").announce, cost)


@pytest.mark.parametrize(
    "cost",
    [
        {"C_SignInit": 1001},
        {"C_OpenSession": 2},
        {"C_Login": 2},
        {"C_Login": 1, "C_LoginUser": 1},
        {"C_GenerateKey": 1},
        {"C_FindObjectsInit": 600, "C_GetAttributeValue": 600},
    ],
    ids=str,
)
def test_an_announcement_beyond_the_budget_is_refused_before_anything_is_asked(
    somebody: Somebodys, cost: dict[str, int]
) -> None:
    assert "the budget of token 'plant' has" in somebody.run(too_much, cost)
    assert reached(somebody) == {}


# --- limits that are held while it runs


def draw(count: int) -> tuple[int, str]:
    token = tokens.open("plant")
    token.announce({**OPENING, "C_GenerateRandom": count})
    done, said = 0, ""
    with token.session(login=False) as s:
        while done < count and not said:
            said = refusal(C.GenerateRandom, s, 1)
            done += not said
    return done, said


def test_the_rate_is_held(somebody: Somebodys) -> None:
    somebody.configure(plant=f"{RANDOM}budget = {{ max_rate = 20 }}")
    assert somebody.run(draw, 8) == (8, "")
    times = [one.ns for one in somebody.asked() if one.function == "C_GenerateRandom"]
    gaps = [(later - earlier) / 1e9 for earlier, later in itertools.pairwise(times)]
    # waking up late makes one gap longer and the next one shorter; over the whole the pace is exact
    assert (times[-1] - times[0]) / 1e9 >= 7 / 20 - 0.01
    assert sum(gap < 0.02 for gap in gaps) <= 2


def test_seconds_are_held_and_closing_is_not_refused(somebody: Somebodys) -> None:
    somebody.configure(plant=f"{RANDOM}budget = {{ max_rate = 50, max_seconds = 0.2 }}")
    done, said = somebody.run(draw, 100)
    assert "0.2 s" in said
    assert done <= 12
    assert reached(somebody) == {"C_OpenSession": 1, "C_GenerateRandom": done, "C_CloseSession": 1}


def test_outside_its_window_nothing_is_asked(somebody: Somebodys) -> None:
    now = datetime.datetime.now().astimezone()
    start, end = (f"{now + datetime.timedelta(hours=hours):%H:%M}" for hours in (2, 3))
    somebody.configure(plant=f'{RANDOM}budget = {{ window = "{start}-{end}" }}')
    assert f"{start}-{end}" in somebody.run(open_announced)
    assert reached(somebody) == {}


def open_announced() -> str:
    token = tokens.open("plant")
    token.announce(OPENING)
    return refusal(token.session)


@pytest.mark.parametrize("code", ["CKR_DEVICE_ERROR", "CKR_HOST_MEMORY", "CKR_SESSION_COUNT"])
def test_the_first_sign_of_distress_is_the_last_call(somebody: Somebodys, code: str) -> None:
    somebody.configure(plant=f"{RANDOM}budget = {{ max_rate = 1000 }}")
    somebody.faults.write_text(f"answer C_GenerateRandom 3 {spec.value(code):#x}\n")
    done, said = somebody.run(draw, 10)
    assert (done, said) == (2, f"made: {code}")
    assert code in somebody.run(draw_after_distress, 10)[1]


def draw_after_distress(count: int) -> tuple[int, str]:
    token = tokens.open("plant")
    token.announce({**OPENING, "C_GenerateRandom": count})
    said = ""
    with token.session(login=False) as s:
        for _ in range(count):
            said = refusal(C.GenerateRandom, s, 1)
    return 0, said


def test_a_slower_token_is_left_alone(somebody: Somebodys) -> None:
    somebody.configure(plant=f"{RANDOM}budget = {{ max_rate = 1000 }}")
    somebody.faults.write_text("slow C_GenerateRandom 10 6\n")
    done, said = somebody.run(draw, 60)
    assert "takes" in said
    assert 10 < done < 25


def close_all_ways() -> list[str]:
    token = tokens.open("plant")
    token.announce({"C_OpenSession": 1, "C_FindObjectsInit": 1})
    s = C.OpenSession(token.module, token.slot, 0)
    C.FindObjectsInit(s, {"CKA_LABEL": "codesign"})
    token.policy.spending.tripped = "for a test"  # type: ignore[attr-defined]
    return [
        refusal(C.FindObjectsFinal, s),
        refusal(C.Logout, s),
        refusal(C.CloseSession, s),
        refusal(C.CloseAllSessions, token.module, token.slot),
        refusal(C.Finalize, token.module),
    ]


def test_what_is_open_can_always_be_closed(somebody: Somebodys) -> None:
    assert all(not said or said.startswith("made") for said in somebody.run(close_all_ways))
    assert counted(somebody.asked()).keys() & CLOSING == CLOSING - {"C_SessionCancel"}
