"""Where the clock meets the physics: cars are brought up to date whenever somebody looks at them or commands them."""

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from sandbox.cars import physics
from sandbox.cars.models import Car, Command, ServedReading
from sandbox.cars.physics import CarState, Setpoint
from sandbox.cars.records import from_record, to_record
from sandbox.cars.schedules import PlannedStart

# A clock set back by more than this puts the cars back too; less is waited out, for nothing runs backwards.
SET_BACK = timedelta(hours=1)
WAKING = {"wake", "status"}  # asking for a fresh status reaches the car's modem, and with it wakes the car
KEPT_READINGS = 20_000  # of all cars; the log is for looking back over some days, not for ever


class KeyReused(Exception):
    """The same idempotency key came with another content."""


def look_at(vehicle_id: str, *, now: datetime) -> Car:
    """Return the car, brought up to date; raises Car.DoesNotExist."""
    with transaction.atomic():
        car = Car.objects.select_related("owner").get(vehicle_id=vehicle_id)
        bring_up_to_date(car, now=now)
        return car


def look_at_all(*, now: datetime) -> list[Car]:
    """Return every car, brought up to date."""
    with transaction.atomic():
        cars = list(Car.objects.select_related("owner")[:1000])
        for car in cars:
            bring_up_to_date(car, now=now)
        return cars


def bring_up_to_date(car: Car, *, now: datetime) -> None:
    """Advance the car to `now` and give it the commands that fell due on the way; call it inside a transaction."""
    before = (car.record, car.is_put_to_sleep)
    if car.record is None:
        car.state = CarState(as_of=now, energy_wh=car.first_energy_wh, last_active_at=now)
    state = car.state
    if now < state.as_of - SET_BACK:
        car.commands.filter(status=Command.Status.PENDING).update(status=Command.Status.FAILED, reason="clock set back")
        state = physics.put_back(state, now)
        Car.objects.filter(pk=car.pk).update(reads_used_until=None)
        car.reads_used_until = None
    for command in car.commands.filter(status=Command.Status.PENDING, effective_at__lte=now).order_by("effective_at"):
        state = physics.advance(state, spec=car.spec, until=command.effective_at)
        state = _obey(car, state, command)
    car.state = physics.advance(state, spec=car.spec, until=now)
    if (car.record, car.is_put_to_sleep) != before:
        car.save(update_fields=["record", "is_put_to_sleep", "served_record"])


def _obey(car: Car, state: CarState, command: Command) -> CarState:
    """Return the state after the car got `command`, whose outcome is recorded."""
    refusal = _why_not(car, state, command)
    if refusal:
        command.settle(Command.Status.FAILED, reason=refusal)
        return state
    command.settle(Command.Status.COMPLETED)
    body = command.body
    match command.kind:
        case kind if kind in WAKING:
            car.is_put_to_sleep = False
            car.served_record = car.served_record if car.has_stale_values else None
            return physics.wake(state)
        case "stopCharge":
            return physics.stop(state)
        case "startCharge" | "resume":
            return physics.start(state)
        case "setLimit":
            return physics.set_limit(state, body["percent"])
        case "keepStart":
            starts_at = datetime.fromisoformat(body["at"])
            return physics.keep_start(state, PlannedStart(body["id"], starts_at, body["isHere"]))
        case "dropStart":
            return physics.drop_start(state, body["id"])
        case "setpoint":
            return physics.order(state, Setpoint(body["powerKw"] * 1000, command.until, body["minSocPercent"]))
    return state


def _why_not(car: Car, state: CarState, command: Command) -> str:
    """Return why the car does not do it; "" where it does."""
    if command.kind not in WAKING and (car.is_put_to_sleep or physics.is_asleep(state, car.spec)):
        return "asleep"
    if car.refuses_commands and command.kind not in WAKING:
        return "refused"
    if command.kind in {"startCharge", "stopCharge", "setpoint"} and not state.is_plugged_in:
        return "not plugged in"
    is_start_stop = command.kind in {"startCharge", "stopCharge"}
    if is_start_stop and physics.soc_percent(state, car.spec) < car.spec.least_command_soc_percent:
        return "battery too low"
    ends_at = {"setpoint": "until", "keepStart": "at"}.get(command.kind)
    if ends_at and datetime.fromisoformat(command.body[ends_at]) <= state.as_of:
        return "came too late"
    return ""


def receive_command(
    car: Car,
    *,
    kind: str,
    now: datetime,
    latency: timedelta = timedelta(0),
    body: dict[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Command:
    """Note a command for a car that is up to date; the same key again returns the first command.

    Raises KeyReused where the key stood for something else.
    """
    body = body or {}
    if idempotency_key is not None:
        first = car.commands.filter(idempotency_key=idempotency_key).first()
        if first is not None:
            if (first.kind, first.body) != (kind, body):
                raise KeyReused
            first.received_count += 1
            first.save(update_fields=["received_count"])
            return first
    received_at = max(now, car.state.as_of)
    command = Command.objects.create(
        car=car,
        command_id=uuid.uuid4().hex,
        kind=kind,
        body=body,
        idempotency_key=idempotency_key,
        received_at=received_at,
        effective_at=received_at + latency + timedelta(seconds=car.command_delay_seconds),
        status=Command.Status.LOST if car.loses_commands else Command.Status.PENDING,
    )
    bring_up_to_date(car, now=received_at)
    command.refresh_from_db()
    return command


def served_state(car: Car) -> CarState:
    """Return what the automaker's cloud knows of an up-to-date car; its `as_of` is when the car said so."""
    if car.is_served_stale and car.served_record is not None:
        return from_record(car.served_record)
    state = car.state
    # A car asleep by itself last reported when it was last active, and nothing has moved since.
    return replace(state, as_of=state.last_active_at) if physics.is_asleep(state, car.spec) else state


def freeze_served(car: Car) -> None:
    """Let the cloud go on serving the car's present values, or fresh ones again once no fault asks for old ones."""
    if not car.is_served_stale:
        car.served_record = None
    elif car.served_record is None:
        car.served_record = to_record(car.state)


def note_served(car: Car, state: CarState, *, source: str, soc_percent: float, has_meter: bool) -> None:
    """Keep what the cloud is about to answer about an up-to-date car."""
    truth = car.state
    reading = ServedReading.objects.create(
        car=car,
        source=source,
        served_at=truth.as_of,
        observed_at=state.as_of,
        soc_percent=soc_percent,
        is_plugged_in=state.is_plugged_in,
        state=physics.mode(state, car.spec),
        imported_wh=int(state.imported_wh) if has_meter else None,
        exported_wh=int(state.exported_wh) if has_meter else None,
        true_imported_wh=truth.imported_wh,
        true_exported_wh=truth.exported_wh,
    )
    if reading.pk % 500 == 0:
        ServedReading.objects.filter(pk__lte=reading.pk - KEPT_READINGS).delete()
