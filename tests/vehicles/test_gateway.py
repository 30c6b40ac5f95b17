"""Tokens: refreshed by one at a time, stored before use, and never given up for an outage at the maker."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
import responses
import time_machine
from django.db import connection, connections, transaction

from accounts.models import Notice, User
from foundation import clock, leases
from foundation.models import Lease
from tests.factories import vehicles as make
from tests.vehicles.conftest import BASE
from tests.vehicles.maker_double import MakerDouble
from vehicles import gateway
from vehicles.automakers.base import Automaker, CarAccess
from vehicles.automakers.errors import AuthRevoked, NotSupported, RateLimited, TokenRejected, UpstreamDown
from vehicles.models import MakerSwitch, Vehicle, VehicleLink

TOKEN_URL = f"{BASE}/ford/oauth2/token"


def grant(number: int = 1) -> dict[str, Any]:
    return {"access_token": f"access-new-{number}", "refresh_token": f"refresh-new-{number}", "expires_in": 1200}


def token_used(_maker: Automaker, car: CarAccess) -> str:
    return car.access_token


def expire(link: VehicleLink) -> None:
    VehicleLink.objects.filter(pk=link.pk).update(access_expires_at=clock.wall() - timedelta(seconds=1))


def test_fresh_token_is_used_as_it_is(timed_car: Vehicle, door: responses.RequestsMock) -> None:
    assert gateway.call(timed_car, token_used) == "access-one"
    assert len(door.calls) == 0


def test_token_about_to_expire_is_refreshed_and_stored_before_use(
    timed_car: Vehicle, door: responses.RequestsMock
) -> None:
    door.add("POST", TOKEN_URL, json=grant())
    VehicleLink.objects.update(access_expires_at=clock.wall() + timedelta(seconds=59))

    def look(_maker: Automaker, car: CarAccess) -> tuple[str, str]:
        return car.access_token, VehicleLink.objects.get().refresh_token

    assert gateway.call(timed_car, look) == ("access-new-1", "refresh-new-1")
    assert VehicleLink.objects.get().access_expires_at == clock.wall() + timedelta(seconds=1200)


def test_answer_without_a_new_refresh_token_keeps_the_old_one(timed_car: Vehicle, door: responses.RequestsMock) -> None:
    door.add("POST", TOKEN_URL, json={"access_token": "access-new-1", "expires_in": 1200})
    expire(timed_car.link)

    gateway.call(timed_car, token_used)

    assert VehicleLink.objects.get().refresh_token == "refresh-one"


def test_scope_taken_back_at_the_maker_is_kept_and_the_cars_are_asked_again(
    timed_car: Vehicle, door: responses.RequestsMock, now: datetime
) -> None:
    VehicleLink.objects.update(scopes=["read", "charge"], listed_at=now)
    for scope, listed_at in (("charge read", now), ("read", None), ("", None)):  # no scope told: as before
        door.add("POST", TOKEN_URL, json=grant() | ({"scope": scope} if scope else {}))
        expire(timed_car.link)
        gateway.call(timed_car, token_used)
        assert VehicleLink.objects.get().listed_at == listed_at

    assert VehicleLink.objects.get().scopes == ["read"]


def test_rejected_token_is_refreshed_once_and_the_operation_repeated(
    timed_car: Vehicle, door: responses.RequestsMock
) -> None:
    door.add("POST", TOKEN_URL, json=grant())
    used: list[str] = []

    def reject_first(_maker: Automaker, car: CarAccess) -> str:
        used.append(car.access_token)
        if len(used) == 1:
            raise TokenRejected
        return "done"

    assert gateway.call(timed_car, reject_first) == "done"
    assert used == ["access-one", "access-new-1"]


def test_fresh_token_rejected_too_blames_the_maker(timed_car: Vehicle, door: responses.RequestsMock) -> None:
    door.add("POST", TOKEN_URL, json=grant())

    def reject(_maker: Automaker, _car: CarAccess) -> None:
        raise TokenRejected

    with pytest.raises(UpstreamDown):
        gateway.call(timed_car, reject)
    assert len(door.calls) == 1
    assert VehicleLink.objects.get().state == VehicleLink.State.ACTIVE


@pytest.mark.django_db(transaction=True)
def test_twenty_callers_lead_to_one_refresh(alice: User, maker: MakerDouble, now: datetime) -> None:
    maker.refresh_seconds = 0.3
    car = make.vehicle(make.link(alice), now=now)
    expire(car.link)
    start = threading.Barrier(20)

    def ask(_number: int) -> str:
        start.wait(60)
        try:
            return gateway.call(Vehicle.objects.get(pk=car.pk), token_used)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as threads:
        tokens = set(threads.map(ask, range(20)))

    assert tokens == {"access-new-1"}
    assert maker.counts["token"] == 1
    assert VehicleLink.objects.get().refresh_token == "refresh-new-1"


@pytest.mark.django_db(transaction=True)
def test_twenty_callers_whose_token_was_rejected_lead_to_one_refresh(
    alice: User, maker: MakerDouble, now: datetime
) -> None:
    car = make.vehicle(make.link(alice), now=now)
    start = threading.Barrier(20)

    def ask(_number: int) -> str:
        start.wait(60)
        try:
            return gateway.access_token(VehicleLink.objects.get(pk=car.link_id), rejected="access-one")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as threads:
        tokens = set(threads.map(ask, range(20)))

    assert tokens == {"access-new-1"}
    assert maker.counts["token"] == 1


def test_lease_of_a_dead_refresher_is_taken_over(timed_car: Vehicle, door: responses.RequestsMock) -> None:
    door.add("POST", TOKEN_URL, json=grant())
    expire(timed_car.link)
    name = f"refresh:{timed_car.link_id}"
    assert leases.acquire(name, seconds=60)
    Lease.objects.filter(name=name).update(expires_at=clock.wall())

    assert gateway.call(timed_car, token_used) == "access-new-1"


@pytest.mark.django_db(transaction=True)
def test_maker_is_never_called_inside_a_transaction(alice: User, now: datetime) -> None:
    car = make.vehicle(make.link(alice), now=now)

    with transaction.atomic(), pytest.raises(RuntimeError):
        gateway.call(car, token_used)
    assert not connection.in_atomic_block


def test_grant_refused_once_gets_a_second_look(timed_car: Vehicle, door: responses.RequestsMock) -> None:
    door.add("POST", TOKEN_URL, json={"error": "invalid_grant"}, status=400)
    expire(timed_car.link)

    with pytest.raises(AuthRevoked):
        gateway.call(timed_car, token_used)
    with pytest.raises(RateLimited):
        gateway.call(timed_car, token_used)

    assert len(door.calls) == 1
    assert VehicleLink.objects.get().state == VehicleLink.State.ACTIVE
    assert not Notice.objects.exists()


def test_grant_refused_twice_needs_relinking_and_the_owner_is_told_once(
    timed_car: Vehicle, door: responses.RequestsMock, at_now: time_machine.Traveller
) -> None:
    door.add("POST", TOKEN_URL, json={"error": "invalid_grant"}, status=400)
    expire(timed_car.link)

    for _ in range(4):
        with pytest.raises(AuthRevoked):
            gateway.call(timed_car, token_used)
        at_now.shift(timedelta(seconds=21))

    link = VehicleLink.objects.get()
    assert (link.state, link.state_reason) == (VehicleLink.State.NEEDS_RELINK, "invalid_grant")
    assert len(door.calls) == 2
    assert [notice.kind for notice in Notice.objects.all()] == ["link_needs_relink"]


def test_grant_refused_once_and_then_taken_is_fine(
    timed_car: Vehicle, door: responses.RequestsMock, at_now: time_machine.Traveller
) -> None:
    door.add("POST", TOKEN_URL, json={"error": "invalid_grant"}, status=400)
    door.add("POST", TOKEN_URL, json=grant())
    expire(timed_car.link)

    with pytest.raises(AuthRevoked):
        gateway.call(timed_car, token_used)
    at_now.shift(timedelta(seconds=21))

    assert gateway.call(timed_car, token_used) == "access-new-1"
    assert VehicleLink.objects.get().auth_failed_at is None


def test_burst_of_refused_grants_is_an_outage(
    alice: User, now: datetime, door: responses.RequestsMock, at_now: time_machine.Traveller
) -> None:
    door.add("POST", TOKEN_URL, json={"error": "invalid_grant"}, status=400)
    cars = [make.vehicle(make.link(alice), now=now) for _ in range(8)]
    for car in cars:
        expire(car.link)

    for _ in range(6):
        for car in cars:
            with pytest.raises((AuthRevoked, RateLimited)):
                gateway.call(car, token_used)
        at_now.shift(timedelta(minutes=6))

    assert set(VehicleLink.objects.values_list("state", flat=True)) == {VehicleLink.State.ACTIVE}
    assert not Notice.objects.exists()
    assert MakerSwitch.objects.get().quiet_until is not None


def test_links_come_back_by_themselves_after_an_outage(
    alice: User, now: datetime, door: responses.RequestsMock, at_now: time_machine.Traveller
) -> None:
    cars = [make.vehicle(make.link(alice), now=now) for _ in range(6)]
    door.add("POST", TOKEN_URL, json={"error": "invalid_grant"}, status=400)
    for car in cars:
        expire(car.link)
        with pytest.raises((AuthRevoked, RateLimited)):
            gateway.call(car, token_used)
    door.replace("POST", TOKEN_URL, json=grant())
    at_now.shift(timedelta(minutes=6))

    assert {gateway.call(car, token_used) for car in cars} == {"access-new-1"}


def test_asked_to_wait_the_link_waits(timed_car: Vehicle, at_now: time_machine.Traveller) -> None:
    calls = []

    def limited(_maker: Automaker, _car: CarAccess) -> None:
        calls.append(1)
        raise RateLimited(retry_at=clock.wall() + timedelta(seconds=90))

    for _ in range(3):
        with pytest.raises(RateLimited):
            gateway.call(timed_car, limited)
    at_now.shift(timedelta(seconds=91))
    with pytest.raises(RateLimited):
        gateway.call(timed_car, limited)

    assert len(calls) == 2


def test_limit_of_the_whole_application_quiets_every_link(alice: User, timed_car: Vehicle, now: datetime) -> None:
    other = make.vehicle(make.link(alice), now=now)

    def limited(_maker: Automaker, _car: CarAccess) -> None:
        raise RateLimited(scope="app", retry_at=clock.wall() + timedelta(seconds=90))

    with pytest.raises(RateLimited):
        gateway.call(timed_car, limited)
    with pytest.raises(RateLimited):
        gateway.call(other, token_used)


def test_maker_down_for_half_an_hour_is_asked_at_most_six_times_a_car(
    timed_car: Vehicle, at_now: time_machine.Traveller
) -> None:
    calls = []

    def down(_maker: Automaker, _car: CarAccess) -> None:
        calls.append(1)
        raise UpstreamDown

    for _ in range(30 * 12):
        with pytest.raises((UpstreamDown, RateLimited)):
            gateway.call(timed_car, down)
        at_now.shift(timedelta(seconds=5))

    assert 3 <= len(calls) <= 6


def test_success_ends_the_quiet_time(timed_car: Vehicle, at_now: time_machine.Traveller) -> None:
    VehicleLink.objects.update(failures=4, quiet_until=clock.wall() - timedelta(seconds=1))

    gateway.call(timed_car, token_used)

    assert VehicleLink.objects.get().failures == 0


def test_switched_off_maker_is_called_for_releases_alone(timed_car: Vehicle) -> None:
    MakerSwitch.objects.create(maker="ford", is_on=False)

    with pytest.raises(UpstreamDown, match="maker_off"):
        gateway.call(timed_car, token_used)

    assert gateway.call(timed_car, token_used, is_urgent=True) == "access-one"
    assert gateway.offered_makers() == []


@pytest.mark.parametrize("state", [VehicleLink.State.NEEDS_RELINK, VehicleLink.State.REVOKED])
def test_dead_link_is_never_used(timed_car: Vehicle, state: str) -> None:
    VehicleLink.objects.update(state=state)

    for is_urgent in (False, True):
        with pytest.raises(AuthRevoked):
            gateway.call(timed_car, token_used, is_urgent=is_urgent)


def test_maker_without_credentials_is_not_offered(settings: Any, db: None) -> None:
    settings.AUTOMAKERS = {"ford": {**settings.AUTOMAKERS["ford"], "client_id": ""}}

    assert gateway.offered_makers() == []
    with pytest.raises(NotSupported):
        gateway.adapter("ford")
    with pytest.raises(NotSupported):
        gateway.adapter("trabant")
