"""Carrying commands to makers: one sender a car at a time, `sending` committed before the call, never twice blindly."""

import logging
import time
from datetime import datetime, timedelta

from django.db.models import Exists, F, Q, QuerySet

from accounts.flows.notices import notify_all
from foundation import clock, leases
from foundation.rounds import work_through
from vehicles import gateway
from vehicles.automakers.base import Automaker, Backstop, CarAccess, CommandReceipt, ReceiptState
from vehicles.automakers.errors import (
    AuthRevoked,
    AutomakerError,
    CommandPending,
    CommandTimeout,
    NotPluggedIn,
    NotSupported,
    RateLimited,
    Rejected,
    ScopeMissing,
    Unreachable,
    VehicleGone,
)
from vehicles.flows import limits, releases, switching, waking
from vehicles.flows.allowing import Intent, UnableToCommand, check_allowed, check_not_stopped, check_steerable
from vehicles.flows.telemetry import ask_reading
from vehicles.meter import Use
from vehicles.models import Command, HomePlace, StopOrder

logger = logging.getLogger(__name__)

LEASE_SECONDS = 120
FIRST_RETRY_SECONDS = 2
MOST_RETRY_SECONDS = 900
MOST_RATE_LIMIT_SECONDS = 120
DEAD_LINK_RETRY_SECONDS = 60
TELL_OWNER_AFTER = 6
FIRST_LOOK = timedelta(seconds=20)  # a car needs some seconds to do what its maker accepted
ENDS_SOMETHING = Q(kind=Command.Kind.RESUME) | Q(kind=Command.Kind.WAKE, reason=waking.FOR_RELEASE)
# Saying a limit twice says the same, so it may go again; but not for ever.
MOST_LIMIT_TRIES = 5
MOST_FOREIGN_TRIES = 2
USES = {
    Command.Kind.RESUME: Use.RELEASE,
    Command.Kind.WAKE: Use.WAKE,
}


def send_due_commands(*, now: datetime, limit: int, workers: int = 1) -> int:
    """Send what is due, releases first, and return how many commands were tried. One failure stops no other.

    `workers` cars are told side by side.
    """
    recover_lost_senders(now=now)
    sent = send_resumes(now=now, limit=limit, workers=workers)
    risky = _due(now).exclude(ENDS_SOMETHING).order_by("due_at", "pk")[: max(0, limit - sent)]
    begun = time.monotonic()
    return sent + work_through(risky, lambda command: send(command, now=now, begun=begun), workers=workers)


def send_resumes(*, now: datetime, limit: int, workers: int = 1) -> int:
    """Send the releases that are due, and wakes for cars that sleep through theirs; return how many were tried."""
    switching.give_turns(now=now)
    due = _due(now).filter(ENDS_SOMETHING).order_by("due_at", "pk")[:limit]
    begun = time.monotonic()
    return work_through(due, lambda command: send(command, now=now, begun=begun), workers=workers)


def _due(now: datetime) -> QuerySet[Command]:
    may_go = Q(retry_at__isnull=True) | Q(retry_at__lte=clock.wall())
    has_turn = Q(switch_w=0) | Q(slot_at__lte=now, slot_at__gte=now - switching.spare())
    due = Command.objects.filter(may_go, has_turn, state=Command.State.DUE, due_at__lte=now)
    return due.select_related("vehicle__link")


def recover_lost_senders(*, now: datetime) -> int:
    """Take up commands whose sender died: a release is sent again, anything else is looked up at the car."""
    lost = Command.objects.filter(state=Command.State.SENDING, lease_until__lte=clock.wall())
    repeatable = Q(kind__in=(Command.Kind.RESUME, Command.Kind.SET_LIMIT))
    again = lost.filter(repeatable).update(state=Command.State.DUE, due_at=now)
    return again + lost.exclude(repeatable).update(state=Command.State.UNKNOWN, failure="sender_lost")


def send(command: Command, *, now: datetime, begun: float | None = None) -> bool:
    """Send one due command unless another sender is at work on its car; says whether it was tried.

    `begun` is when the sweep began (time.monotonic): a turn to switch power that has passed since is not used.
    """
    waited = 0.0 if begun is None else (time.monotonic() - begun) * clock.rate()
    if not switching.is_turn(command, at=now + timedelta(seconds=waited)):
        return False
    with leases.held(f"car:{command.vehicle_id}", seconds=LEASE_SECONDS) as is_mine:
        if not is_mine or not _may_still_go(command, now=now) or not _claim(command, now=now):
            return False
        try:
            receipt = _call(command)
        except UnableToCommand as refusal:  # what the command needs is there no more, so nothing was sent
            _settle(command, state=Command.State.REJECTED, failure=refusal.reason_code, released_at=now)
        except AutomakerError as error:
            _note_failure(command, error, now=now)
        else:
            _note_receipt(command, receipt, now=now)
        return True


def _call(command: Command) -> CommandReceipt:
    operation = _operation(command)
    use = USES.get(Command.Kind(command.kind), Use.COMMAND)
    if command.kind == Command.Kind.WAKE and command.reason == waking.FOR_RELEASE:
        use = Use.RELEASE
    if command.via_charger is not None:
        return gateway.call_charger(command.via_charger, operation, use=use)
    return gateway.call(command.vehicle, operation, use=use)


def _may_still_go(command: Command, *, now: datetime) -> bool:
    if command.kind == Command.Kind.RESUME:
        return True
    if command.kind in {Command.Kind.SET_LIMIT, Command.Kind.WAKE}:
        return _may_still_ask(command, now=now)
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


def _may_still_ask(command: Command, *, now: datetime) -> bool:
    """A limit that comes back, and a wake for a release, go to whatever car; the rest to cars that we may steer."""
    if command.reason in {limits.RESTORED, waking.FOR_RELEASE}:
        return True
    try:
        check_not_stopped()
        check_steerable(command.vehicle)
        if command.ends_at is not None and command.ends_at <= now:
            raise UnableToCommand("It is too late for this.", code="already_over")
    except UnableToCommand as refusal:
        Command.objects.filter(pk=command.pk, state=Command.State.DUE).update(
            state=Command.State.REJECTED, failure=refusal.reason_code
        )
        return False
    return True


def _claim(command: Command, *, now: datetime) -> bool:
    wall = clock.wall()
    free = Command.objects.filter(
        Q(retry_at__isnull=True) | Q(retry_at__lte=wall), pk=command.pk, state=Command.State.DUE
    )
    if command.kind in {Command.Kind.HOLD, Command.Kind.DISCHARGE}:  # the kill switch counts up to this statement
        free = free.exclude(Exists(StopOrder.objects.filter(lifted_at__isnull=True)))
    claimed = free.update(
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
    key, backstop = str(command.public_id), _backstop(command)
    # Each try is a new request: the maker must not answer a repeated one from memory.
    repeated_key = f"{key}-{command.attempts}"

    def operation(maker: Automaker, car: CarAccess) -> CommandReceipt:
        if command.kind == Command.Kind.RESUME:
            return maker.resume(car, key=repeated_key)
        if command.kind == Command.Kind.WAKE:
            return maker.wake(car)
        if command.kind == Command.Kind.SET_LIMIT:
            assert command.limit_percent is not None
            return maker.set_limit(car, percent=command.limit_percent, key=repeated_key)
        assert command.ends_at is not None
        if command.kind == Command.Kind.HOLD:
            return maker.hold(car, until=command.ends_at, key=key, backstop=backstop)
        return maker.discharge(
            car,
            power_w=command.power_w,
            floor_soc_percent=command.floor_soc_percent,
            until=command.ends_at,
            key=key,
        )

    return operation


def _backstop(command: Command) -> Backstop | None:
    """Return the schedule to keep in the car before it is held; raises UnableToCommand where it cannot be made."""
    if command.kind != Command.Kind.HOLD or command.via_charger_id or not command.vehicle.can.needs_backstop:
        return None
    home = HomePlace.objects.filter(owner=command.vehicle.owner_id).first()
    if home is None or command.backstop_at is None or command.departure_at is None:
        raise UnableToCommand("The car's schedule needs a departure and a home.", code="backstop_missing")
    return Backstop(
        start_at=command.backstop_at,
        departure_at=command.departure_at,
        zone=command.zone,
        latitude=float(home.latitude),
        longitude=float(home.longitude),
    )


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
    # "Already so" is the maker's belief; what ends a hold is believed only once a reading shows it.
    is_noop = receipt.state == ReceiptState.NOOP and command.kind != Command.Kind.RESUME
    _settle(
        command,
        state=Command.State.NOOP if is_noop else Command.State.ACCEPTED,
        accepted_at=now,
        maker_command_id=receipt.maker_command_id,
        failure="",
        retry_at=None,
    )
    if command.kind in {Command.Kind.HOLD, Command.Kind.DISCHARGE}:
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
    elif command.kind == Command.Kind.SET_LIMIT:
        _note_failed_limit(command, error, now=now)
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
        if isinstance(error, Unreachable) and error.is_asleep and command.via_charger_id is None:
            waking.wake_for_release(vehicle=command.vehicle, release=str(command.public_id), now=now)
        # Whatever became of it, telling the car once more to charge does no harm.
        try_again(command, seconds=_pause(command, error), failure=error.message_key, now=now)


def _note_failed_limit(command: Command, error: AutomakerError, *, now: datetime) -> None:
    is_final = isinstance(error, NotSupported | Rejected | ScopeMissing | NotPluggedIn | VehicleGone)
    if is_final or command.attempts >= MOST_LIMIT_TRIES:
        _settle(command, state=Command.State.REJECTED, failure=error.message_key)
    else:
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
    """Have a release sent again after `seconds` of wall time, and tell the owner once it goes on failing.

    A word against somebody else's schedule is no release of ours, and is given up after a second try.
    """
    if command.reason == releases.AGAINST_OTHERS and command.attempts >= MOST_FOREIGN_TRIES:
        Command.objects.filter(pk=command.pk, state__in=Command.UNFINISHED).update(
            state=Command.State.TIMED_OUT, lease_until=None, failure=failure[:60]
        )
        return
    Command.objects.filter(pk=command.pk, state__in=Command.UNFINISHED, attempts=command.attempts).update(
        state=Command.State.DUE,
        due_at=now,
        retry_at=clock.wall() + timedelta(seconds=seconds),
        lease_until=None,
        failure=failure[:60],
    )
    if command.attempts >= TELL_OWNER_AFTER and command.kind == Command.Kind.RESUME:
        tell_owner_of_failing_release(command, now=now)


def tell_owner_of_failing_release(command: Command, *, now: datetime) -> None:
    """Tell the owner, once a release, to look whether the car charges."""
    notify_all(
        user_ids=[command.vehicle.owner_id],
        kind="release_failing",
        key=f"release_failing:{command.public_id}",
        params={"vehicle": str(command.vehicle)},
        now=now,
    )
