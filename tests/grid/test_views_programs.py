"""The program pages: every reason, terms in words, what a new version changes, waiting, programs elsewhere."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from grid.flows.events.announcing import announce_due_events
from grid.models import Enrollment, EnrollmentConfirmation, Program, ProgramElsewhere, ProgramTerms
from rewards.flows.earnings import save_pay_terms
from tests.factories import grid as make
from tests.page_world import stop_clock
from vehicles.models import Vehicle

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock_stands(settings: Any, tmp_path: Path, now: datetime) -> None:
    stop_clock(settings, tmp_path, now)


@pytest.fixture
def car(alice: User, now: datetime) -> Vehicle:
    make.home(alice, now=now)
    make.agree(alice, now=now)
    return make.car(alice, now=now)


def test_car_asks_to_join_and_shares_what_its_owner_agrees_to(
    client: Client, alice: User, car: Vehicle, now: datetime
) -> None:
    make.terms(now=now, needs_confirmation=True, season_months=[11, 12])
    client.force_login(alice)
    page = client.get(f"/cars/{car.public_id}/program/").content.decode()
    assert "Nov, Dec" in page
    assert "confirms first whose home this is" in page
    told = {"program": "evening-relief", "shares": "yes", "account_name": "Alice Ames", "service_account": "12-345"}
    client.post(f"/cars/{car.public_id}/enroll/", told)
    kept = EnrollmentConfirmation.objects.get()
    assert (kept.state, kept.account_name, kept.service_account) == ("waiting", "Alice Ames", "12-345")
    assert "Waits for the utility" in client.get(f"/cars/{car.public_id}/program/").content.decode()


def test_owner_sees_every_reason_against_a_program(client: Client, alice: User, car: Vehicle, now: datetime) -> None:
    make.terms(now=now, eligibility={"car": {"makes": ["BMW"]}, "charger": {"min_power_kw": 19.2}})
    client.force_login(alice)
    page = client.get(f"/cars/{car.public_id}/program/").content.decode()
    assert "cars of these makes only: BMW" in page
    assert "a charger of at least 19.2 kW" in page
    assert "Join Evening Relief" not in page


def test_owner_sees_what_the_next_version_changes(client: Client, alice: User, now: datetime) -> None:
    enrolled = make.enrollment(alice, now=now)
    values: dict[str, Any] = {"utility": "lone-star", "currency": "USD", "time_zone": "UTC", "valid_from_at": now}
    for version, minor in ((1, 1_000), (2, 700)):
        save_pay_terms(
            program="evening-relief", version=version, values=values, forms=[{"form": "monthly", "amount_minor": minor}]
        )
    make.terms(
        enrolled.program, now=now, version=2, valid_from_at=now + timedelta(days=30), reward_micros_per_kwh=1_500_000,
        windows=[{"weekdays": [0, 1, 2, 3, 4], "from": "16:00", "to": "21:00"}],
    )  # fmt: skip
    client.force_login(alice)
    page = client.get(f"/cars/{enrolled.vehicle.public_id}/program/").content.decode()
    assert "New terms: " in page
    for text in (
        "$2.00 per kWh",
        "$1.50 per kWh",
        "$10.00 a month",
        "$7.00 a month",
        "Mon–Fri 4:00",
        "Leave the program",
    ):
        assert text in page, text
    told = client.get(f"/api/v1/programs/{enrolled.program.public_id}/coming/").json()
    assert {one["label"]: (one["before"], one["after"]) for one in told["changes"]}["Monthly pay"] == (
        "$10.00 a month",
        "$7.00 a month",
    )


def test_owner_declares_a_program_elsewhere_and_takes_it_back(
    client: Client, alice: User, car: Vehicle, now: datetime
) -> None:
    make.terms(now=now, excludes=[{"program": "elrp", "scope": "site"}])
    make.program(slug="elrp-a6", groups=["elrp"], is_served=False)
    client.force_login(alice)
    client.post(f"/cars/{car.public_id}/elsewhere/", {"program": "elrp-a6"})
    declared = ProgramElsewhere.objects.get(ended_at__isnull=True)
    answer = client.get(f"/api/v1/programs/open-to/?vehicle={car.public_id}").json()
    ours = next(row for row in answer if row["program"]["slug"] == "evening-relief")
    assert [one["code"] for one in ours["objections"]] == ["excluded_by_program"]
    client.post(f"/elsewhere/{declared.public_id}/end/")
    assert not ProgramElsewhere.objects.filter(ended_at__isnull=True).exists()


def test_costs_of_leaving_out_stand_before_the_button_and_in_the_api(
    client: Client, alice: User, now: datetime
) -> None:
    part = make.participation(make.enrollment(alice, now=now), now=now)
    values: dict[str, Any] = {"utility": "lone-star", "currency": "USD", "time_zone": "UTC",
                              "valid_from_at": now - timedelta(days=60)}  # fmt: skip
    save_pay_terms(
        program="evening-relief", version=1, values=values, forms=[{"form": "per_event", "amount_minor": 200}]
    )
    client.force_login(alice)
    page = client.get(f"/events/{part.public_id}/").content.decode()
    assert page.index("this one would pay none") < page.index("Leave this event out")
    told = client.get(f"/api/v1/participations/{part.public_id}/opt-out-costs/").json()
    assert [(one["form"], one["amount_minor"], one["is_lost"]) for one in told["costs"]] == [("per_event", 200, True)]


def test_strangers_declaration_is_not_there(client: Client, alice: User, bob: User, now: datetime) -> None:
    declared = ProgramElsewhere.objects.create(owner=alice, program=make.program(), declared_at=now)
    client.force_login(bob)
    assert client.post(f"/elsewhere/{declared.public_id}/end/").status_code == 404
    assert (Program.objects.count(), ProgramTerms.objects.count(), Enrollment.objects.count()) == (1, 0, 0)


def test_owner_of_a_car_in_two_programs_sees_what_each_pays_and_which_event_has_precedence(
    client: Client, alice: User, now: datetime
) -> None:
    enrolled = make.enrollment(alice, now=now)
    monthly = make.terms(make.program(slug="night-club"), now=now, goes_with=["evening-relief"]).program
    make.terms(make.program(slug="lone-wolf"), now=now)
    ProgramTerms.objects.filter(program=enrolled.program).update(goes_with=["night-club"])
    values: dict[str, Any] = {"utility": "lone-star", "currency": "USD", "time_zone": "UTC", "valid_from_at": now}
    forms = [{"form": "monthly", "amount_minor": 1_500}]
    save_pay_terms(program="night-club", version=1, values=values, forms=forms)
    client.force_login(alice)
    at = f"/cars/{enrolled.vehicle.public_id}/"
    assert "Goes beside: Night Club" in client.get(f"{at}program/").content.decode()
    welcome = client.get("/welcome/wishes/").content.decode()
    for text in ("Night Club", "Monthly pay: $15.00 a month", "Goes beside: Evening Relief", "afterwards"):
        assert text in welcome, text
    page = client.get(f"{at}program/?others=1").content.decode()
    for text in ("Join Night Club", "Evening Relief", "Lone Wolf does not go beside it"):
        assert text in page, text
    body = {"vehicle": enrolled.vehicle.public_id, "program": monthly.public_id}
    joined = client.post("/api/v1/enrollments/", body, content_type="application/json")
    assert joined.status_code == 201
    terms = client.get(f"/api/v1/programs/{monthly.public_id}/").json()["terms"]
    assert terms["goes_with"] == ["evening-relief"]
    page = client.get(at).content.decode()
    for text in ("$2.00 per kWh", "$15.00 a month", "Leave Night Club", "Leave Evening Relief", "one event at a time"):
        assert text in page, text

    first, second = (make.event(now=now, of=one) for one in (make.terms(now=now), monthly.terms.get()))
    announce_due_events(now=now, limit=5)
    parts = {one["event"]["id"]: one for one in client.get("/api/v1/participations/").json()["results"]}
    winner, loser = parts[str(first.public_id)], parts[str(second.public_id)]
    assert (winner["state"], winner["yields_to"]) == ("in", None)
    assert (loser["state"], loser["reason"], loser["yields_to"]) == ("unable", "yields_order", str(first.public_id))
    page = client.get(f"/events/{loser['id']}/").content.decode()
    for text in ("Gives way", "it was asked for first", "Your car serves the event of Evening Relief"):
        assert text in page, text
    page = client.get(f"/events/{winner['id']}/").content.decode()
    assert "gives way to this one and pays nothing" in page
    assert "Night Club may then ask your car in its place" in page

    client.post(f"{at}withdraw/", {"program": "evening-relief"})
    left = Enrollment.objects.get(ended_at=None)
    assert left.program == monthly
    assert client.get(f"/api/v1/participations/{loser['id']}/").json()["state"] == "in"
