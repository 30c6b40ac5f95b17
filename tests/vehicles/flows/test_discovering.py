"""Cars that come, go, are sold or called otherwise: each stays itself, with its history, under one owner's hand."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import Notice, User
from foundation.fields import keyed_hash
from tests.factories import vehicles as make
from tests.vehicles.scripted_maker import VIN, ref, scripted_maker
from vehicles.automakers.base import Capabilities, HoldEnds
from vehicles.automakers.errors import UpstreamDown
from vehicles.flows.discovering import list_due_accounts
from vehicles.models import ChargeReading, Vehicle, VehicleLink

OTHER_VIN = "WBA00000000654321"
DAY = timedelta(days=1)


@pytest.fixture
def script(settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A maker whose account holds what `cars` says."""
    return scripted_maker(settings, monkeypatch)


@pytest.fixture
def car(alice: User, at_now: Any, now: datetime, script: dict[str, Any]) -> Vehicle:
    """Alice's car in an account that was listed yesterday."""
    link = make.link(alice, maker="scripted", listed_at=now - DAY)
    return make.ready_car(alice, now=now, of=link, external_id="car-one", vin=VIN)


def look(now: datetime) -> int:
    return list_due_accounts(now=now, limit=10)


def test_car_that_appears_later_is_offered_and_told_once(car: Vehicle, now: datetime, script: dict[str, Any]) -> None:
    script["cars"] = [ref("car-one"), ref("car-two", OTHER_VIN)]

    assert [look(now), look(now), look(now + DAY)] == [1, 0, 0]

    fresh = Vehicle.objects.get(external_id_hash=keyed_hash("scripted:car-two"))
    assert fresh.state == Vehicle.State.OFFERED
    assert [notice.kind for notice in Notice.objects.all()] == ["car_found"]
    assert script["listed"] == 2  # once a day


def test_account_that_was_never_listed_comes_first(
    alice: User, car: Vehicle, now: datetime, script: dict[str, Any]
) -> None:
    new = make.link(alice, maker="scripted")
    script["cars"] = [ref("car-two", OTHER_VIN)]

    assert list_due_accounts(now=now, limit=1) == 1
    assert Vehicle.objects.get(vin_hash=keyed_hash(OTHER_VIN)).link == new


def test_looking_pulls_no_reading_forward(car: Vehicle, now: datetime, script: dict[str, Any]) -> None:
    Vehicle.objects.update(next_read_at=now + DAY, read_failure="car_asleep")
    look(now)
    car.refresh_from_db()
    assert (car.next_read_at, car.read_failure) == (now + DAY, "car_asleep")


def test_car_no_longer_listed_is_asked_before_it_counts_as_gone(
    car: Vehicle, now: datetime, script: dict[str, Any]
) -> None:
    Vehicle.objects.update(next_read_at=now + DAY)
    offered = make.vehicle(car.link, now=now, vin=OTHER_VIN, state=Vehicle.State.OFFERED, is_controlling=False)
    script["cars"] = []

    look(now)

    car.refresh_from_db()
    offered.refresh_from_db()
    assert (car.state, car.next_read_at) == (Vehicle.State.ACTIVE, now)
    assert offered.state == Vehicle.State.UNLINKED


def test_list_that_fails_is_tried_again_in_two_hours(car: Vehicle, now: datetime, script: dict[str, Any]) -> None:
    script["cars"] = UpstreamDown("HTTP 503")
    look(now)
    VehicleLink.objects.update(quiet_until=None)
    script["cars"] = [ref("car-two", OTHER_VIN)]

    assert look(now + timedelta(hours=1)) == 0
    assert look(now + timedelta(hours=2)) == 1


def test_number_that_stands_for_another_vin_is_another_car(car: Vehicle, now: datetime, script: dict[str, Any]) -> None:
    script["cars"] = [ref("car-one", OTHER_VIN)]

    assert look(now) == 1

    car.refresh_from_db()
    fresh = Vehicle.objects.exclude(pk=car.pk).get()
    assert (car.state, car.is_controlling, car.vin) == (Vehicle.State.UNLINKED, False, VIN)
    assert ChargeReading.objects.filter(vehicle=car).exists()
    assert (fresh.state, fresh.vin, fresh.external_id) == (Vehicle.State.OFFERED, OTHER_VIN, "car-one")
    assert not ChargeReading.objects.filter(vehicle=fresh).exists()
    assert sorted(notice.kind for notice in Notice.objects.all()) == ["car_found", "car_left"]
    assert look(now + DAY) == 0


def test_car_that_comes_back_under_another_number_is_itself(
    car: Vehicle, now: datetime, script: dict[str, Any]
) -> None:
    script["cars"] = [ref("car-nine", VIN)]

    assert look(now) == 0

    car.refresh_from_db()
    assert (car.state, car.external_id) == (Vehicle.State.ACTIVE, "car-nine")
    assert Vehicle.objects.count() == 1


def test_scope_that_was_withdrawn_shows_in_what_the_car_can_do(
    car: Vehicle, now: datetime, script: dict[str, Any]
) -> None:
    script["can"] = Capabilities(hold_ends=HoldEnds.NONE, refusals=("charging_scope_missing",))

    look(now)

    car.refresh_from_db()
    assert not car.can.can_hold
    assert car.can.refusals == ("charging_scope_missing",)


def test_several_accounts_and_cars_of_one_owner_live_side_by_side(
    alice: User, car: Vehicle, now: datetime, script: dict[str, Any]
) -> None:
    second = make.link(alice, maker="scripted", listed_at=now - DAY)
    script["cars"] = [ref("car-one", VIN), ref("car-two", OTHER_VIN)]

    look(now)

    assert Vehicle.objects.filter(link=car.link).count() == 2
    assert Vehicle.objects.filter(link=second).count() == 2
    assert list(Vehicle.objects.filter(is_controlling=True)) == [car]


def test_dead_links_are_left_alone(car: Vehicle, now: datetime, script: dict[str, Any]) -> None:
    for state in ("needs_relink", "leaving", "revoked"):
        VehicleLink.objects.update(state=state)
        assert look(now) == 0
    assert "listed" not in script
