"""One file per chapter: every ``C_`` function stands in the file of its chapter, with the standard's names."""

from __future__ import annotations

import importlib
import inspect

import pytest

from workbench import spec
from workbench.cryptoki import C

CHAPTERS = {
    "5.4": "general",
    "5.5": "slots",
    "5.6": "sessions",
    "5.7": "objects",
    "5.8": "encryption",
    "5.9": "message_encryption",
    "5.10": "decryption",
    "5.11": "message_decryption",
    "5.12": "digesting",
    "5.13": "signing",
    "5.14": "message_signing",
    "5.15": "verifying",
    "5.16": "message_verifying",
    "5.17": "dual",
    "5.18": "keys",
    "5.19": "random",
    "5.20": "parallel",
    "5.21": "asynchronous",
}
PLACES = list(CHAPTERS.items())
CALLS = [name for name in C.__all__ if name != "length_of"]


def test_every_function_of_the_standard_is_there() -> None:
    assert {f"C_{name}" for name in CALLS} == {function.name for function in spec.functions()}


@pytest.mark.parametrize("chapter, name", PLACES)
def test_a_chapters_file_holds_functions_of_that_chapter_alone(chapter: str, name: str) -> None:
    module = importlib.import_module(f"workbench.cryptoki.{name}")
    assert module.__doc__ is not None
    assert f"Chapter {chapter}:" in module.__doc__.splitlines()[0]
    assert {spec.function(function).chapter for function in module.__all__} == {chapter}


@pytest.mark.parametrize("short", CALLS)
def test_parameters_have_the_standards_names_in_the_standards_order(short: str) -> None:
    function = spec.function(f"C_{short}")
    given = [name for name in inspect.signature(getattr(C, short)).parameters if name != "module"]
    standard = [p.name for p in function.params]
    assert [name for name in standard if name in given] == given


@pytest.mark.parametrize("short", CALLS)
def test_the_docstring_names_the_section(short: str) -> None:
    doc = inspect.getdoc(getattr(C, short)) or ""
    assert f"{spec.function(f'C_{short}').section}" in doc
