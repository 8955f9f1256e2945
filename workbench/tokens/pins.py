"""Where a PIN comes from: the environment, a file, a prompt, a keyring, a program, or the device's own keypad."""

from __future__ import annotations

import getpass
import os
import re
import shlex
import stat
import subprocess
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import attrs

from workbench.cryptoki import Secret
from workbench.faults import WorkbenchError
from workbench.tokens.pin_form import PinForm

__all__ = ["ASKED_ONCE", "PinForm", "PinSource", "forget", "parse_pin_source", "remember", "remembered"]

Kind = Literal["env", "file", "prompt", "keyring", "command", "protected"]

LONGEST = 255  # bytes; more than any vendor takes, and less than a file that was named by mistake
PATIENCE = 60.0  # seconds that a program may take to give the PIN; somebody may have to touch a key
FORMS = "env:NAME, file:/path, prompt, keyring:SERVICE/USER, command:PROGRAM ARGUMENTS, or protected"
ASKED_ONCE: frozenset[Kind] = frozenset({"prompt", "keyring", "command"})
"""The kinds that may trouble a person: read once in a process, and handed to its workers."""

_remembered: dict[tuple[str, PinSource], Secret] = {}
_reading = threading.RLock()


@attrs.frozen
class PinSource:
    """Where a PIN comes from, never the PIN. ``str`` is safe to show; ``reference`` reads back to the same source.

    ``kind`` ``protected`` is the protected authentication path (5.6.8): the PIN is entered on the device.
    """

    kind: Kind
    detail: str = attrs.field(default="", repr=False)

    @property
    def reference(self) -> str:
        """The source as ``parse_pin_source`` takes it. A command is whole here: not for showing."""
        return f"{self.kind}:{self.detail}" if self.detail else self.kind

    def __str__(self) -> str:
        # Somebody will write `command:echo` and the PIN itself: of a command only the program is shown.
        return f"command:{shlex.split(self.detail)[0]} …" if self.kind == "command" else self.reference

    def read(self, token: str, form: PinForm | None = None) -> Secret | None:
        """The PIN for the token of this name; None on the protected authentication path, where C_Login gets NULL.

        A prompt, a keyring and a program are asked once for each token in a process; see ``remember``.
        ``form``: a value that cannot be a PIN of this form is refused here, before the token would count it.
        Errors: ``WorkbenchError`` that says what is wrong with the source, never what came out of it.
        """
        if self.kind == "protected":
            return None
        with _reading:  # two threads, one question
            pin = remembered(token, self)
            if pin is None:
                pin = _judged(self, token, _READERS[self.kind](self.detail, token))
            why = form.why_not(pin.reveal()) if form is not None else None
            if why is not None:
                raise _fault(token, f"{why}, so what {self} gave was not sent to the token")
            if self.kind in ASKED_ONCE:
                remember(token, self, pin)
            return pin


def remember(token: str, source: PinSource, pin: Secret) -> None:
    """Let ``source.read(token)`` of this process give ``pin`` without asking: one process asks, its workers are told."""
    _remembered[token, source] = pin


def remembered(token: str, source: PinSource) -> Secret | None:
    """The PIN that this process was given for the token; None when it has not asked yet."""
    return _remembered.get((token, source))


def forget(token: str, source: PinSource) -> None:
    """Ask again next time: for a PIN that the token has refused."""
    _remembered.pop((token, source), None)


def parse_pin_source(text: str, trusted: bool = False) -> PinSource:
    """Read a source: ours (``env:NAME`` …) or RFC 7512's (a ``file:`` URI, an absolute path, ``|program``).

    ``trusted``: the text stands in the user's own configuration, so it may name a program to run.
    Errors: ``WorkbenchError`` that does not repeat the text, for a PIN may stand there by mistake.
    """
    if text.startswith("|"):
        return _command(text[1:], trusted)
    if text.startswith("/"):
        return _file(text)
    kind, colon, detail = text.partition(":")
    if not colon and kind == "prompt":
        return PinSource("prompt")
    if not colon and kind == "protected":
        return PinSource("protected")
    if colon and kind == "command":
        return _command(detail, trusted)
    if colon and kind in _DETAILED:
        return _DETAILED[kind](detail)
    raise WorkbenchError(
        f"a PIN source is one of {FORMS}; what stands here is none of them, and is not repeated, "
        "because it may be the PIN itself"
    )


def _environment(detail: str) -> PinSource:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", detail) is None:
        raise WorkbenchError(
            "the PIN source env: takes the name of an environment variable, as in env:HSM_PIN"
        )
    return PinSource("env", detail)


def _file(detail: str) -> PinSource:
    if detail.startswith("//"):
        host, _, path = detail[2:].partition("/")
        if host not in {"", "localhost"}:
            raise WorkbenchError(
                "the PIN source file: names another machine; only this machine's files are read (file:/path)"
            )
        detail = "/" + path
    if not detail.startswith(("/", "~/")) or detail == "/" or "\0" in detail:
        raise WorkbenchError(
            "the PIN source file: takes an absolute path, as in file:/etc/hsm/pin or file:~/hsm.pin"
        )
    return PinSource("file", re.sub("^/+", "/", detail))


def _keyring(detail: str) -> PinSource:
    service, slash, user = detail.rpartition("/")
    if not (service and slash and user):
        raise WorkbenchError("the PIN source keyring: takes a service and a user, as in keyring:hsm/signer")
    return PinSource("keyring", detail)


def _command(detail: str, trusted: bool) -> PinSource:
    if not trusted:
        raise WorkbenchError(
            "a program as PIN source is taken only from workbench.toml, never from a URI given elsewhere; "
            "declare the token there and use its name"
        )
    try:
        if "\0" not in detail and shlex.split(detail):
            return PinSource("command", detail.strip(" \t\r\n"))
    except ValueError:
        pass  # a quotation mark that is never closed
    raise WorkbenchError(
        "the PIN source command: takes a program and its arguments, as in command:pass show hsm/signer"
    )


_DETAILED: dict[str, Callable[[str], PinSource]] = {"env": _environment, "file": _file, "keyring": _keyring}


def _fault(token: str, why: str) -> WorkbenchError:
    return WorkbenchError(f"no PIN for token {token!r}: {why}")


def _judged(source: PinSource, token: str, value: str | bytes) -> Secret:
    """The value as a secret, once it can be a PIN at all."""
    try:
        pin = value.encode() if isinstance(value, str) else value
    except UnicodeEncodeError:  # its message would quote the PIN
        raise _fault(token, f"{source} gave characters that are not UTF-8") from None
    if not pin:
        raise _fault(
            token, f"{source} gave nothing, and an empty PIN is never sent, because the token would count it"
        )
    if len(pin) > LONGEST:
        raise _fault(
            token, f"{source} gave more than {LONGEST} bytes, which no token takes; is it the right source?"
        )
    if b"\n" in pin or b"\0" in pin:
        raise _fault(token, f"{source} gave more than one line, or a NUL; the PIN must stand there alone")
    return Secret(pin)


def _first_line(output: bytes) -> bytes:
    """Without the newline that editors and programs end a line with."""
    return output.removesuffix(b"\n").removesuffix(b"\r") if output.endswith(b"\n") else output


def _read_environment(name: str, token: str) -> bytes:
    value = os.environb.get(os.fsencode(name))
    if value is None:
        raise _fault(token, f"the environment variable {name} is not set")
    return value


def _read_file(named: str, token: str) -> bytes:
    try:
        path = Path(named).expanduser()
        # Opened once, and what was opened is judged: a link that is changed in between gains nothing.
        # O_NONBLOCK: a FIFO in the file's place must not hang us.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    except (OSError, RuntimeError) as error:
        raise _fault(token, f"{named} cannot be read ({_reason(error)})") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _fault(token, f"{named} is not a regular file")
        if found.st_uid not in {os.geteuid(), 0}:
            raise _fault(
                token, f"{named} belongs to another user; a PIN is read only from your files or root's"
            )
        if found.st_mode & 0o077:
            raise _fault(
                token, f"{named} is open to other users; close it with: chmod 600 {shlex.quote(str(path))}"
            )
        return _first_line(os.read(descriptor, LONGEST + 3))  # enough to see that it is too long
    except OSError as error:
        raise _fault(token, f"{named} cannot be read ({_reason(error)})") from None
    finally:
        os.close(descriptor)


def _reason(error: OSError | RuntimeError) -> str:
    return error.strerror or "unknown reason" if isinstance(error, OSError) else "there is no home directory"


def _read_prompt(_: str, token: str) -> str:
    ask = getpass.getpass
    if ask.__module__ == "getpass":  # a notebook puts its own question in this place
        # Without a terminal getpass would read standard input, and echo.
        try:
            os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        except OSError:
            raise _fault(token, f"there is no terminal to ask on; use another source: {FORMS}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # it says that the terminal would echo
            return ask(f"PIN of {token}: ")
    except getpass.GetPassWarning:
        raise _fault(token, f"this terminal cannot hide what is typed; use another source: {FORMS}") from None
    except EOFError:
        raise _fault(token, "none was typed") from None
    except UnicodeDecodeError:  # it carries what was typed
        raise _fault(token, "what was typed is not text in the terminal's encoding") from None
    except RuntimeError:  # how a notebook that runs without a person says so
        raise _fault(token, f"nobody can be asked here; use another source: {FORMS}") from None


def _read_keyring(detail: str, token: str) -> str:
    service, _, user = detail.rpartition("/")
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise _fault(
            token,
            "keyring: needs the package of that name; install it with: pip install 'pkcs11-workbench[keyring]'",
        ) from None
    try:
        found = keyring.get_password(service, user)
    except KeyringError as error:
        raise _fault(
            token, f"the keyring cannot be used ({type(error).__name__}); is it there and unlocked?"
        ) from None
    if found is None:
        raise _fault(
            token,
            f"the keyring has no entry {detail}; make it with: keyring set {shlex.quote(service)} {shlex.quote(user)}",
        )
    return found


def _read_command(detail: str, token: str) -> bytes:
    program, *arguments = shlex.split(detail)
    try:
        # Its complaints are dropped: a program that fails may well print what it was about to say.
        done = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
    except OSError as error:
        raise _fault(token, f"the program {program} cannot be run ({_reason(error)})") from None
    except subprocess.TimeoutExpired:  # it carries what was printed
        raise _fault(token, f"the program {program} gave no answer within {PATIENCE:.0f} s") from None
    if done.returncode != 0:
        raise _fault(
            token, f"the program {program} failed (exit code {done.returncode}); run it yourself to see why"
        )
    return _first_line(done.stdout)


_READERS: dict[Kind, Callable[[str, str], str | bytes]] = {
    "env": _read_environment,
    "file": _read_file,
    "prompt": _read_prompt,
    "keyring": _read_keyring,
    "command": _read_command,
}
