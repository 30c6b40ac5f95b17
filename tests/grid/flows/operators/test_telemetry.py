"""What a 2.0b server is told of a program's cars: their energy in quarter hours, and never a guess."""

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from accounts.models import User
from grid.flows.operators import telemetry
from grid.flows.operators.telemetry import cancel_wanted, due_reports, keep_told, keep_wanted, make_report, usage_of
from grid.metering.cases import Window
from grid.models import Enrollment, GridEvent, OperatorProgram, OperatorReportRequest
from grid.operators.openadr2b.reporting import ReportWanted
from tests.factories import grid as make
from tests.factories import vehicles
from tests.grid.flows.operators.test_outside import settle

pytestmark = pytest.mark.django_db
HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)


@pytest.fixture
def enrollment(alice: User, now: datetime) -> Enrollment:
    return make.enrollment(alice, now=now - 3 * HOUR)


@pytest.fixture
def program(enrollment: Enrollment, now: datetime) -> OperatorProgram:
    return make.operator_program(now=now, of=enrollment.program, protocol="openadr-2.0b")


def quarters(start: datetime, count: int) -> list[Window]:
    return [Window(start + place * QUARTER, start + (place + 1) * QUARTER) for place in range(count)]


def see(enrollment: Enrollment, at: datetime, imported_wh: int | None, *, is_at_home: bool | None = True) -> None:
    exported_wh = None if imported_wh is None else 0
    vehicles.reading(
        enrollment.vehicle,
        at=at,
        is_at_home=is_at_home,
        imported_wh=imported_wh,
        exported_wh=exported_wh,
        soc_percent=None,
    )


def test_usage_is_shared_out_between_readings_of_the_meter(enrollment: Enrollment, now: datetime) -> None:
    start = now.replace(minute=0)
    see(enrollment, start - timedelta(minutes=10), 1000)
    see(enrollment, start + timedelta(minutes=20), 4000)  # 100 Wh a minute
    assert usage_of(enrollment.program, quarters(start, 2)) == [(Fraction(1500), "measured"), None]


def test_car_known_to_be_elsewhere_took_nothing_at_home(enrollment: Enrollment, now: datetime) -> None:
    start = now.replace(minute=0)
    see(enrollment, start - timedelta(minutes=10), 1000, is_at_home=False)
    see(enrollment, start + timedelta(minutes=20), 4000, is_at_home=False)
    assert usage_of(enrollment.program, quarters(start, 1)) == [(Fraction(0), "measured")]


@pytest.mark.parametrize("place", [None, False])
def test_what_nobody_knows_is_not_told_as_zero(enrollment: Enrollment, now: datetime, place: Any) -> None:
    start = now.replace(minute=0)
    see(enrollment, start - timedelta(minutes=10), 1000, is_at_home=True)
    see(enrollment, start + timedelta(minutes=20), 4000, is_at_home=place)
    assert usage_of(enrollment.program, quarters(start, 1)) == [None]


def test_unknown_car_lowers_the_grade_of_the_sum(enrollment: Enrollment, bob: User, now: datetime) -> None:
    make.enrollment(bob, now=now - 3 * HOUR, of=enrollment.program)
    start = now.replace(minute=0)
    see(enrollment, start, 1000)
    see(enrollment, start + QUARTER, 2000)
    assert usage_of(enrollment.program, quarters(start, 1)) == [(Fraction(1000), "derived")]


def want(program: OperatorProgram, now: datetime, *what: str, **fields: object) -> OperatorReportRequest:
    values = {
        "request_id": "r-1",
        "specifier_id": "TELEMETRY_USAGE",
        "r_ids": tuple(f"{program.resource_name}-{name}" for name in what),
        "step": QUARTER,
        "every": HOUR,
        "starts_at": None,
        "ends_at": None,
    }
    assert keep_wanted(program.link, [ReportWanted(**(values | fields))], now=now) == ["r-1"]  # type: ignore[arg-type]
    return OperatorReportRequest.objects.get()


@pytest.fixture
def of_one_car(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "FEWEST_CARS", 1)


def test_usage_of_few_cars_is_nobodys_business(enrollment: Enrollment, program: OperatorProgram, now: datetime) -> None:
    start = now.replace(minute=0)
    see(enrollment, start, 1000)
    see(enrollment, start + HOUR, 2000)
    report, _ = make_report(want(program, start, "usage"), now=start + HOUR)
    assert report is None


def test_report_comes_back_as_often_as_asked_and_repeats_nothing(
    of_one_car: None, enrollment: Enrollment, program: OperatorProgram, now: datetime
) -> None:
    start = now.replace(minute=0)
    request = want(program, start, "usage")
    assert due_reports(program.link, now=start + timedelta(minutes=59), limit=5) == []
    for minutes in range(0, 150, 10):
        see(enrollment, start + timedelta(minutes=minutes), minutes * 100)
    told = []
    for hour in (1, 2):
        at = start + hour * HOUR
        assert due_reports(program.link, now=at, limit=5) == [request]
        report, until = make_report(request, now=at)
        assert report is not None
        keep_told(request, until, was_sent=True, now=at)
        told += [(row["dtstart"] - start, row["report_payload"]["value"]) for row in report["intervals"]]
    assert told == [(place * QUARTER, 1500) for place in range(7)]  # the last waits for a reading after it
    assert cancel_wanted(program.link, ["r-1", "r-9"]) == 1


def test_baseline_is_told_once_the_event_is_settled(
    enrollment: Enrollment, program: OperatorProgram, now: datetime
) -> None:
    event = make.event(now=now, of=make.terms(enrollment.program, now=now))
    settle(event, enrollment, now)
    event = GridEvent.objects.get()
    Enrollment.objects.update(enrolled_at=event.starts_at - HOUR)
    for minutes in range(-10, 140, 10):
        see(enrollment, event.starts_at + timedelta(minutes=minutes), 1000)
    request = want(program, event.starts_at, "usage", "baseline", starts_at=event.starts_at)
    GridEvent.objects.update(state="announced")
    at = event.ends_at + HOUR
    report, until = make_report(request, now=at)
    assert report is None  # of one car its part in events is told, and nothing else
    keep_told(request, until, was_sent=False, now=at)
    GridEvent.objects.update(state="settled")
    report, _ = make_report(request, now=at + HOUR)
    assert report is not None
    values = [
        (row["report_payload"]["r_id"].rpartition("-")[2], row["dtstart"], row["report_payload"]["value"])
        for row in report["intervals"]
        if row["dtstart"] < event.starts_at + QUARTER
    ]
    # 10 kW would have been taken and nothing was; the usage is told again beside it.
    assert values == [("baseline", event.starts_at, 2500), ("usage", event.starts_at, 0)]


def test_longer_steps_begin_on_the_clock(
    of_one_car: None, enrollment: Enrollment, program: OperatorProgram, now: datetime
) -> None:
    request = want(program, now, "usage", step=HOUR)
    start = now.replace(minute=0) + HOUR
    Enrollment.objects.update(enrolled_at=now - HOUR)
    for place in range(3):
        see(enrollment, start + place * HOUR, place * 1000)
    report, _ = make_report(request, now=start + 2.5 * HOUR)
    assert report is not None
    assert [(row["dtstart"], row["report_payload"]["value"]) for row in report["intervals"]] == [
        (start, 1000),
        (start + HOUR, 1000),
    ]


def test_history_is_told_once_and_what_is_not_offered_is_refused(program: OperatorProgram, now: datetime) -> None:
    day = timedelta(days=1)
    request = want(program, now, "usage", specifier_id="HISTORY_USAGE", every=timedelta(0), starts_at=now - day)
    assert (request.next_at, request.starts_at, request.ends_at) == (now, now - day, now)
    report, until = make_report(request, now=now)
    assert report is None  # nothing is known: nothing is told
    keep_told(request, until, was_sent=False, now=now)
    assert due_reports(program.link, now=now + day, limit=5) == []
    strange = ReportWanted("r-2", "TELEMETRY_USAGE", ("x",), QUARTER, HOUR, None, None)
    assert keep_wanted(program.link, [strange], now=now) == []
