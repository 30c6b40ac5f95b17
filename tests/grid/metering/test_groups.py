"""Groups: what they owe is counted once and signed, shares add up to the cent, and chance is not paid."""

import json
import random
import runpy
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.money import divide
from grid.metering import group_evidence
from grid.metering.group_methods import GROUP_METHODS, group_method, settle_group
from grid.metering.groups import GroupCase, GroupResult, Members, ShareRule, weights
from tests.grid.metering.cases import EVENT

RATE = 2_000_000  # $2/kWh


def case(
    deliveries: Sequence[int | None],
    *,
    roles: str = "",
    committed: Sequence[int] = (),
    baseline: int = 10_000,
    **changes: Any,
) -> GroupCase:
    """Return a hold event's group whose cars delivered so much below a baseline of 10 kWh each."""
    sign = -1 if changes.get("kind") == "absorb" else 1
    members = Members(
        roles=roles or "t" * len(deliveries),
        weights_wh=committed or [1_000] * len(deliveries),
        baseline_wh=[baseline] * len(deliveries),
        net_wh=[None if one is None else baseline - sign * one for one in deliveries],
    )
    values: dict[str, Any] = {"kind": "hold", "method": "sum-of-cars", "method_version": 1, "rule": ShareRule.EQUAL,
              "rate_micros_per_kwh": RATE, "currency": "USD"}  # fmt: skip
    return GroupCase(members=members, **(values | changes))


def shares(of: GroupCase, result: GroupResult) -> list[int]:
    return list(divide(max(0, result.amount_minor), weights(of.members, of.rule)).shares)


@pytest.mark.parametrize(
    ("of", "delivered", "amount", "owed_each"),
    [
        pytest.param(case([9_000, -3_000]), 6_000, 1_200, [600, 600], id="signed deliveries are added, then priced"),
        pytest.param(case([9_000, -3_000], committed=[2_000, 1_000], rule=ShareRule.BY_COMMITMENT), 6_000, 1_200,
                     [800, 400], id="commitment divides"),
        pytest.param(case([6_000, 0], roles="ta"), 6_000, 1_200, [1_200, 0], id="who was away has no share"),
        pytest.param(case([6_000, 6_000, -99_000], roles="ttc"), 12_000, 2_400, [800, 800, 800],
                     id="a control car is paid the mean and not counted"),
        pytest.param(case([6_000, 4_000, None]), 15_000, 3_000, [1_000, 1_000, 1_000], id="the mean stands in"),
        pytest.param(case([-6_000]), -6_000, 0, [0], id="less than nothing owes nothing"),
        pytest.param(case([-6_000], has_penalty=True), -6_000, -1_200, [0], id="a penalty is no owner's"),
        pytest.param(case([2_000, -500], kind="absorb"), 1_500, 300, [150, 150], id="absorbing counts what is taken"),
        pytest.param(case([0, 0], roles="aa"), 0, 0, [0, 0], id="all away"),
        pytest.param(case([]), 0, 0, [], id="nobody"),
    ],
)  # fmt: skip
def test_group_is_worth(of: GroupCase, delivered: int, amount: int, owed_each: list[int]) -> None:
    result = settle_group(of)
    assert result.measured is not None
    assert (result.measured.delivered_wh, result.amount_minor) == (delivered, amount)
    assert shares(of, result) == owed_each


def test_group_of_which_nothing_is_known_states_nothing() -> None:
    result = settle_group(case([None, None]))
    assert (result.measured, result.amount_minor, result.estimated_cars) == (None, 0, 2)
    assert result.reason == "sum-of-cars 1: no car of the group is known"


def test_uncertainty_grows_with_what_is_not_known() -> None:
    known = settle_group(case([1_000, 3_000])).measured
    estimated = settle_group(case([1_000, 3_000, None, None])).measured
    assert known is not None
    assert estimated is not None
    assert (known.error_wh, estimated.error_wh) == (2_000.0, 4_000.0)
    alone = settle_group(case([1_000])).measured
    assert alone is not None
    assert alone.error_wh is None


def test_noise_around_the_baseline_pays_nothing_that_clipping_each_car_would() -> None:
    """Two hundred events of two hundred cars that only scatter: in expectation nothing is delivered, nothing owed."""
    dice = random.Random(7)  # noqa: S311 - a fixed scatter
    events = [[round(dice.gauss(0, 2_000)) for _car in range(200)] for _event in range(200)]
    results = [settle_group(case(one)).measured for one in events]
    sums = [one.delivered_wh for one in results if one is not None]
    clipped = sum(max(0, wh) for one in events for wh in one) / 200
    mean, error = sum(sums) / 200, 2_000 * (200 / 200) ** 0.5
    assert abs(mean) < 3 * error
    assert clipped > 150_000  # what clipping would invoice for each event of nothing
    assert sum(abs(one.delivered_wh) < 2 * (one.error_wh or 0) for one in results if one is not None) > 180


def test_control_group_measures_by_its_mean_and_scales_to_all() -> None:
    of = case([None, 6_000, 6_000, 1_000, 1_000], roles="tttcc", method="randomised-control-group")
    measured = settle_group(of).measured
    assert measured is not None  # controls took 9000 each, those treated 4000: 5000 a car, of three cars
    assert (measured.baseline_wh, measured.net_wh, measured.delivered_wh) == (27_000, 12_000, 15_000)
    assert (measured.measured, measured.estimated) == (2, 1)
    absorbed = settle_group(replace(of, kind="absorb")).measured
    assert absorbed is not None
    assert absorbed.delivered_wh == -15_000


def history(today: Sequence[int], load: int, days: int) -> dict[str, Any]:
    """Return loads of so many working days before 2026-11-18, a Wednesday: `load` Wh in each of two slots."""
    found: dict[str, Any] = {}
    day = date(2026, 11, 18)
    while len(found) < days:
        day -= timedelta(days=1)
        if day.weekday() < 5:
            found[day.isoformat()] = {"event_wh": [load, load], "before_wh": [load]}
    return {"day": "2026-11-18", "today": {"event_wh": list(today), "before_wh": [load]}, "loads": found}


@pytest.mark.parametrize("name", ["ten-of-ten", "five-of-ten"])
@pytest.mark.parametrize(("kind", "delivered"), [("hold", 16_000), ("absorb", -16_000)])
def test_matched_days_measure_the_group(name: str, kind: str, delivered: int) -> None:
    of = case([6_000, 6_000], kind=kind, method=name, inputs={"history": history([4_000, 4_000], 12_000, 10)})
    of = replace(of, members=replace(of.members, net_wh=[4_000, 4_000]))
    measured = settle_group(of).measured
    assert measured is not None
    assert (measured.baseline_wh, measured.net_wh, measured.delivered_wh) == (24_000, 8_000, delivered)
    assert len(measured.workings["days"]) == (10 if name == "ten-of-ten" else 5)


MEASURES = runpy.run_path(str(Path(__file__).parents[3] / "proof" / "verify.py"))["MEASURES"]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("name", "with_it", "without"), [("ten-of-ten", 25_600, 24_000), ("five-of-ten", 27_200, 24_000)]
)
def test_holiday_is_no_similar_day_since_version_2(name: str, with_it: int, without: int, version: int) -> None:
    days = history([4_000, 4_000], 12_000, 10)
    holiday = min(days["loads"])  # everybody was at home and charged
    days["loads"][holiday] = {"event_wh": [20_000, 20_000], "before_wh": [12_000]}
    days["holidays"] = [holiday]
    of = case([6_000, 6_000], method=name, method_version=version, inputs={"history": days})
    measured = settle_group(of).measured
    assert measured is not None
    assert measured.baseline_wh == (with_it if version == 1 else without)
    evidence = {"inputs": of.inputs, "event": {"kind": of.kind}}
    members = {"roles": of.members.roles, "net_wh": list(of.members.net_wh)}
    assert MEASURES[name, version](evidence, members) == (measured.baseline_wh, measured.delivered_wh)


def test_too_few_days_make_nothing_up_but_the_written_fallback_serves() -> None:
    of = case([6_000], method="ten-of-ten", inputs={"history": history([4_000, 4_000], 12_000, 3)})
    result = settle_group(of)
    assert (result.measured, result.reason) == (None, "ten-of-ten 1: 3 similar days are known, 4 are needed")
    by_fallback = settle_group(replace(of, fallback=("sum-of-cars", 1)))
    assert by_fallback.measured is not None
    assert (by_fallback.method, by_fallback.measured.delivered_wh) == ("sum-of-cars", 6_000)
    assert "3 similar days" in by_fallback.reason


def test_matched_days_say_nothing_of_a_group_that_was_away() -> None:
    of = case([0, 0], roles="aa", method="five-of-ten", inputs={"history": history([0, 0], 12_000, 10)})
    result = settle_group(of)
    assert (result.measured, result.amount_minor) == (None, 0)
    assert result.reason == "five-of-ten 1: no car of the group took part"
    assert shares(of, result) == [0, 0]


def test_meters_alone_count_by_metered_output() -> None:
    of = case([0, 0, None], method="metered-output")
    of = replace(of, members=replace(of.members, metered_wh=[5_000, 0, None]))
    measured = settle_group(of).measured
    assert measured is not None
    assert (measured.baseline_wh, measured.net_wh, measured.delivered_wh) == (0, -7_500, 7_500)
    absorbed = settle_group(replace(of, kind="absorb")).measured
    assert absorbed is not None
    assert (absorbed.net_wh, absorbed.delivered_wh) == (7_500, 7_500)


def test_method_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="no group method"):
        group_method("sum-of-cars", 2)
    assert len(GROUP_METHODS) == 7


@given(amount=st.integers(0, 10**9), by=st.lists(st.integers(0, 10**6), min_size=1, max_size=40))
def test_shares_add_up_and_lie_within_one(amount: int, by: list[int]) -> None:
    if not any(by):
        with pytest.raises(ValueError, match="weights"):
            divide(amount or 1, by)
        return
    found = divide(amount, by)
    assert sum(found.shares) == amount
    assert all(abs(share * sum(by) - amount * weight) < sum(by) for share, weight in zip(found.shares, by, strict=True))
    # What one member is told is enough to arrive at its share.
    told = zip(by, found.places, strict=True)
    assert list(found.shares) == [amount * weight // sum(by) + (place < found.left) for weight, place in told]


GROUPS = st.lists(
    st.tuples(st.none() | st.integers(-50_000, 50_000), st.integers(0, 20_000), st.sampled_from("tttcax")), max_size=25
)


@given(GROUPS, st.sampled_from(ShareRule), st.booleans(), st.randoms(use_true_random=False))
def test_order_of_members_changes_nothing_and_evidence_gives_the_same(
    facts: list[tuple[int | None, int, str]],
    rule: ShareRule,
    has_penalty: bool,  # noqa: FBT001 - drawn
    dice: random.Random,
) -> None:
    def made(of: list[tuple[int | None, int, str]]) -> GroupCase:
        deliveries, committed, roles = [list(column) for column in zip(*of, strict=True)] if of else [[], [], []]
        return case(deliveries, roles="".join(roles), committed=committed, rule=rule, has_penalty=has_penalty)

    of, result = made(facts), settle_group(made(facts))
    mixed = dice.sample(facts, len(facts))
    assert settle_group(made(mixed)) == result
    evidence = json.loads(json.dumps(group_evidence.write(of, result, event=EVENT)))
    assert group_evidence.stated(group_evidence.recompute(evidence)) == evidence["result"]
    own = shares(of, result)
    assert sum(own) == max(0, result.amount_minor)
    assert min(own, default=0) >= 0
    assert all(share == 0 for share, (_wh, _weight, role) in zip(own, facts, strict=True) if role in "ax")
