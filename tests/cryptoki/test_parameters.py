"""Mechanism parameters: every structure of the standard can be expressed, and shows nothing that it carries."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from workbench import spec
from workbench.cryptoki import Secret, mechanism, mechanisms
from workbench.cryptoki.library import ffi
from workbench.cryptoki.mechanisms import Mechanism, OutputBytes, OutputNumber, Parameter
from workbench.cryptoki.memory import _length_member, new_mechanism, new_parameter, read_parameter
from workbench.faults import WorkbenchError

STRUCTS = sorted({m.parameter_struct for m in spec.mechanisms() if m.parameter_struct})


def filled_in(struct: str) -> Parameter:
    """A parameter of that type with a value for every member that is not the length of another."""
    try:
        fields = spec.struct(struct).fields
    except KeyError:
        return Parameter(struct, {"value": 3})
    members: dict[str, Any] = {}
    for place, field in enumerate(fields, 1):
        ctype, pointer = field.ctype.removesuffix("_PTR"), field.ctype.endswith("_PTR")
        if field.name in {"ulParameterLen", "pParameter"}:
            continue
        if field.array:
            members[field.name] = bytes(range(place, place + field.array))
        elif ctype == "CK_MECHANISM":
            members[field.name] = Mechanism(place, b"inner")
        elif ctype == "CK_ATTRIBUTE":
            members[field.name] = {"CKA_LABEL": "x", "CKA_TOKEN": True}
        elif ctype in {s.name for s in spec.structs()}:
            inner = filled_in(ctype)
            many = pointer and ctype in {"CK_PRF_DATA_PARAM", "CK_DERIVED_KEY", "CK_OTP_PARAM"}
            members[field.name] = (inner, inner) if many else inner
        elif pointer and ctype in ("CK_ULONG", "CK_OBJECT_HANDLE"):
            members[field.name] = OutputNumber(place)
        elif pointer:
            members[field.name] = OutputBytes(8) if field.name == "pOutput" else bytes([place]) * 5
        elif not any(f.name != field.name and counted_by(f, field.name, fields) for f in fields):
            members[field.name] = place
    return Parameter(struct, members)


def counted_by(pointer: spec.Field, length: str, fields: tuple[spec.Field, ...]) -> bool:
    named = {f.name: f for f in fields}
    return pointer.ctype.endswith("_PTR") and _length_member(pointer.name, named) == length


def holds(parameter: Parameter, structure: Any) -> None:
    """The C structure has every member of the parameter."""
    if "value" in parameter.members and len(parameter.members) == 1:
        assert structure[0] == parameter["value"]
        return
    fields = {f.name: f for f in spec.struct(parameter.struct).fields}
    for name, member in parameter.members.items():
        raw = getattr(structure, name)
        match member:
            case None | b"":
                assert raw == ffi().NULL
            case int():
                pointed = fields[name].ctype.endswith("_PTR")
                assert (ffi().cast("CK_ULONG *", raw)[0] if pointed else raw) == member
            case Secret():
                assert bytes(ffi().buffer(raw, 8)) == member.reveal()
            case bytes():
                assert bytes(ffi().buffer(raw, len(member))) == member
            case OutputNumber() if fields[name].ctype.endswith("_PTR"):
                assert member.value == member.initial == raw[0]
                raw[0] = 77
                assert member.value == 77
            case OutputNumber():
                assert member.value == member.initial == raw
                setattr(structure, name, 77)
                assert member.value == 77
            case OutputBytes():
                ffi().memmove(raw, b"\7" * member.size, member.size)
                assert member.value == b"\7" * member.size
            case Mechanism():
                assert raw.mechanism == member.type
                assert bytes(ffi().buffer(raw.pParameter, raw.ulParameterLen)) == b"inner"
            case Parameter():
                pointed = fields[name].ctype.endswith("_PTR")
                holds(member, ffi().cast(f"{member.struct} *", raw)[0] if pointed else raw)
            case tuple():
                for place, one in enumerate(member):
                    assert isinstance(one, Parameter)
                    if place == len(member) - 1:  # outputs read where their parameter was put last
                        holds(one, raw[place])
            case _:  # a template
                assert [one.type for one in raw[0 : len(member)]] == [spec.value(n) for n in member]
    for name, field in fields.items():
        counted = next((f for f in fields.values() if counted_by(f, name, tuple(fields.values()))), None)
        if name not in parameter.members and counted is not None:
            member = parameter.members.get(counted.name)
            raw = getattr(structure, name)
            length = raw[0] if field.ctype.endswith("_PTR") else raw
            if isinstance(member, (bytes, tuple, dict)):
                assert length == len(member)


def test_the_standard_names_seventy_one_parameter_types() -> None:
    assert len(STRUCTS) == 71


@pytest.mark.parametrize("struct", STRUCTS)
def test_every_structure_that_a_mechanism_takes_can_be_built(struct: str) -> None:
    parameter = filled_in(struct)
    pointer, size, keep = new_parameter(parameter)
    assert size == ffi().sizeof(struct)
    holds(parameter, pointer if "value" in parameter.members else pointer[0])
    again = read_parameter(parameter, pointer)
    assert again.struct == struct
    assert set(again.members) == set(parameter.members)
    assert keep


def test_what_a_module_writes_comes_back_in_a_new_parameter() -> None:
    asked = mechanisms.gcm_message(bytes(12))
    pointer, _, keep = new_parameter(asked)
    pointer.pTag[0], pointer.pIv[11] = 5, 9
    answered = read_parameter(asked, pointer)
    assert answered["pTag"] == b"\5" + bytes(15)
    assert answered["pIv"] == bytes(11) + b"\x09"
    assert asked["pTag"] == bytes(16)
    assert keep


def test_a_module_cannot_write_into_the_bytes_of_the_program() -> None:
    iv = bytes(range(16))
    made, keep = new_mechanism(Mechanism(1, iv))
    ffi().cast("CK_BYTE *", made.pParameter)[0] = 99
    assert iv == bytes(range(16))
    assert keep


def test_a_number_is_passed_as_a_ck_ulong() -> None:
    made, keep = new_mechanism(mechanism("CKM_SHA256_HMAC_GENERAL", 16))
    assert made.ulParameterLen == 8
    assert ffi().cast("CK_ULONG *", made.pParameter)[0] == 16
    assert keep


@pytest.mark.parametrize(
    "parameter, message",
    [
        (Parameter("CK_NO_PARAMS", {"x": 1}), "no structure 'CK_NO_PARAMS'"),
        (Parameter("CK_GCM_PARAMS", {"pIV": b"x"}), "no member 'pIV'; it has pIv"),
        (mechanisms.ctr(b"short"), r"cb is a CK_BYTE\[16\]"),
        (Parameter("CK_GCM_PARAMS", {"ulTagBits": -1}), "ulTagBits is a CK_ULONG"),
        (Parameter("CK_MAC_GENERAL_PARAMS", {"length": 1}), "is a number"),
        (Parameter("CK_KEA_DERIVE_PARAMS", {"pRandomA": b"1", "pRandomB": b"22"}), "ulRandomLen counts"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(parameter: Parameter, message: str) -> None:
    with pytest.raises(WorkbenchError, match=message):
        new_parameter(parameter)


def test_names_that_do_not_exist_are_named() -> None:
    with pytest.raises(WorkbenchError, match="no hash 'MD6' here; one of SHA-1"):
        mechanisms.rsa_pss("MD6")
    with pytest.raises(WorkbenchError, match="no key derivation CKD_X"):
        mechanisms.ecdh1(b"", "CKD_X")
    with pytest.raises(WorkbenchError, match="no MGF1"):
        mechanisms.rsa_oaep("SHA-512/256")
    with pytest.raises(WorkbenchError, match="not both"):
        mechanisms.hkdf(salt=b"x", salt_key=1)
    with pytest.raises(WorkbenchError, match="not part of a call yet"):
        OutputBytes(1).value  # noqa: B018


def test_an_unknown_mechanism_goes_by_the_name_that_it_is_shown_with() -> None:
    assert mechanism("CKM_0x80000123").type == 0x80000123
    assert mechanism(mechanism(0x80000123).name) == Mechanism(0x80000123)
    with pytest.raises(WorkbenchError, match="CKM_0xZZ"):
        mechanism("CKM_0xZZ")


@given(
    st.binary(min_size=12, max_size=40).map(lambda b: b.hex())
)  # shorter ones can be words of ours: "salt"
@settings(max_examples=25, deadline=None, database=None)
def test_no_rendering_of_a_parameter_has_its_bytes(text: str) -> None:
    raw = bytes.fromhex(text)
    shown = [
        f"{one} {one!r} {mechanism('CKM_AES_GCM', one)} {mechanism('CKM_AES_GCM', one)!r}"
        for one in (
            mechanisms.pbkdf2(text, raw, 1000),
            mechanisms.pbe(Secret(text), raw, 1000),
            mechanisms.gcm(raw, raw),
            mechanisms.tls12_key_material(raw, raw, 0, 128, 32),
            mechanisms.sp800_108(mechanisms.kdf_bytes(raw)),
        )
    ]
    for one in shown:
        assert text not in one
        assert repr(raw)[2:-1] not in one


def test_a_parameter_is_described_by_its_structure_alone() -> None:
    parameter = mechanisms.pbkdf2("correct horse", b"salt", 1000)
    assert mechanisms.describe_parameter(parameter) == "CK_PKCS5_PBKD2_PARAMS2"
    assert str(mechanism("CKM_PKCS5_PBKD2", parameter)) == "CKM_PKCS5_PBKD2 with CK_PKCS5_PBKD2_PARAMS2"
    assert repr(parameter["pPassword"]) == "<secret>"


def made_by_constructors() -> list[Parameter]:
    """One parameter of every constructor, with arguments of the types that it takes."""
    given: dict[str, Any] = {"bytes": b"12345678", "int": 16, "str": "SHA-256", "bool": True, "Template": {}}
    special = {
        "password": "password",
        "kdf": "CKD_NULL",
        "hedge": 1,
        "generator": 0,
        "cipher": "DES",
        "prf": "CKM_SHA256_HMAC",
    }
    made = []
    for name in mechanisms.__all__:
        constructor = getattr(mechanisms, name)
        if not inspect.isfunction(constructor) or name in ("mechanism", "describe_parameter"):
            continue
        wanted = [p for p in inspect.signature(constructor).parameters.values() if p.default is p.empty]
        arguments = [
            special.get(p.name, given[str(p.annotation).rpartition("| ")[2]])
            for p in wanted
            if p.kind is not p.VAR_POSITIONAL
        ]
        if name in ("ctr", "camellia_ctr", "cbc_encrypt_data"):
            arguments[0] = bytes(16)
        made.append(constructor(*arguments))
    return made


def test_every_constructor_makes_what_fits_into_its_structure() -> None:
    made = made_by_constructors()
    assert len(made) == len(mechanisms.__all__) - 8  # Mechanism, Parameter and the like
    for parameter in made:
        pointer, size, keep = new_parameter(parameter)
        assert size == ffi().sizeof(parameter.struct)
        holds(parameter, pointer if "value" in parameter.members else pointer[0])
        assert keep


def test_the_facade_reaches_the_constructors() -> None:
    assert wb.mechanisms.rsa_pss(hash="SHA-256", salt_length=32) == wb.rsa_pss("SHA-256")
    assert wb.mechanism("CKM_AES_GCM", wb.gcm(bytes(12))).name == "CKM_AES_GCM"
