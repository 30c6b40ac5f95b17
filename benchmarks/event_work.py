"""One child's part of `benchmarks.event`: make the cars, or run one of the platform's sweeps until nothing is due."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

import django

from benchmarks.event_vtn import Vtn

T = TypeVar("T")

NOW = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)
STARTS_AT = NOW + timedelta(minutes=25)  # 17:30: on a slot's edge
AT_ONCE = 4_000


def make(count: int) -> float:
    """Make `count` enrolled cars at their plugs, read lately, with links that work."""
    from benchmarks.rows import make_cars  # noqa: PLC0415 - after django.setup()
    from foundation import clock  # noqa: PLC0415
    from grid.models import Enrollment, Site, Utility  # noqa: PLC0415
    from tests.factories import grid  # noqa: PLC0415
    from vehicles.models import ChargeReading, Vehicle, VehicleLink  # noqa: PLC0415

    make_cars(count, now=NOW, days=0)
    Utility.objects.update(offset_seconds=0, two_person_limit_w=10**12)
    wall = clock.wall()
    VehicleLink.objects.update(
        access_token="a" * 900,
        access_expires_at=wall + timedelta(days=1),
        refresh_expires_at=wall + timedelta(days=30),
    )
    program = grid.operator_program(now=NOW, ven_id="ven-1").program
    sites = dict(Site.objects.values_list("owner", "pk"))
    for cars in batched(Vehicle.objects.order_by("pk").values_list("pk", "owner"), AT_ONCE):
        Enrollment.objects.bulk_create(
            Enrollment(program=program, vehicle_id=car, site_id=sites[owner], enrolled_at=NOW - timedelta(days=1))
            for car, owner in cars
        )
        ChargeReading.objects.bulk_create(
            ChargeReading(
                vehicle_id=car, observed_at=NOW + timedelta(minutes=15), fetched_at=NOW, soc_percent=55,
                limit_percent=90, is_plugged_in=True, is_at_home=True, charge_state="charging",
            )
            for car, _ in cars
        )  # fmt: skip
    return count


def announce() -> float:
    """Find the event at the utility's server and invite every car."""
    from grid.flows.events.announcing import announce_due_events  # noqa: PLC0415
    from grid.flows.operators.operators import poll_due_operators  # noqa: PLC0415
    from grid.models import EventParticipation, GridEvent, OperatorEvent, OperatorLink, OperatorProgram  # noqa: PLC0415

    with Vtn(_event(OperatorProgram.objects.get().remote_id)) as vtn:
        OperatorLink.objects.update(api_base=vtn.address)
        answered = poll_due_operators(now=NOW, limit=5)
    if not (answered and vtn.polls and GridEvent.objects.exists()):
        link, asked = OperatorLink.objects.get(), list(OperatorEvent.objects.values("state", "questions"))
        raise RuntimeError(f"the server's event became none of ours: {link.failure!r}, {asked}")
    GridEvent.objects.update(target_w=10**11)  # everybody is asked
    while GridEvent.objects.filter(state=GridEvent.State.SCHEDULED).exists():
        announce_due_events(now=NOW, limit=5)
    return EventParticipation.objects.filter(state="in").count()


def _event(program: str) -> dict[str, Any]:
    """Return the utility's message: charge nothing for an hour."""
    limit = {"type": "IMPORT_CAPACITY_LIMIT", "values": [0.0]}
    return {
        "id": "event-1",
        "createdDateTime": NOW.isoformat(),
        "modificationDateTime": NOW.isoformat(),
        "objectType": "EVENT",
        "programID": program,
        "eventName": "evening",
        "intervalPeriod": {"start": STARTS_AT.isoformat(), "duration": "PT1H"},
        "payloadDescriptors": [
            {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "IMPORT_CAPACITY_LIMIT", "units": "KW"}
        ],
        "intervals": [{"id": 0, "payloads": [limit]}],
    }


def plan() -> float:
    """Plan every car anew."""
    from grid.flows.plans.planning import plan_due  # noqa: PLC0415

    return _until_nothing(lambda: plan_due(now=NOW, limit=AT_ONCE))


def dispatch() -> float:
    """Steer every car at the event's first instant."""
    from grid.flows.dispatch.dispatching import dispatch_due  # noqa: PLC0415
    from grid.models import PlanningState  # noqa: PLC0415

    done = 0
    while PlanningState.objects.filter(dispatch_at__lte=STARTS_AT).exists():
        told = dispatch_due(now=STARTS_AT, limit=AT_ONCE)
        done += told
        if not told:  # the other process has the rest
            time.sleep(0.05)
    return done


def send() -> float:
    """Send every command."""
    from django.conf import settings  # noqa: PLC0415

    from vehicles.flows.commands import send_due_commands  # noqa: PLC0415

    at_once: int = settings.MAKER_CALLS_AT_ONCE
    return _until_nothing(lambda: send_due_commands(now=STARTS_AT, limit=1_000, workers=at_once))


def batched(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the rows some at a time."""
    todo = iter(rows)
    while batch := list(islice(todo, size)):
        yield batch


def _until_nothing(sweep: Callable[[], int]) -> float:
    done = 0
    while count := sweep():
        done += count
    return done


def tidy() -> float:
    """Have the database know how many rows there are."""
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze")
    return 0


def main() -> None:
    """Do one part and print its report."""
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    part = sys.argv[1]
    if part == "make":
        call_command("migrate", verbosity=0)
    parts: dict[str, Callable[..., float]] = {
        "make": make, "tidy": tidy, "announce": announce, "plan": plan, "dispatch": dispatch, "send": send,
    }  # fmt: skip
    begun, cpu = time.time(), time.process_time()
    done = parts[part](*map(int, sys.argv[2:]))
    report = {"done": done, "begun": begun, "ended": time.time(), "cpu": time.process_time() - cpu}
    print(json.dumps(report), flush=True)
    connection.close()


if __name__ == "__main__":
    main()
