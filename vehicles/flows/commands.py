"""Telling cars what to do, by two rules: what adds risk is sent at most once, what removes it until a reading shows it.

This module takes requests; `allowing` says what may be asked, `sending` carries it out, `confirming` looks at the car,
`releases` ends holds and `watching` does so when everything else is down.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from vehicles.automakers.base import HoldEnds
from vehicles.flows import releases, switching
from vehicles.flows.allowing import Intent, UnableToCommand, check_allowed, check_steerable, latest_release_at
from vehicles.flows.chargers import charger_in_use
from vehicles.flows.confirming import confirm_commands
from vehicles.flows.sending import send_due_commands
from vehicles.flows.watching import release_expired_holds
from vehicles.models import Command, Vehicle

__all__ = [
    "UnableToCommand",
    "command_in_force",
    "confirm_commands",
    "release_expired_holds",
    "renew_hold",
    "request_command",
    "send_due_commands",
]

logger = logging.getLogger(__name__)

# A schedule in the car that starts this much too late is worth telling the car anew.
BACKSTOP_TOLERANCE = timedelta(minutes=5)


def command_in_force(vehicle: Vehicle, now: datetime) -> Command | None:
    """Return the newest hold or discharge that may have reached the car, or is about to, and has not ended; or None."""
    waiting = Command.objects.risk_adding().filter(vehicle=vehicle, state=Command.State.DUE, ends_at__gt=now)
    sent = Command.objects.filter(vehicle=vehicle).in_force(now)
    return (waiting | sent).order_by("-created_at", "-pk").first()


def request_command(
    *,
    vehicle: Vehicle,
    key: str,
    kind: str,
    ends_at: datetime | None,
    departure_at: datetime | None,
    now: datetime,
    power_w: int = 0,
    floor_soc_percent: int = 0,
    charge_w: int | None = None,
    zone: str = "",
    reason: str = "",
    group: str = "",
) -> Command:
    """Leave a command for the senders and return it; the same `key` returns the first command, whatever became of it.

    A hold or discharge ends by `ends_at`, at most 15 minutes ahead; `power_w` < 0 discharges, never below the floor.
    `charge_w` is what car and charger together can charge (default: the car's own), `departure_at` what must be
    left time for, `zone` the IANA name of the home's clock (default: the owner's). `group` names whose limit
    on switched power counts ("" = none). A resume has no end and replaces whatever was not sent yet.

    Raises UnableToCommand where the car may not be held or discharged (see `allowing.check_allowed`), while a release
    is under way, for a car held by start and stop that is held already (see `renew_hold`), or for a key that meant
    another kind or car.
    """
    known = Command.objects.filter(key=key).first()
    if known is not None:
        return _same_intent(known, vehicle=vehicle, kind=kind)
    if kind == Command.Kind.RESUME:
        return _request_resume(vehicle, key=key, reason=reason, now=now)
    if kind not in {Command.Kind.HOLD, Command.Kind.DISCHARGE} or ends_at is None:
        raise UnableToCommand("A hold or discharge needs an end.", code="no_end", field="ends_at")
    intent = Intent(
        vehicle=vehicle,
        kind=kind,
        ends_at=ends_at,
        power_w=power_w,
        floor_soc_percent=floor_soc_percent,
        departure_at=departure_at,
        charge_w=min(charge_w or vehicle.max_charge_w, vehicle.max_charge_w),
    )
    check_allowed(intent, now=now)
    return _create(intent, key=key, zone=zone, reason=reason, group=group, now=now)


def _create(intent: Intent, *, key: str, zone: str, reason: str, group: str, now: datetime) -> Command:
    vehicle, can = intent.vehicle, intent.vehicle.can
    is_timed = can.hold_ends == HoldEnds.TIMED
    try:
        with transaction.atomic():
            Vehicle.objects.select_for_update().get(pk=vehicle.pk)  # two requests for one car take turns
            if Command.objects.open_resumes().filter(vehicle=vehicle).exists():
                raise UnableToCommand("The car is just being released.", code="release_under_way")
            if can.hold_ends == HoldEnds.START_STOP and releases.still_held(vehicle, now=now).exists():
                raise UnableToCommand("The car is held already; renew that hold.", code="already_held")
            turn = _turn(intent, now=now) if group else {}
            Command.objects.risk_adding().filter(vehicle=vehicle, state=Command.State.DUE).update(
                state=Command.State.SUPERSEDED, released_at=now, failure="newer_command"
            )
            return Command.objects.create(
                switch_group=group,
                **turn,
                vehicle=vehicle,
                key=key,
                kind=intent.kind,
                power_w=intent.power_w,
                floor_soc_percent=intent.floor_soc_percent,
                ended_by=Command.EndedBy.CAR if is_timed else Command.EndedBy.WATCHDOG,
                ends_at=intent.ends_at,
                departure_at=intent.departure_at,
                charge_w=intent.charge_w,
                zone=zone or str(vehicle.owner.time_zone),
                backstop_at=latest_release_at(intent, now=now) if can.needs_backstop else None,
                via_charger=charger_in_use(vehicle),
                reason=reason[:40],
                due_at=now,
                created_at=now,
            )
    except IntegrityError:  # the same intent came in twice at once
        return _same_intent(Command.objects.get(key=key), vehicle=vehicle, kind=intent.kind)


def _turn(intent: Intent, *, now: datetime) -> dict[str, Any]:
    """Return what the command switches; one that takes the place of one that still waits keeps its turn."""
    told = Command.objects.filter(vehicle=intent.vehicle).in_force(now).order_by("-created_at", "-pk").first()
    waiting = Command.objects.risk_adding().filter(vehicle=intent.vehicle, state=Command.State.DUE).first()
    return {
        "switch_w": switching.switched_w(
            before=told, kind=intent.kind, power_w=intent.power_w, charge_w=intent.charge_w
        ),
        "slot_at": waiting.slot_at if waiting else None,
    }


def _same_intent(known: Command, *, vehicle: Vehicle, kind: str) -> Command:
    if known.vehicle_id != vehicle.pk or known.kind != kind:
        raise UnableToCommand("This key already stands for another command.", code="key_reused", field="key")
    return known


def _request_resume(vehicle: Vehicle, *, key: str, reason: str, now: datetime) -> Command:
    check_steerable(vehicle)
    with transaction.atomic():
        Vehicle.objects.select_for_update().get(pk=vehicle.pk)
        under_way = releases.release_vehicle(vehicle=vehicle, reason=reason, now=now)
        return under_way or releases.leave_resume(vehicle, key=key, reason=reason, via=charger_in_use(vehicle), now=now)


def renew_hold(*, command: Command, ends_at: datetime, now: datetime, departure_at: datetime | None = None) -> Command:
    """Move the end of a hold that our watchdog ends, and return it; the maker is not told again.

    Everything that a new hold needs must still be true. `departure_at` replaces the one that the hold was made for.
    Raises UnableToCommand, also for a hold that is over, being released, or ended by the car (request a new one), and
    with code `backstop_moved` where the schedule kept in the car would now start too late (request a new one, too).
    """
    command.refresh_from_db()
    if command.kind != Command.Kind.HOLD or command.ended_by != Command.EndedBy.WATCHDOG:
        raise UnableToCommand("The car ends this command by itself; request a new one.", code="not_renewable")
    intent = Intent(
        vehicle=command.vehicle,
        kind=command.kind,
        ends_at=ends_at,
        power_w=0,
        floor_soc_percent=0,
        departure_at=departure_at or command.departure_at,
        charge_w=command.charge_w or command.vehicle.max_charge_w,
    )
    check_allowed(intent, now=now)
    _check_backstop_holds(command, intent, now=now)
    with transaction.atomic():
        Vehicle.objects.select_for_update().get(pk=command.vehicle_id)
        if Command.objects.open_resumes().filter(vehicle=command.vehicle_id).exists():
            raise UnableToCommand("The car is just being released.", code="release_under_way")
        alive = Command.objects.filter(
            pk=command.pk, released_at__isnull=True, ends_at__gt=now, state__in=(*Command.SENT, Command.State.DUE)
        )
        if not alive.update(ends_at=max(ends_at, command.ends_at or ends_at), departure_at=intent.departure_at):
            raise UnableToCommand("This hold is over.", code="hold_over")
    command.refresh_from_db()
    return command


def _check_backstop_holds(command: Command, intent: Intent, *, now: datetime) -> None:
    if command.backstop_at is None:
        return
    latest = latest_release_at(intent, now=now)
    if latest is not None and latest < command.backstop_at - BACKSTOP_TOLERANCE:
        raise UnableToCommand("The schedule in the car must start earlier now.", code="backstop_moved")
