"""PKCS#11 URIs: what the RFC allows is read, what it forbids is refused, and a PIN is never repeated."""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import Any

import attrs
import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st
from uris import maybe, uris

from workbench.cryptoki import C
from workbench.cryptoki.records import Version
from workbench.faults import WorkbenchError
from workbench.tokens import Session, Token
from workbench.tokens.pins import PinSource
from workbench.tokens.uri import Uri, parse_uri

PIN = "Zq7Wk2Xv"  # of no alphabet that the generated rest uses in this order


def outcome(text: str, trusted: bool) -> Uri | str:
    """What was read, or the sentence of the refusal; any other exception fails the test."""
    try:
        return parse_uri(text, trusted)
    except WorkbenchError as error:
        event("refused")
        return str(error)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("pkcs11:", Uri()),
        ("PKCS11:", Uri()),
        ("pkcs11:?", Uri()),
        ("pkcs11:token=", Uri(token="")),
        ("pkcs11:token=a%20b%3b;serial=0;model=%C3%A9", Uri(token="a b;", serial="0", model="é")),
        ("pkcs11:object=:[]@!$'()*+,=&-._~", Uri(object=":[]@!$'()*+,=&-._~")),
        ("pkcs11:id=%00%ffAb", Uri(id=b"\0\xffAb")),
        ("pkcs11:type=secret-key;Type2=x", Uri(type="secret-key", vendor_path=(("Type2", "x"),))),
        ("pkcs11:library-version=3", Uri(library_version=Version((3, 0)))),
        ("pkcs11:library-version=3.12;slot-id=007", Uri(library_version=Version((3, 12)), slot_id=7)),
        ("pkcs11:slot-id=18446744073709551615", Uri(slot_id=2**64 - 1)),
        ("pkcs11:?module-name=opensc-pkcs11", Uri(module_name="opensc-pkcs11")),
        ("pkcs11:?pin-source=file:/etc/pin", Uri(pin_source=PinSource("file", "/etc/pin"))),
        ("pkcs11:?pin-source=/etc/a%20pin", Uri(pin_source=PinSource("file", "/etc/a pin"))),
        ("pkcs11:?x-a=1/?|&x-a=2", Uri(vendor_query=(("x-a", "1/?|"), ("x-a", "2")))),
    ],
)
def test_what_the_rfc_allows_is_read(text: str, expected: Uri) -> None:
    assert parse_uri(text) == expected


@pytest.mark.parametrize(
    "text, why",
    [
        ("token=a", "starts with pkcs11:"),
        ("pkcs11:token", "attribute 1 in the path .* name=value"),
        ("pkcs11:token=a;", "attribute 2 in the path .* name=value"),
        ("pkcs11:to ken=a", "attribute 1"),
        ("pkcs11:?x&y=1", "attribute 1 in the query"),
        ("pkcs11:token=a b", "token .* character 2 .* percent-encoded"),
        ("pkcs11:token=é", "character 1 .* percent-encoded"),
        ("pkcs11:token=a/b", "character 2"),
        ("pkcs11:token=%4", "character 1"),
        ("pkcs11:token=a#b", "character 2"),
        ("pkcs11:token=%FF", "token .* not UTF-8"),
        ("pkcs11:token=a;token=a", "token .* twice"),
        ("pkcs11:x=a;x=b", "x .* twice"),
        ("pkcs11:?module-name=a&module-name=b", "module-name .* twice"),
        ("pkcs11:?object=a", "object .* before the question mark"),
        ("pkcs11:module-name=a", "module-name .* after the question mark"),
        ("pkcs11:type=key", "type .* one of public, private"),
        ("pkcs11:slot-id=0x1", "slot-id .* decimal"),
        ("pkcs11:slot-id=18446744073709551616", "slot-id"),
        ("pkcs11:slot-id=" + "1" * 5000, "slot-id"),
        ("pkcs11:slot-id=٣", "slot-id"),
        ("pkcs11:library-version=3.", "library-version .* MAJOR"),
        ("pkcs11:library-version=3.256", "library-version"),
        ("pkcs11:?module-name=../evil", "without a path"),
        ("pkcs11:?pin-source=file:pin", "absolute path"),
        ("pkcs11:?pin-source=file:~root/pin", "absolute path"),
        ("pkcs11:?pin-source=file://elsewhere/etc/pin", "another machine"),
        ("pkcs11:?pin-source=https://elsewhere/pin", "is one of env:NAME"),
    ],
)
def test_what_the_rfc_forbids_is_refused_and_says_where(text: str, why: str) -> None:
    with pytest.raises(WorkbenchError, match=why):
        parse_uri(text, trusted=True)


@pytest.mark.parametrize(
    "text",
    [
        f"pkcs11:?pin-value={PIN}",
        f"pkcs11:token=a?pin-value={PIN}&module-name=b",
        f"pkcs11:token=a;pin-value={PIN}",
        f"pkcs11:token=%?x&PIN-Value={PIN}",
        f"pkcs11:?pin%2Dvalue={PIN}",
        f"pkcs11:?pin_value={PIN}",
        f"pkcs11:?x-pin-value={PIN}",
        f"pkcs11:?pin={PIN}",
        f"pkcs11:?pin-value%3D{PIN}",
        f"pkcs11:?pin-value:{PIN}",
        f"pkcs11:?pin-source={PIN}",
        f"pkcs11:?module-path={PIN}",
        f"pkcs11:slot-id={PIN}",
        f"{PIN}",
    ],
)
@pytest.mark.parametrize("trusted", [False, True])
def test_a_pin_is_refused_wherever_it_stands_and_not_repeated(text: str, trusted: bool) -> None:
    with pytest.raises(WorkbenchError) as caught:
        parse_uri(text, trusted)
    assert PIN not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize(
    "query", ["module-path=/opt/vendor.so", "pin-source=|pass%20hsm", "pin-source=command:pass"]
)
def test_a_program_is_named_only_where_the_user_configures(query: str) -> None:
    assert parse_uri(f"pkcs11:?{query}", trusted=True).names_token is False
    with pytest.raises(WorkbenchError, match=r"taken only from workbench\.toml"):
        parse_uri(f"pkcs11:?{query}")


def test_a_command_shows_its_program_and_not_its_arguments() -> None:
    uri = parse_uri(f"pkcs11:?pin-source=|echo%20{PIN}", trusted=True)
    assert PIN not in repr(uri)
    assert str(uri.pin_source) == "command:echo …"
    assert PIN not in str(uri.without_query())


@given(uris)
def test_what_is_written_reads_back(uri: Uri) -> None:
    assert parse_uri(str(uri), trusted=True) == uri


@given(st.text(max_size=60) | st.text(max_size=60).map("pkcs11:".__add__))
def test_any_text_is_read_or_refused(text: str) -> None:
    found = outcome(text, trusted=True)
    if isinstance(found, Uri):
        assert parse_uri(str(found), trusted=True) == found
    else:
        assert "\n" not in found


@given(uris, st.data())
def test_a_damaged_uri_is_read_or_refused_and_its_pin_stays_unsaid(uri: Uri, data: st.DataObject) -> None:
    text = str(uri)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        gone = data.draw(st.integers(0, 2))
        piece = data.draw(
            st.sampled_from(["", "%", ";", "&", "?", "=", "|", " ", "#", "\0", "é", "token=", "id=%F"])
        )
        text = text[:at] + piece + text[at + gone :]
    at = data.draw(st.integers(0, len(text)))
    separator = data.draw(st.sampled_from([";", "&", "?"]))
    planted = f"{text[:at]}{separator}pin-value={PIN}{text[at:]}"
    trusted = data.draw(st.booleans())
    found, refused = outcome(text, trusted), outcome(planted, trusted)
    if isinstance(found, Uri):
        assert parse_uri(str(found), trusted=True) == found
    assert isinstance(refused, str)
    assert PIN not in refused


def test_a_real_token_answers_to_each_of_its_attributes_and_to_no_other(softhsm: Token) -> None:
    info, slot_info = softhsm.info, C.GetSlotInfo(softhsm.module, softhsm.slot)
    module_info = C.GetInfo(softhsm.module)
    whole = Uri(
        token=info.label,
        manufacturer=info.manufacturerID,
        serial=info.serialNumber,
        model=info.model,
        library_manufacturer=module_info.manufacturerID,
        library_version=module_info.libraryVersion,
        library_description=module_info.libraryDescription,
        slot_manufacturer=slot_info.manufacturerID,
        slot_description=slot_info.slotDescription,
        slot_id=softhsm.slot,
    )

    def matches(uri: Uri) -> bool:
        return parse_uri(str(uri)).matches_token(info, slot_info, module_info, softhsm.slot)

    assert matches(whole)
    assert matches(Uri())
    assert matches(attrs.evolve(whole, token=info.label.ljust(32)))
    other: dict[str, Any] = {"library_version": Version((0, 99)), "slot_id": softhsm.slot + 1}
    for field in ("token", "manufacturer", "serial", "model", "library_manufacturer", "library_description"):
        other[field] = "of somebody else"
    for field in ("slot_manufacturer", "slot_description"):
        other[field] = ""
    for field, value in other.items():
        assert matches(Uri(**{field: getattr(whole, field)})), field
        assert not matches(attrs.evolve(whole, **{field: value})), field


def test_an_attribute_that_nobody_knows_matches_no_token(softhsm: Token) -> None:
    uri = parse_uri(f"pkcs11:token={softhsm.label};x-partition=1")
    slot_info, module_info = C.GetSlotInfo(softhsm.module, softhsm.slot), C.GetInfo(softhsm.module)
    assert not uri.matches_token(softhsm.info, slot_info, module_info, softhsm.slot)


def test_the_template_of_a_uri_finds_the_object(softhsm_session: Session) -> None:
    key = softhsm_session.generate("EC", label="named by a URI; é")
    text = "pkcs11:object=named%20by%20a%20URI%3B%20%C3%A9;type="
    assert softhsm_session.find(parse_uri(text + "private").template()) == [key.private.handle]
    assert softhsm_session.find(parse_uri(text + "public").template()) == [key.public.handle]
    assert softhsm_session.find(parse_uri(text + "cert").template()) == []


# p11-kit's reader and writer of URIs, an implementation of its own, is on most systems that have a PKCS#11 module.
P11_KIT = ctypes.util.find_library("p11-kit")
FOR_ANY = 0xFFFF  # P11_KIT_URI_FOR_ANY; 255 and the highest slot number mean *not given* to p11-kit


def padded(size: int) -> st.SearchStrategy[object]:
    """Text for a member that C holds in ``size`` bytes, padded with spaces."""
    characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0 ")
    return st.text(characters, min_size=1, max_size=size).filter(lambda text: len(text.encode()) <= size)


@pytest.mark.skipif(P11_KIT is None, reason="libp11-kit is not installed")
@given(
    st.builds(
        Uri,
        token=maybe(padded(32)),
        serial=maybe(padded(16)),
        manufacturer=maybe(padded(32)),
        library_version=maybe(st.tuples(st.integers(0, 254), st.integers(0, 254)).map(Version)),
        slot_description=maybe(padded(64)),
        slot_id=maybe(st.integers(0, 2**64 - 2)),
        object=maybe(padded(40)),
        type=st.none() | st.sampled_from(["public", "private", "cert", "secret-key", "data"]),
        id=maybe(st.binary(min_size=1, max_size=12)),
        module_name=maybe(padded(20)),
        module_path=maybe(padded(20).map(lambda text: f"/{text}")),
        pin_source=maybe(padded(20).map(lambda text: PinSource("file", f"/x{text}"))),
    )
)
def test_p11_kit_reads_what_is_written_and_writes_what_is_read(uri: Uri) -> None:
    assume(uri.module_name is None or "/" not in uri.module_name)
    library = ctypes.CDLL(P11_KIT)
    library.p11_kit_uri_new.restype = ctypes.c_void_p
    theirs = ctypes.c_void_p(library.p11_kit_uri_new())
    try:
        assert library.p11_kit_uri_parse(str(uri).encode(), FOR_ANY, theirs) == 0
        written = ctypes.c_char_p()
        assert library.p11_kit_uri_format(theirs, FOR_ANY, ctypes.byref(written)) == 0
        assert written.value is not None
        assert parse_uri(written.value.decode(), trusted=True) == uri
    finally:
        library.p11_kit_uri_free(theirs)
