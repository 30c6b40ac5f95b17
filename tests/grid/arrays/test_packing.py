"""What a plan is kept as: nothing lost, and little of it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import instances
from grid.arrays.packing import REASONS, pack_plan, pack_problem_series, pack_series, unpack_plan, unpack_series
from grid.planner.solve import plan_problem

Raw = dict[str, Any]


@given(st.lists(st.floats(min_value=-1e9, max_value=1e9) | st.sampled_from([0.0, 11.3, -7.2, 0.1]), max_size=99))
def test_series_comes_back_as_it_was(values: list[float]) -> None:
    packed = b"before" + pack_series(values) + b"after"

    again, ends = unpack_series(packed, 6)

    assert again.tolist() == values
    assert packed[ends:] == b"after"


@pytest.mark.parametrize(
    ("values", "size"),
    [
        pytest.param([0.25] * 288, 3 + 6, id="one price: one run"),
        pytest.param([0.1] * 48 + [0.2] * 48, 3 + 12, id="two prices: two runs"),
        pytest.param([count / 1000 for count in range(96)], 3 + 4 * 96, id="all distinct: millionths"),
        pytest.param([1 / 3] * 96, 3 + 8 * 96, id="no millionths: floats"),
    ],
)
def test_series_takes_as_little_as_it_can(values: list[float], size: int) -> None:
    assert len(pack_series(values)) == size


@pytest.mark.parametrize("family", sorted(instances.EXACT))
def test_plan_comes_back_as_it_was(family: str) -> None:
    made = instances.EXACT[family](np.random.default_rng(5), 96, 15.0, v2g=True)
    problem: Raw = {"adder": [0.0] * 96, **made}
    solution: Raw = dict(plan_problem(problem))

    packed = pack_plan(
        problem=problem,
        solution=solution,
        reasons=bytes(REASONS.index(reason) for reason in solution["reasons"]),
        series=pack_problem_series(problem),
        others={"baseline_kw": pack_series([7.4, 0.0])},
    )

    assert unpack_plan(packed) == (problem, solution, {"baseline_kw": [7.4, 0.0]})


def test_plan_of_an_unknown_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 99"):
        unpack_plan(bytes((99,)) + bytes(200))
