"""Cars by API: each owner sees their own; a stranger finds nothing."""

from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from tests.factories import vehicles as make
from tests.vehicles.automakers.kits.base import recording
from tests.vehicles.conftest import BASE
from vehicles.automakers.base import Capabilities
from vehicles.flows.attempts import keep_attempt, make_one_time
from vehicles.flows.preferences import charge_now
from vehicles.models import ChargePreference, HomePlace, LinkAttempt, Vehicle, VehicleLink

API = "/api/v1"
WISHES = {
    "target_soc_percent": 90,
    "minimum_soc_percent": 20,
    "reserve_soc_percent": 35,
    "is_v2g_allowed": True,
    "departures": [{"weekday": 0, "leaves_at": "06:45"}],
}


def signed_in(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def path_of(car: Vehicle, action: str = "") -> str:
    return f"{API}/vehicles/{car.public_id}/" + (f"{action}/" if action else "")


def test_car_is_shown_with_its_reading_and_age(timed_car: Vehicle) -> None:
    shown = signed_in(timed_car.owner).get(path_of(timed_car)).json()

    assert shown["id"] == str(timed_car.public_id)
    assert (shown["maker"], shown["model"], shown["state"]) == ("ford", "F-150 Lightning", "active")
    assert shown["capabilities"] == {
        "can_hold": True,
        "can_discharge": True,
        "hold_ends": "timed",
        "is_metered": True,
    }
    assert (shown["reading"]["age_seconds"], shown["reading"]["soc_percent"]) == (120, "60.00")
    assert (shown["override"], shown["trouble"]) == (None, None)


def test_nothing_personal_is_shown(timed_car: Vehicle) -> None:
    api = signed_in(timed_car.owner)

    text = "".join(
        api.get(path).content.decode()
        for path in (f"{API}/vehicles/", path_of(timed_car), f"{API}/links/", path_of(timed_car, "preference"))
    )

    for canary in (timed_car.vin, timed_car.external_id, "access-one", "refresh-one", "30.26", "-97.7"):
        assert canary not in text


def test_list_holds_what_is_linked_and_owned(timed_car: Vehicle, stop_car: Vehicle, bob: User, now: datetime) -> None:
    make.ready_car(bob, now=now)
    Vehicle.objects.filter(pk=stop_car.pk).update(state=Vehicle.State.UNLINKED)

    found = signed_in(timed_car.owner).get(f"{API}/vehicles/").json()["results"]

    assert [row["id"] for row in found] == [str(timed_car.public_id)]


def test_trouble_is_told_in_words(timed_car: Vehicle) -> None:
    Vehicle.objects.update(read_failure="car_asleep")

    assert "asleep" in signed_in(timed_car.owner).get(path_of(timed_car)).json()["trouble"]


def test_wishes_are_read_and_replaced(timed_car: Vehicle) -> None:
    api = signed_in(timed_car.owner)

    before = api.get(path_of(timed_car, "preference")).json()
    after = api.put(path_of(timed_car, "preference"), WISHES, format="json").json()

    assert before["departures"] == [{"weekday": day, "leaves_at": "07:30"} for day in range(5)]
    assert (before["version"], after["version"]) == (1, 2)
    assert {name: after[name] for name in WISHES} == WISHES


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"reserve_soc_percent": 10}, 409),
        ({"target_soc_percent": 120}, 400),
        ({"target_soc_percent": "full"}, 400),
        ({"departures": [{"weekday": 9, "leaves_at": "06:45"}]}, 400),
        ({"departures": [{"weekday": 0, "leaves_at": "06:45"}] * 2}, 400),
        ({"departures": [{"weekday": 0, "leaves_at": "25:00"}]}, 400),
        ({"departures": None}, 400),
    ],
)
def test_impossible_wishes_are_refused(timed_car: Vehicle, change: dict[str, Any], status: int) -> None:
    answer = signed_in(timed_car.owner).put(path_of(timed_car, "preference"), WISHES | change, format="json")

    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert list(answer.json()["errors"]) == list(change)
    assert ChargePreference.objects.get().version == 1


def test_offered_car_has_no_wishes_yet(alice: User, now: datetime) -> None:
    car = make.vehicle(make.link(alice), now=now, state=Vehicle.State.OFFERED)

    assert signed_in(alice).get(path_of(car, "preference")).status_code == 409
    assert signed_in(alice).post(path_of(car, "charge-now")).status_code == 409


def test_owner_overrides_and_takes_it_back(timed_car: Vehicle) -> None:
    api = signed_in(timed_car.owner)

    given = api.post(path_of(timed_car, "charge-now"))
    assert (given.status_code, given.json()["kind"]) == (201, "charge_now")
    assert api.get(path_of(timed_car)).json()["override"]["id"] == given.json()["id"]
    taken = api.post(f"{API}/overrides/{given.json()['id']}/cancel/")
    assert taken.json()["cancelled_at"] is not None
    assert api.post(path_of(timed_car, "skip")).json()["kind"] == "skip"
    assert len(api.get(f"{API}/overrides/").json()["results"]) == 2


def test_owner_pauses_and_says_what_the_car_is(timed_car: Vehicle) -> None:
    api = signed_in(timed_car.owner)

    assert api.put(path_of(timed_car, "pause"), {"is_paused": True}, format="json").json()["is_paused"]
    specs = {"capacity_wh": 98_000, "max_charge_w": 9_600}
    assert api.put(path_of(timed_car, "specs"), specs, format="json").json()["capacity_wh"] == 98_000
    assert api.put(path_of(timed_car, "specs"), specs | {"capacity_wh": 1}, format="json").status_code == 409


def test_home_is_where_the_car_stands(timed_car: Vehicle, door: responses.RequestsMock) -> None:
    HomePlace.objects.all().delete()
    car = timed_car.external_id
    door.add("GET", f"{BASE}/ford/api/fordconnect/v3/vehicles/{car}", json=recording("ford", "vehicle"))
    door.add("GET", f"{BASE}/ford/partner/v1/vehicles/{car}/telemetry", json=recording("ford", "telemetry"))

    answer = signed_in(timed_car.owner).post(path_of(timed_car, "home-here"))

    assert (answer.status_code, answer.content) == (204, b"")
    assert HomePlace.objects.get().owner == timed_car.owner


def test_link_begins_in_the_owners_browser(alice: User) -> None:
    client = Client()
    client.force_login(alice)

    answer = client.post(f"{API}/links/begin/", {"maker": "ford"}, content_type="application/json")

    asked = parse_qs(urlsplit(answer.json()["url"]).query)
    assert answer.status_code == 201
    assert asked["redirect_uri"] == ["http://localhost:8000/cars/link/callback/ford/"]
    assert LinkAttempt.objects.get().owner == alice
    refused = client.post(f"{API}/links/begin/", {"maker": "trabant"}, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (409, "maker_not_offered")


def test_link_is_listed_chosen_from_and_revoked(alice: User, now: datetime, door: responses.RequestsMock) -> None:
    door.add("POST", f"{BASE}/ford/oauth2/revoke", json={})
    link = make.link(alice)
    car = make.vehicle(link, now=now, state=Vehicle.State.OFFERED, is_controlling=False)
    api = signed_in(alice)

    shown = api.get(f"{API}/links/").json()["results"]
    assert [(row["id"], row["state"], row["vehicles"]) for row in shown] == [
        (str(link.public_id), "active", [str(car.public_id)])
    ]
    path = f"{API}/links/{link.public_id}/"
    assert api.post(f"{path}choose/", {"vehicles": []}, format="json").status_code == 409
    chosen = api.post(f"{path}choose/", {"vehicles": [str(car.public_id)]}, format="json")
    assert [row["state"] for row in chosen.json()] == ["active"]
    assert api.post(f"{path}revoke/").json()["state"] == "revoked"


def test_car_says_what_it_can_and_cannot(timed_car: Vehicle) -> None:
    can = Capabilities(hold_ends="timed", refusals=("place_scope_missing", "no_discharge"))
    Vehicle.objects.update(capabilities=can.as_json())

    shown = signed_in(timed_car.owner).get(path_of(timed_car)).json()["abilities"]

    assert [(row["key"], row["is_possible"], row["needs_relink"]) for row in shown] == [
        ("read", True, False),
        ("hold", True, False),
        ("place_scope_missing", False, True),
        ("no_discharge", False, False),
    ]
    assert all(row["text"].endswith(".") for row in shown)


@pytest.mark.parametrize(
    ("change", "step", "words"),
    [
        ({}, "none", ""),
        ({"state": "needs_relink", "state_reason": "login_required"}, "relink", "sign in again"),
        ({"state": "leaving"}, "wait", "being unlinked"),
        ({"state": "revoked"}, "none", "unlinked"),
    ],
)
def test_link_says_how_it_fares(timed_car: Vehicle, change: dict[str, str], step: str, words: str) -> None:
    VehicleLink.objects.update(**change)

    health = signed_in(timed_car.owner).get(f"{API}/links/").json()["results"][0]["health"]

    assert (health["state"], health["next_step"]) == (change.get("state", "active"), step)
    assert words in health["reason"]
    assert health["since_at"] is not None
    assert health["last_reading_at"] is not None


def test_watched_car_is_taken_over_once_nobody_steers_it(timed_car: Vehicle) -> None:
    Vehicle.objects.update(is_controlling=False)
    answer = signed_in(timed_car.owner).post(path_of(timed_car, "control"))
    assert (answer.status_code, answer.json()["is_controlling"]) == (200, True)


STRANGERS = [
    ("get", "vehicles/{car}/"),
    ("get", "vehicles/{car}/preference/"),
    ("put", "vehicles/{car}/preference/"),
    ("put", "vehicles/{car}/pause/"),
    ("put", "vehicles/{car}/specs/"),
    ("post", "vehicles/{car}/charge-now/"),
    ("post", "vehicles/{car}/skip/"),
    ("post", "vehicles/{car}/home-here/"),
    ("post", "vehicles/{car}/control/"),
    ("get", "link-attempts/{attempt}/"),
    ("post", "link-attempts/{attempt}/complete/"),
    ("post", "overrides/{override}/cancel/"),
    ("get", "links/{link}/"),
    ("post", "links/{link}/choose/"),
    ("post", "links/{link}/revoke/"),
]


@pytest.mark.parametrize(("method", "path"), STRANGERS, ids=[f"{method} {path}" for method, path in STRANGERS])
def test_strangers_find_nothing_and_change_nothing(
    timed_car: Vehicle, charlie: User, now: datetime, method: str, path: str
) -> None:
    override = charge_now(vehicle=timed_car, now=now)
    attempt = keep_attempt(owner=timed_car.owner, maker="ford", session_key="hers", once=make_one_time())
    ids = {
        "car": timed_car.public_id,
        "override": override.public_id,
        "link": timed_car.link.public_id,
        "attempt": attempt.public_id,
    }

    answer = getattr(signed_in(charlie), method)(f"{API}/{path.format(**ids)}", WISHES, format="json")
    anonymous = getattr(APIClient(), method)(f"{API}/{path.format(**ids)}", WISHES, format="json")

    override.refresh_from_db()
    assert answer.status_code == 404
    assert anonymous.status_code in {401, 403}
    assert override.cancelled_at is None
    assert ChargePreference.objects.get().version == 1
    assert VehicleLink.objects.get().state == VehicleLink.State.ACTIVE


@pytest.mark.parametrize("name", ["vehicles", "overrides", "links"])
def test_strangers_lists_are_empty(timed_car: Vehicle, charlie: User, now: datetime, name: str) -> None:
    charge_now(vehicle=timed_car, now=now)

    assert signed_in(charlie).get(f"{API}/{name}/").json()["results"] == []
