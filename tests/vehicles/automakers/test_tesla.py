"""What is Tesla's own: scopes that decide, regions, reasons instead of errors, a schedule before every hold."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
import responses

from tests.vehicles.automakers.kits.base import BACKSTOP, BASE, NOW, UNTIL, recording
from tests.vehicles.automakers.kits.tesla import CAR, CREDENTIALS, KIT
from vehicles.automakers.base import Account, ChargeState, HoldEnds, LinkCallback
from vehicles.automakers.errors import (
    AuthRevoked,
    AutomakerError,
    NotPluggedIn,
    NotSupported,
    RateLimited,
    Rejected,
    UpstreamDown,
)
from vehicles.automakers.tesla_answers import SCOPES, capabilities_under, read_data, schedule_id, scopes_in
from vehicles.wording import MESSAGES

EUROPE = "https://fleet-api.prd.eu.vn.cloud.tesla.com"
CALLBACK = LinkCallback(params={"code": "c"}, code_verifier="v", redirect_uri="https://us.test/cb")


def told(name: str) -> tuple[str, str]:
    method, url, _ = KIT.asks[name]
    return method, url


def refused(reason: str) -> dict[str, Any]:
    return {"response": {"result": False, "reason": reason}}


def body_of(call: responses.Call) -> Any:
    return json.loads(call.request.body or b"{}")


@pytest.mark.parametrize(
    ("without", "hold_ends", "reads_place", "can_start", "refusals"),
    [
        (set(), HoldEnds.SCHEDULE, True, True, {"no_discharge"}),
        ({"vehicle_charging_cmds"}, HoldEnds.SCHEDULE, True, True, {"no_discharge"}),
        (
            {"vehicle_charging_cmds", "vehicle_cmds"},
            HoldEnds.NONE,
            True,
            False,
            {"no_discharge", "charging_scope_missing"},
        ),
        ({"vehicle_location"}, HoldEnds.NONE, False, True, {"no_discharge", "place_scope_missing"}),
        (
            {"vehicle_device_data"},
            HoldEnds.NONE,
            False,
            False,
            {"no_discharge", "charging_scope_missing", "place_scope_missing"},
        ),
    ],
)
def test_scopes_decide_what_a_car_can_do(
    *, without: set[str], hold_ends: HoldEnds, reads_place: bool, can_start: bool, refusals: set[str]
) -> None:
    can = capabilities_under([scope for scope in SCOPES if scope not in without])

    assert (can.hold_ends, "place" in can.reads, can.can_start_stop) == (hold_ends, reads_place, can_start)
    assert set(can.refusals) == refusals
    assert (can.set_limit_percent is not None) == can.can_wake == can_start
    assert bool(can.reads) == ("vehicle_device_data" not in without)
    assert not can.can_discharge


def test_granted_scopes_are_read_from_the_access_token(door: responses.RequestsMock) -> None:
    door.add("POST", KIT.token_url, json=recording("tesla", "token"))
    door.add("GET", f"{BASE}/api/1/users/region", json=recording("tesla", "region"))

    grant = KIT.adapter().complete_link(CALLBACK)

    assert grant.scopes == SCOPES
    assert parse_qs(str(door.calls[0].request.body))["audience"] == [CREDENTIALS["api_base"]]
    assert grant.extras == {"api_base": EUROPE}
    assert KIT.adapter().capabilities(Account(grant.access_token), CAR).hold_ends == HoldEnds.SCHEDULE


@pytest.mark.parametrize(
    "claims", [b"[]", b"{}", b'{"scp": 7}', b'{"scp": [7, null]}', b"\xff", b"[" * 3000, b'{"scp": "all"}']
)
def test_token_that_claims_nothing_readable_grants_nothing(claims: bytes) -> None:
    token = f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.x"

    assert scopes_in(token) == (("7",) if claims == b'{"scp": [7, null]}' else ())
    assert scopes_in("opaque") == ()


def test_link_survives_an_unknown_region(door: responses.RequestsMock) -> None:
    door.add("POST", KIT.token_url, json=recording("tesla", "token"))
    door.add("GET", f"{BASE}/api/1/users/region", status=503)

    assert KIT.adapter().complete_link(CALLBACK).extras == {}


def test_car_of_another_region_is_asked_there(door: responses.RequestsMock) -> None:
    _, url = told("data")
    door.add("GET", url, status=421, json={"response": None, "error": "user out of region"})
    door.add("GET", f"{BASE}/api/1/users/region", json=recording("tesla", "region"))
    door.add("GET", url.replace(BASE, EUROPE), json=recording("tesla", "vehicle_data"))

    assert KIT.adapter().read_state(KIT.car()).soc_percent is not None
    KIT.adapter().read_state(replace(KIT.car(), extras={"api_base": EUROPE}))

    assert [call.request.url for call in door.calls][2:] == [url.replace(BASE, EUROPE)] * 2


@pytest.mark.parametrize(
    "base",
    [
        "https://fleet-api.evil.test",
        "http://fleet-api.prd.eu.vn.cloud.tesla.com",
        "https://x@fleet-api.prd.eu.vn.cloud.tesla.com",
        "https://cloud.tesla.com.evil.test",
        "",
        None,
    ],
)
def test_token_is_shown_to_nobody_but_tesla(door: responses.RequestsMock, base: str | None) -> None:
    door.add("GET", told("data")[1], status=421)
    door.add("GET", f"{BASE}/api/1/users/region", json={"response": {"fleet_api_base_url": base}})

    with pytest.raises(UpstreamDown):
        KIT.adapter().read_state(KIT.car())

    assert len(door.calls) == 2


def test_place_is_asked_for_only_where_it_was_granted(door: responses.RequestsMock) -> None:
    can = capabilities_under([scope for scope in SCOPES if scope != "vehicle_location"])
    door.add("GET", told("data")[1].replace("%3Blocation_data", ""), json=recording("tesla", "vehicle_data"))

    assert KIT.adapter().read_state(KIT.car(can)).soc_percent is not None


def test_place_taken_back_at_tesla_costs_no_reading(door: responses.RequestsMock) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"scp": ["vehicle_device_data"]}).encode()).decode().rstrip("=")
    door.add("GET", told("data")[1].replace("%3Blocation_data", ""), json=recording("tesla", "vehicle_data"))

    assert KIT.adapter().read_state(replace(KIT.car(), access_token=f"e30.{claims}.x")).soc_percent is not None


def test_hold_stores_a_start_before_it_stops(door: responses.RequestsMock) -> None:
    for name in ("add", "stop"):
        door.add(*told(name), json=recording("tesla", "command"))
    maker = KIT.adapter()

    receipt = maker.hold(KIT.car(), until=UNTIL, key="k", backstop=BACKSTOP)

    assert receipt.state == "accepted"
    assert [call.request.url for call in door.calls] == [told("add")[1], told("stop")[1]]
    assert body_of(door.calls[0]) == {
        "id": schedule_id(CAR),
        "days_of_week": "Thursday",
        "enabled": True,
        "start_enabled": True,
        "start_time": 120,  # 02:00 in Chicago
        "end_enabled": False,
        "one_time": True,
        "lat": 30.2672,
        "lon": -97.7431,
    }
    assert schedule_id(CAR) != schedule_id("7SAYGDEE8RF000002")
    assert 1 <= schedule_id(CAR) < 2**31


def test_car_that_keeps_no_start_is_not_stopped(door: responses.RequestsMock) -> None:
    door.add(*told("add"), json=refused("unsupported_schedule"))

    with pytest.raises(Rejected):
        KIT.adapter().hold(KIT.car(), until=UNTIL, key="k", backstop=BACKSTOP)

    assert len(door.calls) == 1


@pytest.mark.parametrize("start_at", [NOW, NOW - timedelta(hours=1), None])
def test_hold_without_a_start_to_come_is_never_asked(door: responses.RequestsMock, start_at: datetime | None) -> None:
    backstop = replace(BACKSTOP, start_at=start_at) if start_at else None

    with pytest.raises((Rejected, NotSupported)):
        KIT.adapter().hold(KIT.car(), until=UNTIL, key="k", backstop=backstop)

    assert len(door.calls) == 0


@pytest.mark.parametrize(
    ("name", "reason", "outcome"),
    [
        ("stop", "not_charging", "noop"),
        ("stop", "disconnected", NotPluggedIn),
        ("stop", "could_not_wake_buses", Rejected),
        ("start", "is_charging", "noop"),
        ("start", "complete", "noop"),
        ("start", "requested", "noop"),
        ("start", "disconnected", NotPluggedIn),
        ("start", "no_power", Rejected),
        ("start", "", Rejected),
    ],
)
def test_reason_says_whether_there_was_nothing_to_do(
    door: responses.RequestsMock, name: str, reason: str, outcome: str | type[AutomakerError]
) -> None:
    for other in ("add", "remove"):
        door.add(*told(other), json=recording("tesla", "command"))
    door.add(*told(name), json=refused(reason))
    maker, car = KIT.adapter(), KIT.car()

    def tell() -> str:
        if name == "stop":
            return maker.hold(car, until=UNTIL, key="k", backstop=BACKSTOP).state
        return maker.resume(car, key="k").state

    if isinstance(outcome, str):
        assert tell() == outcome
        return
    with pytest.raises(outcome):
        tell()


@pytest.mark.parametrize(("name", "reason"), [("stop", "not_charging"), ("start", "is_charging")])
def test_proxys_own_wording_of_a_reason_is_read(door: responses.RequestsMock, name: str, reason: str) -> None:
    """As teslamotors/vehicle-command writes it: under `string`, behind a sentence."""
    for other in ("add", "remove"):
        door.add(*told(other), json=recording("tesla", "command"))
    refusal = {"result": False, "string": f"car could not execute command: {reason}"}
    door.add(*told(name), json={"response": refusal, "error": "", "error_description": ""})
    maker, car = KIT.adapter(), KIT.car()

    hold_or_resume = (
        maker.hold(car, until=UNTIL, key="k", backstop=BACKSTOP) if name == "stop" else maker.resume(car, key="k")
    )

    assert hold_or_resume.state == "noop"


def test_missing_virtual_key_is_a_refusal(door: responses.RequestsMock) -> None:
    error = "vehicle rejected request: your public key has not been paired with the vehicle"
    door.add(*told("add"), status=500, json={"response": None, "error": error, "error_description": ""})

    with pytest.raises(Rejected) as caught:
        KIT.adapter().hold(KIT.car(), until=UNTIL, key="k", backstop=BACKSTOP)

    assert "our key" in MESSAGES[caught.value.message_key]


def test_resume_starts_first_and_then_forgets_the_schedule(door: responses.RequestsMock) -> None:
    door.add(*told("start"), json=recording("tesla", "command"))
    door.add(*told("remove"), json=refused("not_found"))

    assert KIT.adapter().resume(KIT.car(), key="k").state == "accepted"
    assert [call.request.url for call in door.calls] == [told("start")[1], told("remove")[1]]
    assert body_of(door.calls[1]) == {"id": schedule_id(CAR)}


@pytest.mark.parametrize("percent", [49, 101])
def test_limit_beyond_the_cars_is_never_asked(door: responses.RequestsMock, percent: int) -> None:
    with pytest.raises(NotSupported):
        KIT.adapter().set_limit(KIT.car(), percent=percent, key="k")

    assert len(door.calls) == 0


def test_password_changed_at_tesla_ends_the_link(door: responses.RequestsMock) -> None:
    door.add("GET", told("data")[1], status=401, json={"response": None, "error": "login_required"})
    door.add("POST", KIT.token_url, status=401, json={"error": "login_required"})

    with pytest.raises(AuthRevoked):
        KIT.adapter().read_state(KIT.car())
    with pytest.raises(AuthRevoked):
        KIT.adapter().refresh("used-before")


def test_rate_limit_is_one_cars_and_says_until_when(door: responses.RequestsMock) -> None:
    door.add("GET", told("data")[1], status=429, headers={"RateLimit-Limit": "60", "RateLimit-Reset": "41"})

    with pytest.raises(RateLimited) as caught:
        KIT.adapter().read_state(KIT.car())

    assert caught.value.scope == "vehicle"
    assert caught.value.retry_at == NOW.replace(year=2031) + timedelta(seconds=41)


@pytest.mark.parametrize(
    ("changes", "watts"),
    [
        ({}, 11_327),
        ({"charger_phases": 2, "charger_power": 11}, 11_000),
        ({"fast_charger_present": True, "charger_power": 143}, 143_000),
        ({"charger_voltage": None}, 11_000),
        ({"charger_voltage": None, "charger_power": None}, None),
    ],
)
def test_power_is_as_fine_as_the_car_says_it(changes: dict[str, Any], watts: int | None) -> None:
    answer = recording("tesla", "vehicle_data")
    answer["response"]["charge_state"] |= changes

    power = read_data(answer, now=NOW).power_w

    assert (power and power.value) == watts


@pytest.mark.parametrize(
    ("word", "state", "is_plugged_in"),
    [
        ("Starting", ChargeState.CHARGING, True),
        ("Stopped", ChargeState.PLUGGED_IDLE, True),
        ("NoPower", ChargeState.PLUGGED_IDLE, True),
        ("Complete", ChargeState.COMPLETE, True),
        ("Disconnected", ChargeState.UNPLUGGED, False),
        ("Levitating", ChargeState.UNKNOWN, None),
    ],
)
def test_only_a_word_we_know_says_whether_the_plug_is_in(word: str, state: str, is_plugged_in: bool | None) -> None:  # noqa: FBT001
    answer = recording("tesla", "vehicle_data")
    answer["response"]["charge_state"]["charging_state"] = word

    found = read_data(answer, now=NOW)

    assert found.charge_state is not None
    assert found.charge_state.value == state
    assert (found.is_plugged_in and found.is_plugged_in.value) == is_plugged_in


def test_old_fix_keeps_its_age() -> None:
    found = read_data(recording("tesla", "vehicle_data"), now=NOW)

    assert found.place is not None
    assert found.soc_percent is not None
    assert found.place.observed_at == datetime(2026, 11, 18, 23, 4, 5, tzinfo=UTC)
    assert found.soc_percent.observed_at == datetime(2026, 11, 18, 23, 4, 30, tzinfo=UTC)
