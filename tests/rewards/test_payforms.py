"""Each form of pay: what it pays, and when it pays nothing."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rewards import payforms

MONTH = {"events": 4, "joined": 3, "opted_out": 1, "is_whole_month": True}
SEASON = {"events": 5, "credited_wh": 50_000, "event_seconds": 36_000}
LOYAL = {"events": 4, "joined": 3, "opted_out": 1, "is_whole_season": True}
CHARGED = {"window_wh": 123_456, "charged_wh": 154_000}
POOL = {"own_wh": 1, "total_wh": 3, "members": 3, "place": 0, "cents_left": 1}
TABLE: list[tuple[str, dict[str, Any], dict[str, Any], int, str]] = [
    ("enrollment_bonus", {"amount_minor": 15_000}, {"days_enrolled": 0}, 15_000, ""),
    ("enrollment_bonus", {"amount_minor": 15_000, "after_days": 30}, {"days_enrolled": 30}, 15_000, ""),
    ("enrollment_bonus", {"amount_minor": 15_000, "after_days": 30}, {"days_enrolled": 29}, 0, "left_too_early"),
    ("monthly", {"amount_minor": 1_000}, MONTH, 1_000, ""),
    ("monthly", {"amount_minor": 1_000}, MONTH | {"is_whole_month": False}, 0, "not_the_whole_month"),
    ("monthly", {"amount_minor": 1_000, "max_opt_outs": 1}, MONTH, 1_000, ""),
    ("monthly", {"amount_minor": 1_000, "max_opt_outs": 0}, MONTH, 0, "too_many_left_out"),
    ("monthly", {"amount_minor": 1_000, "min_joined_percent": 75}, MONTH, 1_000, ""),
    ("monthly", {"amount_minor": 1_000, "min_joined_percent": 76}, MONTH, 0, "too_few_joined"),
    ("per_event", {"amount_minor": 200}, {"credited_wh": 1}, 200, ""),
    ("per_event", {"amount_minor": 200}, {"credited_wh": 0}, 0, "too_little_delivered"),
    ("per_event", {"amount_minor": 200, "min_credited_wh": 500}, {"credited_wh": 499}, 0, "too_little_delivered"),
    ("seasonal_capacity", {"minor_per_kw": 6_455, "months": [5]}, SEASON, 32_275, ""),
    ("seasonal_capacity", {"minor_per_kw": 1, "months": [5]}, SEASON | {"credited_wh": 45_000}, 4, ""),
    ("seasonal_capacity", {"minor_per_kw": 1, "months": [5]}, SEASON | {"credited_wh": 55_000}, 6, ""),
    ("seasonal_capacity", {"minor_per_kw": 6_455, "months": [5]}, SEASON | {"event_seconds": 0}, 0, "no_events"),
    ("season_bonus", {"amount_minor": 3_500, "months": [6]}, LOYAL, 3_500, ""),
    ("season_bonus", {"amount_minor": 3_500, "months": [6], "max_opt_outs": 0}, LOYAL, 0, "too_many_left_out"),
    (
        "season_bonus",
        {"amount_minor": 3_500, "months": [6]},
        LOYAL | {"is_whole_season": False},
        0,
        "not_the_whole_season",
    ),
    ("charging_rate", {"micros_per_kwh": 100_000}, CHARGED, 1_235, ""),
    ("charging_rate", {"micros_per_kwh": 100_000}, CHARGED | {"window_wh": 0}, 0, "nothing_in_hours"),
    ("charging_rate", {"micros_per_kwh": 25_000, "most_minor": 300}, CHARGED, 300, ""),
    ("charging_share", {"amount_minor": 1_000, "min_percent": 80}, CHARGED, 1_000, ""),
    ("charging_share", {"amount_minor": 1_000, "min_percent": 81}, CHARGED, 0, "too_little_in_hours"),
    (
        "charging_share",
        {"amount_minor": 1_000, "min_percent": 0},
        {"window_wh": 0, "charged_wh": 0},
        0,
        "nothing_charged",
    ),
    ("pool", {"pool_minor": 100}, POOL, 34, ""),
    ("pool", {"pool_minor": 100}, POOL | {"place": 1}, 33, ""),
    ("pool", {"pool_minor": 100, "most_minor": 20}, POOL, 20, ""),
]


@pytest.mark.parametrize(("form", "terms", "inputs", "amount_minor", "reason"), TABLE)
def test_form_pays(form: str, terms: dict[str, Any], inputs: dict[str, Any], amount_minor: int, reason: str) -> None:
    result = payforms.compute(form, terms, inputs)
    assert (result.amount_minor, result.reason) == (amount_minor, reason)
    assert result.steps


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine proves nothing about money
@given(st.integers(0, 10**9), st.dictionaries(st.integers(), st.integers(0, 10**7), max_size=12))
def test_shares_of_a_pool_add_up(total_minor: int, weights: dict[int, int]) -> None:
    shares = payforms.split(total_minor, weights)
    whole = sum(weights.values())
    assert sum(share.amount_minor for share in shares.values()) == (total_minor if whole else 0)
    for key, share in shares.items():
        assert abs(share.amount_minor - total_minor * weights[key] / whole) < 1.001
        inputs = {"own_wh": weights[key], "total_wh": whole, "members": len(weights), "place": share.place}
        terms = {"pool_minor": total_minor}
        assert payforms.compute("pool", terms, inputs | {"cents_left": share.cents_left}).amount_minor == (
            share.amount_minor
        )


@pytest.mark.parametrize(
    ("forms", "wrong"),
    [
        ({}, "list of forms"),
        ([{"form": "lottery"}], "pay 1: `form` must be one of"),
        ([{"form": "monthly"}], "pay 1: monthly needs `amount_minor`"),
        ([{"form": "monthly", "amount_minor": "10"}], "whole number"),
        ([{"form": "monthly", "amount_minor": -1}], "whole number"),
        ([{"form": "monthly", "amount_minor": 1, "max_optouts": 2}], "knows no `max_optouts`"),
        ([{"form": "pool", "pool_minor": 1}, {"form": "pool", "pool_minor": 1, "months": [13]}], "pay 2: `months`"),
        ([{"form": "charging_rate", "micros_per_kwh": 1, "windows": []}], "`windows` needs at least one"),
        ([{"form": "charging_rate", "micros_per_kwh": 1, "windows": [{"from": "00:00"}]}], "pay 1: window 1 needs"),
        ([{"form": "monthly", "amount_minor": 1, "windows": []}], "monthly knows no `windows`"),
        ([{"form": "seasonal_capacity", "minor_per_kw": 1, "months": list(range(1, 13))}], "leave out a month"),
    ],
)
def test_malformed_terms_are_refused_with_what_is_wrong(forms: object, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        payforms.parse_terms(forms)


def test_form_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no form of pay"):
        payforms.compute("lottery", {}, {})
