"""The BMW-like dialect over the wire: device codes, CarData and its quota, the stream of a real broker."""

import queue
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest

from tests.sandbox.bmw_client import (
    CLIENT,
    DEVICE_GRANT,
    FRANK,
    FRANKS_I4,
    FRANKS_IX,
    GRACE,
    HENRY,
    HENRYS_I4,
    SOC,
    BmwClient,
    Listener,
)
from tests.sandbox_owner import OwnerBrowser, offered_cars
from tests.sandbox_process import SandboxProcess

STATUS = "vehicle.drivetrain.electricEngine.charging.status"
PLUGGED = "vehicle.powertrain.tractionBattery.charging.port.anyPosition.isPlugged"


@pytest.fixture(scope="module")
def world(sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    """The sandbox with a standing clock; nobody else's cars are touched here."""
    yield sandbox
    sandbox.control("DELETE", "clock")


@pytest.fixture
def bmw(world: SandboxProcess) -> BmwClient:
    """A client without tokens, in a world without faults on a Wednesday at 21:00 in New York.

    A clock set far back parks cars at home, free of orders; seconds that a car is ahead would only be waited out.
    """
    world.control("PUT", "clock", simulated_at="2027-06-01T00:00:00Z", rate=0)
    for vin in (FRANKS_I4, FRANKS_IX):
        world.control("GET", f"cars/{vin}")
    world.control("PUT", "clock", simulated_at="2026-11-19T02:00:00Z", rate=0)
    if not world.control("PATCH", f"cars/{FRANKS_I4}", socPercent=50)["pluggedIn"]:
        world.control("PATCH", f"cars/{FRANKS_I4}", action="plug_in")
    world.control("PATCH", "makers/bmw", apiDown=False, rateLimited=False, tokenDown=False)
    client = BmwClient(world)
    client.control(silent=False, sendsTwice=False, requestsToday=0, deleteContainers=True)
    return client


def error(reply: Any) -> tuple[int, str]:
    return reply.status_code, reply.json().get("error") or reply.json().get("exveErrorId")


def step(bmw: BmwClient, **span: float) -> None:
    now = datetime.fromisoformat(bmw.sandbox.control("GET", "clock")["now"]) + timedelta(**span)
    bmw.sandbox.control("PUT", "clock", simulated_at=now.isoformat(), rate=0)


def test_code_is_typed_and_becomes_tokens_of_bmws_lifetimes(bmw: BmwClient) -> None:
    reply = bmw.ask_for_code().json()
    assert (reply["interval"], reply["expires_in"]) == (5, 300)
    assert error(bmw.poll()) == (403, "authorization_pending")
    assert error(bmw.poll()) == (400, "slow_down")

    bmw.link(FRANK)

    assert (bmw.tokens["expires_in"], bmw.tokens["refresh_expires_in"]) == (3600, 14 * 86_400)
    claims = jwt.decode(bmw.tokens["id_token"], options={"verify_signature": False})
    assert claims["gcid"] == bmw.tokens["gcid"]
    assert claims["exp"] - claims["iat"] == pytest.approx(3600, abs=2)


def test_denied_code_says_so(bmw: BmwClient) -> None:
    bmw.ask_for_code()
    assert "You denied access" in bmw.decide(FRANK, action="deny", vehicle_ids=[]).text
    assert error(bmw.poll()) == (403, "access_denied")


def test_code_that_ran_out_says_so_and_cannot_be_typed(bmw: BmwClient) -> None:
    bmw.ask_for_code()
    bmw.control(expireDeviceCodes=True)
    assert error(bmw.poll()) == (401, "expired_token")
    assert (
        "has run out"
        in OwnerBrowser(FRANK)
        .open_consent(f"{bmw.device['verification_uri']}?user_code={bmw.device['user_code']}")
        .text
    )


def test_code_counts_once(bmw: BmwClient) -> None:
    bmw.link(FRANK)
    assert bmw.poll().status_code == 400
    page = OwnerBrowser(FRANK).open_consent(
        f"{bmw.device['verification_uri']}?user_code={bmw.device['user_code'].lower()}"
    )
    assert not offered_cars(page)


@pytest.mark.parametrize(
    "changes", [{"code_challenge": None}, {"code_challenge_method": "plain"}, {"response_type": None}]
)
def test_device_code_wants_pkce(bmw: BmwClient, changes: dict[str, str | None]) -> None:
    assert error(bmw.ask_for_code(**changes)) == (400, "invalid_request")


def test_unknown_client_or_scope_gets_no_code(bmw: BmwClient) -> None:
    assert bmw.ask_for_code(client_id="nobody").status_code >= 400
    assert error(bmw.ask_for_code(scope="openid everything")) == (400, "invalid_scope")


def test_wrong_verifier_gets_nothing_and_spends_nothing(bmw: BmwClient) -> None:
    bmw.ask_for_code()
    bmw.decide(FRANK)
    assert error(bmw.poll(code_verifier="x" * 64)) == (400, "invalid_request")
    assert bmw.poll().status_code == 200


def test_no_other_door_takes_a_code_without_its_verifier(bmw: BmwClient) -> None:
    bmw.ask_for_code()
    bmw.decide(FRANK)
    form = {"grant_type": DEVICE_GRANT, "device_code": bmw.device["device_code"], "client_id": CLIENT}
    reply = bmw.session.post(f"{bmw.sandbox.url}/bmw/oauth2/token", data=form, timeout=30)
    assert error(reply) == (400, "authorization_pending")


def test_page_offers_the_accounts_own_cars_and_wants_one(bmw: BmwClient) -> None:
    bmw.ask_for_code()
    url = f"{bmw.device['verification_uri']}?user_code={bmw.device['user_code']}"
    assert set(offered_cars(OwnerBrowser(FRANK).open_consent(url))) == {FRANKS_I4, FRANKS_IX}
    assert "Choose at least one car" in bmw.decide(FRANK, vehicle_ids=[]).text
    assert "is connected" not in bmw.decide(GRACE, vehicle_ids=[FRANKS_I4]).text
    assert "Sign in to BMW" in OwnerBrowser("alice@ford.sandbox").open_consent(url).text


def test_refresh_rotates_and_brings_a_new_id_token(bmw: BmwClient) -> None:
    first = bmw.link(FRANK).tokens
    second = bmw.refresh().json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["id_token"] != first["id_token"]
    assert second["gcid"] == first["gcid"]
    assert error(bmw.refresh()) == (400, "invalid_grant")


def test_mappings_tell_primary_from_secondary(bmw: BmwClient) -> None:
    bmw.link(HENRY)
    found = {row["vin"]: row["mappingType"] for row in bmw.call("GET", "vehicles/mappings").json()}
    assert found == {HENRYS_I4: "PRIMARY", FRANKS_IX: "SECONDARY"}
    assert error(bmw.read(FRANKS_IX, bmw.make_container())) == (403, "CU-104")


def test_telematics_are_strings_with_units_and_times(bmw: BmwClient) -> None:
    bmw.link(FRANK)
    container = bmw.make_container(SOC, STATUS, PLUGGED, "vehicle.no.such.thing")
    data = bmw.read(FRANKS_I4, container).json()["telematicData"]
    assert data[SOC] == {"value": "50", "unit": "percent", "timestamp": "2026-11-19T02:00:00.000Z"}
    assert data[STATUS]["value"] == "CHARGINGACTIVE"
    assert data[PLUGGED]["value"] == "true"
    assert data["vehicle.no.such.thing"] == {"value": None, "unit": None, "timestamp": None}
    basic = bmw.call("GET", f"vehicles/{FRANKS_I4}/basicData").json()
    assert (basic["modelName"], basic["propulsionType"]) == ("i4 eDrive40", "BEV")


def test_unticked_car_is_not_there(bmw: BmwClient) -> None:
    bmw.link(FRANK, vehicle_ids=[FRANKS_I4])
    assert [row["vin"] for row in bmw.call("GET", "vehicles/mappings").json()] == [FRANKS_I4]
    assert error(bmw.read(FRANKS_IX, bmw.make_container())) == (403, "CU-104")


def test_containers_are_made_listed_and_deleted(bmw: BmwClient) -> None:
    bmw.link(GRACE)
    bmw.control(deleteContainers=True)
    ids = [bmw.make_container() for _ in range(10)]
    wanted = {"name": "n", "purpose": "p", "technicalDescriptors": [SOC]}
    assert error(bmw.call("POST", "containers", json=wanted)) == (403, "CU-124")
    assert bmw.call("GET", f"containers/{ids[0]}").json()["technicalDescriptors"] == [SOC]
    assert bmw.call("DELETE", f"containers/{ids[0]}").status_code == 204
    assert error(bmw.read("WBY33FK03SCS00004", ids[0])) == (403, "CU-105")
    states = {row["containerId"]: row["state"] for row in bmw.call("GET", "containers").json()["containers"]}
    assert (states[ids[0]], states[ids[1]]) == ("DELETED", "ACTIVE")
    bmw.control(deleteContainers=True)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "CU-400"),
        ({"name": "n"}, "CU-401"),
        ({"name": "n", "purpose": "p", "technicalDescriptors": ["battery"]}, "CU-402"),
    ],
)
def test_bad_container_is_refused(bmw: BmwClient, body: Any, code: str) -> None:
    assert error(bmw.link(GRACE).call("POST", "containers", json=body)) == (400, code)


def test_fifty_requests_a_day_and_the_next_day_fifty_more(bmw: BmwClient) -> None:
    bmw.link(FRANK)
    container = bmw.make_container()
    bmw.control(requestsToday=49)
    assert bmw.read(FRANKS_I4, container).status_code == 200
    refused = bmw.read(FRANKS_I4, container)
    assert error(refused) == (403, "CU-429")
    assert "Retry-After" not in refused.headers  # time stands still here
    step(bmw, hours=22, minutes=1)
    assert bmw.read(FRANKS_I4, container).status_code == 200


def test_quota_tells_real_seconds_while_time_runs_fast(bmw: BmwClient) -> None:
    bmw.link(FRANK)
    bmw.call("GET", "containers")
    bmw.control(requestsToday=50)
    now = bmw.sandbox.control("GET", "clock")["now"]
    bmw.sandbox.control("PUT", "clock", simulated_at=now, rate=60)
    wait = int(bmw.call("GET", "containers").headers["Retry-After"])
    assert 22 * 60 - 10 <= wait <= 22 * 60


def test_api_wants_token_version_and_scope(bmw: BmwClient) -> None:
    assert error(bmw.call("GET", "vehicles/mappings")) == (401, "CU-102")
    bmw.link(FRANK)
    assert error(bmw.call("GET", "vehicles/mappings", headers={"x-version": "v2"})) == (400, "CU-400")
    assert error(bmw.call("GET", "vehicles/wba73aw02rfp00001/basicData")) == (400, "CU-120")
    bmw.sandbox.control("PATCH", "makers/bmw", rateLimited=True)
    assert error(bmw.call("GET", "vehicles/mappings")) == (403, "CU-429")
    bmw.sandbox.control("PATCH", "makers/bmw", rateLimited=False, apiDown=True)
    assert error(bmw.call("GET", "vehicles/mappings")) == (503, "CU-503")


def test_page_has_every_switch(bmw: BmwClient) -> None:
    bmw.link(FRANK)
    browser, url = OwnerBrowser(FRANK).session, f"{bmw.sandbox.url}/bmw/stream"
    form = {"csrfmiddlewaretoken": browser.get(url, timeout=30) and browser.cookies["sandbox_csrf"]}
    answer = browser.post(url, data=form | {"silent": "on"}, headers={"Referer": url}, timeout=30)
    assert "The faults are set." in answer.text
    assert (bmw.control()["silent"], bmw.control()["sendsTwice"]) == (True, False)
    browser.post(url, data=form | {"once": "expireIdTokens"}, headers={"Referer": url}, timeout=30)
    assert not [key for key in bmw.control()["keys"] if key["isValid"]]
    assert bmw.control()["silent"] is True
    assert "Stream and quota" in browser.get(f"{bmw.sandbox.url}/bmw/", timeout=30).text


@pytest.fixture
def listener(bmw: BmwClient) -> Iterator[Listener]:
    """Frank's listener, connected; everything that was said at the start is heard already."""
    found = listen(bmw.link(FRANK))
    yield found
    found.stop()


def listen(bmw: BmwClient, **kwargs: Any) -> Listener:
    """Connect: whoever holds a token is let in at once."""
    found = Listener(bmw, **kwargs)
    assert found.next("connect")[1] == "Success"
    return found


def hear_charge(bmw: BmwClient, listener: Listener, soc_percent: int) -> dict[str, Any]:
    """Put the battery there and return the message that says so; everything before it is heard by then."""
    bmw.sandbox.control("PATCH", f"cars/{FRANKS_I4}", socPercent=soc_percent)
    return hear(listener, SOC, soc_percent)


def hear(listener: Listener, name: str, value: Any) -> dict[str, Any]:
    """Return the next message of the i4 that brings the value."""
    while True:
        body: dict[str, Any] = listener.next("message")[2]
        if body["vin"] == FRANKS_I4 and body["data"].get(name, {}).get("value") == value:
            return body


def test_stream_brings_what_changed_alone(bmw: BmwClient, listener: Listener) -> None:
    body = hear_charge(bmw, listener, 41)
    assert body["vin"] == body["topic"] == FRANKS_I4
    assert body["data"][SOC] == {"timestamp": "2026-11-19T02:00:00.000Z", "value": 41, "unit": "percent"}
    bmw.sandbox.control("PATCH", f"cars/{FRANKS_I4}", action="unplug")
    body = hear(listener, PLUGGED, value=False)
    assert body["data"][STATUS]["value"] == "NOCHARGING"
    assert SOC not in body["data"]


def test_old_container_sends_everything_twice(bmw: BmwClient, listener: Listener) -> None:
    bmw.control(sendsTwice=True)
    first = hear_charge(bmw, listener, 42)
    second = hear(listener, SOC, 42)
    assert first["data"] == second["data"]
    assert first["entityId"] != second["entityId"]


def test_silent_stream_says_nothing(bmw: BmwClient, listener: Listener) -> None:
    hear_charge(bmw, listener, 43)
    bmw.control(silent=True)
    time.sleep(0.6)  # a round that had begun may still speak
    bmw.sandbox.control("PATCH", f"cars/{FRANKS_I4}", action="unplug")
    time.sleep(1.2)
    heard = [event[2]["data"] for event in listener.events.queue if event[0] == "message"]
    assert not [data for data in heard if PLUGGED in data]
    bmw.control(silent=False)
    hear(listener, PLUGGED, value=False)


def test_dropped_listener_may_come_again_with_the_same_token(bmw: BmwClient, listener: Listener) -> None:
    bmw.control(dropConnections=True)
    listener.next("drop")
    listen(bmw).stop()


def test_expired_id_token_is_dropped_and_let_in_no_more(bmw: BmwClient, listener: Listener) -> None:
    bmw.control(expireIdTokens=True)
    listener.next("drop")
    late = Listener(bmw)
    assert late.next("connect")[1] == "Not authorized"
    late.stop()
    bmw.tokens = bmw.refresh().json()
    listen(bmw).stop()


def test_stream_of_another_account_stays_closed(bmw: BmwClient, listener: Listener) -> None:
    grace = BmwClient(bmw.sandbox).link(GRACE)
    spy = listen(grace, topic=f"{bmw.tokens['gcid']}/+")
    hear_charge(bmw, listener, 44)
    with pytest.raises(queue.Empty):
        spy.next("message", seconds=0.5)
    spy.stop()


def test_owner_may_untick_the_stream(bmw: BmwClient) -> None:
    bmw.link(HENRY, without_scopes=["cardata:streaming:read"])
    assert bmw.tokens["scope"] == "authenticate_user openid cardata:api:read"
    outsider = Listener(bmw)
    assert outsider.next("connect")[1] == "Not authorized"
    outsider.stop()
