"""A VEN's calls: pages, tokens that run out, both versions' addresses and bodies, servers that fail, stall and lie."""

import json
from typing import Any

import pytest
import requests
import responses

from foundation.http import open_session
from grid.operators.base import OperatorBusy, OperatorError, OperatorRefused, OperatorUnreachable, OperatorUnreadable
from grid.operators.openadr3.client import NotThere, VtnClient
from tests.openadr3_spec import judge

BASE = "https://vtn.test/openadr3/3.1.0"


@pytest.fixture
def door() -> Any:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.post(f"{BASE}/auth/token", json={"access_token": "t1", "token_type": "Bearer"})
        yield mock


def client(version: str = "3.1.0") -> VtnClient:
    return VtnClient(
        session=open_session(), api_base=BASE, version=version, client_id="ven", client_secret="secret-one"
    )


def sent(door: Any, place: int = -1) -> Any:
    return json.loads(door.calls[place].request.body)


def test_unknown_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"2\.0b"):
        client("2.0b")


def test_events_come_in_pages_and_only_whole(door: Any) -> None:
    rows = [{"id": str(place)} for place in range(60)]
    door.get(f"{BASE}/events", json=rows[:50])
    door.get(f"{BASE}/events", json=rows[50:])
    assert client().events("p 1") == rows
    first, second = (call.request.params for call in list(door.calls)[1:])
    assert first == {"programID": "p 1", "active": "true", "skip": "0", "limit": "50"}
    assert second["skip"] == "50"

    door.get(f"{BASE}/events", json=rows[:50])
    door.get(f"{BASE}/events", status=503)
    door.remove("GET", f"{BASE}/events")
    door.get(f"{BASE}/events", status=503)
    with pytest.raises(OperatorUnreachable):
        client().events("p 1")


def test_server_that_never_ends_its_pages_is_refused(door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grid.operators.openadr3.client.MOST_PAGES", 3)
    door.get(f"{BASE}/events", json=[{"id": str(place)} for place in range(50)])
    with pytest.raises(OperatorUnreadable):
        client().events("p")


def test_token_is_fetched_once_and_again_when_refused(door: Any) -> None:
    door.get(f"{BASE}/programs", json=[])
    vtn = client()
    vtn.programs()
    vtn.programs()
    assert [call.request.method for call in door.calls] == ["POST", "GET", "GET"]
    door.replace("GET", f"{BASE}/programs", status=401)
    with pytest.raises(OperatorRefused):
        vtn.programs()
    assert [call.request.method for call in door.calls][3:] == ["GET", "POST", "GET"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": 403}, OperatorRefused),
        ({"status": 404}, NotThere),
        ({"status": 429, "headers": {"Retry-After": "7"}}, OperatorBusy),
        ({"status": 500}, OperatorUnreachable),
        ({"status": 302, "headers": {"Location": "https://elsewhere.test"}}, OperatorUnreadable),
        ({"body": "<html>"}, OperatorUnreadable),
        ({"json": {"id": 1}}, OperatorUnreadable),
        ({"json": ["x"]}, OperatorUnreadable),
        ({"body": requests.exceptions.ReadTimeout()}, OperatorUnreachable),
    ],
)
def test_failing_server_is_told_apart(door: Any, answer: dict[str, Any], error: type[OperatorError]) -> None:
    door.get(f"{BASE}/events", **answer)
    with pytest.raises(OperatorError) as caught:
        client().events("p")
    assert type(caught.value) is error
    assert "secret-one" not in str(caught.value)


@pytest.mark.parametrize("answer", [{"status": 400}, {"status": 401}, {"json": {}}, {"json": {"access_token": "a\nb"}}])
def test_no_token_no_call(door: Any, answer: dict[str, Any]) -> None:
    door.replace("POST", f"{BASE}/auth/token", **answer)
    with pytest.raises((OperatorRefused, OperatorUnreadable)):
        client().programs()


def test_ven_is_found_or_made(door: Any) -> None:
    door.get(f"{BASE}/vens", json=[{"id": "v-1", "venName": "other"}, {"id": "v-2", "venName": "us"}])
    assert client().register("us") == "v-2"
    door.replace("GET", f"{BASE}/vens", json=[])
    door.post(f"{BASE}/vens", json={"id": "v-3"}, status=201)
    assert client().register("us") == "v-3"
    judge("VenVenRequest", sent(door))
    assert client("3.0.1").register("us") == "v-3"
    judge("ven", sent(door), version="3.0.1")


@pytest.mark.parametrize(("version", "path"), [("3.1.0", "/resources"), ("3.0.1", "/vens/v-1/resources")])
def test_resource_stands_where_its_version_says(door: Any, version: str, path: str) -> None:
    attributes = [{"type": "MAX_POWER_CONSUMPTION", "values": [7.2]}]
    door.get(BASE + path, json=[{"id": "r-1", "resourceName": "a", "attributes": []}])
    door.put(f"{BASE}{path}/r-1", json={"id": "r-1"})
    door.post(BASE + path, json={"id": "r-2"}, status=201)
    vtn = client(version)
    assert (vtn.put_resource("v-1", "a", attributes), vtn.put_resource("v-1", "b", attributes)) == ("r-1", "r-2")
    judge("VenResourceRequest" if version == "3.1.0" else "resource", sent(door), version=version)

    door.replace("GET", BASE + path, json=[{"id": "r-1", "resourceName": "a", "attributes": attributes}])
    calls = len(door.calls)
    vtn.put_resource("v-1", "a", attributes)
    assert len(door.calls) == calls + 1  # nothing had changed


@pytest.mark.parametrize(("version", "operation"), [("3.1.0", "CREATE"), ("3.0.1", "POST")])
def test_subscription_is_made_once(door: Any, version: str, operation: str) -> None:
    door.get(f"{BASE}/subscriptions", json=[])
    door.post(f"{BASE}/subscriptions", json={"id": "s-1"}, status=201)
    wish = {"client_name": "us", "program_id": "p", "callback_url": "https://us.test/hook", "bearer": "b"}
    assert client(version).subscribe(**wish) == "s-1"
    body = sent(door)
    assert operation in body["objectOperations"][0]["operations"]
    if version == "3.1.0":
        judge("subscriptionRequest", body)
    door.replace("GET", f"{BASE}/subscriptions", json=[body | {"id": "s-0"}])
    assert client(version).subscribe(**wish) == "s-0"


def test_event_that_is_no_more_is_none_and_a_failing_server_is_not(door: Any) -> None:
    door.get(f"{BASE}/events/e%2F1", json={"id": "e/1"})
    assert client().event("e/1") == {"id": "e/1"}
    door.replace("GET", f"{BASE}/events/e%2F1", status=404)
    assert client().event("e/1") is None
    door.replace("GET", f"{BASE}/events/e%2F1", status=500)
    with pytest.raises(OperatorUnreachable):
        client().event("e/1")


def test_report_is_sent_or_replaced(door: Any) -> None:
    door.post(f"{BASE}/reports", json={"id": "r-1"}, status=201)
    door.put(f"{BASE}/reports/r-1", json={"id": "r-1"})
    vtn = client()
    assert vtn.send_report({"eventID": "e"}) == "r-1"
    assert vtn.send_report({"eventID": "e"}, "r-1") == "r-1"
    door.replace("POST", f"{BASE}/reports", json={}, status=201)
    with pytest.raises(OperatorUnreadable):
        vtn.send_report({"eventID": "e"})
