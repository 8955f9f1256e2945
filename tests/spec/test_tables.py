"""The tables against what is known of the standard, and the C that is written from them."""

from __future__ import annotations

import cffi
import pytest

from workbench import spec
from workbench.spec.declarations import cdef


def test_the_standard_has_104_functions_in_three_generations() -> None:
    by_version = [f.introduced for f in spec.functions()]
    assert [by_version.count(v) for v in ("2.40", "3.0", "3.2")] == [68, 24, 12]


def test_functions_stand_in_the_order_of_the_function_list() -> None:
    assert [f.order for f in spec.functions()] == list(range(1, 105))


def test_a_name_and_its_number_lead_to_each_other() -> None:
    for constant in spec.constants("CKM"):
        named = spec.name("CKM", constant.value)
        assert named == constant.name or spec.value(named) == constant.value


def test_an_alias_never_hides_the_name_it_stands_for() -> None:
    assert spec.name("CKM", spec.value("CKM_ECDSA_KEY_PAIR_GEN")) == "CKM_EC_KEY_PAIR_GEN"


def test_numbers_of_the_other_header_are_known_by_their_names() -> None:
    assert spec.name("CKR", 0x1C2) == spec.name("CKR", 0x1B7) == "CKR_LIBRARY_LOAD_FAILED"


def test_a_vendor_number_is_named_by_its_value() -> None:
    assert spec.name("CKM", 0x80000123) == "CKM_0x80000123"


def test_every_return_code_of_a_function_is_a_return_code() -> None:
    for function in spec.functions():
        for code in function.returns or ():
            assert spec.return_code(code).name == code


def test_a_code_is_listed_for_a_function_or_not() -> None:
    assert spec.allows("C_Login", "CKR_PIN_INCORRECT") is True
    assert spec.allows("C_Sign", "CKR_PIN_INCORRECT") is False


@pytest.mark.parametrize(
    "function, code",
    [
        ("C_AsyncComplete", "CKR_OK"),  # its return list is not in any source
        ("C_Sign", "CKR_FUNCTION_NOT_SUPPORTED"),  # listed nowhere, though every function may say it
        ("C_Sign", "CKR_0x80000001"),
    ],
)
def test_where_no_list_can_tell_nothing_is_claimed(function: str, code: str) -> None:
    assert spec.allows(function, code) is None


@pytest.mark.parametrize(
    "structure, size",
    [("CK_TOKEN_INFO", 208), ("CK_MECHANISM", 24), ("CK_ATTRIBUTE", 24), ("CK_GCM_PARAMS", 48)],
)
def test_declared_structures_have_the_size_of_the_compiled_header(structure: str, size: int) -> None:
    ffi = cffi.FFI()
    ffi.cdef(cdef())
    assert ffi.sizeof(structure) == size


def test_function_lists_have_a_pointer_for_every_function_of_their_version() -> None:
    ffi = cffi.FFI()
    ffi.cdef(cdef())
    names = ("CK_FUNCTION_LIST", "CK_FUNCTION_LIST_3_0", "CK_FUNCTION_LIST_3_2")
    assert [len(ffi.typeof(name).fields) - 1 for name in names] == [68, 92, 104]
