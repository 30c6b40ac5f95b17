"""Owners, homes, cars, wishes, readings and stays in bulk, as rows of a throw-away database."""

import itertools
import random
import uuid
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from accounts.models import Consent, User
from grid.models import PlanningState, Site, Tariff
from tests.factories import grid, nights
from vehicles.models import ChargePreference, ChargeReading, Departure, PlugSession, Vehicle, VehicleLink

AT_ONCE = 2_000
DAYS_OF_HISTORY = 7
CAPABILITIES = (nights.V2G, nights.TIMED, nights.TIMED, nights.START_STOP)


def make_cars(count: int, *, now: datetime, seed: int = 1, days: int = DAYS_OF_HISTORY) -> None:
    """Make `count` cars at home, each of its own owner, with some days of stays and a plan that is due."""
    dice = random.Random(seed)  # noqa: S311 - a world to measure in, nothing secret
    tariffs = _tariffs()
    numbers = iter(range(count))
    while chunk := list(itertools.islice(numbers, AT_ONCE)):
        _make_chunk(chunk, tariffs, dice, now, days)


def _tariffs() -> list[Tariff]:
    return [
        nights.night_tariff(),
        grid.tariff(slug="bench-flat"),
        *(_stepped(number) for number in range(8)),
    ]


def _stepped(number: int) -> Tariff:
    """Return a tariff of 24 prices a day."""
    periods = [
        {
            "weekdays": list(range(7)),
            "from": f"{hour:02}:00",
            "to": f"{hour + 1:02}:00",
            "rate": 60_000 + (hour * 7 + number * 5) % 24 * 7_000,
        }
        for hour in range(24)
    ]
    kind = Tariff.Kind.TIME_OF_USE
    return grid.tariff(slug=f"bench-{number}", kind=kind, periods=periods, export_rate_micros_per_kwh=70_000)


def _make_chunk(numbers: list[int], tariffs: list[Tariff], dice: random.Random, now: datetime, days: int) -> None:
    owners = User.objects.bulk_create(
        User(email=f"owner-{number}@example.org", name=f"Owner {number}", time_zone="America/Chicago")
        for number in numbers
    )
    Consent.objects.bulk_create(
        Consent(user=owner, purpose=purpose, version="1", text_sha256="0" * 64, granted_at=now - timedelta(days=60))
        for owner in owners
        for purpose in Consent.Purpose.values
    )
    Site.objects.bulk_create(_site(owner, dice.choice(tariffs), now) for owner in owners)
    links = VehicleLink.objects.bulk_create(
        VehicleLink(owner=owner, maker="ford", subject_hash=uuid.uuid4().hex, linked_at=now) for owner in owners
    )
    cars = Vehicle.objects.bulk_create(_car(link, dice, now) for link in links)
    wishes = ChargePreference.objects.bulk_create(
        ChargePreference(vehicle=car, target_soc_percent=dice.choice([70, 80, 90]), is_v2g_allowed=True, changed_at=now)
        for car in cars
    )
    Departure.objects.bulk_create(
        Departure(preference=wish, weekday=weekday, leaves_at_local=leaves_at)
        for wish in wishes
        for leaves_at in [time(dice.randint(5, 9), dice.choice([0, 15, 30, 45]))]
        for weekday in range(5)
    )
    PlugSession.objects.bulk_create(stay for car in cars for stay in _stays(car, dice, now, days))
    ChargeReading.objects.bulk_create(reading for car in cars for reading in _readings(car, dice, now, days))
    PlanningState.objects.bulk_create(PlanningState(vehicle=car, due_at=now, dispatch_at=now) for car in cars)


def _site(owner: User, tariff: Tariff, now: datetime) -> Site:
    return Site(
        owner=owner,
        address="1 Example Street",
        time_zone="America/Chicago",
        tariff=tariff,
        evse_max_charge_w=11_500,
        is_evse_bidirectional=True,
        has_export_permission=True,
        export_limit_w=9_600,
        created_at=now,
    )


def _car(link: VehicleLink, dice: random.Random, now: datetime) -> Vehicle:
    can: dict[str, Any] = dice.choice(CAPABILITIES)
    return Vehicle(
        owner=link.owner,
        link=link,
        external_id="car",
        external_id_hash=uuid.uuid4().hex,
        vin_hash=uuid.uuid4().hex,
        make="Ford",
        model="F-150 Lightning",
        state=Vehicle.State.ACTIVE,
        is_controlling=True,
        capabilities=can,
        capacity_wh=dice.choice([70_000, 88_000, 98_000, 131_000]),
        max_charge_w=dice.choice([7_200, 11_300]),
        max_discharge_w=can["max_discharge_w"],
        charge_efficiency=Decimal("0.9"),
        discharge_efficiency=Decimal("0.9"),
        created_at=now,
    )


def _stays(car: Vehicle, dice: random.Random, now: datetime, days: int) -> Iterator[PlugSession]:
    for days_ago in range(days, -1, -1):
        came_at = now - timedelta(days=days_ago, minutes=dice.randint(5, 120))
        yield PlugSession(
            vehicle=car,
            plugged_in_at=came_at,
            soc_percent=Decimal(dice.randint(30, 60)),
            limit_percent=Decimal(90),
            is_at_home=True,
            unplugged_at=came_at + timedelta(hours=dice.randint(11, 14)) if days_ago else None,
        )


def _readings(car: Vehicle, dice: random.Random, now: datetime, days: int) -> Iterator[ChargeReading]:
    for days_ago in range(days, -1, -1):
        yield ChargeReading(
            vehicle=car,
            observed_at=now - timedelta(days=days_ago, minutes=4),
            fetched_at=now,
            soc_percent=Decimal(dice.randint(3000, 6000)) / 100,
            limit_percent=Decimal(90),
            is_plugged_in=True,
            is_at_home=True,
            charge_state="charging",
        )
