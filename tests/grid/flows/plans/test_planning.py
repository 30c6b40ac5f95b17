"""When plans are made, from what, and when they are made anew."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.flows.consents import revoke_consent
from accounts.models import User
from benchmarks.rows import make_cars
from grid.arrays.again import plan_again
from grid.flows.plans.forgetting import forget_old_plans
from grid.flows.plans.habits import usual_early
from grid.flows.plans.planning import ask_plan, current_plan, mark_stale, plan_due
from grid.flows.settlement.settling import settle_due
from grid.models import EventParticipation, Feed, GridEvent, Plan, PlanningState, SeriesPoint, Site, Tariff
from tests.factories import grid, nights
from vehicles.flows.preferences import charge_now, save_preference, set_paused, skip_tonight
from vehicles.models import PlugSession, Vehicle

HOUR = timedelta(hours=1)
EVENING = GridEvent.State.ANNOUNCED


def plan_of(vehicle: Vehicle, *, now: datetime) -> Plan:
    assert plan_due(now=now, limit=10) == 1
    plan = current_plan(vehicle)
    assert plan is not None
    return plan


def charges_between(plan: Plan, starts_at: datetime, ends_at: datetime) -> float:
    """Return the kWh charged in the plan's slots inside the stretch."""
    slots = range(len(plan.solution["power_kw"]))
    inside = [slot for slot in slots if starts_at <= plan.slot_starts_at(slot) < ends_at]
    return float(sum(max(0.0, plan.solution["power_kw"][slot]) for slot in inside) / 4)


def test_car_charges_at_night_and_is_ready_half_an_hour_before_it_leaves(alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now, kind="timed").vehicle

    plan = plan_of(vehicle, now=now)

    midnight, departure = datetime(2026, 11, 19, 6, tzinfo=UTC), datetime(2026, 11, 19, 13, 30, tzinfo=UTC)
    assert plan.starts_at == datetime(2026, 11, 18, 23, tzinfo=UTC)
    assert plan.departure_at == departure
    assert plan.solution["status"] == "optimal"
    assert charges_between(plan, now, midnight) == 0
    assert charges_between(plan, midnight, midnight + 6 * HOUR) == pytest.approx(0.3 * 98 / 0.9, abs=0.01)
    assert plan.soc_percent_at(departure - timedelta(minutes=32)) == pytest.approx(80)
    assert plan.ends_at == departure + timedelta(hours=24)


def test_plan_can_be_computed_again_from_what_is_kept(alice: User, now: datetime) -> None:
    plan = plan_of(nights.plugged_car(alice, now=now).vehicle, now=now)

    kept = Plan.objects.get(pk=plan.pk)
    again = plan_again(kept.problem)

    for key in ("power_kw", "soc_percent", "switches"):
        assert again[key] == kept.solution[key]
    for key in ("cost", "hedge_cost", "shape_cost"):
        assert again[key] == pytest.approx(kept.solution[key], abs=1e-9)
    assert plan.inputs["preference_version"] == 1
    assert plan.inputs["reading"]["soc_percent"] == 50


def test_sweep_that_runs_twice_plans_once(alice: User, bob: User, now: datetime) -> None:
    for owner in (alice, bob):
        nights.plugged_car(owner, now=now)

    assert plan_due(now=now, limit=10) == 2
    assert plan_due(now=now, limit=10) == 0
    assert Plan.objects.count() == 2


def test_plan_is_made_anew_within_the_hour_and_one_counts(alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now).vehicle
    first = plan_of(vehicle, now=now)

    assert plan_due(now=now + HOUR - timedelta(seconds=1), limit=10) == 0
    second = plan_of(vehicle, now=now + HOUR)

    assert second != first
    assert Plan.objects.filter(is_current=True).get() == second


def test_old_plans_are_forgotten_but_those_that_helped_in_an_event_are_kept(alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now)
    vehicle = enrolled.vehicle
    part = grid.participation(enrolled, now=now)
    old, moved, helped = (plan_of(vehicle, now=now + hours * HOUR) for hours in range(3))
    stretch = {"mode": "hold", "starts_at": now, "ends_at": now + HOUR, "created_at": now, "stopped_at": now}
    without_event = vehicle.dispatches.create(plan=moved, **stretch)
    vehicle.dispatches.create(plan=helped, participation=part, **stretch)
    latest = plan_of(vehicle, now=now + timedelta(days=3))

    assert forget_old_plans(now=now + timedelta(days=14), limit=10) == 0
    assert forget_old_plans(now=now + timedelta(days=20), limit=1) == 1
    assert forget_old_plans(now=now + timedelta(days=20), limit=10) == 1
    assert forget_old_plans(now=now + timedelta(days=20), limit=10) == 0
    assert set(Plan.objects.all()) == {helped, latest}
    without_event.refresh_from_db()
    assert without_event.plan is None
    assert old != latest


def _preference(vehicle: Vehicle, now: datetime) -> None:
    save_preference(
        vehicle=vehicle,
        target_soc_percent=90,
        minimum_soc_percent=20,
        reserve_soc_percent=30,
        is_v2g_allowed=True,
        departures={0: time(6)},
        now=now,
    )


def _unplug(vehicle: Vehicle, now: datetime) -> None:
    PlugSession.objects.filter(vehicle=vehicle).update(unplugged_at=now)


def _plug_in(vehicle: Vehicle, now: datetime) -> None:
    _unplug(vehicle, now)
    plan_due(now=now, limit=10)
    nights.stay(vehicle, at=now, soc=40)


def _event(vehicle: Vehicle, now: datetime) -> None:
    grid.participation(vehicle.enrollments.get(), now=now)


def _event_changed(vehicle: Vehicle, now: datetime) -> None:
    part = grid.participation(vehicle.enrollments.get(), now=now)
    plan_due(now=now, limit=10)
    GridEvent.objects.filter(pk=part.event_id).update(version=2)


def _opt_out(vehicle: Vehicle, now: datetime) -> None:
    part = grid.participation(vehicle.enrollments.get(), now=now)
    plan_due(now=now, limit=10)
    EventParticipation.objects.filter(pk=part.pk).update(state=EventParticipation.State.OPTED_OUT)


def _override_over(vehicle: Vehicle, now: datetime) -> None:
    override = charge_now(vehicle=vehicle, now=now)
    plan_due(now=now, limit=10)
    vehicle.overrides.filter(pk=override.pk).update(cancelled_at=now)


def _market_price(vehicle: Vehicle, now: datetime) -> None:
    tariff = Site.objects.get(owner=vehicle.owner).tariff
    Tariff.objects.filter(pk=tariff.pk).update(kind=Tariff.Kind.MARKET, price_feed=grid.feed())
    Feed.objects.update(latest_ends_at=now)
    plan_due(now=now, limit=10)
    Feed.objects.update(latest_ends_at=now + timedelta(days=1))


def _move(vehicle: Vehicle, now: datetime) -> None:
    Site.objects.filter(owner=vehicle.owner).update(version=2)


def _unlink(vehicle: Vehicle, now: datetime) -> None:
    Vehicle.objects.filter(pk=vehicle.pk).update(state=Vehicle.State.UNLINKED)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(_preference, "preference", id="preferences"),
        pytest.param(lambda car, now: charge_now(vehicle=car, now=now), "owner", id="charge now"),
        pytest.param(lambda car, now: skip_tonight(vehicle=car, now=now), "owner", id="skip tonight"),
        pytest.param(_override_over, "owner", id="charge now taken back"),
        pytest.param(_unplug, "plug", id="unplugged"),
        pytest.param(_plug_in, "plug", id="plugged in"),
        pytest.param(_event, "event", id="event announced"),
        pytest.param(_event_changed, "event", id="event changed"),
        pytest.param(_opt_out, "event", id="opted out"),
        pytest.param(_move, "home", id="home changed"),
        pytest.param(_market_price, "price", id="new prices"),
        pytest.param(lambda car, now: ask_plan(vehicle=car, reason="soc", at=now), "soc", id="asked for"),
    ],
)
def test_plan_is_made_anew_after(change: Any, reason: str, alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now).vehicle
    plan_of(vehicle, now=now)
    later = now + timedelta(minutes=5)

    change(vehicle, later)

    assert plan_of(vehicle, now=later).reason == reason
    assert plan_due(now=later, limit=10) == 0


def test_nothing_changed_makes_nothing_stale(alice: User, now: datetime) -> None:
    nights.plugged_car(alice, now=now)
    nights.plugged_car(alice, now=now, nickname="Second")
    plan_due(now=now, limit=10)

    assert mark_stale(now=now + timedelta(minutes=30)) == 0


def test_plan_is_made_anew_when_its_event_is_over(alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now)
    part = grid.participation(enrolled, now=now)
    plan_of(enrolled.vehicle, now=part.event.ends_at - timedelta(minutes=20))

    assert plan_of(enrolled.vehicle, now=part.event.ends_at).reason == "event"


@pytest.mark.parametrize(
    ("spoil", "obstacle"),
    [
        pytest.param(
            lambda car, now: revoke_consent(user=car.owner, purpose="grid_participation", now=now),
            "no_consent",
            id="consent taken back",
        ),
        pytest.param(lambda car, now: set_paused(vehicle=car, is_paused=True, now=now), "paused", id="paused"),
        pytest.param(_unlink, "not_active", id="unlinked"),
    ],
)
def test_car_that_may_not_be_steered_loses_its_plan(spoil: Any, obstacle: str, alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now).vehicle
    plan_of(vehicle, now=now)

    spoil(vehicle, now)

    assert plan_due(now=now + HOUR, limit=10) == 0
    assert current_plan(vehicle) is None
    state = PlanningState.objects.get(vehicle=vehicle)
    assert (state.obstacle, state.due_at) == (obstacle, now + HOUR + timedelta(minutes=5))


def test_car_without_a_home_or_reading_says_so(alice: User, bob: User, now: datetime) -> None:
    grid.agree(alice, now=now)
    homeless = grid.car(alice, now=now)
    silent = grid.enrollment(bob, now=now).vehicle

    assert plan_due(now=now, limit=10) == 0
    obstacles = dict(PlanningState.objects.values_list("vehicle", "obstacle"))
    assert obstacles == {homeless.pk: "no_home", silent.pk: "no_reading"}


def test_one_car_that_cannot_be_drafted_leaves_the_others_their_plans(
    alice: User, bob: User, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    broken = nights.plugged_car(alice, now=now).vehicle
    fine = nights.plugged_car(bob, now=now).vehicle
    odd = grid.tariff(slug="odd", kind=Tariff.Kind.TIME_OF_USE, periods=[{"weekdays": [9]}])
    Site.objects.filter(owner=alice).update(tariff=odd)

    assert plan_due(now=now, limit=10) == 1
    assert current_plan(fine) is not None
    assert current_plan(broken) is None
    assert PlanningState.objects.get(vehicle=broken).due_at == now + timedelta(minutes=15)


@pytest.mark.parametrize("count", [10, 200])
def test_number_of_queries_is_that_of_a_batch_whatever_the_cars(count: int, db: None, now: datetime) -> None:
    make_cars(count, now=now)
    mark_stale(now=now)
    usual_early(now=now)  # looked up once in hours, by whichever sweep comes first

    with CaptureQueriesContext(connection) as queries:
        assert plan_due(now=now, limit=count) == count

    # SQLite takes a limited number of values a statement, so that it needs several for one bulk insert; PostgreSQL is
    # told how to look rows up.
    apart = 'INSERT INTO "grid_plan"', 'COPY "grid_plan"', "SELECT set_config"
    assert len([query for query in queries if not query["sql"].startswith(apart)]) == 27


def test_lease_keeps_a_second_planner_away(alice: User, now: datetime) -> None:
    nights.plugged_car(alice, now=now)
    plan_due(now=now, limit=10)
    PlanningState.objects.update(due_at=now)
    wall = datetime(2026, 11, 23, tzinfo=UTC)
    claim: dict[str, Any] = {"now": now, "limit": 10, "lease_seconds": 60}

    first = PlanningState.objects.claim_plan_due(wall=wall, **claim)

    assert len(first) == 1
    assert PlanningState.objects.claim_plan_due(wall=wall + timedelta(seconds=59), **claim) == []
    assert PlanningState.objects.claim_plan_due(wall=wall + timedelta(seconds=60), **claim) == first


def test_event_moves_charging_out_of_it(alice: User, now: datetime) -> None:
    """A start/stop car charges at once, except in its event."""
    enrolled = nights.plugged_car(alice, now=now, kind="start_stop", soc=30)
    plain = plan_of(enrolled.vehicle, now=now)
    part = grid.participation(enrolled, now=now)

    plan = plan_of(enrolled.vehicle, now=now + timedelta(minutes=1))

    event = part.event
    assert charges_between(plain, event.starts_at, event.ends_at) > 20
    assert charges_between(plan, event.starts_at, event.ends_at) == 0
    assert plan.solution["power_kw"][0] == pytest.approx(11.3)
    slot = plan.slot_at(event.starts_at)
    assert slot is not None
    assert plan.solution["reasons"][slot] == "hold"
    assert plan.inputs["expected_reward"] == [pytest.approx(2 * 2 * 11.3, abs=0.5)]


def test_start_stop_car_plans_to_fill_up_at_once_to_its_own_limit(alice: User, now: datetime) -> None:
    plan = plan_of(nights.plugged_car(alice, now=now, kind="start_stop", soc=80).vehicle, now=now)

    assert plan.solution["power_kw"][0] > 0
    assert plan.solution["soc_percent"][4] == pytest.approx(90)
    assert plan.inputs["is_eager"] is True
    assert plan.inputs["import_price"][0] == 0.12


@pytest.mark.parametrize("press", [charge_now, skip_tonight], ids=["charge now", "skip tonight"])
def test_owners_word_means_neither_hold_nor_discharge(press: Any, alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now, soc=60)
    part = grid.participation(enrolled, now=now, in_event=grid.event(now=now, state=EVENING, kind="discharge"))
    press(vehicle=enrolled.vehicle, now=now)

    plan = plan_of(enrolled.vehicle, now=now)

    assert min(plan.solution["power_kw"]) == 0
    assert charges_between(plan, now - timedelta(minutes=15), part.event.starts_at) > 10
    assert plan.inputs["discharge_obstacle"] == "override"
    assert plan.inputs["asks"] == []


@pytest.mark.parametrize(
    ("kind", "spoil", "obstacle"),
    [
        pytest.param("v2g", {}, "", id="everything allows it"),
        pytest.param("timed", {}, "car", id="car cannot"),
        pytest.param("v2g", {"preference": {"is_v2g_allowed": False}}, "preference", id="owner does not want it"),
        pytest.param(
            "v2g",
            {"site": {"is_evse_bidirectional": False, "has_export_permission": False}},
            "charger",
            id="charger cannot",
        ),
        pytest.param("v2g", {"site": {"has_export_permission": False}}, "export_permission", id="no agreement"),
        pytest.param("v2g", {"site": {"export_limit_w": 0}}, "export_permission", id="agreement for nothing"),
        pytest.param(
            "v2g",
            {"site": {"export_permission_ends_on_date": datetime(2026, 11, 17, tzinfo=UTC).date()}},
            "export_permission",
            id="agreement ran out yesterday",
        ),
        pytest.param(
            "v2g",
            {"site": {"export_permission_ends_on_date": datetime(2026, 11, 18, tzinfo=UTC).date()}},
            "",
            id="agreement's last day",
        ),
    ],
)
def test_discharge_is_planned_only_where_everything_allows_it(
    kind: str, spoil: dict[str, dict[str, Any]], obstacle: str, alice: User, now: datetime
) -> None:
    enrolled = nights.plugged_car(alice, now=now, soc=70, kind=kind)
    Site.objects.filter(owner=alice).update(**spoil.get("site", {}))
    for name, value in spoil.get("preference", {}).items():
        setattr(enrolled.vehicle.preference, name, value)
    enrolled.vehicle.preference.save()
    grid.participation(enrolled, now=now, in_event=grid.event(now=now, state=EVENING, kind="discharge"))

    plan = plan_of(enrolled.vehicle, now=now)

    assert (min(plan.solution["power_kw"]) < 0) == (obstacle == "")
    assert plan.inputs["discharge_obstacle"] == obstacle
    assert min(plan.solution["soc_percent"][:40]) >= 30 - 1e-6


def test_hold_event_does_not_ask_for_energy_from_the_battery(alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now, soc=70)
    grid.participation(enrolled, now=now)

    assert min(plan_of(enrolled.vehicle, now=now).solution["power_kw"]) == 0


def test_reward_is_given_up_where_it_would_not_be_paid(alice: User, now: datetime) -> None:
    """Left alone the car is full before the event, so nothing can be earned there; a cheap event hour is used then."""
    cheap = [{"weekdays": list(range(7)), "from": "19:00", "to": "21:00", "rate": 10_000}]
    tariff = grid.tariff(slug="cheap-evening", kind=Tariff.Kind.TIME_OF_USE, periods=cheap)
    enrolled = nights.plugged_car(alice, now=now, soc=78, kind="timed")
    Site.objects.filter(owner=alice).update(tariff=tariff)
    PlugSession.objects.update(limit_percent=80)
    starts_at = datetime(2026, 11, 19, 1, tzinfo=UTC)
    grid.participation(
        enrolled,
        now=now,
        in_event=grid.event(now=now, state=EVENING, starts_at=starts_at, reward_micros_per_kwh=500_000),
    )

    plan = plan_of(enrolled.vehicle, now=now)

    assert plan.inputs["with_rewards"] is False
    assert charges_between(plan, starts_at, starts_at + 2 * HOUR) > 1


def test_car_below_its_minimum_charges_at_once(alice: User, now: datetime) -> None:
    plan = plan_of(nights.plugged_car(alice, now=now, soc=10, kind="timed").vehicle, now=now)

    assert plan.solution["reasons"][0] == "minimum"
    assert plan.solution["power_kw"][0] == pytest.approx(11.3)


def test_target_out_of_reach_means_as_much_as_possible(alice: User, now: datetime) -> None:
    late = datetime(2026, 11, 19, 12, 30, tzinfo=UTC)  # 06:30 in Austin, an hour before it leaves
    enrolled = nights.plugged_car(alice, now=late, soc=50, kind="timed")

    plan = plan_of(enrolled.vehicle, now=late)

    assert plan.solution["status"] == "relaxed"
    assert plan.solution["power_kw"][:4] == [pytest.approx(11.3)] * 4


@pytest.mark.parametrize(
    ("now_at", "departs_at"),
    [
        pytest.param(
            datetime(2026, 3, 8, 1, tzinfo=UTC), datetime(2026, 3, 8, 12, 30, tzinfo=UTC), id="spring: 23 hours"
        ),
        pytest.param(
            datetime(2026, 11, 1, 1, tzinfo=UTC), datetime(2026, 11, 1, 13, 30, tzinfo=UTC), id="autumn: 25 hours"
        ),
    ],
)
def test_departure_keeps_its_local_time_on_nights_the_clock_changes(
    now_at: datetime, departs_at: datetime, alice: User
) -> None:
    """Saturday evening in Austin; the car leaves at 7:30 on Sunday, and half price ends at 6:00, both by the clock."""
    vehicle = nights.plugged_car(alice, now=now_at, kind="timed").vehicle
    nights.leaves(vehicle, weekdays=[6])

    plan = plan_of(vehicle, now=now_at)

    assert plan.departure_at == departs_at
    assert plan.soc_percent_at(departs_at - timedelta(minutes=32)) == pytest.approx(80)
    cheap_ends_at = departs_at - timedelta(minutes=90)
    cheap_starts_at = datetime(2026, now_at.month, now_at.day, 6 if now_at.month == 3 else 5, tzinfo=UTC)
    inside = charges_between(plan, cheap_starts_at, cheap_ends_at)
    assert inside == pytest.approx(0.3 * 98 / 0.9, abs=0.01)


def test_car_is_away_as_long_as_it_usually_is_and_uses_what_it_usually_uses(alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now).vehicle
    PlugSession.objects.all().delete()
    for day in range(5, 0, -1):
        home_at = now - timedelta(days=day)
        nights.stay(vehicle, at=home_at, soc=55, unplugged_at=home_at + timedelta(hours=16))
        nights.reading(vehicle, at=home_at + timedelta(hours=15), soc=80)
    nights.stay(vehicle, at=now - timedelta(minutes=10), soc=50)

    plan = plan_of(vehicle, now=now)

    leaves = (datetime(2026, 11, 19, 13, 30, tzinfo=UTC) - plan.starts_at) // timedelta(minutes=15)
    assert plan.problem["plugged"][leaves - 1 : leaves + 34] == [1] + [0] * 32 + [1, 1]
    assert sum(plan.problem["trip_kwh"]) == pytest.approx(0.25 * 98, rel=0.2)
    assert plan.inputs["away_minutes"] == 480


def test_car_without_history_is_away_for_ten_hours(alice: User, now: datetime) -> None:
    plan = plan_of(nights.plugged_car(alice, now=now).vehicle, now=now)

    leaves = plan.problem["plugged"].index(0)
    assert plan.problem["plugged"][leaves:][:41] == [0] * 40 + [1]


def test_car_that_is_out_is_planned_from_its_return(alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now).vehicle
    PlugSession.objects.update(unplugged_at=now - 9 * HOUR, plugged_in_at=now - 20 * HOUR)
    nights.reading(vehicle, at=now, soc=40, is_plugged_in=False, is_at_home=False)

    plan = plan_of(vehicle, now=now)

    assert plan.problem["plugged"][:6] == [0, 0, 0, 0, 0, 1]
    assert plan.solution["reasons"][0] == "unplugged"


def test_prices_that_are_not_published_yet_repeat_the_day_before(alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now).vehicle
    feed = grid.feed()
    tariff = grid.tariff(slug="market", kind=Tariff.Kind.MARKET, price_feed=feed, delivery_micros_per_kwh=50_000)
    Site.objects.filter(owner=alice).update(tariff=tariff)
    first = datetime(2026, 11, 18, 6, tzinfo=UTC)  # Austin's Wednesday
    SeriesPoint.objects.bulk_create(
        SeriesPoint(
            feed=feed,
            starts_at=first + hour * HOUR,
            ends_at=first + (hour + 1) * HOUR,
            value=10_000 + hour * 1_000,
            unit="USD/kWh",
            issued_at=first,
        )
        for hour in range(24)
    )

    plan = plan_of(vehicle, now=now)

    known = (first + 24 * HOUR - plan.starts_at) // timedelta(minutes=15)
    assert plan.problem["import_price"][0] == pytest.approx(0.077)
    assert plan.problem["import_price"][known] == pytest.approx(0.060)
    assert plan.inputs["guessed_price_slots"] == len(plan.problem["import_price"]) - known


def test_flows_of_an_empty_platform_do_nothing(db: None, now: datetime) -> None:
    assert plan_due(now=now, limit=10) == 0
    assert settle_due(now=now, limit=10) == 0
