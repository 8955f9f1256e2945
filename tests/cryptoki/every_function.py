"""What a module answers to the scenario of each function.

``every_function.py TOKEN`` runs them all, in a process and with a WORKBENCH_HOME of its own (tokens are
initialised, PINs changed), and prints ``{function: outcome}`` as JSON. An outcome is ``works`` (CKR_OK, and
the scenario looked at the result), ``CKR_OK, another result``, the CKR that the function answered, ``absent`` (no such function list) or
``NULL`` (an empty entry in it). Where a call before it failed that one is named.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scenarios import scenarios
from stage import Stage

from workbench import spec, tokens
from workbench.cryptoki import C, CryptokiError, Mechanism, Module
from workbench.cryptoki.shapes import Kind, shapes
from workbench.tokens import Token
from workbench.tokens.home import home as usual_home

__all__ = ["ask", "outcome", "outcomes"]

BARE = {
    Kind.NUMBER: 0,
    Kind.BYTES: b"bare",
    Kind.BUFFER: 9000,
    Kind.MECHANISM: Mechanism(spec.value("CKM_SHA256")),
    Kind.TEMPLATE: [],
    Kind.PARAMETER: None,
    Kind.FILLED: None,
    Kind.NAME: "C_Sign",
}
# They end what others stand on; after C_InitToken the user has no PIN until C_InitPIN sets one.
LAST = ("C_Finalize", "C_Initialize", "C_CloseAllSessions", "C_InitToken", "C_InitPIN")


def outcome(token: Token, function: str, call: Callable[[], object]) -> str:
    """What came of a scenario: see the head of this file."""
    try:
        result = call()
    except CryptokiError as error:
        if error.function == function:
            return reach(token.module, function, error.name)
        before = f"after {error.function} answered {error.name}"
        answer = reach(token.module, function)
        return answer if answer in ("absent", "NULL") else f"{answer} ({before})"
    return "CKR_OK, another result" if result is False else "works"


def reach(module: Module, function: str, answered: str | None = None) -> str:
    """How a function that did not work is there; one that no scenario reached is called with next to nothing."""
    missing = module.native.missing(function)
    if missing is not None:
        return "absent" if missing.startswith("absent") else "NULL"
    if answered is not None:
        return answered
    slot = next(iter(module._policies))
    handle = module.native.invoke("C_OpenSession", (slot, 6))[1][0]
    bare = [handle, *(BARE[shape.kind] for shape in shapes(function)[1:] if shape.takes)]
    rv = module.native.invoke(function, bare)[0]
    module.native.invoke("C_CloseSession", (handle,))
    return spec.name("CKR", rv)


def outcomes(token: Token) -> dict[str, str]:
    """The outcome of every function, each in a session of its own."""
    names = [function.name for function in spec.functions()]
    found: dict[str, str] = {}
    for name in sorted(names, key=lambda one: LAST.index(one) if one in LAST else -1):
        with token.session(login=name != "C_InitPIN") as session:
            stage = Stage(token, session)
            found[name] = outcome(token, name, scenarios(stage)[name])
            session._open = name not in LAST  # these close every session by themselves
    return {name: found[name] for name in names}


def logins(token: Token) -> dict[str, str]:
    """Who asks how: a NULL PIN (the protected authentication path) and a context-specific login."""
    with token.session(login=False) as session:
        asked = {
            "C_Login with a NULL PIN": lambda: C.Login(session, "CKU_USER", None),
            "C_Login as CKU_CONTEXT_SPECIFIC": lambda: C.Login(session, "CKU_CONTEXT_SPECIFIC", token.pin),
        }
        return {name: outcome(token, "C_Login", call) for name, call in asked.items()}


def ask(name: str, home: Path) -> dict[str, Any]:
    """Run this file for a token that is made for it in ``home``, and taken down again."""
    for shared in ("suites", "packages"):  # what is unpacked already serves here too
        if (usual_home() / shared).is_dir():
            (home / shared).symlink_to(usual_home() / shared)
    environment = {**os.environ, "WORKBENCH_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2])}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True)

    try:
        done = run(__file__, name)
    finally:
        run("-m", "workbench.cli", "token", "down", name)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main(name: str) -> None:
    """Ask the token's module, in the Python that it loads into."""
    python = tokens.interpreter(name)
    if python and not tokens.provider(name).inside():
        os.execvp(python[0], [*python, *sys.argv])
    opened = tokens.open(name)
    info = C.GetInfo(opened.module)
    library = f"{info.libraryDescription} {info.libraryVersion}"
    print(json.dumps({"library": library, "logins": logins(opened), "functions": outcomes(opened)}))


if __name__ == "__main__":
    main(sys.argv[1])
