"""The car's own charge limit, kept at its owner's target: one command instead of a hold renewed all night.

A limit is only ever lowered to what the owner wants, never below their minimum or reserve, and widened again for the
owner's "charge now", for events that take energy, and when the car leaves us. Raising goes on until a reading shows it.
"""

import logging
import math
from datetime import datetime, timedelta

from django.db import transaction

from vehicles.automakers.base import Capabilities
from vehicles.models import ChargeLimit, ChargePreference, ChargeReading, Command, Vehicle

logger = logging.getLogger(__name__)

RESTORED = "limit_restored"
KEPT = "limit"
# A limit that the car did not take is asked for again after a while, not at every look.
ASK_AGAIN = timedelta(hours=6)
USUAL_PERCENT = 80
SLACK_PERCENT = 0.5


def wanted_percent(can: Capabilities, preference: ChargePreference) -> int | None:
    """Return the owner's target as a limit that the car can keep, rounded up; None where it keeps none."""
    if can.set_limit_percent is None:
        return None
    needed = max(preference.target_soc_percent, preference.reserve_soc_percent, preference.minimum_soc_percent)
    return _fitting(can, needed)


def _fitting(can: Capabilities, percent: float) -> int:
    assert can.set_limit_percent is not None
    lowest, highest, step = can.set_limit_percent
    steps = math.ceil(max(0.0, percent - lowest) / max(1, step))
    return min(highest, lowest + steps * max(1, step))


def keep_limit(
    *, vehicle: Vehicle, preference: ChargePreference, reading: ChargeReading, is_wide: bool, now: datetime
) -> Command | None:
    """Have the car's limit where it belongs, and return the command that was left for it, if any.

    `is_wide`: the car may fill up to its own limit now. `reading` is its newest at the plug. A car whose limit cannot
    be set, or stands where it should, is not told anything.
    """
    can = vehicle.own
    target = wanted_percent(can, preference)
    if target is None or reading.is_plugged_in is False:
        return None
    row = ChargeLimit.objects.filter(vehicle=vehicle).first()
    before = row.before_percent if row else _seen(reading)
    wanted = max(target, _fitting(can, before)) if is_wide else target
    if row is None and (is_wide or wanted == _seen(reading)):
        return None  # nothing was changed by us, and nothing needs to be
    if _is_at(reading, wanted) and (row is None or row.wanted_percent == wanted):
        return None
    if row is not None and row.wanted_percent == wanted and not _may_ask_again(row, now=now):
        return None
    return _ask(vehicle, before=before, wanted=wanted, reason=KEPT, now=now)


def restore_limit(*, vehicle: Vehicle, now: datetime) -> Command | None:
    """Give the car back the limit it had before us; return the command left for it, None where there is none to give.

    Whoever takes a car out calls this; the owner's own later change of the limit in the car is left alone.
    """
    row = ChargeLimit.objects.filter(vehicle=vehicle).first()
    if row is None:
        return None
    newest = ChargeReading.objects.filter(vehicle=vehicle, limit_percent__isnull=False).first()
    is_changed = newest is not None and not _is_at(newest, row.wanted_percent)
    if row.wanted_percent == row.before_percent or (is_changed and not _is_under_way(vehicle)):
        row.delete()
        return None
    command = _ask(vehicle, before=row.before_percent, wanted=row.before_percent, reason=RESTORED, now=now)
    row.delete()
    return command


def own_limit_percent(vehicle: Vehicle, reading: ChargeReading) -> float | None:
    """Return the limit that the car would have without us: what it says, or what it said before we set one."""
    if reading.limit_percent is None:
        return None
    row = ChargeLimit.objects.filter(vehicle=vehicle).first()
    is_ours = row is not None and _is_at(reading, row.wanted_percent)
    return float(row.before_percent) if row is not None and is_ours else float(reading.limit_percent)


def shows_limit(command: Command, reading: ChargeReading) -> bool:
    """Say whether a reading later than the command shows the limit that was asked for."""
    is_later = command.sent_at is not None and reading.observed_at > command.sent_at
    return is_later and command.limit_percent is not None and _is_at(reading, command.limit_percent)


def _is_at(reading: ChargeReading, percent: int) -> bool:
    return reading.limit_percent is not None and abs(float(reading.limit_percent) - percent) <= SLACK_PERCENT


def _seen(reading: ChargeReading) -> int:
    return round(float(reading.limit_percent)) if reading.limit_percent is not None else USUAL_PERCENT


def _may_ask_again(row: ChargeLimit, *, now: datetime) -> bool:
    return row.asked_at is None or row.asked_at <= now - ASK_AGAIN


def _is_under_way(vehicle: Vehicle) -> bool:
    return Command.objects.filter(vehicle=vehicle, kind=Command.Kind.SET_LIMIT, state__in=Command.UNFINISHED).exists()


def _ask(vehicle: Vehicle, *, before: int, wanted: int, reason: str, now: datetime) -> Command:
    with transaction.atomic():
        Vehicle.objects.select_for_update().get(pk=vehicle.pk)
        row, _ = ChargeLimit.objects.get_or_create(
            vehicle=vehicle, defaults={"before_percent": before, "wanted_percent": wanted}
        )
        older = Command.objects.filter(vehicle=vehicle, kind=Command.Kind.SET_LIMIT, state__in=Command.UNFINISHED)
        under_way = older.filter(limit_percent=wanted, reason=reason).first()
        if under_way is not None and row.wanted_percent == wanted:
            return under_way
        older.update(state=Command.State.SUPERSEDED, failure="newer_command")
        number = Command.objects.filter(vehicle=vehicle, kind=Command.Kind.SET_LIMIT).count() + 1
        row.wanted_percent, row.asked, row.asked_at = wanted, number, now
        row.save(update_fields=["wanted_percent", "asked", "asked_at"])
        logger.info("car %s: limit %d asked for (%s)", vehicle.public_id, wanted, reason)
        return Command.objects.create(
            vehicle=vehicle,
            key=f"limit:{vehicle.public_id}:{number}",
            kind=Command.Kind.SET_LIMIT,
            limit_percent=wanted,
            reason=reason,
            due_at=now,
            created_at=now,
        )
