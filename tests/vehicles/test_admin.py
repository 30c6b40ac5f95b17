"""The admin shows cars and links without their secrets, changes none of them, and can stop a maker."""

from contextlib import suppress
from typing import Any

import pytest
import responses
from django.test import Client

from accounts.models import User
from foundation import clock
from tests.factories import vehicles as make
from vehicles import gateway
from vehicles.automakers.errors import AutomakerError
from vehicles.flows import makers
from vehicles.flows.commands import release_expired_holds
from vehicles.models import Command, MakerSwitch, Vehicle, VehicleLink

PAGES = [
    "vehiclelink",
    "vehicle",
    "command",
    "chargereading",
    "plugsession",
    "chargepreference",
    "chargeoverride",
    "makerswitch",
    "callcount",
    "homecharger",
    "foreignsign",
    "chargelimit",
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


@pytest.mark.parametrize("page", PAGES)
def test_rows_are_for_reading(office: Client, page: str) -> None:
    assert office.get(f"/admin/vehicles/{page}/add/").status_code == 403


def test_secrets_are_not_shown(office: Client, timed_car: Vehicle) -> None:
    link = VehicleLink.objects.get()
    pages = [f"/admin/vehicles/vehiclelink/{link.pk}/change/", f"/admin/vehicles/vehicle/{timed_car.pk}/change/"]

    text = "".join(office.get(page).content.decode() for page in pages)

    for canary in ("access-one", "refresh-one", timed_car.vin, timed_car.external_id):
        assert canary not in text


TURN = "/admin/vehicles/makerswitch/turn/ford/"


def test_maker_is_stopped_after_being_asked_and_let_go_on(office: Client, timed_car: Vehicle) -> None:
    asked = office.get(TURN).content.decode()
    assert "<dt>Cars held or discharging now</dt><dd>1</dd>" in asked
    assert not MakerSwitch.objects.exists()

    office.post(TURN, {"to": "off", "reason": "recall"})
    assert MakerSwitch.objects.get().is_on is False
    release_expired_holds(now=timed_car.created_at)
    assert Command.objects.filter(kind=Command.Kind.RESUME).exists()

    office.post(TURN, {"to": "on", "reason": ""})
    assert MakerSwitch.objects.get().is_on is True


@pytest.mark.parametrize("posted", [{"to": "off", "reason": " "}, {"to": "on", "reason": "why"}, {}])
def test_maker_is_not_stopped_without_a_reason_or_by_an_old_page(office: Client, posted: dict[str, str]) -> None:
    office.post(TURN, posted)

    assert not MakerSwitch.objects.filter(is_on=False).exists()


def test_only_who_may_change_switches_stops_a_maker(office: Client, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_superuser=False)

    assert office.post(TURN, {"to": "off", "reason": "spite"}).status_code == 403
    assert office.post("/admin/vehicles/makerswitch/turn/daf/", {}).status_code in {403, 404}


def test_makers_are_shown_with_links_budgets_and_error_rates(
    office: Client, timed_car: Vehicle, door: responses.RequestsMock, django_assert_max_num_queries: Any
) -> None:
    MakerSwitch.objects.create(maker="ford", hourly_budget=8)
    for _ in range(4):
        with suppress(AutomakerError):
            gateway.call(timed_car, lambda maker, car: maker.read_state(car))
            VehicleLink.objects.update(quiet_until=None)
    with django_assert_max_num_queries(25):
        page = office.get("/admin/vehicles/makerswitch/").content.decode()

    ford = next(row for row in makers.board(now=clock.now()) if row.maker == "ford")
    assert (ford.links, ford.cars_commanded) == ({"active": 1}, 1)
    assert (ford.calls_hour, ford.failures_hour, ford.error_percent, ford.budget_percent) == (1, 1, 100.0, 12.5)
    assert "1 (100.0 %)" in page
