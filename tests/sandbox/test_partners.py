"""Honda, Smartcar and the wall box maker over the wire, by their contracts alone."""

import base64
import hashlib
import re
import secrets
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from tests.sandbox_owner import OwnerBrowser
from tests.sandbox_process import SandboxProcess

PROLOGUE, V2G = "hnd-5b0c1c7de2f94f0a8d21c4a7e9", "hnd-8e71d3a04c6b4a2f9b5de0f1c3"
IONIQ, ID4, BOX = "5ca1ab1e0001400080000000000000a1", "5ca1ab1e0002400080000000000000b1", "box-2f1e7c5a90b34d61"
SECRET = "charge-the-grid"
UNTIL = "2026-11-19T02:15:00Z"


class Partner:
    """One maker's cloud with an owner's token."""

    def __init__(self, sandbox: SandboxProcess, maker: str, **choice: Any) -> None:
        self.base = f"{sandbox.url}/{maker}"
        self.client = {"client_id": f"chargescape-{maker}", "client_secret": SECRET}
        self.back = f"http://localhost:8000/cars/link/callback/{maker}/"
        self.headers = self._open(maker, choice)

    def _open(self, maker: str, choice: dict[str, Any]) -> dict[str, str]:
        browser = OwnerBrowser(f"alice@{maker}.sandbox")
        query = {"response_type": "code", "redirect_uri": self.back, "client_id": self.client["client_id"]}
        if maker == "smartcar":
            scope = "read_vehicle_info read_vin read_battery read_charge read_location control_charge"
            url = f"{self.base}/connect/authorize?{urlencode(query | {'scope': scope, 'mode': 'live'})}"
            back = parse_qs(urlsplit(browser.allow(url, **choice)).query)
            token = self.post_token(grant_type="client_credentials").json()
            assert token["expires_in"] == 3600
            return {"Authorization": f"Bearer {token['access_token']}", "sc-user-id": back["user_id"][0]}
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        url = f"{self.base}/oauth2/authorize?" + urlencode(
            query | {"code_challenge": challenge, "code_challenge_method": "S256"}
        )
        back = parse_qs(urlsplit(browser.allow(url, **choice)).query)
        reply = self.post_token(
            grant_type="authorization_code", code=back["code"][0], redirect_uri=self.back, code_verifier=verifier
        )
        return {"Authorization": f"Bearer {reply.json()['access_token']}"}

    def post_token(self, **fields: str) -> requests.Response:
        """Ask the token endpoint."""
        return requests.post(f"{self.base}/oauth2/token", data=self.client | fields, timeout=30)

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Call the API."""
        headers = self.headers | kwargs.pop("headers", {})
        return requests.request(method, f"{self.base}/{path}", headers=headers, timeout=30, **kwargs)


def test_honda_shows_the_vin_of_shared_cars_alone(frozen: SandboxProcess) -> None:
    honda = Partner(frozen, "honda", vehicle_ids=[PROLOGUE])

    rows = {row["id"]: row for row in honda.call("GET", "partner/v1/vehicles").json()["vehicles"]}

    assert (rows[PROLOGUE]["shared"], rows[V2G]["shared"], rows[V2G]["vin"]) == (True, False, None)
    assert re.fullmatch("[A-HJ-NPR-Z0-9]{17}", rows[PROLOGUE]["vin"])
    assert honda.call("GET", f"partner/v1/vehicles/{V2G}/state").status_code == 403


def test_honda_action_is_one_for_one_key(frozen: SandboxProcess) -> None:
    path = f"partner/v1/vehicles/{PROLOGUE}/actions"
    honda, key = Partner(frozen, "honda"), {"Idempotency-Key": secrets.token_hex(8)}
    hold = {"kind": "HOLD", "until": UNTIL}

    first, again = (honda.call("POST", path, json=hold, headers=key) for _ in range(2))
    other = honda.call("POST", path, json=hold | {"until": "2026-11-19T02:10:00Z"}, headers=key)

    assert (first.status_code, first.json()["id"]) == (202, again.json()["id"])
    assert other.status_code == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "HOLD", "until": "2026-11-19T01:59:00Z"}, 400),
        ({"kind": "HOLD"}, 400),
        ({"kind": "DISCHARGE", "until": UNTIL, "powerKw": 5, "minSocPercent": 30}, 400),  # this car gives nothing
        ({"kind": "SET_LIMIT", "limitPercent": 20}, 400),
        ({"kind": "HONK"}, 400),
        ([], 400),
    ],
)
def test_honda_refuses_what_makes_no_sense(frozen: SandboxProcess, body: Any, status: int) -> None:
    honda = Partner(frozen, "honda")

    assert honda.call("POST", f"partner/v1/vehicles/{PROLOGUE}/actions", json=body).status_code == status


def test_smartcar_opens_connected_cars_to_the_app_alone(frozen: SandboxProcess) -> None:
    smartcar = Partner(frozen, "smartcar", without_scopes=["read_location"])

    rows = smartcar.call("GET", "vehicle/v3/connections?page[size]=1").json()
    assert [row["relationships"]["vehicle"]["data"]["id"] for row in rows["data"]] == [IONIQ]
    signals = smartcar.call("GET", f"vehicle/v3/vehicles/{IONIQ}/signals").json()["data"]
    status = {row["attributes"]["code"]: row["attributes"]["status"] for row in signals}
    assert status["tractionbattery-stateofcharge"] == {"value": "SUCCESS"}
    assert status["location-preciselocation"]["error"]["type"] == "PERMISSION"

    foreign = smartcar.call("GET", f"vehicle/v3/vehicles/{ID4}/signals")
    assert (foreign.status_code, foreign.json()["errors"][0]["code"]) == (403, "ACCESS_DENIED")
    headless = smartcar.call("GET", f"vehicle/v3/vehicles/{IONIQ}/signals", headers={"sc-user-id": "somebody"})
    assert headless.status_code == 403
    assert smartcar.call("GET", "vehicle/v3/connections", headers={"Authorization": "Bearer x"}).status_code == 401


def test_smartcar_page_turns_strangers_away(frozen: SandboxProcess) -> None:
    url = f"{frozen.url}/smartcar/connect/authorize"
    query = {"response_type": "code", "mode": "live", "client_id": "chargescape-smartcar"}
    for change in ({"redirect_uri": "https://elsewhere.test/"}, {"client_id": "stranger"}, {"mode": "test"}):
        assert requests.get(url, params=query | change, timeout=30).status_code == 400


def test_limit_is_taken_from_half_to_full(frozen: SandboxProcess) -> None:
    smartcar = Partner(frozen, "smartcar")
    path = f"vehicle/v3/vehicles/{IONIQ}/commands/charge/set-limit"

    low, fine = (smartcar.call("POST", path, json={"data": {"attributes": {"percent": value}}}) for value in (49, 70))

    assert (low.status_code, low.json()["errors"][0]["type"]) == (400, "VALIDATION")
    assert (fine.status_code, frozen.control("GET", f"cars/{IONIQ}")["limitPercent"]) == (200, 70)


def test_box_page_lets_another_car_use_it(frozen: SandboxProcess) -> None:
    with requests.Session() as session:
        assert 'href="/homebox/boxes"' in session.get(f"{frozen.url}/homebox/", timeout=30).text
        page = session.get(f"{frozen.url}/homebox/boxes", timeout=30)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token is not None
        assert "Alice&#x27;s IONIQ 5" in page.text
        for guest in ("", IONIQ):
            form = {"csrfmiddlewaretoken": token[1], "guest": guest}
            done = session.post(f"{frozen.url}/homebox/boxes/{BOX}/guest", data=form, timeout=30)
            shown = requests.get(f"{frozen.url}/homebox/control/boxes/{BOX}", timeout=30).json()
            assert (done.status_code, shown["guest"] or "") == (200, guest)


def test_box_is_shared_and_controlled_by_its_owners_leave(frozen: SandboxProcess) -> None:
    box = Partner(frozen, "homebox")
    assert [row["id"] for row in box.call("GET", "partner/v1/boxes").json()["boxes"]] == [BOX]

    bad = {"powerKw": -20, "until": UNTIL}
    key = {"Idempotency-Key": secrets.token_hex(8)}
    assert box.call("PUT", f"partner/v1/boxes/{BOX}/setpoint", json=bad, headers=key).status_code == 400
    assert box.call("PUT", f"partner/v1/boxes/{BOX}/setpoint", json=bad).status_code == 400  # no key
    assert box.call("GET", "partner/v1/boxes/box-unknown/state").status_code == 404


@pytest.mark.parametrize("body", [{"webhooks": {"sideways": True}}, {"webhooks": 7}, {"webhooks": {"lateSeconds": -1}}])
def test_unknown_webhook_troubles_are_refused(frozen: SandboxProcess, body: dict[str, Any]) -> None:
    reply = requests.patch(f"{frozen.url}/control/makers/honda", json=body, timeout=30)

    assert reply.status_code == 400
    assert "webhooks" in reply.json()["error"] or "lateSeconds" in reply.json()["error"]
