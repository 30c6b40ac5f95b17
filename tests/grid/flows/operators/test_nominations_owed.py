"""Nominations by OpenADR 3 over real HTTP: a report a day, put once, found again after a lost answer."""

from datetime import datetime, timedelta

import pytest
import requests

from grid.flows.operators.nominating import nominate_due
from grid.models import Nomination, OperatorEvent, OperatorProgram, OwedReport
from tests.factories import nights
from tests.grid.flows.operators.utility_desk import Utility, fleet, told
from vehicles.models import PlugSession

pytestmark = [pytest.mark.django_db, pytest.mark.once]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LOAD, GENERATION = "LOAD_SHED_DELTA_AVAILABLE", "GENERATION_DELTA_AVAILABLE"


def nominated(utility: Utility, now: datetime, *, cars: int = 3, version: str = "3.1.0") -> OperatorProgram:
    """Let cars come home at 18:05 for two weeks, link their program, and nominate tomorrow."""
    enrolled = fleet(cars, now)
    PlugSession.objects.all().delete()
    for number in range(1, 15):
        for car in enrolled:
            came = now - number * DAY + HOUR
            nights.stay(car.vehicle, at=came, soc=50, unplugged_at=came + 12 * HOUR)
    assert nominate_due(now=now, limit=5) == 1
    return utility.link(enrolled[0].program, version)


@pytest.mark.parametrize("version", ["3.1.0", "3.0.1"])
def test_each_day_is_told_once_and_hour_by_hour(utility: Utility, now: datetime, version: str) -> None:
    nominated(utility, now, version=version)
    wish = utility.ask(kind="nominations", days=30)
    assert utility.poll() == 1
    assert OperatorEvent.objects.get().questions == []
    assert [utility.send(), utility.send()] == [1, 0]
    ((name, report),) = utility.reports(wish).items()
    assert name == "nomination 2026-11-19"
    hours = {row["intervalPeriod"]["start"]: row["intervalPeriod"] for row in report["resources"][0]["intervals"]}
    assert len(hours) == 24
    assert {row["duration"] for row in hours.values()} == {"PT1H"}
    rows = Nomination.objects.order_by("starts_at")
    assert [(row[LOAD], row[GENERATION]) for row in told(report)] == [
        (row.hold_w / 1000, row.discharge_w / 1000) for row in rows
    ]
    assert max(row[LOAD] for row in told(report)) == pytest.approx(33.9)
    assert {row["readingType"] for row in report["payloadDescriptors"]} == {"FORECAST"}

    utility.at(now + DAY)
    nominate_due(now=utility.now, limit=5)
    utility.poll()
    assert utility.send() == 1
    assert utility.reports(wish).keys() == {"nomination 2026-11-19", "nomination 2026-11-20"}
    requests.delete(f"{utility.base}/control/events", timeout=30)
    utility.poll()
    utility.at(now + 2 * DAY)
    nominate_due(now=utility.now, limit=5)
    assert utility.send() == 0  # the server wants them no more


def test_nomination_whose_answer_was_lost_is_found_again(utility: Utility, now: datetime) -> None:
    nominated(utility, now)
    wish = utility.ask(kind="nominations", days=30)
    utility.poll()
    utility.fault("forgetful")
    assert utility.send() == 0
    assert OwedReport.objects.get().failures == 1
    requests.delete(f"{utility.base}/control/faults", timeout=30)
    assert utility.send() == 1
    (report,) = utility.reports(wish).values()
    assert OwedReport.objects.get().remote_id == report["id"]


def test_event_is_nominated_where_that_is_agreed_and_too_few_cars_never(
    utility: Utility,
    now: datetime,
) -> None:
    program = nominated(utility, now)
    event = utility.ask(minutesAhead=24 * 60, minutes=90)
    utility.poll()
    assert utility.send() == 0
    program.tells_nominations = True
    program.save()
    assert utility.send() == 1
    (report,) = utility.reports(event).values()
    assert len(told(report)) == 2  # from 17:05 to 18:35: the hours that it touches
    OwedReport.objects.all().delete()
    Nomination.objects.update(cars=2)
    assert utility.send() == 0


def test_other_forecasts_need_an_event_and_are_questions(utility: Utility, now: datetime) -> None:
    nominated(utility, now)
    wishes = [{"payloadType": name, "aggregate": True} for name in ("USAGE_FORECAST", LOAD)]
    utility.ask(kind="nominations", days=30, **{"with": {"reportDescriptors": wishes, "targets": ["feeder-1"]}})
    utility.ask(kind="nominations", days=30, **{"with": {"reportDescriptors": wishes}})
    utility.poll()
    (row,) = OperatorEvent.objects.all()  # the other is not shown to us
    assert row.questions == ["what USAGE_FORECAST will be is told of events that ask for help alone"]
    assert utility.send() == 1
