"""Linking: bound to one owner, one session, one use; nothing is lost by a refusal."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
import responses
import time_machine

from accounts.models import Notice, User
from foundation import clock
from foundation.fields import keyed_hash
from tests.factories import vehicles as make
from tests.vehicles.automakers.kits.base import recording
from tests.vehicles.automakers.kits.ford import CAR
from tests.vehicles.conftest import BASE
from tests.vehicles.scripted_maker import scripted_maker
from vehicles.automakers.registry import AUTOMAKERS
from vehicles.flows.cars import UnableToSaveCar, take_control
from vehicles.flows.links import (
    UnableToLink,
    begin_link,
    choose_vehicles,
    complete_link,
    refresh_idle_links,
    revoke_link,
)
from vehicles.models import ChargePreference, Command, LinkAttempt, MakerSwitch, Vehicle, VehicleLink

API, PARTNER = f"{BASE}/ford/api/fordconnect/v3", f"{BASE}/ford/partner/v1"
TOKEN_URL, REVOKE_URL = f"{BASE}/ford/oauth2/token", f"{BASE}/ford/oauth2/revoke"
REDIRECT = "https://us.test/cars/link/callback/ford/"
OTHER_CAR = "dfdd5800544ca750061800f671470817"
OTHER_VIN = "3FMTK4SX2RMG00002"


@pytest.fixture
def ford(door: responses.RequestsMock) -> responses.RequestsMock:
    """A Ford account with a timed V2G truck, a start/stop car and a petrol car that was not shared."""
    door.add("POST", TOKEN_URL, json=recording("ford", "token"))
    door.add("POST", REVOKE_URL, json={})
    door.add("GET", f"{API}/vehicles", json=recording("ford", "vehicles"))
    door.add("GET", f"{API}/vehicles/{CAR}/vin", json=recording("ford", "vin"))
    door.add("GET", f"{API}/vehicles/{OTHER_CAR}/vin", json={"status": "SUCCESS", "vin": OTHER_VIN})
    door.add("GET", f"{PARTNER}/vehicles/{CAR}/capabilities", json=recording("ford", "capabilities"))
    door.add("GET", f"{PARTNER}/vehicles/{OTHER_CAR}/capabilities", status=404)
    return door


def begin(owner: User, now: datetime, *, session_key: str = "session-one") -> str:
    url = begin_link(owner=owner, maker="ford", session_key=session_key, redirect_uri=REDIRECT, now=now)
    return parse_qs(urlsplit(url).query)["state"][0]


def complete(owner: User, now: datetime, params: Mapping[str, str], *, session_key: str = "session-one") -> VehicleLink:
    return complete_link(
        owner=owner, maker="ford", session_key=session_key, params=params, redirect_uri=REDIRECT, now=now
    )


def link(owner: User, now: datetime) -> VehicleLink:
    return complete(owner, now, {"state": begin(owner, now), "code": "the-code"})


def refused(call: Any, *args: Any, **kwargs: Any) -> UnableToLink:
    with pytest.raises(UnableToLink) as caught:
        call(*args, **kwargs)
    assert caught.value.reason.endswith(".")
    return caught.value


def choose(owner: User, now: datetime, *, external_id: str = CAR) -> Vehicle:
    found = link(owner, now)
    car = Vehicle.objects.get(link=found, external_id_hash=keyed_hash(f"ford:{external_id}"))
    return choose_vehicles(link=found, vehicle_ids=[car.public_id], now=now)[0]


def test_link_begins_with_a_one_time_state_that_ford_can_carry(alice: User, now: datetime) -> None:
    state = begin(alice, now)

    attempt = LinkAttempt.objects.get()
    assert len(state) == 16
    assert state not in (attempt.state_hash, attempt.session_hash)
    assert attempt.state_hash == keyed_hash(state)
    assert 43 <= len(attempt.code_verifier) <= 128
    assert begin(alice, now) != state


def test_completed_link_offers_the_shared_electric_cars(
    alice: User, now: datetime, ford: responses.RequestsMock
) -> None:
    found = link(alice, now)

    cars = {car.model: car for car in Vehicle.objects.filter(link=found)}
    truck, car = cars["F-150 Lightning"], cars["Mustang Mach-E"]
    assert {row.state for row in cars.values()} == {Vehicle.State.OFFERED}
    assert (truck.capacity_wh, truck.max_charge_w, truck.max_discharge_w) == (123_000, 11_300, 9600)
    assert truck.can.can_discharge
    assert not car.can.can_hold_until
    assert (truck.nickname, truck.vin) == ("Alice's Lightning", "1FT6W3L72RWG00001")
    assert found.access_token == "access-one"
    assert found.access_expires_at is not None
    assert timedelta(minutes=19) < found.access_expires_at - clock.wall() <= timedelta(minutes=20)


def test_secrets_lie_encrypted_in_the_database(alice: User, now: datetime, ford: responses.RequestsMock) -> None:
    from django.db import connection

    choose(alice, now)

    with connection.cursor() as cursor:
        dump = ""
        for table in ("vehiclelink", "vehicle", "linkattempt"):
            cursor.execute(f"SELECT * FROM vehicles_{table}")  # noqa: S608 - names from the line above
            dump += repr(cursor.fetchall())
    for canary in ("access-one", "refresh-two", "1FT6W3L72RWG00001", CAR):
        assert canary not in dump


def test_chosen_car_takes_part_with_default_wishes(alice: User, now: datetime, ford: responses.RequestsMock) -> None:
    car = choose(alice, now)

    preference = ChargePreference.objects.get(vehicle=car)
    assert (car.state, car.is_controlling, car.next_read_at) == (Vehicle.State.ACTIVE, True, now)
    assert [(row.weekday, f"{row.leaves_at_local:%H:%M}") for row in preference.departures.all()] == [
        (day, "07:30") for day in range(5)
    ]
    assert not preference.is_v2g_allowed


def test_choosing_again_changes_nothing(alice: User, now: datetime, ford: responses.RequestsMock) -> None:
    car = choose(alice, now)
    ChargePreference.objects.update(target_soc_percent=95)

    again = choose_vehicles(link=car.link, vehicle_ids=[car.public_id, car.public_id], now=now)

    assert again == [car]
    assert ChargePreference.objects.get().target_soc_percent == 95


def test_unknown_maker_is_refused(alice: User, now: datetime) -> None:
    refusal = refused(begin_link, owner=alice, maker="trabant", session_key="s", redirect_uri=REDIRECT, now=now)

    assert refusal.reason_code == "maker_not_offered"


def test_switched_off_maker_is_refused(alice: User, now: datetime) -> None:
    MakerSwitch.objects.create(maker="ford", is_on=False)

    assert refused(begin, alice, now).reason_code == "maker_not_offered"


def test_browser_without_session_is_refused(alice: User, now: datetime) -> None:
    assert refused(begin, alice, now, session_key="").reason_code == "session_missing"


def test_unknown_state_is_refused(alice: User, now: datetime, ford: responses.RequestsMock) -> None:
    begin(alice, now)

    for params in ({"code": "the-code"}, {"state": "", "code": "the-code"}, {"state": "made-up", "code": "the-code"}):
        assert refused(complete, alice, now, params).reason_code == "link_state_unknown"
    assert len(ford.calls) == 0


def test_state_is_good_once(alice: User, now: datetime, ford: responses.RequestsMock) -> None:
    params = {"state": begin(alice, now), "code": "the-code"}
    complete(alice, now, params)

    assert refused(complete, alice, now, params).reason_code == "link_state_used"
    assert VehicleLink.objects.count() == 1


def test_state_of_another_session_is_refused_and_stays_good_for_its_own(
    alice: User, now: datetime, ford: responses.RequestsMock
) -> None:
    params = {"state": begin(alice, now), "code": "the-code"}

    refusal = refused(complete, alice, now, params, session_key="session-two")

    assert refusal.reason_code == "link_state_foreign"
    assert complete(alice, now, params).owner == alice


def test_state_of_another_owner_is_refused_and_stays_good_for_its_own(
    alice: User, charlie: User, now: datetime, ford: responses.RequestsMock
) -> None:
    params = {"state": begin(alice, now), "code": "the-code"}

    refusal = refused(complete, charlie, now, params)

    assert refusal.reason_code == "link_state_foreign"
    assert not VehicleLink.objects.exists()
    assert complete(alice, now, params).owner == alice


def test_late_return_is_refused(alice: User, now: datetime, ford: responses.RequestsMock) -> None:
    with time_machine.travel(now, tick=False) as traveller:
        params = {"state": begin(alice, now), "code": "the-code"}
        traveller.shift(timedelta(minutes=10, seconds=1))

        assert refused(complete, alice, now, params).reason_code == "link_expired"


def test_denied_consent_links_nothing(alice: User, now: datetime, ford: responses.RequestsMock) -> None:
    params = {"state": begin(alice, now), "error": "access_denied"}

    assert refused(complete, alice, now, params).reason_code == "link_denied"
    assert refused(complete, alice, now, params).reason_code == "link_state_used"
    assert not VehicleLink.objects.exists()


def test_missing_code_links_nothing(alice: User, now: datetime, ford: responses.RequestsMock) -> None:
    assert refused(complete, alice, now, {"state": begin(alice, now)}).reason_code == "link_code_missing"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"json": {"error": "invalid_grant"}, "status": 400}, "link_code_refused"),
        ({"json": {}, "status": 503}, "maker_unreachable"),
        ({"body": "nonsense"}, "maker_unreachable"),
    ],
)
def test_refused_or_unanswered_code_links_nothing(
    alice: User, now: datetime, ford: responses.RequestsMock, answer: dict[str, Any], code: str
) -> None:
    ford.replace("POST", TOKEN_URL, **answer)

    assert refused(link, alice, now).reason_code == code
    assert not VehicleLink.objects.exists()


def test_account_without_a_shared_car_links_nothing(alice: User, now: datetime, ford: responses.RequestsMock) -> None:
    body = recording("ford", "vehicles")
    for row in body["vehicles"]:
        row["vehicleAuthorizationIndicator"] = 0
    ford.replace("GET", f"{API}/vehicles", json=body)

    assert refused(link, alice, now).reason_code == "no_cars"
    assert not VehicleLink.objects.exists()
    assert ford.assert_call_count(REVOKE_URL, 2)


def test_linking_again_renews_the_same_link(alice: User, now: datetime, ford: responses.RequestsMock) -> None:
    car = choose(alice, now)
    VehicleLink.objects.update(state=VehicleLink.State.NEEDS_RELINK, state_reason="invalid_grant", access_token="")
    ChargePreference.objects.update(target_soc_percent=95)

    again = link(alice, now + timedelta(days=1))

    car.refresh_from_db()
    assert again.pk == car.link_id
    assert (again.state, again.access_token) == (VehicleLink.State.ACTIVE, "access-one")
    assert (car.state, car.next_read_at) == (Vehicle.State.ACTIVE, now + timedelta(days=1))
    assert car.preference.target_soc_percent == 95
    assert VehicleLink.objects.count() == 1
    assert Vehicle.objects.count() == 2


def test_car_of_another_owner_is_read_and_steered_by_the_first_alone(
    alice: User, bob: User, now: datetime, ford: responses.RequestsMock
) -> None:
    hers = choose(alice, now)

    his = choose(bob, now)

    hers.refresh_from_db()
    assert (hers.state, hers.is_controlling) == (Vehicle.State.ACTIVE, True)
    assert (his.state, his.is_controlling, his.next_read_at) == (Vehicle.State.ACTIVE, False, now)
    with pytest.raises(UnableToSaveCar) as refusal:
        take_control(vehicle=his, now=now)
    assert refusal.value.reason_code == "vin_controlled_elsewhere"

    revoke_link(link=hers.link, now=now)

    assert take_control(vehicle=his, now=now).is_controlling
    assert take_control(vehicle=his, now=now).is_controlling


def test_offered_car_cannot_be_steered(alice: User, now: datetime) -> None:
    car = make.vehicle(make.link(alice), now=now, state=Vehicle.State.OFFERED, is_controlling=False)
    with pytest.raises(UnableToSaveCar):
        take_control(vehicle=car, now=now)


def test_car_through_a_second_account_of_the_same_owner_is_refused(
    alice: User, now: datetime, ford: responses.RequestsMock
) -> None:
    hers = choose(alice, now)
    second = make.link(alice)
    twin = make.vehicle(second, now=now, vin=hers.vin, state=Vehicle.State.OFFERED, is_controlling=False)

    refusal = refused(choose_vehicles, link=second, vehicle_ids=[twin.public_id], now=now)

    assert refusal.reason_code == "vehicle_already_linked"


def test_sold_car_goes_to_the_owner_whose_link_works(
    alice: User, bob: User, now: datetime, ford: responses.RequestsMock
) -> None:
    hers = choose(alice, now)
    VehicleLink.objects.update(state=VehicleLink.State.NEEDS_RELINK)

    his = choose(bob, now)

    hers.refresh_from_db()
    assert (hers.state, hers.is_controlling) == (Vehicle.State.UNLINKED, False)
    assert (his.state, his.is_controlling) == (Vehicle.State.ACTIVE, True)
    assert [notice.user for notice in Notice.objects.filter(kind="car_left")] == [alice]


def test_car_without_vin_is_refused(alice: User, now: datetime, ford: responses.RequestsMock) -> None:
    ford.replace("GET", f"{API}/vehicles/{CAR}/vin", json={"vin": "?"})

    assert refused(choose, alice, now).reason_code == "vin_unknown"


def test_car_of_another_link_is_refused(
    alice: User, charlie: User, now: datetime, ford: responses.RequestsMock
) -> None:
    hers = choose(alice, now)
    his = make.link(charlie)

    for wanted in ([hers.public_id], [uuid4()]):
        refusal = refused(choose_vehicles, link=his, vehicle_ids=wanted, now=now)
        assert refusal.reason_code == "vehicle_unknown"


@pytest.mark.parametrize("wanted", [[], ()])
def test_choosing_no_car_is_refused(alice: User, wanted: list[UUID], now: datetime) -> None:
    refusal = refused(choose_vehicles, link=make.link(alice), vehicle_ids=wanted, now=now)

    assert refusal.reason_code == "no_cars_chosen"


def test_choosing_on_a_dead_link_is_refused(alice: User, now: datetime) -> None:
    dead = make.link(alice, state=VehicleLink.State.REVOKED)

    assert refused(choose_vehicles, link=dead, vehicle_ids=[uuid4()], now=now).reason_code == "link_not_active"


def test_unlinking_gives_the_grant_back_and_keeps_history(
    alice: User, now: datetime, ford: responses.RequestsMock
) -> None:
    car = choose(alice, now)
    make.reading(car, at=now)

    gone = revoke_link(link=car.link, now=now)

    car.refresh_from_db()
    assert (gone.state, gone.access_token, gone.refresh_token) == (VehicleLink.State.REVOKED, "", "")
    assert (car.state, car.is_controlling, car.next_read_at) == (Vehicle.State.UNLINKED, False, None)
    assert car.readings.count() == 1
    given_back = [parse_qs(str(call.request.body))["token"] for call in ford.calls if call.request.url == REVOKE_URL]
    assert given_back == [["refresh-two"], ["access-one"]]
    assert revoke_link(link=gone, now=now).state == VehicleLink.State.REVOKED


def test_unlinking_works_while_the_maker_is_down(alice: User, now: datetime, ford: responses.RequestsMock) -> None:
    car = choose(alice, now)
    ford.replace("POST", REVOKE_URL, status=503)

    gone = revoke_link(link=car.link, now=now)

    assert (gone.state, gone.refresh_token) == (VehicleLink.State.REVOKED, "")


def test_unlinking_releases_a_held_car_first(alice: User, now: datetime, ford: responses.RequestsMock) -> None:
    car = make.ready_car(alice, now=now, can=make.START_STOP)
    make.command(car, now=now)

    leaving = revoke_link(link=car.link, now=now)

    resume = Command.objects.get(kind=Command.Kind.RESUME)
    assert leaving.state == VehicleLink.State.LEAVING
    assert leaving.access_token == "access-one"
    assert resume.state == Command.State.DUE
    assert refresh_idle_links(now=now, limit=10) == 0
    Command.objects.filter(pk=resume.pk).update(state=Command.State.CONFIRMED)
    assert refresh_idle_links(now=now, limit=10) == 1
    leaving.refresh_from_db()
    assert leaving.state == VehicleLink.State.REVOKED


def test_car_unlinked_and_linked_again_is_offered_with_its_history(
    alice: User, now: datetime, ford: responses.RequestsMock
) -> None:
    car = choose(alice, now)
    make.reading(car, at=now)
    revoke_link(link=car.link, now=now)

    again = choose(alice, now + timedelta(days=1))

    assert again.pk == car.pk
    assert again.link_id != car.link_id
    assert (again.state, again.is_controlling) == (Vehicle.State.ACTIVE, True)
    assert again.readings.count() == 1


def test_idle_grants_are_renewed_before_they_lapse(
    alice: User, at_now: time_machine.Traveller, now: datetime, ford: responses.RequestsMock
) -> None:
    wall = clock.wall()
    fresh = make.link(alice)
    idle = make.link(alice, refreshed_at=wall - timedelta(days=15))
    lapsing = make.link(alice, refreshed_at=wall - timedelta(days=2), refresh_expires_at=wall + timedelta(days=3))

    assert refresh_idle_links(now=now, limit=10) == 2
    assert refresh_idle_links(now=now, limit=10) == 0
    assert VehicleLink.objects.get(pk=fresh.pk).access_token == "access-one"
    for row in (idle, lapsing):
        row.refresh_from_db()
        assert (row.refresh_token, row.refreshed_at) == ("refresh-two", wall)


@pytest.fixture
def scripted(settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A maker whose every word is scripted."""
    return scripted_maker(settings, monkeypatch)


@pytest.mark.parametrize(
    ("idle_days", "idle_since", "renewals"), [(14, 6, 0), (14, 8, 1), (90, 13, 0), (90, 15, 1), (0, 400, 0)]
)
def test_makers_patience_decides_when_an_idle_grant_is_renewed(
    alice: User, scripted: dict[str, Any], idle_days: int, idle_since: int, renewals: int
) -> None:
    AUTOMAKERS["scripted"].idle_days = idle_days  # type: ignore[misc]  # a class of this test alone
    wall = clock.wall()
    idle = {"refreshed_at": wall - timedelta(days=idle_since), "refresh_expires_at": None}
    make.link(alice, maker="scripted", **idle)

    assert refresh_idle_links(now=wall, limit=10) == renewals
    assert len(scripted.get("refreshed", [])) == renewals


def test_patience_is_as_the_makers_publish_it() -> None:
    assert {slug: maker.idle_days for slug, maker in AUTOMAKERS.items() if maker.idle_days != 90} == {
        "bmw": 14,
        "smartcar": 0,
    }


def test_one_broken_grant_keeps_no_other_from_being_renewed(
    alice: User, at_now: time_machine.Traveller, now: datetime, ford: responses.RequestsMock
) -> None:
    wall = clock.wall()
    make.link(alice, refreshed_at=wall - timedelta(days=16), refresh_token="")
    idle = make.link(alice, refreshed_at=wall - timedelta(days=15))

    assert refresh_idle_links(now=now, limit=10) == 2
    idle.refresh_from_db()
    assert idle.refreshed_at == wall
