"""What `explain` says of names, numbers and sections, and what it refuses to make up."""

from __future__ import annotations

import json
import re

import pytest

from workbench import spec
from workbench.faults import WorkbenchError
from workbench.spec.explain import Entry, explain

EXAMPLES = ["CKR_PIN_INCORRECT", "C_Sign", "CKM_ECDSA", "CKA_SENSITIVE", "CKR:0xA0", "0xA0"]
DIFFERING = {
    "CKR_EXCEEDED_MAX_ITERATIONS": (0x1B5, 0x1C0),
    "CKR_FIPS_SELF_TEST_FAILED": (0x1B6, 0x1C1),
    "CKR_LIBRARY_LOAD_FAILED": (0x1B7, 0x1C2),
    "CKR_PIN_TOO_WEAK": (0x1B8, 0x1C3),
    "CKR_PUBLIC_KEY_INVALID": (0x1B9, 0x1C4),
}


def only(term: str) -> Entry:
    (entry,) = explain(term).entries
    return entry


def test_a_return_code_shows_number_place_functions_causes_and_next_steps() -> None:
    entry = only("CKR_PIN_INCORRECT")
    assert (entry.value, entry.kind, entry.introduced) == (0xA0, "return code", "2.40")
    assert [(r.version, r.section) for r in entry.references] == [("3.2", "5.1.6")]
    assert entry.fact("functions") == ["C_InitToken", "C_SetPIN", "C_Login", "C_LoginUser"]
    assert len(entry.fact("causes")) > 1
    assert "do not retry" in entry.fact("next")[0]
    text = str(explain("CKR_PIN_INCORRECT"))
    for part in ("0x000000A0 (160)", "2.40", "§5.1.6", "https://", "C_Login", "likely causes", "next steps"):
        assert part in text


def test_a_function_shows_parameters_codes_sections_and_whether_pykcs11_reaches_it() -> None:
    entry = only("C_Sign")
    assert entry.fact("parameters")[0] == {
        "name": "hSession",
        "type": "CK_SESSION_HANDLE",
        "direction": "in",
    }
    assert entry.fact("parameters")[-1]["direction"] == "inout"
    assert "CKR_BUFFER_TOO_SMALL" in entry.fact("returns")
    assert entry.fact("pykcs11") == "yes"
    assert only("C_SignRecover").fact("pykcs11") == "no"
    places = {r.version: (r.section, r.inferred, r.group) for r in entry.references}
    assert places == {
        "2.40": ("5.11", False, True),
        "3.1": ("5.13.2", True, False),
        "3.2": ("5.13.2", False, False),
    }


def test_a_mechanism_shows_its_functions_parameter_and_key_type() -> None:
    entry = only("CKM_ECDSA")
    assert entry.fact("functions") == [
        {"use": "sign and verify", "functions": "C_SignInit, C_VerifyInit", "parts": "single part only"}
    ]
    assert (entry.fact("parameter"), entry.fact("key_type")) == ("none", "CKK_EC")
    assert only("CKM_AES_CBC").fact("parameter") == "initialization vector, 16 bytes"
    assert only("CKM_AES_GCM").fact("parameter").startswith("CK_GCM_PARAMS")


def test_an_attribute_shows_type_objects_and_rules_in_words() -> None:
    entry = only("CKA_SENSITIVE")
    assert entry.fact("data_types") == ["CK_BBOOL"]
    assert [row["object_class"] for row in entry.fact("objects")] == ["CKO_PRIVATE_KEY", "CKO_SECRET_KEY"]
    assert "read-only once CK_TRUE" in entry.fact("objects")[0]["rules"]


@pytest.mark.parametrize("term", ["CKR:0xA0", "ckr:160", "0xA0", "0XA0", "160", "CKR_0xA0"])
def test_a_number_leads_to_its_name(term: str) -> None:
    assert "CKR_PIN_INCORRECT" in [e.name for e in explain(term).entries]


def test_a_bare_number_lists_every_kind_that_has_it() -> None:
    found = {e.name for e in explain("0x20").entries}
    assert found == {c.name for c in spec.constants() if c.value == 0x20}
    assert {name[:3] for name in found} == {"CKR", "CKK", "CKM", "CKF"}
    assert {e.name for e in explain("0xA0").entries} == {"CKR_PIN_INCORRECT"}


def test_a_number_with_a_kind_stays_in_that_kind() -> None:
    assert [e.name for e in explain("CKM:0x20").entries] == ["CKM_DH_PKCS_KEY_PAIR_GEN"]


def test_many_entries_print_one_line_each() -> None:
    text = str(explain("0x20"))
    assert len(text.splitlines()) == len(explain("0x20").entries) + 2
    assert explain("0x20")._repr_html_().count("<tr>") == len(explain("0x20").entries)


@pytest.mark.parametrize("name, numbers", DIFFERING.items())
def test_codes_that_differ_between_headers_name_both_numbers(name: str, numbers: tuple[int, int]) -> None:
    standard, other = numbers
    entry = only(name)
    assert entry.value == standard
    assert [row["value"] for row in entry.fact("other_values")] == [f"0x{other:08X}"]
    text = str(explain(name))
    assert f"0x{standard:08X}" in text
    assert f"0x{other:08X}" in text
    assert name in [e.name for e in explain(f"CKR:0x{other:X}").entries]


def test_exactly_the_five_known_codes_have_another_number() -> None:
    assert {c.name for c in spec.return_codes() if c.other_values} == set(DIFFERING)


def test_a_vendor_number_is_said_to_be_the_vendors() -> None:
    entry = only("CKR:0x8000002F")
    assert entry.kind == "return code of a vendor"
    assert entry.fact("next")
    assert entry.references == ()
    assert only("CKM_0x80000123").name == spec.name("CKM", 0x80000123)


@pytest.mark.parametrize(
    "term, name",
    [
        ("pin_incorrect", "CKR_PIN_INCORRECT"),
        ("Pin Incorrect", "CKR_PIN_INCORRECT"),
        ("ckm_ecdsa", "CKM_ECDSA"),
        ("c_sign", "C_Sign"),
        ("sign", "C_Sign"),
        ("sign_init", "C_SignInit"),
        ("aes-gcm", "CKM_AES_GCM"),
        ("gcm_params", "CK_GCM_PARAMS"),
        (" C_Sign ", "C_Sign"),
    ],
)
def test_a_name_is_found_without_prefix_and_in_any_case(term: str, name: str) -> None:
    assert only(term).name == name


def test_a_function_comes_first_and_the_other_names_are_mentioned() -> None:
    assert explain("sign").see_also == ("CKA_SIGN", "CKF_SIGN")
    assert "See also: CKA_SIGN, CKF_SIGN" in str(explain("sign"))


def test_a_short_name_of_several_constants_explains_them_all() -> None:
    assert {e.name for e in explain("ecdsa").entries} == {"CKM_ECDSA", "CKK_ECDSA"}


def test_a_structure_shows_its_members_and_its_mechanisms() -> None:
    entry = only("CK_GCM_PARAMS")
    assert [m["name"] for m in entry.fact("members")] == [
        "pIv",
        "ulIvLen",
        "ulIvBits",
        "pAAD",
        "ulAADLen",
        "ulTagBits",
    ]
    assert "CKM_AES_GCM" in entry.fact("mechanisms")
    assert only("CK_GCM_PARAMS_PTR").name == "CK_GCM_PARAMS"
    assert only("CK_MAC_GENERAL_PARAMS").fact("is") == "CK_ULONG"


def test_a_section_shows_what_stands_there() -> None:
    entry = explain("5.13").entries[0]
    assert [f["name"] for f in entry.fact("functions")][:2] == ["C_SignInit", "C_Sign"]
    assert [f["name"] for f in only("§5.13.2").fact("functions")] == ["C_Sign"]


def test_a_section_number_that_means_something_else_in_another_version_is_told_for_both() -> None:
    told = {e.kind: [f["name"] for f in e.fact("functions")] for e in explain("5.11").entries}
    assert "C_MessageDecryptInit" in told["section of PKCS #11 3.2"]
    assert "C_Sign" in told["section of PKCS #11 2.40"]


def test_rules_on_sessions_stand_with_the_function_the_section_and_the_code() -> None:
    for term in ("C_OpenSession", "5.6.1", "CKR_SESSION_PARALLEL_NOT_SUPPORTED"):
        assert "CKF_SERIAL_SESSION" in " ".join(only(term).fact("session_rules"))


def test_a_session_state_shows_access_and_the_ways_in_and_out() -> None:
    entry = only("CKS_RW_USER_FUNCTIONS")
    assert {"objects": "private token object", "access": "R/W"} in entry.fact("access")
    assert "C_Login" in [row["function"] for row in entry.fact("entered_by")]
    assert all(row["function"] for row in entry.fact("left_by"))


def test_a_key_type_lists_only_its_own() -> None:
    assert only("CKK_EC_EDWARDS").fact("mechanisms") == ["CKM_EC_EDWARDS_KEY_PAIR_GEN", "CKM_EDDSA"]


def test_a_list_that_fills_a_page_tells_what_it_leaves_out() -> None:
    assert "103 functions, all but C_AsyncComplete" in str(explain("CKR_OK"))
    assert len(only("CKR_OK").fact("functions")) == 103


@pytest.mark.parametrize(
    "term, message",
    [
        (
            "CKR_PIN_INCORECT",
            'no Cryptoki name is "CKR_PIN_INCORECT"; nearest: CKR_PIN_INCORRECT, CKR_PIN_EXPIRED, CKR_PIN_LOCKED',
        ),
        ("CKM_EDCSA", 'no Cryptoki name is "CKM_EDCSA"; nearest: CKM_EDDSA, CKM_ECDSA, CKM_DSA'),
        ("sgn", 'no Cryptoki name is "sgn"; nearest: C_Sign, CKA_SIGN, CKF_SIGN'),
    ],
)
def test_an_unknown_name_names_the_three_nearest(term: str, message: str) -> None:
    with pytest.raises(WorkbenchError, match=f"^{re.escape(message)}$"):
        explain(term)


@pytest.mark.parametrize(
    "term",
    ["", " ", "§", "???", "CKR:", "CKX:3", "CKR:999", "5.99", "0x" + "f" * 17, "x" * 500, "9" * 5000, "\n"],
)
def test_any_other_nonsense_is_refused_in_one_short_sentence(term: str) -> None:
    with pytest.raises(WorkbenchError) as refused:
        explain(term)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


def every_term() -> list[str]:
    names = [f.name for f in spec.functions()] + [c.name for c in spec.constants()]
    return names + [s.name for s in spec.structs()]


def test_every_name_of_the_standard_can_be_explained_printed_and_written_as_json() -> None:
    for term in every_term():
        explanation = explain(term)
        assert [e.name for e in explanation.entries] == [term]
        plain = explanation.to_dict()
        assert json.loads(json.dumps(plain)) == plain
        assert term in str(explanation)
        assert "None" not in str(explanation)
        assert "<script" not in explanation._repr_html_()


@pytest.mark.parametrize("term", [*EXAMPLES, "0x20", "5.13", "sign"])
def test_json_round_trip(term: str) -> None:
    plain = explain(term).to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["term"] == term
    assert all(entry["name"] and entry["kind"] for entry in plain["entries"])


def nulls(value: object) -> bool:
    if isinstance(value, dict):
        return any(nulls(v) for v in value.values())
    if isinstance(value, list):
        return any(nulls(v) for v in value)
    return value is None or value in ("", [])


def test_what_is_not_known_is_left_out_of_json() -> None:
    for term in every_term():
        assert not nulls(explain(term).to_dict()), term


def test_no_section_is_made_up() -> None:
    for f in spec.functions():
        shown = {r["version"]: r for r in only(f.name).to_dict()["references"]}
        assert set(shown) == {r.version for r in f.references}
        for r in f.references:
            assert shown[r.version].get("section") == r.section
            assert shown[r.version].get("inferred", False) == r.inferred


def test_a_function_without_a_place_in_an_old_version_shows_none() -> None:
    entry = only("C_LoginUser")  # 3.0
    assert "2.40" not in [r.version for r in entry.references]
    assert "2.40" not in str(explain("C_LoginUser"))


def test_a_reference_without_a_section_shows_its_link_alone() -> None:
    (old,) = [r for r in only("CKM_ECDSA").to_dict()["references"] if r["version"] == "2.40"]
    assert set(old) == {"version", "url"}
    assert re.search(r"^    2\.40  http", str(explain("CKM_ECDSA")), re.MULTILINE)


def test_an_inferred_section_is_marked() -> None:
    assert "§5.13.2 (inferred)" in str(explain("C_Sign"))
    assert "§5.13.2 (inferred)" in explain("C_Sign")._repr_html_()


def test_an_unknown_return_list_stays_unknown() -> None:
    assert only("C_AsyncComplete").fact("returns") is None
    assert only("C_AsyncComplete").fact("returns_note")


def test_codes_without_a_definition_show_no_section() -> None:
    for name in ("CKR_KEY_EXHAUSTED", "CKR_TOKEN_RESOURCE_EXCEEDED", "CKR_AEAD_DECRYPT_FAILED"):
        assert "references" not in only(name).to_dict()


def test_old_and_other_names_are_marked() -> None:
    assert "deprecated, another name of CKK_EC" in str(explain("CKK_ECDSA"))
    assert only("CKM_MD2").to_dict()["historical"] is True
    assert "deprecated" not in only("CKM_ECDSA").to_dict()


def test_the_repr_is_the_text() -> None:
    assert repr(explain("C_Sign")) == str(explain("C_Sign"))


def test_html_links_and_escapes() -> None:
    html = explain("CKR_PIN_INCORRECT")._repr_html_()
    assert '<a href="https://docs.oasis-open.org' in html
    assert "token&#x27;s label" in html
