"""Reminders while there is still time: before an event, and in the evening for a car that is not at its plug."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date, datetime, time, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, Q

from accounts.flows.notices import notify, notify_all
from foundation import clock
from grid.flows.plans.cars import CarNow, load_cars
from grid.flows.plans.departures import next_departure
from grid.models import EventParticipation, EventReminder, GridEvent, PlugReminder
from vehicles.models import PlugSession, Vehicle
from vehicles.schedule import resolve_local

logger = logging.getLogger(__name__)

BEFORE_EVENT = timedelta(hours=1)
JUST_TOLD = timedelta(minutes=30)  # who was asked so lately needs no reminder
MOST_CARS = 5_000
LEASE = timedelta(seconds=90)

LOOK_BACK = timedelta(days=14)
AFTER_USUAL = timedelta(hours=1)
EARLIEST, LATEST, UNKNOWN = time(17), time(21), time(20)  # local; later than that a reminder would come at night
FEWEST_STAYS = 3
TONIGHT = timedelta(hours=16)
TOO_LATE = timedelta(hours=3)
STALE = timedelta(hours=24)
TRAVELLING_AFTER = timedelta(hours=36)
NEARLY_FULL_PERCENT = 5

# Cars of which a reminder makes no sense: nobody plans them, so nothing is missed.
UNPLANNED = frozenset({"not_active", "no_consent", "no_preference", "paused", "no_home"})


def remind_before_events(*, now: datetime, limit: int) -> int:
    """Remind owners of up to `limit` events that begin within the hour, and return how many events.

    An owner whose car is not at its plug is told so instead. Each version of an event is reminded of once; a sweep
    that dies half way is gone through again, and tells nobody twice.
    """
    reminded = EventReminder.objects.filter(event=OuterRef("pk"), version=OuterRef("version"))
    due = GridEvent.objects.filter(
        ~Exists(reminded), state=GridEvent.State.ANNOUNCED, starts_at__gt=now, starts_at__lte=now + BEFORE_EVENT
    )
    count = 0
    for event in due.select_related("terms__program").order_by("starts_at", "pk")[:limit]:
        try:
            _remind_of(event, now)
        except Exception:
            logger.exception("owners were not reminded of event %s", event.public_id)
            continue
        EventReminder.objects.get_or_create(event=event, version=event.version, defaults={"reminded_at": now})
        count += 1
    return count


def _remind_of(event: GridEvent, now: datetime) -> None:
    parts = EventParticipation.objects.filter(event=event, state=EventParticipation.State.IN)
    ids = list(parts.values_list("enrollment__vehicle", flat=True)[:MOST_CARS])
    cars = load_cars(ids, now=now).values()
    waiting = [car for car in cars if car.is_plugged_at_home]
    if event.announced_at is None or event.announced_at <= now - JUST_TOLD:
        notify_all(
            user_ids=[car.vehicle.owner_id for car in waiting],
            kind="event_soon",
            key=f"event_soon:{event.public_id}:{event.version}",
            params=_event_params(event),
            now=now,
        )
    for car in cars:
        if not car.is_plugged_at_home and not _is_unknown(car, now):
            _tell_not_plugged_in(car, {"why": "event", **_event_params(event)}, about=str(event.public_id), now=now)


def _event_params(event: GridEvent) -> dict[str, Any]:
    return {
        "program": event.terms.program.name,
        "event": str(event.public_id),
        "starts_at": event.starts_at.isoformat(),
        "ends_at": event.ends_at.isoformat(),
    }


def remind_to_plug_in(*, now: datetime, limit: int) -> int:
    """Look at up to `limit` cars whose usual hour at the plug has passed, and return how many owners were reminded.

    A reminder is for a car that is out, with a departure or an event before it is home again as usual, and less in its
    battery than its owner wants. Cars of which we know too little, and cars on a journey, are left alone.
    """
    _look_after_new_cars(now=now, limit=limit)
    claimed = _claim(now=now, limit=limit)
    cars = load_cars([row.vehicle_id for row in claimed], now=now)
    usual = _usual_times([car.vehicle for car in cars.values()], cars, now=now)
    told = 0
    for row in claimed:
        car = cars[row.vehicle_id]
        try:
            told += now - row.due_at <= TOO_LATE and _remind_if_needed(car, now)
        except Exception:
            logger.exception("vehicle %s was not looked at", car.vehicle.public_id)
        again_at = next_usual(now, zone=car.zone, local=usual.get(row.vehicle_id, UNKNOWN))
        PlugReminder.objects.filter(pk=row.pk).update(due_at=again_at, lease_until=None)
    return told


def _look_after_new_cars(*, now: datetime, limit: int) -> None:
    new = Vehicle.objects.filter(state=Vehicle.State.ACTIVE, is_controlling=True, plug_reminder__isnull=True)
    rows = [
        PlugReminder(vehicle=vehicle, due_at=next_usual(now, zone=vehicle.owner.zone, local=UNKNOWN))
        for vehicle in new.select_related("owner").order_by("pk")[:limit]
    ]
    PlugReminder.objects.bulk_create(rows, ignore_conflicts=True)


def _claim(*, now: datetime, limit: int) -> list[PlugReminder]:
    wall = clock.wall()
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=wall)
    due = PlugReminder.objects.filter(free, due_at__lte=now).order_by("due_at", "pk")[:limit]
    until = wall + LEASE
    return [row for row in due if PlugReminder.objects.filter(free, pk=row.pk).update(lease_until=until)]


def _remind_if_needed(car: CarNow, now: datetime) -> bool:
    if car.obstacle in UNPLANNED or car.is_plugged_at_home or _is_unknown(car, now) or _is_travelling(car, now):
        return False
    part = next((part for part in car.participations if now < part.event.starts_at <= now + TONIGHT), None)
    if part is not None:
        _tell_not_plugged_in(
            car, {"why": "event", **_event_params(part.event)}, about=str(part.event.public_id), now=now
        )
        return True
    departure_at = next_departure(car, now=now)
    if departure_at is None or departure_at > now + TONIGHT or car.preference is None:
        return False
    wanted, soc = car.preference.target_soc_percent, car.soc_percent
    if soc is not None and soc >= wanted - NEARLY_FULL_PERCENT:
        return False
    params = {"departure_at": departure_at.isoformat(), "wanted_percent": wanted}
    day = departure_at.astimezone(car.zone).date().isoformat()
    _tell_not_plugged_in(car, params, about=day, now=now)
    return True


def _is_unknown(car: CarNow, now: datetime) -> bool:
    reading = car.reading
    if reading is None or now - reading.observed_at > STALE:
        return True
    return reading.is_plugged_in is not False  # it may be at a plug elsewhere, or its maker does not say


def _is_travelling(car: CarNow, now: datetime) -> bool:
    stays = PlugSession.objects.filter(vehicle=car.vehicle, is_at_home=True)
    return not stays.filter(Q(unplugged_at__isnull=True) | Q(unplugged_at__gte=now - TRAVELLING_AFTER)).exists()


def _tell_not_plugged_in(car: CarNow, params: dict[str, Any], *, about: str, now: datetime) -> None:
    notify(
        user=car.vehicle.owner,
        kind="not_plugged_in",
        key=f"not_plugged_in:{car.vehicle.public_id}:{about}",
        params={"vehicle": str(car.vehicle), **params},
        now=now,
    )


def next_usual(now: datetime, *, zone: ZoneInfo, local: time) -> datetime:
    """Return the next instant after `now` at which the home's clock shows `local`."""
    today = now.astimezone(zone).date()
    coming = (resolve_local(day, local, zone) for day in _days_from(today))
    return next(instant for instant in coming if instant > now)


def _days_from(today: date) -> Iterable[date]:
    return (today + timedelta(days=days) for days in range(3))


def _usual_times(vehicles: Collection[Vehicle], cars: dict[int, CarNow], *, now: datetime) -> dict[int, time]:
    """Return an hour after each car's usual arrival at its home plug, by its home's clock, within the evening."""
    stays = PlugSession.objects.filter(
        vehicle__in=vehicles, is_at_home=True, plugged_in_at__gte=now - LOOK_BACK, plugged_in_at__lte=now
    )
    minutes = defaultdict(list)
    for vehicle_id, at in stays.order_by().values_list("vehicle", "plugged_in_at"):
        local = (at + AFTER_USUAL).astimezone(cars[vehicle_id].zone)
        minutes[vehicle_id].append(local.hour * 60 + local.minute)
    return {
        vehicle_id: usual_time(median(found)) for vehicle_id, found in minutes.items() if len(found) >= FEWEST_STAYS
    }


def usual_time(minute: float) -> time:
    """Return a minute of the day as a local time within the evening, on a quarter of an hour."""
    quarter = int(minute) // 15 * 15
    return min(max(time(quarter // 60 % 24, quarter % 60), EARLIEST), LATEST)
