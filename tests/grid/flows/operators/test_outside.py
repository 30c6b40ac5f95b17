"""A utility's server over real HTTP: asked, rung by, reported to; and what staff see of it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests
import responses
from django.test import Client

from accounts.models import User
from grid.flows.operators.operators import poll_due_operators
from grid.flows.operators.reporting import report_due_events
from grid.metering import evidence
from grid.metering.settlement import settle as compute
from grid.models import EventParticipation, GridEvent, OperatorEvent, OperatorLink, OperatorReport, Settlement
from tests.factories import grid as make
from tests.grid.metering.cases import case, meter
from tests.openadr3_spec import judge
from tests.sandbox_process import SandboxProcess

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def utility(sandbox: SandboxProcess, now: datetime) -> Iterator[SandboxProcess]:
    sandbox.control("PUT", "clock", simulated_at=now.isoformat(), rate=0)
    yield sandbox
    requests.delete(f"{sandbox.url}/vtn/control/events", timeout=30)
    sandbox.control("DELETE", "clock")


def ask(utility: SandboxProcess, **wish: Any) -> dict[str, Any]:
    body = {"kind": "hold", "minutesAhead": 120, "minutes": 60, "targetKw": 20} | wish
    reply = requests.post(f"{utility.url}/vtn/control/events", json=body, timeout=30)
    return dict(reply.json())


def link_to(utility: SandboxProcess, enrollment: Any, now: datetime, version: str) -> OperatorLink:
    program = make.operator_program(
        now=now,
        of=enrollment.program,
        protocol=f"openadr-{version}",
        api_base=f"{utility.url}/vtn/{version}",
        oauth_id="chargescape-ven",
        client_secret="charge-the-grid",
        push_token="ring-ring",
    )
    desk = requests.get(f"{utility.url}/vtn/control/events", timeout=30).json()
    program.remote_id = desk[-1]["programID"]
    program.save()
    return program.link


@pytest.mark.parametrize("version", ["3.1.0", "3.0.1"])
def test_ask_arrives_and_report_goes_back(utility: SandboxProcess, alice: User, now: datetime, version: str) -> None:
    asked = ask(utility)
    enrollment = make.enrollment(alice, now=now)
    link = link_to(utility, enrollment, now, version)

    assert poll_due_operators(now=now, limit=5) == 1
    event = GridEvent.objects.get(operator_ask__operator_event__remote_id=asked["id"])
    assert (event.kind, event.target_w, event.starts_at - now) == ("hold", 20_000, 2 * HOUR)
    link.refresh_from_db()
    assert link.ven_id

    settle(event, enrollment, now)
    assert report_due_events(limit=5) == 1
    assert report_due_events(limit=5) == 0
    report = OperatorReport.objects.get()
    back = {row["id"]: row for row in requests.get(f"{utility.url}/vtn/control/reports", timeout=30).json()}
    told = back[report.remote_id]
    if version == "3.1.0":
        judge("report", told)
    assert told["eventID"] == asked["id"]
    values = [
        {payload["type"]: payload["values"][0] for payload in interval["payloads"]}
        for interval in told["resources"][0]["intervals"]
    ]
    # Two hours at 10 kW would have been taken and nothing was: a quarter of 10 kWh each quarter hour.
    assert [(row["BASELINE"], row["USAGE"], row["OPERATING_STATE"]) for row in values] == [
        (2.5, 0.0, "RUNNING_CURTAILED")
    ] * len(values)
    assert values


def settle(event: GridEvent, enrollment: Any, now: datetime) -> None:
    held = case(meter("17:55", 1000), meter("18:05", 1000), meter("19:55", 1000), meter("20:05", 1000))
    result = compute(held)
    event.starts_at, event.ends_at, event.state = held.event.starts_at, held.event.ends_at, GridEvent.State.SETTLED
    event.settle_at = event.ends_at
    event.save()
    part = EventParticipation.objects.create(event=event, enrollment=enrollment, invited_at=now)
    Settlement.objects.create(
        participation=part,
        method=held.method,
        baseline_wh=result.baseline_wh,
        net_wh=result.net_wh,
        delivered_wh=result.delivered_wh,
        credited_wh=result.credited_wh,
        reward_micros_per_kwh=held.rate_micros_per_kwh,
        amount_minor=result.amount_minor,
        currency="USD",
        grade=result.grade,
        evidence=evidence.write(held, result),
        created_at=now,
    )


def test_report_that_cannot_be_sent_waits_and_is_sent_later(alice: User, now: datetime) -> None:
    enrollment = make.enrollment(alice, now=now)
    program = make.operator_program(now=now, of=enrollment.program)
    row = OperatorEvent.objects.create(program=program, remote_id="e", seen_at=now, record={})
    event = make.event(now=now, of=enrollment.program.terms.get())
    row.asks.create(grid_event=event)
    settle(event, enrollment, now)
    with responses.RequestsMock() as door:
        door.post("https://vtn.test/openadr3/3.1.0/auth/token", status=503)
        assert report_due_events(limit=5) == 0
        assert report_due_events(limit=5) == 0  # not before its time
    report = OperatorReport.objects.get()
    assert (report.failure, report.failures, report.sent_at) == ("unreachable", 1, None)


@pytest.fixture
def bell(now: datetime) -> OperatorLink:
    return make.operator_program(now=now, push_token="ring-ring").link


def test_bell_is_heard_with_its_token_alone(bell: OperatorLink, client: Client, now: datetime) -> None:
    url = f"/webhooks/openadr/{bell.public_id}/"
    far = now + timedelta(days=365)
    OperatorLink.objects.update(next_poll_at=far)
    for token in ("", "Bearer", "Bearer wrong", "Basic ring-ring"):
        assert (
            client.post(url, "{}", content_type="application/json", headers={"Authorization": token}).status_code == 401
        )
    assert OperatorLink.objects.get().next_poll_at == far
    rung = client.post(url, "not json", content_type="application/json", headers={"Authorization": "Bearer ring-ring"})
    assert rung.status_code == 204
    next_poll_at = OperatorLink.objects.get().next_poll_at
    assert next_poll_at is not None
    assert next_poll_at < far
    OperatorLink.objects.update(push_token="")
    assert client.post(url, headers={"Authorization": "Bearer "}).status_code == 401
    assert client.post("/webhooks/openadr/00000000-0000-4000-8000-000000000000/").status_code == 404


def test_bell_answers_the_challenge_where_either_server_asks_it(bell: OperatorLink, client: Client) -> None:
    url = f"/webhooks/openadr/{bell.public_id}/"
    for address in (url, f"{url}echo"):
        assert client.get(address, {"echo": "abc-123"}).content == b"abc-123"
        for bad in ("", "<script>", "a" * 201):
            assert client.get(address, {"echo": bad}).status_code == 400


def test_staff_see_servers_and_never_their_secrets(
    bell: OperatorLink, ada: User, client: Client, now: datetime
) -> None:
    client.force_login(ada)
    program = bell.programs.get()
    OperatorEvent.objects.create(
        program=program, remote_id="e-9", seen_at=now, record={}, questions=["a time has no zone"]
    )
    for page in ("operatorlink", "operatorevent", "operatorreport", "owedreport", f"operatorlink/{bell.pk}/change"):
        shown = client.get(f"/admin/grid/{page}/")
        assert shown.status_code == 200, page
        assert "secret-one" not in shown.content.decode()
        assert "ring-ring" not in shown.content.decode()
    assert "a time has no zone" in client.get("/admin/grid/operatorevent/").content.decode()
