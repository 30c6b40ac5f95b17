"""The GM-like dialect over the wire: rationed reads, start and stop above half a battery, sleep until driven."""

import re
from html import unescape
from typing import Any

import pytest
import requests

from tests.sandbox.cast import step
from tests.sandbox.maker_client import MakerClient
from tests.sandbox_owner import OwnerBrowser
from tests.sandbox_process import SandboxProcess

GUS = "gus@gm.sandbox"
BOLT, BLAZER = "7d1f0c5ae2b94c0f8a51e6d3b0974a21", "c26be9147f0d4d3aa1d25c8e93b7f042"


@pytest.fixture
def gm(frozen: SandboxProcess) -> MakerClient:
    frozen.control("PATCH", f"cars/{BOLT}", socPercent=60)
    return MakerClient(frozen, "gm", scope="vehicle.read vehicle.charge")


def ask(gm: MakerClient, tail: str, vehicle_id: str = BOLT) -> requests.Response:
    return gm.call("GET", f"partner/v1/vehicles/{vehicle_id}/{tail}")


def tell(gm: MakerClient, kind: str, *, key: str = "") -> requests.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return gm.call("POST", f"partner/v1/vehicles/{BOLT}/commands", json={"type": kind}, headers=headers)


def truth(gm: MakerClient) -> Any:
    return gm.sandbox.control("GET", f"cars/{BOLT}")


def test_car_is_described_in_the_contracts_shapes(gm: MakerClient) -> None:
    gm.link(GUS)

    listed = gm.call("GET", "partner/v1/vehicles").json()["vehicles"]
    status = ask(gm, "status").json()

    assert [(row["vehicleId"], row["shared"]) for row in listed] == [(BOLT, True), (BLAZER, True)]
    assert ask(gm, "capabilities").json() == {"startStop": True, "minimumStateOfCharge": 50}
    assert status["reportedAt"] == "2026-11-19T02:00:00Z"
    assert status["battery"] == {"stateOfCharge": 60.0, "rangeKm": 239, "targetChargeLevel": 90}
    assert status["charging"] == {"pluggedIn": True, "status": "CHARGING"}
    assert status["asleep"] is False


def test_reads_are_rationed_and_the_owners_app_counts(gm: MakerClient) -> None:
    gm.link(GUS)

    assert [ask(gm, "status").status_code for _ in range(3)] == [200, 200, 200]
    app = requests.post(f"{gm.sandbox.url}/gm/owner-app/{BOLT}", timeout=30)
    assert app.status_code == 200
    refused = ask(gm, "status")

    assert (refused.status_code, "Retry-After" in refused.headers) == (429, True)
    assert ask(gm, "status", BLAZER).status_code == 200
    assert ask(gm, "capabilities").status_code == 200
    step(gm, minutes=31)
    assert [ask(gm, "status").status_code for _ in range(2)] == [200, 429]


def test_owners_look_from_the_cars_page_counts_too(gm: MakerClient) -> None:
    browser, url = requests.Session(), f"{gm.sandbox.url}/gm/owner-app/{BOLT}"
    pages = [browser.post(url, headers={"Accept": "text/html"}, timeout=30).text for _ in range(5)]

    assert "in advance until Thu 19 Nov 04:00 UTC" in pages[3]
    assert "the ration of reads is used up" in pages[4]
    assert "looks at it in the maker" in pages[4]


def test_stop_holds_until_start(gm: MakerClient) -> None:
    gm.link(GUS)
    command = tell(gm, "STOP_CHARGING", key="one")

    assert (command.status_code, command.json()["status"]) == (202, "PENDING")
    assert tell(gm, "STOP_CHARGING", key="one").json() == command.json()
    assert tell(gm, "START_CHARGING", key="one").status_code == 422
    tail = f"commands/{command.json()['commandId']}"
    assert ask(gm, tail).json()["status"] == "PENDING"
    step(gm, hours=5)
    assert ask(gm, tail).json()["status"] == "SUCCEEDED"
    assert truth(gm)["state"] == "HOLDING"
    tell(gm, "START_CHARGING")
    step(gm, minutes=1)
    assert truth(gm)["state"] == "CHARGING"


def test_nothing_is_told_below_half_a_battery(gm: MakerClient) -> None:
    gm.link(GUS)
    gm.sandbox.control("PATCH", f"cars/{BOLT}", socPercent=49.5)

    refused = tell(gm, "STOP_CHARGING")

    assert (refused.status_code, refused.json()["error"]["title"]) == (409, "State of charge is below 50 percent")


def test_car_itself_refuses_what_the_cloud_took_for_possible(gm: MakerClient) -> None:
    gm.link(GUS)
    gm.sandbox.control("PATCH", f"cars/{BOLT}", faults={"stale": True})
    gm.sandbox.control("PATCH", f"cars/{BOLT}", socPercent=40)

    command_id = tell(gm, "STOP_CHARGING").json()["commandId"]
    step(gm, minutes=1)

    assert ask(gm, f"commands/{command_id}").json() == {
        "commandId": command_id,
        "status": "FAILED",
        "reason": "battery too low",
    }
    assert truth(gm)["state"] == "CHARGING"


def test_sleeping_car_cannot_be_told_and_nothing_wakes_it(gm: MakerClient) -> None:
    gm.link(GUS)
    gm.sandbox.control("PATCH", f"cars/{BOLT}", faults={"asleep": True})
    step(gm, minutes=10)

    status = ask(gm, "status").json()

    assert (status["asleep"], status["reportedAt"]) == (True, "2026-11-19T02:00:00Z")
    assert tell(gm, "STOP_CHARGING").status_code == 408
    assert gm.call("POST", f"partner/v1/vehicles/{BOLT}/wake").status_code == 404


def test_owner_who_shares_readings_alone_is_not_steered(gm: MakerClient) -> None:
    gm.link(GUS, without_scopes=["vehicle.charge"])

    assert ask(gm, "status").status_code == 200
    assert tell(gm, "STOP_CHARGING").status_code == 403
    assert "unknown" not in tell(gm, "EXPLODE").text


def test_what_the_consent_page_does_not_let_untick_is_granted(gm: MakerClient) -> None:
    browser = OwnerBrowser(GUS)
    page = browser.open_consent(gm.authorize_url())
    first_form = page.text.split("</form>", maxsplit=1)[0]
    hidden = dict(re.findall(r'<input type="hidden" name="(request|csrfmiddlewaretoken)" value="([^"]*)"', first_form))
    fields = {name: unescape(value) for name, value in hidden.items()} | {"action": "allow", "vehicles": BOLT}

    answer = browser.session.post(
        page.url, data=fields, headers={"Referer": page.url}, allow_redirects=False, timeout=30
    )

    assert gm.redeem(answer.headers["Location"]).tokens["scope"] == "vehicle.read"
    assert ask(gm, "status").status_code == 200


def test_unknown_words_and_unplugged_cars_are_refused(gm: MakerClient) -> None:
    gm.link(GUS)
    assert tell(gm, "EXPLODE").status_code == 400
    gm.sandbox.control("PATCH", f"cars/{BOLT}", action="unplug")
    assert tell(gm, "START_CHARGING").json()["error"]["title"] == "Vehicle is not plugged in"
