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
from grid import steering
from grid.flows import tending
from grid.flows.cars import CarNow, load_cars
from grid.flows.departures import next_departure
from grid.flows.planning import ask_plan
from grid.models import Dispatch, Plan, PlanningState
from grid.steering import EventWindow, Moment, PlanSlot, Wish, must_renew
from vehicles.flows import foreign
from vehicles.flows.allowing import oldest_reading
from vehicles.flows.commands import UnableToCommand, renew_hold, request_command
from vehicles.flows.telemetry import ask_reading
from vehicles.models import Command, ForeignSign
from vehicles.schedule import latest_safe_release_at

logger = logging.getLogger(__name__)

# Short, because a dispatcher that died leaves its cars without renewals for so long.
LEASE_SECONDS = 20
LOOK_AGAIN = timedelta(seconds=60)
LOOK_AGAIN_STEERED = timedelta(seconds=10)
# After the maker refused or lost a command, the same car is not asked again for a while.
REFUSED_WAIT = timedelta(minutes=15)
REPLAN_DEVIATION_PERCENT = 3.0
EDGE_AHEAD = timedelta(minutes=15)
LIVE_STATES = (
    Command.State.DUE,
    Command.State.SENDING,
    Command.State.UNKNOWN,
    Command.State.ACCEPTED,
    Command.State.CONFIRMED,
    Command.State.NOOP,
)


def dispatch_due(*, now: datetime, limit: int) -> int:
    """Steer up to `limit` cars that are due, and return for how many something was asked or given back."""
    keys = PlanningState.objects.claim_dispatch_due(
        now=now, wall=clock.wall(), limit=limit, lease_seconds=LEASE_SECONDS
    )
    if not keys:
        return 0
    vehicle_ids = list(PlanningState.objects.filter(pk__in=keys).values_list("vehicle", flat=True))
    changed, signs = 0, foreign.open_signs(vehicle_ids)
    for car in load_cars(vehicle_ids, now=now).values():
        try:
            changed += steer(car, sign=signs.get(car.vehicle.pk), now=now)
        except UnableToCommand as refusal:
            logger.info("vehicle %s was not commanded: %s", car.vehicle.public_id, refusal.reason_code)
            _close_refused(car, refusal.reason_code, now)
        except Exception:
            logger.exception("vehicle %s was not steered", car.vehicle.public_id)
            _look_again(car, now + LOOK_AGAIN)
    return changed


def steer(car: CarNow, *, now: datetime, sign: ForeignSign | None = None) -> bool:
    """Bring one car's dispatch and commands in line with its plan; return whether anything was asked or given back.

    `sign` says that somebody else steers the car too. Raises UnableToCommand where a first command is refused; then
    nothing is left behind.
    """
    moment = moment_of(car, now=now)
    if sign is not None and foreign.has_given_up(sign=sign, now=now):
        moment = replace(moment, obstacle=moment.obstacle or "foreign_schedule")
    wish = steering.decide(moment)
    _notice_deviation(car, now)
    _ask_edge_readings(car, now)
    tending.tend(car, wish=wish, sign=sign, now=now)
    with transaction.atomic():
        state = PlanningState.objects.select_for_update().get(vehicle=car.vehicle)
        dispatch = Dispatch.objects.filter(vehicle=car.vehicle, stopped_at=None).select_related("command").first()
        if wish.mode == steering.FREE:
            changed = _give_back(car, dispatch, wish, now)
        else:
            changed = _keep_commanded(car, dispatch, wish, now)
        is_steered = wish.mode != steering.FREE
        state.dispatch_at = now + (LOOK_AGAIN_STEERED if is_steered else LOOK_AGAIN)
        state.dispatch_lease_until = None
        state.save(update_fields=["dispatch_at", "dispatch_lease_until"])
    return changed


def moment_of(car: CarNow, *, now: datetime) -> Moment:
    """Return what the steering rules need to know of a car."""
    preference, reading, can = car.preference, car.soc_reading, car.can
    # Without a departure there is no schedule to keep in the car, and without that it is not held.
    is_holdable = can.can_hold and not (can.needs_backstop and next_departure(car, now=now) is None)
    return Moment(
        now=now,
        obstacle=car.obstacle,
        read_at=reading.observed_at if reading else None,
        is_plugged_at_home=car.is_plugged_at_home,
        soc_percent=car.soc_percent,
        minimum_percent=float(preference.minimum_soc_percent) if preference else 0.0,
        reserve_percent=float(preference.reserve_soc_percent) if preference else 0.0,
        target_percent=float(preference.target_soc_percent) if preference else 100.0,
        is_full=tending.is_full(car),
        stale_after=oldest_reading(car.vehicle),
        override=car.override_kind,
        can_hold=is_holdable,
        is_timed=can.can_hold_until or can.needs_backstop,
        discharge_w=car.discharge_w(now),
        planned_at=car.plan.made_at if car.plan else None,
        slots=slots_ahead(car.plan, now=now) if car.plan else (),
        events=tuple(
            EventWindow(part.pk, part.event.kind, part.event.starts_at, part.event.ends_at)
            for part in car.participations
        ),
        safe_release_at=_safe_release_at(car, now),
    )


def slots_ahead(plan: Plan, *, now: datetime) -> tuple[PlanSlot, ...]:
    """Return the plan's slots from the current one on, as steering reads them."""
    first = plan.slot_at(now)
    if first is None:
        return ()
    plugged, power_kw = plan.problem["plugged"], plan.solution["power_kw"]
    return tuple(
        PlanSlot(
            starts_at=plan.slot_starts_at(index),
            ends_at=plan.slot_starts_at(index + 1),
            power_w=round(power_kw[index] * 1000),
            is_plugged=bool(plugged[index]),
        )
        for index in range(first, len(power_kw))
    )


def _safe_release_at(car: CarNow, now: datetime) -> datetime | None:
    departure_at = next_departure(car, now=now)
    if departure_at is None or car.soc_percent is None or car.preference is None:
        return None
    return latest_safe_release_at(
        departure_at=departure_at,
        soc_percent=car.soc_percent,
        target_soc_percent=float(car.preference.target_soc_percent),
        capacity_wh=car.vehicle.capacity_wh,
        charge_w=car.charge_w,
        charge_efficiency=float(car.vehicle.charge_efficiency),
        worst_latency_seconds=car.can.worst_latency_seconds,
    )


def _notice_deviation(car: CarNow, now: datetime) -> None:
    """Ask for a new plan where the car is more than 3 % off the one it has."""
    plan, reading = car.plan, car.soc_reading
    if plan is None or reading is None or reading.observed_at <= plan.made_at or not car.is_plugged_at_home:
        return
    at_making, at_reading = plan.soc_percent_at(plan.made_at), plan.soc_percent_at(reading.observed_at)
    if at_making is None or at_reading is None:
        return
    # The plan's first slot began before it was made: what it expected of that part did not happen.
    expected = plan.solution["soc_percent"][0] + at_reading - at_making
    if abs(float(reading.soc_percent or 0) - expected) > REPLAN_DEVIATION_PERCENT:
        ask_plan(vehicle=car.vehicle, reason="soc", at=now)


def _ask_edge_readings(car: CarNow, now: datetime) -> None:
    """Have the car read when its events begin and end: what lies between two readings can only be interpolated."""
    if not car.is_plugged_at_home:
        return
    next_read_at = car.vehicle.next_read_at
    for part in car.participations:
        for edge in (part.event.starts_at, part.event.ends_at):
            if now < edge <= now + EDGE_AHEAD and (next_read_at is None or next_read_at > edge):
                ask_reading(vehicle=car.vehicle, by=edge)
                next_read_at = edge


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
    if dispatch is not None and not _is_same(dispatch, wish):
        dispatch.stop(reason="changed", now=now)
        before = before if dispatch.mode == wish.mode and dispatch.power_w == wish.power_w else None
        dispatch = None
    is_new = dispatch is None
    if dispatch is None:
        assert wish.ends_at is not None
        dispatch = Dispatch.objects.create(
            vehicle=car.vehicle,
            plan=car.plan,
            participation_id=wish.participation,
            mode=wish.mode,
            power_w=wish.power_w,
            starts_at=now,
            ends_at=wish.ends_at,
            command=before,
            created_at=now,
        )
    elif wish.ends_at is not None and (dispatch.ends_at != wish.ends_at or dispatch.plan_id != _key(car.plan)):
        dispatch.plan, dispatch.ends_at = car.plan, wish.ends_at
        dispatch.save(update_fields=["plan", "ends_at"])
    return _renew(car, dispatch, wish, now) or is_new


def _key(plan: Plan | None) -> int | None:
    return plan.pk if plan else None


def _is_same(dispatch: Dispatch, wish: Wish) -> bool:
    return (dispatch.mode, dispatch.power_w, dispatch.participation_id) == (
        wish.mode,
        wish.power_w,
        wish.participation,
    )


def _renew(car: CarNow, dispatch: Dispatch, wish: Wish, now: datetime) -> bool:
    """Ask for the next command where the one in force ends soon; return whether one was asked for."""
    command = dispatch.command
    if _was_refused(command) and command is not None and now - command.created_at < REFUSED_WAIT:
        return False
    in_force_until = _in_force_until(command, now)
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
    preference = car.preference
    return request_command(
        vehicle=car.vehicle,
        key=dispatch.command_key(),
        kind=dispatch.mode,
        ends_at=wish.until,
        power_w=wish.power_w,
        floor_soc_percent=preference.reserve_soc_percent if preference and wish.power_w < 0 else 0,
        charge_w=car.charge_w,
        zone=car.zone.key,
        reason=wish.reason,
        departure_at=next_departure(car, now=now),
        now=now,
    )


def _in_force_until(command: Command | None, now: datetime) -> datetime | None:
    """Return when the command ends, or None where it holds the car no longer."""
    if command is None or command.ends_at is None or command.released_at is not None:
        return None
    return command.ends_at if command.state in LIVE_STATES and command.ends_at > now else None


def _may_hold(command: Command | None, now: datetime) -> bool:
    """Say whether the command may still hold the car: one whose outcome is unknown may, and so may an overdue one."""
    if command is None or command.released_at is not None:
        return False
    if command.state in (Command.State.REJECTED, Command.State.SUPERSEDED):
        return False
    is_over = command.ends_at is not None and command.ends_at <= now
    return not (is_over and command.ended_by == Command.EndedBy.CAR)


def _was_refused(command: Command | None) -> bool:
    return command is not None and command.state in (Command.State.REJECTED, Command.State.TIMED_OUT)


def _close_refused(car: CarNow, reason: str, now: datetime) -> None:
    """Close a dispatch that may not be renewed, once its last command is over; the car is free by then."""
    with transaction.atomic():
        dispatch = Dispatch.objects.filter(vehicle=car.vehicle, stopped_at=None).select_related("command").first()
        if dispatch is not None and _in_force_until(dispatch.command, now) is None:
            dispatch.stop(reason=reason, now=now)
        _look_again(car, now + LOOK_AGAIN)


def _look_again(car: CarNow, at: datetime) -> None:
    PlanningState.objects.filter(vehicle=car.vehicle).update(dispatch_at=at, dispatch_lease_until=None)
