"""A utility's server that lies, stalls, floods or forgets: nothing is lost, and a person is told."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import requests
from django.test import Client

from accounts.models import Notice, User
from grid.flows.events.events import cancel_event
from grid.flows.operators.reports_owed import send_owed_reports
from grid.models import GridEvent, OperatorEvent, OperatorLink, OperatorProgram, SeriesPoint
from tests.factories import grid as make
from tests.grid.flows.operators.utility_desk import Utility

pytestmark = [pytest.mark.django_db, pytest.mark.once]
HOUR = timedelta(hours=1)


@pytest.fixture
def program(utility: Utility, alice: User, now: datetime) -> OperatorProgram:
    return utility.link(make.enrollment(alice, now=now).program)


def standing() -> list[tuple[datetime, datetime]]:
    rows = GridEvent.objects.filter(state__in=GridEvent.OPEN_STATES).order_by("starts_at")
    return [(row.starts_at, row.ends_at) for row in rows]


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        ("endless", "unreadable answer"),
        ("flood", "unreadable answer"),
        ("huge", "unreachable"),
        ("trickle", "unreachable"),
        ("cut", "unreadable answer"),
        ("empty", ""),
        ("imposter", ""),
        ("malformed", ""),
    ],
)
def test_lies_stalls_and_floods_end_nothing_that_stands(
    utility: Utility, program: OperatorProgram, monkeypatch: Any, fault: str, failure: str
) -> None:
    monkeypatch.setattr("foundation.http.BODY_SECONDS", 0.5)
    utility.ask(minutesAhead=120)
    utility.poll()
    before = standing()
    assert len(before) == 1
    utility.ask(minutesAhead=300)
    utility.fault(fault, seconds=0.2)
    assert utility.poll() == (0 if failure else 1)
    assert standing() == before
    assert OperatorLink.objects.get().failure == failure
    questions = [row.questions for row in OperatorEvent.objects.order_by("pk")]
    if fault == "imposter":
        assert questions == [["an event is of another program"]] * 2
    if fault == "malformed":
        assert questions == [["a time is not readable"]] * 2
    requests.delete(f"{utility.base}/control/faults", timeout=30)
    assert utility.poll() == 1
    assert len(standing()) == 2
    assert all(row.questions == [] for row in OperatorEvent.objects.all())


def test_event_whose_id_changes_with_every_look_is_one_event(utility: Utility, program: OperatorProgram) -> None:
    utility.ask(minutesAhead=120)
    utility.fault("renaming")
    for _ in range(4):
        utility.poll()
    assert len(standing()) == 1
    assert GridEvent.objects.get().version == 1
    assert set(Notice.objects.values_list("kind", flat=True)) <= {"event_announced"}


PRICES = {"payloadDescriptors": [{"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "PRICE", "units": "MWH"}]}


def test_dearest_and_negative_prices_are_kept_and_reported_on(utility: Utility, program: OperatorProgram) -> None:
    rows = [
        {"id": place, "payloads": [{"type": "PRICE", "values": [price]}]} for place, price in enumerate((9000, -250))
    ]
    utility.ask(**{"with": PRICES | {"intervals": rows, "reportDescriptors": [{"payloadType": "USAGE"}]}})
    utility.poll()
    assert list(SeriesPoint.objects.order_by("starts_at").values_list("value", flat=True)) == [9_000_000, -250_000]
    assert (standing(), OperatorEvent.objects.get().questions) == ([], [])
    assert send_owed_reports(now=utility.at(utility.now + 3 * HOUR), limit=5) == 0  # one car alone is not told of


BAD: list[tuple[dict[str, Any], str]] = [
    ({"intervalPeriod": {"start": "2026-11-19T01:00:00", "duration": "PT1H"}}, "a time has no zone"),
    ({"intervalPeriod": {"start": "2026-11-19T01:00:00Z", "duration": "-PT1H"}}, ""),
    ({"intervalPeriod": {"start": "1999-01-01T00:00:00Z", "duration": "PT1H"}}, "beyond all reason"),
    ({"intervalPeriod": {"start": "2026-11-01T01:00:00Z", "duration": "PT1H"}}, ""),
    ({"intervals": [{"id": 0, "payloads": [{"type": "MOON_PHASE", "values": [1]}]}]}, "MOON_PHASE is not known"),
    ({"intervals": [{"id": 0, "payloads": [{"type": "SIMPLE", "values": [9]}]}]}, "level 9 is not agreed"),
    ({"intervals": [{"id": place, "payloads": []} for place in range(3001)]}, "more than 3000 intervals"),
    ({"eventName": "x" * 600_000}, "too long"),
    ({"targets": ["neptune"]}, "neptune is not known here"),
    ({"reportDescriptors": [{"payloadType": "USAGE", "repeat": "often"}]}, "report descriptor"),
]


def test_each_bad_event_is_a_clear_question_and_the_good_one_stands(
    utility: Utility, program: OperatorProgram, ada: User, client: Client
) -> None:
    OperatorProgram.objects.update(targets=["nothing"])
    desk = [utility.ask(minutesAhead=120 + 180 * place, **{"with": bad}) for place, (bad, _) in enumerate(BAD)]
    good = utility.ask(minutesAhead=60)
    assert utility.poll() == 1
    (only,) = GridEvent.objects.all()
    assert only.operator_ask.operator_event.remote_id == good["id"]
    client.force_login(ada)
    page = client.get("/admin/grid/operatorevent/").content.decode()
    for event, (_, word) in zip(desk, BAD, strict=True):
        row = OperatorEvent.objects.filter(remote_id=event["id"]).first()
        if row is None:
            assert "targets" in event  # the server shows it to nobody without that target
            continue
        said = " ".join(row.questions)
        assert word in said, (event["id"], said)
        assert bool(word) == bool(said), (event["id"], said)
        assert word in page


def test_contradictory_event_keeps_its_emergency(utility: Utility, program: OperatorProgram) -> None:
    both = [{"type": "SIMPLE", "values": [1]}, {"type": "ALERT_GRID_EMERGENCY", "values": ["shed all"]}]
    utility.ask(**{"with": {"intervals": [{"id": 0, "payloads": both}]}})
    utility.poll()
    (event,) = GridEvent.objects.all()
    assert event.operator_ask.is_emergency
    assert "asks for two things" in " ".join(OperatorEvent.objects.get().questions)


def test_more_urgent_event_has_the_time_and_gives_it_back(utility: Utility, program: OperatorProgram) -> None:
    utility.ask(minutesAhead=60, minutes=180, pieces=1, priority=2)
    urgent = utility.ask(minutesAhead=120, minutes=60, pieces=1, priority=0)
    utility.poll()
    start = utility.now + HOUR
    assert standing() == [(start + place * HOUR, start + (place + 1) * HOUR) for place in range(3)]
    (loser, winner) = OperatorEvent.objects.order_by("pk")
    assert (winner.remote_id, winner.questions) == (urgent["id"], [])
    assert "comes first" in loser.questions[0]
    requests.delete(f"{utility.base}/control/faults", timeout=30)
    desk = requests.Session()
    desk.get(f"{utility.base}/", timeout=30)
    form = {"csrfmiddlewaretoken": desk.cookies["sandbox_csrf"], "how": "delete"}
    desk.post(f"{utility.base}/events/{urgent['id']}/call-off", data=form, timeout=30)
    utility.poll()
    assert standing() == [(start, start + 3 * HOUR)]
    assert OperatorEvent.objects.get(pk=loser.pk).questions == []


def test_urgent_event_that_terms_refuse_takes_no_time(utility: Utility, program: OperatorProgram) -> None:
    program.program.terms.update(kinds=["hold"])
    utility.ask(minutesAhead=60, minutes=180, pieces=1, priority=2)
    utility.ask(minutesAhead=120, minutes=60, pieces=1, priority=0, kind="absorb")
    utility.poll()
    start = utility.now + HOUR
    assert standing() == [(start, start + 3 * HOUR)]


def test_what_a_person_called_off_is_not_asked_again(utility: Utility, program: OperatorProgram) -> None:
    utility.ask(minutesAhead=120)
    utility.poll()
    cancel_event(event=GridEvent.objects.get(), now=utility.now, reason="a storm")
    utility.ask(minutesAhead=400)
    utility.poll()
    assert len(standing()) == 1
    assert "a person called it off" in " ".join(OperatorEvent.objects.order_by("pk")[0].questions)
