"""The vendor profiles: every file keeps to the schema, and a module that we have is recognised."""

from __future__ import annotations

import datetime
import json
import re
import subprocess
import sys
from importlib.resources import files

import attrs
import pytest

from workbench import spec, tokens
from workbench.cryptoki import C
from workbench.faults import WorkbenchError
from workbench.tokens import Token
from workbench.tokens.profile import WAYS, Evidence, Profile, Switches
from workbench.tokens.profiles import parse_profile, profile, profile_of, profiles

# What a path may begin with: a system's own directories, a vendor's, or the user's home as such.
SYSTEM_PATHS = re.compile(r"/(usr|opt|lib|etc|Library|dev)\b|~/|[A-Z]:\\|%\w+%|[\w.-]+$|grep11client")


def every_evidence(one: Profile) -> list[tuple[str, Evidence]]:
    parts = [one.recognition, one.module, one.pin, one.templates, one.encodings, one.limits, one.switches]
    listed = [*one.environment, *one.configuration, *one.failures, *one.facts]
    return [(type(part).__name__, part.evidence) for part in [*parts, *listed] if part is not None]


@pytest.fixture(params=profiles())
def any_profile(request: pytest.FixtureRequest) -> Profile:
    return profile(request.param)


def test_there_are_profiles_of_vendors_and_of_every_module_that_we_bring_up() -> None:
    assert len(profiles()) >= 28
    assert {"softhsm", "nss", "opencryptoki", "tpm2-pkcs11", "freehsm", "p11-kit-client"} <= set(profiles())
    assert list(profiles()) == sorted(profiles())


def test_everything_in_a_profile_says_how_it_is_known(any_profile: Profile) -> None:
    assert any_profile.facts
    for what, evidence in every_evidence(any_profile):
        assert evidence.status == "unverified" or evidence.seen_on or evidence.source, what
        assert evidence.date.year >= 2026


def test_what_was_measured_names_the_version(any_profile: Profile) -> None:
    for what, evidence in every_evidence(any_profile):
        assert evidence.status != "measured" or evidence.seen_on, what


def test_a_profile_names_no_path_of_a_person_or_a_machine(any_profile: Profile) -> None:
    module = any_profile.module
    paths = [*module.linux, *module.macos, *module.windows]
    paths += [path for file in any_profile.configuration for path in file.paths]
    assert [path for path in paths if not SYSTEM_PATHS.match(path)] == []
    text = (files("workbench.tokens") / "data" / "profiles" / f"{any_profile.slug}.toml").read_text("utf-8")
    assert re.findall(r"/(?:home|root|Users|tmp|work)/\S*", text) == []


def test_the_standards_names_in_a_profile_exist(any_profile: Profile) -> None:
    known = set(spec.names("CKA")) | {a.name for a in spec.attributes()}
    if any_profile.templates is not None:
        named = {*any_profile.templates.never_send, *any_profile.templates.always_send}
        assert named <= known
    for failure in any_profile.failures:
        spec.function(failure.function)
        if failure.code.startswith("CKR_0x"):
            assert spec.name("CKR", int(failure.code.removeprefix("CKR_"), 16)) == failure.code
        else:
            spec.return_code(failure.code)


def test_what_a_profile_says_is_missing_has_a_name_of_the_standard(any_profile: Profile) -> None:
    lacks = () if any_profile.switches is None else any_profile.switches.lacks
    for name in lacks:
        if name.startswith("C_"):
            spec.function(name)
        elif name.startswith("CKM_"):
            assert spec.value(name) >= 0
        else:
            assert name in WAYS


def test_a_way_says_where_the_standard_has_it() -> None:
    assert [
        name for name, meaning in WAYS.items() if not re.search(r"\(\d+\.\d+|, \d+\.\d+|of \d+\.\d+", meaning)
    ] == []


def test_what_the_profile_says_is_missing_is_not_offered_though_the_module_lists_it(
    softhsm: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    switches = Switches(
        Evidence("measured", datetime.date(2026, 11, 21), "2.6"), lacks=("C_Sign", "CKM_RSA_PKCS")
    )
    monkeypatch.setattr(Token, "profile", attrs.evolve(profile("softhsm"), switches=switches))
    assert softhsm.lacking("C_Sign", "C_SignInit", "CKM_RSA_PKCS", "CKM_ECDSA") == ("C_Sign", "CKM_RSA_PKCS")


def test_a_file_that_is_configured_by_a_variable_names_one_of_the_profile(any_profile: Profile) -> None:
    variables = {variable.name for variable in any_profile.environment}
    assert {file.named_by for file in any_profile.configuration} - {None} <= variables


def test_an_example_of_a_pin_has_its_form(any_profile: Profile) -> None:
    form = any_profile.pin.form
    if form.example is not None:
        assert form.why_not(form.example.encode()) is None


@pytest.mark.parametrize(
    "name, pin, complaint",
    [
        ("aws-cloudhsm", "no-colon-here", "colon"),
        ("yubihsm2", "xyz1secret-secret", "four hexadecimal digits"),
        ("opencryptoki", "123456789", "longer than 8"),
        ("softhsm", "abc", "shorter than 4"),
    ],
)
def test_a_pin_that_cannot_be_right_is_told_without_being_repeated(
    name: str, pin: str, complaint: str
) -> None:
    why = profile(name).pin.form.why_not(pin.encode())
    assert why is not None
    assert complaint in why
    assert pin not in why


def test_a_loaded_module_is_recognised_by_what_it_says(token: Token) -> None:
    found = profile_of(C.GetInfo(token.module))
    assert found is not None
    assert found.slug == token.name


@pytest.mark.parametrize(
    "path, slug",
    [
        ("/opt/nfast/toolkits/pkcs11/libcknfast.so", "nshield"),
        ("/usr/lib/libCryptoki2_64.so", "luna"),
        ("/opt/thales/dpodclient/libs/64/libCryptoki2.so", "luna-cloud"),
        ("/usr/lib64/libnethsm64.so", "proteccio"),
        ("/usr/local/lib/libnethsm_pkcs11.so", "nethsm"),
        ("C:\\Program Files\\SafeNet\\LunaClient\\cryptoki.dll", "luna"),
        ("/usr/lib/x86_64-linux-gnu/libtpm2_pkcs11.so.1", "tpm2-pkcs11"),
        ("/usr/lib/libc.so.6", None),
    ],
)
def test_a_module_is_recognised_by_its_files_name(path: str, slug: str | None) -> None:
    found = profile_of(path=path)
    assert (found.slug if found else None) == slug


def test_a_module_that_is_here_is_found_by_its_profile(softhsm: Token) -> None:
    if softhsm.module.path.startswith("/usr/"):
        assert softhsm.module.path in {str(path) for path in profile("softhsm").module.found()}


def test_an_unknown_profile_gets_the_nearest_names() -> None:
    with pytest.raises(WorkbenchError, match="'sofhsm'; nearest: softhsm"):
        profile("sofhsm")


GOOD = """
schema = 1
name = "A"
vendor = "B"
date = 2026-01-02
[recognition]
status = "unverified"
[module]
status = "unverified"
[pin]
description = "a PIN"
status = "unverified"
"""


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("schema = ", "not TOML"),
        (GOOD.replace("schema = 1", "schema = 9"), "schema 9"),
        (GOOD.replace('vendor = "B"', ""), "'vendor'"),
        (GOOD + "[colour]\n", "unknown key 'colour'"),
        (GOOD + "lokcs_after = 3\n", "unknown key 'lokcs_after'"),
        (GOOD + 'locks_after = "three"\n', r"\[pin\]: 'locks_after' must be"),
        (GOOD + '[limits]\nstatus = "measured"\n', "needs seen_on or source"),
        (GOOD + '[limits]\nstatus = "rumoured"\n', r"\[limits\]"),
        (GOOD + '[[facts]]\ntopic = "gossip"\ntext = "x"\nstatus = "unverified"\n', r"\[facts\]"),
        (GOOD + '[[facts]]\ntopic = "login"\nstatus = "unverified"\n', r"\[facts\].*text"),
    ],
)
def test_a_file_that_breaks_the_schema_is_refused_in_one_sentence(text: str, complaint: str) -> None:
    with pytest.raises(WorkbenchError, match=complaint) as caught:
        parse_profile("mine", text)
    assert "mine.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_profile_show_says_what_is_known_and_never_a_variables_value() -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "WORKBENCH_HOME": str(tokens.home()),
        "TPM2_PKCS11_OWNER_AUTH": "not-to-be-seen",
    }
    command = [sys.executable, "-m", "workbench.cli", "profile", "show", "tpm2-pkcs11"]
    text = subprocess.run(command, capture_output=True, text=True, env=environment).stdout
    asked = subprocess.run([*command, "--json"], capture_output=True, text=True, env=environment).stdout
    assert "TPM2_PKCS11_OWNER_AUTH" in text
    assert "measured, 1.9.0" in text
    assert json.loads(asked)["here"]["environment"]["TPM2_PKCS11_OWNER_AUTH"] is True
    assert "not-to-be-seen" not in text + asked
