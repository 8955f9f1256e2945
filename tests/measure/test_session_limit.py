"""A token with few sessions, as devices are: SoftHSM behind a library that gives three in all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from programs import brought_up, compiler

from workbench.cryptoki import errors
from workbench.measure import CASES, Plan, Progress, bench, subject
from workbench.measure.drivers import default_driver, kernel
from workbench.spec.declarations import cdef
from workbench.workers import Worker

pytestmark = pytest.mark.notebook  # workers and whole runs

SIGN = CASES["ECDSA P-256 sign"]
LIMIT = 3  # a search looks at one thread and at two, and then at four whatever it saw
SOURCE = r"""
#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include "cryptoki.h"

static CK_FUNCTION_LIST *real, ours;
static int *open_now; /* in a file, for all processes together */

static CK_RV open_one(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify, CK_SESSION_HANDLE *session)
{
    CK_RV rv = 0xb1; /* CKR_SESSION_COUNT */

    if (__atomic_add_fetch(open_now, 1, __ATOMIC_SEQ_CST) <= LIMIT)
        rv = real->C_OpenSession(slot, flags, application, notify, session);
    if (rv)
        __atomic_sub_fetch(open_now, 1, __ATOMIC_SEQ_CST);
    return rv;
}

static CK_RV close_one(CK_SESSION_HANDLE session)
{
    CK_RV rv = real->C_CloseSession(session);
    __atomic_sub_fetch(open_now, rv == 0, __ATOMIC_SEQ_CST);
    return rv;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
    void *library = dlopen(TARGET, RTLD_NOW | RTLD_LOCAL);
    CK_RV (*get)(CK_FUNCTION_LIST **) = (CK_RV (*)(CK_FUNCTION_LIST **))dlsym(library, "C_GetFunctionList");
    CK_RV rv = get(&real);

    open_now = mmap(0, sizeof *open_now, PROT_READ | PROT_WRITE, MAP_SHARED, open(COUNTER, O_RDWR), 0);
    ours = *real;
    ours.C_OpenSession = open_one;
    ours.C_CloseSession = close_one;
    ours.C_GetFunctionList = C_GetFunctionList;
    *list = &ours;
    return rv;
}
"""


@pytest.fixture(autouse=True)
def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox softhsm, behind the limit."""
    target = brought_up("softhsm").module
    (tmp_path / "cryptoki.h").write_text(cdef(), encoding="utf-8")
    (tmp_path / "limited.c").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "counter").write_bytes(bytes(8))
    made = tmp_path / "limited.so"
    command = [compiler(), "-shared", "-fPIC", f"-DLIMIT={LIMIT}", f'-DTARGET="{target}"', f"-I{tmp_path}"]
    command.append(f'-DCOUNTER="{tmp_path}/counter"')
    subprocess.run([*command, str(tmp_path / "limited.c"), "-o", str(made), "-ldl"], check=True)
    monkeypatch.setenv("WORKBENCH_SOFTHSM_MODULE", str(made))


def test_the_sessions_that_were_too_few_are_given_back() -> None:
    with Worker("softhsm") as worker:
        assert worker.run(subject.prepare, SIGN, default_driver()).outcome == "ok"
        with pytest.raises(errors.error_class("CKR_SESSION_COUNT")):
            worker.run(subject.block, SIGN, 4, 0.01, 0.0, 0, default_driver())
        worker.run(subject.provenance)  # opens one
        made = worker.run(subject.block, SIGN, 3, 0.01, 0.0, 0, default_driver())
    assert made.successes > 0


@pytest.mark.parametrize("driver", ["c-kernel", "pykcs11-processes"])
def test_a_search_that_ends_where_the_sessions_end_is_no_failure(tmp_path: Path, driver: str) -> None:
    if driver == "c-kernel" and kernel() is None:
        pytest.skip("the load kernel is not built here")
    cases = (SIGN, CASES["SHA-256 1 KiB"])
    plan = Plan("knee", cases, threads="knee", rounds=1, seconds=0.02, warmup=0, drivers=(driver,))
    held: list[int] = []

    def count(progress: Progress) -> None:
        if progress.text.startswith("round"):
            held.append(int.from_bytes((tmp_path / "counter").read_bytes()[:4], sys.byteorder))

    run = bench(plan, ["softhsm"], out=tmp_path / "runs", on_progress=count)
    assert run.failed == ()
    assert set(held) == {2}  # and none that the search opened in vain
    ended = [row for row in run.rows if row.kind == "search" and row.threads == 4]
    assert [row.outcome for row in ended] == ["refused"] * 2
    assert all("CKR_SESSION_COUNT" in row.detail for row in ended)
    assert [(line.threads, line.outcome) for line in run.lines] == [(1, "ok"), (2, "ok")] * 2


def test_more_threads_than_sessions_that_were_asked_for_are_a_failure(tmp_path: Path) -> None:
    plan = Plan("four", (SIGN,), threads=(1, 4), rounds=1, seconds=0.02, warmup=0)
    run = bench(plan, ["softhsm"], out=tmp_path / "runs")
    assert [(row.kind, row.threads, row.outcome) for row in run.failed] == [("block", 4, "failed")]
