"""What a benchmark that was ended in mid-block left on the token is found by a sweep."""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from workbench import spec
from workbench.cryptoki import C
from workbench.measure import Case, subject
from workbench.measure.drivers import default_driver
from workbench.measure.material import make_work
from workbench.tokens import Token, join_run, ledger, sweep
from workbench.workers import Worker, WorkerDied

EC = Case("generate P-256", "generate_key_pair", None, 0, "P-256", residency="token")
AES = Case("generate AES", "generate_key", None, 0, "AES-128", residency="token")


@pytest.fixture
def run(softhsm: Token, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run of its own, swept whatever happens."""
    monkeypatch.setattr(ledger, "_joined", None)
    name = f"{int(time.time()):08x}{secrets.token_hex(2)}"
    join_run(name)
    return name


def stored(token: Token) -> Counter[str]:
    """The labels of the token's keys. SoftHSM writes a key in several steps, CKA_LOCAL in the last one: what a kill
    left before that is no key yet, and may have no label. A device makes its keys whole.
    """
    found: Counter[str] = Counter()
    with token.session() as session:
        for handle in session.find({"CKA_TOKEN": True, "CKA_LOCAL": True}):
            found[str(C.GetAttributeValue(session, handle, ["CKA_LABEL"])["CKA_LABEL"])] += 1
    return found


@pytest.fixture
def tidied(softhsm: Token) -> Iterator[None]:
    """What a kill left half written has no label, so that no sweep claims it: other tests need not find it."""
    with softhsm.session() as session:
        before = set(session.find({}))  # of what is half written CKA_TOKEN may be missing too
        yield
        for handle in set(session.find({})) - before:
            C.DestroyObject(session, handle)


@pytest.mark.parametrize("case", [EC, AES], ids=lambda case: case.name)
def test_keys_that_a_generating_case_makes_are_the_run_s(softhsm: Token, run: str, case: Case) -> None:
    with softhsm.session() as session:
        work = make_work(session, case, None, 0)
        templates = [dict(rows) for rows in work.templates]
        if case is EC:
            C.GenerateKeyPair(session, "CKM_EC_KEY_PAIR_GEN", *templates)
        else:
            C.GenerateKey(session, "CKM_AES_KEY_GEN", *templates)
    removed = sweep(softhsm, run)
    assert [one.outcome for one in removed] == ["removed"] * len(templates)
    assert not [label for label in stored(softhsm) if run in label]


def test_session_keys_carry_no_label_and_no_ledger_entry(softhsm: Token, run: str) -> None:
    with softhsm.session() as session:
        work = make_work(session, Case("generate AES", "generate_key", None, 0, "AES-128"), None, 0)
    assert spec.value("CKA_LABEL") not in dict(work.templates[0])
    assert not [entry for entry in ledger.entries(softhsm.identity) if entry.run == run]


@pytest.mark.notebook
def test_a_worker_that_is_killed_while_it_generates_leaves_nothing_that_a_sweep_does_not_find(
    softhsm: Token, run: str, tidied: None
) -> None:
    before = stored(softhsm)
    for _ in range(8):
        with Worker("softhsm") as worker:
            assert worker.run(subject.prepare, EC, default_driver()).outcome == "ok"
            timer = threading.Timer(0.2, os.kill, (worker.pid, signal.SIGKILL))
            timer.start()
            with pytest.raises(WorkerDied):
                worker.run(subject.block, EC, 1, 30.0, 0.0, 0, default_driver())
    assert all(run in label for label in stored(softhsm) - before)
    sweep(softhsm, run)
    assert stored(softhsm) == before
