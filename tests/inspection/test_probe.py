"""Probes of real tokens: what is known of SoftHSM 2.6.1 and NSS 3.87 is found, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import attrs
import lost_trials
import pytest

from workbench import spec
from workbench.faults import WorkbenchError
from workbench.inspection import probe as probing
from workbench.inspection.probe import Finding, Outcome, TokenProbe, mechanisms, objects, vectors
from workbench.inspection.probe.model import Trial
from workbench.inspection.probe.recipes import catalogue
from workbench.inspection.probe.runner import Crew
from workbench.report import write_probe_page
from workbench.tokens import Token

FAST = ("parameters", "encodings", "buffers", "codes")


@pytest.fixture(scope="module")
def softhsm_probe(softhsm: Token) -> TokenProbe:
    return probing.probe("softhsm", FAST)


@pytest.fixture(scope="module")
def nss_probe(nss: Token) -> TokenProbe:
    return probing.probe("nss", FAST)


def found(probe: TokenProbe, *place: str) -> Finding:
    (one,) = [finding for finding in probe.findings if finding.place == place]
    return one


def test_softhsm_opens_oaep_of_sha1_alone(softhsm_probe: TokenProbe) -> None:
    assert found(softhsm_probe, "parameters", "CKM_RSA_PKCS_OAEP", "SHA-1").outcome == "verified"
    sha256 = found(softhsm_probe, "parameters", "CKM_RSA_PKCS_OAEP", "SHA-256")
    assert (sha256.outcome, sha256.code) == ("not offered", "CKR_ARGUMENTS_BAD")


def test_nss_wants_the_bits_of_the_iv(nss_probe: TokenProbe) -> None:
    aspect = "IV of 12, tag of 128 bits, ulIvBits"
    assert found(nss_probe, "parameters", "CKM_AES_GCM", f"{aspect} 0").code == "CKR_MECHANISM_PARAM_INVALID"
    assert found(nss_probe, "parameters", "CKM_AES_GCM", f"{aspect} 96").outcome == "verified"


def test_a_wrapped_key_is_padded_in_two_ways(softhsm_probe: TokenProbe, nss_probe: TokenProbe) -> None:
    place = "encodings", "CKM_AES_KEY_WRAP_PAD", "32-byte key"
    assert found(softhsm_probe, *place).detail == "40 bytes: RFC 5649"
    assert found(nss_probe, *place).detail == "48 bytes: PKCS#7 with 8 bytes, then RFC 3394"


def test_softhsm_puts_an_edwards_point_into_an_octet_string(softhsm_probe: TokenProbe) -> None:
    assert found(softhsm_probe, "encodings", "CKA_EC_POINT", "Ed25519").detail == "DER OCTET STRING, 34 bytes"


def test_the_guard_sees_nss_write_past_the_end(softhsm_probe: TokenProbe, nss_probe: TokenProbe) -> None:
    place = "buffers", "C_GetAttributeValue", "one byte short"
    assert found(nss_probe, *place).detail == "wrote 1 bytes past the end of the buffer"
    assert found(nss_probe, *place).outcome == "answered wrongly"
    assert found(softhsm_probe, *place).outcome == "verified"


def test_nss_cuts_a_digest_and_says_ok(softhsm_probe: TokenProbe, nss_probe: TokenProbe) -> None:
    place = "buffers", "C_Digest", "one byte short"
    assert found(nss_probe, *place).detail == "CKR_OK, and the output is cut to 31 of 32 bytes"
    assert found(softhsm_probe, *place).code == "CKR_BUFFER_TOO_SMALL"


def test_nss_wraps_a_key_that_is_not_extractable(softhsm_probe: TokenProbe, nss_probe: TokenProbe) -> None:
    place = "codes", "C_WrapKey", "key that is not extractable"
    assert found(nss_probe, *place).outcome == "answered wrongly"
    assert found(softhsm_probe, *place).outcome == "verified"


def test_a_code_that_the_standard_does_not_list_is_a_deviation(softhsm_probe: TokenProbe) -> None:
    one = found(softhsm_probe, "codes", "C_SignInit", "no such key")
    assert (one.outcome, one.code) == ("deviates", "CKR_OBJECT_HANDLE_INVALID")


def test_every_recipe_is_for_a_use_that_the_standard_knows() -> None:
    flags = {one.name for one in spec.constants("CKF")}
    assert {flag for _, flag in catalogue()} <= flags & set(mechanisms.USES)
    assert len(catalogue()) > 400


def test_a_mechanism_that_works_unlisted_is_found(nss: Token) -> None:
    (digest,) = mechanisms.attempt(nss, "CKM_SHA256", "CKF_DIGEST", promised=False)
    (listed,) = mechanisms.attempt(nss, "CKM_SHA256_HMAC", "CKF_SIGN", promised=True)
    objects.clear(nss)
    assert digest.outcome == "deviates"
    assert "mechanism list does not say so" in digest.detail
    assert (listed.outcome, listed.detail) == ("verified", "hmac")


def test_a_promise_that_is_not_kept_is_found(nss: Token) -> None:
    (one,) = mechanisms.attempt(nss, "CKM_AES_CMAC", "CKF_VERIFY", promised=True)
    objects.clear(nss)
    assert (one.outcome, one.code) == ("refused", "CKR_MECHANISM_INVALID")
    assert one.detail == "CKF_VERIFY is set, and C_VerifyInit refuses"


def test_a_probe_leaves_neither_sessions_nor_objects(token: Token) -> None:
    def objects_now() -> set[int]:
        with token.session() as session:
            return set(session.find())

    with token.session():  # stays logged in
        before = objects_now()
        count = token.info.ulSessionCount
        for flag in ("CKF_SIGN", "CKF_WRAP", "CKF_ENCRYPT"):
            mechanisms.attempt(token, "CKM_RSA_PKCS", flag, promised=True)
        assert objects_now() > before
        objects.clear(token)
        assert objects_now() == before
        assert token.info.ulSessionCount == count


@pytest.mark.parametrize("one", vectors.SETS, ids=lambda one: one.name)
def test_every_set_of_vectors_has_right_and_wrong_ones(one: vectors.Set) -> None:
    pytest.importorskip("cryptography_vectors")
    verdicts = [case.right for case in vectors.spread(list(one.cases()))]
    assert verdicts.count(True) >= 5
    assert verdicts.count(False) >= 5


@pytest.mark.notebook
def test_a_trial_that_dies_or_hangs_costs_itself_alone(softhsm: Token) -> None:
    crew = Crew("softhsm")

    def tried(run: Callable[..., Iterable[Finding]], seconds: float = 20.0) -> Finding:
        (one,) = crew.run(Trial("test", "a trial", "as such", run, seconds=seconds))
        return one

    try:
        died, silent = tried(lost_trials.crash), tried(lost_trials.hang, 0.3)
        failed, right = tried(lost_trials.fail), tried(lost_trials.succeed)
    finally:
        crew.close()
    assert (died.outcome, died.detail) == ("died", "SIGSEGV")
    assert (silent.outcome, silent.detail) == ("no answer", "none in 0.3 s")
    assert (failed.outcome, failed.code) == ("not run", "CKR_SLOT_ID_INVALID")
    assert right.outcome == "verified"


def declare(directory: Path, module: str, more: str) -> str:
    file = directory / "workbench.toml"
    file.write_text(f'[tokens.hsm]\nmodule = "{module}"\nlabel = "nobody"\n{more}\n')
    file.chmod(0o600)
    return str(file)


@pytest.mark.parametrize(
    "more, word", [('policy = "production"', "production"), ('policy = "guest"', "consent")]
)
def test_a_probe_asks_nothing_of_a_token_that_is_not_for_it(
    softhsm: Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str, word: str
) -> None:
    monkeypatch.setenv("WORKBENCH_CONFIG", declare(tmp_path, softhsm.module.path, more))
    with pytest.raises(WorkbenchError, match=word):
        probing.probe("hsm")


def test_an_unknown_family_is_one_sentence() -> None:
    with pytest.raises(WorkbenchError, match="mechanisms, sizes"):
        probing.probe("softhsm", ["sizzes"])


def test_findings_come_back_from_their_file(softhsm_probe: TokenProbe, tmp_path: Path) -> None:
    file = tmp_path / "below" / "probe.json"
    probing.save(file, [softhsm_probe])
    assert probing.load(file) == (softhsm_probe,)
    file.write_text(file.read_text().replace('"schema": 1', '"schema": 2', 1))
    with pytest.raises(WorkbenchError, match="schema 2"):
        probing.load(file)
    file.write_text("[]")
    with pytest.raises(WorkbenchError, match="no file that workbench probe wrote"):
        probing.load(file)


def test_what_differs_is_laid_side_by_side(softhsm_probe: TokenProbe, nss_probe: TokenProbe) -> None:
    rows = {(one.family, one.subject, one.aspect): one for one in probing.compare([softhsm_probe, nss_probe])}
    pad = rows["encodings", "CKM_AES_KEY_WRAP_PAD", "32-byte key"]
    assert [one and one.detail[:8] for one in pad.findings] == ["40 bytes", "48 bytes"]
    assert ("buffers", "C_Digest", "exact") not in rows
    assert probing.compare([softhsm_probe, softhsm_probe]) == ()


def test_hostile_words_of_a_token_do_nothing_on_the_page(softhsm_probe: TokenProbe, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    spoilt = attrs.evolve(
        softhsm_probe,
        provenance={**softhsm_probe.provenance, "model": hostile},
        findings=(Finding("codes", hostile, hostile, Outcome.WRONG, hostile),),
    )
    text = write_probe_page(tmp_path / "probe.html", [spoilt]).read_text()
    assert hostile not in text
    assert text.count("&lt;script&gt;") >= 4
