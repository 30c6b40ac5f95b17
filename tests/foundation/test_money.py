"""Money: integers in minor units, rounded once."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.money import major_units, reward_minor


@pytest.mark.parametrize(
    ("energy_wh", "rate", "minor"),
    [
        pytest.param(10_000, 2_000_000, 2000, id="10 kWh at 2 $ are 20 $"),
        pytest.param(1, 2_000_000, 0, id="a fifth of a cent rounds to none"),
        pytest.param(25, 1_000_000, 2, id="2.5 cents round to even: 2"),
        pytest.param(35, 1_000_000, 4, id="3.5 cents round to even: 4"),
        pytest.param(-10_000, 2_000_000, -2000, id="a correction downward keeps its sign"),
        pytest.param(0, 2_000_000, 0, id="nothing earns nothing"),
    ],
)
def test_reward_is_rounded_once_half_to_even(energy_wh: int, rate: int, minor: int) -> None:
    assert reward_minor(energy_wh=energy_wh, rate_micros_per_kwh=rate, currency="USD") == minor


def test_reward_refuses_a_currency_nobody_is_paid_in() -> None:
    with pytest.raises(KeyError):
        reward_minor(energy_wh=1, rate_micros_per_kwh=1, currency="EUR")


@given(energy_wh=st.integers(0, 10**7), rate=st.integers(0, 10**8))
def test_reward_is_within_half_a_cent_of_the_exact_product(energy_wh: int, rate: int) -> None:
    exact = Decimal(energy_wh) * rate / 10**9 * 100
    assert abs(reward_minor(energy_wh=energy_wh, rate_micros_per_kwh=rate, currency="CAD") - exact) <= Decimal("0.5")


def test_major_units_are_exact() -> None:
    assert major_units(amount_minor=1234, currency="USD") == Decimal("12.34")
