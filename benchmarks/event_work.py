"""One child's part of `benchmarks.event`: make the cars, or run one of the platform's sweeps until nothing is due."""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import django

NOW = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)
STARTS_AT = NOW + timedelta(minutes=25)  # 17:30: on a slot's edge
BEGINS_AT = STARTS_AT - timedelta(minutes=5)  # the lead
AT_ONCE = 4_000


def make(count: int) -> dict[str, float]:
    """Make `count` enrolled cars at their plugs, read a minute ago, planned already, with links that work."""
    from django.db.models import Max  # noqa: PLC0415 - after django.setup()

    from benchmarks.rows import make_cars  # noqa: PLC0415
    from foundation import clock  # noqa: PLC0415
    from grid.flows.plans.planning import plan_due  # noqa: PLC0415
    from grid.models import Enrollment, Site, Utility  # noqa: PLC0415
    from tests.factories import grid  # noqa: PLC0415
    from vehicles.models import ChargeReading, Vehicle, VehicleLink  # noqa: PLC0415

    make_cars(count, now=NOW)
    Utility.objects.update(offset_seconds=0, two_person_limit_w=10**12)
    wall = clock.wall()
    VehicleLink.objects.update(
        access_token="", access_expires_at=wall + timedelta(days=1), refresh_expires_at=wall + timedelta(days=30)
    )
    # Tokens are encrypted, so that one is written by the model and its ciphertext copied.
    one = VehicleLink.objects.first()
    assert one is not None
    one.access_token = "a" * 900
    one.save(update_fields=["access_token"])
    VehicleLink.objects.exclude(pk=one.pk).update(access_token="a" * 900)
    program = grid.operator_program(now=NOW).program
    sites = dict(Site.objects.values_list("owner", "pk"))
    cars = Vehicle.objects.order_by("pk").values_list("pk", "owner")
    Enrollment.objects.bulk_create(
        (
            Enrollment(program=program, vehicle_id=car, site_id=sites[owner], enrolled_at=NOW - timedelta(days=1))
            for car, owner in cars
        ),
        batch_size=2_000,
    )
    newest = dict(ChargeReading.objects.values_list("vehicle").annotate(Max("observed_at")))
    ChargeReading.objects.bulk_create(
        (
            ChargeReading(
                vehicle_id=car, observed_at=NOW + timedelta(minutes=15), fetched_at=NOW, soc_percent=55,
                limit_percent=90, is_plugged_in=True, is_at_home=True, charge_state="charging",
            )
            for car in newest
        ),
        batch_size=2_000,
    )  # fmt: skip
    while plan_due(now=NOW, limit=AT_ONCE):
        pass
    return {"done": count}


def announce() -> float:
    """Take the utility's message and invite every car."""
    from grid.flows.events.announcing import announce_due_events  # noqa: PLC0415
    from grid.flows.operators.operators import take_event  # noqa: PLC0415
    from grid.models import EventParticipation, GridEvent, OperatorProgram  # noqa: PLC0415

    program = OperatorProgram.objects.get()
    record = {
        "id": "event-1",
        "createdDateTime": NOW.isoformat(),
        "modificationDateTime": NOW.isoformat(),
        "objectType": "EVENT",
        "programID": program.remote_id,
        "eventName": "evening",
        "intervalPeriod": {"start": STARTS_AT.isoformat(), "duration": "PT1H"},
        "payloadDescriptors": [
            {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "IMPORT_CAPACITY_LIMIT", "units": "KW"}
        ],
        "intervals": [{"id": 0, "payloads": [{"type": "IMPORT_CAPACITY_LIMIT", "values": [0.0]}]}],
    }
    row = take_event(program=program, record=record, power_w=9 * 10**8, now=NOW)
    if not GridEvent.objects.exists():
        raise RuntimeError(f"the message became no event: {row.questions}")
    GridEvent.objects.update(target_w=10**11)  # everybody is asked
    while GridEvent.objects.filter(state=GridEvent.State.SCHEDULED).exists():
        announce_due_events(now=NOW, limit=5)
    return EventParticipation.objects.filter(state="in").count()


def plan() -> float:
    """Plan every car anew."""
    from grid.flows.plans.planning import plan_due  # noqa: PLC0415

    return _until_nothing(lambda: plan_due(now=NOW, limit=AT_ONCE))


def dispatch() -> float:
    """Steer every car."""
    from grid.flows.dispatch.dispatching import dispatch_due  # noqa: PLC0415
    from grid.models import Dispatch, PlanningState  # noqa: PLC0415

    before = Dispatch.objects.count()
    while PlanningState.objects.filter(dispatch_at__lte=BEGINS_AT).exists():
        dispatch_due(now=BEGINS_AT, limit=AT_ONCE)
    return (Dispatch.objects.count() - before) / 2  # both processes count both's


def send() -> float:
    """Send every command."""
    from django.conf import settings  # noqa: PLC0415

    from vehicles.flows.commands import send_due_commands  # noqa: PLC0415

    at_once: int = settings.MAKER_CALLS_AT_ONCE
    return _until_nothing(lambda: send_due_commands(now=BEGINS_AT, limit=1_000, workers=at_once))


def _until_nothing(sweep: Callable[[], int]) -> float:
    done = 0
    while count := sweep():
        done += count
    return done


def main() -> None:
    """Do one part and print its report."""
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    part = sys.argv[1]
    if part == "make":
        call_command("migrate", verbosity=0)
        report = make(int(sys.argv[2]))
        with connection.cursor() as cursor:
            cursor.execute("vacuum analyze")
    else:
        stages = {"announce": announce, "plan": plan, "dispatch": dispatch, "send": send}
        begun, cpu = time.time(), time.process_time()
        done = stages[part]()
        report = {"done": done, "begun": begun, "ended": time.time(), "cpu": time.process_time() - cpu}
    print(json.dumps(report), flush=True)
    connection.close()


if __name__ == "__main__":
    main()
