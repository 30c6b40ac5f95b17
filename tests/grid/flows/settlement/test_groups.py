"""Events settled by the group: priced once, shared to the cent, corrected by revisions, pending until it stands."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from grid.flows.operators.reporting import group_told
from grid.flows.settlement import correcting, groups, measuring, settling, shares
from grid.flows.settlement.settling import post_due_settlements, settle_due
from grid.metering import group_evidence
from grid.models import EventParticipation, GridEvent, GroupSettlement, Measurement, Settlement
from rewards import ledger
from rewards.flows.corrections import corrections_account
from rewards.flows.statements import owner_totals, owner_transfers, statement_lines
from rewards.models import LedgerAccount, Transfer
from tests.factories import nights
from tests.grid.flows.settlement.group_events import event, owner, take_part, took
from vehicles.models import PlugSession

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BASELINE = 22_600  # 11.3 kW over the event's two hours
Review = GroupSettlement.Review


def settle(of: GridEvent, at: datetime | None = None) -> GroupSettlement:
    settle_due(now=at or of.settle_at, limit=10)
    return GroupSettlement.objects.order_by("-revision")[0]


def cents(part: EventParticipation) -> int:
    return Settlement.objects.filter(participation=part).order_by("-revision")[0].amount_minor


def test_group_is_priced_once_signed_and_shared_by_what_was_committed(alice: User, bob: User, now: datetime) -> None:
    of = event(now=now)
    held, more = take_part(of, alice, now=now, committed=20_000), take_part(of, bob, now=now, committed=10_000)
    took(held, 0)
    took(more, 30_000)

    group = settle(of)

    assert (group.baseline_wh, group.net_wh, group.delivered_wh) == (2 * BASELINE, 30_000, 15_200)
    assert (group.amount_minor, group.measured_cars, group.review) == (3_040, 2, Review.LAPSED)
    mine, other = (Settlement.objects.get(participation=part) for part in (held, more))
    assert (mine.delivered_wh, other.delivered_wh) == (22_600, -7_400)
    assert (mine.amount_minor, other.amount_minor) == (2_027, 1_013)
    assert (mine.credited_wh, other.credited_wh) == (10_133, 5_067)
    assert post_due_settlements(now=of.settle_at, limit=10) == 2
    assert ledger.owner_balance(alice, "USD").posted_minor == 2_027
    owed = ledger.account(LedgerAccount.Kind.UTILITY_RECEIVABLE, "lone-star", "USD")
    assert ledger.balance(owed).posted_minor == -group.amount_minor
    assert [settle_due(now=of.settle_at, limit=10), GroupSettlement.objects.count()] == [0, 1]
    of.refresh_from_db()
    assert of.state == GridEvent.State.SETTLED
    assert not Measurement.objects.exists()


def test_evidence_alone_gives_the_same_result_and_names_nobody(alice: User, bob: User, now: datetime) -> None:
    of = event(now=now)
    parts = [take_part(of, one, now=now) for one in (alice, bob)]
    for part in parts:
        took(part, 5_000)

    group = settle(of)

    again = group_evidence.recompute(group.evidence)
    assert group_evidence.stated(again) == group.evidence["result"]
    kept = str(group.evidence)
    for part in parts:
        assert str(part.public_id) not in kept
        assert str(part.enrollment.vehicle.public_id) not in kept
        assert part.enrollment.vehicle.vin_hash not in kept


def test_silent_car_is_waited_for_then_estimated_then_corrected(alice: User, bob: User, now: datetime) -> None:
    of = event(now=now)
    seen, silent = take_part(of, alice, now=now), take_part(of, bob, now=now)
    took(seen, 2_600)
    assert settle_due(now=of.settle_at, limit=10) == 0
    of.refresh_from_db()
    assert (of.state, of.settle_at) == (GridEvent.State.ANNOUNCED, of.ends_at + 40 * MINUTE)

    deadline = of.ends_at + 24 * HOUR
    GridEvent.objects.update(settle_at=deadline)
    group = settle(of, deadline)
    assert (group.delivered_wh, group.measured_cars, group.estimated_cars) == (40_000, 1, 1)
    estimated = Settlement.objects.get(participation=silent)
    assert (estimated.grade, estimated.delivered_wh, estimated.amount_minor) == ("estimated", None, 4_000)
    post_due_settlements(now=deadline, limit=10)

    took(silent, 22_600, fetched_at=deadline + HOUR)
    later = deadline + 2 * HOUR
    assert settle_due(now=later, limit=10) == 2
    second = GroupSettlement.objects.get(revision=2)
    assert (second.delivered_wh, second.amount_minor, second.estimated_cars) == (20_000, 4_000, 0)
    assert GroupSettlement.objects.get(revision=1).review == Review.REPLACED
    assert settle_due(now=later + HOUR, limit=10) == 0
    post_due_settlements(now=later, limit=10)
    # What owners have is theirs: the utility owes less, the platform bears it.
    assert ledger.owner_balance(bob, "USD").posted_minor == 4_000
    assert ledger.balance(corrections_account("USD")).posted_minor == -4_000
    assert ledger.check() == []


def test_change_of_less_than_a_hundredth_is_not_restated(alice: User, now: datetime) -> None:
    of = event(now=now)
    part = take_part(of, alice, now=now)
    took(part, 600)
    settle(of)
    nights.reading(part.enrollment.vehicle, at=of.ends_at - MINUTE, soc=62, imported_wh=100_699, exported_wh=5,
                   fetched_at=of.settle_at + MINUTE)  # fmt: skip

    assert settle_due(now=of.settle_at + 2 * HOUR, limit=10) == 0
    assert GroupSettlement.objects.count() == 1


def test_cars_of_which_nothing_else_is_told_make_way_for_others(
    alice: User, bob: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = event(now=now)
    first, second = (take_part(of, one, now=now) for one in (alice, bob))
    for part in (first, second):
        took(part, 0)
    settle(of)
    monkeypatch.setattr(correcting, "LOOKED_AT_ONCE", 1)
    nights.reading(first.enrollment.vehicle, at=of.ends_at - MINUTE, soc=62, imported_wh=100_000, exported_wh=5,
                   fetched_at=of.settle_at + MINUTE)  # fmt: skip
    late = second.enrollment.vehicle.readings.filter(observed_at__gt=of.starts_at + HOUR)
    late.update(imported_wh=109_000, fetched_at=of.settle_at + MINUTE)

    assert settle_due(now=of.settle_at + 2 * HOUR, limit=10) == 0
    assert settle_due(now=of.settle_at + 4 * HOUR, limit=10) == 2


@pytest.mark.parametrize("verdict", [Review.APPROVED, Review.LAPSED])
def test_credit_is_pending_until_the_result_stands(verdict: str, alice: User, now: datetime) -> None:
    of = event(now=now, objection_hours=48)
    part = take_part(of, alice, now=now)
    took(part, 0)
    group = settle(of)
    assert (group.review, group.objection_ends_at) == (Review.OPEN, of.settle_at + 48 * HOUR)

    assert [post_due_settlements(now=of.settle_at, limit=10) for _again in range(2)] == [1, 0]
    settlement = Settlement.objects.get()
    assert (settlement.reserved_at, settlement.posted_at) == (of.settle_at, None)
    assert (ledger.owner_balance(alice, "USD").posted_minor, ledger.owner_expected(alice, "USD")) == (0, 4_520)
    assert not owner_transfers(alice, "USD").exists()
    totals = owner_totals(alice, "USD")
    assert (totals.earned_minor, totals.expected_minor) == (0, 4_520)

    GroupSettlement.objects.update(review=verdict)
    assert [post_due_settlements(now=of.settle_at + HOUR, limit=10) for _again in range(2)] == [1, 0]
    assert (ledger.owner_balance(alice, "USD").posted_minor, ledger.owner_expected(alice, "USD")) == (4_520, 0)
    totals = owner_totals(alice, "USD")
    assert (totals.earned_minor, totals.expected_minor) == (4_520, 0)
    (line,) = statement_lines(alice, owner_transfers(alice, "USD"))
    assert (line.key, line.amount_minor) == (f"settlement:{settlement.public_id}", 4_520)
    assert ledger.check() == []


def test_replaced_result_gives_its_pending_credits_up(alice: User, bob: User, now: datetime) -> None:
    of = event(now=now, objection_hours=48)
    kept, out = take_part(of, alice, now=now), take_part(of, bob, now=now)
    took(kept, 10_000)
    took(out, 0)
    settle(of)
    post_due_settlements(now=of.settle_at, limit=10)
    assert ledger.owner_expected(alice, "USD") == ledger.owner_expected(bob, "USD") == 3_520

    later = of.settle_at + HOUR
    second = groups.correct_group(event=of, reason="dispute:1", now=later, excluded_cars=[str(out.public_id)])
    assert (second.revision, second.delivered_wh, second.reason) == (2, 12_600, "dispute:1")
    assert (cents(kept), cents(out)) == (2_520, 0)
    assert Settlement.objects.get(participation=out, revision=2).reason == "excluded"
    post_due_settlements(now=later, limit=10)
    assert (ledger.owner_expected(alice, "USD"), ledger.owner_expected(bob, "USD")) == (2_520, 0)
    third = groups.correct_group(event=of, reason="again", now=later)
    assert third.delivered_wh == 12_600  # who was left out stays out
    GroupSettlement.objects.filter(revision=3).update(review=Review.APPROVED)
    post_due_settlements(now=later, limit=10)
    assert ledger.owner_balance(alice, "USD").posted_minor == 2_520
    assert ledger.owner_expected(alice, "USD") == 0
    assert ledger.check() == []


def test_upward_correction_of_a_posted_result_reserves_only_what_it_adds(alice: User, bob: User, now: datetime) -> None:
    of = event(now=now, objection_hours=1)
    first, other = take_part(of, alice, now=now), take_part(of, bob, now=now)
    took(first, 10_000)
    took(other, 10_000)
    settle(of)
    GroupSettlement.objects.update(review=Review.APPROVED)
    post_due_settlements(now=of.settle_at, limit=10)
    groups.correct_group(event=of, reason="upheld", now=of.settle_at, excluded_cars=[other.public_id])
    post_due_settlements(now=of.settle_at, limit=10)
    assert ledger.owner_expected(alice, "USD") == 0  # 2520 again: nothing is added
    GroupSettlement.objects.filter(revision=2).update(review=Review.LAPSED)
    post_due_settlements(now=of.settle_at, limit=10)

    assert ledger.owner_balance(bob, "USD").posted_minor == 2_520
    owed = ledger.account(LedgerAccount.Kind.UTILITY_RECEIVABLE, "lone-star", "USD")
    assert ledger.balance(owed).posted_minor == -2_520
    assert ledger.balance(corrections_account("USD")).posted_minor == -2_520


def test_control_car_is_paid_the_mean_and_not_counted(alice: User, bob: User, chloe: User, now: datetime) -> None:
    of = event(now=now)
    left_alone = take_part(of, bob, now=now, state=EventParticipation.State.CONTROL)
    parts = [take_part(of, alice, now=now), left_alone]
    took(parts[0], 2_600)
    took(left_alone, 22_600)

    group = settle(of)

    assert (group.delivered_wh, group.control_cars) == (20_000, 1)
    assert [cents(part) for part in parts] == [2_000, 2_000]


def test_car_known_to_be_away_has_no_share_and_opted_out_no_settlement(alice: User, bob: User, now: datetime) -> None:
    of = event(now=now)
    there, away = take_part(of, alice, now=now), take_part(of, bob, now=now)
    PlugSession.objects.filter(vehicle=away.enrollment.vehicle).update(unplugged_at=of.starts_at - MINUTE)
    nights.reading(away.enrollment.vehicle, at=of.ends_at + MINUTE, soc=40, is_plugged_in=False, is_at_home=False)
    took(there, 2_600)

    assert settle(of).amount_minor == 4_000
    assert (cents(there), cents(away)) == (4_000, 0)
    assert Settlement.objects.get(participation=away).reason == "not_plugged_in"


def test_penalty_is_the_platforms_and_no_owners(alice: User, now: datetime) -> None:
    of = event(now=now, has_penalty=True)
    took(take_part(of, alice, now=now), 23_600)

    assert settle(of).amount_minor == -200
    post_due_settlements(now=of.settle_at, limit=10)
    post_due_settlements(now=of.settle_at, limit=10)

    assert Settlement.objects.get().amount_minor == 0
    assert ledger.balance(corrections_account("USD")).posted_minor == -200
    assert Transfer.objects.count() == 1


def test_method_that_cannot_tell_states_nothing_and_makes_nothing_up(alice: User, now: datetime) -> None:
    of = event(now=now, group_method="randomised-control-group")
    took(take_part(of, alice, now=now), 0)

    group = settle(of)

    assert (group.delivered_wh, group.amount_minor, group.error_wh) == (None, 0, None)
    assert "control cars" in group.reason
    own = Settlement.objects.get()
    assert (own.delivered_wh, own.reason, own.amount_minor) == (22_600, "group_not_known", 0)


def test_written_fallback_serves_where_the_method_cannot_tell(alice: User, now: datetime) -> None:
    of = event(now=now, group_method="randomised-control-group", fallback_method="sum-of-cars")
    took(take_part(of, alice, now=now), 0)

    group = settle(of)

    assert (group.method, group.delivered_wh) == ("sum-of-cars", 22_600)


def test_meters_alone_count_by_metered_output(alice: User, bob: User, now: datetime) -> None:
    of = event(now=now, kind="discharge", group_method="metered-output")
    gave, meterless = take_part(of, alice, now=now), take_part(of, bob, now=now)
    took(gave, 400, exported_wh=8_000)
    for at in (of.starts_at - MINUTE, of.ends_at + MINUTE):
        nights.reading(meterless.enrollment.vehicle, at=at, soc=62)

    group = settle(of)

    assert (group.baseline_wh, group.net_wh, group.delivered_wh) == (0, -8_000, 8_000)
    groups.correct_group(event=of, reason="nothing new", now=of.settle_at)
    assert GroupSettlement.objects.get(revision=2).delivered_wh == 8_000


def test_absorbing_counts_what_was_taken_beyond_the_baseline(alice: User, now: datetime) -> None:
    of = event(now=now, kind="absorb")
    took(take_part(of, alice, now=now), 24_600)

    assert settle(of).delivered_wh == 2_000


@pytest.mark.parametrize("method", ["sum-of-cars", "randomised-control-group"])
def test_report_says_what_the_group_settlement_says(method: str, alice: User, bob: User, now: datetime) -> None:
    of = event(now=now, group_method=method)
    drawn, helping = EventParticipation.State.CONTROL, EventParticipation.State.IN
    cars = ((alice, 0, helping), (bob, 5_555, helping), (owner(1), 22_601, drawn), (owner(2), 20_001, drawn))
    for one, wh, state in cars:
        took(take_part(of, one, now=now, state=state), wh)
    silent = take_part(of, owner(3), now=now)
    group = settle(of, of.ends_at + 24 * HOUR)

    told = group_told(of)

    assert len(told) == 8
    assert (sum(one.baseline_wh or 0 for one in told), sum(one.net_wh or 0 for one in told)) == (
        group.baseline_wh,
        group.net_wh,
    )
    assert {one.grade for one in told} == {"derived"}  # one car is estimated
    assert Settlement.objects.get(participation=silent).grade == "estimated"


STEPS = ["_close", "_insert", "add_result", "keep"]


@pytest.mark.parametrize("step", STEPS)
def test_sweep_that_dies_at_any_step_is_gone_on_with(
    step: str, alice: User, bob: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = event(now=now)
    for one, wh in ((alice, 2_600), (bob, 12_600)):
        took(take_part(of, one, now=now), wh)
    monkeypatch.setattr(shares, "SHARED_AT_ONCE", 1)
    monkeypatch.setattr(groups, "AT_ONCE", 1)
    place = shares if step in {"_close", "_insert"} else groups
    real, calls = getattr(place, step), [0]

    def die(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] == (2 if step in {"_insert", "keep"} else 1):
            raise RuntimeError("killed")
        return real(*args, **kwargs)

    monkeypatch.setattr(place, step, die)
    settle_due(now=of.settle_at, limit=10)
    assert calls[0]
    of.refresh_from_db()
    assert of.state == GridEvent.State.ANNOUNCED
    GridEvent.objects.update(lease_until=None)

    settle_due(now=of.settle_at, limit=10)

    assert GroupSettlement.objects.get().amount_minor == 6_000
    assert [one.amount_minor for one in Settlement.objects.all()] == [3_000, 3_000]
    of.refresh_from_db()
    assert of.state == GridEvent.State.SETTLED


def test_car_that_cannot_be_worked_out_holds_its_group_up_no_longer_than_the_deadline(
    alice: User, bob: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = event(now=now)
    good, bad = take_part(of, alice, now=now), take_part(of, bob, now=now)
    took(good, 2_600)
    took(bad, 0)
    PlugSession.objects.filter(vehicle=bad.enrollment.vehicle).update(limit_percent=100, soc_percent=0)
    type(bad.enrollment.vehicle).objects.filter(pk=bad.enrollment.vehicle_id).update(
        charge_efficiency="0.001", capacity_wh=2_000_000_000
    )
    assert settle_due(now=of.settle_at, limit=10) == 0

    GridEvent.objects.update(settle_at=of.ends_at + 24 * HOUR)
    assert settle(of, of.ends_at + 24 * HOUR).delivered_wh == 40_000
    assert measuring.READINGS_DEADLINE == 24 * HOUR


def test_large_group_is_gone_on_with_by_the_next_sweep(
    alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = event(now=now)
    took(take_part(of, alice, now=now), 0)
    monkeypatch.setattr(settling, "SWEEP_SECONDS", -1)
    assert settle_due(now=of.settle_at, limit=10) == 0
    assert not Measurement.objects.exists()
    monkeypatch.setattr(settling, "SWEEP_SECONDS", 20)
    assert settle_due(now=of.settle_at, limit=10) == 1
