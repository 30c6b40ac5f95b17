"""Wall boxes: offered, assigned, used while their car stands at them, and what V2G needs of everybody."""

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests
import responses
import time_machine

from accounts.models import User
from tests.factories import vehicles as make
from tests.vehicles.conftest import BASE
from tests.vehicles.maker_double import credentials
from vehicles.automakers.base import Capabilities, HoldEnds, Observed, VehicleRef, VehicleState
from vehicles.flows import chargers
from vehicles.flows.cars import FoundCar
from vehicles.flows.chargers import UnableToAssignCharger, assign_charger, offer_chargers
from vehicles.flows.commands import confirm_commands, release_expired_holds, request_command, send_due_commands
from vehicles.flows.preferences import save_preference
from vehicles.flows.telemetry import latest_reading, read_vehicle
from vehicles.models import CallCount, Command, HomeCharger, Vehicle

MINUTE = timedelta(minutes=1)
BOX = Capabilities(
    can_start_stop=True,
    hold_ends=HoldEnds.TIMED,
    max_discharge_w=7_400,
    is_metered=True,
    min_poll_seconds=60,
    worst_latency_seconds=300,
)
OPEN_CAR = replace(make.START_STOP, permits_discharge=True, refusals=("events_only", "place_scope_missing"))


class BoxDouble:
    """A wall box maker's cloud behind the HTTP door."""

    def __init__(self, door: responses.RequestsMock) -> None:
        self.is_connected = True
        self.soc: float | None = 61.0
        self.mode = "CHARGING"
        self.status = 200
        self.told: list[tuple[str, dict[str, Any]]] = []
        door.add_callback(responses.GET, re.compile(r"https://box\.test/boxes/[^/]+/state"), self._state)
        for method in (responses.PUT, responses.DELETE):
            door.add_callback(method, re.compile(r"https://box\.test/boxes/[^/]+/setpoint"), self._setpoint)

    def _state(self, _request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        from foundation import clock

        car = {"connected": self.is_connected, "socPercent": self.soc, "limitPercent": 90}
        body = {
            "mode": self.mode if self.is_connected else "NO_CAR",
            "observedAt": clock.now().isoformat(),
            "powerKw": 7.2 if self.mode == "CHARGING" else 0,
            "car": car,
            "meter": {"importedWh": 1_000, "exportedWh": 20},
        }
        return self.status, {}, json.dumps(body)

    def _setpoint(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        wanted = json.loads(request.body or b"{}")
        self.told.append((str(request.method), wanted))
        power = wanted.get("powerKw")
        self.mode = "CHARGING" if power is None else "DISCHARGING" if power < 0 else "HOLDING"
        return 202, {}, json.dumps({"commandId": "box-1"})


@pytest.fixture
def box(settings: Any, door: responses.RequestsMock) -> BoxDouble:
    settings.AUTOMAKERS = {
        "ford": credentials(BASE) | {"partner_api_base": ""},
        "homebox": {
            "authorize_url": "https://box.test/authorize",
            "token_url": "https://box.test/token",
            "revoke_url": "",
            "api_base": "https://box.test",
            "client_id": "client-one",
            "client_secret": "secret-one",
        },
    }
    return BoxDouble(door)


@pytest.fixture
def car(alice: User, at_now: time_machine.Traveller, now: datetime, door: responses.RequestsMock) -> Vehicle:
    """A start/stop F-150 whose maker lets a wall box take energy."""
    row = make.ready_car(alice, now=now, can=OPEN_CAR)
    answer = {
        "vehicle": {
            "vehicleDetails": {"batteryChargeLevel": {"value": 61, "timestamp": "11-18-2026 23:04:00"}},
            "vehicleStatus": {
                "chargingStatus": {"value": "ChargingAC", "timestamp": "11-18-2026 23:04:00"},
                "plugStatus": {"value": True, "timestamp": "11-18-2026 23:04:00"},
            },
            "vehicleLocation": {"latitude": "30.2672", "longitude": "-97.7431", "timestamp": "11-18-2026 23:04:00"},
        }
    }
    door.get(re.compile(re.escape(BASE) + "/ford/api/fordconnect/v3/vehicles/"), json=answer)
    return row


@pytest.fixture
def charger(alice: User, now: datetime) -> HomeCharger:
    link = make.link(alice, maker="homebox", scopes=["box.read", "box.control"])
    ref = VehicleRef(external_id="box-one", make="Volt", model="Wall 7", is_charger=True)
    return offer_chargers(link=link, found=[FoundCar(ref, BOX)], now=now)[0]


@pytest.fixture
def at_box(car: Vehicle, charger: HomeCharger, box: BoxDouble, now: datetime) -> Vehicle:
    """The car at the box that serves it, both just read."""
    assign_charger(charger=charger, vehicle=car, now=now)
    read(car, now)
    return car


def read(car: Vehicle, now: datetime) -> None:
    read_vehicle(vehicle=Vehicle.objects.select_related("link", "owner", "home_charger").get(pk=car.pk), now=now)
    car.refresh_from_db()


def test_box_is_offered_once_and_kept_secret(charger: HomeCharger, now: datetime) -> None:
    found = [FoundCar(VehicleRef(external_id="box-one", make="Volt", model="Wall 9", is_charger=True), BOX)]
    offer_chargers(link=charger.link, found=found, now=now)

    row = HomeCharger.objects.get()
    assert (row.name, row.state, row.serves) == ("Volt Wall 9", HomeCharger.State.OFFERED, None)
    raw = HomeCharger.objects.extra(select={"raw": "vehicles_homecharger.external_id"}).values_list("raw", flat=True)
    assert "box-one" not in str(raw[0])


def test_car_at_its_box_can_what_the_box_can(at_box: Vehicle, charger: HomeCharger) -> None:
    charger.refresh_from_db()
    assert charger.is_used
    assert at_box.can.can_discharge
    assert (at_box.max_discharge_w, at_box.can.is_metered, at_box.can.worst_latency_seconds) == (7_400, True, 300)
    assert at_box.can.refusals == ("place_scope_missing",)
    assert at_box.own == OPEN_CAR
    reading = latest_reading(at_box)
    assert reading is not None
    assert (reading.power_w, reading.imported_wh, reading.exported_wh) == (7_200, 1_000, 20)
    assert reading.soc_percent == 61


@pytest.mark.parametrize("way", ["another car", "silent"])
def test_car_that_is_not_at_the_box_can_what_it_can_by_itself(
    *, at_box: Vehicle, charger: HomeCharger, box: BoxDouble, now: datetime, way: str, at_now: time_machine.Traveller
) -> None:
    box.is_connected, box.status = way == "silent", 500 if way == "silent" else 200
    at_now.shift(40 * MINUTE)
    charger.link.__class__.objects.update(quiet_until=None)
    read(at_box, now + 40 * MINUTE)

    charger.refresh_from_db()
    assert not charger.is_used
    assert at_box.can == OPEN_CAR
    assert (at_box.max_discharge_w, at_box.own_capabilities) == (0, {})


def test_hold_discharge_and_release_go_through_the_box(
    at_box: Vehicle, box: BoxDouble, now: datetime, at_now: time_machine.Traveller
) -> None:
    save_preference(
        vehicle=at_box,
        target_soc_percent=80,
        minimum_soc_percent=20,
        reserve_soc_percent=30,
        is_v2g_allowed=True,
        departures={},
        now=now,
    )
    ends_at = now + 10 * MINUTE
    intent: dict[str, Any] = {"vehicle": at_box, "ends_at": ends_at, "departure_at": None, "now": now}
    request_command(key="one", kind=Command.Kind.HOLD, **intent)
    send_due_commands(now=now, limit=5)
    request_command(key="two", kind=Command.Kind.DISCHARGE, power_w=-5_000, floor_soc_percent=30, **intent)
    send_due_commands(now=now, limit=5)
    at_now.shift(MINUTE)
    read(at_box, now + MINUTE)
    confirm_commands(now=now + MINUTE, limit=5)
    request_command(**intent | {"key": "three", "kind": Command.Kind.RESUME, "ends_at": None, "now": now + MINUTE})
    send_due_commands(now=now + MINUTE, limit=5)
    at_now.shift(MINUTE)
    release_expired_holds(now=now + 2 * MINUTE)

    until = f"{ends_at:%Y-%m-%dT%H:%M:%SZ}"
    assert box.told == [
        ("PUT", {"powerKw": 0.0, "minSocPercent": 0, "until": until}),
        ("PUT", {"powerKw": -5.0, "minSocPercent": 30, "until": until}),
        ("DELETE", {}),
    ]
    states = dict(Command.objects.values_list("kind", "state"))
    assert (states["discharge"], states["resume"]) == (Command.State.CONFIRMED, Command.State.CONFIRMED)
    assert CallCount.objects.get(scope="charger").commands == 2
    assert Command.objects.get(key="two").ended_by == Command.EndedBy.CAR


def test_taking_the_box_away_releases_its_car(at_box: Vehicle, charger: HomeCharger, now: datetime) -> None:
    make.command(at_box, now=now, via_charger=charger)
    assign_charger(charger=HomeCharger.objects.get(), vehicle=None, now=now)

    resume = Command.objects.get(kind=Command.Kind.RESUME)
    assert (resume.reason, resume.via_charger) == ("charger_reassigned", charger)
    at_box.refresh_from_db()
    assert at_box.can == OPEN_CAR


@pytest.mark.parametrize(
    ("own", "model", "is_assigned", "expected"),
    [
        (OPEN_CAR, "F-150 Lightning", True, []),
        (OPEN_CAR, "F-150 Lightning", False, ["v2g_charger"]),
        (make.START_STOP, "F-150 Lightning", True, ["v2g_maker"]),
        (make.START_STOP, "Mustang Mach-E", False, ["v2g_car", "v2g_charger", "v2g_maker"]),
        (make.TIMED, "F-150 Lightning", False, []),
    ],
)
def test_everything_that_giving_back_lacks_is_named(
    *,
    car: Vehicle,
    charger: HomeCharger,
    now: datetime,
    own: Capabilities,
    model: str,
    is_assigned: bool,
    expected: list[str],
) -> None:
    Vehicle.objects.update(capabilities=own.as_json(), model=model)
    car.refresh_from_db()
    if is_assigned:
        assign_charger(charger=charger, vehicle=car, now=now)

    assert chargers.obstacles_to_discharge(car) == expected
    assert chargers.can_ever_discharge(car) is (not expected)


@pytest.mark.parametrize(("makes", "expected"), [(["ford"], []), (["Hyundai"], ["v2g_maker"])])
def test_contract_with_a_make_is_its_makers_word(
    *, car: Vehicle, charger: HomeCharger, now: datetime, settings: Any, makes: list[str], expected: list[str]
) -> None:
    settings.V2G_MAKES = makes
    Vehicle.objects.update(capabilities=make.START_STOP.as_json())
    car.refresh_from_db()
    assign_charger(charger=charger, vehicle=car, now=now)

    assert chargers.obstacles_to_discharge(car) == expected


def test_box_serves_only_cars_of_its_owner_and_each_car_has_one(
    car: Vehicle, charger: HomeCharger, bob: User, now: datetime
) -> None:
    stranger = make.ready_car(bob, now=now)
    with pytest.raises(UnableToAssignCharger) as refused:
        assign_charger(charger=charger, vehicle=stranger, now=now)
    assert refused.value.reason_code == "vehicle_not_active"
    assign_charger(charger=charger, vehicle=car, now=now)
    ref = VehicleRef(external_id="box-two", make="Volt", model="Wall 7", is_charger=True)
    second = offer_chargers(link=charger.link, found=[FoundCar(ref, BOX)], now=now)[0]

    with pytest.raises(UnableToAssignCharger) as refused:
        assign_charger(charger=second, vehicle=car, now=now)
    assert refused.value.reason_code == "car_has_a_charger"


def test_old_charge_is_not_passed_off_as_new(now: datetime) -> None:
    hour_ago = now - timedelta(hours=1)
    seen = chargers.join(
        VehicleState(soc_percent=Observed(55.0, hour_ago, now), is_plugged_in=Observed(True, hour_ago, now)),
        VehicleState(power_w=Observed(-5_000, now, now), is_plugged_in=Observed(True, now, now)),
    )

    assert seen.soc_percent is None
    assert seen.power_w is not None
