"""Processes that start at once on one token: SoftHSM's own race does not reach them."""

from __future__ import annotations

import os

import pytest
import somebodys
from recorder import counted
from somebodys import Somebodys

from workbench import tokens

PROCESSES = 8


def use_when_told(gate: int, done: int, place: int) -> None:
    os.read(gate, 1)  # returns when the parent closes its end: for all at the same moment
    token = tokens.open("device")
    with token.session() as s:
        assert s.find({"CKA_LABEL": "vault"})
        os.write(done, bytes([place]))


def start_together(somebody: Somebodys) -> set[int]:
    """Which of the processes did what they came for."""
    gate, opening = os.pipe()
    reading, done = os.pipe()

    def child(place: int) -> None:
        os.close(opening)
        use_when_told(gate, done, place)

    started = [somebodys.start(child, n, environment=somebody.environment) for n in range(PROCESSES)]
    for end in (gate, done, opening):
        os.close(end)
    for pid in started:
        os.waitpid(pid, 0)
    with os.fdopen(reading, "rb") as pipe:
        return set(pipe.read())


@pytest.mark.parametrize("times", [1, pytest.param(50, marks=pytest.mark.notebook)])
def test_eight_processes_start_at_once_on_one_token(somebody: Somebodys, times: int) -> None:
    for _ in range(times):
        assert start_together(somebody) == set(range(PROCESSES))
    assert counted(somebody.asked())["C_Login"] == times * PROCESSES
