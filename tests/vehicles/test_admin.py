"""The admin shows cars and links without their secrets, changes none of them, and can stop a maker."""

import pytest
from django.test import Client

from accounts.models import User
from tests.factories import vehicles as make
from vehicles.models import MakerSwitch, Vehicle, VehicleLink

PAGES = [
    "vehiclelink",
    "vehicle",
    "command",
    "chargereading",
    "plugsession",
    "chargepreference",
    "chargeoverride",
    "makerswitch",
]


@pytest.fixture
def office(ada: User, timed_car: Vehicle) -> Client:
    make.command(timed_car, now=timed_car.created_at)
    client = Client()
    client.force_login(ada)
    return client


@pytest.mark.parametrize("page", PAGES)
def test_pages_open(office: Client, page: str) -> None:
    assert office.get(f"/admin/vehicles/{page}/").status_code == 200


@pytest.mark.parametrize("page", [name for name in PAGES if name != "makerswitch"])
def test_rows_are_for_reading(office: Client, page: str) -> None:
    assert office.get(f"/admin/vehicles/{page}/add/").status_code == 403


def test_secrets_are_not_shown(office: Client, timed_car: Vehicle) -> None:
    link = VehicleLink.objects.get()
    pages = [f"/admin/vehicles/vehiclelink/{link.pk}/change/", f"/admin/vehicles/vehicle/{timed_car.pk}/change/"]

    text = "".join(office.get(page).content.decode() for page in pages)

    for canary in ("access-one", "refresh-one", timed_car.vin, timed_car.external_id):
        assert canary not in text


def test_maker_is_switched_off_by_one_row(office: Client) -> None:
    answer = office.post("/admin/vehicles/makerswitch/add/", {"maker": "ford", "reason": "recall"})

    assert answer.status_code == 302
    assert MakerSwitch.objects.get().is_on is False
