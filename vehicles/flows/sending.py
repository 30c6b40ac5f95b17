"""Carrying commands to makers: one sender a car at a time, `sending` committed before the call, never twice blindly.

Commands are claimed and written down many at once, and makers are called side by side. What was claimed is called
within a moment: no more is claimed ahead than `foundation.rounds` allows.
"""

import itertools
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError
from django.db.models import Exists, F, Q

from foundation import clock, leases
from foundation.rounds import keep_busy
from vehicles import gateway
from vehicles.automakers.base import CommandReceipt, ReceiptState
from vehicles.automakers.errors import AutomakerError
from vehicles.flows import limits, outcomes, switching, waking
from vehicles.flows.allowing import (
    Intent,
    UnableToCommand,
    check_facts,
    check_not_stopped,
    check_steerable,
    load_facts,
)
from vehicles.flows.operations import operation_of
from vehicles.flows.outcomes import (
    FIRST_LOOK,
    MOST_LIMIT_TRIES,
    recover_lost_senders,
    retry_seconds,
    try_again,
)
from vehicles.meter import Use
from vehicles.models import Command, StopOrder, Vehicle

__all__ = [
    "FIRST_LOOK",
    "MOST_LIMIT_TRIES",
    "recover_lost_senders",
    "retry_seconds",
    "send_due_commands",
    "send_resumes",
    "try_again",
]

logger = logging.getLogger(__name__)

LEASE_SECONDS = 120
ENDS_SOMETHING = Q(kind=Command.Kind.RESUME) | Q(kind=Command.Kind.WAKE, reason=waking.FOR_RELEASE)
USES = {
    Command.Kind.RESUME: Use.RELEASE,
    Command.Kind.WAKE: Use.WAKE,
}
Outcome = CommandReceipt | AutomakerError | UnableToCommand


@dataclass(frozen=True)
class Claimed:
    """A command that is ours to send, under the lease `token` of its car; `ready` is its call, or why there is none."""

    command: Command
    token: str
    ready: gateway.Ready | AutomakerError


def send_due_commands(*, now: datetime, limit: int, workers: int = 1) -> int:
    """Send what is due, releases first, and return how many commands were tried. One failure stops no other.

    `workers` cars are told side by side.
    """
    recover_lost_senders(now=now)
    sent = send_resumes(now=now, limit=limit, workers=workers)
    return sent + _send(~ENDS_SOMETHING, now=now, limit=limit - sent, workers=workers)


def send_resumes(*, now: datetime, limit: int, workers: int = 1) -> int:
    """Send the releases that are due, and wakes for cars that sleep through theirs; return how many were tried."""
    switching.give_turns(now=now)
    return _send(ENDS_SOMETHING, now=now, limit=limit, workers=workers)


def _send(which: Q, *, now: datetime, limit: int, workers: int) -> int:
    begun = time.monotonic()
    has_turn = Q(switch_w=0) | Q(slot_at__lte=now, slot_at__gte=now - switching.spare())
    due = Command.objects.filter(which, _may_go(), has_turn, state=Command.State.DUE, due_at__lte=now)
    rows = iter(due.order_by("due_at", "pk")[: max(0, limit)])

    def take(count: int) -> list[Claimed]:
        at = now + timedelta(seconds=(time.monotonic() - begun) * clock.rate())
        return _take(rows, count, now=now, at=at)

    return keep_busy(take, _call, lambda done: _note(done, now=now), workers=workers)


def _may_go() -> Q:
    return Q(retry_at__isnull=True) | Q(retry_at__lte=clock.wall())


def _take(rows: Iterator[Command], count: int, *, now: datetime, at: datetime) -> list[Claimed]:
    """Claim the next `count` of the rows, leaving out those that may not go or that another sender is at.

    `at` is how late it is by now: a turn to switch power that has passed is not used.
    """
    claimed: list[Claimed] = []
    while len(claimed) < count:
        batch = list(itertools.islice(rows, count - len(claimed)))
        if not batch:
            break
        one_a_car: dict[int, Command] = {}
        for command in batch:
            if switching.is_turn(command, at=at):
                one_a_car.setdefault(command.vehicle_id, command)  # its next one goes with the next round
        claimed += _claim_apart(list(one_a_car.values()), now=now)
    return claimed


def _claim_apart(commands: Sequence[Command], *, now: datetime) -> list[Claimed]:
    """Claim these, and where that breaks each by itself: one car that cannot even be read stops no other."""
    try:
        return _claim(commands, now=now)
    except DatabaseError:
        raise
    except Exception:
        if len(commands) == 1:
            logger.exception("command %s cannot be sent", commands[0].public_id)
            return []
        return [claimed for command in commands for claimed in _claim_apart([command], now=now)]


def _claim(commands: Sequence[Command], *, now: datetime) -> list[Claimed]:
    """Claim those that may still go, at most one a car, and commit that before any call."""
    if not commands:
        return []
    token, free = leases.acquire_all([_lease(command) for command in commands], seconds=LEASE_SECONDS)
    sending: list[Command] = []
    try:
        ours = [command.pk for command in commands if _lease(command) in free]
        rows = Command.objects.filter(pk__in=ours, state=Command.State.DUE).select_related("vehicle", "via_charger")
        may_go = {command.pk: command for command in _may_still_go(list(rows), now=now)}
        sending = _mark_sending([may_go[key] for key in ours if key in may_go], now=now)
    finally:
        leases.release_all(free - {_lease(command) for command in sending}, token)
    try:
        ready = gateway.prepare([(command.via_charger or command.vehicle, _use(command)) for command in sending])
    except Exception:  # nothing was called; what is marked is taken up as lost
        leases.release_all(free, token)
        raise
    return [Claimed(command, token, one) for command, one in zip(sending, ready, strict=True)]


def _lease(command: Command) -> str:
    return f"car:{command.vehicle_id}"


def _use(command: Command) -> Use:
    if command.kind == Command.Kind.WAKE and command.reason == waking.FOR_RELEASE:
        return Use.RELEASE
    return USES.get(Command.Kind(command.kind), Use.COMMAND)


def _mark_sending(commands: Sequence[Command], *, now: datetime) -> list[Command]:
    """Mark those that are due still as being sent, and return them as they are now."""
    wall, keys = clock.wall(), [command.pk for command in commands]
    until = wall + timedelta(seconds=LEASE_SECONDS)
    # The kill switch counts up to this statement.
    is_stopped = Q(kind__in=outcomes.RISKY) & Exists(StopOrder.objects.filter(lifted_at__isnull=True))
    free = Command.objects.filter(_may_go(), pk__in=keys, state=Command.State.DUE).exclude(is_stopped)
    if not keys or not free.update(
        state=Command.State.SENDING, sent_at=now, attempts=F("attempts") + 1, lease_until=until, looked_at=None
    ):
        return []
    # Nobody else claims them: the cars' leases are ours.
    ours = Command.objects.filter(pk__in=keys, state=Command.State.SENDING, lease_until=until).in_bulk()
    for command in commands:
        if command.pk in ours:  # what belongs to it was read before it was marked, so that nothing breaks now
            ours[command.pk].vehicle, ours[command.pk].via_charger = command.vehicle, command.via_charger
    return [ours[key] for key in keys if key in ours]


def _may_still_go(commands: Sequence[Command], *, now: datetime) -> list[Command]:
    """Return those that may go still; the others are refused, with the reason."""
    risky = [command for command in commands if command.kind in outcomes.RISKY]
    facts = load_facts([command.vehicle_id for command in risky], now=now) if risky else {}
    allowed: list[Command] = []
    for command in commands:
        try:
            if command.kind in outcomes.RISKY:
                known = facts[command.vehicle_id]
                check_facts(_intent(command, known.vehicle), known, now=now)
            elif command.kind != Command.Kind.RESUME:
                _check_may_ask(command, now=now)
        except UnableToCommand as refusal:
            over = {"released_at": now} if command.kind in outcomes.RISKY else {}
            Command.objects.filter(pk=command.pk, state=Command.State.DUE).update(
                state=Command.State.REJECTED, failure=refusal.reason_code, **over
            )
        else:
            allowed.append(command)
    return allowed


def _intent(command: Command, vehicle: Vehicle) -> Intent:
    assert command.ends_at is not None
    return Intent(
        vehicle=vehicle,
        kind=command.kind,
        ends_at=command.ends_at,
        power_w=command.power_w,
        floor_soc_percent=command.floor_soc_percent,
        departure_at=command.departure_at,
        charge_w=command.charge_w or vehicle.max_charge_w,
    )


def _check_may_ask(command: Command, *, now: datetime) -> None:
    """A limit that comes back, and a wake for a release, go to whatever car; the rest to cars that we may steer."""
    if command.reason in {limits.RESTORED, waking.FOR_RELEASE}:
        return
    check_not_stopped()
    check_steerable(command.vehicle)
    if command.ends_at is not None and command.ends_at <= now:
        raise UnableToCommand("It is too late for this.", code="already_over")


def _call(claimed: Claimed) -> Outcome:
    """Make the call, in whatever thread."""
    if isinstance(claimed.ready, AutomakerError):
        return claimed.ready
    command = claimed.command
    claimed_at = command.lease_until - timedelta(seconds=LEASE_SECONDS) if command.lease_until else clock.wall()
    try:
        return gateway.carry_out(claimed.ready, operation_of(command, claimed_at=claimed_at))
    except (UnableToCommand, AutomakerError) as error:
        return error


def _note(done: Sequence[tuple[Claimed, Outcome | None]], *, now: datetime) -> None:
    """Write down what became of each, and let go of the cars; one that cannot be written down stops no other."""
    taken: list[tuple[Command, CommandReceipt]] = []
    for claimed, outcome in done:
        if isinstance(outcome, CommandReceipt) and outcome.state != ReceiptState.FAILED:
            taken.append((claimed.command, outcome))
            continue
        try:
            _note_failed(claimed.command, outcome, now=now)
        except Exception:
            logger.exception("command %s was not written down", claimed.command.public_id)
    try:
        outcomes.note_receipts(taken, now=now)
    finally:
        for token, ours in itertools.groupby(done, key=lambda one: one[0].token):
            leases.release_all([_lease(claimed.command) for claimed, _ in ours], token)


def _note_failed(command: Command, outcome: Outcome | None, *, now: datetime) -> None:
    is_limit = command.kind == Command.Kind.SET_LIMIT  # wanted still, whoever is late
    if isinstance(outcome, UnableToCommand) and not is_limit:  # nothing was sent, and need not be any more
        outcomes.settle(command, state=Command.State.REJECTED, failure=outcome.reason_code, released_at=now)
    elif isinstance(outcome, AutomakerError):
        outcomes.note_failure(command, outcome, now=now)
    elif outcome is not None:
        outcomes.note_failure(command, AutomakerError("failed at once"), now=now)
    # Else something broke on our side: nobody knows, and it is taken up as lost once its lease is over.
