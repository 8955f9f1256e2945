"""Functions for workers to call: a worker imports them by name, as it would a user's."""

from __future__ import annotations

import ctypes
import os
import sys
import time

from workbench.cryptoki import C
from workbench.tokens import Token


class Unpicklable(Exception):
    def __reduce__(self) -> str:
        raise TypeError("not me")


def add(token: Token, a: int, b: int) -> int:
    return a + b


def label(token: Token) -> str:
    return token.info.label


def pid(token: Token) -> int:
    return os.getpid()


def echo(token: Token, data: bytes) -> bytes:
    return data


def sign_without_init(token: Token) -> bytes:
    with token.session() as session:
        return C.Sign(session, b"data")


def raise_unpicklable(token: Token) -> None:
    raise Unpicklable("cannot travel")


def divide(token: Token, a: int, b: int) -> float:
    return a / b


def read_address_zero(token: Token) -> bytes:
    return ctypes.string_at(0)


def leave(token: Token, code: int) -> None:
    print("these are my last words", file=sys.stderr, flush=True)
    os._exit(code)


def wait(token: Token, seconds: float) -> None:
    time.sleep(seconds)


def environment_and_arguments(token: Token) -> str:
    from pathlib import Path

    return repr([Path("/proc/self/environ").read_bytes(), Path("/proc/self/cmdline").read_bytes()])
