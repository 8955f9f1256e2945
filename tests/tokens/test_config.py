"""workbench.toml: what is read from which file, and what is refused in words that hold no value."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from uris import uris

from workbench import spec
from workbench.faults import WorkbenchError
from workbench.tokens import config
from workbench.tokens.budget import Budget, parse_window
from workbench.tokens.config import Declared, read_declared
from workbench.tokens.pins import PinSource
from workbench.tokens.uri import Uri, parse_uri

PIN = "Zq7Wk2Xv"
LEAST = '[tokens.a]\nmodule = "/opt/hsm.so"\nlabel = "a"\n'


def declared(text: str) -> Declared:
    (only,) = read_declared(text, "workbench.toml")
    return only


def outcome(text: str) -> tuple[Declared, ...] | str:
    """What was read, or the sentence of the refusal; any other exception fails the test."""
    try:
        return read_declared(text, "workbench.toml")
    except WorkbenchError as error:
        event("refused")
        return str(error)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a directory in it, where we are, and a user without configuration."""
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    (tmp_path / "repository" / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "repository" / "deep")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("WORKBENCH_CONFIG", raising=False)
    return tmp_path / "repository"


def written(file: Path, text: str = LEAST) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o644)
    return file


def test_the_least_that_is_said_makes_a_guest() -> None:
    assert declared(LEAST) == Declared("a", "workbench.toml", Uri(token="a"), module=Path("/opt/hsm.so"))
    assert declared(LEAST).policy == "guest"
    assert declared(LEAST).budget == Budget.guest()


def test_the_documented_example_is_read_whole() -> None:
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    signer, card = read_declared(page.split("```toml\n")[1].split("```")[0], "workbench.toml")
    assert signer.policy == "production"
    assert signer.uri == Uri(token="signing", serial="0123456789")
    assert signer.pin == PinSource("keyring", "hsm/signing")
    assert signer.budget.max_operations == 200
    assert signer.budget.max_sessions == Budget.production().max_sessions
    assert str(signer.budget.window) == "22:00-05:00"
    assert [(key.name, key.uri.object, key.uri.id, sorted(key.allow)) for key in signer.keys] == [
        ("code signing", "code-signing-2026", None, ["sign", "verify"]),
        ("backup", None, b"\x0a\x1b", ["verify"]),
    ]
    assert signer.operations == {"random"}
    assert card.module_name == "opensc-pkcs11"
    assert card.policy == "guest"


def test_what_a_uri_says_of_module_and_pin_moves_to_its_own_place() -> None:
    found = declared('[tokens.a]\nuri = "pkcs11:token=a?module-path=/opt/hsm.so&pin-source=|pass%20hsm"\n')
    assert (found.uri, found.module, found.pin) == (
        Uri(token="a"),
        Path("/opt/hsm.so"),
        PinSource("command", "pass hsm"),
    )


def test_a_vendors_user_type_is_a_number() -> None:
    assert declared(LEAST).user_type == spec.value("CKU_USER")
    assert declared(LEAST + "user_type = 0x80000003").user_type == 0x80000003


def test_what_a_vendor_wants_in_the_environment_does_not_show() -> None:
    found = declared(LEAST + f'environment = {{ API_KEY = "{PIN}" }}')
    assert found.environment == {"API_KEY": PIN}
    assert PIN not in repr(found)


@pytest.mark.parametrize(
    "line, why",
    [
        ("modul = 1", r"\[tokens\.a\] modul: there is no such key here; known keys: module,"),
        ("module = 1", r"\[tokens\.a\] module: it must be text"),
        ('module = ""', "module: it is empty"),
        ('module = "hsm.so"', "module: it must be an absolute path"),
        ('slot = "1"', "slot: it must be a whole number"),
        ("slot = true", "slot: it must be a whole number"),
        ("slot = -1", "slot: .* from 0"),
        ('policy = "sandbox"', "policy: it must be one of guest, production"),
        ('operations = ["sign"]', "operations: it may hold random, digest"),
        ('operations = "random"', "operations: it must be a list"),
        ('consent = ["all"]', "consent: it may hold token-objects"),
        ('user_type = "CKU_SO"', "user_type: the security officer never logs in"),
        ("user_type = 0", "user_type: the security officer never logs in"),
        ("user_type = 2", "user_type: it is"),
        ("budget = 1", "budget: it must be a table"),
        ("budget = { max_rate = 0 }", r"\[tokens\.a\.budget\] max_rate: .* greater than zero"),
        ("budget = { max_rate = nan }", "max_rate"),
        ("budget = { max_seconds = inf }", "max_seconds"),
        ("budget = { max_sessions = 0 }", "max_sessions"),
        ("budget = { sessions = 1 }", "sessions: there is no such key here; known keys: max_sessions"),
        ('budget = { window = "22-5" }', "window: a window is two different times"),
        ('budget = { window = "05:00-05:00" }', "window"),
        ('environment = { "A B" = "1" }', "environment variable"),
        ("environment = { A = 1 }", "environment variable"),
        ('keys = [{ label = "k" }]', r"\[tokens\.a\.keys 1\] allow: it must say"),
        ('keys = [{ allow = ["sign"] }]', "nothing says which key"),
        ('keys = [{ class = "private", allow = ["sign"] }]', "nothing says which key"),
        ('keys = [{ id = "xyz", allow = ["sign"] }]', "id: it must be hexadecimal"),
        ('keys = [{ label = "k", allow = ["decrypt"] }]', "decrypt is never done with a key"),
        ('keys = [{ label = "k", allow = ["unwrap"] }]', "unwrap is never done with a key"),
        ('keys = [{ label = "k", allow = ["see"] }]', "allow: it may hold sign, verify, encrypt"),
        ('keys = [{ uri = "pkcs11:token=a;object=k", allow = ["sign"] }]', "the token is the one around it"),
        ('uri = "pkcs11:token=b"', "uri: the token is named by label, serial or slot too"),
        ("[tokens.b]", r"\[tokens\.b\] uri: nothing says which token"),
        ('[tokens.b]\nlabel = "b"', r"\[tokens\.b\] module: nothing says which module"),
        ('[tokens.b]\nuri = "pkcs11:object=k"', "it names an object"),
        ('[tokens.b]\nuri = "pkcs11:?module-name=x"', "says nothing of the token"),
        ('[tokens.b]\nuri = "pkcs11:token=b;x-y=z"', "x-y is not known here"),
        ('[tokens.b]\nuri = "pkcs11:token=b?module-path=/o"\nmodule = "/o"', "module: the URI says this too"),
        ('[tokens.b]\nuri = "pkcs11:token=b c"', r"\[tokens\.b\] uri: token in a PKCS#11 URI: character 2"),
        ('[tokens."b c"]', "a token's name has letters"),
        ("[token.b]", "workbench.toml: token: there is no such key here"),
        ("module = ?", r"this is not TOML \(line 3, column 10"),
    ],
)
def test_a_mistake_is_named_with_its_file_its_table_and_its_key(line: str, why: str) -> None:
    text = "\n".join(had for had in LEAST.splitlines() if had.split()[0] != line.split()[0]) + "\n" + line
    with pytest.raises(WorkbenchError, match=why) as caught:
        read_declared(text, "workbench.toml")
    assert str(caught.value).startswith("workbench.toml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        f'pin = "{PIN}"',
        f'pin = "pin:{PIN}"',
        f'pin = ["{PIN}"]',
        f'pin = {{ value = "{PIN}" }}',
        f'user_pin = "{PIN}"',
        f'pin = "{PIN}',
        f'uri = "pkcs11:?pin-value={PIN}"',
        f'uri = "pkcs11:?pin-source={PIN}"',
        f'pin = "env:{PIN}!"',
    ],
)
def test_a_pin_written_into_the_file_is_refused_and_not_repeated(line: str) -> None:
    with pytest.raises(WorkbenchError) as caught:
        read_declared(LEAST + line, "workbench.toml")
    assert PIN not in str(caught.value)


def test_the_projects_file_comes_before_the_users_and_both_count(project: Path, tmp_path: Path) -> None:
    ours = written(project / "workbench.toml")
    theirs = written(
        tmp_path / "config/pkcs11-workbench/workbench.toml", LEAST + '[tokens.b]\nprofile = "p"\nslot = 1\n'
    )
    found = config.load()
    assert found.files == (ours, theirs)
    assert {name: token.file for name, token in found.tokens.items()} == {"a": str(ours), "b": str(theirs)}


def test_a_project_ends_at_its_repository(project: Path) -> None:
    written(project.parent / "workbench.toml")
    assert config.load().files == ()


def test_the_environment_names_one_file_instead(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(project / "workbench.toml")
    other = written(project.parent / "other.toml", LEAST.replace("tokens.a", "tokens.other"))
    monkeypatch.setenv("WORKBENCH_CONFIG", str(other))
    assert list(config.load().tokens) == ["other"]
    monkeypatch.setenv("WORKBENCH_CONFIG", str(other) + ".gone")
    with pytest.raises(WorkbenchError, match="WORKBENCH_CONFIG names"):
        config.load()


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_a_file_that_others_can_write_is_not_believed(project: Path, mode: int) -> None:
    written(project / "workbench.toml").chmod(mode)
    with pytest.raises(WorkbenchError, match="chmod go-w"):
        config.load()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_not_believed(project: Path) -> None:
    os.chown(written(project / "workbench.toml"), 12345, 12345)
    with pytest.raises(WorkbenchError, match="belongs to another user"):
        config.load()


def test_a_file_that_is_no_text_is_refused(project: Path) -> None:
    written(project / "workbench.toml").write_bytes(b"[tokens.a]\nlabel = '\xff'")
    with pytest.raises(WorkbenchError, match="not UTF-8"):
        config.load()


@pytest.mark.parametrize(
    "window, inside, outside",
    [
        ("22:00-05:00", "23:59 00:00 04:59", "05:00 12:00 21:59"),
        ("08:30-17:00", "08:30 16:59", "08:29 17:00"),
    ],
)
def test_a_window_may_reach_over_midnight(window: str, inside: str, outside: str) -> None:
    day = datetime.date(2026, 11, 21)
    hours = {
        hour: datetime.datetime.combine(day, datetime.time.fromisoformat(hour))
        for hour in f"{inside} {outside}".split()
    }
    assert [hour for hour, moment in hours.items() if parse_window(window).contains(moment)] == inside.split()


# A grammar near the real one: the keys that exist with values that may be right, and some that are never.
TEXTS = st.one_of(
    st.sampled_from(
        ["/opt/hsm.so", "~/x", "guest", "production", "random", "CKU_USER", "22:00-05:00", "private", "0a:1b"]
    ),
    st.sampled_from(
        ["env:P", "prompt", "file:/p", "keyring:a/b", "command:a b", "command:'", "protected", "|x", PIN]
    ),
    st.sampled_from(["sign", "decrypt", "verify", "probe", "", "host:1"]),
    uris.map(str),
    st.text(max_size=8),
)
KEYS = (
    st.sampled_from(["module", "module_name", "uri", "label", "serial", "slot", "pin", "user", "user_type"])
    | st.sampled_from(["profile", "policy", "budget", "keys", "operations", "consent", "environment"])
    | st.sampled_from(["init_string", "interpreter", "reach", "allow", "name", "id", "class", "tokens"])
    | st.sampled_from(["max_rate", "max_sessions", "max_operations", "max_seconds", "window"])
)
SCALARS = TEXTS | st.integers() | st.floats() | st.booleans()
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=6,
)
# Each key with a value of its own kind most of the time, so that documents get far.
LIKELY = st.fixed_dictionaries(
    {},
    optional={
        "module": st.just("/opt/hsm.so") | VALUES,
        "label": TEXTS,
        "uri": uris.map(str) | VALUES,
        "slot": st.integers(),
        "pin": TEXTS,
        "policy": st.sampled_from(["guest", "production"]) | VALUES,
        "budget": st.dictionaries(KEYS, st.integers(0, 9) | st.just("01:00-02:00"), max_size=2),
        "operations": st.lists(st.sampled_from(["random", "digest"]) | TEXTS, max_size=2),
        "keys": st.lists(
            st.fixed_dictionaries(
                {"allow": st.lists(st.sampled_from(["sign", "verify"]) | TEXTS, max_size=2)},
                optional={"label": TEXTS, "id": TEXTS, "uri": uris.map(str), "class": TEXTS},
            ),
            max_size=2,
        ),
        "environment": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "reach": st.lists(TEXTS, max_size=2),
        "interpreter": TEXTS,
    },
)
NAMES = st.sampled_from(["a", "b", "a.b", "a b", ""]) | st.text(max_size=4)
DOCUMENTS = st.fixed_dictionaries(
    {"tokens": st.dictionaries(NAMES, LIKELY | VALUES, max_size=2)}
) | VALUES.map(lambda value: {"tokens": value})


def toml(value: object) -> str:
    """A value as TOML writes it in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return str(value).lower() if isinstance(value, bool | float) else json.dumps(value)


@given(DOCUMENTS)
def test_any_document_near_the_real_one_is_read_or_refused(document: dict[str, object]) -> None:
    found = outcome("\n".join(f"{key} = {toml(value)}" for key, value in document.items()))
    if isinstance(found, str):
        assert found.startswith("workbench.toml: ")
        assert PIN not in found
        assert "\n" not in found
    else:
        for token in found:
            assert parse_uri(str(token.uri)) == token.uri
            assert token.uri.names_token
            assert token.pin is None or token.pin.detail != PIN


@given(st.text(max_size=60), st.integers(0, 200))
def test_any_text_in_the_place_of_toml_is_read_or_refused(text: str, at: int) -> None:
    outcome(text)
    assert PIN not in str(outcome(LEAST[:at] + text + f'\npin = "{PIN}"\n'))
