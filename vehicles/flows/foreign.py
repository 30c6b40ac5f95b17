"""Noticing that somebody else steers a car too: its own schedule, its maker's app, the wall box's timer.

The evidence is what readings show against what we told the car. It is named to the owner once two readings in a row
show it, and the car is not fought with: `releases.corrections_left` bounds how often it is told otherwise a night.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from foundation import formats
from vehicles.automakers.base import ChargeState
from vehicles.flows import releases
from vehicles.models import ChargeReading, Command, ForeignSign, Vehicle

IDLE = frozenset({ChargeState.PLUGGED_IDLE})
SHORT_OF_LIMIT_PERCENT = 3
USUAL_LIMIT_PERCENT = 80
READINGS_TO_BELIEVE = 2
# A car that starts against our hold may just be late in obeying it.
SETTLING = timedelta(minutes=5)
BETWEEN_CORRECTIONS = timedelta(minutes=30)

SENTENCES = {
    ForeignSign.Kind.STOPPED: _(
        "Your car follows a schedule that is not ours: it stopped charging at {time} although nobody here told it to. "
        "Switch charging schedules off in the maker's app and in the car, or pause managed charging here."
    ),
    ForeignSign.Kind.STARTED: _(
        "Your car follows a schedule that is not ours: it charged at {time} while we held it. "
        "Switch charging schedules off in the maker's app and in the car, or pause managed charging here."
    ),
    ForeignSign.Kind.WAITED: _(
        "Your car follows a schedule that is not ours: it did not begin to charge when it was plugged in at {time}. "
        "Switch charging schedules off in the maker's app and in the car, or pause managed charging here."
    ),
}


def notice(*, vehicle: Vehicle, reading: ChargeReading, before: ChargeReading | None) -> ForeignSign | None:
    """Keep what the newest reading shows of somebody else's hand, and return the sign that is open then, if any."""
    kind = _kind(vehicle, reading, before)
    sign = ForeignSign.objects.filter(vehicle=vehicle, over_at__isnull=True).first()
    if sign is not None and _goes_on(sign, vehicle, reading):
        sign.readings, sign.last_seen_at = sign.readings + 1, reading.observed_at
        sign.save(update_fields=["readings", "last_seen_at"])
        return sign
    if sign is not None and (kind or not _says_nothing(reading)):
        sign.over_at = reading.observed_at
        sign.save(update_fields=["over_at"])
        sign = None
    if kind is None or sign is not None:
        return sign
    return ForeignSign.objects.create(
        vehicle=vehicle, kind=kind, seen_at=reading.observed_at, last_seen_at=reading.observed_at
    )


def _kind(vehicle: Vehicle, reading: ChargeReading, before: ChargeReading | None) -> str | None:
    if not reading.is_plugged_in or reading.is_at_home is False or before is None:
        return None
    if _idles_short(reading):
        if _was_told(vehicle, since=before.observed_at, until=reading.observed_at):
            return None
        if before.is_plugged_in is False:
            return ForeignSign.Kind.WAITED
        return ForeignSign.Kind.STOPPED if before.charge_state == ChargeState.CHARGING else None
    if reading.charge_state == ChargeState.CHARGING and _held_for_a_while(vehicle, at=reading.observed_at):
        return ForeignSign.Kind.STARTED
    return None


def _goes_on(sign: ForeignSign, vehicle: Vehicle, reading: ChargeReading) -> bool:
    if not reading.is_plugged_in:
        return False
    if sign.kind == ForeignSign.Kind.STARTED:
        return reading.charge_state == ChargeState.CHARGING and _held_for_a_while(vehicle, at=reading.observed_at)
    # What it does while it is held says nothing of others.
    return _idles_short(reading) and not _was_told(vehicle, since=sign.seen_at, until=reading.observed_at)


def _says_nothing(reading: ChargeReading) -> bool:
    return reading.is_plugged_in is None or reading.charge_state == ChargeState.UNKNOWN


def _idles_short(reading: ChargeReading) -> bool:
    if reading.charge_state not in IDLE or reading.soc_percent is None:
        return False
    limit = reading.limit_percent if reading.limit_percent is not None else USUAL_LIMIT_PERCENT
    return reading.soc_percent < limit - SHORT_OF_LIMIT_PERCENT


def _was_told(vehicle: Vehicle, *, since: datetime, until: datetime) -> bool:
    """Say whether a hold or discharge of ours may explain that the car idles between the two instants."""
    latency = timedelta(seconds=vehicle.can.worst_latency_seconds)
    ours = Command.objects.risk_adding().filter(vehicle=vehicle, state__in=Command.SENT, sent_at__lte=until)
    still = Q(released_at__isnull=True) | Q(released_at__gt=since - latency)
    releasing = Command.objects.open_resumes().filter(vehicle=vehicle).exclude(reason=releases.AGAINST_OTHERS)
    return ours.filter(still).exists() or releasing.exists()


def _held_for_a_while(vehicle: Vehicle, *, at: datetime) -> bool:
    held = Command.objects.filter(vehicle=vehicle).in_force(at)
    return held.filter(kind=Command.Kind.HOLD, state=Command.State.CONFIRMED, sent_at__lt=at - SETTLING).exists()


def open_sign(vehicle: Vehicle) -> ForeignSign | None:
    """Return what is believed of the car now: a sign that two readings in a row showed; or None."""
    return open_signs([vehicle.pk]).get(vehicle.pk)


def open_signs(vehicle_ids: Collection[int]) -> dict[int, ForeignSign]:
    """Return the believed sign of each car that has one, by the car's key, in one query."""
    rows = ForeignSign.objects.filter(vehicle__in=vehicle_ids, over_at__isnull=True, readings__gte=READINGS_TO_BELIEVE)
    return {row.vehicle_id: row for row in rows}


def describe(sign: ForeignSign, zone: ZoneInfo) -> str:
    """Return what the owner reads of it."""
    seen = sign.seen_at.astimezone(zone).time().replace(second=0, microsecond=0)
    reader = formats.reader_in(sign.vehicle.owner.country)
    return str(SENTENCES[ForeignSign.Kind(sign.kind)]).format(time=formats.time_of_day(seen, reader=reader))


def start_anyway(*, vehicle: Vehicle, sign: ForeignSign, now: datetime) -> Command | None:
    """Tell a car that somebody else keeps from charging to charge after all, a few times a night; None where not.

    The caller has decided that it shall charge now.
    """
    if sign.kind == ForeignSign.Kind.STARTED or not (vehicle.can.can_start_stop or vehicle.can.can_hold):
        return None
    told = Command.objects.filter(
        vehicle=vehicle, reason=releases.AGAINST_OTHERS, created_at__gt=now - BETWEEN_CORRECTIONS
    )
    left = releases.corrections_left(vehicle, now=now)
    if left <= 0 or told.exists():
        return None
    return releases.leave_resume(
        vehicle, key=f"foreign:{sign.pk}:{left}:{now:%Y%m%d}", reason=releases.AGAINST_OTHERS, now=now
    )


def has_given_up(*, sign: ForeignSign, now: datetime) -> bool:
    """Say whether holding the car is no use tonight: it charges against its holds, and was told often enough."""
    if sign.kind != ForeignSign.Kind.STARTED:
        return False
    since = max(sign.seen_at, now - releases.ONE_NIGHT)
    holds = Command.objects.filter(vehicle=sign.vehicle_id, kind=Command.Kind.HOLD, created_at__gt=since)
    return holds.count() >= releases.MOST_CORRECTIONS
