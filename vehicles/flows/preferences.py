"""What the owner wants of a car: targets, departures, and their word over every plan."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext

from foundation.refusals import Refusal
from vehicles.flows import releases
from vehicles.flows.chargers import can_ever_discharge
from vehicles.models import ChargeOverride, ChargePreference, Command, DatedDeparture, Departure, Vehicle
from vehicles.schedule import Dated, next_departure_at

LONGEST_OVERRIDE = timedelta(hours=24)
USUAL_OVERRIDE = timedelta(hours=12)
LONGEST_PAUSE = timedelta(days=90)


class UnableToSavePreference(Refusal):
    """The owner's wishes stay as they were."""


class UnableToOverride(UnableToSavePreference):
    """Nothing was overridden."""


def departures_of(vehicle: Vehicle) -> dict[int, time]:
    """Return the car's departures as weekday (0 = Monday) to local time."""
    rows = Departure.objects.filter(preference__vehicle=vehicle)
    return {row.weekday: row.leaves_at_local for row in rows}


def dated_of(vehicle: Vehicle, now: datetime) -> tuple[Dated, ...]:
    """Return what the owner said of single dates from yesterday on, as schedules read it."""
    rows = DatedDeparture.objects.filter(vehicle=vehicle, last_date__gte=now.date() - timedelta(days=1))
    return tuple(row.dated for row in rows.order_by("first_date"))


def save_preference(
    *,
    vehicle: Vehicle,
    target_soc_percent: int,
    minimum_soc_percent: int,
    reserve_soc_percent: int,
    is_v2g_allowed: bool,
    departures: Mapping[int, time],
    now: datetime,
) -> ChargePreference:
    """Keep what the owner wants of the car and return it, with a new version so that older plans become stale.

    Departures are local times by weekday; a weekday that is missing has none. Raises UnableToSavePreference where the
    wishes contradict each other or the car: 0 <= minimum <= reserve <= target <= 100, target at least 1, times in
    whole minutes, V2G only for a car that can. A discharge that the new wishes forbid is ended.
    """
    _check_active(vehicle)
    _check_percents(target=target_soc_percent, minimum=minimum_soc_percent, reserve=reserve_soc_percent)
    _check_departures(departures)
    if is_v2g_allowed and not can_ever_discharge(vehicle):
        raise UnableToSavePreference(
            gettext("This car cannot give energy back, so V2G cannot be allowed."),
            code="v2g_not_possible",
            field="is_v2g_allowed",
        )
    with transaction.atomic():
        preference, _ = ChargePreference.objects.select_for_update().get_or_create(
            vehicle=vehicle, defaults={"changed_at": now}
        )
        preference.target_soc_percent = target_soc_percent
        preference.minimum_soc_percent = minimum_soc_percent
        preference.reserve_soc_percent = reserve_soc_percent
        preference.is_v2g_allowed = is_v2g_allowed
        preference.version += 1
        preference.changed_at = now
        preference.save()
        Departure.objects.filter(preference=preference).delete()
        Departure.objects.bulk_create(
            Departure(preference=preference, weekday=weekday, leaves_at_local=leaves_at)
            for weekday, leaves_at in sorted(departures.items())
        )
        _end_forbidden_discharge(vehicle, preference, now=now)
    return preference


def _check_active(vehicle: Vehicle) -> None:
    if vehicle.state != Vehicle.State.ACTIVE:
        raise UnableToSavePreference(gettext("This car does not take part."), code="vehicle_not_active")


def _check_percents(*, target: int, minimum: int, reserve: int) -> None:
    named = {"target_soc_percent": target, "minimum_soc_percent": minimum, "reserve_soc_percent": reserve}
    for field, value in named.items():
        if not 0 <= value <= 100:
            raise UnableToSavePreference(
                gettext("Use whole percent from 0 to 100."), code="percent_out_of_range", field=field
            )
    if target < 1:
        raise UnableToSavePreference(
            gettext("Choose how full the car shall be."), code="target_too_low", field="target_soc_percent"
        )
    if reserve < minimum:
        raise UnableToSavePreference(
            gettext("The reserve cannot be below the charge you never wait below."),
            code="reserve_below_minimum",
            field="reserve_soc_percent",
        )
    if target < reserve:
        raise UnableToSavePreference(
            gettext("The target cannot be below the reserve."), code="target_below_reserve", field="target_soc_percent"
        )


def _check_departures(departures: Mapping[int, time]) -> None:
    for weekday, leaves_at in departures.items():
        if not 0 <= weekday <= 6:
            raise UnableToSavePreference(gettext("A week has seven days."), code="weekday_unknown", field="departures")
        if leaves_at.tzinfo is not None or leaves_at.second or leaves_at.microsecond:
            raise UnableToSavePreference(
                gettext("Give departures in local hours and minutes."),
                code="departure_not_a_minute",
                field="departures",
            )


def _end_forbidden_discharge(vehicle: Vehicle, preference: ChargePreference, *, now: datetime) -> None:
    discharges = Command.objects.risk_adding().filter(
        vehicle=vehicle, kind=Command.Kind.DISCHARGE, released_at__isnull=True, ends_at__gt=now
    )
    if preference.is_v2g_allowed:
        discharges = discharges.filter(floor_soc_percent__lt=preference.reserve_soc_percent)
    if discharges.exists():
        releases.release_vehicle(vehicle=vehicle, reason="preference", now=now)


def set_paused(*, vehicle: Vehicle, is_paused: bool, now: datetime) -> ChargePreference:
    """Pause the car, which then charges as if we were not there, or let it take part again; returns its wishes."""
    _check_active(vehicle)
    with transaction.atomic():
        ChargePreference.objects.get_or_create(vehicle=vehicle, defaults={"changed_at": now})
        ChargePreference.objects.filter(vehicle=vehicle).exclude(is_paused=is_paused).update(
            is_paused=is_paused, version=F("version") + 1, changed_at=now
        )
        if is_paused:
            releases.release_vehicle(vehicle=vehicle, reason="paused", now=now)
    return ChargePreference.objects.get(vehicle=vehicle)


def open_override(vehicle: Vehicle, now: datetime) -> ChargeOverride | None:
    """Return the owner's word that counts now, "charge now" before "skip"; None where there is none."""
    rows = ChargeOverride.objects.filter(
        vehicle=vehicle, cancelled_at__isnull=True, starts_at__lte=now, ends_at__gt=now
    )
    return min(rows, key=lambda row: row.kind != ChargeOverride.Kind.CHARGE_NOW, default=None)


def charge_now(*, vehicle: Vehicle, now: datetime) -> ChargeOverride:
    """Let the car charge at once, whatever plan or event says, until it leaves; returns the override.

    It ends at the next departure within a day, else after twelve hours, or when the car is unplugged. Pressing again
    returns the one that is open. Raises UnableToOverride for a car that does not take part.
    """
    return _override(vehicle=vehicle, kind=ChargeOverride.Kind.CHARGE_NOW, now=now)


def skip_tonight(*, vehicle: Vehicle, now: datetime) -> ChargeOverride:
    """Leave the car alone until it leaves: it charges as it would without us; returns the override.

    It ends at the next departure within a day, else after twelve hours. Raises UnableToOverride for a car that does
    not take part.
    """
    return _override(vehicle=vehicle, kind=ChargeOverride.Kind.SKIP, now=now)


def pause_until(*, vehicle: Vehicle, until: datetime, now: datetime) -> ChargeOverride:
    """Leave the car alone until `until`: it charges as it would without us, then plans count again by themselves.

    Returns the override, which `cancel_override` takes back early; it takes the place of any other. Raises
    UnableToOverride for a time that is past or more than 90 days ahead, and for a car that does not take part.
    """
    if vehicle.state != Vehicle.State.ACTIVE:
        raise UnableToOverride(gettext("This car does not take part."), code="vehicle_not_active")
    if until <= now:
        raise UnableToOverride(gettext("Choose a time that is still to come."), code="pause_past", field="until")
    if until > now + LONGEST_PAUSE:
        raise UnableToOverride(
            gettext("A pause ends within 90 days. Choose an earlier day, or pause until you say so."),
            code="pause_too_long",
            field="until",
        )
    with transaction.atomic():
        Vehicle.objects.select_for_update().get(pk=vehicle.pk)
        unfinished = ChargeOverride.objects.filter(vehicle=vehicle, cancelled_at__isnull=True)
        unfinished.filter(ends_at__lte=now).update(cancelled_at=F("ends_at"))
        unfinished.update(cancelled_at=now)
        override = ChargeOverride.objects.create(
            vehicle=vehicle, kind=ChargeOverride.Kind.SKIP, starts_at=now, ends_at=until
        )
        releases.release_vehicle(vehicle=vehicle, reason="paused", now=now)
    return override


def _override(*, vehicle: Vehicle, kind: str, now: datetime) -> ChargeOverride:
    if vehicle.state != Vehicle.State.ACTIVE:
        raise UnableToOverride(gettext("This car does not take part."), code="vehicle_not_active")
    with transaction.atomic():
        Vehicle.objects.select_for_update().get(pk=vehicle.pk)
        unfinished = ChargeOverride.objects.filter(vehicle=vehicle, cancelled_at__isnull=True)
        # One that ran out is closed at its own end, so that a new one may be opened.
        unfinished.filter(ends_at__lte=now).update(cancelled_at=F("ends_at"))
        override = unfinished.filter(kind=kind, ends_at__gt=now).first()
        if override is None:
            ends_at = _override_ends_at(vehicle, now)
            # A pause that lasts longer than charging now goes on behind it.
            unfinished.exclude(kind=ChargeOverride.Kind.SKIP, ends_at__gt=ends_at).update(cancelled_at=now)
            override = ChargeOverride.objects.create(vehicle=vehicle, kind=kind, starts_at=now, ends_at=ends_at)
        releases.release_vehicle(vehicle=vehicle, reason=kind, now=now)
    return override


def _override_ends_at(vehicle: Vehicle, now: datetime) -> datetime:
    departure_at = next_departure_at(departures_of(vehicle), vehicle.owner.zone, now, dated_of(vehicle, now))
    if departure_at is not None and departure_at <= now + LONGEST_OVERRIDE:
        return departure_at
    return now + USUAL_OVERRIDE


def cancel_override(*, override: ChargeOverride, now: datetime) -> ChargeOverride:
    """Take the owner's word back, so that plans count again; an override that is over stays as it is. Returns it."""
    ChargeOverride.objects.filter(pk=override.pk, cancelled_at__isnull=True, ends_at__gt=now).update(
        cancelled_at=max(now, override.starts_at)
    )
    override.refresh_from_db()
    return override
