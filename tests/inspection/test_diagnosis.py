"""The doctor on modules that are broken in earnest: each finding names what is wrong and what to do."""

from __future__ import annotations

import ctypes
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from programs import compiler

from workbench.faults import WorkbenchError
from workbench.inspection import Check, diagnose
from workbench.inspection.diagnosis.file import look_at_file
from workbench.tokens import Token, home

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ELF files and /proc")

# The smallest module there is: a function list whose C_Initialize does what the test wants.
MODULE = """
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static unsigned long initialize(void *arguments) { %s }
static struct { unsigned char major, minor; void *functions[68]; } list = {2, 40, {initialize}};
unsigned long C_GetFunctionList(void **out) { *out = &list; return 0; }
"""


def built(directory: Path, body: str = "return 0x30;", name: str = "module.so", *flags: str) -> Path:
    return compiled(directory, MODULE % body, name, *flags)


def compiled(directory: Path, source: str, name: str, *flags: str) -> Path:
    (directory / f"{name}.c").write_text(source)
    made = directory / name
    command = [compiler(), "-shared", "-fPIC", "-o", str(made), str(directory / f"{name}.c"), *flags]
    subprocess.run(command, check=True, capture_output=True)
    return made


def looked(path: Path, **environment: str) -> dict[str, Check]:
    return {check.name: check for check in look_at_file(path, {**os.environ, **environment})}


def by_name(checks: Sequence[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def refused_by_the_loader(path: Path, reason: str) -> None:
    """What the system's own loader has to say: the finding must agree with it."""
    with pytest.raises(OSError, match=re.escape(reason)):
        ctypes.CDLL(str(path))


def patched(path: Path, old: bytes, new: bytes) -> Path:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    return path


def test_a_token_of_ours_is_found_well_and_logged_in_once(softhsm: Token) -> None:
    checks = diagnose("softhsm")
    assert [check for check in checks if check.bad] == []
    made = by_name(checks)
    assert made["C_Login"].state == "ok"
    assert "C_Login 1," in made["calls made"].detail
    assert made["C_Finalize"].state == "ok"


def test_a_file_that_is_not_there_says_how_far_its_path_goes(tmp_path: Path) -> None:
    found = looked(tmp_path / "vendor" / "lib" / "module.so")["file"]
    assert found.state == "missing"
    assert f"{tmp_path} is as far" in found.detail


def test_a_link_into_nothing_is_told_from_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "module.so").symlink_to(tmp_path / "gone.so.1")
    found = looked(tmp_path / "module.so")["file"]
    assert found.state == "missing"
    assert "gone.so.1, which is not there" in found.detail


@pytest.mark.parametrize(
    "content, words",
    [
        (b"version https://large.files/v1\n", "text file"),
        (b"", "empty"),
        (b"MZ\x90\x00 and so on", "library for Windows"),
        (b"\xcf\xfa\xed\xfe and so on", "library for macOS"),
        (b"\x7fELF\x02\x01\x01" + bytes(80), "no shared library"),
        (b"\x7fELF\x09" + bytes(80), "damaged"),
    ],
    ids=["text", "empty", "windows", "macos", "nothing in it", "damaged"],
)
def test_what_is_no_library_is_called_what_it_is(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "module.so").write_bytes(content)
    found = looked(tmp_path / "module.so")
    assert found["file"].state == "ok"
    assert found["format"].state == "failed"
    assert words in found["format"].detail


def test_a_library_that_was_cut_off_in_copying_is_seen(softhsm: Token, tmp_path: Path) -> None:
    whole = Path(softhsm.module.path).read_bytes()
    (tmp_path / "module.so").write_bytes(whole[: len(whole) // 2])
    assert "cut off" in looked(tmp_path / "module.so")["format"].detail


def test_no_prefix_of_a_real_module_trips_the_reader(softhsm: Token, tmp_path: Path) -> None:
    whole = Path(softhsm.module.path).read_bytes()
    for length in (1, 4, 5, 16, 63, 64, 65, 200, 5000, len(whole) - 1):
        (tmp_path / "module.so").write_bytes(whole[:length])
        assert looked(tmp_path / "module.so")["format"].state == "failed"


def test_a_library_for_another_machine_is_named_with_both_machines(tmp_path: Path) -> None:
    module = built(tmp_path)
    content = bytearray(module.read_bytes())
    content[18:20] = (22).to_bytes(2, "little")  # e_machine: EM_S390
    module.write_bytes(content)
    found = looked(module)["format"]
    assert found.state == "failed"
    assert "made for 64-bit, IBM Z; this Python is" in found.detail


def test_a_missing_library_is_named_with_the_one_that_needs_it_and_its_package(tmp_path: Path) -> None:
    compiled(tmp_path, "int helper(void) { return 1; }", "libabsent.so.7", "-Wl,-soname,libabsent.so.7")
    middle = compiled(
        tmp_path,
        "int helper(void); int middle(void) { return helper(); }",
        "libmiddle.so",
        str(tmp_path / "libabsent.so.7"),
        "-Wl,--no-as-needed",
        "-Wl,-soname,libmiddle.so",
    )
    module = built(
        tmp_path, "return 0;", "module.so", "-Wl,--no-as-needed", str(middle), "-Wl,-rpath,$ORIGIN"
    )
    (tmp_path / "libabsent.so.7").unlink()
    checks = [check for check in look_at_file(module, os.environ) if check.name == "libraries"]
    assert [check.state for check in checks] == ["missing"]
    assert checks[0].detail == "libabsent.so.7, which libmiddle.so needs"
    refused_by_the_loader(module, "libabsent.so.7")


def test_the_package_of_a_well_known_library_is_named(tmp_path: Path) -> None:
    compiled(tmp_path, "int stand_in(void) { return 1; }", "libstand-in.so", "-Wl,-soname,libtss2-rc.so.0")
    module = built(tmp_path, "return 0;", "module.so", "-Wl,--no-as-needed", str(tmp_path / "libstand-in.so"))
    found = looked(module)["libraries"]
    if found.state == "ok":
        pytest.skip("libtss2-rc is installed here")
    assert found.remedy == "Debian: apt-get install libtss2-rc0"


def test_libraries_are_looked_for_where_the_loader_looks(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    helper = compiled(other, "int helper(void) { return 1; }", "libhelper.so.1", "-Wl,-soname,libhelper.so.1")
    plain = built(tmp_path, "return 0;", "plain.so", "-Wl,--no-as-needed", str(helper))
    runpath = built(
        tmp_path, "return 0;", "runpath.so", "-Wl,--no-as-needed", str(helper), "-Wl,-rpath,$ORIGIN/other"
    )
    assert looked(plain)["libraries"].state == "missing"
    assert looked(plain, LD_LIBRARY_PATH=str(other))["libraries"].state == "ok"
    assert looked(runpath)["libraries"].state == "ok"


def test_a_newer_glibc_is_asked_for_by_its_version(tmp_path: Path) -> None:
    module = built(tmp_path, 'puts("x"); return 0;')
    wanted = re.search(rb"GLIBC_2(\.[\d.]+)\0", module.read_bytes())
    assert wanted is not None
    patched(module, wanted[0], b"GLIBC_9" + wanted[1] + b"\0")
    found = looked(module)["versions"]
    assert found.state == "failed"
    assert re.search(r"module\.so needs glibc 9\.[\d.]+ \(libc\.so\.6\), here is glibc 2\.\d+", found.detail)
    refused_by_the_loader(module, "GLIBC_9")


def test_an_ordinary_library_is_no_module(tmp_path: Path) -> None:
    library = compiled(tmp_path, "int nothing(void) { return 1; }", "library.so")
    found = by_name(diagnose(str(library)))
    assert "does not export C_GetFunctionList" in found["entry point"].detail
    assert "loading" not in found


@pytest.mark.parametrize(
    "body, words",
    [
        pytest.param(
            "*(volatile int *)0 = 1; return 0;",
            r"ended the process \(SIGSEGV\) in C_Initialize",
            id="crashes",
        ),
        pytest.param(
            "for (;;) pause();", r"no answer in 0\.5 s: the module hangs in C_Initialize", id="hangs"
        ),
        pytest.param(
            'fputs("licence expired\\n", stderr); _exit(3);',
            r"exit code 3\) in C_Initialize; it printed: licence expired",
            id="leaves",
            marks=pytest.mark.notebook,
        ),
        pytest.param(
            "return 0x30;",
            r"C_Initialize \(§5\.4\.1\) answered CKR_DEVICE_ERROR: ",
            id="refuses",
            marks=pytest.mark.notebook,
        ),
    ],
)
def test_a_module_that_fails_in_c_initialize_is_a_finding(tmp_path: Path, body: str, words: str) -> None:
    checks = by_name(diagnose(str(built(tmp_path, body)), seconds=0.5))
    assert checks["loading"].state == "ok"
    assert checks["C_Initialize"].state == "failed"
    assert re.search(words, checks["C_Initialize"].detail)
    assert checks["C_Initialize"].remedy


def test_a_missing_configuration_explains_the_failing_call(
    softhsm: Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "absent.conf"))
    checks = by_name(diagnose(softhsm.module.path))
    assert checks["variable SOFTHSM2_CONF"].state == "missing"
    failed = checks["C_Initialize"]
    assert "CKR_GENERAL_ERROR; with SoftHSM 2 (measured)" in failed.detail
    assert failed.remedy is not None
    assert "SOFTHSM2_CONF" in failed.remedy


def declare(path: Path, softhsm: Token, monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    """Our own sandbox token as somebody's: by its label, with another policy and PIN source."""
    settings = home() / "sandboxes" / "softhsm" / "softhsm2.conf"
    lines = ["[tokens.theirs]", f'module = "{softhsm.module.path}"', f'label = "{softhsm.label}"']
    lines += [f"{key} = {value}" for key, value in more.items()]
    lines += [f'environment.SOFTHSM2_CONF = "{settings}"']
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    monkeypatch.setenv("WORKBENCH_CONFIG", str(path))


def test_on_production_nobody_is_logged_in_and_nothing_but_reads_is_asked(
    softhsm: Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEIR_PIN", "correct horse 4711")
    declare(tmp_path / "workbench.toml", softhsm, monkeypatch, policy='"production"', pin='"env:THEIR_PIN"')
    checks = by_name(diagnose("theirs"))
    assert "C_Login" not in checks
    assert checks["PIN"].state == "ok"
    assert checks["token"].state == "ok"
    asked = {part.rsplit(" ", 1)[0] for part in checks["calls made"].detail.split(", ")}
    assert asked == {
        "C_Initialize",
        "C_GetInfo",
        "C_GetSlotList",
        "C_GetSlotInfo",
        "C_GetTokenInfo",
        "C_Finalize",
    }
    assert "4711" not in str(checks)


@pytest.mark.notebook
@pytest.mark.parametrize("policy, login", [("guest", None), ("production", True)])
def test_a_token_that_is_not_ours_is_logged_in_to_once_and_the_cost_is_told_before(
    softhsm: Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str, login: bool | None
) -> None:
    pin = (home() / "sandboxes" / "softhsm" / "user.pin").read_text()
    monkeypatch.setenv("THEIR_PIN", pin)
    declare(tmp_path / "workbench.toml", softhsm, monkeypatch, policy=f'"{policy}"', pin='"env:THEIR_PIN"')
    told: list[str] = []
    checks = by_name(diagnose("theirs", login, on_announcement=told.append))
    assert checks["C_Login"].state == "ok"
    asked = dict(part.rsplit(" ", 1) for part in checks["calls made"].detail.split(", "))
    announced = dict(part.rsplit(" ", 1) for part in told[0].partition("(C_")[2].rstrip(")").split(", "))
    announced["C_OpenSession"] = announced.pop("OpenSession")
    assert announced.items() <= asked.items()
    assert set(asked) - set(announced) == {
        "C_Initialize",
        "C_GetInfo",
        "C_GetSlotList",
        "C_GetSlotInfo",
        "C_GetTokenInfo",
        "C_Finalize",
    }
    assert pin not in str(checks)


@pytest.mark.notebook
def test_a_pin_that_cannot_be_right_stops_the_login_and_stays_unseen(
    softhsm: Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEIR_PIN", "x7y")
    declare(tmp_path / "workbench.toml", softhsm, monkeypatch, pin='"env:THEIR_PIN"')
    checks = by_name(diagnose("theirs"))
    assert checks["PIN"].state == "failed"
    assert "shorter than 4 bytes" in checks["PIN"].detail
    assert "C_Login" not in checks
    assert "x7y" not in str(checks)


def test_a_device_that_does_not_answer_is_told_from_one_that_does(
    softhsm: Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.inspection.diagnosis.subject import subject
    from workbench.inspection.diagnosis.surroundings import look_around

    with socket.socket() as listening, socket.socket() as taken:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        here, absent = listening.getsockname()[1], taken.getsockname()[1]
        reach = json.dumps(
            [f"127.0.0.1:{here}", f"127.0.0.1:{absent}", f"unix:{tmp_path}/no.sock", "nonsense"]
        )
        declare(tmp_path / "workbench.toml", softhsm, monkeypatch, reach=reach)
        states = [check.state for check in look_around(subject("theirs")) if check.name.startswith("reach")]
    assert states == ["ok", "failed", "failed", "note"]


def test_a_credential_file_that_others_may_read_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.inspection.diagnosis.subject import Subject
    from workbench.inspection.diagnosis.surroundings import look_around
    from workbench.tokens.profiles import profile

    settings = tmp_path / "kms.yaml"
    settings.write_text("---\n")
    settings.chmod(0o664)
    about = Subject("kms", "guest", None, profile=profile("google-cloud-hsm"))
    monkeypatch.setenv("KMS_PKCS11_CONFIG", str(settings))
    (found,) = [check for check in look_around(about) if check.name == "configuration"]
    assert found.state == "failed"
    assert found.remedy == f"chmod go-rwx {settings}"
    settings.chmod(0o600)
    assert [check.state for check in look_around(about) if check.name == "configuration"] == ["ok"]
    monkeypatch.delenv("KMS_PKCS11_CONFIG")
    (variable,) = [check for check in look_around(about) if check.name == "variable KMS_PKCS11_CONFIG"]
    assert variable.state == "missing"


def test_a_sandbox_that_is_not_made_yet_is_not_made_by_looking(
    softhsm: Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORKBENCH_SOFTHSM_MODULE", softhsm.module.path)
    checks = by_name(diagnose("sandbox"))
    assert checks["sandbox"] == Check("sandbox", "missing", "not made yet", "workbench token up softhsm")
    assert checks["file"].state == "ok"
    assert checks["loading"].state == "note"
    assert not (tmp_path / "home").exists()


def test_a_name_that_nobody_knows_is_one_sentence() -> None:
    with pytest.raises(WorkbenchError, match="'sofhsm'; known names: sandbox, softhsm"):
        diagnose("sofhsm")


def test_the_command_ends_with_1_and_no_traceback_on_a_broken_module(tmp_path: Path) -> None:
    (tmp_path / "module\x1b[31m.so").write_text("not a library")
    command = [
        sys.executable,
        "-m",
        "workbench.cli",
        "doctor",
        "--token",
        str(tmp_path / "module\x1b[31m.so"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "text file" in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stderr == ""
