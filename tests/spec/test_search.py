"""Finding names by words and by sections."""

from __future__ import annotations

import pytest

from workbench.spec.search import by_section, search, sections


@pytest.mark.parametrize(
    "text, first",
    [
        ("ecdsa without hashing", "CKM_ECDSA"),
        ("too many sessions", "CKR_SESSION_COUNT"),
        ("key cannot be exported", "CKR_KEY_UNEXTRACTABLE"),
        ("hash a message", "C_Digest"),
        ("password locked", "CKR_PIN_LOCKED"),
        ("general_error softhsm", "CKR_GENERAL_ERROR"),
        ("threads share a session", "CKR_OPERATION_ACTIVE"),
        ("gcm iv", "CKM_AES_GCM"),
        ("C_Login", "C_Login"),
    ],
)
def test_the_best_name_comes_first(text: str, first: str) -> None:
    assert search(text)[0].name == first


def test_a_wrong_pin_leads_to_the_pin_codes() -> None:
    assert {"CKR_PIN_INCORRECT", "CKR_PIN_LOCKED"} <= {hit.name for hit in search("wrong PIN")}


def test_case_prefix_and_word_endings_do_not_matter() -> None:
    assert search("SIGNING inits")[0].name == search("sign_Init")[0].name == "C_SignInit"


def test_advice_is_searched() -> None:
    assert "CKR_CRYPTOKI_NOT_INITIALIZED" in [hit.name for hit in search("after fork")]


def test_attribute_rules_are_searched() -> None:
    assert "CKA_SENSITIVE" in [hit.name for hit in search("one-way read-only", limit=50)]


def test_a_hit_says_what_it_is() -> None:
    hit = search("CKR_PIN_LOCKED")[0]
    assert (hit.name, hit.kind) == ("CKR_PIN_LOCKED", "return code")
    assert hit.line


def test_hits_are_limited_and_steady() -> None:
    assert len(search("key", limit=5)) == 5
    assert search("key") == search("key")


@pytest.mark.parametrize("text", ["", "  ", "the of", "xyzzy", "§§"])
def test_nothing_found_is_an_empty_tuple(text: str) -> None:
    assert search(text) == ()


def test_a_section_gives_what_stands_in_and_below_it() -> None:
    assert [p.name for p in by_section("5.13.2")] == ["C_Sign"]
    assert by_section("§5.13.2") == by_section("5.13.2")
    assert [p.name for p in by_section("5.13")] == [
        "C_SignInit",
        "C_Sign",
        "C_SignUpdate",
        "C_SignFinal",
        "C_SignRecoverInit",
        "C_SignRecover",
    ]


def test_a_section_is_not_the_beginning_of_another_number() -> None:
    assert not {p.name for p in by_section("5.1")} & {p.name for p in by_section("5.13")}


def test_places_come_in_the_order_of_the_text() -> None:
    found = [p.reference.section or "" for p in by_section("5")]
    assert found == sorted(found, key=lambda s: [int(part) for part in s.split(".")])


def test_versions_are_kept_apart() -> None:
    assert "C_Sign" in {p.name for p in by_section("5.11", "2.40")}
    assert "C_Sign" not in {p.name for p in by_section("5.11")}
    assert {p.reference.version for p in by_section("5", "3.1")} == {"3.1"}


def test_an_unknown_section_or_version_is_empty() -> None:
    assert by_section("99.9") == ()
    assert by_section("5.13", "1.0") == ()


def test_known_sections_include_the_ones_around() -> None:
    assert {"5", "5.13", "5.13.2"} <= set(sections())
