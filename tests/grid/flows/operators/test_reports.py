"""What a utility asks reports of and which cars it means, over real HTTP: sent once, replaced, never doubled."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
import requests

from grid.flows.events.taking_part import opt_out
from grid.flows.operators.reports_owed import send_owed_reports
from grid.flows.plans.planning import plan_due
from grid.flows.settlement.settling import settle_due
from grid.models import (
    EventParticipation,
    GridEvent,
    OperatorEvent,
    OperatorLink,
    OperatorResource,
    OwedReport,
    Site,
)
from grid.models.feeders import Feeder
from tests.factories import grid as make
from tests.grid.flows.operators.utility_desk import Utility, drive, fleet, told

pytestmark = [pytest.mark.django_db, pytest.mark.once]
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
QUARTERS = {"aggregate": True, "startInterval": 1, "numIntervals": 1, "frequency": 1, "repeat": -1}


def test_reports_go_out_before_while_and_after_the_event(utility: Utility, now: datetime) -> None:
    cars = fleet(3, now)
    utility.link(cars[0].program)
    event = utility.ask(reports="before, in quarter hours, and the result")
    assert utility.poll() == 1
    assert OperatorEvent.objects.get().questions == []
    assert utility.send() == 0  # nobody has a plan for it yet
    plan_due(now=now, limit=10)
    utility.at(now + 5 * MINUTE)
    assert utility.send() == 1
    (forecast,) = utility.reports(event).values()
    assert [set(row) for row in told(forecast)] == [{"USAGE_FORECAST", "LOAD_SHED_DELTA_AVAILABLE"}] * 4
    assert all(row["LOAD_SHED_DELTA_AVAILABLE"] > 0 for row in told(forecast))
    assert {row["readingType"] for row in forecast["payloadDescriptors"]} == {"FORECAST"}

    starts_at = now + HOUR
    drive(cars, at=starts_at - 2 * MINUTE, imported_wh=1000)
    drive(cars, at=starts_at + 18 * MINUTE, imported_wh=1200)  # 10 Wh a minute
    utility.at(starts_at + 21 * MINUTE)
    utility.send()
    quarters = [report for name, report in utility.reports(event).items() if name.startswith("usage 1")]
    (first,) = [report for report in quarters if len(report["resources"][0]["intervals"]) == 1]
    (row,) = told(first)
    assert row["USAGE"] == pytest.approx(3 * 0.15)
    assert row["BASELINE"] > row["USAGE"]
    assert row["OPERATING_STATE"] == "RUNNING_CURTAILED"
    assert first["resources"][0]["intervals"][0]["intervalPeriod"]["duration"] == "PT15M"

    utility.at(starts_at + 36 * MINUTE)
    before = len(utility.reports(event))
    utility.send()
    assert len(utility.reports(event)) == before  # of the second quarter nothing is known yet

    drive(cars, at=starts_at + 62 * MINUTE, imported_wh=1640)
    ends_at = utility.at(starts_at + 2 * HOUR)
    settle_due(now=ends_at, limit=5)
    utility.send()
    utility.at(ends_at + HOUR)
    utility.send()
    whole = next(
        report for report in utility.reports(event).values() if len(told(report)) == 4 and "USAGE" in told(report)[0]
    )
    assert sum(row["USAGE"] for row in told(whole)) == pytest.approx(3 * 0.6, rel=0.02)
    assert not OwedReport.objects.filter(due_at__isnull=False).exists()
    assert utility.send() == 0


def test_report_whose_answer_was_lost_is_found_again(utility: Utility, now: datetime) -> None:
    cars = fleet(1, now)
    utility.link(cars[0].program)
    event = utility.ask(pieces=1)
    utility.poll()
    drive(cars, at=now + 58 * MINUTE, imported_wh=1000)
    drive(cars, at=now + 122 * MINUTE, imported_wh=1000)
    utility.at(now + 126 * MINUTE)
    utility.fault("forgetful")
    assert utility.send() == 0
    assert OwedReport.objects.get().failures == 1
    assert send_owed_reports(now=utility.now, limit=5) == 0  # not before its time
    requests.delete(f"{utility.base}/control/faults", timeout=30)
    assert utility.send() == 1
    (report,) = utility.reports(event).values()
    assert OwedReport.objects.get().remote_id == report["id"]
    assert told(report)[0]["USAGE"] == 0


@pytest.mark.parametrize("version", ["3.1.0", "3.0.1"])
def test_each_car_is_told_by_a_name_of_its_own_and_a_no_soon(utility: Utility, now: datetime, version: str) -> None:
    cars = fleet(2, now)
    program = utility.link(cars[0].program, version)
    event = utility.ask(
        pieces=1,
        **{
            "with": {
                "reportDescriptors": [
                    {"payloadType": name, "aggregate": False, "units": "KWH" if name == "USAGE" else None}
                    for name in ("USAGE", "OPERATING_STATE", "STORAGE_CHARGE_LEVEL", "MOON_PHASE")
                ]
            }
        },
    )
    utility.poll()
    questions = " ".join(OperatorEvent.objects.get().questions)
    assert "MOON_PHASE" in questions
    assert "STORAGE_CHARGE_LEVEL is told of all cars together alone" in questions

    part = EventParticipation.objects.order_by("pk")[0]
    opt_out(participation=part, now=utility.at(now + 10 * MINUTE))
    assert utility.send() == 1
    (states,) = utility.reports(event).values()
    names = dict(OperatorResource.objects.values_list("enrollment", "name"))
    said = {row["resourceName"]: row["intervals"][0]["payloads"][0]["values"][0] for row in states["resources"]}
    assert said == {names[part.enrollment_id]: "IDLE_OPTED_OUT", names[cars[1].pk]: "NORMAL"}
    assert utility.send() == 0

    for minute, imported_wh in ((58, 1000), (90, 1250), (122, 1500)):
        drive(cars, at=now + minute * MINUTE, imported_wh=imported_wh)
    utility.at(now + 126 * MINUTE)
    assert utility.send() == 1
    report = next(row for name, row in utility.reports(event).items() if "opt-outs" not in name)
    values = {row["resourceName"]: told({"resources": [row]})[0] for row in report["resources"]}
    assert values[names[part.enrollment_id]] == {"OPERATING_STATE": "RUNNING_OPTED_OUT"}  # and no energy of it
    assert values[names[cars[1].pk]]["OPERATING_STATE"] == "RUNNING_CURTAILED"
    other = make.operator_program(now=now, of=program.program, ven_name="fleet-2")
    assert OperatorResource.objects.create(program=other, enrollment=cars[0]).name != names[cars[0].pk]


def test_correction_replaces_the_report_in_its_place(utility: Utility, now: datetime) -> None:
    cars = fleet(1, now)
    utility.link(cars[0].program)
    event = utility.ask(pieces=1)
    utility.poll()
    for minute, imported_wh in ((58, 1000), (90, 1160), (122, 1320)):
        drive(cars, at=now + minute * MINUTE, imported_wh=imported_wh)
    settle_due(now=utility.at(now + 3 * HOUR), limit=5)
    assert utility.send() == 1
    ((name, report),) = utility.reports(event).items()
    settled = EventParticipation.objects.get().settlements.get()
    assert settled.net_wh
    assert told(report)[0]["USAGE"] == pytest.approx(settled.net_wh / 1000, rel=0.01)

    settled.pk, settled.public_id, settled.revision = None, uuid4(), 2
    for reading in settled.evidence["readings"]:
        reading["imported_wh"] = min(reading["imported_wh"] or 1000, 1160)
    settled.save()
    utility.send()
    again = utility.reports(event)
    assert again.keys() == {name}
    assert again[name]["id"] == report["id"]
    assert told(again[name])[0]["USAGE"] < told(report)[0]["USAGE"]


def test_target_asks_its_own_cars_and_an_unknown_one_is_a_question(utility: Utility, now: datetime) -> None:
    cars = fleet(2, now)
    program = utility.link(cars[0].program)
    feeder = Feeder.objects.create(utility=program.program.utility, name="feeder-7", cap_w=50_000)
    Site.objects.filter(pk=cars[1].site_id).update(feeder=feeder)
    desk = {"Authorization": f"Bearer {desk_token(utility)}"}
    utility.poll()
    (ven,) = requests.get(f"{utility.base}/3.1.0/vens", headers=desk, timeout=30).json()
    body = ven | {"targets": ["feeder-7", "evs"]}
    assert requests.put(f"{utility.base}/3.1.0/vens/{ven['id']}", json=body, headers=desk, timeout=30).ok
    try:
        OperatorLink.objects.update(targets={})
        utility.ask(minutesAhead=60, targets=["feeder-7", "neptune"])
        utility.ask(minutesAhead=180, targets=["evs"])
        utility.poll()
    finally:
        requests.put(f"{utility.base}/3.1.0/vens/{ven['id']}", json=ven, headers=desk, timeout=30)
    asked = {row.starts_at - now: row for row in GridEvent.objects.all()}
    # The server gave our VEN both targets; one is a feeder's name, and means its cars alone.
    assert asked[3 * HOUR].participations.count() == 2
    assert set(asked[HOUR].participations.values_list("enrollment", flat=True)) == {cars[1].pk}
    assert OperatorLink.objects.get().targets == {"feeder-7": ["*"], "evs": ["*"]}
    assert [row.questions for row in OperatorEvent.objects.order_by("pk")] == [
        ["target neptune is not known here"],
        [],
    ]


def desk_token(utility: Utility) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": "utility-desk",
        "client_secret": "keep-the-lights-on",
    }
    reply = requests.post(f"{utility.base}/3.1.0/auth/token", data=form, timeout=30)
    return str(reply.json()["access_token"])
