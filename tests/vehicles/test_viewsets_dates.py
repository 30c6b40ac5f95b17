"""Dates and pauses by API: each owner their own; refusals carry codes."""

from datetime import datetime, timedelta

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from vehicles.models import ChargeOverride, DatedDeparture, Vehicle

PATH = "/api/v1/dated-departures/"


@pytest.fixture
def api(timed_car: Vehicle) -> APIClient:
    """Alice's app."""
    client = APIClient()
    client.force_authenticate(timed_car.owner)
    return client


def test_early_friday_is_said_shown_and_taken_back(api: APIClient, timed_car: Vehicle) -> None:
    wish = {"vehicle": str(timed_car.public_id), "kind": "leaves", "first_date": "2026-11-20"}
    answer = api.post(PATH, {**wish, "leaves_at_local": "05:00"}, format="json")

    assert answer.status_code == 201
    assert (answer.json()["last_date"], answer.json()["leaves_at_local"]) == ("2026-11-20", "05:00")
    assert [row["id"] for row in api.get(PATH).json()["results"]] == [answer.json()["id"]]
    assert api.delete(f"{PATH}{answer.json()['id']}/").status_code == 204
    assert not DatedDeparture.objects.exists()


def test_refusals_and_bad_values_are_told_apart(api: APIClient, timed_car: Vehicle) -> None:
    wish = {"vehicle": str(timed_car.public_id), "kind": "leaves", "first_date": "2026-11-20"}

    refused = api.post(PATH, wish, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "departure_time_missing")
    for bad in ({"kind": "flies"}, {"first_date": "soon"}, {"vehicle": "mine"}):
        assert api.post(PATH, wish | bad, format="json").status_code == 400


def test_a_stranger_finds_neither_car_nor_dates(api: APIClient, timed_car: Vehicle, charlie: User) -> None:
    wish = {"vehicle": str(timed_car.public_id), "kind": "stays", "first_date": "2026-12-25"}
    mine = api.post(PATH, wish, format="json").json()["id"]
    stranger = APIClient()
    stranger.force_authenticate(charlie)

    assert stranger.get(PATH).json()["results"] == []
    assert stranger.delete(f"{PATH}{mine}/").status_code == 404
    assert stranger.post(PATH, wish | {"first_date": "2026-12-26"}, format="json").status_code == 404


def test_a_car_is_left_alone_until_the_chosen_time(api: APIClient, timed_car: Vehicle, now: datetime) -> None:
    path, until = f"/api/v1/vehicles/{timed_car.public_id}/skip/", now + timedelta(days=5)

    answer = api.post(path, {"until": until.isoformat()}, format="json")
    assert (answer.status_code, answer.json()["kind"]) == (201, "skip")
    assert ChargeOverride.objects.get(cancelled_at=None).ends_at == until
    refused = api.post(path, {"until": (now + timedelta(days=99)).isoformat()}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "pause_too_long")
