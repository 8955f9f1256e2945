"""Scripts of calls that concern the whole application, each through PyKCS11 and then natively on the same token.

Run in a process of its own with a WORKBENCH_HOME of its own: it provokes wrong PINs and initialises tokens.
``differential_application.py NAME`` prints the functions that it reached as JSON, and fails on a difference.
"""

from __future__ import annotations

import json
import shutil
import sys
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import spec, tokens
from workbench.cryptoki.native import NativeBinding
from workbench.cryptoki.pykcs11 import PyKCS11Binding
from workbench.cryptoki.records import Record, SessionInfo

Step = tuple[Any, ...]
TOKEN = tokens.open(sys.argv[1])
MODULE, DIRECTORY = TOKEN.module, tokens.provider(TOKEN.name).directory
COPY = DIRECTORY.with_name("as-it-was-made")
PIN, SO_PIN = TOKEN.pin.reveal(), TOKEN.so_pin.reveal()
PINS = {"user": PIN, "so": SO_PIN, "wrong": b"not-this-one", "new": b"another-pin-1234", "short": b"1"}
REACHED: set[str] = set()

pin = st.sampled_from(sorted(PINS))
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("C_Login"), st.sampled_from(["session", 999]), st.sampled_from([0, 1, 7]), pin),
    st.just(("C_Login", "session", 1, "user")),
    st.just(("C_Login", "session", 0, "so")),
    st.just(("C_Logout", "session")),
    st.tuples(st.just("C_InitPIN"), st.just("session"), pin),
    st.tuples(st.just("C_SetPIN"), st.just("session"), pin, pin),
    st.tuples(st.just("C_InitToken"), st.just("slot"), pin, st.sampled_from(["a label", "größer"])),
    st.tuples(st.just("C_OpenSession"), st.just("slot"), st.sampled_from([0, 4, 6])),
    st.just(("C_OpenSession", "slot", 6)),
    st.just(("C_CloseSession", "session")),
    st.just(("C_CloseAllSessions", "slot")),
    st.just(("C_GetSessionInfo", "session")),
    st.just(("C_GetTokenInfo", "slot")),
    st.just(("C_Finalize",)),
    st.just(("C_Initialize", None)),
)
# Every function at least once, whatever is drawn.
FIXED: tuple[list[Step], ...] = (
    [
        ("C_OpenSession", "slot", 6), ("C_Login", "session", 1, "wrong"), ("C_Login", "session", 1, "user"),
        ("C_Login", "session", 1, "user"), ("C_SetPIN", "session", "wrong", "new"), ("C_GetSessionInfo", "session"),
        ("C_SetPIN", "session", "user", "new"), ("C_Logout", "session"), ("C_Logout", "session"),
        ("C_Login", "session", 1, "new"), ("C_CloseAllSessions", "slot"), ("C_GetSessionInfo", "session"),
    ],
    [
        ("C_OpenSession", "slot", 6), ("C_InitToken", "slot", "so", "while open"), ("C_Login", "session", 0, "so"),
        ("C_InitPIN", "session", "new"), ("C_CloseSession", "session"), ("C_InitToken", "slot", "wrong", "no"),
        ("C_InitToken", "slot", "so", "größer"), ("C_GetTokenInfo", "slot"), ("C_OpenSession", "slot", 6),
        ("C_Login", "session", 1, "user"),
    ],
    [
        ("C_Finalize",), ("C_Finalize",), ("C_GetTokenInfo", "slot"), ("C_OpenSession", "slot", 6),
        ("C_Initialize", None), ("C_Initialize", None),
    ],
)  # fmt: skip


def fresh() -> int:
    """The token as it was made, the module initialised, and the slot that the token is in."""
    MODULE.native.invoke("C_Finalize", ())
    for old in DIRECTORY.iterdir():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    shutil.copytree(COPY, DIRECTORY, dirs_exist_ok=True)
    assert MODULE.native.invoke("C_Initialize", (MODULE.init_string,))[0] == 0
    return TOKEN.find_slot()


def outcome(results: tuple[object, ...]) -> list[object]:
    """What must be the same: not handles, nor what a token makes up for itself."""
    said: list[object] = []
    for result in results:
        if isinstance(result, SessionInfo):
            said.append((result.state, result.flags))
        elif isinstance(result, Record):
            said.append((result.flags, getattr(result, "label", None)))
    return said


def run(binding: NativeBinding | PyKCS11Binding, steps: list[Step]) -> list[tuple[str, str, list[object]]]:
    slot, session, said = fresh(), 0, []
    for function, *arguments in steps:
        named: dict[object, object] = {"slot": slot, "session": session, **PINS}
        rv, results = binding.invoke(function, [named.get(a, a) for a in arguments])
        if function == "C_OpenSession" and rv == 0:
            session = int(results[0])  # type: ignore[call-overload]
        REACHED.add(function)
        said.append((function, spec.name("CKR", rv), outcome(results)))
    return said


def alike(steps: list[Step]) -> None:
    theirs, ours = run(MODULE.pykcs11, steps), run(MODULE.native, steps)
    assert theirs == ours, [(a, b) for a, b in zip(theirs, ours, strict=True) if a != b]


@settings(max_examples=8, deadline=None, derandomize=True)
@given(steps=st.lists(STEPS, min_size=3, max_size=8))
def check(steps: list[Step]) -> None:
    """Generated scripts, each beginning with a session."""
    alike([("C_OpenSession", "slot", 6), *steps])


if __name__ == "__main__":
    MODULE.native.invoke("C_Finalize", ())
    shutil.copytree(DIRECTORY, COPY)
    for script in FIXED:
        alike(script)
    check()
    fresh()
    print(json.dumps(sorted(REACHED)))
