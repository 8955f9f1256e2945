"""Trials that end badly, for the worker's process."""

from __future__ import annotations

import os
import signal
import time

from workbench.cryptoki import C
from workbench.inspection.probe.model import Finding, Outcome
from workbench.tokens import Token


def crash(token: Token) -> list[Finding]:
    os.kill(os.getpid(), signal.SIGSEGV)
    return []


def hang(token: Token) -> list[Finding]:
    time.sleep(60)
    return []


def fail(token: Token) -> list[Finding]:
    C.GetSlotInfo(token.module, 0x7FFFFF01)
    return []


def succeed(token: Token) -> list[Finding]:
    return [Finding("test", "a trial", "after another", Outcome.VERIFIED)]
