"""Numbers and findings in words."""

from __future__ import annotations

import math

import pytest

from workbench.measure import Interval
from workbench.report import words


@pytest.mark.parametrize(
    "value, text",
    [
        (1234567.0, "1 230 000"),
        (17.615, "17.6"),
        (0.2713, "0.271"),
        (9.996, "10.0"),
        (0.0, "0"),
        (math.nan, "-"),
    ],
    ids=str,
)
def test_a_figure_has_three_significant_digits(value: float, text: str) -> None:
    expected = text.replace(" ", "\N{NARROW NO-BREAK SPACE}").replace("-", "\N{EN DASH}")
    assert words.figures(value) == expected


def test_an_interval_without_bounds_says_nothing() -> None:
    assert words.interval(Interval(5.0, math.nan, math.nan)) == ""
    assert words.interval(Interval(5.0, 4.0, 6.0)) == "4.00 to 6.00"


def test_names_are_listed_as_in_a_sentence() -> None:
    assert [words.listing(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


@pytest.mark.parametrize(
    "part, text", [(0.00001, "< 0.1 %"), (0.0123, "1.2 %"), (0.5, "50 %"), (math.nan, "-")], ids=str
)
def test_a_share_is_a_percentage(part: float, text: str) -> None:
    assert words.share(part).replace("\N{NARROW NO-BREAK SPACE}", " ").replace("\N{EN DASH}", "-") == text
