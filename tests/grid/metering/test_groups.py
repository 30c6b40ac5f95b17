"""Groups: what they owe is counted once and signed, shares add up to the cent, and chance is not paid."""

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.metering.groups import GroupResult, Member, ShareRule, settle_group, split

RATE = 2_000_000  # $2/kWh


def member(car: str, delivered: int | None, *, committed: int = 1000, **facts: bool) -> Member:
    return Member(car, committed, None if delivered is None else Fraction(delivered), **facts)


def settled(*members: Member, rule: ShareRule = ShareRule.EQUAL, has_penalty: bool = False) -> GroupResult:
    return settle_group(members=members, rule=rule, rate_micros_per_kwh=RATE, currency="USD", has_penalty=has_penalty)


def test_signed_deliveries_are_added_before_anything_is_priced() -> None:
    result = settled(member("a", 9000), member("b", -3000))
    assert (result.delivered_wh, result.amount_minor) == (6000, 1200)
    assert result.credits_minor == {"a": 600, "b": 600}


def test_commitment_divides_by_what_was_frozen_before_notice() -> None:
    result = settled(
        member("a", 9000, committed=2000), member("b", -3000, committed=1000), rule=ShareRule.BY_COMMITMENT
    )
    assert result.credits_minor == {"a": 800, "b": 400}


def test_who_opted_out_earns_nothing_and_changes_nothing() -> None:
    result = settled(member("a", 6000), member("b", 6000, took_part=False))
    assert (result.delivered_wh, result.credits_minor) == (6000, {"a": 1200, "b": 0})


def test_control_car_is_paid_the_mean_and_its_energy_is_not_counted() -> None:
    result = settled(member("a", 6000), member("b", 6000), member("c", -99_000, is_control=True))
    assert result.delivered_wh == 12_000
    assert result.credits_minor == {"a": 800, "b": 800, "c": 800}


def test_car_without_readings_counts_as_the_mean_and_is_said_to_be_estimated() -> None:
    result = settled(member("a", 6000), member("b", 4000), member("c", None))
    assert (result.delivered_wh, result.measured, result.estimated) == (15_000, 2, 1)
    assert settled(member("a", None)) == GroupResult(0, float("inf"), 0, 1, 0, {"a": 0})


def test_group_below_its_baseline_owes_nothing_unless_the_terms_say_so() -> None:
    assert settled(member("a", -6000)).amount_minor == 0
    result = settled(member("a", -6000), has_penalty=True)
    assert (result.amount_minor, result.credits_minor) == (-1200, {"a": 0})


def test_one_car_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="once"):
        settled(member("a", 1), member("a", 2))


def test_noise_around_the_baseline_is_not_paid() -> None:
    """Two thousand cars that did nothing but scatter: clipping each at zero would invoice 800 Wh a car."""
    dice = random.Random(7)  # noqa: S311 - a fixed scatter
    deliveries = [round(dice.gauss(0, 2000)) for _ in range(2000)]
    result = settled(*(member(str(car), delivered) for car, delivered in enumerate(deliveries)))
    clipped = sum(max(0, delivered) for delivered in deliveries)
    assert abs(result.delivered_wh) < 2 * result.error_wh
    assert abs(result.delivered_wh) < clipped / 4


@given(
    amount=st.integers(0, 10**9),
    weights=st.dictionaries(st.text(max_size=4), st.fractions(0, 100), min_size=1, max_size=40),
)
def test_shares_add_up_and_lie_within_one_cent(amount: int, weights: dict[str, Fraction]) -> None:
    whole = sum(weights.values())
    if whole == 0:
        with pytest.raises(ValueError, match="weights"):
            split(amount, weights)
        return
    shares = split(amount, weights)
    assert sum(shares.values()) == amount
    assert all(abs(shares[name] - amount * weight / whole) < 1 for name, weight in weights.items())
    assert split(amount, dict(reversed(weights.items()))) == shares


@given(
    st.lists(
        st.tuples(st.none() | st.integers(-50_000, 50_000), st.integers(0, 20_000), st.booleans(), st.booleans()),
        max_size=30,
    ),
    st.sampled_from(ShareRule),
    st.booleans(),
)
def test_credits_are_never_negative_and_add_up_to_what_is_owed(
    facts: list[tuple[int | None, int, bool, bool]],
    rule: ShareRule,
    has_penalty: bool,  # noqa: FBT001 - drawn
) -> None:
    members = [
        member(str(place), delivered, committed=committed, took_part=took_part, is_control=is_control)
        for place, (delivered, committed, took_part, is_control) in enumerate(facts)
    ]
    result = settled(*members, rule=rule, has_penalty=has_penalty)
    assert min(result.credits_minor.values(), default=0) >= 0
    assert sum(result.credits_minor.values()) == max(0, result.amount_minor)
    assert set(result.credits_minor) == {one.car for one in members}
    assert all(result.credits_minor[one.car] == 0 for one in members if not one.took_part)
