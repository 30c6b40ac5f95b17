"""What became of a command that was sent: taken, refused, lost, or to be sent again."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q

from accounts.flows.notices import notify_all
from foundation import clock
from vehicles.automakers.base import CommandReceipt, ReceiptState
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
from vehicles.flows import releases, waking
from vehicles.flows.telemetry import ask_reading, ask_readings
from vehicles.models import Command

logger = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 2
MOST_RETRY_SECONDS = 900
MOST_RATE_LIMIT_SECONDS = 120
DEAD_LINK_RETRY_SECONDS = 60
TELL_OWNER_AFTER = 6
FIRST_LOOK = timedelta(seconds=20)  # a car needs some seconds to do what its maker accepted
# Saying a limit twice says the same, so it may go again; but not for ever.
MOST_LIMIT_TRIES = 5
MOST_FOREIGN_TRIES = 2
RISKY = frozenset({Command.Kind.HOLD, Command.Kind.DISCHARGE})


def recover_lost_senders(*, now: datetime) -> int:
    """Take up commands whose sender died: a release is sent again, anything else is looked up at the car."""
    lost = Command.objects.filter(state=Command.State.SENDING, lease_until__lte=clock.wall())
    repeatable = Q(kind__in=(Command.Kind.RESUME, Command.Kind.SET_LIMIT))
    again = lost.filter(repeatable).update(state=Command.State.DUE, due_at=now)
    return again + lost.exclude(repeatable).update(state=Command.State.UNKNOWN, failure="sender_lost")


def settle(command: Command, **changes: object) -> None:
    """Write down how the call went, unless the row was taken up as lost meanwhile."""
    Command.objects.filter(pk=command.pk, state=Command.State.SENDING, attempts=command.attempts).update(
        **{"lease_until": None, **changes}
    )
    command.refresh_from_db()


def note_receipts(taken: Sequence[tuple[Command, CommandReceipt]], *, now: datetime) -> None:
    """Write down what makers took, unless a row was taken up as lost meanwhile; have the cars looked at soon."""
    if not taken:
        return
    adapt = connection.ops.adapt_datetimefield_value
    table = Command._meta.db_table  # noqa: SLF001 - Django's own way to a table's name
    statement = (
        f"UPDATE {table} SET state = %s, accepted_at = %s, maker_command_id = %s, failure = '', retry_at = NULL,"  # noqa: S608 - own names only
        " lease_until = NULL WHERE id = %s AND state = %s AND attempts = %s"
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            statement,
            [
                (
                    str(_state_after(command, receipt)), adapt(now), receipt.maker_command_id,
                    command.pk, str(Command.State.SENDING), command.attempts,
                )
                for command, receipt in sorted(taken, key=lambda one: one[0].pk)
            ],
        )  # fmt: skip
    _replace_older([command for command, _ in taken if command.kind in RISKY], now=now)
    ask_readings([(command.vehicle, now + FIRST_LOOK) for command, _ in taken])


def _state_after(command: Command, receipt: CommandReceipt) -> str:
    # "Already so" is the maker's belief; what ends a hold is believed only once a reading shows it.
    is_noop = receipt.state == ReceiptState.NOOP and command.kind != Command.Kind.RESUME
    return Command.State.NOOP if is_noop else Command.State.ACCEPTED


def _replace_older(commands: Sequence[Command], *, now: datetime) -> None:
    """A newer setpoint took the place of the older one in the car; at most one command a car."""
    newest = {command.vehicle_id: command.pk for command in commands}
    rows = Command.objects.open_holds().filter(vehicle__in=newest).values_list("pk", "vehicle", "state")
    older = [(key, state) for key, vehicle, state in rows if key < newest[vehicle]]
    if not older:
        return
    unsure = [key for key, state in older if state in (Command.State.ACCEPTED, Command.State.UNKNOWN)]
    still_open = Command.objects.open_holds()
    still_open.filter(pk__in=unsure, state__in=(Command.State.ACCEPTED, Command.State.UNKNOWN)).update(
        state=Command.State.SUPERSEDED, released_at=now
    )
    still_open.filter(pk__in=[key for key, _ in older]).update(released_at=now)


def note_failure(command: Command, error: AutomakerError, *, now: datetime) -> None:
    """Write down why the command was not taken, or that nobody knows, and what comes of that."""
    logger.info("command %s (%s): %s", command.public_id, command.kind, error)
    if command.kind == Command.Kind.RESUME:
        _note_failed_resume(command, error, now=now)
    elif command.kind == Command.Kind.SET_LIMIT:
        _note_failed_limit(command, error, now=now)
    elif isinstance(error, CommandTimeout | CommandPending):
        settle(command, state=Command.State.UNKNOWN, failure=error.message_key)
        ask_reading(vehicle=command.vehicle, by=now + FIRST_LOOK)
    else:
        settle(command, state=Command.State.REJECTED, failure=error.message_key, released_at=now)


def _note_failed_resume(command: Command, error: AutomakerError, *, now: datetime) -> None:
    if isinstance(error, NotPluggedIn):  # pulling the plug ended every hold
        settle(command, state=Command.State.NOOP, failure=error.message_key, confirmed_at=now)
        releases.close_holds(command.vehicle, sent_before=now, now=now)
    elif isinstance(error, VehicleGone):
        settle(command, state=Command.State.REJECTED, failure=error.message_key)
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
        settle(command, state=Command.State.REJECTED, failure=error.message_key)
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
