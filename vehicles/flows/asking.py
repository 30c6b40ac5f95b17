"""Many holds and discharges asked for at once, by the rules of `commands.request_command`, in a few statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from vehicles.automakers.base import HoldEnds
from vehicles.flows import switching
from vehicles.flows.allowing import Facts, Intent, UnableToCommand, check_facts, load_facts
from vehicles.flows.chargers import charger_in_use
from vehicles.models import Command, Vehicle
from vehicles.models.commands import CommandQuerySet


@dataclass(frozen=True)
class Asking:
    """One hold or discharge that is wanted; `key` is the intent, `group` whose limit on switched power counts."""

    key: str
    intent: Intent
    zone: str
    reason: str
    group: str = ""


Answer = Command | UnableToCommand


def request_commands(askings: Sequence[Asking], *, now: datetime) -> dict[str, Answer]:
    """Leave commands for the senders; return each intent's command, or why the car is not told, by key.

    At most one intent a car. A car whose hold needs a schedule kept in it is asked for by `request_command` alone.
    """
    found: dict[str, Answer] = {}
    known = {row.key: row for row in Command.objects.filter(key__in=[asking.key for asking in askings])}
    facts = load_facts([asking.intent.vehicle.pk for asking in askings], now=now)
    allowed: list[Asking] = []
    for asking in askings:
        if asking.key in known:
            found[asking.key] = known[asking.key]
            continue
        try:
            check_facts(asking.intent, facts[asking.intent.vehicle.pk], now=now)
        except UnableToCommand as refusal:
            found[asking.key] = refusal
        else:
            allowed.append(asking)
    if allowed:
        found.update(_create(allowed, facts, now=now))
    return found


def _create(askings: Sequence[Asking], facts: Mapping[int, Facts], *, now: datetime) -> dict[str, Answer]:
    vehicle_ids = sorted(asking.intent.vehicle.pk for asking in askings)
    found: dict[str, Answer] = {}
    with transaction.atomic():
        # Two requests for one car take turns, and so do two batches: in the order of the cars.
        list(Vehicle.objects.filter(pk__in=vehicle_ids).order_by("pk").select_for_update().values_list("pk"))
        resuming = set(Command.objects.open_resumes().filter(vehicle__in=vehicle_ids).values_list("vehicle", flat=True))
        # Nobody but us ends these, so one that is over may still hold its car.
        ours = Command.objects.open_holds().filter(vehicle__in=vehicle_ids, ended_by=Command.EndedBy.WATCHDOG)
        kept = set(ours.values_list("vehicle", flat=True))
        told = _newest(Command.objects.filter(vehicle__in=vehicle_ids).in_force(now))
        waiting = _newest(Command.objects.risk_adding().filter(vehicle__in=vehicle_ids, state=Command.State.DUE))
        rows: list[Command] = []
        for asking in askings:
            vehicle = facts[asking.intent.vehicle.pk].vehicle
            before = told.get(vehicle.pk)
            if vehicle.pk in resuming:
                found[asking.key] = UnableToCommand("The car is just being released.", code="release_under_way")
            elif vehicle.pk in kept and vehicle.can.hold_ends == HoldEnds.START_STOP:
                found[asking.key] = UnableToCommand("The car is held already; renew that hold.", code="already_held")
            else:
                rows.append(_command(asking, vehicle, before, waiting.get(vehicle.pk), now=now))
        superseded = [waiting[row.vehicle_id].pk for row in rows if row.vehicle_id in waiting]
        Command.objects.filter(pk__in=superseded, state=Command.State.DUE).update(
            state=Command.State.SUPERSEDED, released_at=now, failure="newer_command"
        )
        Command.objects.bulk_create(rows, batch_size=500)
    return {**found, **{row.key: row for row in rows}}


def _newest(rows: CommandQuerySet) -> dict[int, Command]:
    return {row.vehicle_id: row for row in rows.order_by("created_at", "pk")}


def _command(
    asking: Asking, vehicle: Vehicle, before: Command | None, waiting: Command | None, *, now: datetime
) -> Command:
    intent = asking.intent
    is_timed = vehicle.can.hold_ends == HoldEnds.TIMED
    switched = switching.switched_w(before=before, kind=intent.kind, power_w=intent.power_w, charge_w=intent.charge_w)
    return Command(
        vehicle=vehicle,
        key=asking.key,
        kind=intent.kind,
        power_w=intent.power_w,
        floor_soc_percent=intent.floor_soc_percent,
        ended_by=Command.EndedBy.CAR if is_timed else Command.EndedBy.WATCHDOG,
        ends_at=intent.ends_at,
        departure_at=intent.departure_at,
        charge_w=intent.charge_w,
        zone=asking.zone,
        # A car with capabilities of its own stands at a wall box.
        via_charger=charger_in_use(vehicle) if vehicle.own_capabilities else None,
        switch_group=asking.group,
        switch_w=switched if asking.group else 0,
        slot_at=waiting.slot_at if waiting is not None and asking.group else None,
        reason=asking.reason[:40],
        due_at=now,
        created_at=now,
    )
