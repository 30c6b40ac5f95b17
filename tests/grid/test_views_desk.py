"""A utility's desk: its own people read it, nobody else finds it, and it never says who an owner is."""

import csv
import io
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from chargescape.staff.roles import make_roles
from grid.flows.programs.rehearsing import rehearse
from grid.flows.settlement.groups import correct_group
from grid.flows.settlement.invoicing import draft_invoice, send_invoice
from grid.flows.settlement.reviewing import approve_group
from grid.flows.settlement.settling import post_due_settlements
from grid.models import Dispute, EnrollmentConfirmation, EventParticipation, EventProgress, GroupSettlement
from tests.desk_world import CARS, DeskWorld, build_desk, elsewhere, nominated
from tests.page_world import stop_clock
from tests.url_map import UTILITYS, places

DRAFT = {"name": "Tries", "kind": "hold", "from": "18:00", "to": "20:00", "reward_micros_per_kwh": 500_000,
         "max_events": 1}  # fmt: skip
MOST = 15
# Played once: they render whole pages, and the databases' differences show in the flows' own tests.
pytestmark = pytest.mark.once


@pytest.fixture
def desk(db: None, now: datetime, settings: Any, tmp_path: Path) -> DeskWorld:
    """A desk with something of everything, an hour after its event was settled."""
    cache.clear()
    settings.ADMIN_NEEDS_SECOND_FACTOR = False
    world = build_desk(now=now)
    stop_clock(settings, tmp_path, world.settled_at + timedelta(hours=1))
    return world


def fill(desk: DeskWorld) -> None:
    """Give the desk what takes a month or a sweep to come: an invoice, nominations, a rehearsal."""
    later = desk.settled_at + timedelta(days=40)
    approve_group(group=desk.group, reviewed_by=desk.lead, now=desk.settled_at)
    post_due_settlements(now=desk.settled_at, limit=100)
    invoice = draft_invoice(utility=desk.utility, month_date=desk.settled_at.date(), now=later)
    assert invoice is not None
    send_invoice(invoice=invoice, sent_by=desk.lead, now=later)
    nominated(desk, at=desk.settled_at.replace(minute=0, second=0) + timedelta(hours=5))
    rehearse(raw=DRAFT, utility=desk.utility, made_by=desk.lead, now=later)


def pages(desk: DeskWorld) -> list[tuple[str, str]]:
    """Return the name and address of every page and file of the desk."""
    values = dict.fromkeys(("invoice", "rehearsal"), desk.event.public_id) | desk.values()
    found = [(place.name, place.at(values)) for place in places() if place.name in UTILITYS]
    assert len(found) >= 17
    return found


def at(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def test_lead_reads_every_page_in_few_queries_and_no_owner_is_named(desk: DeskWorld) -> None:
    fill(desk)
    client, names = at(desk.lead), set(User.objects.filter(utility_member=None).values_list("email", flat=True))
    plates = {str(part.enrollment.vehicle.public_id) for part in desk.event.participations.all()}
    for name, address in pages(desk):
        if name in {"desk_approve", "desk_object", "desk_enrollment_file"}:
            continue
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(address)
        assert answer.status_code == (302 if name == "desk" else 200), name
        text = answer.content.decode()
        assert not [one for one in (*names, *plates, "Lightning", "30.26") if one in text], name
        assert len(queries) <= MOST + (5 if name == "desk_overview" else 0), (name, len(queries))
        assert answer["Cache-Control"] == "no-store, private"


def test_running_event_is_followed_as_a_chart_and_a_table(desk: DeskWorld) -> None:
    event = desk.event
    for minute, seen_w in ((1, 2_000), (3, 4_500), (11, -1_250)):
        EventProgress.objects.create(event=event, at=event.starts_at + timedelta(minutes=minute), asked_w=10_000,
                                     planned_w=9_000, measured_w=seen_w, called_cars=5)  # fmt: skip
    client, page = at(desk.reader), reverse("desk_event", args=[desk.utility.slug, event.public_id])
    part = client.get(page, {"part": "progress"}).content.decode()
    assert "<html" not in part
    chart = json.loads(part.partition('id="progress-data" type="application/json">')[2].partition("</script>")[0])
    lines = {line["name"]: line["values"] for line in chart["lines"]}
    assert chart["slotMinutes"] == 5
    assert lines["seen"][:4] == [4.5, None, -1.25, None]
    assert len(lines["asked"]) == (event.ends_at - event.starts_at) // timedelta(minutes=5)
    assert "hx-get" not in part  # it is over
    assert "How it went" in client.get(page).content.decode()
    rows = list(csv.DictReader(io.StringIO(client.get(f"{page}progress.csv").content.decode())))
    assert [row["measured_w"] for row in rows] == ["4500", "-1250"]
    event.participations.update(state=EventParticipation.State.OPTED_OUT)
    assert client.get(page, {"part": "progress"}).status_code == 204  # so few cars: nothing is told
    assert "progress-data" not in client.get(page).content.decode()


def test_desk_does_not_exist_for_owners_and_other_utilities(desk: DeskWorld, charlie: User, now: datetime) -> None:
    for person in (charlie, elsewhere(now=now), User.objects.get(email="member-0@example.org")):
        client = at(person)
        for name, address in pages(desk):
            for method in (client.get, client.post) if person is charlie else (client.get,):
                answer = method(address)
                own_door = name == "desk" and hasattr(person, "utility_member")
                assert answer.status_code in ({302, 405} if own_door else {404, 405}), (person.email, name)


def test_signed_out_and_ended_members_get_nowhere(desk: DeskWorld, now: datetime) -> None:
    assert Client().get(reverse("desk_overview", args=[desk.utility.slug])).status_code == 302
    member = desk.reader.utility_member
    member.ended_at = now
    member.save()
    assert at(desk.reader).get(reverse("desk_overview", args=[desk.utility.slug])).status_code == 404


def test_desk_opens_with_a_second_factor_alone(desk: DeskWorld, settings: Any) -> None:
    settings.ADMIN_NEEDS_SECOND_FACTOR = True
    client = at(desk.reader)
    answer = client.get(reverse("desk_events", args=[desk.utility.slug]))
    assert (answer.status_code, answer["Location"]) == (302, reverse("mfa_activate_totp"))
    answer = client.get("/api/v1/utility/events/")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


def test_staff_whose_role_allows_it_may_look_and_nothing_else(desk: DeskWorld) -> None:
    make_roles()
    for role, status in (("operations", 200), ("finance", 200), ("utility", 404)):
        staff = User.objects.create_user(f"{role}@example.org", None, is_staff=True)
        staff.groups.add(Group.objects.get(name=role))
        client = at(staff)
        page = client.get(reverse("desk_event", args=[desk.utility.slug, desk.event.public_id]))
        assert page.status_code == status
        assert b"Approve the result" not in page.content
        client.post(reverse("desk_approve", args=[desk.utility.slug, desk.event.public_id]))
        desk.group.refresh_from_db()
        assert desk.group.review == GroupSettlement.Review.OPEN


def test_reader_reads_and_reviewer_has_the_word(desk: DeskWorld) -> None:
    address = reverse("desk_event", args=[desk.utility.slug, desk.event.public_id])
    assert b"Approve the result" not in at(desk.reader).get(address).content
    page = at(desk.reviewer).get(address).content.decode()
    assert "Approve the result" in page
    assert page.count('scope="row"') >= CARS
    assert 'id="group-data"' in page
    at(desk.reviewer).post(address + "approve/")
    desk.group.refresh_from_db()
    assert (desk.group.review, desk.group.reviewed_by) == (GroupSettlement.Review.APPROVED, desk.reviewer)


def test_reviewer_objects_with_a_reason(desk: DeskWorld) -> None:
    address = reverse("desk_event", args=[desk.utility.slug, desk.event.public_id])
    client = at(desk.reviewer)
    assert client.post(address + "object/", {"reason": ""}).status_code == 422
    client.post(address + "object/", {"reason": "Our meter says less", "evidence": "3.1 kWh"})
    assert (Dispute.objects.get().reason, Dispute.objects.get().evidence) == ("Our meter says less", "3.1 kWh")
    assert "Our meter says less" in client.get(address).content.decode()


def test_word_is_on_the_result_that_was_shown(desk: DeskWorld) -> None:
    address, client = reverse("desk_event", args=[desk.utility.slug, desk.event.public_id]), at(desk.reviewer)
    page = client.get(address).content.decode()
    correct_group(event=desk.event, reason="late_readings", now=desk.settled_at)
    for what, values in (("approve", {}), ("object", {"reason": "Our meter says less"})):
        assert f'action="{address}{what}/?revision=1"' in page
        answer = client.post(f"{address}{what}/?revision=1", values, follow=True)
        assert "The result was corrected in the meantime." in answer.content.decode()
    newest = GroupSettlement.objects.get(revision=2)
    assert newest.review == GroupSettlement.Review.OPEN

    client.post(f"{address}approve/?revision=2")
    newest.refresh_from_db()
    assert newest.review == GroupSettlement.Review.APPROVED


def test_small_group_is_told_in_rounded_sums_alone(desk: DeskWorld, settings: Any) -> None:
    settings.UTILITY_SMALLEST_GROUP = CARS + 1
    client, slug, event = at(desk.lead), desk.utility.slug, desk.event.public_id
    told = json.loads(client.get(reverse("desk_event_evidence", args=[slug, event])).content)
    assert (told["intervals"], told["cars"], told["group_evidence"]) == ([], [], None)
    assert (told["event"]["cars_in"], told["event"]["baseline_wh"]) == (None, None)
    assert told["event"]["delivered_wh"] % 1000 == 0
    page = client.get(reverse("desk_event", args=[slug, event])).content.decode()
    assert "group-data" not in page
    assert "Car by car" not in page
    assert "must be enrolled" in client.get(reverse("desk_overview", args=[slug])).content.decode()


def test_files_say_what_the_page_says_and_run_no_formula(desk: DeskWorld) -> None:
    program = desk.event.terms.program
    program.slug = "=cmd"
    program.save()
    client, slug = at(desk.reader), desk.utility.slug
    text = client.get(reverse("desk_events_file", args=[slug, "csv"])).content.decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["program"], row["delivered_wh"]) == ("'=cmd", str(desk.group.delivered_wh))
    cars = client.get(reverse("desk_event_file", args=[slug, desk.event.public_id, "cars"])).content.decode()
    rows = list(csv.DictReader(io.StringIO(cars)))
    assert len(rows) == CARS
    assert sum(int(one["delivered_wh"]) for one in rows) == desk.group.delivered_wh
    quarters = client.get(reverse("desk_event_file", args=[slug, desk.event.public_id, "intervals"])).content.decode()
    found = [int(one["delivered_w"]) for one in csv.DictReader(io.StringIO(quarters))]
    assert abs(sum(found) / 4 - (desk.group.delivered_wh or 0)) < CARS


def test_api_tells_the_same_and_takes_the_utilitys_word(desk: DeskWorld, charlie: User) -> None:
    client = at(desk.reviewer)
    (event,) = client.get("/api/v1/utility/events/").json()["results"]
    assert (event["delivered_wh"], event["review"]) == (desk.group.delivered_wh, "open")
    address = f"/api/v1/utility/events/{desk.event.public_id}/"
    told = client.get(address).json()
    assert (len(told["cars"]), len(told["intervals"])) == (CARS, 8)
    assert client.get("/api/v1/utility/overview/").json()["cars"] == CARS
    assert client.post(address + "object/", {}, content_type="application/json").status_code == 400
    answer = client.post(address + "object/", {"reason": "No"}, content_type="application/json")
    assert (answer.status_code, answer.json()["state"]) == (201, "open")
    refused = client.post(address + "approve/")
    assert (refused.status_code, refused.json()["code"]) == (409, "result_not_open")
    assert len(client.get("/api/v1/utility/disputes/").json()["results"]) == 1
    for path in ("programs", "invoices", "nominations"):
        assert client.get(f"/api/v1/utility/{path}/").status_code == 200
    for path in ("overview/", "events/", f"events/{desk.event.public_id}/"):
        assert at(charlie).get(f"/api/v1/utility/{path}").status_code == 404


def test_draft_is_played_and_kept_or_told_what_is_wrong(desk: DeskWorld) -> None:
    address = reverse("desk_rehearsals", args=[desk.utility.slug])
    client = at(desk.lead)
    wrong = client.post(address, {"draft": '{"name": "x", "kind": "hold", "from": "18:00", "to": "17:00"}'})
    assert (wrong.status_code, "to: must be later than from" in wrong.content.decode()) == (422, True)
    answer = client.post(address, {"draft": json.dumps(DRAFT)})
    assert answer.status_code == 302
    assert "ACN-Data" in client.get(answer["Location"]).content.decode()
    assert at(desk.reviewer).get(address).status_code == 404


def test_reviewer_takes_the_enrolment_file_away_and_sends_the_answers(desk: DeskWorld) -> None:
    enrolled = desk.event.participations.order_by("pk")[0].enrollment
    EnrollmentConfirmation.objects.create(enrollment=enrolled, asked_at=desk.settled_at)
    address, client = reverse("desk_enrollments", args=[desk.utility.slug]), at(desk.reviewer)
    assert "1 enrolment waits" in client.get(address).content.decode()
    file = client.post(address + "file.csv").content.decode()
    (row,) = csv.DictReader(io.StringIO(file))
    assert row["enrollment_id"] == str(enrolled.public_id)
    answers = io.BytesIO(f"enrollment_id,account_confirmed\n{enrolled.public_id},yes\nx,maybe\n".encode())
    page = client.post(address, {"answers": answers}).content.decode()
    assert "Line 3" in page
    enrolled.confirmation.refresh_from_db()
    assert (enrolled.confirmation.state, enrolled.confirmation.taken_by) == ("confirmed", desk.reviewer)
    assert client.post(address, {"answers": io.BytesIO(b"\xff\xfe")}).status_code == 422
    assert client.post(address, {"answers": io.BytesIO(b"nothing")}).status_code == 422
    assert at(desk.reader).get(address).status_code == 404
