"""Somebody's tokens for the tests: real SoftHSM tokens behind the recorder, with keys that we did not make.

Each scenario runs in a forked process of its own, which loads the module itself: so it starts with a fresh
library, account and log, and costs no start of Python.
"""

from __future__ import annotations

import os
import pickle
import secrets
import shutil
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import attrs
import recorder
from PyKCS11 import LowLevel, PyKCS11Error, PyKCS11Lib

from workbench import spec
from workbench.cryptoki import CryptokiError
from workbench.faults import PolicyRefusal
from workbench.tokens import ledger

__all__ = [
    "PIN",
    "SO_PIN",
    "Failure",
    "Somebodys",
    "in_child",
    "listed",
    "make_tokens",
    "plant",
    "refusal",
    "start",
]

PIN, SO_PIN, WRONG_PIN = b"24681357", b"97531864", b"00000000"
LABELS = ("device", "plant")
R = TypeVar("R")


class Failure(Exception):
    """What went wrong in the forked process, as text."""


def start(function: Callable[..., object], *arguments: Any, environment: dict[str, str]) -> int:
    """Fork a process that does ``function(*arguments)`` as a run of its own; its id. For those who end it early."""
    pid = os.fork()
    if pid == 0:
        try:
            _begin_run(environment)
            function(*arguments)
        except BaseException:  # noqa: BLE001 - pytest shows what the process printed
            traceback.print_exc()
        finally:
            os._exit(0)
    return pid


def _begin_run(environment: dict[str, str]) -> None:
    """Another host and another run than the process that was forked knew."""
    os.environ.update(environment)
    ledger.host.cache_clear()
    ledger.join_run(secrets.token_hex(6))


def in_child(function: Callable[..., R], *arguments: Any, environment: dict[str, str] | None = None) -> R:
    """``function(*arguments)`` in a forked process; its result. Errors: ``Failure``."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reading)
            _begin_run(environment or {})
            with os.fdopen(writing, "wb") as pipe:
                try:
                    answer: tuple[bool, Any] = (True, function(*arguments))
                except BaseException:  # noqa: BLE001 - it is raised in the parent
                    answer = (False, traceback.format_exc())
                pipe.write(pickle.dumps(answer))
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    os.waitpid(pid, 0)
    if not content:
        raise Failure("the process died")
    done, value = pickle.loads(content)  # noqa: S301 - from our own child
    if not done:
        raise Failure(value)
    result: R = value
    return result


def refusal(call: Callable[..., object], *arguments: Any) -> str:
    """What the guard says; nothing where the call was made."""
    try:
        call(*arguments)
    except PolicyRefusal as error:
        return str(error)
    except CryptokiError as error:
        return f"made: {error.name}"
    return ""


def _row(name: str, value: object) -> tuple[Any, ...]:
    if isinstance(value, str) and value.startswith(("CKO_", "CKK_")):
        value = spec.value(value)
    return (spec.value(name), value)


def make_tokens(target: str) -> None:
    """Two tokens with a user each, and the same keys on both, by PyKCS11 alone."""
    library = PyKCS11Lib()
    library.load(target)
    for label in LABELS:
        free = next(s for s in library.getSlotList() if not library.getTokenInfo(s).flags & 0x400)
        library.initToken(free, SO_PIN.decode(), label.ljust(32))
        slot = next(s for s in library.getSlotList() if library.getTokenInfo(s).label.strip(" \0") == label)
        session = library.openSession(slot, LowLevel.CKF_SERIAL_SESSION | LowLevel.CKF_RW_SESSION)
        session.login(SO_PIN.decode(), LowLevel.CKU_SO)
        session.initPin(PIN.decode())
        session.logout()
        session.login(PIN.decode())
        public = {"CKA_LABEL": "codesign", "CKA_TOKEN": True, "CKA_MODULUS_BITS": 1024}
        private = {"CKA_LABEL": "codesign", "CKA_TOKEN": True, "CKA_PRIVATE": True, "CKA_SIGN": True}
        private |= {"CKA_DECRYPT": True, "CKA_UNWRAP": True}
        session.generateKeyPair([_row(*p) for p in public.items()], [_row(*p) for p in private.items()])
        secret = {"CKA_CLASS": "CKO_SECRET_KEY", "CKA_KEY_TYPE": "CKK_AES", "CKA_LABEL": "vault"}
        secret |= dict.fromkeys(("CKA_TOKEN", "CKA_ENCRYPT", "CKA_DECRYPT", "CKA_WRAP", "CKA_UNWRAP"), True)
        secret |= {"CKA_DERIVE": True, "CKA_EXTRACTABLE": True, "CKA_SENSITIVE": False}
        secret |= {"CKA_SIGN": True, "CKA_VALUE": bytes(range(32))}
        session.createObject([_row(*p) for p in secret.items()])
        plant(session, "note")
        session.logout()
        session.closeSession()
    library.lib.C_Finalize()


def listed(target: str, label: str) -> list[tuple[str, int]]:
    """The label and class of every object on the token, by PyKCS11 alone.

    SoftHSM makes an object in several steps, the label not first: what a kill leaves between two of them has none,
    is nobody's, and is passed over. A device makes its objects whole.
    """
    library = PyKCS11Lib()
    library.load(target)
    slot = next(s for s in library.getSlotList() if library.getTokenInfo(s).label.strip(" \0") == label)
    session = library.openSession(slot)
    session.login(PIN.decode())
    found = []
    for thing in session.findObjects():
        with suppress(PyKCS11Error):
            name, kind = session.getAttributeValue(thing, [spec.value("CKA_LABEL"), spec.value("CKA_CLASS")])
            found.append((str(name), int(kind)))
    return sorted(one for one in found if one[0])


def plant(session: Any, label: str) -> None:
    """A data object of somebody else's, with this label."""
    rows = {"CKA_CLASS": "CKO_DATA", "CKA_TOKEN": True, "CKA_LABEL": label, "CKA_VALUE": b"theirs"}
    session.createObject([_row(*p) for p in rows.items()])


@attrs.frozen
class Somebodys:
    """A directory with the tokens ``device`` (a guest) and ``plant`` (in production), and our own state."""

    root: Path
    module: Path
    target: Path
    home: str = "home"

    @property
    def log(self) -> Path:
        return self.root / "asked.log"

    @property
    def faults(self) -> Path:
        return self.root / "faults"

    @property
    def state(self) -> Path:
        """WORKBENCH_HOME of whoever runs a scenario."""
        return self.root / self.home

    @property
    def environment(self) -> dict[str, str]:
        return {
            "WORKBENCH_HOME": str(self.state),
            "WORKBENCH_CONFIG": str(self.root / "workbench.toml"),
            "SOFTHSM2_CONF": str(self.root / "softhsm2.conf"),
            **self.recording,
        }

    @property
    def recording(self) -> dict[str, str]:
        return {
            "RECORDER_TARGET": str(self.target),
            "RECORDER_LOG": str(self.log),
            "RECORDER_FAULTS": str(self.faults),
        }

    def copy(self, root: Path) -> Somebodys:
        """The same tokens in another directory."""
        shutil.copytree(self.root / "tokens", root / "tokens")
        made = attrs.evolve(self, root=root)
        made.configure()
        return made

    def configure(self, device: str = "", plant: str = "") -> None:
        """Write the files; what is given is TOML for the two tokens."""
        (self.root / "tokens").mkdir(exist_ok=True)
        pin = self.root / "pin"
        pin.write_bytes(PIN)
        pin.chmod(0o600)
        text = f"directories.tokendir = {self.root}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
        (self.root / "softhsm2.conf").write_text(text)
        blocks = []
        for label, more, policy in (("device", device, "guest"), ("plant", plant, "production")):
            environment = {"SOFTHSM2_CONF": f"{self.root}/softhsm2.conf", **self.recording}
            written = ", ".join(f'{name} = "{value}"' for name, value in environment.items())
            blocks.append(
                f'[tokens.{label}]\nmodule = "{self.module}"\nlabel = "{label}"\npolicy = "{policy}"\n'
                + ("" if "pin =" in more else f'pin = "file:{pin}"\n')
                + f"environment = {{ {written} }}\n{more}\n"
            )
        (self.root / "workbench.toml").write_text("\n".join(blocks))

    def run(self, function: Callable[..., R], *arguments: Any) -> R:
        """``function(*arguments)`` in a process of its own that knows these tokens; its result."""
        return in_child(function, *arguments, environment=self.environment)

    def asked(self) -> list[recorder.Asked]:
        """What reached the module so far."""
        return recorder.read(self.log)

    def forget(self) -> None:
        """Begin a new log."""
        self.log.unlink(missing_ok=True)


def softhsm() -> Path:
    """SoftHSM's module on this machine."""
    from workbench import tokens

    found = tokens.provider("softhsm").find()
    assert found is not None
    return found


if __name__ == "__main__":
    make_tokens(sys.argv[1])
