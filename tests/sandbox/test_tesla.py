"""The Tesla-like dialect over the wire: consent by scope, JWTs, sleep, signed commands, schedules, the bill."""

import base64
import json
from typing import Any

import pytest

from tests.sandbox.cast import step
from tests.sandbox.maker_client import MakerClient
from tests.sandbox_process import SandboxProcess

GRACE = "grace@tesla.sandbox"
MODEL_3, MODEL_Y = "5YJ3E1EA5RF000001", "7SAYGDEE8RF000002"
IDS = {MODEL_3: "1492931520111001", MODEL_Y: "1492931520111002"}
SCOPES = "openid offline_access vehicle_device_data vehicle_location vehicle_cmds vehicle_charging_cmds"
HOME: dict[str, Any] = {"lat": 37.8044, "lon": -122.2712}
START: dict[str, Any] = {
    "days_of_week": "All",
    "enabled": True,
    "start_enabled": True,
    "end_enabled": False,
    "one_time": True,
}


@pytest.fixture
def tesla(frozen: SandboxProcess) -> MakerClient:
    return MakerClient(frozen, "tesla", scope=SCOPES)


def data(tesla: MakerClient, vin: str = MODEL_3, endpoints: str = "charge_state;location_data") -> Any:
    reply = tesla.call("GET", f"api/1/vehicles/{vin}/vehicle_data", params={"endpoints": endpoints})
    assert reply.status_code == 200, reply.text
    return reply.json()["response"]


def tell(tesla: MakerClient, command: str, vin: str = MODEL_3, **body: Any) -> Any:
    reply = tesla.call("POST", f"proxy/api/1/vehicles/{vin}/command/{command}", json=body)
    assert reply.status_code == 200, reply.text
    found = reply.json()["response"]
    return (
        found | {"reason": found.get("reason") or found["string"].rpartition(": ")[2]} if "string" in found else found
    )


def truth(tesla: MakerClient, vin: str = MODEL_3) -> Any:
    return tesla.sandbox.control("GET", f"cars/{IDS[vin]}")


def claims(token: str) -> Any:
    middle = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


def test_access_token_is_a_jwt_that_names_the_granted_scopes(tesla: MakerClient) -> None:
    tesla.link(GRACE, without_scopes=["vehicle_location"])

    assert set(claims(tesla.tokens["access_token"])["scp"]) == set(SCOPES.split()) - {"vehicle_location"}
    assert tesla.tokens["expires_in"] == 28_800
    assert "latitude" not in data(tesla).get("drive_state", {})


def test_refresh_token_serves_once(tesla: MakerClient) -> None:
    tesla.link(GRACE, without_scopes=["vehicle_cmds"])
    first = tesla.tokens["refresh_token"]

    fresh = tesla.refresh(first)
    again = tesla.refresh(first)

    assert fresh.status_code == 200
    assert "vehicle_cmds" not in claims(fresh.json()["access_token"])["scp"]
    assert (again.status_code, again.json()["error"]) == (401, "login_required")


def test_car_is_listed_and_described_in_teslas_shapes(tesla: MakerClient) -> None:
    tesla.link(GRACE)

    listed = tesla.call("GET", "api/1/vehicles").json()["response"]
    found = data(tesla)

    assert [(row["vin"], row["state"]) for row in listed] == [(MODEL_3, "online"), (MODEL_Y, "online")]
    charge = found["charge_state"]
    assert (charge["battery_level"], charge["charging_state"], charge["charge_limit_soc"]) == (50, "Charging", 90)
    assert charge["battery_range"] == pytest.approx(0.5 * 584 / 1.609344, abs=0.01)
    assert charge["timestamp"] == 1_795_053_600_000
    assert (found["drive_state"]["latitude"], found["drive_state"]["longitude"]) == (37.8044, -122.2712)
    by_id = tesla.call("GET", f"api/1/vehicles/{IDS[MODEL_3]}").json()["response"]
    assert by_id["vin"] == MODEL_3


@pytest.mark.parametrize(
    ("without", "method", "path"),
    [
        (["vehicle_device_data"], "GET", "api/1/vehicles"),
        (["vehicle_cmds", "vehicle_charging_cmds"], "POST", f"proxy/api/1/vehicles/{MODEL_3}/command/charge_stop"),
    ],
)
def test_what_was_unticked_is_refused(tesla: MakerClient, without: list[str], method: str, path: str) -> None:
    reply = tesla.link(GRACE, without_scopes=without).call(method, path)

    assert (reply.status_code, reply.json()["error"]) == (403, "Unauthorized missing scopes")


def test_command_that_nobody_signed_is_refused(tesla: MakerClient) -> None:
    reply = tesla.link(GRACE).call("POST", f"api/1/vehicles/{MODEL_3}/command/charge_stop", json={})

    assert reply.status_code == 403
    assert truth(tesla)["state"] == "CHARGING"


def test_car_says_why_there_was_nothing_to_do(tesla: MakerClient) -> None:
    tesla.link(GRACE)

    refusal = {"result": False, "string": "car could not execute command: is_charging"}
    assert tell(tesla, "charge_start") == refusal | {"reason": "is_charging"}
    assert tell(tesla, "charge_stop") == {"result": True, "reason": ""}
    assert truth(tesla)["state"] == "HOLDING"
    assert tell(tesla, "charge_stop")["reason"] == "not_charging"
    assert tell(tesla, "charge_start")["result"] is True
    tesla.sandbox.control("PATCH", f"cars/{IDS[MODEL_3]}", action="unplug")
    assert {tell(tesla, name)["reason"] for name in ("charge_start", "charge_stop")} == {"disconnected"}


def test_limit_is_kept_and_ends_charging(tesla: MakerClient) -> None:
    tesla.link(GRACE)

    assert tell(tesla, "set_charge_limit", percent=55)["result"] is True
    assert tell(tesla, "set_charge_limit", percent=55)["reason"] == "already_set"
    step(tesla, minutes=40)
    assert data(tesla)["charge_state"]["charging_state"] == "Complete"
    assert truth(tesla)["socPercent"] == 55
    refused = tesla.call("POST", f"proxy/api/1/vehicles/{MODEL_3}/command/set_charge_limit", json={"percent": 40})
    assert refused.status_code == 400


def test_start_kept_in_the_car_ends_a_stop(tesla: MakerClient) -> None:
    tesla.link(GRACE)  # it is 18:00 in Oakland

    assert tell(tesla, "add_charge_schedule", id=7, start_time=21 * 60, **HOME, **START)["result"] is True
    assert tell(tesla, "add_charge_schedule", id=7, start_time=20 * 60, **HOME, **START)["result"] is True
    tell(tesla, "charge_stop")

    kept = data(tesla, endpoints="charge_schedule_data")["charge_schedule_data"]["charge_schedules"]
    assert [(row["id"], row["start_time"], row["one_time"]) for row in kept] == [(7, 20 * 60, True)]
    step(tesla, hours=1, minutes=59)
    assert truth(tesla)["state"] == "HOLDING"
    step(tesla, minutes=2)
    assert (truth(tesla)["state"], truth(tesla)["starts"]) == ("CHARGING", [])


def test_start_for_another_place_or_another_day_does_not_count_tonight(tesla: MakerClient) -> None:
    tesla.link(GRACE)

    far: dict[str, Any] = {"lat": 37.5, "lon": -122.2712}
    assert tell(tesla, "add_charge_schedule", id=7, start_time=19 * 60, **far, **START)["result"] is True
    on_friday = START | {"days_of_week": "Friday"}
    assert tell(tesla, "add_charge_schedule", id=8, start_time=19 * 60, **HOME, **on_friday)["result"] is True
    tell(tesla, "charge_stop")
    step(tesla, hours=2)

    assert truth(tesla)["state"] == "HOLDING"
    assert [row["at"] for row in truth(tesla)["starts"]] == ["2026-11-21T03:00:00+00:00"]
    tesla.call("POST", f"api/1/vehicles/{MODEL_3}/wake_up")
    step(tesla, seconds=11)
    assert tell(tesla, "remove_charge_schedule", id=8)["result"] is True
    assert tell(tesla, "remove_charge_schedule", id=8)["reason"] == "not_found"


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"start_time": 1440}, 400), ({"lat": None}, 400), ({"days_of_week": "Someday"}, 400), ({"one_time": False}, 200)],
)
def test_schedule_that_the_car_cannot_keep_is_refused(tesla: MakerClient, changes: dict[str, Any], status: int) -> None:
    body = {"id": 7, "start_time": 60, **HOME, **START, **changes}

    reply = tesla.link(GRACE).call("POST", f"proxy/api/1/vehicles/{MODEL_3}/command/add_charge_schedule", json=body)

    assert reply.status_code == status
    assert status == 400 or reply.json()["response"]["result"] is False
    assert truth(tesla)["starts"] == []


def test_idle_car_sleeps_unless_asked_and_wakes_when_told(tesla: MakerClient) -> None:
    tesla.link(GRACE)
    tell(tesla, "charge_stop")
    step(tesla, minutes=15)
    assert data(tesla)["charge_state"]["charging_state"] == "Stopped"
    step(tesla, minutes=19)
    assert not truth(tesla)["asleep"]  # the question a quarter of an hour ago kept it awake
    step(tesla, minutes=2)

    asleep = tesla.call("GET", f"api/1/vehicles/{MODEL_3}/vehicle_data")
    deaf = tesla.call("POST", f"proxy/api/1/vehicles/{MODEL_3}/command/charge_start", json={})
    listed = tesla.call("GET", "api/1/vehicles").json()["response"][0]
    woken = tesla.call("POST", f"api/1/vehicles/{MODEL_3}/wake_up")

    assert (asleep.status_code, deaf.status_code, listed["state"]) == (408, 408, "asleep")
    assert woken.json()["response"]["state"] == "asleep"
    step(tesla, seconds=11)
    assert tell(tesla, "charge_start")["result"] is True


def test_owners_window_shows_and_wins(tesla: MakerClient) -> None:
    tesla.link(GRACE)
    tesla.sandbox.control("PATCH", f"cars/{IDS[MODEL_3]}", window={"start": "23:00", "stop": "05:00"})

    charge = data(tesla)["charge_state"]
    rows = data(tesla, endpoints="charge_schedule_data")["charge_schedule_data"]["charge_schedules"]

    assert (charge["charging_state"], charge["scheduled_charging_pending"]) == ("Stopped", True)
    assert [(row["start_time"], row["end_time"], row["one_time"]) for row in rows] == [(23 * 60, 5 * 60, False)]
    assert tell(tesla, "charge_start")["result"] is True
    assert truth(tesla)["waiting"]


def test_calls_are_counted_as_they_are_billed(tesla: MakerClient) -> None:
    tesla.link(GRACE)
    before = tesla.sandbox.control("GET", "makers/tesla")["tallies"]

    data(tesla)
    tell(tesla, "charge_start")
    tesla.call("POST", f"api/1/vehicles/{MODEL_3}/wake_up")
    tesla.sandbox.control("PATCH", "makers/tesla", apiDown=True)
    assert tesla.call("GET", "api/1/vehicles").status_code == 503
    tesla.sandbox.control("PATCH", "makers/tesla", apiDown=False)

    after = tesla.sandbox.control("GET", "makers/tesla")["tallies"]
    assert {kind: after[kind] - before.get(kind, 0) for kind in after} == {"commands": 1, "data": 1, "wakes": 1}
    page = tesla.session.get(f"{tesla.sandbox.url}/tesla/", timeout=30).text
    assert "Calls billed" in page
    assert f"<dd>{after['wakes']} (" in page
