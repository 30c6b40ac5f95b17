"""From plans to commands: asked once, renewed in time, given back on a change of mind."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from grid.flows.dispatch.dispatching import dispatch_due
from grid.flows.plans.planning import current_plan, plan_due
from grid.models import Dispatch, Enrollment, EventParticipation, GridEvent, Plan, PlanningState
from tests.factories import grid, nights
from vehicles.flows.commands import UnableToCommand, request_command
from vehicles.flows.preferences import charge_now, skip_tonight
from vehicles.models import ChargePreference, ChargeReading, Command, PlugSession, Vehicle

MINUTE = timedelta(minutes=1)
ANNOUNCED = GridEvent.State.ANNOUNCED


def plan_with(vehicle: Vehicle, *powers_kw: float, now: datetime) -> Plan:
    """Make the car's plan, then let its first slots (from 17:00 local) do what the test wants."""
    plan_due(now=now, limit=10)
    plan = current_plan(vehicle)
    assert plan is not None
    return nights.rewrite(plan, *powers_kw)


def tick(now: datetime, *, confirmed: bool = True) -> list[Command]:
    """Let a minute's work happen: dispatch, and the makers accept what is due. Returns what the cars were told."""
    dispatch_due(now=now, limit=10)
    told = list(Command.objects.filter(state=Command.State.DUE).order_by("pk"))
    state = Command.State.CONFIRMED if confirmed else Command.State.ACCEPTED
    for command in told:
        if command.kind == Command.Kind.RESUME:
            Command.objects.filter(vehicle=command.vehicle, released_at=None).update(released_at=now)
        Command.objects.filter(pk=command.pk).update(state=state, sent_at=now)
    return told


def seen_at(vehicle: Vehicle, now: datetime, soc: float = 50, **fields: Any) -> ChargeReading:
    return nights.reading(vehicle, at=now, soc=soc, **{"charge_state": "holding", **fields})


@pytest.fixture
def v2g(alice: User, now: datetime) -> Vehicle:
    return nights.plugged_car(alice, now=now).vehicle


def test_hold_is_asked_for_once_however_often_the_sweep_runs(v2g: Vehicle, now: datetime) -> None:
    plan_with(v2g, *[0] * 8, now=now)

    assert dispatch_due(now=now, limit=10) == 1
    PlanningState.objects.update(dispatch_at=now)
    assert dispatch_due(now=now, limit=10) == 0

    dispatch = Dispatch.objects.get()
    command = Command.objects.get()
    assert (dispatch.mode, dispatch.power_w, dispatch.command, dispatch.renewals) == ("hold", 0, command, 1)
    assert (command.key, command.kind) == (f"dispatch:{dispatch.public_id}:1", "hold")
    assert (command.ends_at, command.ended_by) == (now + 15 * MINUTE, Command.EndedBy.CAR)
    assert command.charge_w == 11_300


def test_car_is_looked_at_again_only_when_due(v2g: Vehicle, now: datetime) -> None:
    plan_with(v2g, 11.3, now=now)
    dispatch_due(now=now, limit=10)

    assert PlanningState.objects.get().dispatch_at == now + MINUTE
    assert PlanningState.objects.get().dispatch_lease_until is None


def test_second_dispatcher_finds_the_car_taken(v2g: Vehicle, now: datetime) -> None:
    plan_with(v2g, 0, now=now)
    claim: dict[str, Any] = {"now": now, "limit": 10, "lease_seconds": 60}

    assert len(PlanningState.objects.claim_dispatch_due(wall=now, **claim)) == 1
    assert PlanningState.objects.claim_dispatch_due(wall=now + timedelta(seconds=59), **claim) == []
    assert len(PlanningState.objects.claim_dispatch_due(wall=now + timedelta(seconds=60), **claim)) == 1


def test_hold_is_renewed_by_new_commands_until_its_stretch_ends(v2g: Vehicle, now: datetime) -> None:
    """17:05: held until 17:45, then charging."""
    plan_with(v2g, 0, 0, 0, 11.3, 11.3, now=now)
    ends = []
    for minute in range(0, 45, 5):
        at = now + minute * MINUTE
        seen_at(v2g, at)
        ends += [(minute, command.ends_at - now) for command in tick(at) if command.ends_at]

    # Never less than ten minutes ahead while the stretch goes on, and never beyond 17:45.
    assert ends == [(0, 15 * MINUTE), (10, 25 * MINUTE), (20, 35 * MINUTE), (30, 40 * MINUTE)]
    assert not Command.objects.filter(kind="resume").exists()
    dispatch = Dispatch.objects.get()
    assert (dispatch.renewals, dispatch.stopped_at, dispatch.stop_reason) == (4, now + 40 * MINUTE, "plan")


def test_start_stop_car_is_told_once_and_its_hold_prolonged(alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now, kind="start_stop")
    grid.participation(
        enrolled,
        now=now,
        in_event=grid.event(now=now, state=ANNOUNCED, starts_at=now + 5 * MINUTE, ends_at=now + 40 * MINUTE),
    )
    ends = []
    for minute in range(0, 50, 5):
        at = now + minute * MINUTE
        seen_at(enrolled.vehicle, at)
        plan_due(now=at, limit=10)
        tick(at)
        hold = Command.objects.filter(kind="hold").first()
        ends.append(hold.ends_at - now if hold and hold.ends_at else None)

    told = list(Command.objects.order_by("pk").values_list("kind", flat=True))
    assert told == ["hold", "resume"]
    assert ends[:8] == [None, *(count * MINUTE for count in (20, 20, 30, 30, 40, 40, 40))]
    assert Dispatch.objects.get().stop_reason in {"not_in_event", "plan"}


def test_start_stop_car_is_never_held_outside_its_event(alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now, kind="start_stop")
    plan_with(enrolled.vehicle, *[0] * 8, now=now)

    assert dispatch_due(now=now, limit=10) == 0
    assert not Command.objects.exists()


def test_car_that_opted_out_is_let_go(alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now, kind="start_stop")
    part = grid.participation(
        enrolled, now=now, in_event=grid.event(now=now, state=ANNOUNCED, starts_at=now, ends_at=now + 60 * MINUTE)
    )
    plan_due(now=now, limit=10)
    assert [command.kind for command in tick(now)] == ["hold"]

    EventParticipation.objects.filter(pk=part.pk).update(state=EventParticipation.State.OPTED_OUT)
    plan_due(now=now + MINUTE, limit=10)

    assert [command.kind for command in tick(now + MINUTE)] == ["resume"]
    assert tick(now + 2 * MINUTE) == []


def test_discharge_keeps_the_reserve(v2g: Vehicle, now: datetime) -> None:
    plan_with(v2g, -9.6, -9.6, 0, now=now)

    (command,) = tick(now)

    assert (command.kind, command.power_w, command.floor_soc_percent) == ("discharge", -9_600, 30)
    assert command.ends_at == now + 15 * MINUTE


@pytest.mark.parametrize("soc", [30.9, 30, 29, 20], ids=str)
def test_discharge_is_not_begun_at_the_reserve(soc: float, v2g: Vehicle, now: datetime) -> None:
    plan_with(v2g, *[-9.6] * 8, now=now)
    seen_at(v2g, now, soc=soc)

    assert [command.kind for command in tick(now)] == ["hold"]


def test_discharge_gives_way_to_a_hold_at_the_reserve(v2g: Vehicle, now: datetime) -> None:
    plan_with(v2g, *[-9.6] * 8, now=now)
    assert [command.kind for command in tick(now)] == ["discharge"]
    seen_at(v2g, now + 5 * MINUTE, soc=30.4)

    told = tick(now + 5 * MINUTE)

    assert [(command.kind, command.power_w) for command in told] == [("hold", 0)]
    assert [row.stop_reason for row in Dispatch.objects.order_by("pk")] == ["changed", ""]


def test_event_that_begins_in_a_hold_takes_the_command_over(alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now, kind="timed")
    part = grid.participation(
        enrolled, now=now, in_event=grid.event(now=now, state=ANNOUNCED, starts_at=now + 10 * MINUTE)
    )
    plan_with(enrolled.vehicle, *[0] * 12, now=now)
    tick(now)
    tick(now + 5 * MINUTE)

    assert tick(now + 10 * MINUTE)[0].ends_at == now + 25 * MINUTE
    before, inside = Dispatch.objects.order_by("pk")
    assert (before.participation, before.ends_at, before.stop_reason) == (None, now + 10 * MINUTE, "changed")
    assert (inside.participation, inside.starts_at) == (part, now + 10 * MINUTE)
    assert not Command.objects.filter(kind="resume").exists()


def _raise_minimum(vehicle: Vehicle, at: datetime) -> None:
    ChargePreference.objects.filter(vehicle=vehicle).update(minimum_soc_percent=60, reserve_soc_percent=70)


def _pause(vehicle: Vehicle, at: datetime) -> None:
    ChargePreference.objects.filter(vehicle=vehicle).update(is_paused=True)


def _unplug(vehicle: Vehicle, at: datetime) -> None:
    PlugSession.objects.filter(vehicle=vehicle).update(unplugged_at=at)
    seen_at(vehicle, at, is_plugged_in=False, charge_state="unplugged")


def _silence(vehicle: Vehicle, at: datetime) -> None:
    ChargeReading.objects.filter(vehicle=vehicle).update(observed_at=vehicle.created_at)


@pytest.mark.parametrize(
    ("change", "reason", "kinds"),
    [
        pytest.param(lambda car, at: charge_now(vehicle=car, now=at), "charge_now", ["resume"], id="charge now"),
        pytest.param(lambda car, at: skip_tonight(vehicle=car, now=at), "skip", ["resume"], id="skip tonight"),
        pytest.param(lambda car, at: plan_with(car, 11.3, now=at), "plan", ["resume"], id="plan charges now"),
        pytest.param(_raise_minimum, "minimum", ["resume"], id="below the minimum"),
        pytest.param(_unplug, "unplugged", [], id="unplugged: free already"),
        pytest.param(
            lambda car, at: seen_at(car, at, is_at_home=False), "unplugged", [], id="somewhere else: free already"
        ),
        pytest.param(_silence, "stale", ["resume"], id="not heard of any more"),
        pytest.param(_pause, "paused", ["resume"], id="paused"),
    ],
)
def test_held_car_is_given_back(change: Any, reason: str, kinds: list[str], v2g: Vehicle, now: datetime) -> None:
    plan_with(v2g, *[0] * 8, now=now)
    tick(now)
    at = now + 2 * MINUTE

    change(v2g, at)
    tick(at)
    tick(at + MINUTE)

    assert list(Command.objects.exclude(kind="hold").values_list("kind", flat=True)) == kinds
    dispatch = Dispatch.objects.get()
    assert (dispatch.stop_reason, dispatch.stopped_at) == (reason, at)


def test_hold_never_lasts_past_the_safe_release(v2g: Vehicle, now: datetime) -> None:
    """At 50 % the car needs 2:36 h to 80 %, two minutes of latency and 30 minutes of margin before 7:30."""
    plan = plan_with(v2g, now=now)
    release_at = plan.departure_at
    assert release_at is not None
    release_at -= timedelta(seconds=0.3 * 98_000 / 0.9 / 11_300 * 3600 + 120 + 1800)
    late = release_at - 20 * MINUTE
    plan_with(v2g, *[0] * 20, now=late)
    ends = [command.ends_at for minute in range(0, 25, 5) for command in _tick_seen(v2g, late + minute * MINUTE)]

    held = [end for end in ends if end is not None]
    assert held
    assert release_at - MINUTE <= max(held) <= release_at
    assert Dispatch.objects.get().stop_reason == "departure"


def _tick_seen(vehicle: Vehicle, at: datetime) -> list[Command]:
    seen_at(vehicle, at, soc=50)
    return tick(at)


def test_refused_car_is_left_alone_and_leaves_nothing_behind(v2g: Vehicle, now: datetime) -> None:
    plan_with(v2g, *[0] * 8, now=now)
    ChargeReading.objects.update(is_at_home=None)

    assert dispatch_due(now=now, limit=10) == 0

    assert not Command.objects.exists()
    assert not Dispatch.objects.exists()
    assert PlanningState.objects.get().dispatch_at == now + MINUTE


def test_car_whose_maker_refused_is_asked_again_after_a_quarter_of_an_hour(v2g: Vehicle, now: datetime) -> None:
    plan_with(v2g, *[0] * 8, now=now)
    tick(now)
    Command.objects.update(state=Command.State.REJECTED, released_at=now)
    asked = []
    for minute in range(1, 20):
        seen_at(v2g, now + minute * MINUTE)
        asked += [minute for _ in tick(now + minute * MINUTE)]

    assert asked[0] == 15
    assert Dispatch.objects.get().renewals == len(asked) + 1


def test_unknown_outcome_is_not_asked_for_again_before_it_would_end(v2g: Vehicle, now: datetime) -> None:
    plan_with(v2g, *[0] * 8, now=now)
    tick(now)
    Command.objects.update(state=Command.State.UNKNOWN)

    assert tick(now + 4 * MINUTE) == []


def test_soc_that_strays_from_the_plan_asks_for_a_new_one(v2g: Vehicle, now: datetime) -> None:
    plan_with(v2g, *[0] * 8, now=now)
    tick(now)
    seen_at(v2g, now + 5 * MINUTE, soc=52.9)
    tick(now + 5 * MINUTE)
    assert PlanningState.objects.get().due_at > now + 5 * MINUTE

    seen_at(v2g, now + 10 * MINUTE, soc=54)
    tick(now + 10 * MINUTE)

    state = PlanningState.objects.get()
    assert (state.due_at, state.reason) == (now + 10 * MINUTE, "soc")


def test_one_car_that_fails_leaves_the_others_steered(
    v2g: Vehicle, bob: User, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    fine = nights.plugged_car(bob, now=now).vehicle
    plan_with(fine, *[0] * 8, now=now)
    Plan.objects.filter(vehicle=v2g).update(arrays=b"?")

    assert dispatch_due(now=now, limit=10) == 1
    assert Dispatch.objects.get().vehicle == fine


def test_plan_that_goes_on_prolongs_the_dispatch(v2g: Vehicle, now: datetime) -> None:
    plan_with(v2g, 0, 0, 11.3, now=now)
    tick(now)
    seen_at(v2g, now + 5 * MINUTE)
    PlanningState.objects.update(due_at=now)
    newer = plan_with(v2g, 0, 0, 0, 0, 11.3, now=now + 5 * MINUTE)

    tick(now + 5 * MINUTE)

    dispatch = Dispatch.objects.get()
    assert (dispatch.plan, dispatch.ends_at) == (newer, now + 55 * MINUTE)


def test_vehicles_room_refuses_what_the_rules_would_not_ask(v2g: Vehicle, now: datetime) -> None:
    """The last line of defence stands apart: a discharge below the reserve is refused there too."""
    with pytest.raises(UnableToCommand) as refused:
        request_command(
            vehicle=v2g,
            key="x",
            kind="discharge",
            ends_at=now + 15 * MINUTE,
            power_w=-9_600,
            floor_soc_percent=29,
            departure_at=None,
            now=now,
        )

    assert refused.value.reason_code == "below_reserve"


def test_withdrawn_car_is_not_held_for_an_event(alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now, kind="start_stop")
    grid.participation(
        enrolled, now=now, in_event=grid.event(now=now, state=ANNOUNCED, starts_at=now, ends_at=now + 60 * MINUTE)
    )
    Enrollment.objects.update(ended_at=now)
    plan_with(enrolled.vehicle, *[0] * 8, now=now)

    assert tick(now) == []


def test_car_is_read_when_its_event_begins_and_ends(alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now, kind="timed")
    event = grid.event(now=now, state=ANNOUNCED, starts_at=now + 10 * MINUTE, ends_at=now + 40 * MINUTE)
    grid.participation(enrolled, now=now, in_event=event)
    plan_due(now=now, limit=10)
    reads = []
    for minute in range(0, 45, 5):
        at = now + minute * MINUTE
        Vehicle.objects.update(next_read_at=at + 15 * MINUTE)
        PlanningState.objects.update(dispatch_at=at)
        dispatch_due(now=at, limit=10)
        reads.append((Vehicle.objects.get().next_read_at or at) - now)

    asked = [10, 10, 25, 30, 35, 40, 40, 40, 55]
    assert reads == [count * MINUTE for count in asked]
