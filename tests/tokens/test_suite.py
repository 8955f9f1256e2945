"""A newer suite beside the host: what is refused, what is unpacked, and our Python under its loader."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench import tokens
from workbench.faults import WorkbenchError
from workbench.tokens.providers import private_root
from workbench.tokens.providers.newer import installed_version
from workbench.tokens.providers.suite import Suite, suite


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home: nothing is unpacked there."""
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    return tmp_path


def objection(wanted: Suite, keyring: Path | None = None) -> str | None:
    """What the mirror has against it, in our words; None when it was unpacked. Skipped where no mirror answers."""
    reason = wanted.why_not()
    if reason is None:
        try:
            wanted.ensure(["libnss3"], keyring)
        except WorkbenchError as error:
            reason = str(error)
            if "apt could not bring" not in reason:
                return reason
        else:
            return None
    if "CI" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.mark.notebook
def test_a_suite_signed_by_nobody_that_we_know_is_refused(elsewhere: Path) -> None:
    nobody = elsewhere / "nobody.gpg"
    nobody.touch()
    reason = objection(suite(), nobody)
    assert reason == f"{suite().name} on the mirror is not signed by a key of {nobody}: nothing of it is used"
    assert suite().manifest() is None
    assert list(suite().directory.iterdir()) == []


@pytest.mark.notebook
def test_a_suite_that_the_mirror_has_not_is_said_so(elsewhere: Path) -> None:
    reason = str(objection(Suite("potato-salad")))
    assert reason.endswith("has no suite potato-salad: set WORKBENCH_SUITE to one that it has")


@pytest.mark.notebook
def test_a_list_out_of_date_is_refused_until_the_user_says_otherwise(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WORKBENCH_ACCEPT_STALE_MIRROR")
    reason = objection(suite())
    if reason is None:  # the mirror is up to date, so there was nothing to accept
        assert not suite().manifest().stale_accepted  # type: ignore[union-attr]
    else:
        assert "set WORKBENCH_ACCEPT_STALE_MIRROR=1 or say --accept-stale-mirror" in reason
        assert suite().manifest() is None


def test_a_missing_keyring_names_the_package_that_brings_it(elsewhere: Path) -> None:
    if suite().why_not() is not None:
        pytest.skip(str(suite().why_not()))
    with pytest.raises(WorkbenchError, match=r"keys of the mirror are missing: apt-get install \S+-keyring"):
        suite().ensure(["libnss3"], elsewhere / "no.gpg")


def test_the_name_of_a_suite_is_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_SUITE", "../sid")
    with pytest.raises(WorkbenchError, match="must name a suite such as sid"):
        suite()


def test_a_broken_manifest_says_what_to_remove(elsewhere: Path) -> None:
    suite().root.mkdir(parents=True)
    (suite().root / "manifest.json").write_text("{")
    with pytest.raises(WorkbenchError, match=r"cannot be read: remove .*, then try again"):
        suite().manifest()


def test_a_version_is_read_without_epoch_and_revision() -> None:
    assert installed_version(("no-such-package",)) == ()
    if Path("/usr/bin/dpkg-query").is_file():
        assert installed_version(("no-such-package", "libc6"))[0] == 2


def test_opencryptoki_says_that_it_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert str(tokens.why_not("opencryptoki")).startswith("openCryptoki needs root")
    with pytest.raises(WorkbenchError, match="openCryptoki needs root"):
        tokens.provider("opencryptoki").module()


def test_a_private_root_shows_the_software_first_and_the_host_for_the_rest(tmp_path: Path) -> None:
    ours, host, seen = (tmp_path / name for name in ("ours", "host", "seen"))
    for path, text in {
        ours / "lib/libc.so.6": "new",
        ours / "lib/engines/ours.so": "new",
        host / "lib/libc.so.6": "old",
        host / "lib/engines/theirs.so": "old",
        host / "lib/python/os.py": "old",
        host / "bin/sh": "old",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (host / "lib/broken").symlink_to("nowhere")
    private_root.merge(seen, [ours, host])
    private_root.merge(seen, [ours, host])  # what is there stays
    shown = {str(path.relative_to(seen)): path.read_text() for path in seen.rglob("*.*") if path.is_file()}
    assert shown == {"lib/libc.so.6": "new", "lib/engines/ours.so": "new", "lib/engines/theirs.so": "old"}
    assert (seen / "lib/python/os.py").read_text() == (seen / "bin/sh").read_text() == "old"
    assert (seen / "lib/broken").readlink() == host / "lib/broken"


@pytest.mark.notebook
def test_our_python_runs_under_the_loader_and_starts_the_plain_one() -> None:
    provider = tokens.provider("nss-new")
    if provider.why_not() is not None:
        pytest.skip(str(provider.why_not()))
    try:
        provider.module()
    except WorkbenchError as error:
        pytest.skip(str(error))
    if not provider.needs_interpreter:
        pytest.skip("this system has NSS as new by itself")
    version = "import os; print(os.confstr('CS_GNU_LIBC_VERSION').split()[1])"
    code = (
        "import subprocess, sys, ssl, sqlite3, cryptography, numpy, PyKCS11\n"
        "from workbench import tokens\n"
        f"{version}\n"
        f"print(subprocess.run([sys.executable, '-c', {version!r}], capture_output=True, text=True).stdout.strip())\n"
        "print(sys.executable, sys.prefix)\n"
        "print(tokens.provider('nss-new').inside(), tokens.interpreter('softhsm') == ())\n"
    )
    done = subprocess.run([*suite().interpreter(), "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    inner, outer, python, places = done.stdout.splitlines()
    assert inner == str(suite().manifest().version("libc6")).split("-")[0]  # type: ignore[union-attr]
    assert outer == os.confstr("CS_GNU_LIBC_VERSION").split()[1]  # type: ignore[union-attr]
    assert python == f"{sys.executable} {sys.prefix}"
    assert places == "True True"
    assert not provider.inside()
