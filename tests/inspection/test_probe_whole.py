"""Whole probes through the command line, as one would run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench import tokens
from workbench.inspection import probe as probing
from workbench.inspection.probe import TokenProbe
from workbench.tokens import Token

pytestmark = pytest.mark.notebook


@pytest.fixture(scope="module")
def probed(
    softhsm: Token, nss: Token, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str, TokenProbe, TokenProbe]:
    directory = tmp_path_factory.mktemp("probe")
    command = [sys.executable, "-m", "workbench.cli", "probe", "--token", "softhsm", "--token", "nss"]
    command += ["--compare", "--json", str(directory / "p.json"), "--html", str(directory / "p.html")]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    first, second = probing.load(directory / "p.json")
    return directory, done.stdout, first, second


def places(probe: TokenProbe, family: str, *outcomes: str) -> set[str]:
    return {
        f"{one.subject} {one.aspect}"
        for one in probe.findings
        if one.family == family and one.outcome in outcomes
    }


def test_no_trial_of_either_is_lost(probed: tuple[Path, str, TokenProbe, TokenProbe]) -> None:
    for probe in probed[2:]:
        assert probe.families == tuple(probing.FAMILIES)
        assert [one for one in probe.findings if one.outcome in ("died", "no answer")] == []


def test_everything_that_softhsm_lists_works_but_des(
    probed: tuple[Path, str, TokenProbe, TokenProbe],
) -> None:
    softhsm = probed[2]
    assert places(softhsm, "mechanisms", "answered wrongly", "deviates", "no recipe") == set()
    refused = places(softhsm, "mechanisms", "refused") - {"CKM_DES3_CBC wrap"}
    assert all(one.startswith("CKM_DES_") for one in refused)
    assert len(places(softhsm, "mechanisms", "verified")) >= 100


def test_nss_digests_without_saying_so(probed: tuple[Path, str, TokenProbe, TokenProbe]) -> None:
    nss = probed[3]
    assert "CKM_SHA256 digest" in places(nss, "mechanisms", "deviates")
    assert places(nss, "mechanisms", "answered wrongly") == set()
    assert len(places(nss, "mechanisms", "verified")) >= 190


def test_both_agree_with_the_published_vectors(probed: tuple[Path, str, TokenProbe, TokenProbe]) -> None:
    pytest.importorskip("cryptography_vectors")
    for probe in probed[2:]:
        assert places(probe, "vectors", "answered wrongly", "deviates", "not run") == set()
        assert len(places(probe, "vectors", "verified")) >= 15


def test_threads_and_processes_sign_right(probed: tuple[Path, str, TokenProbe, TokenProbe]) -> None:
    for probe in probed[2:]:
        right = places(probe, "processes", "verified")
        assert {"threads 4 sign at once", "processes 2 sign at once"} <= right


def test_the_terminal_and_the_page_say_it_and_no_pin(
    probed: tuple[Path, str, TokenProbe, TokenProbe],
) -> None:
    directory, said, *_ = probed
    assert "side by side: what differs" in said
    assert "wrote 1 bytes past the end of the buffer" in said
    page = (directory / "p.html").read_text()
    assert "<script" not in page
    assert "CKM_AES_KEY_WRAP_PAD" in page
    assert tokens.leaks(directory) == ()


def test_a_guest_whose_owner_consents_is_probed_within_its_budget(
    softhsm: Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tokens.home() / "sandboxes" / "softhsm"
    file = tmp_path / "workbench.toml"
    file.write_text(
        f'''[tokens.theirs]
module = "{softhsm.module.path}"
label = "{softhsm.label}"
pin = "file:{home / "user.pin"}"
consent = ["probe"]
environment = {{ SOFTHSM2_CONF = "{home / "softhsm2.conf"}" }}
budget = {{ max_sessions = 5 }}
'''
    )
    file.chmod(0o600)
    monkeypatch.setenv("WORKBENCH_CONFIG", str(file))
    probe = probing.probe("theirs", ["buffers", "sessions"])
    assert len(places(probe, "buffers", "verified")) == 37
    assert places(probe, "sessions", "not run") == {"number at once", "read-only session token object"}
    assert "session object after its session" in places(probe, "sessions", "verified")
