"""The order of a run: floors among the blocks, from the first round to the last."""

from __future__ import annotations

from typing import Any, cast

import pytest

from workbench.measure import CASES
from workbench.measure.steps import FLOORS, Floor, Place, Step, with_floors


@pytest.mark.parametrize(
    "rounds, where", [(1, (0, 0, 0)), (2, (0, 0, 1)), (3, (0, 1, 2)), (7, (0, 3, 6)), (12, (0, 6, 11))]
)
def test_every_floor_is_measured_in_the_first_the_middle_and_the_last_round(
    rounds: int, where: tuple[int, ...]
) -> None:
    places = [Place(cast(Any, lane), "c-kernel") for lane in ("a", "b")]
    cases = [CASES[name] for name in ("random 32 B", "ECDSA P-256 sign", "RSA-2048 sign")]
    steps = [
        Step(round, case, threads, place, 0)
        for round in range(rounds)
        for case in cases
        for threads in (1, 2)
        for place in places
    ]
    order = list(with_floors(steps, rounds))
    assert [one for one in order if isinstance(one, Step)] == steps
    assert len(order) - len(steps) == FLOORS * 2 * 2 * 2  # of two operations, not of three cases
    for place, operation, threads in {(one.place, one.case.operation, one.threads) for one in steps}:
        found = []
        for at, one in enumerate(order):
            if isinstance(one, Floor) and (one.place, one.operation, one.threads) == (
                place,
                operation,
                threads,
            ):
                block = next(later for later in order[at:] if isinstance(later, Step))
                assert (block.place, block.case.operation, block.threads) == (place, operation, threads)
                found.append((one.number, block.round))
        assert found == list(enumerate(where))
