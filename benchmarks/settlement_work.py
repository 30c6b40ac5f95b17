"""The measured part of `benchmarks.settlement`: a program with its own database, told by DATABASE_URL.

Prints one JSON object a part. The world: one hold event of two hours with every car in it, each of its own owner,
plugged in since the afternoon and read every quarter of an hour; three of four have a meter, the others a battery's
state of charge alone; one in fifty was away.
"""

import itertools
import json
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import django

django.setup()

from django.core.management import call_command  # noqa: E402 - Django first
from django.db import connection  # noqa: E402
from django.db.models import Sum  # noqa: E402

from accounts.models import User  # noqa: E402
from grid.flows.settlement import settling  # noqa: E402
from grid.models import (  # noqa: E402
    Enrollment,
    EventParticipation,
    GridEvent,
    GroupSettlement,
    Settlement,
    Site,
)
from rewards import ledger  # noqa: E402
from rewards.models import Transfer  # noqa: E402
from tests.factories import grid  # noqa: E402
from vehicles.models import PlugSession, Vehicle, VehicleLink  # noqa: E402

NOW = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)
AT_ONCE = 2_000
MOST_SWEEPS = 1_000
AWAY_IN, METERLESS_IN = 50, 4
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
READ = """
INSERT INTO vehicles_chargereading (vehicle_id, observed_at, fetched_at, source, soc_percent, limit_percent,
    is_plugged_in, is_at_home, charge_state, imported_wh, exported_wh)
SELECT vehicle.id, at, at, 'poll', 60 + slot * 0.25, 90, true, true, 'holding',
    CASE WHEN vehicle.id %% %s = 0 THEN NULL ELSE 100000 + slot * (vehicle.id %% 7) * 11 END,
    CASE WHEN vehicle.id %% %s = 0 THEN NULL ELSE 5 END
FROM vehicles_vehicle AS vehicle, generate_series(0, %s) AS slot,
    LATERAL (
        SELECT %s::timestamptz + slot * interval '15 minutes' + (vehicle.id %% 600) * interval '1 second' AS at
    ) AS instants
"""


def make(cars: int, settles: str) -> dict[str, float]:
    """Make the event and `cars` cars in it; `settles` says whose delivery is priced."""
    call_command("migrate", verbosity=0)
    terms = grid.terms(now=NOW, settles=settles, objection_hours=24, baseline_version=2 if settles == "group" else 1)
    event = grid.event(now=NOW, of=terms, state=GridEvent.State.ANNOUNCED, announced_at=NOW)
    numbers = iter(range(cars))
    while chunk := list(itertools.islice(numbers, AT_ONCE)):
        _make_chunk(chunk, event)
    begins_at = event.starts_at - HOUR
    slots = (event.ends_at + HOUR - begins_at) // (15 * MINUTE)
    with connection.cursor() as cursor:
        cursor.execute(READ, [METERLESS_IN, METERLESS_IN, slots, begins_at])
        cursor.execute("ANALYZE")
    return {"cars": cars, "readings": cars * (slots + 1)}


def _make_chunk(numbers: list[int], event: GridEvent) -> None:
    owners = User.objects.bulk_create(
        User(email=f"owner-{number}@example.org", time_zone="America/Chicago") for number in numbers
    )
    tariff, program = grid.tariff(), event.terms.program
    home = {"time_zone": "America/Chicago", "tariff": tariff, "evse_max_charge_w": 11_500, "created_at": NOW}
    sites = Site.objects.bulk_create(Site(owner=owner, **home) for owner in owners)
    links = VehicleLink.objects.bulk_create(
        VehicleLink(owner=owner, maker="ford", subject_hash=uuid.uuid4().hex, linked_at=NOW) for owner in owners
    )
    cars = Vehicle.objects.bulk_create(
        Vehicle(
            owner=link.owner,
            link=link,
            external_id="car",
            external_id_hash=uuid.uuid4().hex,
            vin_hash=uuid.uuid4().hex,
            state=Vehicle.State.ACTIVE,
            capacity_wh=(70_000, 88_000, 98_000)[number % 3],
            max_charge_w=(7_200, 11_300)[number % 2],
            charge_efficiency=Decimal("0.9"),
            created_at=NOW,
        )
        for number, link in zip(numbers, links, strict=True)
    )
    PlugSession.objects.bulk_create(
        PlugSession(
            vehicle=car,
            plugged_in_at=event.starts_at - timedelta(minutes=10 + number % 120),
            soc_percent=Decimal(30 + number % 40),
            limit_percent=Decimal(90),
            is_at_home=True,
        )
        for number, car in zip(numbers, cars, strict=True)
        if number % AWAY_IN
    )
    enrollments = Enrollment.objects.bulk_create(
        Enrollment(program=program, vehicle=car, site=site, enrolled_at=NOW)
        for car, site in zip(cars, sites, strict=True)
    )
    frozen = {"noticed_at": NOW.isoformat(), "limit_percent": "90.00", "stay": None}
    EventParticipation.objects.bulk_create(
        EventParticipation(
            event=event, enrollment=one, invited_at=NOW, committed_wh=5_000 + 7 * number % 9_000, frozen=frozen
        )
        for number, one in zip(numbers, enrollments, strict=True)
    )


def settle() -> dict[str, float]:
    """Sweep until the event is settled; returns the seconds it took and how many sweeps."""
    event = GridEvent.objects.get()
    # A sweep that only measures cars of a group makes no settlement yet.
    return _sweep(
        lambda: settling.settle_due(now=event.settle_at, limit=20),
        is_over=GridEvent.objects.filter(state=GridEvent.State.SETTLED).exists,
    )


def reserve() -> dict[str, float]:
    """Sweep until every share is pending, then let the group's result stand."""
    told = _sweep(lambda: settling.post_due_settlements(now=NOW + HOUR * 5, limit=5_000))
    group = GroupSettlement.objects.get()
    shares = Settlement.objects.filter(group=group).aggregate(cents=Sum("amount_minor"), wh=Sum("credited_wh"))
    if (shares["cents"], shares["wh"]) != (group.amount_minor, group.delivered_wh):
        raise RuntimeError(f"shares add up to {shares}, the group's are {group.amount_minor} and {group.delivered_wh}")
    GroupSettlement.objects.update(review=GroupSettlement.Review.APPROVED)
    return told


def credit() -> dict[str, float]:
    """Sweep until every settlement is in the ledger, and prove the books."""
    told = _sweep(lambda: settling.post_due_settlements(now=NOW + HOUR * 5, limit=5_000))
    findings = ledger.check()
    if findings:
        raise RuntimeError(findings[0])
    earned = Settlement.objects.filter(amount_minor__gt=0).count()
    if (
        Transfer.objects.exclude(kind="pending").count() != earned
        or Settlement.objects.filter(posted_at__isnull=True).exists()
    ):
        raise RuntimeError(f"{earned} settlements earned, {Transfer.objects.count()} are in the ledger")
    return told | {"credits": earned}


def _sweep(sweep: Callable[[], int], *, is_over: Callable[[], bool] | None = None) -> dict[str, float]:
    """Sweep until `is_over`, or until a sweep finds nothing to do."""
    begun, cpu, done, sweeps = time.perf_counter(), time.process_time(), 0, 0
    while True:
        made = sweep()
        done, sweeps = done + made, sweeps + 1
        if is_over() if is_over is not None else not made:
            break
        if sweeps > MOST_SWEEPS:
            raise RuntimeError(f"not over after {sweeps} sweeps, {done} rows")
    seconds = time.perf_counter() - begun
    return {"done": done, "seconds": seconds, "cpu": time.process_time() - cpu, "sweeps": sweeps}


def main() -> None:
    """Do the part that the arguments name."""
    part, cars, settles = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    told = {"make": lambda: make(cars, settles), "settle": settle, "reserve": reserve, "credit": credit}[part]()
    sys.stdout.write("\n" + json.dumps(told))


if __name__ == "__main__":
    main()
