"""All 104 functions: that each is a Python callable with its parameters, and what real modules answer to each.

The answers are kept in ``every_function.json``, which ``docs/coverage.md`` is made from; after a change of the
scenarios or with other versions of the modules, ``tools/coverage_page.py --record`` writes it anew.
"""

from __future__ import annotations

import inspect
import json
import os
from pathlib import Path
from typing import Any

import pytest
from every_function import ask

from workbench import spec, tokens
from workbench.cryptoki import C
from workbench.cryptoki.shapes import Kind, Shape, shapes

HERE = Path(__file__).parent
FAST = ("softhsm", "nss")
RECORDED = json.loads((HERE / "every_function.json").read_text())
ASKED_BY_US = {Kind.LIST, Kind.INTERFACES, Kind.INIT}  # the size of a list is asked for, not given
NOT_SUPPORTED = "CKR_FUNCTION_NOT_SUPPORTED"


def wanted(function: spec.Function) -> list[tuple[str, ...]]:
    """For each Python parameter the names that the standard has for its group of C parameters."""
    names, place = [], 0
    for shape in shapes(function.name):
        group = function.params[place : place + shape.width]
        place += shape.width
        if shape.takes and shape.kind not in ASKED_BY_US:
            names.append(tuple(p.name for p in group))
    return names


def test_the_groups_of_parameters_cover_each_function_once() -> None:
    def width(shape: Shape) -> int:
        return shape.width

    for function in spec.functions():
        assert sum(map(width, shapes(function.name))) == len(function.params), function.name


def test_there_are_104_annotated_callables_with_the_standards_parameters() -> None:
    functions = spec.functions()
    assert len(functions) == 104
    for function in functions:
        call = getattr(C, function.name.removeprefix("C_"))
        signature = inspect.signature(call)
        assert all(p.annotation is not p.empty for p in signature.parameters.values()), function.name
        assert signature.return_annotation is not signature.empty, function.name
        given = [name for name in signature.parameters if name != "module"]
        groups = wanted(function)
        assert len(given) == len(groups), function.name
        assert all(name in group for name, group in zip(given, groups, strict=True)), function.name


@pytest.fixture(
    scope="module",
    params=[name if name in FAST else pytest.param(name, marks=pytest.mark.notebook) for name in RECORDED],
)
def name(request: pytest.FixtureRequest) -> str:
    """The token's name. Most are for the long loop."""
    chosen: str = request.param
    reason = tokens.why_not(chosen)
    if reason is not None and "CI" in os.environ:
        pytest.fail(f"{chosen} is not available on CI: {reason}")
    if reason is not None:
        pytest.skip(reason)
    return chosen


@pytest.fixture(scope="module")
def answered(name: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the module answers, in a process and with tokens of its own."""
    return ask(name, tmp_path_factory.mktemp(f"every-function-{name}"))


def test_every_function_of_v2_40_is_reached(answered: dict[str, Any]) -> None:
    old = [function.name for function in spec.functions() if function.introduced == "2.40"]
    reached = [name for name in old if answered["functions"][name] not in ("absent", "NULL")]
    assert len(old) == len(reached) == 68


def test_the_legacy_functions_answer_that_there_is_nothing_parallel(
    name: str, answered: dict[str, Any]
) -> None:
    for function in ("C_GetFunctionStatus", "C_CancelFunction"):
        expected = NOT_SUPPORTED if name == "tpm" else "CKR_FUNCTION_NOT_PARALLEL"
        assert answered["functions"][function] == expected


def test_a_function_works_or_says_why_not(name: str, answered: dict[str, Any]) -> None:
    assert set(answered["functions"]) == {function.name for function in spec.functions()}
    if name not in FAST:
        return  # what the others do instead is held to the record, function by function
    odd = {
        function: said
        for function, said in answered["functions"].items()
        if said not in ("works", "absent", "NULL", "CKR_FUNCTION_NOT_PARALLEL")
        and not said.startswith(NOT_SUPPORTED)
    }
    # C_WaitForSlotEvent: no event came; C_LoginUser: NSS has no named users and says it in this way
    assert set(odd) <= {"C_WaitForSlotEvent", "C_LoginUser"}, odd


def test_the_answers_are_those_that_the_coverage_page_shows(name: str, answered: dict[str, Any]) -> None:
    recorded = RECORDED[name]
    if answered["library"] != recorded["library"]:
        pytest.skip(f"recorded with {recorded['library']}, here is {answered['library']}")
    assert answered == recorded


def test_a_null_pin_and_a_context_specific_login_reach_the_module(answered: dict[str, Any]) -> None:
    # a refusal by the policy, or of the workbench itself, would be no answer of the module
    assert all(said.startswith("CKR_") for said in answered["logins"].values())
