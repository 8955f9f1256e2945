"""Attributes both ways: every data type of the standard, alone and on tokens."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench import spec
from workbench.cryptoki import C, Version, attribute_name, attribute_number, decode, encode, errors, trace
from workbench.cryptoki.attributes import encode_template, fixed_size, is_nested
from workbench.cryptoki.library import ffi
from workbench.cryptoki.memory import attribute_array, read_attributes
from workbench.cryptoki.objects import ATTRIBUTE_BYTES
from workbench.faults import WorkbenchError
from workbench.tokens import Session, Token

few = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
pure = settings(max_examples=60, deadline=None, database=None)
ULONGS = st.integers(0, 2**64 - 1)
# Data type in the tables → values that come back as they went in.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "CK_BBOOL": st.booleans(),
    "BOOL": st.booleans(),
    "RFC2279 string": st.text(),
    "RFC 2279 string": st.text(),
    "CK_UTF8CHAR": st.text(),
    "Byte array": st.binary(),
    "Big integer": st.binary(),
    "CK_CHAR[16]": st.binary(min_size=16, max_size=16),
    "CK_DATE": st.none() | st.dates(),
    "CK_VERSION": st.tuples(st.integers(0, 255), st.integers(0, 255)).map(Version),
    "CK_MECHANISM_TYPE _PTR, pointer to a CK_MECHANISM_TYPE array": st.lists(ULONGS),
    "CK_ULONG_PTR": st.lists(ULONGS),
}
TYPED = [a for a in spec.attributes() if a.data_types and "CK_ATTRIBUTE_PTR" not in a.data_types]
NESTED = [a.name for a in spec.attributes() if "CK_ATTRIBUTE_PTR" in a.data_types]


def values_of(attribute: spec.Attribute) -> st.SearchStrategy[Any]:
    known = [VALUES[one] for one in attribute.data_types if one in VALUES]
    if len(known) > 1:
        return st.binary()  # CKA_VALUE and its like: bytes serve every type
    return known[0] if known else ULONGS


@pytest.mark.parametrize("attribute", TYPED, ids=lambda attribute: attribute.name)
@given(data=st.data())
@few
def test_every_attribute_comes_back_as_it_went_in(attribute: spec.Attribute, data: st.DataObject) -> None:
    value = data.draw(values_of(attribute))
    raw = encode(attribute.name, value)
    assert decode(attribute.name, raw) == value
    assert encode(attribute.name, raw) == raw
    assert decode(attribute_number(attribute.name), raw) == value
    size = fixed_size(attribute_number(attribute.name))
    assert size in (None, len(raw))


@given(st.data(), st.binary(max_size=40))
@pure
def test_no_answer_of_a_token_breaks_decoding(data: st.DataObject, raw: bytes) -> None:
    attribute = data.draw(st.sampled_from(spec.attributes()))
    value = decode(attribute.name, raw)
    if raw and not isinstance(value, (bool, int)):  # (a number of odd length has lost its length)
        assert encode(attribute.name, value) == raw


@pytest.mark.parametrize("attribute", [a.name for a in spec.attributes()])
def test_an_empty_value_is_possible_for_every_attribute(attribute: str) -> None:
    assert encode(attribute, None) == b""
    assert decode(attribute, b"") in (None, b"", "", [])


@given(st.integers(0, 2**300))
@pure
def test_a_big_integer_is_written_without_leading_zeros(value: int) -> None:
    raw = encode("CKA_MODULUS", value)
    assert int.from_bytes(raw, "big") == value
    assert raw == encode("CKA_VALUE", value)
    assert raw == b"\0" or raw[0]


@given(st.integers(0x80000000, 2**64 - 1), st.binary(max_size=20))
@pure
def test_a_vendors_attribute_goes_by_its_number_as_raw_bytes(number: int, raw: bytes) -> None:
    assert encode_template({number: raw, attribute_name(number): raw}) == [(number, raw), (number, raw)]
    assert decode(number, raw) == raw


def test_constants_go_by_name_and_vendors_too() -> None:
    assert decode("CKA_CLASS", encode("CKA_CLASS", "CKO_SECRET_KEY")) == spec.value("CKO_SECRET_KEY")
    assert decode("CKA_KEY_TYPE", encode("CKA_KEY_TYPE", "CKK_0x80000001")) == 0x80000001
    assert decode("CKA_ALLOWED_MECHANISMS", encode("CKA_ALLOWED_MECHANISMS", ["CKM_AES_GCM", 5])) == [
        spec.value("CKM_AES_GCM"),
        5,
    ]


@pytest.mark.parametrize(
    "attribute, value, message",
    [
        ("CKA_TOKEN", "no", "expected True or False"),
        ("CKA_VALUE_LEN", 32.0, "expected a number"),
        ("CKA_VALUE_LEN", -1, "CKA_VALUE_LEN"),
        ("CKA_VALUE_LEN", 2**64, "CKA_VALUE_LEN"),
        ("CKA_LABEL", 5, "expected bytes, not int"),
        ("CKA_ALLOWED_MECHANISMS", "CKM_AES_GCM", "expected a list"),
        ("CKA_VALIDATION_VERSION", (1, 300), "CKA_VALIDATION_VERSION"),
        ("CKA_VALIDATION_VERSION", 3, r"expected \(major, minor\)"),
        ("CKA_WRAP_TEMPLATE", "x", "expected a template"),
        ("CKA_KEY_TYPE", "CKK_EAS", "no constant 'CKK_EAS'"),
        ("CKA_0xYZ", b"", "no attribute 'CKA_0xYZ'"),
    ],
)
def test_a_value_of_the_wrong_type_names_attribute_and_type(attribute: str, value: Any, message: str) -> None:
    with pytest.raises(WorkbenchError, match=message):
        encode(attribute, value)


# --- nested templates ---------------------------------------------------------------------------------------

ROWS = st.lists(st.tuples(st.integers(0, 2**32), st.binary(max_size=20)), max_size=5)


@given(ROWS, ROWS)
@pure
def test_a_template_in_memory_reads_back_as_it_is(outer: Any, inner: Any) -> None:
    rows = [*outer, (spec.value("CKA_WRAP_TEMPLATE"), inner)]
    array, rooms = attribute_array(rows)
    assert read_attributes(array, rooms, rows) == rows
    assert array[len(outer)].ulValueLen == len(inner) * ATTRIBUTE_BYTES


def test_a_pointer_that_is_not_ours_is_no_answer() -> None:
    # NSS softoken stores a nested template as it stands, and answers with pointers that nobody may follow
    rows = [(spec.value("CKA_WRAP_TEMPLATE"), [(0, 8), (3, 5)]), (3, 4)]
    array, rooms = attribute_array(rows)
    array[1].pValue = ffi().cast("void *", 0xDEAD)
    ffi().cast("CK_ATTRIBUTE *", array[0].pValue)[1].pValue = ffi().cast("void *", 0xDEAD)
    assert read_attributes(array, rooms, rows) == [(rows[0][0], [(0, bytes(8)), (3, None)]), (3, None)]
    array[0].pValue = ffi().cast("void *", 0xDEAD)
    assert read_attributes(array, rooms, rows)[0] == (rows[0][0], None)


def test_the_structure_of_an_attribute_has_the_size_that_nested_templates_count_with() -> None:
    assert ffi().sizeof("CK_ATTRIBUTE") == ATTRIBUTE_BYTES
    assert set(NESTED) == {
        f"CKA_{use}_TEMPLATE" for use in ("WRAP", "UNWRAP", "DERIVE", "ENCAPSULATE", "DECAPSULATE")
    }
    assert all(is_nested(attribute_number(name)) for name in NESTED)


INNER = st.fixed_dictionaries(
    {},
    optional={
        "CKA_EXTRACTABLE": st.booleans(),
        "CKA_LABEL": st.text(max_size=12),
        "CKA_KEY_TYPE": st.sampled_from([spec.value("CKK_AES"), spec.value("CKK_DES3")]),
        "CKA_ID": st.binary(max_size=12),
    },
)


@given(INNER)
@few
def test_nested_templates_come_back_as_they_went_in(token: Token, session: Session, inner: Any) -> None:
    handle = C.CreateObject(session, {**AES, "CKA_UNWRAP_TEMPLATE": inner})
    wanted = ["CKA_LABEL", "CKA_UNWRAP_TEMPLATE", "CKA_EXTRACTABLE"]
    answer = C.GetAttributeValue(session, handle, wanted)
    if not token.name.startswith("nss"):
        assert answer["CKA_UNWRAP_TEMPLATE"] == inner
    else:  # NSS (3.87, 3.132) keeps the pointers of the caller; what it gives back are names without values
        assert answer["CKA_UNWRAP_TEMPLATE"] == dict.fromkeys(inner)
    assert list(answer) == wanted
    C.DestroyObject(session, handle)


AES = {
    "CKA_CLASS": "CKO_SECRET_KEY",
    "CKA_KEY_TYPE": "CKK_AES",
    "CKA_VALUE": bytes(16),
    "CKA_PRIVATE": False,
    "CKA_SENSITIVE": False,
    "CKA_EXTRACTABLE": True,
}


def test_a_nested_template_costs_one_call_more(softhsm_session: Session) -> None:
    handle = C.CreateObject(softhsm_session, {**AES, "CKA_WRAP_TEMPLATE": {"CKA_EXTRACTABLE": True}})
    with trace() as seen:
        C.GetAttributeValue(softhsm_session, handle, ["CKA_WRAP_TEMPLATE"])
        C.GetAttributeValue(softhsm_session, handle, ["CKA_LABEL"])
        C.GetAttributeValue(softhsm_session, handle, ["CKA_TOKEN"])
    assert len(seen) == 3 + 2 + 1


# --- the other types, on tokens ----------------------------------------------------------------------------------


@given(
    st.fixed_dictionaries(
        {
            "CKA_LABEL": st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20),
            "CKA_ID": st.binary(max_size=20),
            "CKA_ENCRYPT": st.booleans(),
            "CKA_START_DATE": st.dates(datetime.date(1900, 1, 1), datetime.date(2999, 12, 31)),
        },
        optional={"CKA_END_DATE": st.dates(datetime.date(3000, 1, 1))},
    ),
)
@few
def test_a_template_comes_back_as_it_went_in(session: Session, template: dict[str, Any]) -> None:
    handle = C.CreateObject(session, {**AES, **template})
    assert C.GetAttributeValue(session, handle, list(template)) == template
    C.DestroyObject(session, handle)


def test_mechanisms_allowed_come_as_a_list_of_numbers(session: Session) -> None:
    allowed = [spec.value("CKM_AES_ECB"), spec.value("CKM_AES_CBC")]
    handle = C.CreateObject(session, {**AES, "CKA_ALLOWED_MECHANISMS": ["CKM_AES_ECB", "CKM_AES_CBC"]})
    assert C.GetAttributeValue(session, handle, ["CKA_ALLOWED_MECHANISMS"]) == {
        "CKA_ALLOWED_MECHANISMS": allowed
    }


def test_an_empty_date_and_an_empty_label_stay_empty(session: Session) -> None:
    handle = C.CreateObject(session, {**AES, "CKA_END_DATE": None, "CKA_LABEL": ""})
    answer = C.GetAttributeValue(session, handle, ["CKA_END_DATE", "CKA_LABEL"])
    assert answer == {"CKA_END_DATE": None, "CKA_LABEL": ""}


def test_softhsm_cannot_read_the_date_of_a_private_object(softhsm_session: Session) -> None:
    # SoftHSM 2.6.1 stores it in the clear and decrypts it when it is read
    dated = {**AES, "CKA_PRIVATE": True, "CKA_START_DATE": datetime.date(2024, 2, 29)}
    handle = C.CreateObject(softhsm_session, dated)
    with pytest.raises(errors.error_class("CKR_GENERAL_ERROR")):
        C.GetAttributeValue(softhsm_session, handle, ["CKA_START_DATE"])
