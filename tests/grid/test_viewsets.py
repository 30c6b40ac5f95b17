"""Homes, programs, enrollments and events by API; a stranger finds nothing of another owner's."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from rest_framework.test import APIClient

from accounts.models import User
from grid.models import Enrollment, EventParticipation, GridEvent, Site
from tests.factories import grid as make

pytestmark = pytest.mark.django_db

API = "/api/v1"


@pytest.fixture(autouse=True)
def _clock(now: datetime) -> Any:
    with time_machine.travel(now, tick=False):
        yield


def signed_in(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def home(**changes: Any) -> dict[str, Any]:
    return {
        "address": "1100 Congress Ave, Austin",
        "postal_code_prefix": "78701",
        "time_zone": "America/Chicago",
        "tariff": make.tariff().slug,
        "evse_max_charge_w": 11_500,
    } | changes


@pytest.mark.parametrize("path", ["sites", "tariffs", "programs", "enrollments", "participations"])
def test_nobody_reads_without_signing_in(path: str) -> None:
    assert APIClient().get(f"{API}/{path}/").status_code in {401, 403}


def test_home_is_kept_and_changed(alice: User) -> None:
    api = signed_in(alice)
    first = api.post(f"{API}/sites/", home(), format="json")
    second = api.post(f"{API}/sites/", home(evse_max_charge_w=7_700), format="json")
    assert (first.status_code, second.status_code) == (200, 200)
    assert (second.data["id"], second.data["version"]) == (first.data["id"], 2)
    assert api.get(f"{API}/sites/").data["results"][0]["evse_max_charge_w"] == 7_700


def test_refusal_is_a_problem_that_names_the_field(alice: User) -> None:
    answer = signed_in(alice).post(f"{API}/sites/", home(evse_max_charge_w=50), format="json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (409, "application/problem+json")
    assert answer.data["code"] == "evse_power_implausible"
    assert "evse_max_charge_w" in answer.data["errors"]


@pytest.mark.parametrize(
    "changes",
    [{"tariff": "no-such"}, {"evse_max_charge_w": "much"}, {"export_permission_ends_on_date": "soon"}, {"address": 5}],
)
def test_home_of_another_shape_is_refused_or_read_plainly(alice: User, changes: dict[str, Any]) -> None:
    answer = signed_in(alice).post(f"{API}/sites/", home(**changes), format="json")
    assert answer.status_code == (200 if "address" in changes else 400)


def test_stranger_finds_no_home_of_anothers(alice: User, charlie: User, now: datetime) -> None:
    site = make.home(alice, now=now)
    api = signed_in(charlie)
    assert api.get(f"{API}/sites/{site.public_id}/").status_code == 404
    assert api.get(f"{API}/sites/").data["results"] == []


def test_tariffs_are_listed_by_country(alice: User) -> None:
    make.tariff()
    make.tariff(make.utility("maple", country="CA"), slug="maple")
    api = signed_in(alice)
    assert [row["slug"] for row in api.get(f"{API}/tariffs/?country=CA").data["results"]] == ["maple"]
    assert len(api.get(f"{API}/tariffs/").data["results"]) == 2
    assert api.get(f"{API}/tariffs/maple/").data["utility"]["currency"] == "CAD"


def test_program_shows_the_terms_in_force(alice: User, now: datetime) -> None:
    program = make.terms(now=now).program
    make.terms(program, now=now, version=2, valid_from_at=now + timedelta(days=1))
    shown = signed_in(alice).get(f"{API}/programs/{program.public_id}/").data
    assert (shown["terms"]["version"], shown["terms"]["reward_micros_per_kwh"]) == (1, 2_000_000)
    make.program(slug="termless")
    listed = {row["slug"]: row["terms"] for row in signed_in(alice).get(f"{API}/programs/").data["results"]}
    assert listed["termless"] is None


def test_choice_of_programs_says_why_not(alice: User, now: datetime) -> None:
    program = make.terms(now=now).program
    make.home(alice, now=now)
    car = make.car(alice, now=now)
    rows = signed_in(alice).get(f"{API}/programs/open-to/?vehicle={car.public_id}").data
    assert [(row["program"]["slug"], row["is_open_to_vehicle"]) for row in rows] == [(program.slug, False)]
    assert "not agreed yet" in rows[0]["why_not"]
    make.agree(alice, now=now)
    rows = signed_in(alice).get(f"{API}/programs/open-to/?vehicle={car.public_id}").data
    assert (rows[0]["is_open_to_vehicle"], rows[0]["why_not"]) == (True, "")


def test_strangers_car_has_no_choice_of_programs(alice: User, charlie: User, now: datetime) -> None:
    car = make.car(alice, now=now)
    api = signed_in(charlie)
    assert api.get(f"{API}/programs/open-to/?vehicle={car.public_id}").status_code == 404
    for query in ("", "?vehicle=", "?vehicle=1%27--"):
        assert api.get(f"{API}/programs/open-to/{query}").status_code == 400


def test_car_joins_and_leaves(alice: User, now: datetime) -> None:
    program = make.terms(now=now).program
    make.home(alice, now=now)
    make.agree(alice, now=now)
    car = make.car(alice, now=now)
    api = signed_in(alice)
    body = {"vehicle": str(car.public_id), "program": str(program.public_id)}
    joined = api.post(f"{API}/enrollments/", body, format="json")
    assert (joined.status_code, joined.data["program_name"]) == (201, "Evening Relief")
    left = api.post(f"{API}/enrollments/{joined.data['id']}/withdraw/")
    assert left.data["ended_at"] is not None
    again = api.post(f"{API}/enrollments/{joined.data['id']}/withdraw/")
    assert (again.status_code, again.data["code"]) == (409, "not_enrolled")


def test_withdrawing_from_an_old_enrollment_leaves_the_new_one_alone(alice: User, now: datetime) -> None:
    old = make.enrollment(alice, now=now)
    old.ended_at = now
    old.save()
    new = Enrollment.objects.create(vehicle=old.vehicle, program=old.program, site=old.site, enrolled_at=now)
    answer = signed_in(alice).post(f"{API}/enrollments/{old.public_id}/withdraw/")
    new.refresh_from_db()
    assert (answer.status_code, new.ended_at) == (409, None)


def test_stranger_cannot_enroll_or_withdraw_anothers_car(alice: User, charlie: User, now: datetime) -> None:
    enrolled = make.enrollment(alice, now=now)
    api = signed_in(charlie)
    body = {"vehicle": str(enrolled.vehicle.public_id), "program": str(enrolled.program.public_id)}
    unknown = api.post(f"{API}/enrollments/", body | {"vehicle": str(enrolled.public_id)}, format="json")
    foreign = api.post(f"{API}/enrollments/", body, format="json")
    assert (unknown.status_code, foreign.status_code) == (400, 400)  # neither answer tells them apart
    assert foreign.data["errors"]["vehicle"][0].code == unknown.data["errors"]["vehicle"][0].code
    assert api.get(f"{API}/enrollments/{enrolled.public_id}/").status_code == 404
    assert api.post(f"{API}/enrollments/{enrolled.public_id}/withdraw/").status_code == 404
    assert Enrollment.objects.get().ended_at is None


def test_owner_leaves_an_event_out_and_comes_back(alice: User, now: datetime) -> None:
    part = make.participation(make.enrollment(alice, now=now), now=now)
    api, address = signed_in(alice), f"{API}/participations/{part.public_id}"
    shown = api.get(f"{address}/").data
    assert (shown["state"], shown["event"]["reward_per_kwh"], shown["event"]["currency"]) == ("in", "2", "USD")
    left = api.post(f"{address}/opt-out/").data
    assert (left["state"], left["reason_text"]) == ("opted_out", "You left this event out.")
    assert api.post(f"{address}/opt-in/").data["state"] == "in"


def test_event_that_is_over_cannot_be_left(alice: User, now: datetime) -> None:
    part = make.participation(make.enrollment(alice, now=now), now=now)
    GridEvent.objects.update(starts_at=now - timedelta(hours=3), ends_at=now - timedelta(hours=1))
    answer = signed_in(alice).post(f"{API}/participations/{part.public_id}/opt-out/")
    assert (answer.status_code, answer.data["code"]) == (409, "event_over")


def test_stranger_finds_no_event_of_anothers(alice: User, charlie: User, now: datetime) -> None:
    part = make.participation(make.enrollment(alice, now=now), now=now)
    api, address = signed_in(charlie), f"{API}/participations/{part.public_id}"
    assert api.get(f"{address}/").status_code == 404
    assert api.post(f"{address}/opt-out/").status_code == 404
    assert api.post(f"{address}/opt-in/").status_code == 404
    assert api.get(f"{API}/participations/").data["results"] == []
    assert EventParticipation.objects.get().state == EventParticipation.State.IN


def test_nothing_is_deleted_by_api(alice: User, now: datetime) -> None:
    part = make.participation(make.enrollment(alice, now=now), now=now)
    api = signed_in(alice)
    for path in (
        f"participations/{part.public_id}",
        f"enrollments/{part.enrollment.public_id}",
        f"sites/{Site.objects.get().public_id}",
    ):
        assert api.delete(f"{API}/{path}/").status_code == 405
