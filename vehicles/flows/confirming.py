"""Looking at the car: a command counts as done only once a later reading shows it."""

import logging
from datetime import datetime, timedelta

from django.db.models import Q

from foundation.rounds import work_through
from vehicles import gateway
from vehicles.automakers.base import (
    Automaker,
    CarAccess,
    ChargeState,
    CommandReceipt,
    ReceiptState,
    VehicleState,
)
from vehicles.automakers.errors import AutomakerError
from vehicles.flows import chargers, limits, readings, releases, sending
from vehicles.flows.telemetry import ask_reading, latest_reading, may_read
from vehicles.meter import Use
from vehicles.models import ChargeReading, Command, HomeCharger

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
    others = Command.objects.exclude(kind=Command.Kind.RESUME).filter(state__in=WAITING).order_by("sent_at")
    rows = others.select_related("vehicle__link", "via_charger")[: max(0, limit - confirmed)]
    return confirmed + work_through(rows, lambda command: _confirm_other(command, now=now), workers=workers)


def _confirm_other(command: Command, *, now: datetime) -> bool:
    if command.kind in {Command.Kind.SET_LIMIT, Command.Kind.WAKE}:
        return _confirm_asking(command, now=now)
    return _confirm_hold(command, now=now)


def _confirm_asking(command: Command, *, now: datetime) -> bool:
    """Look whether a limit was taken or a car woke up; a limit that was not taken is told again, a few times."""
    assert command.sent_at is not None
    reading = latest_reading(command.vehicle)
    is_later = reading is not None and reading.observed_at > command.sent_at
    is_seen = command.kind == Command.Kind.WAKE or (reading is not None and limits.shows_limit(command, reading))
    if is_later and is_seen:
        return _confirm(command, now=now)
    if now < command.sent_at + timedelta(seconds=command.vehicle.own.worst_latency_seconds):
        ask_reading(vehicle=command.vehicle, by=max(now, command.sent_at + sending.FIRST_LOOK))
    elif command.kind == Command.Kind.SET_LIMIT and is_later and command.attempts < sending.MOST_LIMIT_TRIES:
        sending.try_again(command, seconds=sending.retry_seconds(command.attempts), failure="limit_not_taken", now=now)
    else:
        Command.objects.filter(pk=command.pk, state__in=WAITING).update(state=Command.State.TIMED_OUT)
    return False


def _confirm_hold(command: Command, *, now: datetime) -> bool:
    vehicle = command.vehicle
    reading = latest_reading(vehicle)
    if reading is not None and shows_hold(command, reading):
        return _confirm(command, now=now)
    assert command.sent_at is not None
    assert command.ends_at is not None
    can = vehicle.can
    patience = timedelta(seconds=can.worst_latency_seconds)
    if reading is None or reading.observed_at <= command.sent_at:
        # Nobody has seen the car since: silence counts only once the maker would have let us ask.
        patience += timedelta(seconds=can.min_poll_seconds)
    if now >= min(command.ends_at, command.sent_at + patience):
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
        receipt = _status(command)
    except AutomakerError:
        return
    if receipt.state == ReceiptState.FAILED:
        note_failed_at_car(command, now=now)


def _status(command: Command) -> CommandReceipt:
    def operation(maker: Automaker, car: CarAccess) -> CommandReceipt:
        return maker.command_status(car, command.maker_command_id)

    if command.via_charger is not None:
        return gateway.call_charger(command.via_charger, operation)
    return gateway.call(command.vehicle, operation)


def note_failed_at_car(command: Command, *, now: datetime) -> None:
    """Give up a hold or discharge of which the maker says that it failed; the car is released all the same."""
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
    rows = waiting.select_related("vehicle").order_by("sent_at")[: max(0, limit)]
    return work_through(rows, lambda command: _confirm_resume(command, now=now), workers=workers)


def _confirm_resume(command: Command, *, now: datetime) -> bool:
    assert command.sent_at is not None
    reading = latest_reading(command.vehicle)
    if reading is None or reading.observed_at <= command.sent_at:
        reading = _look(command, now=now) if _claim_look(command, newest=reading, now=now) else None
    if reading is None or reading.observed_at <= command.sent_at:
        _send_again_if_silent(command, now=now)
        return False
    if shows_resume(reading):
        if _confirm(command, now=now):
            releases.close_holds(command.vehicle, sent_before=command.sent_at, now=now)
        return True
    if command.state != Command.State.DUE and reading.observed_at >= command.sent_at + SETTLING:
        sending.try_again(command, seconds=sending.retry_seconds(command.attempts), failure="not_charging_yet", now=now)
    elif _claim_look(command, newest=reading, now=now):
        _look(command, now=now)  # too early to judge: the next round sees what this one brings
    return False


def _claim_look(command: Command, *, newest: ChargeReading | None, now: datetime) -> bool:
    """Of two watchers at once, one looks: not before the car can have done it, and as often as its maker allows.

    The first look at what was sent comes at once all the same: it mostly is the last one, too.
    """
    pause = max(LOOK_PAUSE, timedelta(seconds=command.vehicle.can.min_poll_seconds))
    is_first = command.looked_at is None and command.attempts <= 1
    if not is_first and newest is not None and newest.fetched_at > now - pause:
        return False
    first = Q(looked_at__isnull=True, sent_at__lte=now - sending.FIRST_LOOK)
    may_look = first | Q(looked_at__lte=now - pause)
    return bool(Command.objects.filter(may_look & TOLD, pk=command.pk).update(looked_at=now))


def _look(command: Command, *, now: datetime) -> ChargeReading | None:
    vehicle, box = command.vehicle, command.via_charger
    state: VehicleState | None = None
    pause = timedelta(seconds=vehicle.own.min_poll_seconds)
    try:
        if box is None or box.car_asked_at is None or box.car_asked_at <= now - pause:
            state = gateway.call(vehicle, lambda maker, car: maker.read_state(car), use=Use.RELEASE)
    except AutomakerError as error:
        logger.info("release %s not seen yet: %s", command.public_id, error)
    if box is not None:  # what the box sees counts, whatever the car's maker says
        if state is not None:
            HomeCharger.objects.filter(pk=box.pk).update(car_asked_at=now)
        state = chargers.with_charger(vehicle=vehicle, state=state, now=now, use=Use.RELEASE)
    if state is None:
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
