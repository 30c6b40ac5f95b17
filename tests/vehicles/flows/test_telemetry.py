"""Reading: the newest by the car's own time counts, stays at the plug follow, places are dropped."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import responses
import time_machine
from django.db import connection

from accounts.flows.consents import revoke_consent
from accounts.models import Consent, Notice, User
from foundation import clock
from tests.factories import vehicles as make
from tests.vehicles.automakers.kits.base import recording
from tests.vehicles.conftest import BASE
from vehicles.automakers.base import Capabilities, ChargeState, Observed, Place, VehicleState
from vehicles.flows.places import UnableToSetHome, set_home_from_vehicle
from vehicles.flows.preferences import charge_now, open_override
from vehicles.flows.telemetry import ask_reading, latest_reading, read_due_vehicles, read_vehicle, record_state
from vehicles.models import ChargeReading, Command, HomePlace, PlugSession, Vehicle, VehicleLink

API, PARTNER = f"{BASE}/ford/api/fordconnect/v3", f"{BASE}/ford/partner/v1"
MINUTE = timedelta(minutes=1)
FAR = Place(30.35, -97.74)
HOME = Place(*make.AUSTIN)


def said(at: datetime, **values: Any) -> VehicleState:
    """A state in which every value was seen at `at`."""
    return VehicleState(**{name: Observed(value, at, at) for name, value in values.items()})


def plugged(at: datetime, soc: float = 61, **values: Any) -> VehicleState:
    known = {"soc_percent": soc, "is_plugged_in": True, "charge_state": ChargeState.CHARGING, "place": HOME}
    return said(at, **(known | values))


def away(at: datetime, soc: float = 50) -> VehicleState:
    return said(at, soc_percent=soc, is_plugged_in=False, charge_state=ChargeState.UNPLUGGED, place=FAR)


def car_of(owner: User, now: datetime, **fields: Any) -> Vehicle:
    """A car at home of which nothing has been read yet."""
    make.consents(owner, now=now)
    make.home_place(owner, now=now)
    return make.vehicle(make.link(owner), now=now, **fields)


def record(car: Vehicle, *states: VehicleState) -> list[ChargeReading | None]:
    return [record_state(vehicle=car, state=state, now=state.observed_at or clock.now()) for state in states]


def answer(door: responses.RequestsMock, car: Vehicle, **changes: Any) -> None:
    body = recording("ford", "vehicle")
    body["vehicle"].update(changes)
    door.add("GET", f"{API}/vehicles/{car.external_id}", json=body)
    door.add("GET", f"{PARTNER}/vehicles/{car.external_id}/telemetry", json=recording("ford", "telemetry"))


def test_reading_keeps_what_the_car_said(alice: User, now: datetime, door: responses.RequestsMock) -> None:
    car = car_of(alice, now)
    answer(door, car)

    with time_machine.travel(now, tick=False):
        reading = read_vehicle(vehicle=car, now=now)

    assert reading is not None
    assert reading.observed_at == datetime.fromisoformat("2026-11-18T23:01:30.123456Z")
    assert (reading.soc_percent, reading.limit_percent) == (Decimal("62.53"), Decimal(90))
    assert (reading.is_plugged_in, reading.is_at_home, reading.charge_state) == (True, True, "charging")
    assert (reading.power_w, reading.imported_wh, reading.exported_wh) == (11_300, 123_456, 789)
    assert reading.fetched_at == now


def test_older_reading_is_history_and_never_the_latest(alice: User, now: datetime) -> None:
    car = car_of(alice, now)

    found = record(car, plugged(now, soc=61), away(now - 10 * MINUTE, soc=80), plugged(now, soc=99))

    assert {reading.soc_percent for reading in found if reading} == {Decimal(61)}
    assert ChargeReading.objects.count() == 2
    stay = PlugSession.objects.get()
    assert (stay.plugged_in_at, stay.unplugged_at, stay.soc_percent) == (now, None, Decimal(61))


def test_state_without_any_time_is_no_reading(alice: User, now: datetime) -> None:
    car = car_of(alice, now)

    assert record_state(vehicle=car, state=VehicleState(), now=now) is None
    assert not ChargeReading.objects.exists()


@pytest.mark.parametrize(
    ("place", "is_at_home"),
    [
        pytest.param(Place(30.2673, -97.7431), True, id="eleven metres off"),
        pytest.param(Place(30.2672, -97.7412), True, id="183 metres off, down the street"),
        pytest.param(Place(30.2672, -97.7409), False, id="211 metres off"),
        pytest.param(FAR, False, id="across town"),
        pytest.param(Place(-30.2672, 82.2569), False, id="on the other side of the world"),
    ],
)
def test_home_is_told_by_distance(alice: User, now: datetime, place: Place, is_at_home: bool) -> None:  # noqa: FBT001
    car = car_of(alice, now)

    (reading,) = record(car, plugged(now, place=place))

    assert reading is not None
    assert reading.is_at_home is is_at_home


def test_without_a_home_nothing_is_at_home(alice: User, now: datetime) -> None:
    car = car_of(alice, now)
    HomePlace.objects.all().delete()

    (reading,) = record(car, plugged(now))

    assert reading is not None
    assert reading.is_at_home is None


def test_car_that_stays_at_its_plug_stays_at_home_without_a_new_place(alice: User, now: datetime) -> None:
    car = car_of(alice, now)

    readings = record(
        car,
        plugged(now),
        said(now + 5 * MINUTE, soc_percent=62.0, is_plugged_in=True, charge_state=ChargeState.CHARGING),
        said(now + 9 * MINUTE, soc_percent=62.0, is_plugged_in=False, charge_state=ChargeState.UNPLUGGED),
        said(now + 60 * MINUTE, soc_percent=55.0, is_plugged_in=True, charge_state=ChargeState.CHARGING),
    )

    assert [reading.is_at_home for reading in readings if reading] == [True, True, None, None]


def test_places_are_kept_nowhere(alice: User, now: datetime, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    car = car_of(alice, now)

    record(car, plugged(now), plugged(now + MINUTE, place=Place(31.337711, -96.224488)))

    with connection.cursor() as cursor:
        dump = caplog.text
        for table in connection.introspection.table_names(cursor):
            if table.startswith("vehicles_"):
                cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - names from the database itself
                dump += repr(cursor.fetchall())
    assert [canary for canary in ("30.2672", "97.7431", "31.3377", "96.2244") if canary in dump] == []


def test_stay_at_the_plug_freezes_charge_and_limit(alice: User, now: datetime) -> None:
    car = car_of(alice, now)

    record(
        car,
        away(now),
        plugged(now + 10 * MINUTE, soc=48.5, limit_percent=85.0),
        plugged(now + 20 * MINUTE, soc=50.5, limit_percent=95.0),
        away(now + 30 * MINUTE, soc=50.5),
    )

    stay = PlugSession.objects.get()
    assert (stay.plugged_in_at, stay.unplugged_at) == (now + 10 * MINUTE, now + 30 * MINUTE)
    assert (stay.soc_percent, stay.limit_percent, stay.is_at_home) == (Decimal("48.5"), Decimal(85), True)


def test_plug_in_found_late_starts_where_it_was_found(alice: User, now: datetime) -> None:
    car = car_of(alice, now)

    record(car, away(now, soc=40), plugged(now + 30 * MINUTE, soc=46))

    stay = PlugSession.objects.get()
    assert (stay.plugged_in_at, stay.soc_percent) == (now + 30 * MINUTE, Decimal(46))


def test_trip_between_two_readings_starts_a_new_stay(alice: User, now: datetime) -> None:
    car = car_of(alice, now)

    record(car, plugged(now, soc=80), plugged(now + 60 * MINUTE, soc=71))

    first, second = PlugSession.objects.order_by("plugged_in_at")
    assert (first.unplugged_at, second.soc_percent) == (now, Decimal(71))


def test_energy_given_back_is_no_trip(alice: User, now: datetime) -> None:
    car = car_of(alice, now)

    record(
        car,
        plugged(now, soc=80, exported_wh=0),
        plugged(now + 60 * MINUTE, soc=71, exported_wh=9000, charge_state=ChargeState.HOLDING),
        plugged(now + 90 * MINUTE, soc=66, charge_state=ChargeState.DISCHARGING),
    )

    assert PlugSession.objects.count() == 1


def test_limit_that_the_car_does_not_tell_is_learned(alice: User, now: datetime) -> None:
    car = car_of(alice, now)

    record(car, plugged(now, soc=40))
    assert PlugSession.objects.get().limit_percent == Decimal(80)
    record(car, plugged(now + MINUTE, soc=90, charge_state=ChargeState.COMPLETE), away(now + 2 * MINUTE))
    record(car, plugged(now + 3 * MINUTE, soc=50))
    assert PlugSession.objects.first().limit_percent == Decimal(90)  # type: ignore[union-attr]


def test_home_told_late_counts_for_the_stay(alice: User, now: datetime) -> None:
    car = car_of(alice, now)
    HomePlace.objects.all().delete()
    record(car, plugged(now))
    make.home_place(alice, now=now)

    record(car, plugged(now + MINUTE))

    assert PlugSession.objects.get().is_at_home


def test_charge_now_ends_with_the_stay(alice: User, now: datetime) -> None:
    car = car_of(alice, now)
    record(car, plugged(now))
    charge_now(vehicle=car, now=now + MINUTE)

    record(car, away(now + 5 * MINUTE))

    assert open_override(car, now + 6 * MINUTE) is None


def test_charge_now_pressed_on_the_way_home_waits_for_the_plug(alice: User, now: datetime) -> None:
    car = car_of(alice, now)
    record(car, away(now))
    charge_now(vehicle=car, now=now + MINUTE)

    record(car, away(now + 5 * MINUTE), plugged(now + 10 * MINUTE))

    assert open_override(car, now + 11 * MINUTE) is not None


@pytest.mark.parametrize(
    ("situation", "minutes"),
    [("commanded", 5), ("plugged at home", 15), ("plugged elsewhere", 30), ("driving", 30), ("slow maker", 45)],
)
def test_next_reading_comes_when_it_helps(
    alice: User, now: datetime, door: responses.RequestsMock, situation: str, minutes: int
) -> None:
    fields = {"can": make.TIMED}
    if situation == "slow maker":
        fields = {"can": Capabilities(min_poll_seconds=2700)}
    car = car_of(alice, now, **fields)
    changes: dict[str, Any] = {}
    if situation == "plugged elsewhere":
        changes = {"vehicleLocation": {"latitude": "31.1", "longitude": "-97.7431", "timestamp": "11-18-2026 23:01:02"}}
    answer(door, car, **changes)
    if situation == "driving":
        door.replace(
            "GET",
            f"{PARTNER}/vehicles/{car.external_id}/telemetry",
            json=recording("ford", "telemetry") | {"pluggedIn": False, "state": "UNPLUGGED"},
        )
    if situation == "commanded":
        make.command(car, now=now)

    with time_machine.travel(now, tick=False):
        assert read_due_vehicles(now=now, limit=10) == 1
        assert read_due_vehicles(now=now, limit=10) == 0

    car.refresh_from_db()
    assert car.next_read_at == now + timedelta(minutes=minutes)
    assert car.lease_until is None


def test_asked_reading_is_never_put_off(alice: User, now: datetime) -> None:
    car = car_of(alice, now, next_read_at=now + 20 * MINUTE)

    for by, expected in ((now + 5 * MINUTE, 5), (now + 9 * MINUTE, 5), (now, 0)):
        ask_reading(vehicle=car, by=by)
        car.refresh_from_db()
        assert car.next_read_at == now + expected * MINUTE


@pytest.mark.parametrize("reason", ["consent", "offered", "unlinked", "needs relink", "leased", "quiet", "not due"])
def test_car_that_may_not_be_read_is_left_alone(
    alice: User, now: datetime, door: responses.RequestsMock, reason: str
) -> None:
    car = car_of(alice, now)
    match reason:
        case "consent":
            revoke_consent(user=alice, purpose=Consent.Purpose.DATA_USE, now=now)
        case "offered" | "unlinked":
            Vehicle.objects.update(state=reason)
        case "needs relink":
            VehicleLink.objects.update(state=VehicleLink.State.NEEDS_RELINK)
        case "leased":
            Vehicle.objects.update(lease_until=clock.wall() + MINUTE)
        case "quiet":
            VehicleLink.objects.update(quiet_until=clock.wall() + MINUTE)
        case "not due":
            Vehicle.objects.update(next_read_at=now + MINUTE)

    assert read_due_vehicles(now=now, limit=10) == 0
    assert latest_reading(car) is None
    assert len(door.calls) == 0


def test_owner_who_does_not_agree_is_not_read_even_when_asked_directly(
    alice: User, now: datetime, door: responses.RequestsMock
) -> None:
    car = car_of(alice, now)
    revoke_consent(user=alice, purpose=Consent.Purpose.DATA_USE, now=now)

    assert read_vehicle(vehicle=car, now=now) is None
    assert len(door.calls) == 0


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"status": 503}, ("maker_down", 15)),
        ({"status": 408}, ("car_asleep", 30)),
        ({"status": 403}, ("car_not_shared", 24 * 60)),
        ({"status": 429, "headers": {"Retry-After": "40"}}, ("maker_busy", 15)),
        ({"body": "<html>"}, ("maker_down", 15)),
    ],
)
def test_failed_reading_is_told_and_tried_later(
    alice: User, now: datetime, door: responses.RequestsMock, fault: dict[str, Any], told: tuple[str, int]
) -> None:
    car = car_of(alice, now)
    door.add("GET", f"{API}/vehicles/{car.external_id}", **fault)
    key, minutes = told

    assert read_due_vehicles(now=now, limit=10) == 1

    car.refresh_from_db()
    assert (car.read_failure, car.read_failures) == (key, 1)
    assert car.next_read_at == now + minutes * MINUTE
    assert car.lease_until is None
    assert car.state == Vehicle.State.ACTIVE


def test_one_failing_car_stops_no_other(alice: User, bob: User, now: datetime, door: responses.RequestsMock) -> None:
    broken, fine = car_of(alice, now), car_of(bob, now)
    Vehicle.objects.filter(pk=broken.pk).update(capabilities={"hold_ends": "timed", "min_poll_seconds": "soon"})
    for car in (broken, fine):
        answer(door, car)

    with time_machine.travel(now, tick=False):
        assert read_due_vehicles(now=now, limit=10) == 1

    assert latest_reading(fine) is not None
    broken.refresh_from_db()
    assert broken.next_read_at is not None
    assert broken.next_read_at > now


def test_coarse_state_counts_while_the_fine_one_is_away(
    alice: User, now: datetime, door: responses.RequestsMock
) -> None:
    car = car_of(alice, now)
    door.add("GET", f"{API}/vehicles/{car.external_id}", json=recording("ford", "vehicle"))
    door.add("GET", f"{PARTNER}/vehicles/{car.external_id}/telemetry", status=503)

    with time_machine.travel(now, tick=False):
        reading = read_vehicle(vehicle=car, now=now)

    assert reading is not None
    assert reading.soc_percent == Decimal("62.5")


def test_car_missing_from_the_account_is_taken_out_with_its_history(
    alice: User, now: datetime, door: responses.RequestsMock
) -> None:
    car = car_of(alice, now)
    make.reading(car, at=now - MINUTE)
    door.add("GET", f"{API}/vehicles/{car.external_id}", status=404)
    door.add("GET", f"{API}/vehicles", json={"vehicles": []})

    assert read_due_vehicles(now=now, limit=10) == 1

    car.refresh_from_db()
    assert (car.state, car.read_failure, car.readings.count()) == (Vehicle.State.UNLINKED, "car_gone", 1)
    assert [notice.kind for notice in Notice.objects.filter(user=alice)] == ["car_left"]


def test_single_wrong_404_unlinks_nothing(alice: User, now: datetime, door: responses.RequestsMock) -> None:
    car = car_of(alice, now)
    body = recording("ford", "vehicles")
    body["vehicles"] = [body["vehicles"][0] | {"vehicleId": car.external_id, "vehicleAuthorizationIndicator": 0}]
    door.add("GET", f"{API}/vehicles/{car.external_id}", status=404)
    door.add("GET", f"{API}/vehicles", json=body)

    read_due_vehicles(now=now, limit=10)

    car.refresh_from_db()
    assert car.state == Vehicle.State.ACTIVE


def test_home_is_set_from_the_car(alice: User, now: datetime, door: responses.RequestsMock) -> None:
    car = car_of(alice, now)
    HomePlace.objects.all().delete()
    answer(door, car)

    with time_machine.travel(now, tick=False):
        home = set_home_from_vehicle(vehicle=car, now=now)

    assert (home.latitude, home.longitude, home.radius_m) == ("30.2672", "-97.7431", 200)
    reading = latest_reading(car)
    assert reading is not None
    assert reading.is_at_home


@pytest.mark.parametrize(
    ("situation", "code"),
    [
        ("no consent", "no_consent"),
        ("unlinked", "vehicle_not_active"),
        ("no place", "place_unknown"),
        ("old place", "place_stale"),
        ("maker down", "maker_unreachable"),
    ],
)
def test_home_is_not_set_where_the_car_does_not_know(
    alice: User, now: datetime, door: responses.RequestsMock, situation: str, code: str
) -> None:
    car = car_of(alice, now, can=make.START_STOP)
    HomePlace.objects.all().delete()
    unplugged = {"value": False, "timestamp": "11-18-2026 23:01:02"}
    changes: dict[str, Any] = {}
    match situation:
        case "no consent":
            revoke_consent(user=alice, purpose=Consent.Purpose.DATA_USE, now=now)
        case "unlinked":
            Vehicle.objects.update(state=Vehicle.State.UNLINKED)
            car.refresh_from_db()
        case "no place":
            changes = {"vehicleLocation": {"latitude": "0", "longitude": "0.0", "timestamp": "11-18-2026 23:01:02"}}
        case "old place":
            old = {"latitude": "30.2672", "longitude": "-97.7431", "timestamp": "11-18-2026 20:00:00"}
            changes = {"vehicleLocation": old, "vehicleStatus": {"plugStatus": unplugged}}
    if situation == "maker down":
        door.add("GET", f"{API}/vehicles/{car.external_id}", status=503)
    else:
        answer(door, car, **changes)

    with time_machine.travel(now, tick=False), pytest.raises(UnableToSetHome) as caught:
        set_home_from_vehicle(vehicle=car, now=now)

    assert caught.value.reason_code == code
    assert not HomePlace.objects.exists()


def test_unplugging_ends_every_hold(alice: User, now: datetime) -> None:
    car = make.ready_car(alice, now=now, can=make.START_STOP)
    hold = make.command(car, now=now)

    record(car, away(now + MINUTE))

    hold.refresh_from_db()
    assert (hold.released_at, hold.state) == (now + MINUTE, Command.State.SUPERSEDED)
