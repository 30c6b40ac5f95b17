"""Carrying commands to makers: one sender a car at a time, `sending` committed before the call, never twice blindly."""

import logging
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from accounts.flows.notices import notify
from foundation import clock, leases
from vehicles import gateway
from vehicles.automakers.base import Automaker, CarAccess, CommandReceipt, ReceiptState
from vehicles.automakers.errors import (
    AuthRevoked,
    AutomakerError,
    CommandPending,
    CommandTimeout,
    NotPluggedIn,
    RateLimited,
    VehicleGone,
)
from vehicles.flows import releases
from vehicles.flows.allowing import Intent, UnableToCommand, check_allowed
from vehicles.flows.rounds import work_through
from vehicles.flows.telemetry import ask_reading
from vehicles.models import Command

logger = logging.getLogger(__name__)

LEASE_SECONDS = 120
FIRST_RETRY_SECONDS = 2
MOST_RETRY_SECONDS = 900
MOST_RATE_LIMIT_SECONDS = 120
DEAD_LINK_RETRY_SECONDS = 60
TELL_OWNER_AFTER = 6
FIRST_LOOK = timedelta(seconds=20)  # a car needs some seconds to do what its maker accepted


def send_due_commands(*, now: datetime, limit: int, workers: int = 1) -> int:
    """Send what is due, releases first, and return how many commands were tried. One failure stops no other.

    `workers` cars are told side by side.
    """
    recover_lost_senders(now=now)
    sent = send_resumes(now=now, limit=limit, workers=workers)
    risky = _due(now).exclude(kind=Command.Kind.RESUME).order_by("due_at", "pk")[: max(0, limit - sent)]
    return sent + work_through(risky, lambda command: send(command, now=now), workers=workers)


def send_resumes(*, now: datetime, limit: int, workers: int = 1) -> int:
    """Send the releases that are due, and return how many were tried."""
    due = _due(now).filter(kind=Command.Kind.RESUME).order_by("due_at", "pk")[:limit]
    return work_through(due, lambda command: send(command, now=now), workers=workers)


def _due(now: datetime) -> QuerySet[Command]:
    may_go = Q(retry_at__isnull=True) | Q(retry_at__lte=clock.wall())
    return Command.objects.filter(may_go, state=Command.State.DUE, due_at__lte=now).select_related("vehicle__link")


def recover_lost_senders(*, now: datetime) -> int:
    """Take up commands whose sender died: a release is sent again, anything else is looked up at the car."""
    lost = Command.objects.filter(state=Command.State.SENDING, lease_until__lte=clock.wall())
    again = lost.filter(kind=Command.Kind.RESUME).update(state=Command.State.DUE, due_at=now)
    return again + lost.exclude(kind=Command.Kind.RESUME).update(state=Command.State.UNKNOWN, failure="sender_lost")


def send(command: Command, *, now: datetime) -> bool:
    """Send one due command unless another sender is at work on its car; says whether it was tried."""
    with leases.held(f"car:{command.vehicle_id}", seconds=LEASE_SECONDS) as is_mine:
        if not is_mine or not _may_still_go(command, now=now) or not _claim(command, now=now):
            return False
        is_resume = command.kind == Command.Kind.RESUME
        try:
            receipt = gateway.call(command.vehicle, _operation(command), is_urgent=is_resume)
        except AutomakerError as error:
            _note_failure(command, error, now=now)
        else:
            _note_receipt(command, receipt, now=now)
        return True


def _may_still_go(command: Command, *, now: datetime) -> bool:
    if command.kind == Command.Kind.RESUME:
        return True
    assert command.ends_at is not None
    intent = Intent(
        vehicle=command.vehicle,
        kind=command.kind,
        ends_at=command.ends_at,
        power_w=command.power_w,
        floor_soc_percent=command.floor_soc_percent,
        departure_at=command.departure_at,
        charge_w=command.charge_w or command.vehicle.max_charge_w,
    )
    try:
        check_allowed(intent, now=now)
    except UnableToCommand as refusal:
        Command.objects.filter(pk=command.pk, state=Command.State.DUE).update(
            state=Command.State.REJECTED, failure=refusal.reason_code, released_at=now
        )
        return False
    return True


def _claim(command: Command, *, now: datetime) -> bool:
    wall = clock.wall()
    claimed = Command.objects.filter(
        Q(retry_at__isnull=True) | Q(retry_at__lte=wall), pk=command.pk, state=Command.State.DUE
    ).update(
        state=Command.State.SENDING,
        sent_at=now,
        attempts=F("attempts") + 1,
        lease_until=wall + timedelta(seconds=LEASE_SECONDS),
        looked_at=None,
    )
    if claimed:
        command.refresh_from_db()
    return bool(claimed)


def _operation(command: Command) -> "gateway.Operation[CommandReceipt]":
    key = str(command.public_id)

    def operation(maker: Automaker, car: CarAccess) -> CommandReceipt:
        if command.kind == Command.Kind.RESUME:
            # Each try is a new request: the maker must not answer a repeated one from memory.
            return maker.resume(car, key=f"{key}-{command.attempts}")
        assert command.ends_at is not None
        if command.kind == Command.Kind.HOLD:
            return maker.hold(car, until=command.ends_at, key=key)
        return maker.discharge(
            car,
            power_w=command.power_w,
            floor_soc_percent=command.floor_soc_percent,
            until=command.ends_at,
            key=key,
        )

    return operation


def _settle(command: Command, **changes: object) -> None:
    """Write down how the call went, unless the row was taken up as lost meanwhile."""
    Command.objects.filter(pk=command.pk, state=Command.State.SENDING, attempts=command.attempts).update(
        **{"lease_until": None, **changes}
    )
    command.refresh_from_db()


def _note_receipt(command: Command, receipt: CommandReceipt, *, now: datetime) -> None:
    if receipt.state == ReceiptState.FAILED:
        _note_failure(command, AutomakerError("failed at once"), now=now)
        return
    _settle(
        command,
        state=Command.State.ACCEPTED,
        accepted_at=now,
        maker_command_id=receipt.maker_command_id,
        failure="",
        retry_at=None,
    )
    if command.kind != Command.Kind.RESUME:
        _replace_older(command, now=now)
    ask_reading(vehicle=command.vehicle, by=now + FIRST_LOOK)


def _replace_older(command: Command, *, now: datetime) -> None:
    """A newer setpoint took the place of the older one in the car."""
    older = Command.objects.open_holds().filter(vehicle=command.vehicle, pk__lt=command.pk)
    older.filter(state__in=(Command.State.ACCEPTED, Command.State.UNKNOWN)).update(
        state=Command.State.SUPERSEDED, released_at=now
    )
    older.update(released_at=now)


def _note_failure(command: Command, error: AutomakerError, *, now: datetime) -> None:
    logger.info("command %s (%s): %s", command.public_id, command.kind, error)
    if command.kind == Command.Kind.RESUME:
        _note_failed_resume(command, error, now=now)
    elif isinstance(error, CommandTimeout | CommandPending):
        _settle(command, state=Command.State.UNKNOWN, failure=error.message_key)
        ask_reading(vehicle=command.vehicle, by=now + FIRST_LOOK)
    else:
        _settle(command, state=Command.State.REJECTED, failure=error.message_key, released_at=now)


def _note_failed_resume(command: Command, error: AutomakerError, *, now: datetime) -> None:
    if isinstance(error, NotPluggedIn):  # pulling the plug ended every hold
        _settle(command, state=Command.State.NOOP, failure=error.message_key, confirmed_at=now)
        releases.close_holds(command.vehicle, sent_before=now, now=now)
    elif isinstance(error, VehicleGone):
        _settle(command, state=Command.State.REJECTED, failure=error.message_key)
        releases.close_holds(command.vehicle, sent_before=now, now=now)
        tell_owner_of_failing_release(command, now=now)
    else:
        # Whatever became of it, telling the car once more to charge does no harm.
        try_again(command, seconds=_pause(command, error), failure=error.message_key, now=now)


def _pause(command: Command, error: AutomakerError) -> float:
    if isinstance(error, AuthRevoked):
        return DEAD_LINK_RETRY_SECONDS
    if isinstance(error, RateLimited) and error.retry_at is not None:
        return min(MOST_RATE_LIMIT_SECONDS, max(1.0, (error.retry_at - clock.wall()).total_seconds()))
    return retry_seconds(command.attempts)


def retry_seconds(attempts: int) -> float:
    """Return the wall seconds before a release is sent again after `attempts` tries: 2, 4, 8 ... up to 15 minutes."""
    return float(min(MOST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(max(0, attempts - 1), 20)))


def try_again(command: Command, *, seconds: float, failure: str, now: datetime) -> None:
    """Have a release sent again after `seconds` of wall time, and tell the owner once it goes on failing."""
    Command.objects.filter(pk=command.pk, state__in=Command.UNFINISHED, attempts=command.attempts).update(
        state=Command.State.DUE,
        due_at=now,
        retry_at=clock.wall() + timedelta(seconds=seconds),
        lease_until=None,
        failure=failure[:60],
    )
    if command.attempts >= TELL_OWNER_AFTER:
        tell_owner_of_failing_release(command, now=now)


def tell_owner_of_failing_release(command: Command, *, now: datetime) -> None:
    """Tell the owner, once a release, to look whether the car charges."""
    notify(
        user=command.vehicle.owner,
        kind="release_failing",
        key=f"release_failing:{command.public_id}",
        params={"vehicle": str(command.vehicle)},
        now=now,
    )
