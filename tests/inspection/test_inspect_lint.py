"""The rules of the key-policy lint, each on the smallest set of objects that breaks it, and bytes that are none."""

from __future__ import annotations

import datetime

import pytest
from furniture import expired_certificate

from workbench import spec
from workbench.inspection import lint
from workbench.inspection.holdings import TokenObject, read_certificate
from workbench.inspection.plain import plain
from workbench.inspection.rules import RULES

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
ALL_MECHANISMS = {"CKA_ALLOWED_MECHANISMS": [spec.value("CKM_SHA256_HMAC")]}
MODULUS = b"\x00\xc0" + bytes(255)


def made(kind: str, **attributes: object) -> TokenObject:
    """An object; attributes are named without CKA_."""
    given = {f"CKA_{name}": value for name, value in attributes.items()}
    tidy = ALL_MECHANISMS if kind in ("PRIVATE_KEY", "SECRET_KEY") else {}
    return TokenObject(len(given), spec.value(f"CKO_{kind}"), {**tidy, **given})


def broken(*objects: TokenObject, complete: bool = False) -> set[str]:
    return {f.rule for f in lint(objects, complete, NOW)}


ALONE = [
    ("not-sensitive", made("SECRET_KEY", SENSITIVE=False, EXTRACTABLE=False)),
    ("extractable", made("SECRET_KEY", SENSITIVE=True, EXTRACTABLE=True)),
    ("once-extractable", made("PRIVATE_KEY", LOCAL=True, EXTRACTABLE=False, NEVER_EXTRACTABLE=False)),
    ("once-readable", made("SECRET_KEY", LOCAL=True, SENSITIVE=True, ALWAYS_SENSITIVE=False)),
    ("key-past-its-end", made("PUBLIC_KEY", END_DATE=datetime.date(2025, 12, 31))),
    ("any-mechanism", made("SECRET_KEY", ALLOWED_MECHANISMS=[])),
    ("left-over", made("DATA", LABEL="wb:0123ab:0123456789ab:tmp")),
    ("certificate-unreadable", made("CERTIFICATE", CERTIFICATE_TYPE=0, VALUE=b"nothing")),
    ("seen-without-login", made("PRIVATE_KEY", PRIVATE=False)),
    ("weak-cipher", made("SECRET_KEY", KEY_TYPE=spec.value("CKK_DES"))),
    ("small-exponent", made("PUBLIC_KEY", PUBLIC_EXPONENT=b"\x03")),
]
IN_ORDER = [
    made("SECRET_KEY", SENSITIVE=True, EXTRACTABLE=False, LOCAL=False, ALWAYS_SENSITIVE=False),
    made("PUBLIC_KEY", PUBLIC_EXPONENT=b"\x01\x00\x01", END_DATE=datetime.date(2026, 1, 1), ID=b"1"),
    made("PUBLIC_KEY", PUBLIC_EXPONENT=b"", END_DATE=None),
    made("DATA", LABEL="wb:mine"),
    made("CERTIFICATE", CERTIFICATE_TYPE=spec.value("CKC_WTLS"), VALUE=b"nothing"),
    made("PRIVATE_KEY"),  # a token that tells nothing is not accused of anything
]


@pytest.mark.parametrize("rule,thing", ALONE, ids=[rule for rule, _ in ALONE])
def test_a_rule_finds_the_object_that_breaks_it_and_no_other_rule_does(rule: str, thing: TokenObject) -> None:
    assert broken(thing) == {rule}


@pytest.mark.parametrize("thing", IN_ORDER, ids=range(len(IN_ORDER)))
def test_what_is_in_order_or_not_told_is_not_accused(thing: TokenObject) -> None:
    assert broken(thing) == set()


def test_halves_of_a_pair_are_held_against_each_other() -> None:
    private = made("PRIVATE_KEY", ID=b"1", MODULUS=MODULUS)
    assert broken(private, made("PUBLIC_KEY", ID=b"1", MODULUS=MODULUS.lstrip(b"\0")), complete=True) == set()
    assert broken(private, made("PUBLIC_KEY", ID=b"1", MODULUS=b"\xc1" + bytes(255))) == {"halves-differ"}
    assert broken(private, made("PUBLIC_KEY", ID=b"2"), complete=True) == {
        "no-public-half",
        "no-private-half",
    }
    assert broken(private, made("PUBLIC_KEY", ID=b"2")) == set()


def test_a_repeated_id_or_label_is_said_once() -> None:
    keys = [made("SECRET_KEY", ID=b"1", LABEL="a") for _ in range(3)]
    found = lint(keys, False, NOW)
    assert [(f.rule, f.detail) for f in found] == [("same-id", "3 of them"), ("same-label", "3 of them")]


def test_short_rsa_is_said_of_the_private_key_where_both_are_here() -> None:
    size = {"MODULUS": b"\xc0" + bytes(127), "KEY_TYPE": spec.value("CKK_RSA"), "ID": b"1"}
    both = (made("PUBLIC_KEY", **size), made("PRIVATE_KEY", **size))
    assert [f.name for f in lint(both, False, NOW)] == ["private key ID 31"]
    assert broken(both[0]) == {"short-rsa"}


def test_certificates_are_held_against_the_clock_and_their_keys() -> None:
    thing = made("CERTIFICATE", CERTIFICATE_TYPE=0, VALUE=expired_certificate(), ID=b"1")
    assert broken(thing) == {"certificate-not-valid"}
    assert broken(thing, complete=True) == {"certificate-not-valid", "certificate-without-key"}
    found = thing.certificate
    assert found is not None
    right = made("PUBLIC_KEY", ID=b"1", EC_POINT=b"\x04\x41" + found.point)
    assert "certificate-of-another-key" not in broken(thing, right)
    assert "certificate-of-another-key" in broken(thing, made("PUBLIC_KEY", ID=b"1", EC_POINT=bytes(65)))
    then = datetime.datetime(2020, 6, 1, tzinfo=datetime.UTC)
    assert lint((thing,), False, then) == ()


def test_every_rule_has_words_and_a_section_of_the_standard() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.wrong
        assert rule.why
        assert rule.remedy
        for kind in set(rule.classes) - {"CKO_OTP_KEY"}:  # the tables have no rows of its own
            assert rule.section(kind), (rule.id, kind)


def test_a_damaged_certificate_is_read_or_not_but_never_an_error() -> None:
    der = expired_certificate()
    read = [
        read_certificate(der[:place] + bytes([der[place] ^ bit]) + der[place + 1 :])
        for place in range(len(der))
        for bit in (0x01, 0x80)
    ]
    assert None in read
    assert any(read)
    assert read_certificate(b"") is None


@pytest.mark.parametrize(
    "params,words",
    [
        (bytes.fromhex("06082a8648ce3d030107"), "P-256"),
        (bytes.fromhex("06052b8104000a"), "secp256k1"),
        (bytes.fromhex("06022a03"), "1.2.3"),
        (b"\x13\x0cedwards25519", "Ed25519"),
        (b"\x13\x03\x1b[2", r"\x1b[2"),
        (b"\x06\x00", "parameters 0600"),
        (b"\x06\x01\x80", "parameters 060180"),
        (b"\x30\x81" + bytes(20), "parameters 3081000000000000…"),
    ],
)
def test_curves_are_named_as_far_as_they_can_be(params: bytes, words: str) -> None:
    assert made("PUBLIC_KEY", EC_PARAMS=params).size == words


def test_a_parameter_set_is_named_by_its_key_type() -> None:
    for key_type, name in (("CKK_ML_DSA", "ML_DSA_65"), ("CKK_ML_KEM", "ML_KEM_768")):
        assert made("PUBLIC_KEY", KEY_TYPE=spec.value(key_type), PARAMETER_SET=2).size == name


def test_text_is_shown_plainly_and_without_doubt() -> None:
    assert plain("Schlüssel 鍵 1") == "Schlüssel 鍵 1"
    assert plain("a\x1b\x00\x9b\u202e\u2028\U000e0041") == r"a\x1b\x00\x9b\u202e\u2028\U000e0041"
    assert plain("\\x1b") != plain("\x1b")
