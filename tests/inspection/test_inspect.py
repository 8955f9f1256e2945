"""`inspect` reads and only reads, tells beforehand what it will ask, and shows a hostile token harmlessly."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from furniture import HOSTILE, furnished, sessions_open

from workbench import inspection
from workbench.faults import WorkbenchError
from workbench.inspection import Inspection, Step
from workbench.inspection.reading import LOOK, find, find_again, read_classes, read_objects
from workbench.report import write_inspection
from workbench.tokens import Cost, Token
from workbench.workers import Worker


@attrs.frozen
class Read:
    """A furnished token, read in a worker: without a login, then with one, twice."""

    before_login: Inspection
    one: Inspection
    again: Inspection
    announced: list[tuple[str, Cost]]
    sessions_left: int | None


class Here:
    """Runs the steps in this process, where a test needs no worker's process of its own."""

    def __init__(self, token: Token) -> None:
        self.subject = token
        self.token = token.name

    def run(self, function: Callable[..., Any], *args: Any, timeout: float = 0) -> Any:
        return function(self.subject, *args)


@pytest.fixture(scope="module", params=["softhsm", "nss"])
def furnished_token(request: pytest.FixtureRequest) -> Iterator[Token]:
    token: Token = request.getfixturevalue(request.param)
    with furnished(token):
        yield token


@pytest.fixture(scope="module")
def read(furnished_token: Token) -> Read:
    announced: list[tuple[str, Cost]] = []
    with Worker(furnished_token.name) as worker:
        return Read(
            inspection.inspect(worker, login=False),
            inspection.inspect(worker, announce=lambda step, cost, said: announced.append((step, cost))),
            inspection.inspect(worker),
            announced,
            worker.run(sessions_open),
        )


@pytest.fixture(scope="module")
def one(read: Read) -> Inspection:
    return read.one


def findings(one: Inspection, label: str) -> set[str]:
    return {f.rule for f in one.findings for o in one.objects if o.handle == f.handle and o.label == label}


def test_what_was_announced_is_what_was_asked_call_for_call(read: Read) -> None:
    one = read.one
    assert [(step.name, step.announced) for step in one.steps] == read.announced
    assert [step.name for step in one.steps] == ["look", "mechanisms", "find", "classes", "attributes"]
    assert all(step.kept for step in one.steps), one.steps
    count = len(one.objects)
    assert one.asked["C_GetAttributeValue"] == 3 * count
    assert one.asked["C_GetMechanismInfo"] == len(one.look.mechanisms)
    assert (one.asked["C_OpenSession"], one.asked["C_Login"], one.asked["C_CloseSession"]) == (1, 1, 1)
    assert one.steps[0].asked == LOOK


def test_an_announcement_that_is_refused_ends_the_inspection(softhsm: Token) -> None:
    def refuse(step: str, cost: Cost, said: str) -> None:
        if "C_OpenSession" in cost:
            raise PermissionError(step)

    with pytest.raises(PermissionError, match="find"):
        inspection.inspect(Here(softhsm), announce=refuse)


def test_objects_are_told_with_their_kind_and_size(one: Inspection) -> None:
    sizes = {(o.object_class, o.label): (o.key_type, o.size) for o in one.objects}
    assert sizes["CKO_PRIVATE_KEY", "tidy"] == ("CKK_EC", "P-256")
    assert sizes["CKO_PUBLIC_KEY", "weak"] == ("CKK_RSA", "1024 bits")
    assert sizes["CKO_SECRET_KEY", "open"] == ("CKK_AES", "256 bits")
    assert sizes["CKO_SECRET_KEY", HOSTILE] == ("CKK_DES3", "168 bits")
    (certificate,) = [o.certificate for o in one.objects if o.object_class == "CKO_CERTIFICATE"]
    assert certificate is not None
    assert certificate.key == "EC secp256r1"
    assert certificate.not_after.year == 2021


def test_no_value_of_a_key_is_ever_asked(one: Inspection) -> None:
    values = [o.object_class for o in one.objects if "CKA_VALUE" in o.attributes]
    assert values == ["CKO_CERTIFICATE"]


def test_lint_names_what_is_wrong_with_each_key_and_leaves_the_tidy_one_alone(one: Inspection) -> None:
    open_key = {
        "value-readable",
        "seen-without-login",
        "wraps-and-decrypts",
        "unwraps-and-encrypts",
        "extractable",
        "any-mechanism",
    }
    assert findings(one, "open") - {"wrapped-by-any-key"} == open_key
    assert {"short-rsa", "signs-and-decrypts"} <= findings(one, "weak")
    assert "weak-cipher" in findings(one, HOSTILE)
    assert findings(one, "expired") == {"certificate-not-valid", "certificate-of-another-key"}
    assert findings(one, "tidy") == {"any-mechanism"}
    severities = [f.severity for f in one.findings]
    assert severities == sorted(severities, reverse=True)
    assert all(f.section for f in one.findings)


def test_without_a_login_private_keys_do_not_show_and_nothing_is_said_to_be_missing(read: Read) -> None:
    one = read.before_login
    assert "C_Login" not in one.asked
    assert "CKO_PRIVATE_KEY" not in {o.object_class for o in one.objects}
    assert "tidy" in {o.label for o in one.objects}
    assert not {f.rule for f in one.findings} & {"no-private-half", "certificate-without-key"}


def test_reading_leaves_no_session_open_and_no_object_changed(read: Read) -> None:
    assert read.sessions_left in (0, None)
    # handles may change with every login, the objects do not
    first, second = (sorted(repr(o.attributes) for o in r.objects) for r in (read.one, read.again))
    assert first == second


def test_a_search_that_comes_back_full_is_made_again_with_more_room(furnished_token: Token) -> None:
    found = find(furnished_token, ({},), True).value
    try:
        every = found.handles[0]
        few = find_again(furnished_token, found.session, {}, 3)
        assert len(few.value) == 3
        assert few.asked == {"C_FindObjectsInit": 1, "C_FindObjects": 1, "C_FindObjectsFinal": 1}
        assert set(find_again(furnished_token, found.session, {}, 6000).value) == set(every)
    finally:
        read_objects(furnished_token, found.session, ())


def test_an_object_that_is_gone_when_it_is_read_says_so(softhsm: Token) -> None:
    found = find(softhsm, ({},), True).value
    classes = read_classes(softhsm, found.session, (999_999,))
    (thing,) = read_objects(softhsm, found.session, ((999_999, None),)).value
    assert classes.value == (None,)
    assert thing.refused == "CKR_OBJECT_HANDLE_INVALID"
    assert "handle 999999" in thing.name


def test_text_from_the_token_cannot_move_a_terminal_or_run_in_a_page(one: Inspection, tmp_path: Path) -> None:
    for finding in one.findings:
        assert finding.name.isprintable()
    text = inspection.to_json([one])
    assert text.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    labels = [o["attributes"].get("CKA_LABEL") for o in json.loads(text)["tokens"][0]["objects"]]
    assert HOSTILE in labels
    page = write_inspection(tmp_path / "page.html", [one]).read_text(encoding="utf-8")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", page)
    assert "<script" not in page
    assert "<img" not in page
    assert r"\x1b[2J\x9b31m[red]\x00&lt;script&gt;alert(1)&lt;/script&gt;&amp;\u202egnp.exe" in page


def test_the_command_prints_a_hostile_label_as_plain_text(softhsm: Token) -> None:
    command = [sys.executable, "-m", "workbench.cli", "inspect", "--token", "softhsm"]
    with furnished(softhsm):
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", done.stdout)
    assert r"\x1b[2J\x9b31m[red]\x00<script>alert(1)</script>&\u202egnp.exe" in done.stdout
    assert "HIGH   CKA_WRAP and CKA_DECRYPT are both true (C_WrapKey §5.18.3)" in done.stdout
    assert "C_Login × 1" in done.stdout


def test_tokens_side_by_side_mark_what_differs(softhsm: Token, nss: Token, tmp_path: Path) -> None:
    both = [inspection.inspect(Here(token)) for token in (softhsm, nss)]
    comparison = inspection.compare(both)
    document = json.loads(inspection.to_json(both, comparison))
    assert document["schema"] == 1
    rows = {row["name"]: row for row in document["comparison"]["mechanisms"]}
    assert set(rows) == {m["name"] for one in document["tokens"] for m in one["mechanisms"]}
    assert rows["CKM_ECDSA_SHA256"]["listed"][0] is None
    assert rows["CKM_ECDSA_SHA256"]["differs"]
    assert [cell["min"] for cell in rows["CKM_RSA_PKCS"]["listed"]] == [512, 128]
    assert not rows["CKM_AES_CTR"]["differs"]
    facts = {fact["fact"]: fact for fact in document["comparison"]["facts"]}
    assert facts["label"]["values"] == ["workbench-softhsm", "workbench-nss"]
    assert not facts["clock"]["differs"]
    page = write_inspection(tmp_path / "page.html", both, comparison).read_text(encoding="utf-8")
    assert "Side by side" in page


def test_a_page_that_cannot_be_written_is_one_sentence(one: Inspection, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkbenchError, match=r"cannot write the page to .*page\.html"):
        write_inspection(tmp_path / "file" / "page.html", [one])


def test_where_nothing_is_found_the_session_is_closed_all_the_same(softhsm: Token) -> None:
    class Bare(Here):
        def run(self, function: Callable[..., Any], *args: Any, timeout: float = 0) -> Any:
            if function is find:
                args = (({"CKA_LABEL": "there is no such object"},), *args[1:])
            return super().run(function, *args)

    one = inspection.inspect(Bare(softhsm))
    assert one.steps[-1] == Step("close", {"C_CloseSession": 1}, {"C_CloseSession": 1})
    assert (one.objects, one.findings) == ((), ())


@pytest.fixture
def declared(softhsm: Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Declare the SoftHSM token as somebody else's, under the name ``theirs``."""

    def declare(more: str) -> None:
        file = tmp_path / "workbench.toml"
        pin = softhsm.origin.sandbox.directory / "user.pin"
        file.write_text(
            f"""[tokens.theirs]
            module = "{softhsm.module.path}"
            label = "{softhsm.label}"
            pin = "file:{pin}"
            environment = {{ SOFTHSM2_CONF = "{os.environ["SOFTHSM2_CONF"]}" }}
            {more}"""
        )
        monkeypatch.setenv("WORKBENCH_CONFIG", str(file))

    return declare


def test_in_production_certificates_profiles_and_named_keys_are_looked_for_as_announced(
    softhsm: Token, declared: Callable[[str], None]
) -> None:
    declared(
        """policy = "production"
        [[tokens.theirs.keys]]
        name = "signer"
        label = "weak"
        class = "private"
        allow = ["sign"]"""
    )
    told: list[str] = []
    with furnished(softhsm), Worker("theirs") as worker:
        one = inspection.inspect(worker, announce=lambda step, cost, said: told.append(said))
    assert {(o.object_class, o.label) for o in one.objects} == {
        ("CKO_PRIVATE_KEY", "weak"),
        ("CKO_CERTIFICATE", "expired"),
    }
    assert all(step.kept for step in one.steps), one.steps
    assert one.asked["C_FindObjectsInit"] == 3
    assert one.policy == "production"
    assert not one.whole
    assert "token 'theirs' (production) will be asked for" in told[0]
    assert not {f.rule for f in one.findings} & {"no-public-half", "certificate-without-key"}


def test_a_guest_is_read_whole_as_announced_until_its_budget_ends(
    softhsm: Token, declared: Callable[[str], None]
) -> None:
    declared("""policy = "guest"
        budget = { max_operations = 20 }""")
    with furnished(softhsm), Worker("theirs") as worker:
        one = inspection.inspect(worker, login=False)
        assert all(step.kept for step in one.steps), one.steps
        assert {o.label for o in one.objects} == {"tidy", "weak", "open", "expired"}  # 13 operations
        with pytest.raises(WorkbenchError, match="max_operations"):
            inspection.inspect(worker, login=False)
