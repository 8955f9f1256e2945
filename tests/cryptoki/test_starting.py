"""Before C_Initialize and after it: who answers, and that nobody crashes. Each in its own process: a module is one per process."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEFORE = """
import workbench as wb
from workbench import C
token = wb.open("softhsm", binding={binding!r}, initialize=False)
for call in (C.GetInfo, C.GetSlotList, C.Finalize):
    try:
        call(token.module)
    except wb.CryptokiError as error:
        print(error.name)
"""
QUERY = """
import PyKCS11, workbench as wb
from workbench import C
token = wb.open("softhsm", binding={binding!r})
lib = wb.watch(PyKCS11.PyKCS11Lib().load(token.module.path))
with token.session() as session:
    key = session.generate("EC")
    C.SignInit(session, "CKM_ECDSA", key.private)
    print(C.length_of(session, "C_Sign", bytes(32)))
    C.Sign(session, bytes(32))
    theirs = lib.openSession(token.slot)
    handle = PyKCS11.LowLevel.CK_OBJECT_HANDLE()
    handle.assign(key.private_handle)
    with wb.trace() as trace:
        theirs.sign(handle, bytes(32), PyKCS11.Mechanism(PyKCS11.CKM_ECDSA))
    print(trace.records[1].results[0][1])
"""


def said(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("binding", ["auto", "native", "pykcs11"])
def test_a_call_before_initialize_is_answered_and_does_not_crash(binding: str) -> None:
    assert said(BEFORE.format(binding=binding)) == ["CKR_CRYPTOKI_NOT_INITIALIZED"] * 3


@pytest.mark.parametrize("binding", ["auto", "native", "pykcs11"])
def test_a_length_query_answers_with_a_length_on_every_binding_and_under_watch(binding: str) -> None:
    assert said(QUERY.format(binding=binding)) == ["64", "64 bytes needed"]
