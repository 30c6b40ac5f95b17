"""Plans, dispatches and settlements through the API, for their owner alone."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from grid.flows.dispatch.dispatching import dispatch_due
from grid.flows.plans.planning import plan_due
from grid.flows.settlement.settling import settle_due
from grid.metering import evidence
from grid.models import Dispatch, Plan, Settlement
from tests.factories import grid, nights

KINDS = ["plans", "dispatches", "settlements"]


@pytest.fixture
def lived(alice: User, now: datetime) -> dict[str, Any]:
    """A planned, held and settled car of alice's; returns the newest row of each kind."""
    enrolled = nights.plugged_car(alice, now=now)
    part = grid.participation(enrolled, now=now)
    plan_due(now=now, limit=10)
    dispatch_due(now=now, limit=10)
    for minutes in (-5, 5, 115, 125):
        at = part.event.starts_at + timedelta(minutes=minutes)
        nights.reading(enrolled.vehicle, at=at, soc=60, imported_wh=10, exported_wh=0)
    settle_due(now=part.event.settle_at, limit=10)
    return {"plans": Plan.objects.get(), "dispatches": Dispatch.objects.get(), "settlements": Settlement.objects.get()}


def client(user: User | None) -> APIClient:
    one = APIClient()
    if user is not None:
        one.force_authenticate(user)
    return one


@pytest.mark.parametrize("kind", KINDS)
def test_owner_lists_and_opens(kind: str, lived: dict[str, Any], alice: User) -> None:
    listed = client(alice).get(f"/api/v1/{kind}/")
    opened = client(alice).get(f"/api/v1/{kind}/{lived[kind].public_id}/")

    assert [row["id"] for row in listed.json()["results"]] == [str(lived[kind].public_id)]
    assert opened.status_code == 200
    assert opened.json()["vehicle"] == listed.json()["results"][0]["vehicle"]


@pytest.mark.parametrize("kind", KINDS)
def test_charlie_finds_nothing_of_alices(kind: str, lived: dict[str, Any], charlie: User) -> None:
    one = client(charlie)

    assert one.get(f"/api/v1/{kind}/").json()["results"] == []
    assert one.get(f"/api/v1/{kind}/{lived[kind].public_id}/").status_code == 404


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_gets_in_unsigned_and_nothing_is_written(kind: str, lived: dict[str, Any], alice: User) -> None:
    address = f"/api/v1/{kind}/{lived[kind].public_id}/"

    assert client(None).get(address).status_code in {401, 403}
    assert [client(alice).generic(verb, address).status_code for verb in ("PUT", "PATCH", "DELETE")] == [405] * 3
    assert client(alice).post(f"/api/v1/{kind}/").status_code == 405


@pytest.mark.parametrize("kind", KINDS)
def test_lists_narrow_to_one_car(kind: str, lived: dict[str, Any], alice: User, bob: User, now: datetime) -> None:
    mine = lived["plans"].vehicle.public_id
    other = nights.plugged_car(bob, now=now).vehicle.public_id
    one = client(alice)

    assert len(one.get(f"/api/v1/{kind}/?vehicle={mine}").json()["results"]) == 1
    assert one.get(f"/api/v1/{kind}/?vehicle={other}").json()["results"] == []
    wrong = one.get(f"/api/v1/{kind}/?vehicle=red")
    assert (wrong.status_code, list(wrong.json()["errors"])) == (400, ["vehicle"])


def test_plan_opens_with_all_it_was_made_from(lived: dict[str, Any], alice: User) -> None:
    body = client(alice).get(f"/api/v1/plans/{lived['plans'].public_id}/").json()

    assert len(body["power_kw"]) == len(body["reasons"]) == len(body["import_price"]) == len(body["soc_percent"]) - 1
    assert body["sentence"].endswith(".")
    assert (body["status"], body["is_current"]) == ("optimal", True)
    assert body["problem"]["capacity_kwh"] == 98
    assert body["inputs"]["currency"] == "USD"


def test_dispatch_tells_how_far_its_command_came(lived: dict[str, Any], alice: User) -> None:
    body = client(alice).get(f"/api/v1/dispatches/{lived['dispatches'].public_id}/").json()

    assert (body["mode"], body["power_w"], body["participation"]) == ("hold", 0, None)
    assert (body["command"]["kind"], body["command"]["state"], body["command"]["sent_at"]) == ("hold", "due", None)


def test_settlement_opens_to_its_sum_and_evidence(lived: dict[str, Any], alice: User) -> None:
    body = client(alice).get(f"/api/v1/settlements/{lived['settlements'].public_id}/").json()

    assert body["amount_minor"] == 4_520
    assert evidence.recompute(body["evidence"]).amount_minor == body["amount_minor"]
    assert (body["steps"][-1]["value"], body["steps"][-1]["unit"]) == ("45.20", "USD")
