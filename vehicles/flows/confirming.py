"""Looking at the car: a command counts as done only once a later reading shows it."""

import logging
from datetime import datetime, timedelta

from django.db.models import Q

from vehicles import gateway
from vehicles.automakers.base import ChargeState, ReceiptState
from vehicles.automakers.errors import AutomakerError
from vehicles.flows import readings, releases, sending
from vehicles.flows.rounds import work_through
from vehicles.flows.telemetry import ask_reading, latest_reading, may_read
from vehicles.models import ChargeReading, Command

logger = logging.getLogger(__name__)

LOOK_PAUSE = timedelta(seconds=60)
# How long a car may take to do what was accepted before a reading that contradicts it counts.
SETTLING = timedelta(seconds=90)
MAKER_REMEMBERS = timedelta(minutes=2)
FULL_ENOUGH_PERCENT = 0.5
WAITING = (Command.State.ACCEPTED, Command.State.UNKNOWN)
# A release that waits to be sent again may have worked all the same.
TOLD = Q(state__in=WAITING) | Q(kind=Command.Kind.RESUME, state=Command.State.DUE, sent_at__isnull=False)


def confirm_commands(*, now: datetime, limit: int, workers: int = 1) -> int:
    """Compare commands under way with what cars were seen to do, and return how many were confirmed."""
    sending.recover_lost_senders(now=now)
    releases.end_timed_holds(now=now)
    confirmed = confirm_resumes(now=now, limit=limit, workers=workers)
    holds = Command.objects.risk_adding().filter(state__in=WAITING).select_related("vehicle").order_by("sent_at")
    rows = holds[: max(0, limit - confirmed)]
    return confirmed + work_through(rows, lambda command: _confirm_hold(command, now=now), workers=workers)


def _confirm_hold(command: Command, *, now: datetime) -> bool:
    vehicle = command.vehicle
    reading = latest_reading(vehicle)
    if reading is not None and shows_hold(command, reading):
        return _confirm(command, now=now)
    assert command.sent_at is not None
    assert command.ends_at is not None
    can = vehicle.can
    if now >= min(command.ends_at, command.sent_at + timedelta(seconds=can.worst_latency_seconds)):
        # It may still reach the car, so a hold that nobody else ends stays open for the watchdog.
        Command.objects.filter(pk=command.pk, state__in=WAITING).update(state=Command.State.TIMED_OUT)
        return False
    earliest = reading.fetched_at + timedelta(seconds=can.min_poll_seconds) if reading else now
    ask_reading(vehicle=vehicle, by=max(now, earliest, command.sent_at + sending.FIRST_LOOK))
    _ask_maker(command, now=now)
    return False


def _confirm(command: Command, *, now: datetime) -> bool:
    return bool(
        Command.objects.filter(TOLD, pk=command.pk).update(state=Command.State.CONFIRMED, confirmed_at=now, failure="")
    )


def shows_hold(command: Command, reading: ChargeReading) -> bool:
    """Say whether a reading later than the command shows the car holding or discharging as told."""
    if command.sent_at is None or reading.observed_at <= command.sent_at:
        return False
    if command.kind == Command.Kind.DISCHARGE:
        at_floor = reading.soc_percent is not None and reading.soc_percent <= command.floor_soc_percent + 1
        return reading.charge_state == ChargeState.DISCHARGING or (
            reading.charge_state == ChargeState.HOLDING and at_floor
        )
    return reading.charge_state in {ChargeState.HOLDING, ChargeState.PLUGGED_IDLE, ChargeState.COMPLETE}


def _ask_maker(command: Command, *, now: datetime) -> None:
    """Ask the maker about a fresh command, once: a failure known early saves waiting, success proves nothing."""
    assert command.sent_at is not None
    is_fresh = command.sent_at + timedelta(seconds=5) <= now < command.sent_at + MAKER_REMEMBERS
    if not command.maker_command_id or command.looked_at is not None or not is_fresh:
        return
    Command.objects.filter(pk=command.pk).update(looked_at=now)
    try:
        receipt = gateway.call(command.vehicle, lambda maker, car: maker.command_status(car, command.maker_command_id))
    except AutomakerError:
        return
    if receipt.state == ReceiptState.FAILED:
        releases.release_vehicle(vehicle=command.vehicle, reason="failed", now=now)
        Command.objects.filter(pk=command.pk, state__in=WAITING).update(
            state=Command.State.TIMED_OUT, failure="failed_at_car"
        )


def confirm_resumes(*, now: datetime, limit: int, workers: int = 1) -> int:
    """Look at the cars that were told to charge again; send again where a reading shows that they do not.

    Returns how many were confirmed. The owner's consent to reading is not needed to end what we began, but then
    nothing of the reading is kept.
    """
    waiting = Command.objects.filter(TOLD, kind=Command.Kind.RESUME)
    rows = waiting.select_related("vehicle__owner").order_by("sent_at")[: max(0, limit)]
    return work_through(rows, lambda command: _confirm_resume(command, now=now), workers=workers)


def _confirm_resume(command: Command, *, now: datetime) -> bool:
    assert command.sent_at is not None
    reading = latest_reading(command.vehicle)
    if reading is None or reading.observed_at <= command.sent_at:
        reading = _look(command, now=now) if _claim_look(command, now=now) else None
    if reading is None or reading.observed_at <= command.sent_at:
        _send_again_if_silent(command, now=now)
        return False
    if shows_resume(reading):
        if _confirm(command, now=now):
            releases.close_holds(command.vehicle, sent_before=command.sent_at, now=now)
        return True
    if command.state != Command.State.DUE and reading.observed_at >= command.sent_at + SETTLING:
        sending.try_again(command, seconds=sending.retry_seconds(command.attempts), failure="not_charging_yet", now=now)
    elif _claim_look(command, now=now):
        _look(command, now=now)  # too early to judge: the next round sees what this one brings
    return False


def _claim_look(command: Command, *, now: datetime) -> bool:
    """Of two watchers at once, one looks, and not before the car can have done it."""
    first = Q(looked_at__isnull=True, sent_at__lte=now - sending.FIRST_LOOK)
    may_look = first | Q(looked_at__lte=now - LOOK_PAUSE)
    return bool(Command.objects.filter(may_look & TOLD, pk=command.pk).update(looked_at=now))


def _look(command: Command, *, now: datetime) -> ChargeReading | None:
    vehicle = command.vehicle
    try:
        state = gateway.call(vehicle, lambda maker, car: maker.read_state(car), is_urgent=True)
    except AutomakerError as error:
        logger.info("release %s not seen yet: %s", command.public_id, error)
        return None
    if may_read(vehicle):
        return readings.keep_state(vehicle=vehicle, state=state, now=now, source=ChargeReading.Source.POLL)
    return readings.unsaved_reading(vehicle=vehicle, state=state, now=now)


def _send_again_if_silent(command: Command, *, now: datetime) -> None:
    """A car that says nothing newer may not have got it; telling it again does no harm."""
    assert command.sent_at is not None
    if command.state != Command.State.DUE and now >= command.sent_at + 5 * LOOK_PAUSE:
        sending.try_again(command, seconds=sending.retry_seconds(command.attempts), failure="no_reading_yet", now=now)


def shows_resume(reading: ChargeReading) -> bool:
    """Say whether a reading shows a car that nobody holds: charging, full, or not at the plug."""
    if reading.is_plugged_in is False:
        return True
    if reading.charge_state in {ChargeState.CHARGING, ChargeState.COMPLETE, ChargeState.UNPLUGGED}:
        return True
    is_full = (
        reading.soc_percent is not None
        and reading.limit_percent is not None
        and float(reading.soc_percent) >= float(reading.limit_percent) - FULL_ENOUGH_PERCENT
    )
    return reading.charge_state == ChargeState.PLUGGED_IDLE and is_full
