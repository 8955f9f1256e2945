"""What the statistics promise, whatever the numbers are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.measure.stats import (
    mean,
    median_interval,
    median_ratio,
    pack,
    paired_ratio,
    percentiles,
    pool,
    reached,
)

latencies = st.lists(st.integers(1, 2**40), min_size=1, max_size=300)
rates = st.lists(st.floats(1.0, 1e7), min_size=3, max_size=30)


def packed(values: list[int]) -> np.ndarray:
    return pack(np.array(values, dtype=np.uint64))


@given(latencies)
def test_packing_keeps_every_call_the_order_and_the_largest(values: list[int]) -> None:
    rows = packed(values)
    assert rows[:, 1].sum() == len(values)
    assert (np.diff(rows[:, 0].astype(float)) >= 0).all()
    assert percentiles(rows, [100]) == [max(values)]


@given(latencies, st.floats(0.1, 100))
def test_a_packed_percentile_is_within_a_thousandth_of_a_measured_latency(
    values: list[int], percent: float
) -> None:
    exact = sorted(values)[max(1, math.ceil(len(values) * percent / 100 - 1e-9)) - 1]
    assert percentiles(packed(values), [percent])[0] == pytest.approx(exact, rel=1e-3)


@given(st.lists(st.integers(1, 2047), min_size=1))
def test_short_latencies_stay_exact(values: list[int]) -> None:
    rows = packed(values)
    assert np.repeat(rows[:, 0], rows[:, 1].astype(int)).tolist() == sorted(values)


@given(latencies, latencies)
def test_pooling_two_blocks_is_packing_their_calls_together(a: list[int], b: list[int]) -> None:
    together = pool([packed(a), packed(b)])
    assert together[:, 1].sum() == len(a) + len(b)
    exact, found = percentiles(packed(a + b), [50, 99, 100]), percentiles(together, [50, 99, 100])
    assert found == pytest.approx(exact, rel=1e-3)


def test_no_latencies_give_no_percentiles() -> None:
    assert all(math.isnan(value) for value in percentiles(pool([]), [50, 100]))


@pytest.mark.parametrize("values", [3, 5, 7])
def test_an_interval_of_few_values_has_the_level_that_is_said_of_it(values: int) -> None:
    drawn = np.random.default_rng(1).normal(size=(300, values))
    held = np.mean([0.0 in median_interval(row, level=0.999) for row in drawn])
    assert held == pytest.approx(reached(0.999, values), abs=0.05)
    assert reached(0.999, 11) == 0.999


@given(rates)
def test_the_interval_encloses_the_median_and_stays_within_the_data(values: list[float]) -> None:
    interval = median_interval(values)
    assert min(values) <= interval.low <= interval.value <= interval.high <= max(values)
    assert interval.value == np.median(values)


@given(rates, st.floats(0.01, 100))
def test_the_interval_scales_with_the_unit(values: list[float], factor: float) -> None:
    plain, scaled = median_interval(values), median_interval([value * factor for value in values])
    assert (scaled.low, scaled.high) == pytest.approx((plain.low * factor, plain.high * factor))


def test_fewer_than_three_rounds_give_no_interval() -> None:
    assert math.isnan(median_interval([1.0, 2.0]).low)
    assert math.isnan(median_interval([]).value)


@given(rates, st.floats(0.01, 100))
def test_pairing_cancels_what_both_rounds_shared(values: list[float], factor: float) -> None:
    ratio = paired_ratio([value * factor for value in values], values)
    assert (ratio.low, ratio.high) == pytest.approx((factor, factor))


def test_a_round_without_a_success_is_no_denominator() -> None:
    assert paired_ratio([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 3.0, 4.0]).value == 1.0


def test_the_interval_holds_the_true_median_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    held = sum(0.0 in median_interval(generator.normal(size=12).tolist(), seed) for seed in range(300))
    assert 0.88 < held / 300 <= 1.0


@settings(deadline=None, max_examples=30)
@given(rates, rates, st.floats(0.01, 100))
def test_a_ratio_of_medians_scales_and_encloses_its_value(
    above: list[float], below: list[float], factor: float
) -> None:
    ratio = median_ratio([value * factor for value in above], below)
    assert ratio.value == pytest.approx(factor * np.median(above) / np.median(below))
    assert ratio.low <= ratio.value * (1 + 1e-9)
    assert ratio.value <= ratio.high * (1 + 1e-9)


def test_a_ratio_of_medians_needs_three_rounds_on_both_sides_for_an_interval() -> None:
    assert not median_ratio([1.0, 2.0], [1.0, 2.0, 3.0]).known
    assert math.isnan(median_ratio([], [1.0]).value)


@given(latencies)
def test_the_mean_is_within_a_thousandth_of_the_exact_one(values: list[int]) -> None:
    assert mean(packed(values)) == pytest.approx(np.mean(np.array(values, dtype=float)), rel=1e-3)
