"""Notices by API: read, marked, acted on and told as the owner wants it; each sees their own."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.flows.notices import notify
from accounts.models import Notice, PushDevice, User
from accounts.notice_kinds import KINDS
from tests.accounts.push_server import Browser
from tests.factories import nights
from vehicles.models import ChargeOverride

pytestmark = pytest.mark.django_db

API = "/api/v1/notices"
FCM = "https://fcm.googleapis.com/fcm/send/abc"


def signed_in(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def tell(user: User, now: datetime) -> Notice:
    return notify(user=user, kind="enrolled", key="k", params={"vehicle": "Lightning", "program": "P"}, now=now)


@pytest.mark.parametrize("path", ["/", "/settings/", "/devices/", "/devices/key/"])
def test_nobody_reads_without_signing_in(path: str) -> None:
    assert APIClient().get(f"{API}{path}").status_code in {401, 403}


def test_notice_is_read_in_words_and_marked(alice: User, now: datetime) -> None:
    notice, api = tell(alice, now), signed_in(alice)
    shown = api.get(f"{API}/").data["results"][0]
    assert (shown["title"], shown["read_at"], shown["actions"]) == ("Lightning takes part in P", None, [])
    french = api.get(f"{API}/", headers={"Accept-Language": "fr-CA"}).data["results"][0]
    assert french["title"] != shown["title"]
    assert api.post(f"{API}/{notice.public_id}/read/").data["read_at"] is not None
    Notice.objects.update(read_at=None)
    assert api.post(f"{API}/read/").data == {"read": 1}


def test_stranger_finds_no_notice_of_anothers(alice: User, charlie: User, now: datetime) -> None:
    notice, api = tell(alice, now), signed_in(charlie)
    device = PushDevice.objects.create(user=alice, endpoint=FCM, endpoint_hash="x", created_at=now)
    assert api.get(f"{API}/{notice.public_id}/").status_code == 404
    for path in (f"{API}/{notice.public_id}/read/", f"{API}/{notice.public_id}/act/"):
        assert api.post(path, {"action": "stop_email"}, format="json").status_code == 404
    assert api.delete(f"{API}/devices/{device.public_id}/").status_code == 404
    assert api.post(f"{API}/read/").data == {"read": 0}
    assert Notice.objects.get().read_at is None


def test_app_acts_on_a_notice_once(alice: User, now: datetime) -> None:
    car = nights.plugged_car(alice, now=now).vehicle
    params = {
        "vehicle": "B",
        "vehicle_id": str(car.public_id),
        "departure_at": (now + timedelta(days=9000)).isoformat(),
    }
    notice = notify(user=alice, kind="departure_at_risk", key="k", params=params, now=now)
    api = signed_in(alice)
    assert api.get(f"{API}/{notice.public_id}/").data["actions"] == [{"action": "charge_now", "label": "Charge now"}]
    done = api.post(f"{API}/{notice.public_id}/act/", {"action": "charge_now"}, format="json")
    assert (done.status_code, done.data["read_at"] is None) == (200, False)
    assert ChargeOverride.objects.get().vehicle == car
    for action, status, code in (("charge_now", 409, "used"), ("opt_out", 409, "unknown_action")):
        again = api.post(f"{API}/{notice.public_id}/act/", {"action": action}, format="json")
        assert (again.status_code, again.data["code"]) == (status, code)
    assert api.post(f"{API}/{notice.public_id}/act/", {"action": "relink"}, format="json").status_code == 400


def test_settings_are_read_and_changed(alice: User) -> None:
    api = signed_in(alice)
    before = api.get(f"{API}/settings/").data
    assert (before["quiet_from_local"], len(before["switches"])) == ("22:00", 3 * len(KINDS))
    change = {"has_digest": True, "switches": [{"kind": "enrolled", "channel": "email", "is_on": False}]}
    after = api.patch(f"{API}/settings/change/", change, format="json").data
    assert (after["has_digest"], after["quiet_from_local"]) == (True, "22:00")
    assert {"kind": "enrolled", "channel": "email", "is_on": False} in after["switches"]
    locked = {"switches": [{"kind": "release_failing", "channel": "in_app", "is_on": False}]}
    refused = api.patch(f"{API}/settings/change/", locked, format="json")
    assert (refused.status_code, refused.data["code"]) == (409, "always_shown")
    same = api.patch(f"{API}/settings/change/", {"quiet_from_local": "07:00"}, format="json")
    assert (same.status_code, list(same.data["errors"])) == (409, ["quiet_until_local"])
    bodies: list[Any] = [{"switches": [{"kind": "x"}]}, {"digest_at_local": "25:00"}, []]
    for body in bodies:
        assert api.patch(f"{API}/settings/change/", body, format="json").status_code == 400


def test_browser_subscribes_and_leaves(alice: User) -> None:
    api, browser = signed_in(alice), Browser(FCM)
    assert len(api.get(f"{API}/devices/key/").data["public_key"]) == 87
    body = {"endpoint": FCM, "keys": browser.keys, "name": "Phone"}
    made = api.post(f"{API}/devices/", body, format="json")
    assert (made.status_code, set(made.data)) == (201, {"id", "name", "created_at"})
    assert [row["name"] for row in api.get(f"{API}/devices/").data["results"]] == ["Phone"]
    refused = api.post(f"{API}/devices/", {**body, "endpoint": "https://127.0.0.1/x"}, format="json")
    assert (refused.status_code, refused.data["code"]) == (409, "unknown_service")
    assert api.post(f"{API}/devices/", {"endpoint": FCM}, format="json").status_code == 400
    assert api.delete(f"{API}/devices/{made.data['id']}/").status_code == 204
    assert not PushDevice.objects.exists()
