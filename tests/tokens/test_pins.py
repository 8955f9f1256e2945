"""PINs come from where the user said, hidden all the way; a source that is wrong is named, its content is not."""

from __future__ import annotations

import hashlib
import os
import select
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jupyter_client.manager import start_new_kernel
from keyring.backends import fail, null
from keyrings.alt.file import PlaintextKeyring
from uris import pin_sources

from workbench.cryptoki import Secret
from workbench.faults import WorkbenchError
from workbench.tokens import pins
from workbench.tokens.pins import PinForm, PinSource, parse_pin_source

PIN = "Zq7Wk2Xv"
SHA256 = hashlib.sha256(PIN.encode()).hexdigest()


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins, "_remembered", {})


def read(text: str, form: PinForm | None = None) -> str | None:
    secret = parse_pin_source(text, trusted=True).read("hsm", form)
    return None if secret is None else secret.reveal().decode()


def refused(text: str, form: PinForm | None = None) -> str:
    """The sentence of the refusal, once it is certain that nothing of it shows the PIN."""
    with pytest.raises(WorkbenchError) as caught:
        read(text, form)
    assert PIN not in "".join(traceback.format_exception(caught.value))
    assert str(caught.value).startswith("no PIN for token 'hsm': ")
    return str(caught.value)


def private(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@given(pin_sources)
def test_a_source_reads_back_from_its_reference(source: PinSource) -> None:
    assert parse_pin_source(source.reference, trusted=True) == source


@example("\x1c", "command:")  # white space to Python, and not to a shell
@given(
    st.text(max_size=30), st.sampled_from(["", "env:", "file:", "file:/", "keyring:", "command:", "|", "/"])
)
def test_any_text_is_a_source_or_refused(text: str, start: str) -> None:
    try:
        source = parse_pin_source(start + text, trusted=True)
    except WorkbenchError:
        return
    assert parse_pin_source(source.reference, trusted=True) == source
    assert str(source)


@pytest.mark.parametrize(
    "text", [PIN, f"pin:{PIN}", f"env:{PIN}-", f"file:{PIN}", f"keyring:{PIN}", f"prompt:{PIN}", ""]
)
def test_what_is_no_source_may_be_the_pin_and_is_not_repeated(text: str) -> None:
    with pytest.raises(WorkbenchError, match="PIN source") as caught:
        parse_pin_source(text, trusted=True)
    assert PIN not in str(caught.value)


def test_the_environment_gives_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSM_PIN", f"operator:{PIN} é")
    assert read("env:HSM_PIN") == f"operator:{PIN} é"


def test_a_variable_that_is_unset_or_empty_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HSM_PIN", raising=False)
    assert "HSM_PIN is not set" in refused("env:HSM_PIN")
    monkeypatch.setenv("HSM_PIN", "")
    assert "env:HSM_PIN gave nothing" in refused("env:HSM_PIN")


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_file_gives_its_line(tmp_path: Path, end: str) -> None:
    file = private(tmp_path / "pin", f" {PIN} {end}".encode())
    assert read(f"file:{file}") == read(f"file://{file}") == read(f"file://localhost{file}") == f" {PIN} "


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_open_to_others_is_refused_with_the_way_to_close_it(tmp_path: Path, mode: int) -> None:
    file = private(tmp_path / "pin", PIN.encode(), mode)
    assert f"chmod 600 {file}" in refused(f"file:{file}")


def test_of_a_link_the_file_at_its_end_is_judged(tmp_path: Path) -> None:
    good, bad = private(tmp_path / "good", PIN.encode()), private(tmp_path / "bad", PIN.encode(), 0o644)
    link = tmp_path / "link"
    link.symlink_to(good)
    assert read(f"file:{link}") == PIN
    link.unlink()
    link.symlink_to(bad)
    assert "open to other users" in refused(f"file:{link}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    file = private(tmp_path / "pin", PIN.encode())
    os.chown(file, 12345, 12345)
    assert "belongs to another user" in refused(f"file:{file}")


def test_what_is_no_file_is_refused_and_nothing_hangs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert "not a regular file" in refused(f"file:{tmp_path / 'fifo'}")
    assert "not a regular file" in refused(f"file:{tmp_path}")
    assert "No such file" in refused(f"file:{tmp_path / 'missing'}")


@pytest.mark.parametrize(
    "content, why",
    [
        (b"", "gave nothing"),
        (b"\n", "gave nothing"),
        (PIN.encode() * 32, "more than 255 bytes"),
        (f"{PIN}\n{PIN}\n".encode(), "more than one line"),
        (f"{PIN}\n\n".encode(), "more than one line"),
        (f"{PIN}\0".encode(), "a NUL"),
    ],
)
def test_a_content_that_is_no_pin_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    assert why in refused(f"file:{private(tmp_path / 'pin', content)}")


def test_the_longest_pin_is_taken(tmp_path: Path) -> None:
    assert len(read(f"file:{private(tmp_path / 'pin', b'1' * 255 + bytes([13, 10]))}") or "") == 255


def test_a_program_is_run_without_a_shell(tmp_path: Path) -> None:
    assert read("command:printf '%s\\n' '$HOME;'") == "$HOME;"
    assert read(f"|cat {private(tmp_path / 'pin', PIN.encode())}") == PIN


def test_a_program_that_fails_is_named_and_what_it_printed_is_dropped(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert "program sh failed (exit code 3)" in refused(
        f"command:sh -c 'echo {PIN} | tee /dev/stderr; exit 3'"
    )
    assert "program no-such-program cannot be run" in refused(f"command:no-such-program {PIN}")
    assert PIN not in "".join(capfd.readouterr())


def test_a_program_is_asked_once_in_a_process(tmp_path: Path) -> None:
    counted = f"command:sh -c 'echo . >> {tmp_path}/times; echo {PIN}'"
    assert read(counted) == read(counted) == PIN
    assert (tmp_path / "times").read_text() == ".\n"
    pins.forget("hsm", parse_pin_source(counted, trusted=True))
    assert read(counted) == PIN
    assert (tmp_path / "times").read_text() == ".\n.\n"


def test_a_worker_that_was_told_does_not_ask() -> None:
    pins.remember("hsm", PinSource("prompt"), Secret(PIN))
    assert read("prompt") == PIN
    assert pins.remembered("another", PinSource("prompt")) is None


def test_on_the_protected_path_there_is_no_pin_to_send() -> None:
    assert read("protected") is None


def test_a_value_of_the_wrong_form_is_refused_before_the_token_sees_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user_and_password = PinForm("USER:PASSWORD", example="operator:secret", pattern="[^:]+:.+", minimum=4)
    monkeypatch.setenv("HSM_PIN", f"operator:{PIN}")
    assert read("env:HSM_PIN", user_and_password) == f"operator:{PIN}"
    monkeypatch.setenv("HSM_PIN", PIN)
    assert "the form USER:PASSWORD" in refused("env:HSM_PIN", user_and_password)
    monkeypatch.setenv("HSM_PIN", "a:b")
    assert "shorter than 4 bytes" in refused("env:HSM_PIN", user_and_password)


def test_a_value_of_the_wrong_form_is_asked_for_again(tmp_path: Path) -> None:
    answers = f"command:sh -c 'echo . >> {tmp_path}/times; wc -l < {tmp_path}/times | tr -d \" \"'"
    second = PinForm("a two", pattern="2")
    assert "the form a two" in refused(answers, second)
    assert read(answers, second) == "2"


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[object], None]]:
    """Put a keyring in the place of this desktop's; PlaintextKeyring keeps its entries below ``tmp_path``."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    before = keyring.get_keyring()
    yield keyring.set_keyring
    keyring.set_keyring(before)


def test_a_keyring_gives_its_entry(backend: Callable[[object], None], tmp_path: Path) -> None:
    backend(PlaintextKeyring())
    keyring.set_password("https://hsm.example.net", "signer", PIN)
    assert list(tmp_path.rglob("*.cfg"))
    assert read("keyring:https://hsm.example.net/signer") == PIN
    assert "no entry hsm/signer; make it with: keyring set hsm signer" in refused("keyring:hsm/signer")


def test_a_keyring_that_is_not_there_is_told_from_one_without_the_entry(
    backend: Callable[[object], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend(fail.Keyring())
    assert "NoKeyringError" in refused("keyring:hsm/signer")
    backend(null.Keyring())
    assert "no entry" in refused("keyring:hsm/signer")
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert "pip install 'pkcs11-workbench[keyring]'" in refused("keyring:hsm/signer")


# First without a terminal, then with the one that standard input is; what was read is told by its hash.
ASKED = """
import fcntl, hashlib, sys, termios
from workbench.faults import WorkbenchError
from workbench.tokens.pins import parse_pin_source
source = parse_pin_source("prompt")
try: source.read("hsm")
except WorkbenchError as error: print(error)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
for _ in range(2): print(hashlib.sha256(source.read("hsm").reveal()).hexdigest())
"""


def until(terminal: int, wanted: str, seconds: float = 20.0) -> str:
    seen = ""
    while wanted not in seen:
        assert select.select([terminal], [], [], seconds)[0], f"the terminal shows only {seen!r}"
        seen += os.read(terminal, 1024).decode()
    return seen


def test_a_terminal_is_asked_once_and_shows_nothing_of_the_answer() -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", ASKED], stdin=theirs, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as asking:
        os.close(theirs)
        shown = until(ours, "PIN of hsm: ")
        os.write(ours, f"{PIN}\n".encode())
        printed, _ = asking.communicate(timeout=20)
        while select.select([ours], [], [], 0)[0]:
            try:
                shown += os.read(ours, 1024).decode()
            except OSError:  # the other end is closed
                break
    os.close(ours)
    without_terminal, *answers = printed.splitlines()
    assert "there is no terminal to ask on; use another source: env:NAME" in without_terminal
    assert answers == [SHA256, SHA256]
    assert shown.split() == ["PIN", "of", "hsm:"]


@pytest.mark.notebook
def test_a_notebook_asks_its_reader_hidden_and_says_when_nobody_reads() -> None:
    manager, client = start_new_kernel(kernel_name="python3")
    heard: list[str] = []
    asked: list[dict[str, object]] = []

    def answer(message: dict[str, dict[str, object]]) -> None:
        asked.append(message["content"])
        client.input(PIN)

    def hear(message: dict[str, object]) -> None:
        heard.append(str(message["content"]))

    reading = (
        "import hashlib; from workbench.tokens.pins import parse_pin_source\n"
        "print(hashlib.sha256(parse_pin_source('prompt').read('hsm').reveal()).hexdigest())"
    )
    try:
        client.execute_interactive(reading, allow_stdin=False, output_hook=hear, timeout=30)
        assert "nobody can be asked here; use another source" in "".join(heard)
        client.execute_interactive(reading, allow_stdin=True, stdin_hook=answer, output_hook=hear, timeout=30)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert [(question["prompt"], question["password"]) for question in asked] == [("PIN of hsm: ", True)]
    assert SHA256 in "".join(heard)
    assert PIN not in "".join(heard)
