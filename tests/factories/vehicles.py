"""Makes links, cars, wishes, readings and commands, each fit for use unless told otherwise."""

import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from accounts.flows.consents import grant_consent
from accounts.models import Consent, User
from foundation import clock
from foundation.fields import keyed_hash
from vehicles.automakers.base import Capabilities, HoldEnds
from vehicles.flows.cars import FIRST_DEPARTURE, WORKING_DAYS
from vehicles.models import (
    ChargePreference,
    ChargeReading,
    Command,
    Departure,
    HomePlace,
    Vehicle,
    VehicleLink,
)

AUSTIN = (30.2672, -97.7431)
TIMED = Capabilities(
    reads=("soc_percent", "is_plugged_in", "charge_state", "place", "limit_percent", "power_w"),
    can_start_stop=True,
    hold_ends=HoldEnds.TIMED,
    max_discharge_w=9600,
    is_metered=True,
    min_poll_seconds=60,
)
START_STOP = Capabilities(
    reads=("soc_percent", "is_plugged_in", "charge_state", "place"),
    can_start_stop=True,
    hold_ends=HoldEnds.START_STOP,
    min_poll_seconds=60,
)


def consents(owner: User, *, now: datetime) -> None:
    """Let the owner agree to everything."""
    for purpose in Consent.Purpose:
        grant_consent(user=owner, purpose=purpose, now=now - timedelta(days=30))


def link(owner: User, **fields: Any) -> VehicleLink:
    """Return a working Ford link with fresh tokens."""
    wall = clock.wall()
    values = {
        "maker": "ford",
        "subject_hash": keyed_hash(uuid.uuid4().hex),
        "access_token": "access-one",
        "refresh_token": "refresh-one",
        "access_expires_at": wall + timedelta(minutes=20),
        "refresh_expires_at": wall + timedelta(days=90),
        "refreshed_at": wall,
        "linked_at": wall,
    }
    return VehicleLink.objects.create(owner=owner, **(values | fields))


def vehicle(of: VehicleLink, *, now: datetime, can: Capabilities = TIMED, **fields: Any) -> Vehicle:
    """Return an active, controlling car with default wishes: 80 % by 07:30 on working days, V2G where it can."""
    external_id = fields.pop("external_id", uuid.uuid4().hex)
    vin = fields.pop("vin", "1FT6W3L7" + uuid.uuid4().hex[:9].upper().translate(str.maketrans("IOQ", "HPR")))
    values = {
        "owner": of.owner,
        "external_id": external_id,
        "external_id_hash": keyed_hash(f"{of.maker}:{external_id}"),
        "vin": vin,
        "vin_hash": keyed_hash(vin) if vin else "",
        "make": "Ford",
        "model": "F-150 Lightning",
        "model_year": 2024,
        "state": Vehicle.State.ACTIVE,
        "is_controlling": True,
        "capabilities": can.as_json(),
        "capacity_wh": 123_000,
        "max_charge_w": 11_300,
        "max_discharge_w": can.max_discharge_w,
        "next_read_at": now,
        "created_at": now,
    }
    row = Vehicle.objects.create(link=of, **(values | fields))
    if row.state == Vehicle.State.ACTIVE:
        wishes(row, now=now, is_v2g_allowed=can.can_discharge)
    return row


def wishes(of: Vehicle, *, now: datetime, **fields: Any) -> ChargePreference:
    """Return the car's wishes with departures at 07:30 on working days."""
    preference = ChargePreference.objects.create(vehicle=of, changed_at=now, **fields)
    Departure.objects.bulk_create(
        Departure(preference=preference, weekday=day, leaves_at_local=FIRST_DEPARTURE) for day in WORKING_DAYS
    )
    return preference


def home_place(owner: User, *, now: datetime, at: tuple[float, float] = AUSTIN) -> HomePlace:
    """Return the owner's home in Austin."""
    return HomePlace.objects.create(owner=owner, latitude=repr(at[0]), longitude=repr(at[1]), set_at=now)


def reading(of: Vehicle, *, at: datetime, **fields: Any) -> ChargeReading:
    """Return a reading of a car that charges at its home plug with 60 %."""
    values = {
        "fetched_at": at,
        "soc_percent": Decimal(60),
        "limit_percent": Decimal(90),
        "is_plugged_in": True,
        "is_at_home": True,
        "charge_state": "charging",
        "power_w": 11_300,
    }
    return ChargeReading.objects.create(vehicle=of, observed_at=at, **(values | fields))


def command(of: Vehicle, *, now: datetime, **fields: Any) -> Command:
    """Return a hold that the car was told a minute ago and that ends in ten."""
    is_timed = of.can.can_hold_until
    values = {
        "key": uuid.uuid4().hex,
        "kind": Command.Kind.HOLD,
        "state": Command.State.ACCEPTED,
        "ended_by": Command.EndedBy.CAR if is_timed else Command.EndedBy.WATCHDOG,
        "ends_at": now + timedelta(minutes=10),
        "due_at": now - timedelta(minutes=1),
        "created_at": now - timedelta(minutes=1),
        "sent_at": now - timedelta(minutes=1),
        "accepted_at": now - timedelta(minutes=1),
        "attempts": 1,
    }
    return Command.objects.create(vehicle=of, **(values | fields))


def ready_car(owner: User, *, now: datetime, can: Capabilities = TIMED, **fields: Any) -> Vehicle:
    """Return a car that may be commanded: linked, agreed to, at its home plug and just read."""
    if not Consent.objects.filter(user=owner).exists():
        consents(owner, now=now)
    if not HomePlace.objects.filter(owner=owner).exists():
        home_place(owner, now=now)
    of = fields.pop("of", None) or link(owner)
    row = vehicle(of, now=now, can=can, **fields)
    reading(row, at=now - timedelta(minutes=2))
    return row
