"""What an event's group took on earlier days, for the methods that match days: gathered a thousand cars at a time.

A day on which the cars were asked for something, or on which our plans held many of them, is no example of a group left
alone and is left out beforehand. Of a car of which a slot is not known, the mean of the others stands in, as long as
four cars in five are known; otherwise the slot is not known, and its day is no example either.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from django.db import transaction
from django.db.models import BigIntegerField, Count, F, QuerySet
from django.db.models.functions import Cast, Round

from foundation import clock
from grid.flows.settlement.cases import read_parts
from grid.metering.cases import Car, Window
from grid.metering.day_matching import SATURDAY
from grid.metering.loads import Seen, Stayed, loads
from grid.models import Dispatch, EventParticipation, GridEvent, LoadHistory
from grid.rows.columns import MISSING, TIME, WHOLE, micros_of, read_columns, row_by_row
from vehicles.models import ChargeReading, PlugSession

LOOK_BACK_DAYS = 45
MOST_DAYS = 14  # of the event's kind: the newest so many that may serve, some of which are not known whole
AT_ONCE = 1_000
LEASE = timedelta(seconds=60)
MOMENT = timedelta(microseconds=1)
SLOT = timedelta(minutes=30)
BEFORE = (timedelta(hours=4), timedelta(hours=2))  # the adjustment's hours, before the event's begin
AROUND = timedelta(hours=1)
FEWEST_KNOWN = Fraction(4, 5)
MOST_MANAGED = Fraction(1, 20)


def history_of(event: GridEvent, parts: QuerySet[EventParticipation], *, ends_at: float) -> dict[str, Any] | None:
    """Return the group's loads on its event's day and earlier ones, as the methods take them; None while unfinished.

    `parts` are the group's; control cars are left out of it. Each batch is added and written down at once, so that a
    sweep that dies loses a batch and counts none twice.
    """
    treated = parts.filter(state=EventParticipation.State.IN)
    history = LoadHistory.objects.filter(event=event).first()
    if history is None:
        defaults = {"days": _days(event, treated)}
        history, _is_new = LoadHistory.objects.get_or_create(event=event, defaults=defaults)
    while not history.is_whole:
        if time.monotonic() > ends_at:
            return None
        GridEvent.objects.filter(pk=event.pk).update(lease_until=clock.wall() + LEASE)
        _add_batch(event, treated, history)
    return _told(event, history)


def _days(event: GridEvent, parts: QuerySet[EventParticipation]) -> dict[str, Any]:
    """Return which earlier days are looked at, newest first, and why others are not."""
    today, cars = _local(event.starts_at, event), parts.count()
    asked = _asked_on(event, parts, cars)
    excluded, looked_at = dict[str, str](), list[str]()
    for back in range(1, LOOK_BACK_DAYS + 1):
        day = today - timedelta(days=back)
        if asked.get(day, 0) > MOST_MANAGED * cars:
            excluded[day.isoformat()] = "event"
        elif not _may_be_similar(event, day):
            continue
        elif _managed(event, parts, day) > MOST_MANAGED * cars:
            excluded[day.isoformat()] = "managed"
        else:
            looked_at.append(day.isoformat())
        if len(looked_at) == MOST_DAYS:
            break
    return {"looked_at": looked_at, "excluded": excluded}


def _asked_on(event: GridEvent, parts: QuerySet[EventParticipation], every: int) -> Counter[date]:
    """Return how many of the cars were asked for something on each earlier day; all, where the program itself asked.

    An event counts for every day that it touches, and for the one whose hours it lies in after midnight.
    """
    others = EventParticipation.objects.filter(
        enrollment__vehicle__in=parts.order_by().values("enrollment__vehicle"),
        event__cancelled_at__isnull=True,
        event__announced_at__isnull=False,
        event__starts_at__gte=event.starts_at - timedelta(days=LOOK_BACK_DAYS + 1),
        event__starts_at__lt=event.starts_at,
    ).exclude(event=event)
    found = others.order_by().values_list("event__starts_at", "event__ends_at", "event__terms__program")
    counted, reach = Counter[date](), event.ends_at - event.starts_at
    for starts_at, ends_at, program, some in found.annotate(some=Count("enrollment__vehicle", distinct=True)):
        cars = every if program == event.terms.program_id else some
        day, last = _local(starts_at, event) - timedelta(days=1), _local(ends_at - MOMENT, event)
        while day <= last:
            hours_at = _same_time(event.starts_at, day, event)
            is_in_hours = starts_at < hours_at + reach and ends_at > hours_at - BEFORE[0]
            counted[day] += cars if is_in_hours or day >= _local(starts_at, event) else 0
            day += timedelta(days=1)
    return counted


def _may_be_similar(event: GridEvent, day: date) -> bool:
    """Say whether the day is of the event's kind, working day or not, to a method that knows holidays or to one not."""
    today, holidays = _local(event.starts_at, event), event.terms.program.utility.holidays
    works = [(one.weekday() < SATURDAY, one.isoformat() not in holidays) for one in (today, day)]
    return works[0][0] == works[1][0] or all(works[0]) == all(works[1])


def _managed(event: GridEvent, parts: QuerySet[EventParticipation], day: date) -> int:
    """Return how many of the cars our plans held in the event's hours of a day, or in the adjustment's."""
    starts_at = _same_time(event.starts_at, day, event)
    rows = Dispatch.objects.filter(
        vehicle__in=parts.order_by().values("enrollment__vehicle"),
        starts_at__lt=starts_at + (event.ends_at - event.starts_at),
        ends_at__gt=starts_at - BEFORE[0],
    )
    found = rows.aggregate(cars=Count("vehicle", distinct=True))["cars"]
    return int(found or 0)


@transaction.atomic
def _add_batch(event: GridEvent, parts: QuerySet[EventParticipation], history: LoadHistory) -> None:
    following = parts.filter(pk__gt=history.after).order_by("pk").values_list("pk", flat=True)
    rows = read_parts(parts, event, list(following[:AT_ONCE]))
    if not rows:
        history.is_whole = True
        history.save(update_fields=["is_whole"])
        return
    cars = {
        row.enrollment.vehicle_id: Car(
            row.enrollment.vehicle.capacity_wh,
            row.enrollment.vehicle.charge_efficiency,
            min(row.enrollment.vehicle.max_charge_w, row.enrollment.site.evse_max_charge_w),
        )
        for row in rows
    }
    totals = dict(history.loads)
    with row_by_row():
        for day in [_local(event.starts_at, event).isoformat(), *history.days["looked_at"]]:
            totals[day] = _added(totals.get(day), _load_of(event, date.fromisoformat(day), cars))
    history.loads, history.after, history.cars = totals, rows[-1].pk, history.cars + len(rows)
    history.save(update_fields=["loads", "after", "cars"])


def _load_of(event: GridEvent, day: date, cars: Mapping[int, Car]) -> list[list[list[int]]]:
    """Return what the cars took in each slot of the event and of the adjustment, and of how many it is known."""
    starts_at = _same_time(event.starts_at, day, event)
    ends_at = starts_at + (event.ends_at - event.starts_at)
    spans = (Window(starts_at, ends_at), Window(starts_at - BEFORE[0], starts_at - BEFORE[1]))
    places = {vehicle: place for place, vehicle in enumerate(sorted(cars))}
    seen = _seen(places, Window(spans[1].starts_at - AROUND, ends_at + AROUND))
    stayed = _stayed(places, Window(spans[1].starts_at, ends_at))
    in_order = [cars[vehicle] for vehicle in places]
    return [loads(in_order, seen, stayed, list(_slots(span))) for span in spans]


def _seen(places: Mapping[int, int], span: Window) -> Seen:
    near = ChargeReading.objects.filter(
        vehicle__any_of=places, observed_at__gte=span.starts_at, observed_at__lte=span.ends_at
    ).annotate(hundredths=Cast(Round(F("soc_percent") * 100), BigIntegerField()))
    columns = read_columns(
        near.order_by("vehicle", "observed_at").values_list("vehicle", "observed_at", "hundredths", "imported_wh",
                                                            "exported_wh"),
        [WHOLE, TIME, WHOLE, WHOLE, WHOLE],
    )  # fmt: skip
    return Seen(_placed(columns[0], places), *columns[1:])


def _stayed(places: Mapping[int, int], span: Window) -> Stayed:
    """Return the stays that touch the span; one that goes on lasts beyond it."""
    home = PlugSession.objects.filter(vehicle__any_of=places, is_at_home=True, plugged_in_at__lt=span.ends_at)
    rows = home.exclude(unplugged_at__lte=span.starts_at).values_list("vehicle", "plugged_in_at", "unplugged_at")
    vehicles, begins, ends = read_columns(rows, [WHOLE, TIME, TIME])
    last = micros_of(span.ends_at + AROUND)
    return Stayed(_placed(vehicles, places), begins, np.maximum(begins, np.where(ends == MISSING, last, ends)))


def _placed(vehicles: Any, places: Mapping[int, int]) -> Any:
    """Return each vehicle's place; places follow the order of the keys."""
    return np.searchsorted(np.fromiter(places, np.int64, len(places)), vehicles)


def _added(so_far: list[list[list[int]]] | None, more: list[list[list[int]]]) -> list[list[list[int]]]:
    if so_far is None:
        return more
    return [
        [[wh + own, count + one] for (wh, count), (own, one) in zip(slots, others, strict=True)]
        for slots, others in zip(so_far, more, strict=True)
    ]


def _told(event: GridEvent, history: LoadHistory) -> dict[str, Any]:
    today = _local(event.starts_at, event).isoformat()
    loads = {day: _scaled(load, history.cars) for day, load in history.loads.items()}
    return {
        "day": today,
        "today": loads.pop(today, {"event_wh": [], "before_wh": []}),
        "loads": loads,
        "excluded": history.days["excluded"],
        "holidays": _holidays(event),
    }


def _holidays(event: GridEvent) -> list[str]:
    """Return the holidays of the utility's calendar that matter here: the event's day and those looked back on."""
    last = _local(event.starts_at, event)
    first = last - timedelta(days=LOOK_BACK_DAYS)
    calendar = event.terms.program.utility.holidays
    return sorted(day for day in calendar if first.isoformat() <= day <= last.isoformat())


def _scaled(load: list[list[list[int]]], cars: int) -> dict[str, list[int | None]]:
    event_wh, before_wh = (
        [round(Fraction(wh * cars, known)) if known >= FEWEST_KNOWN * cars and known else None for wh, known in slots]
        for slots in load
    )
    return {"event_wh": event_wh, "before_wh": before_wh}


def _slots(span: Window) -> Iterator[Window]:
    starts_at = span.starts_at
    while starts_at < span.ends_at:
        yield Window(starts_at, min(starts_at + SLOT, span.ends_at))
        starts_at += SLOT


def _zone(event: GridEvent) -> ZoneInfo:
    return ZoneInfo(event.terms.program.utility.time_zone)


def _local(at: datetime, event: GridEvent) -> date:
    return at.astimezone(_zone(event)).date()


def _same_time(at: datetime, day: date, event: GridEvent) -> datetime:
    """Return the instant at which the utility's clock shows on `day` what it shows at `at`."""
    local = at.astimezone(_zone(event))
    return local.replace(year=day.year, month=day.month, day=day.day).astimezone(at.tzinfo)
