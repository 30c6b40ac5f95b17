"""Holidays and early mornings: what the owner says of single dates, in place of the weekday's departure."""

from datetime import date, datetime, time, timedelta

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext

from vehicles.flows.preferences import UnableToSavePreference
from vehicles.models import ChargePreference, DatedDeparture, Vehicle

FURTHEST_AHEAD = timedelta(days=366)
MOST_DATED = 50


def dated_ahead(vehicle: Vehicle, now: datetime) -> list[DatedDeparture]:
    """Return what the owner said of dates that are not over, soonest first."""
    # A day of slack, because the owner's yesterday may be the day of UTC.
    rows = DatedDeparture.objects.filter(vehicle=vehicle, last_date__gte=now.date() - timedelta(days=1))
    today = _today(vehicle, now)
    return [row for row in rows.order_by("first_date") if row.last_date >= today]


def add_dated(
    *,
    vehicle: Vehicle,
    kind: str,
    first_date: date,
    last_date: date | None = None,
    leaves_at_local: time | None = None,
    now: datetime,
) -> DatedDeparture:
    """Keep what the owner says of some dates, local to the car's home, and return it; older plans become stale.

    `kind` leaves: at `leaves_at_local` on each day; stays: not at all; away: from the first day on, leaving at
    `leaves_at_local` if that is said, back once the last day is over. Raises UnableToSavePreference for dates that are
    past, reversed, over a year ahead or spoken for, and for a time that is missing or out of place.
    """
    if vehicle.state != Vehicle.State.ACTIVE:
        raise UnableToSavePreference(gettext("This car does not take part."), code="vehicle_not_active")
    last = last_date or first_date
    _check_time(kind, leaves_at_local)
    _check_dates(first_date, last, today=_today(vehicle, now))
    with transaction.atomic():
        Vehicle.objects.select_for_update().get(pk=vehicle.pk)
        _check_room(vehicle, first_date, last, now)
        row = DatedDeparture.objects.create(
            vehicle=vehicle,
            kind=kind,
            first_date=first_date,
            last_date=last,
            leaves_at_local=leaves_at_local,
            created_at=now,
        )
        _outdate_plans(vehicle, now)
    return row


def remove_dated(*, dated: DatedDeparture, now: datetime) -> None:
    """Let the week count again; days that are over keep what was said of them. Removing twice changes nothing."""
    with transaction.atomic():
        Vehicle.objects.select_for_update().get(pk=dated.vehicle_id)
        row = DatedDeparture.objects.select_related("vehicle__owner").filter(pk=dated.pk).first()
        if row is None:
            return
        today = _today(row.vehicle, now)
        if row.last_date < today:
            return
        if row.first_date < today:
            row.last_date = today - timedelta(days=1)
            row.save(update_fields=["last_date"])
        else:
            row.delete()
        _outdate_plans(row.vehicle, now)


def _today(vehicle: Vehicle, now: datetime) -> date:
    return now.astimezone(vehicle.owner.zone).date()


def _check_time(kind: str, leaves_at_local: time | None) -> None:
    if kind not in DatedDeparture.Kind.values:
        raise UnableToSavePreference(
            gettext("Say whether the car leaves, stays or is away."), code="kind_unknown", field="kind"
        )
    if kind == DatedDeparture.Kind.LEAVES and leaves_at_local is None:
        raise UnableToSavePreference(
            gettext("Say when the car leaves."), code="departure_time_missing", field="leaves_at_local"
        )
    if kind == DatedDeparture.Kind.STAYS and leaves_at_local is not None:
        raise UnableToSavePreference(
            gettext("A car that does not leave has no departure time. Leave the time empty."),
            code="departure_time_unwanted",
            field="leaves_at_local",
        )
    if leaves_at_local and (leaves_at_local.tzinfo or leaves_at_local.second or leaves_at_local.microsecond):
        raise UnableToSavePreference(
            gettext("Give departures in local hours and minutes."),
            code="departure_not_a_minute",
            field="leaves_at_local",
        )


def _check_dates(first: date, last: date, *, today: date) -> None:
    if last < first:
        raise UnableToSavePreference(
            gettext("The last day cannot be before the first."), code="dates_reversed", field="last_date"
        )
    if first < today:
        raise UnableToSavePreference(
            gettext("That day is over. Choose today or later."), code="date_past", field="first_date"
        )
    if last > today + FURTHEST_AHEAD:
        raise UnableToSavePreference(
            gettext("That is more than a year ahead. Choose an earlier day."), code="date_too_far", field="last_date"
        )


def _check_room(vehicle: Vehicle, first: date, last: date, now: datetime) -> None:
    rows = DatedDeparture.objects.filter(vehicle=vehicle)
    if rows.filter(first_date__lte=last, last_date__gte=first).exists():
        raise UnableToSavePreference(
            gettext("You have already said something about these days. Remove that first."),
            code="dates_overlap",
            field="first_date",
        )
    if rows.filter(last_date__gte=now.date()).count() >= MOST_DATED:
        raise UnableToSavePreference(
            gettext("There are too many dates already. Remove some first."), code="dates_too_many", field="first_date"
        )


def _outdate_plans(vehicle: Vehicle, now: datetime) -> None:
    ChargePreference.objects.filter(vehicle=vehicle).update(version=F("version") + 1, changed_at=now)
