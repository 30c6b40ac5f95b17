"""Bills, wall boxes and foreign schedules on the car's page and by API; strangers find nothing."""

from datetime import datetime

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from tests.factories import vehicles as make
from vehicles import meter
from vehicles.automakers.base import Capabilities, HoldEnds, VehicleRef
from vehicles.flows.cars import FoundCar
from vehicles.flows.chargers import assign_charger, offer_chargers
from vehicles.meter import Caller, Use
from vehicles.models import ForeignSign, HomeCharger, Vehicle

API = "/api/v1"
BOX = Capabilities(can_start_stop=True, hold_ends=HoldEnds.TIMED, max_discharge_w=7_400)


@pytest.fixture
def box(alice: User, now: datetime) -> HomeCharger:
    link = make.link(alice, maker="homebox")
    ref = VehicleRef(external_id="box-one", make="Volt", model="Wall 7", is_charger=True)
    return offer_chargers(link=link, found=[FoundCar(ref, BOX)], now=now)[0]


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def app(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_bill_and_foreign_schedule_are_on_the_cars_page(stop_car: Vehicle, now: datetime) -> None:
    for _ in range(3):
        meter.spend(Caller(stop_car.link, can=stop_car.own, car=stop_car.pk), Use.WAKE, now=now)
    ForeignSign.objects.create(vehicle=stop_car, kind="stopped", seen_at=now, last_seen_at=now, readings=2)

    client = browser(stop_car.owner)
    page = client.get(f"/cars/{stop_car.public_id}/").content.decode()
    record = client.get(f"/cars/{stop_car.public_id}/record/").content.decode()

    assert "it stopped charging at 5:05" in page
    assert "0.04" in record  # kWh: three wakes
    assert "November 2026" in record
    assert "Giving energy back needs a bidirectional wall box" in page


def test_owner_says_which_car_a_box_serves(stop_car: Vehicle, box: HomeCharger) -> None:
    client, path = browser(stop_car.owner), f"/cars/{stop_car.public_id}/charger/"
    assert "Volt Wall 7 serves this car" in client.get(f"/cars/{stop_car.public_id}/").content.decode()

    client.post(path, {"charger": str(box.public_id), "serves": "yes"})
    box.refresh_from_db()
    assert box.serves == stop_car
    client.post(path, {"charger": str(box.public_id), "serves": "no"})
    freed = HomeCharger.objects.get(pk=box.pk)
    assert freed.serves is None
    assert freed.state == HomeCharger.State.OFFERED


def test_stranger_neither_sees_nor_assigns_a_box(stop_car: Vehicle, box: HomeCharger, charlie: User) -> None:
    own = make.ready_car(charlie, now=stop_car.created_at)
    posted = {"charger": str(box.public_id), "serves": "yes"}

    assert browser(charlie).post(f"/cars/{own.public_id}/charger/", posted).status_code == 404
    assert browser(charlie).post(f"/cars/{stop_car.public_id}/charger/", posted).status_code == 404
    assert app(charlie).get(f"{API}/chargers/").json()["results"] == []
    assert (
        app(charlie).put(f"{API}/chargers/{box.public_id}/serves/", {"vehicle": None}, format="json").status_code == 404
    )
    for action in ("bill", "steering"):
        assert app(charlie).get(f"{API}/vehicles/{stop_car.public_id}/{action}/").status_code == 404
    box.refresh_from_db()
    assert box.serves is None


def test_app_assigns_a_box_and_reads_bill_and_steering(stop_car: Vehicle, box: HomeCharger, now: datetime) -> None:
    client = app(stop_car.owner)
    path = f"{API}/chargers/{box.public_id}/serves/"
    answer = client.put(path, {"vehicle": str(stop_car.public_id)}, format="json")
    ForeignSign.objects.create(vehicle=stop_car, kind="waited", seen_at=now, last_seen_at=now, readings=2)

    assert (answer.status_code, answer.json()["vehicle"], answer.json()["state"]) == (
        200,
        str(stop_car.public_id),
        "active",
    )
    steering = client.get(f"{API}/vehicles/{stop_car.public_id}/steering/").json()
    assert "it did not begin to charge when it was plugged in at 5:05\u202fPM" in steering["foreign_schedule"]
    assert len(steering["discharge_missing"]) == 2  # the car, and its maker's word
    months = client.get(f"{API}/vehicles/{stop_car.public_id}/bill/").json()
    assert [month["reads"] for month in months] == [0, 0, 0]
    assert "box-one" not in str(client.get(f"{API}/chargers/").json())


def test_app_is_told_why_a_car_cannot_be_served(stop_car: Vehicle, box: HomeCharger, now: datetime) -> None:
    assign_charger(charger=box, vehicle=stop_car, now=now)
    ref = VehicleRef(external_id="box-two", make="Volt", model="Wall 7", is_charger=True)
    second = offer_chargers(link=box.link, found=[FoundCar(ref, BOX)], now=now)[0]

    path = f"{API}/chargers/{second.public_id}/serves/"
    answer = app(stop_car.owner).put(path, {"vehicle": str(stop_car.public_id)}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (409, "car_has_a_charger")
