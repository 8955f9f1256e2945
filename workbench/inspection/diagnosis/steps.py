"""``python -m workbench.inspection.diagnosis.steps FD``: load a module and ask it one thing after another.

The process that the doctor starts, so that a crash or a hang is a finding. Its order comes as JSON on standard
input; on FD it writes one line of JSON as each step begins and one as it ends. Nothing secret is in either.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs

from workbench import tokens
from workbench.cryptoki import C, CryptokiError, Module, TokenInfo
from workbench.cryptoki.library import ffi
from workbench.cryptoki.records import Info
from workbench.cryptoki.tracing import Trace, trace
from workbench.faults import WorkbenchError
from workbench.tokens.uri import Uri, parse_uri

__all__: list[str] = []

PR_SET_PDEATHSIG = 1  # linux/prctl.h
# A login could not succeed; and with these two it could cost a user one of the last tries.
BARS_LOGIN = ("CKF_USER_PIN_LOCKED", "CKF_ERROR_STATE")
BARS_LOGIN_TO_OTHERS = (*BARS_LOGIN, "CKF_USER_PIN_COUNT_LOW", "CKF_USER_PIN_FINAL_TRY")


class _Stop(Exception):
    """The next steps make no sense."""


@attrs.define
class _Steps:
    order: dict[str, Any]
    say: Callable[[dict[str, Any]], None]

    def run(self) -> None:
        provider = self.order["provider"]
        if provider is not None:
            tokens.provider(provider).enter()
        with trace() as calls:
            try:
                self._walk()
            except _Stop:
                pass
        self._told(calls)

    def _walk(self) -> None:
        with self._step("loading") as done:
            module = Module(self.order["module"], init_string=self.order["init_string"])
            versions = [str(one.version) for one in module.library.interfaces if one.version is not None]
            done["detail"] = f"it loads; function lists: v{', v'.join(versions or ['2.40'])}"
        with self._step("C_Initialize") as done:
            module.initialize(again=True)
            done["detail"] = "the library starts" + (
                ", with its parameter string" if module.init_string else ""
            )
        with self._step("C_GetInfo") as done:
            info = C.GetInfo(module)
            done["detail"] = (
                f"{info.libraryDescription} {info.libraryVersion} by {info.manufacturerID}, "
                f"Cryptoki {info.cryptokiVersion}"
            )
        with self._step("C_GetSlotList") as done:
            slots = C.GetSlotList(module)
            done["detail"] = f"{len(slots)} slots with a token" if len(slots) != 1 else "1 slot with a token"
            if not slots:
                empty = len(C.GetSlotList(module, tokenPresent=False))
                done.update(
                    state="missing",
                    detail=f"{empty} slots, and a token in none of them",
                    remedy="put the token in, start its service, name its address, or initialise one",
                )
                raise _Stop
        token = self._token(module, slots, info)
        if token is not None and self._flags(token) and self.order["cost"] is not None:
            self._login()
        with self._step("C_Finalize") as done:
            C.Finalize(module)
            done["detail"] = "the library ends in order"

    def _token(self, module: Module, slots: list[int], about: Info) -> TokenInfo | None:
        written = self.order["uri"]
        uri = parse_uri(written) if written is not None else Uri()
        with self._step("token") as done:
            seen = [(slot, C.GetTokenInfo(module, slot)) for slot in slots]
            labels = ", ".join(repr(info.label.rstrip("\0 ")) for _, info in seen)
            if written is None:
                done["detail"] = f"there are: {labels}"
                return seen[0][1] if len(seen) == 1 else None
            fitting = [
                info
                for slot, info in seen
                if uri.matches_token(info, C.GetSlotInfo(module, slot), about, slot)
            ]
            if len(fitting) == 1:
                done["detail"] = f"{fitting[0].label!r} is there, among {len(seen)}"
                return fitting[0]
            what = "none" if not fitting else "more than one"
            done.update(
                state="missing",
                detail=f"{what} of the tokens is the one that is named; there are: {labels}",
                remedy="correct label, serial or URI; a token that is not initialised has an empty label",
            )
            return None

    def _flags(self, info: TokenInfo) -> bool:
        """Whether a login may be tried."""
        with self._step("flags") as done:
            flags = info.flag_names
            ours = self.order["provider"] is not None
            bars = [flag for flag in (BARS_LOGIN if ours else BARS_LOGIN_TO_OTHERS) if flag in flags]
            if "CKF_TOKEN_INITIALIZED" not in flags:
                done.update(
                    state="missing", detail="the token is not initialised", remedy="C_InitToken (§5.5.7)"
                )
            elif bars:
                done.update(
                    state="failed",
                    detail=f"{', '.join(bars)}: no login is tried",
                    remedy="let somebody who knows the PIN log in by hand, or the security officer reset it",
                )
            elif "CKF_LOGIN_REQUIRED" in flags and "CKF_USER_PIN_INITIALIZED" not in flags:
                done.update(
                    state="missing",
                    detail="the user has no PIN yet",
                    remedy="the SO sets it with C_InitPIN (§5.5.8)",
                )
            else:
                done["detail"] = " ".join(flags)
                return True
            return False

    def _login(self) -> None:
        name = self.order["name"]
        if self.order["pin"] is not None:
            tokens.remember_pin(name, bytes.fromhex(self.order["pin"]))
        with self._step("C_Login") as done:
            token = tokens.open(name)
            token.announce(self.order["cost"])
            with token.session():
                done["detail"] = "the user is logged in, by one call"

    @contextmanager
    def _step(self, name: str) -> Iterator[dict[str, Any]]:
        """One step: what it says when it ends, or what went wrong in it; a failure ends the walk."""
        self.say({"begins": name})
        done: dict[str, Any] = {"name": name, "state": "ok", "detail": ""}
        try:
            yield done
        except CryptokiError as error:
            self.say(
                {"name": name, "function": error.function, "rv": error.rv, "state": "failed", "detail": ""}
            )
            raise _Stop from None
        except WorkbenchError as error:
            self.say({"name": name, "state": "failed", "detail": str(error)})
            raise _Stop from None
        except _Stop:
            self.say(done)
            raise
        self.say(done)

    def _told(self, calls: Trace) -> None:
        counted = Counter(calls.functions())
        self.say({"asked": dict(counted)})


def main() -> int:
    """Read the order, walk, write."""
    faulthandler.enable()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    order = json.load(sys.stdin)
    descriptor = int(sys.argv[1])

    def say(line: dict[str, Any]) -> None:
        os.write(descriptor, json.dumps(line).encode() + b"\n")

    ffi()  # parsing the declarations takes its time, and no step ought to be blamed for it
    _Steps(order, say).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
