"""The recorder, compiled once, and somebody's tokens, fresh for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import recorder
import somebodys
from programs import brought_up, compiler
from somebodys import Somebodys

from workbench.cryptoki.library import ffi
from workbench.tokens.profiles import profiles

POINTERS = (
    "ATTRIBUTE",
    "BYTE",
    "INFO",
    "MECHANISM",
    "OBJECT_HANDLE",
    "SESSION_INFO",
    "SLOT_INFO",
    "TOKEN_INFO",
    "ULONG",
)
PARSED = (
    *(f"CK_{name} *" for name in POINTERS),
    *("CK_ATTRIBUTE[]", "CK_BYTE[]", "CK_FUNCTION_LIST_PTR_PTR", "CK_MECHANISM_TYPE[]", "CK_OBJECT_HANDLE[]"),
    *(
        "CK_SLOT_ID[]",
        "CK_ATTRIBUTE",
        "CK_ULONG",
        "CK_C_INITIALIZE_ARGS",
        "CK_C_INITIALIZE_ARGS_PTR",
        "char[]",
    ),
)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Somebodys:
    """The tokens as their owner left them."""
    brought_up("softhsm")
    for ctype in PARSED:
        ffi().typeof(ctype)  # here once, and not in every child: each costs 20 ms
    profiles()
    root = tmp_path_factory.mktemp("somebodys")
    # a copy: whatever this process has done with SoftHSM, a child loads a library that nobody used before
    target = Path(shutil.copy(somebodys.softhsm(), root / "target.so"))
    made = Somebodys(root, recorder.build(root, compiler()), target)
    made.configure()
    made.run(somebodys.make_tokens, str(target))
    return made


@pytest.fixture
def somebody(pristine: Somebodys, tmp_path: Path) -> Somebodys:
    """Tokens that only this test uses."""
    return pristine.copy(tmp_path)
