"""Sandbox tokens: made once, found again by label and serial number, kept private."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from workbench import tokens
from workbench.cryptoki import C, errors
from workbench.faults import WorkbenchError
from workbench.tokens import Token, leaks


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process: a module keeps what it read from the environment when it was loaded."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_a_wrong_token_name_names_the_known_ones() -> None:
    with pytest.raises(WorkbenchError, match="'softsm'; known names: sandbox, softhsm, nss"):
        tokens.open("softsm")


def test_sandbox_is_the_default_providers_token(softhsm: Token) -> None:
    assert tokens.open("sandbox").label == softhsm.label


def test_what_we_keep_is_readable_by_nobody_else(token: Token) -> None:
    directory = tokens.home() / "sandboxes" / token.name
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for pin in directory.glob("*.pin"):
        assert stat.S_IMODE(pin.stat().st_mode) == 0o600


def test_pins_are_random_and_not_in_the_state_file(token: Token) -> None:
    directory = tokens.home() / "sandboxes" / token.name
    user, so = ((directory / file).read_text() for file in ("user.pin", "so.pin"))
    assert user != so
    assert len(user) == 16
    assert user not in (directory / "sandbox.json").read_text()


def test_the_token_is_found_again_after_its_slot_number_was_forgotten(token: Token) -> None:
    before = token.slot
    assert token.find_slot() == before
    assert C.GetTokenInfo(token.module, token.find_slot()).label == token.label


def test_a_token_that_vanished_says_how_to_make_it_anew(tmp_path: Path) -> None:
    code = (
        "import shutil, workbench as wb; from workbench import tokens\n"
        "tokens.provider('softhsm').up()\n"
        "shutil.rmtree(tokens.home() / 'sandboxes' / 'softhsm' / 'tokens')\n"
        "try: wb.open('softhsm')\n"
        "except wb.WorkbenchError as e: print(e)\n"
    )
    # up() initialises in the same process, so the module there still knows the token: look from a second one
    make, look = code.splitlines()[:2], code.splitlines()
    home = {"WORKBENCH_HOME": str(tmp_path / "home")}
    link_packages(tmp_path / "home")
    assert python("\n".join(make), **home).returncode == 0
    done = python("\n".join([look[0], *look[2:]]), **home)
    assert "workbench token up softhsm --fresh" in done.stdout


def link_packages(home: Path) -> None:
    """Let a private home use the packages that were unpacked already."""
    home.mkdir(parents=True)
    (home / "packages").symlink_to(tokens.home() / "packages")


def test_fresh_makes_another_token_with_other_pins(tmp_path: Path) -> None:
    home = {"WORKBENCH_HOME": str(tmp_path / "home")}
    link_packages(tmp_path / "home")
    code = (
        "from workbench import tokens; import workbench as wb\n"
        "print(tokens.provider('softhsm').up(fresh=True).serial)\n"
        "with wb.open('softhsm').session() as s: print(len(s.random(8)))"
    )
    first, second = python(code, **home), python(code, **home)
    assert first.returncode == second.returncode == 0, second.stderr
    assert first.stdout.splitlines()[1] == "8"
    assert first.stdout != second.stdout


def test_two_sessions_share_the_login(token: Token) -> None:
    with token.session() as first, token.session(login=False) as second:
        assert first.info.state_name == second.info.state_name == "CKS_RW_USER_FUNCTIONS"


def test_the_last_session_to_close_ends_the_login(token: Token) -> None:
    token.close()
    with token.session():
        pass
    with token.session(login=False) as session:
        assert session.info.state_name == "CKS_RW_PUBLIC_SESSION"


def test_a_session_closes_when_its_block_fails(token: Token) -> None:
    with pytest.raises(ZeroDivisionError), token.session() as session:
        1 / 0  # noqa: B018
    with pytest.raises(errors.error_class("CKR_SESSION_HANDLE_INVALID")):
        C.GetSessionInfo(session)


def test_provenance_is_json_and_holds_neither_pin_nor_serial(token: Token) -> None:
    text = json.dumps(token.provenance())
    assert token.pin.reveal().decode() not in text
    assert token.info.serialNumber not in json.loads(text)["serial_sha256"]
    assert len(json.loads(text)["module_sha256"]) == 64


def test_the_private_directory_must_be_writable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = python(
        "import workbench as wb\ntry: wb.open()\nexcept wb.WorkbenchError as e: print(e)",
        WORKBENCH_HOME=str(tmp_path / "file" / "home"),
    )
    assert "set WORKBENCH_HOME" in done.stdout


def test_a_missing_pin_file_is_named_without_its_content(tmp_path: Path) -> None:
    link_packages(tmp_path / "home")
    code = (
        "import workbench as wb; from workbench import tokens\n"
        "t = wb.open('softhsm'); (tokens.home() / 'sandboxes/softhsm/user.pin').unlink()\n"
        "try: t.session()\nexcept wb.WorkbenchError as e: print(e)"
    )
    done = python(code, WORKBENCH_HOME=str(tmp_path / "home"))
    assert "PIN of token 'softhsm' cannot be read" in done.stdout
    assert "--fresh" in done.stdout


def test_a_refused_pin_is_never_tried_again(tmp_path: Path) -> None:
    link_packages(tmp_path / "home")
    code = (
        "import workbench as wb; from workbench import tokens\n"
        "t = wb.open('softhsm'); (tokens.home() / 'sandboxes/softhsm/user.pin').write_text('not the PIN at all')\n"
        "try: t.session()\nexcept wb.CryptokiError as e: print(e.name)\n"
        "with wb.trace() as seen:\n"
        "    try: t.session()\n    except wb.WorkbenchError as e: print(e)\n"
        "print('C_Login' in seen.functions())"
    )
    first = python(code, WORKBENCH_HOME=str(tmp_path / "home")).stdout.splitlines()
    assert first[0] == "CKR_PIN_INCORRECT"
    assert "never tried twice" in first[1]
    assert first[2] == "False"
    again = (
        "import workbench as wb\ntry: wb.open('softhsm').session()\nexcept wb.WorkbenchError as e: print(e)"
    )
    assert "never tried twice" in python(again, WORKBENCH_HOME=str(tmp_path / "home")).stdout
    command = [sys.executable, "-m", "workbench.cli", "token", "pardon", "softhsm"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "WORKBENCH_HOME": str(tmp_path / "home")}
    )
    assert done.stdout == "softhsm: 1 refused PIN may be tried again\n", done.stderr


@pytest.mark.parametrize("form", ["plain", "hex", "base64"])
def test_a_planted_pin_is_found(softhsm: Token, tmp_path: Path, form: str) -> None:
    import base64

    (tmp_path / "clean.txt").write_text("nothing to see")
    assert leaks(tmp_path) == ()
    pin = softhsm.pin.reveal()
    shown = {"plain": pin, "hex": pin.hex().encode(), "base64": base64.b64encode(b"xy" + pin + b"z")}[form]
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "artifact.ipynb").write_bytes(b"output: " + shown + b" end")
    assert leaks(tmp_path) == (tmp_path / "deep" / "artifact.ipynb",)


def test_one_library_in_one_process_reads_one_configuration(softhsm: Token, tmp_path: Path) -> None:
    (tmp_path / "workbench.toml").write_text(
        f'[tokens.other]\nmodule = "{softhsm.module.path}"\nlabel = "another"\n'
        f'environment = {{ SOFTHSM2_CONF = "{tmp_path}/other.conf" }}\n'
    )
    (tmp_path / "workbench.toml").chmod(0o600)
    code = (
        "import workbench as wb\nwb.open('softhsm')\n"
        "try: wb.open('other')\nexcept wb.WorkbenchError as e: print(e)"
    )
    done = python(code, WORKBENCH_CONFIG=str(tmp_path / "workbench.toml"))
    assert "another configuration: use token 'other' in a process of its own" in done.stdout
