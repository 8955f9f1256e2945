"""The advice on return codes: complete, plain, concrete, and never the same thing twice."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from workbench import spec

ADVICE: dict[str, Any] = json.loads(
    files("workbench.spec").joinpath("data", "advice.json").read_text(encoding="utf-8")
)


def items() -> Iterator[tuple[str, str]]:
    for name, row in ADVICE.items():
        for text in (row["means"], *row["causes"], *row["next"]):
            yield name, text


def test_every_return_code_of_the_standard_has_advice_and_nothing_else_has() -> None:
    assert set(ADVICE) == {code.name for code in spec.return_codes()}


@pytest.mark.parametrize("name", ADVICE)
def test_advice_is_complete(name: str) -> None:
    row = ADVICE[name]
    assert set(row) == {"means", "causes", "next"}
    assert row["means"].endswith(".")
    assert 1 <= len(row["causes"]) <= 4
    assert 1 <= len(row["next"]) <= 3


@pytest.mark.parametrize("name", ADVICE)
def test_every_item_is_a_sentence_that_fits_one_line(name: str) -> None:
    row = ADVICE[name]
    for text in (row["means"], *row["causes"], *row["next"]):
        assert 15 <= len(text) <= 160, text
        assert text == " ".join(text.split()), text
        assert text.endswith((".", "?")), text


def test_the_file_is_sorted_by_name() -> None:
    assert list(ADVICE) == sorted(ADVICE)


def test_no_item_is_given_to_two_codes() -> None:
    seen: dict[str, str] = {}
    for name, text in items():
        assert text not in seen, (seen[text], name, text)
        seen[text] = name


def test_no_two_codes_share_a_long_run_of_words() -> None:
    runs: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for name, text in items():
        words = re.findall(r"[\w'‖]+", text.lower())
        for start in range(len(words) - 5):
            runs[tuple(words[start : start + 6])].add(name)
    assert [(" ".join(run), names) for run, names in runs.items() if len(names) > 1] == []


def test_every_name_that_an_item_mentions_exists() -> None:
    known = {f.name for f in spec.functions()} | {c.name for c in spec.constants()}
    known |= {"CKA_KMS_ALGORITHM"}  # a vendor's own, and said to be so
    for name, text in items():
        for mentioned in re.findall(r"\bCK[A-Z]_[A-Z0-9_]*[A-Z0-9]\b|\bC_[A-Za-z]+", text):
            assert mentioned in known, f"{name}: {mentioned}"


def test_a_wrong_pin_is_never_to_be_retried() -> None:
    assert "do not retry" in ADVICE["CKR_PIN_INCORRECT"]["next"][0]


@pytest.mark.parametrize(
    "code, word",
    [
        ("CKR_PIN_INCORRECT", "user:password"),
        ("CKR_PIN_INCORRECT", "openCryptoki"),
        ("CKR_GENERAL_ERROR", "SOFTHSM2_CONF"),
        ("CKR_HOST_MEMORY", "FHSM_INTEGRITY_ALLOW_UNSIGNED=1"),
        ("CKR_TEMPLATE_INCONSISTENT", "nShield"),
        ("CKR_MECHANISM_PARAM_INVALID", "ulIvBits"),
        ("CKR_OPERATION_ACTIVE", "Threads"),
        ("CKR_BUFFER_TOO_SMALL", "still active"),
        ("CKR_CRYPTOKI_NOT_INITIALIZED", "fork"),
        ("CKR_SIGNATURE_LEN_RANGE", "r‖s"),
        ("CKR_MECHANISM_INVALID", "CKM_ML_DSA"),
    ],
)
def test_known_practice_is_told(code: str, word: str) -> None:
    assert word in " ".join((*ADVICE[code]["causes"], *ADVICE[code]["next"]))


def test_codes_with_two_numbers_tell_both() -> None:
    for code in spec.return_codes():
        for number, _ in code.other_values:
            text = " ".join(ADVICE[code.name]["causes"])
            assert f"0x{number:X}" in text
            assert f"0x{spec.value(code.name):X}" in text
