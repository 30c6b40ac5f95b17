"""Most cars of a sweep are told nothing new, or the next of what they were told: they are written in bulk.

The rules are those of `dispatching`, which steers whatever is out of the ordinary car by car. A car's dispatch and
command are read again under its lock, so that nobody's newer word is overwritten.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from grid.flows.plans.cars import CarNow
from grid.flows.plans.departures import next_departure
from grid.models import Dispatch, Plan, PlanningState
from grid.rules import steering
from grid.rules.steering import Wish, must_renew
from vehicles.flows.allowing import Intent, UnableToCommand
from vehicles.flows.asking import Asking, request_commands
from vehicles.models import Command

logger = logging.getLogger(__name__)

LOOK_AGAIN = timedelta(seconds=60)
LOOK_AGAIN_STEERED = timedelta(seconds=10)
# After the maker refused or lost a command, the same car is not asked again for a while.
REFUSED_WAIT = timedelta(minutes=15)
LIVE_STATES = (
    Command.State.DUE,
    Command.State.SENDING,
    Command.State.UNKNOWN,
    Command.State.ACCEPTED,
    Command.State.CONFIRMED,
    Command.State.NOOP,
)


def key_of(plan: Plan | None) -> int | None:
    """Return the plan's key, or None."""
    return plan.pk if plan else None


def group_of(car: CarNow) -> str:
    """Return whose limit on switched power counts for the car: its home's utility's."""
    return car.site.tariff.utility.slug if car.site else ""


def is_same(dispatch: Dispatch, wish: Wish) -> bool:
    """Say whether the dispatch is what is wanted still."""
    return (dispatch.mode, dispatch.power_w, dispatch.participation_id) == (
        wish.mode,
        wish.power_w,
        wish.participation,
    )


def in_force_until(command: Command | None, now: datetime) -> datetime | None:
    """Return when the command ends, or None where it holds the car no longer."""
    if command is None or command.ends_at is None or command.released_at is not None:
        return None
    return command.ends_at if command.state in LIVE_STATES and command.ends_at > now else None


def must_leave_alone(command: Command | None, *, now: datetime) -> bool:
    """Say whether the maker refused or lost the command so lately that the car is not asked again."""
    was_refused = command is not None and command.state in (Command.State.REJECTED, Command.State.TIMED_OUT)
    return was_refused and command is not None and now - command.created_at < REFUSED_WAIT


def intent_of(car: CarNow, wish: Wish, *, now: datetime) -> Intent:
    """Return what is asked of the car."""
    assert wish.until is not None
    preference = car.preference
    return Intent(
        vehicle=car.vehicle,
        kind=wish.mode,
        ends_at=wish.until,
        power_w=wish.power_w,
        floor_soc_percent=preference.reserve_soc_percent if preference and wish.power_w < 0 else 0,
        departure_at=next_departure(car, now=now),
        charge_w=min(car.charge_w, car.vehicle.max_charge_w),
    )


def look_again_at(wish: Wish, *, now: datetime) -> datetime:
    """Return when the car is looked at next: soon while it is steered, and on time where its event begins for it."""
    at = now + (LOOK_AGAIN if wish.mode == steering.FREE else LOOK_AGAIN_STEERED)
    return at if wish.look_at is None else max(now, min(at, wish.look_at))


def is_plain(car: CarNow, wish: Wish, *, now: datetime) -> bool:
    """Say whether the car can be written in bulk: free and left so, or told the first or the next of its commands."""
    dispatch = car.dispatch
    if wish.mode == steering.FREE:
        return dispatch is None
    if car.can.needs_backstop or wish.until is None or wish.ends_at is None:
        return False
    if dispatch is None:
        return True
    if not is_same(dispatch, wish):
        return False
    command = dispatch.command
    is_ours = command is not None and command.ended_by == Command.EndedBy.WATCHDOG
    return not (is_ours and _is_due(dispatch, wish, now))


def _is_due(dispatch: Dispatch | None, wish: Wish, now: datetime) -> bool:
    command = dispatch.command if dispatch else None
    if must_leave_alone(command, now=now):
        return False
    return must_renew(wish=wish, command_ends_at=in_force_until(command, now), now=now)


def steer_plain(cars: Sequence[tuple[CarNow, Wish]], *, lease_until: datetime, now: datetime) -> int:
    """Write the cars' dispatches and commands at once, and return how many were told something."""
    if not cars:
        return 0
    told = 0
    with transaction.atomic():
        kept = _locked(cars, lease_until=lease_until)
        told, refused = _tell([pair for pair in kept if pair[1].mode != steering.FREE], now=now)
        _schedule(kept, refused, now=now)
    return told


def _locked(cars: Sequence[tuple[CarNow, Wish]], *, lease_until: datetime) -> list[tuple[CarNow, Wish]]:
    """Lock the cars' states and leave out those that somebody else took up or steered meanwhile."""
    vehicle_ids = [car.vehicle.pk for car, _ in cars]
    states = PlanningState.objects.filter(vehicle__any_of=vehicle_ids, dispatch_lease_until=lease_until)
    ours = set(states.order_by("pk").select_for_update().values_list("vehicle", flat=True))
    rows = Dispatch.objects.filter(vehicle__any_of=vehicle_ids, stopped_at=None)
    open_now = {vehicle: (key, command) for vehicle, key, command in rows.values_list("vehicle", "pk", "command")}
    return [
        (car, wish)
        for car, wish in cars
        if car.vehicle.pk in ours
        and open_now.get(car.vehicle.pk) == ((car.dispatch.pk, car.dispatch.command_id) if car.dispatch else None)
    ]


def _tell(cars: Sequence[tuple[CarNow, Wish]], *, now: datetime) -> tuple[int, set[int]]:
    """Ask for the commands that are due; return how many there are, and the cars that may not be told."""
    due = [(car, wish) for car, wish in cars if _is_due(car.dispatch, wish, now)]
    rows = {car.vehicle.pk: car.dispatch or new_dispatch(car, wish, now) for car, wish in due}
    answers = request_commands(
        [
            Asking(
                key=rows[car.vehicle.pk].command_key(),
                intent=intent_of(car, wish, now=now),
                zone=car.zone.key,
                reason=wish.reason,
                group=group_of(car),
            )
            for car, wish in due
        ],
        now=now,
    )
    refused: set[int] = set()
    made: list[Dispatch] = []
    renewed: list[Dispatch] = []
    for car, wish in due:
        dispatch = rows[car.vehicle.pk]
        answer = answers[dispatch.command_key()]
        if isinstance(answer, UnableToCommand):
            logger.info("vehicle %s was not commanded: %s", car.vehicle.public_id, answer.reason_code)
            refused.add(car.vehicle.pk)
            if car.dispatch is not None and in_force_until(car.dispatch.command, now) is None:
                dispatch.stop(reason=answer.reason_code, now=now)
            continue
        assert wish.ends_at is not None
        dispatch.command, dispatch.renewals = answer, dispatch.renewals + 1
        dispatch.plan, dispatch.ends_at = car.plan, wish.ends_at
        (renewed if car.dispatch else made).append(dispatch)
    Dispatch.objects.bulk_create(made, batch_size=500)
    Dispatch.objects.bulk_update(renewed, ["command", "renewals", "plan", "ends_at"], batch_size=200)
    _prolong([pair for pair in cars if pair[0].vehicle.pk not in rows])
    return len(made) + len(renewed), refused


def new_dispatch(car: CarNow, wish: Wish, now: datetime) -> Dispatch:
    """Return the row of what the car is told from now on, not saved yet."""
    assert wish.ends_at is not None
    return Dispatch(
        vehicle=car.vehicle,
        plan=car.plan,
        participation_id=wish.participation,
        mode=wish.mode,
        power_w=wish.power_w,
        starts_at=now,
        ends_at=wish.ends_at,
        created_at=now,
    )


def _prolong(cars: Sequence[tuple[CarNow, Wish]]) -> None:
    """Let dispatches whose command goes on follow their plan's newer end."""
    moved = []
    for car, wish in cars:
        dispatch = car.dispatch
        if dispatch is None or (dispatch.ends_at == wish.ends_at and dispatch.plan_id == key_of(car.plan)):
            continue
        assert wish.ends_at is not None
        dispatch.plan, dispatch.ends_at = car.plan, wish.ends_at
        moved.append(dispatch)
    Dispatch.objects.bulk_update(moved, ["plan", "ends_at"], batch_size=200)


def _schedule(cars: Sequence[tuple[CarNow, Wish]], refused: set[int], *, now: datetime) -> None:
    """Have every car looked at again when it is due, and let go of it."""
    by_time: dict[datetime, list[int]] = {}
    for car, wish in cars:
        at = now + LOOK_AGAIN if car.vehicle.pk in refused else look_again_at(wish, now=now)
        by_time.setdefault(at, []).append(car.vehicle.pk)
    for at, vehicle_ids in by_time.items():
        PlanningState.objects.filter(vehicle__any_of=vehicle_ids).update(dispatch_at=at, dispatch_lease_until=None)
