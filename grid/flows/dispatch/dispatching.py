"""From plans to commands: each car at its home plug is told to hold or discharge, and given back, tick by tick.

Nothing is sent from here: commands are rows, and `vehicles.flows.commands` sends them. One car is steered by one
worker at a time (a lease and a row lock), and a command's key follows from its dispatch, so a tick that runs twice
asks for the same command twice and gets it once.
"""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction

from foundation import clock
from grid.flows.dispatch import feeders, many, tending
from grid.flows.dispatch.many import LOOK_AGAIN
from grid.flows.dispatch.moments import Around, look_around, moment_of
from grid.flows.plans.cars import CarNow, load_cars
from grid.flows.plans.departures import next_departure
from grid.models import Dispatch, PlanningState
from grid.rules import steering
from grid.rules.steering import Wish, must_renew
from vehicles.flows import foreign
from vehicles.flows.commands import UnableToCommand, renew_hold, request_command
from vehicles.flows.telemetry import ask_readings
from vehicles.models import Command, ForeignSign, Vehicle

logger = logging.getLogger(__name__)

# Short, because a dispatcher that died leaves its cars without renewals for so long.
LEASE_SECONDS = 20
BATCH = 1_000
REPLAN_DEVIATION_PERCENT = 3.0
EDGE_AHEAD = timedelta(minutes=15)


def dispatch_due(*, now: datetime, limit: int) -> int:
    """Steer up to `limit` cars that are due, and return for how many something was asked or given back.

    Cars of which nothing new is wanted, and those that are told something new, are written in bulk; whatever is out of
    the ordinary is steered car by car.
    """
    done, left, waiting = 0, limit, feeders.Waiting(now=now)
    while left > 0:
        wall = clock.wall()
        keys = PlanningState.objects.claim_dispatch_due(
            now=now, wall=wall, limit=min(left, BATCH), lease_seconds=LEASE_SECONDS
        )
        if not keys:
            break
        lease_until = wall + timedelta(seconds=LEASE_SECONDS)
        done += _steer_batch(keys, waiting=waiting, lease_until=lease_until, now=now)
        left -= len(keys)
    return done


def _steer_batch(keys: list[int], *, waiting: feeders.Waiting, lease_until: datetime, now: datetime) -> int:
    vehicle_ids = list(PlanningState.objects.filter(pk__any_of=keys).values_list("vehicle", flat=True))
    cars = load_cars(vehicle_ids, now=now)
    signs = foreign.open_signs(vehicle_ids)
    around = look_around(vehicle_ids, now=now, waiting=waiting.among(cars.values()))
    plain: list[tuple[CarNow, Wish]] = []
    off_plan: list[int] = []
    edges: list[tuple[Vehicle, datetime]] = []
    changed = 0
    for car in cars.values():
        try:
            wish = _wish(car, sign=signs.get(car.vehicle.pk), around=around, now=now)
            off_plan += [car.vehicle.pk] if _is_off_plan(car) else []
            edges += _edge_readings(car, now)
            if many.is_plain(car, wish, now=now):
                plain.append((car, wish))
            else:
                changed += _bring_in_line(car, wish, now)
        except UnableToCommand as refusal:
            logger.info("vehicle %s was not commanded: %s", car.vehicle.public_id, refusal.reason_code)
            _close_refused(car, refusal.reason_code, now)
        except Exception:
            logger.exception("vehicle %s was not steered", car.vehicle.public_id)
            _look_again(car, now + LOOK_AGAIN)
    PlanningState.objects.filter(vehicle__any_of=off_plan, due_at__gt=now).nudge(due_at=now, reason="soc")
    ask_readings(edges)
    return changed + many.steer_plain(plain, lease_until=lease_until, now=now)


def _wish(car: CarNow, *, sign: ForeignSign | None, around: Around, now: datetime) -> Wish:
    """Decide what the car shall do, and have what it needs beside its commands looked after."""
    moment = moment_of(car, now=now, around=around)
    if sign is not None and foreign.has_given_up(sign=sign, now=now):
        moment = replace(moment, obstacle=moment.obstacle or "foreign_schedule")
    wish = steering.decide(moment)
    tending.tend(car, wish=wish, sign=sign, now=now)
    return wish


def _bring_in_line(car: CarNow, wish: Wish, now: datetime) -> bool:
    """Bring one car's dispatch and commands in line with what it shall do; say whether it was told anything.

    Raises UnableToCommand where a first command is refused; then nothing is left behind.
    """
    with transaction.atomic():
        state = PlanningState.objects.select_for_update().get(vehicle=car.vehicle)
        dispatch = Dispatch.objects.filter(vehicle=car.vehicle, stopped_at=None).select_related("command").first()
        if wish.mode == steering.FREE:
            changed = _give_back(car, dispatch, wish, now)
        else:
            changed = _keep_commanded(car, dispatch, wish, now)
        state.dispatch_at = many.look_again_at(wish, now=now)
        state.dispatch_lease_until = None
        state.save(update_fields=["dispatch_at", "dispatch_lease_until"])
    return changed


def _is_off_plan(car: CarNow) -> bool:
    """Say whether the car is more than 3 % off the plan that it has, and so needs a new one."""
    plan, reading = car.plan, car.soc_reading
    if plan is None or reading is None or reading.observed_at <= plan.made_at or not car.is_plugged_at_home:
        return False
    at_making, at_reading = plan.soc_percent_at(plan.made_at), plan.soc_percent_at(reading.observed_at)
    if at_making is None or at_reading is None:
        return False
    # The plan's first slot began before it was made: what it expected of that part did not happen.
    expected = plan.solution["soc_percent"][0] + at_reading - at_making
    return bool(abs(float(reading.soc_percent or 0) - expected) > REPLAN_DEVIATION_PERCENT)


def _edge_readings(car: CarNow, now: datetime) -> list[tuple[Vehicle, datetime]]:
    """Return when the car is to be read for its events' begin and end: between readings one can only interpolate."""
    if not car.is_plugged_at_home:
        return []
    edges = {edge for part in car.participations for edge in (part.event.starts_at, part.event.ends_at)}
    ahead = [edge for edge in edges if now < edge <= now + EDGE_AHEAD]
    next_read_at = car.vehicle.next_read_at
    if not ahead or (next_read_at is not None and next_read_at <= min(ahead)):
        return []
    return [(car.vehicle, min(ahead))]


def _give_back(car: CarNow, dispatch: Dispatch | None, wish: Wish, now: datetime) -> bool:
    if dispatch is None:
        return False
    dispatch.stop(reason=wish.reason, now=now)
    # An unplugged car is free already, and a maker refuses to start charging one.
    if wish.reason != "unplugged" and _may_hold(dispatch.command, now):
        request_command(
            vehicle=car.vehicle,
            key=dispatch.resume_key,
            kind=Command.Kind.RESUME,
            ends_at=None,
            reason=wish.reason,
            departure_at=next_departure(car, now=now),
            now=now,
        )
    return True


def _keep_commanded(car: CarNow, dispatch: Dispatch | None, wish: Wish, now: datetime) -> bool:
    before = dispatch.command if dispatch else None
    if dispatch is not None and not many.is_same(dispatch, wish):
        dispatch.stop(reason="changed", now=now)
        before = before if dispatch.mode == wish.mode and dispatch.power_w == wish.power_w else None
        dispatch = None
    is_new = dispatch is None
    if dispatch is None:
        dispatch = many.new_dispatch(car, wish, now)
        dispatch.command = before
        dispatch.save()
    elif wish.ends_at is not None and (dispatch.ends_at != wish.ends_at or dispatch.plan_id != many.key_of(car.plan)):
        dispatch.plan, dispatch.ends_at = car.plan, wish.ends_at
        dispatch.save(update_fields=["plan", "ends_at"])
    return _renew(car, dispatch, wish, now) or is_new


def _renew(car: CarNow, dispatch: Dispatch, wish: Wish, now: datetime) -> bool:
    """Ask for the next command where the one in force ends soon; return whether one was asked for."""
    command = dispatch.command
    if many.must_leave_alone(command, now=now):
        return False
    in_force_until = many.in_force_until(command, now)
    if not must_renew(wish=wish, command_ends_at=in_force_until, now=now):
        return False
    assert wish.until is not None
    if command is not None and in_force_until is not None and command.ended_by == Command.EndedBy.WATCHDOG:
        # The maker was told once to stop; only the time at which our watchdog starts the car again moves.
        try:
            renew_hold(command=command, ends_at=wish.until, departure_at=next_departure(car, now=now), now=now)
        except UnableToCommand as refusal:
            if refusal.reason_code != "backstop_moved":
                raise
        else:
            return True
    dispatch.command = _request(car, dispatch, wish, now)
    dispatch.renewals += 1
    dispatch.save(update_fields=["command", "renewals"])
    return True


def _request(car: CarNow, dispatch: Dispatch, wish: Wish, now: datetime) -> Command:
    intent = many.intent_of(car, wish, now=now)
    return request_command(
        vehicle=car.vehicle,
        key=dispatch.command_key(),
        kind=intent.kind,
        ends_at=intent.ends_at,
        power_w=intent.power_w,
        floor_soc_percent=intent.floor_soc_percent,
        charge_w=intent.charge_w,
        zone=car.zone.key,
        reason=wish.reason,
        departure_at=intent.departure_at,
        group=many.group_of(car),
        now=now,
    )


def _may_hold(command: Command | None, now: datetime) -> bool:
    """Say whether the command may still hold the car: one whose outcome is unknown may, and so may an overdue one."""
    if command is None or command.released_at is not None:
        return False
    if command.state in (Command.State.REJECTED, Command.State.SUPERSEDED):
        return False
    is_over = command.ends_at is not None and command.ends_at <= now
    return not (is_over and command.ended_by == Command.EndedBy.CAR)


def _close_refused(car: CarNow, reason: str, now: datetime) -> None:
    """Close a dispatch that may not be renewed, once its last command is over; the car is free by then."""
    with transaction.atomic():
        dispatch = Dispatch.objects.filter(vehicle=car.vehicle, stopped_at=None).select_related("command").first()
        if dispatch is not None and many.in_force_until(dispatch.command, now) is None:
            dispatch.stop(reason=reason, now=now)
        _look_again(car, now + LOOK_AGAIN)


def _look_again(car: CarNow, at: datetime) -> None:
    PlanningState.objects.filter(vehicle=car.vehicle).update(dispatch_at=at, dispatch_lease_until=None)
