"""Saturation: laws that made the data are found in it, and the knee is where the ideal line meets the plateau."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.faults import WorkbenchError
from workbench.measure.saturation import fit

THREADS = (1, 2, 4, 8, 16, 32)


def usl(n: int, rate: float, sigma: float, kappa: float) -> float:
    return rate * n / (1 + sigma * (n - 1) + kappa * n * (n - 1))


@settings(max_examples=25, deadline=None)
@given(st.floats(1.0, 1e6), st.floats(0.0, 0.9), st.floats(0.0, 0.05))
def test_the_law_that_made_a_sweep_is_found(rate: float, sigma: float, kappa: float) -> None:
    found = fit({n: [usl(n, rate, sigma, kappa)] for n in THREADS}).usl
    assert found.rate_of_one == pytest.approx(rate, rel=1e-6)
    assert found.sigma == pytest.approx(sigma, abs=1e-6)
    assert found.kappa == pytest.approx(kappa, abs=1e-6)
    assert found.error == pytest.approx(0, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.5, 2.0), min_size=6, max_size=6))
def test_threads_never_help_one_another_in_a_law(factors: list[float]) -> None:
    found = fit({n: [n * 100 * f] for n, f in zip(THREADS, factors, strict=True)})
    for law in (found.amdahl, found.usl):
        assert law.sigma >= 0
        assert law.kappa >= 0
        assert np.isfinite(law.error)
    assert found.amdahl.kappa == 0


@pytest.mark.parametrize("servers", [3, 6, 16])
def test_the_knee_of_equal_servers_is_their_number(servers: int) -> None:
    generator = np.random.default_rng(servers)
    sweep = {n: (min(n, servers) * 500 * generator.normal(1, 0.01, 10)).tolist() for n in THREADS}
    found = fit(sweep)
    assert found.knee.value == pytest.approx(servers, rel=0.02)
    assert servers * 0.97 <= found.knee.low <= found.knee.value <= found.knee.high <= servers * 1.03
    assert found.closed
    assert found.ideal(servers) == pytest.approx(servers * 500, rel=0.02)


@pytest.mark.parametrize("threads", [(1, 2, 4), tuple(range(1, 13)), (1, 2, 4, 8, 16, 17), (10, 11, 12)])
def test_a_sweep_that_still_grows_gives_a_lower_bound(threads: tuple[int, ...]) -> None:
    generator = np.random.default_rng(1)
    found = fit({n: (n * 500 * generator.normal(1, 0.01, 9)).tolist() for n in threads})
    assert not found.closed
    assert found.knee.value == pytest.approx(threads[-1], rel=0.05)


@pytest.mark.parametrize("threads", [tuple(range(1, 13)), (1, 2, 4, 8, 16, 17), (1, 2, 4, 8, 12), (2, 8, 12)])
def test_a_plateau_is_seen_however_close_the_numbers_are(threads: tuple[int, ...]) -> None:
    generator = np.random.default_rng(2)
    found = fit({n: (min(n, 6) * 500 * generator.normal(1, 0.01, 9)).tolist() for n in threads})
    assert found.closed
    assert found.knee.value == pytest.approx(6, rel=0.05)


@pytest.mark.parametrize(
    "sweep", [{1: [1.0], 2: [2.0]}, {1: [1.0], 2: [2.0], 4: []}, {1: [1.0], 2: [2.0], 4: [0.0]}]
)
def test_too_little_is_no_sweep(sweep: dict[int, list[float]]) -> None:
    with pytest.raises(WorkbenchError, match="at least three"):
        fit(sweep)
