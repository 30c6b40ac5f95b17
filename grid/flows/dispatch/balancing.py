"""Running events as a closed loop: what cars were told to give, what readings show, who makes up for whom."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import F, Max, Q

from foundation import leases
from grid.flows.dispatch import tending
from grid.flows.dispatch.limiting import keep_switch_limits
from grid.flows.dispatch.moments import moment_within
from grid.flows.events import calling
from grid.flows.plans.cars import CarNow, load_cars
from grid.models import EventParticipation, EventProgress, GridEvent
from grid.rules import loop, steering
from grid.rules.loop import DERIVED, MEASURED, UNKNOWN, Part, Stay
from grid.rules.steering import DISCHARGE, MAX_COMMAND, EventWindow
from vehicles.automakers.base import ChargeState
from vehicles.models import ChargeReading, Command

logger = logging.getLogger(__name__)

LEASE_SECONDS = 120
BATCH = 1_000
EVERY = timedelta(seconds=60)
CARS_A_SECOND = 500  # a look at many cars takes its time, so it comes less often
# A reading says what a car does as long as it is no older, and not older than the command by a car's usual delay.
FRESH = timedelta(minutes=10)
SETTLING = timedelta(seconds=90)
# Cars called lately are taken at their word until readings can show what they do.
PATIENCE = timedelta(minutes=5)
QUIET_STATES = frozenset({ChargeState.HOLDING, ChargeState.PLUGGED_IDLE, ChargeState.COMPLETE, ChargeState.UNPLUGGED})


def balance_due(*, now: datetime, limit: int) -> int:
    """Look at up to `limit` running events that are due for it, and return how many were looked at."""
    keep_switch_limits(now=now)
    running = GridEvent.objects.filter(state=GridEvent.State.ANNOUNCED, starts_at__lte=now, ends_at__gt=now)
    due = running.annotate(looked_at=Max("progress__at"), cars=Max("progress__called_cars")).order_by(
        F("looked_at").asc(nulls_first=True), "pk"
    )
    looked = 0
    for event in due.select_related("terms__program__utility")[:limit]:
        pause = max(EVERY, timedelta(seconds=(event.cars or 0) / CARS_A_SECOND))
        if event.looked_at is not None and event.looked_at > now - pause:
            continue
        with leases.held(f"balance:{event.pk}", seconds=LEASE_SECONDS) as is_mine:
            if not is_mine:
                continue
            try:
                balance(event=event, now=now)
                looked += 1
            except Exception:
                logger.exception("event %s was not balanced", event.public_id)
    return looked


def balance(*, event: GridEvent, now: datetime) -> EventProgress:
    """Look at one running event, ask others for what its stragglers do not give, and keep what was found."""
    sign = -1 if event.kind == GridEvent.Kind.ABSORB else 1
    parts = _parts(event, now)
    called = [part for part in parts if not part.is_reserve]
    look = loop.look_at(called, sign=sign)
    short_w = loop.missing_w(look, asked_w=event.target_w)
    chosen, given_w = loop.call_up(parts, missing_w=short_w, seed=str(event.public_id))
    _note_stragglers(event, dict(look.stragglers))
    if chosen:
        calling.call(chosen, now=now)
        logger.info("event %s: %d W short, %d cars called", event.public_id, short_w, len(chosen))
    return EventProgress.objects.create(
        event=event,
        at=now,
        asked_w=event.target_w,
        planned_w=look.planned_w,
        measured_w=look.measured_w,
        unknown_w=look.unknown_w,
        moved_w=min(given_w, short_w),
        missing_w=max(0, short_w - given_w),
        called_cars=len(called),
        measured_cars=look.measured_cars,
        derived_cars=look.derived_cars,
        unknown_cars=look.unknown_cars,
        straggling_cars=len(look.stragglers),
        reserve_cars=len(parts) - len(called),
    )


def _parts(event: GridEvent, now: datetime) -> list[Part]:
    rows = EventParticipation.objects.filter(
        event=event, state=EventParticipation.State.IN, enrollment__ended_at__isnull=True
    ).select_related("enrollment")
    parts: list[Part] = []
    taking_part = list(rows.order_by("pk"))
    for first in range(0, len(taking_part), BATCH):
        batch = taking_part[first : first + BATCH]
        vehicle_ids = [part.enrollment.vehicle_id for part in batch]
        cars = load_cars(vehicle_ids, now=now)
        calls = calling.calls_before(vehicle_ids, event=event, now=now)
        parts += [
            replace(part_of(row, cars[key], event, now=now), calls_before=calls.get(key, 0))
            for row in batch
            if (key := row.enrollment.vehicle_id) in cars
        ]
    return parts


def part_of(row: EventParticipation, car: CarNow, event: GridEvent, *, now: datetime) -> Part:
    """Return one car's part as it was told and as it was seen."""
    left_alone_w = _left_alone_w(car, now)
    is_reserve = row.call == EventParticipation.Call.RESERVE
    told_w = None if is_reserve else _told_w(row, car, event, now)
    trouble = _trouble(car)
    spare_w = 0 if trouble else _spare_w(row, car, event, told_w=told_w, left_alone_w=left_alone_w, now=now)
    was_called_lately = row.called_at is not None and row.called_at > now - PATIENCE
    if told_w is None and was_called_lately and spare_w:
        is_absorb = event.kind == GridEvent.Kind.ABSORB
        told_w = left_alone_w + spare_w if is_absorb else left_alone_w - spare_w
        return Part(row.pk, left_alone_w, told_w=told_w, grade=UNKNOWN)
    seen_w, grade = (None, UNKNOWN) if told_w is None else _seen_w(row, car, now)
    return Part(
        row.pk,
        left_alone_w,
        told_w=told_w,
        seen_w=seen_w,
        grade=grade,
        trouble=trouble,
        spare_w=0 if was_called_lately and not is_reserve else spare_w,
        is_reserve=is_reserve,
    )


def _left_alone_w(car: CarNow, now: datetime) -> int:
    session = car.session
    if session is None or not car.is_plugged_at_home:
        return 0
    return Stay(
        plugged_in_at=session.plugged_in_at,
        soc_percent=float(session.soc_percent),
        limit_percent=float(session.limit_percent),
        capacity_wh=car.vehicle.capacity_wh,
        charge_w=car.charge_w,
        charge_efficiency=float(car.vehicle.charge_efficiency),
    ).left_alone_w(now)


def _told_w(row: EventParticipation, car: CarNow, event: GridEvent, now: datetime) -> int | None:
    if event.kind == GridEvent.Kind.ABSORB:
        slot = car.plan.slot_at(now) if car.plan else None
        planned_w = round(car.plan.solution["power_kw"][slot] * 1000) if car.plan and slot is not None else 0
        if row.call == EventParticipation.Call.PRESSED and not tending.is_full(car):
            planned_w = car.charge_w
        return planned_w if planned_w > 0 else None
    dispatch = car.dispatch
    if dispatch is None or dispatch.participation_id != row.pk:
        return None
    return dispatch.power_w


def _seen_w(row: EventParticipation, car: CarNow, now: datetime) -> tuple[int | None, str]:
    reading, command = car.reading, car.dispatch.command if car.dispatch else None
    if reading is None or reading.observed_at < now - FRESH:
        return None, UNKNOWN
    if row.called_at is not None and reading.observed_at < row.called_at + SETTLING:
        return None, UNKNOWN
    first_sent_at = command.sent_at if command is not None and car.dispatch and car.dispatch.renewals == 1 else None
    if car.dispatch is not None and command is not None and command.sent_at is None and car.dispatch.renewals == 1:
        return None, UNKNOWN
    if first_sent_at is not None and reading.observed_at < first_sent_at + SETTLING:
        return None, UNKNOWN
    return _power_seen(reading, car)


def _power_seen(reading: ChargeReading, car: CarNow) -> tuple[int | None, str]:
    if reading.is_plugged_in is False:
        return 0, DERIVED
    if reading.power_w is not None:
        return reading.power_w, MEASURED
    if reading.charge_state == ChargeState.CHARGING:
        return car.charge_w, DERIVED
    if reading.charge_state == ChargeState.DISCHARGING:
        return (car.dispatch.power_w if car.dispatch else 0), DERIVED
    return (0, DERIVED) if reading.charge_state in QUIET_STATES else (None, UNKNOWN)


def _trouble(car: CarNow) -> str:
    """Return why the car cannot be counted on, as a key; "" where it can."""
    if car.obstacle:
        return car.obstacle
    if not car.is_plugged_at_home:
        return "unplugged"
    if car.override_kind:
        return car.override_kind
    command = car.dispatch.command if car.dispatch else None
    if command is not None and command.state in (Command.State.REJECTED, Command.State.TIMED_OUT):
        return (command.failure or command.state)[:40]
    return ""


def _spare_w(
    row: EventParticipation, car: CarNow, event: GridEvent, *, told_w: int | None, left_alone_w: int, now: datetime
) -> int:
    """Return what the car could give beyond what it was told, as its minimum, departure and reserve allow."""
    if row.call == EventParticipation.Call.PRESSED:
        return 0
    if event.kind == GridEvent.Kind.ABSORB:
        if tending.is_full(car) or not car.is_plugged_at_home:
            return 0
        return max(0, car.charge_w - (left_alone_w if told_w is None else told_w))
    pressed = EventWindow(row.pk, event.kind, event.starts_at, event.ends_at, is_pressed=True)
    wish = steering.decide(moment_within(car, event=pressed, now=now))
    is_long = wish.until is not None and wish.until >= min(now + MAX_COMMAND / 2, event.ends_at)
    if wish.mode == steering.FREE or not is_long:
        return 0
    power_w = wish.power_w if wish.mode == DISCHARGE else 0
    before_w = left_alone_w if told_w is None else told_w
    return max(0, before_w - power_w)


def _note_stragglers(event: GridEvent, found: dict[int, str]) -> None:
    rows = EventParticipation.objects.filter(event=event)
    rows.exclude(Q(straggles="") | Q(pk__any_of=list(found))).update(straggles="")
    by_reason: dict[str, list[int]] = {}
    for key, reason in found.items():
        by_reason.setdefault(reason[:40], []).append(key)
    for reason, keys in by_reason.items():
        rows.filter(pk__any_of=keys).exclude(straggles=reason).update(straggles=reason)
