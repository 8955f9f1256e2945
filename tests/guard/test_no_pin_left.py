"""A guest's PIN stays where it came from: no file that a run leaves holds it."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from recorder import counted
from somebodys import PIN, WRONG_PIN, Somebodys

import workbench as wb
from workbench import C, tokens
from workbench.workers import Worker

VARIABLE = "SOMEBODYS_PIN"
CONSENT = 'consent = ["token-objects"]\nbudget = { max_logins = 10 }\n'


def everything_kept(directory: Path) -> None:
    """Work, fail and be refused with a PIN in hand; keep all that a program could keep of it."""
    directory.mkdir()
    said: list[str] = []

    def keep(call: Callable[[], object]) -> None:
        try:
            said.append(repr(call()))
        except Exception as error:  # noqa: BLE001 - it is kept
            said.append("".join(traceback.format_exception(error)))
            said.append(repr(getattr(error, "__dict__", "")) + repr(error.args))

    token = tokens.open("device")
    with wb.trace() as seen:
        with token.session() as s:
            keep(lambda: s.generate_secret(token=True))
            keep(lambda: C.Login(s, "CKU_USER", token.pin))  # logged in already
            keep(lambda: C.Login(s, "CKU_SO", token.pin))
            keep(lambda: C.SetPIN(s, token.pin, PIN))
            keep(lambda: C.InitPIN(s, PIN.decode()))
            keep(lambda: C.LoginUser(s, "CKU_USER", PIN, "somebody"))
            keep(lambda: C.Login(s, "CKU_CONTEXT_SPECIFIC", token.pin))
            C.Logout(s)
            keep(lambda: C.Login(s, "CKU_USER", WRONG_PIN))
        said += [repr(token), repr(token.policy.__dict__), repr(token.origin.__dict__), repr(token.pin)]
        keep(lambda: tokens.sweep(token))
    for suffix in (".jsonl", ".json", ".svg", ".csv", ".html", ".txt"):
        seen.save(directory / f"trace{suffix}")
    said.append(repr(seen.records))
    (directory / "said.txt").write_text("\n".join(said))
    with Worker("device", stderr=directory / "stderr.txt") as worker:
        keep(lambda: worker.run(fail_with_a_pin))
    (directory / "worker.txt").write_text(said[-1])


def fail_with_a_pin(token: wb.Token) -> None:
    print(repr(token), token.pin, file=sys.stderr, flush=True)
    with token.session() as s:
        C.Login(s, "CKU_USER", token.pin)


@pytest.mark.notebook
@pytest.mark.parametrize("source", ["file", "env"])
def test_no_artifact_holds_a_pin(
    somebody: Somebodys, source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, PIN.decode())
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    somebody.configure(CONSENT + (f'pin = "env:{VARIABLE}"\n' if source == "env" else ""))
    kept = tmp_path / "kept"
    # the recorder refuses the wrong PIN: SoftHSM would set a flag, and the worker not log in
    somebody.faults.write_text("answer C_Login 4 0xa0\n")
    somebody.run(everything_kept, kept)
    assert counted(somebody.asked())["C_Login"] >= 4
    assert (kept / "stderr.txt").read_text().strip(), "the worker printed something"
    assert list((somebody.state / "tombstones").iterdir())
    (kept / "asked.log").write_bytes(somebody.log.read_bytes())
    for directory in (kept, somebody.state):
        assert tokens.leaks(directory, [PIN, WRONG_PIN]) == ()
    assert tokens.leaks(somebody.root, [PIN]) == (somebody.root / "pin",), (
        "the hunt finds the one that is there"
    )
