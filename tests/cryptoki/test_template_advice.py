"""Advice on templates: what the tables say, by attribute name and never with a value; the token decides."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import spec
from workbench.cryptoki import C, CryptokiError, Template, errors, mechanism
from workbench.cryptoki.template_advice import advice_on_call, advise
from workbench.keys import CURVES
from workbench.tokens import Session

AES = {"CKA_CLASS": "CKO_SECRET_KEY", "CKA_KEY_TYPE": "CKK_AES"}


def said(function: str, template: Template, *more: Any) -> dict[str, str]:
    return {one.attribute: one.says for one in advise(function, template, *more)}


def test_a_good_template_is_left_alone() -> None:
    assert advise("C_CreateObject", {**AES, "CKA_VALUE": bytes(16), "CKA_LABEL": "x", "CKA_ID": b""}) == ()
    assert advise("C_GenerateKey", {"CKA_VALUE_LEN": 32, "CKA_ENCRYPT": True}, "CKM_AES_KEY_GEN") == ()
    assert advise("C_UnwrapKey", {**AES, "CKA_EXTRACTABLE": False}, "CKM_AES_KEY_WRAP") == ()
    assert advise("C_FindObjectsInit", {"CKA_LABEL": "x"}) == ()
    assert advise("C_CreateObject", {"CKA_CLASS": "CKO_DATA", "CKA_VALUE": b"x"}) == ()
    hmac_key = {"CKA_CLASS": "CKO_SECRET_KEY", "CKA_KEY_TYPE": "CKK_SHA256_HMAC", "CKA_VALUE": b"x"}
    assert advise("C_CreateObject", {**hmac_key, "CKA_SIGN": True}) == ()


@pytest.mark.parametrize("kind", ["RSA", "EC", "AES"])
def test_our_own_templates_are_left_alone(
    session: Session, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = session.handle.module
    call, made = module.call, []

    def watched(function: str, arguments: Sequence[Any], *rest: Any) -> Any:
        made.append(function)
        assert advice_on_call(function, "CKR_TEMPLATE_INCONSISTENT", arguments) == ()
        return call(function, arguments, *rest)

    monkeypatch.setattr(module, "call", watched)
    session.generate_secret(kind) if kind == "AES" else session.generate(kind)
    assert made


def test_what_is_missing_is_named_with_its_section() -> None:
    (one,) = advise("C_CreateObject", AES)
    assert (one.attribute, one.section) == ("CKA_VALUE", "6.10.2")
    assert str(one).startswith("CKA_VALUE is missing: C_CreateObject wants it")
    assert "CKA_VALUE_LEN" in said("C_GenerateKey", {}, "CKM_AES_KEY_GEN")
    assert set(said("C_CreateObject", {"CKA_CLASS": "CKO_PUBLIC_KEY", "CKA_KEY_TYPE": "CKK_RSA"})) == {
        "CKA_MODULUS",
        "CKA_PUBLIC_EXPONENT",
    }
    assert "CKA_KEY_TYPE" in said("C_UnwrapKey", {"CKA_CLASS": "CKO_SECRET_KEY"})
    assert set(said("C_CreateObject", {"CKA_LABEL": "x"})) == {"CKA_CLASS"}


def test_what_the_token_sets_itself_is_named() -> None:
    created = said("C_CreateObject", {**AES, "CKA_VALUE": bytes(16), "CKA_LOCAL": True, "CKA_VALUE_LEN": 16})
    assert set(created) == {"CKA_LOCAL", "CKA_VALUE_LEN"}
    assert "must not be given to C_CreateObject" in created["CKA_LOCAL"]
    unwrapped = {"CKA_CLASS": "CKO_PRIVATE_KEY", "CKA_KEY_TYPE": "CKK_EC", "CKA_EC_PARAMS": b"x"}
    assert "C_UnwrapKey" in said("C_UnwrapKey", unwrapped)["CKA_EC_PARAMS"]


def test_an_attribute_in_the_wrong_half_of_a_key_pair_is_named() -> None:
    template = {"CKA_EC_PARAMS": CURVES["P-256"].params, "CKA_SIGN": True}
    (one,) = advise("C_GenerateKeyPair", template, "CKM_EC_KEY_PAIR_GEN", "pPublicKeyTemplate")
    assert (one.attribute, one.parameter) == ("CKA_SIGN", "pPublicKeyTemplate")
    assert "is no attribute of a public key" in one.says


@pytest.mark.parametrize(
    "attribute, value, words",
    [
        ("CKA_TOKEN", b"\1\0\0\0", "4 bytes; a CK_BBOOL has 1"),
        ("CKA_TOKEN", b"\5", "neither CK_TRUE nor CK_FALSE"),
        ("CKA_KEY_TYPE", b"\x1f\0\0\0", "4 bytes; a CK_KEY_TYPE has 8"),
        ("CKA_START_DATE", b"2024-1-1", "is no date"),
        ("CKA_LABEL", {"CKA_TOKEN": True}, "is no template"),
        ("CKA_VALUE", b"x" * 15, "15 bytes; a CKK_AES key has 16, 24, 32"),
    ],
)
def test_bytes_that_cannot_be_of_the_type_are_named(attribute: str, value: Any, words: str) -> None:
    assert words in said("C_CreateObject", {**AES, "CKA_VALUE": bytes(16), attribute: value})[attribute]


def test_a_length_in_bits_is_noticed() -> None:
    assert (
        "bytes, not bits" in said("C_GenerateKey", {"CKA_VALUE_LEN": 256}, "CKM_AES_KEY_GEN")["CKA_VALUE_LEN"]
    )


@pytest.mark.parametrize(
    "extra, attribute",
    [
        ({"CKA_EXTRACTABLE": True, "CKA_SENSITIVE": False}, "CKA_EXTRACTABLE"),
        ({"CKA_WRAP_WITH_TRUSTED": True, "CKA_EXTRACTABLE": False}, "CKA_WRAP_WITH_TRUSTED"),
        ({"CKA_SENSITIVE": True, "CKA_PRIVATE": False}, "CKA_SENSITIVE"),
        ({"CKA_TRUSTED": True}, "CKA_TRUSTED"),
        ({"CKA_START_DATE": b"20250101", "CKA_END_DATE": b"20240101"}, "CKA_END_DATE"),
        ({"CKA_CLASS": "CKO_PUBLIC_KEY"}, "CKA_CLASS"),
        ({"CKA_KEY_TYPE": "CKK_DES3"}, "CKA_KEY_TYPE"),
        ({"CKA_LABEL": "x", spec.value("CKA_LABEL"): "y"}, "CKA_LABEL"),
    ],
)
def test_contradictions_are_named(extra: Any, attribute: str) -> None:
    assert attribute in said("C_GenerateKey", {"CKA_VALUE_LEN": 16, **extra}, "CKM_AES_KEY_GEN")


def test_one_way_and_read_only_attributes_are_named_when_they_are_changed() -> None:
    changes = {"CKA_SENSITIVE": False, "CKA_EXTRACTABLE": True, "CKA_CLASS": "CKO_DATA", "CKA_LABEL": "x"}
    assert set(said("C_SetAttributeValue", changes)) == {"CKA_SENSITIVE", "CKA_EXTRACTABLE", "CKA_CLASS"}
    assert set(said("C_CopyObject", changes)) == {"CKA_SENSITIVE", "CKA_EXTRACTABLE"}


@given(
    st.sampled_from(
        ["C_CreateObject", "C_GenerateKey", "C_GenerateKeyPair", "C_UnwrapKey", "C_DeriveKey", "C_CopyObject"]
    ),
    st.dictionaries(
        st.sampled_from([a.name for a in spec.attributes()]) | st.integers(0, 2**32), st.binary(max_size=20)
    ),
)
@settings(max_examples=60, deadline=None, database=None)
def test_no_template_breaks_the_advice_and_no_value_is_in_it(function: str, template: Any) -> None:
    values = {key: b"\xa5" + value for key, value in template.items()}
    for one in advise(function, values, "CKM_AES_KEY_GEN", "pPrivateKeyTemplate"):
        assert one.attribute in str(one)
        assert "a5" not in one.says
        assert "xa5" not in str(one)


# --- in the error of a failed call ----------------------------------------------------------------------------


def failure(session: Session, mechanism_name: str, template: Template) -> CryptokiError:
    with pytest.raises(CryptokiError) as caught:
        C.GenerateKey(session, mechanism_name, template)
    return caught.value


def test_an_incomplete_template_is_told_what_it_lacks(session: Session) -> None:
    error = failure(session, "CKM_AES_KEY_GEN", {"CKA_LABEL": "label of ours"})
    assert type(error) is errors.TemplateIncomplete
    assert error.template_advice[0].startswith("CKA_VALUE_LEN is missing")
    assert "Template: CKA_VALUE_LEN is missing" in str(error)
    assert "label of ours" not in str(error)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (str(copy), copy.template_advice) == (str(error), error.template_advice)


def test_both_halves_of_a_key_pair_are_looked_at(session: Session) -> None:
    with pytest.raises(CryptokiError) as caught:
        C.GenerateKeyPair(session, mechanism("CKM_EC_KEY_PAIR_GEN"), {}, {"CKA_VERIFY": True})
    assert caught.value.name == "CKR_TEMPLATE_INCOMPLETE"
    assert [remark.split()[0] for remark in caught.value.template_advice] == ["CKA_EC_PARAMS", "CKA_VERIFY"]


def test_a_secret_value_is_not_in_the_advice(session: Session) -> None:
    value = b"fifteen letters"
    with pytest.raises(CryptokiError) as caught:
        C.CreateObject(session, {**AES, "CKA_VALUE": value, "CKA_TOKEN": b"\1\1\1"})
    assert value.decode() not in str(caught.value)
    assert value.hex() not in str(caught.value)


def test_an_error_about_something_else_has_no_advice(session: Session) -> None:
    with pytest.raises(CryptokiError) as caught:
        C.Sign(session, b"data")
    assert caught.value.template_advice == ()
    assert advice_on_call("C_GenerateKey", "CKR_DEVICE_ERROR", (session.handle, mechanism(1), [])) == ()
