from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tests.sandbox_process import SandboxProcess

NOW = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)  # 17:05 in Texas: tomorrow is published
KEY = {"Ocp-Apim-Subscription-Key": "a-key"}


@pytest.fixture
def feeds(sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    """The sandbox with the clock frozen at `NOW` and no faults in its feeds."""
    sandbox.control("PUT", "clock", simulated_at=NOW.isoformat(), rate=0)
    requests.delete(f"{sandbox.url}/feeds/control/faults", timeout=30).raise_for_status()
    yield sandbox
    requests.delete(f"{sandbox.url}/feeds/control/faults", timeout=30).raise_for_status()
    sandbox.control("DELETE", "clock")


def ercot(feeds: SandboxProcess, **query: str) -> requests.Response:
    """Ask for prices."""
    url = f"{feeds.url}/feeds/ercot/np4-190-cd/dam_stlmnt_pnt_prices"
    return requests.get(url, params={"settlementPoint": "LZ_AEN", **query}, headers=KEY, timeout=30)


def watttime(feeds: SandboxProcess, path: str = "forecast", **query: str) -> requests.Response:
    """Sign in and ask for carbon."""
    token = requests.get(f"{feeds.url}/feeds/watttime/login", auth=("name", "word"), timeout=30).json()["token"]
    return requests.get(
        f"{feeds.url}/feeds/watttime/v3/{path}",
        params={"region": "CAISO_NORTH", "signal_type": "co2_moer", **query},
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )


def switch_on(feeds: SandboxProcess, feed: str, kind: str, **settings: float) -> int:
    """Switch a fault on; return its number."""
    body = {"feed": feed, "kind": kind, **settings}
    reply = requests.post(f"{feeds.url}/feeds/control/faults", json=body, timeout=30)
    reply.raise_for_status()
    number: int = reply.json()["id"]
    return number


def column(answer: dict[str, Any], name: str) -> list[Any]:
    """Return one column of ERCOT's rows, found by the fields that the answer names."""
    place = [field["name"] for field in answer["fields"]].index(name)
    return [row[place] for row in answer["data"]]


def test_ercot_answers_in_its_wire_format(feeds: SandboxProcess) -> None:
    answer = ercot(feeds, deliveryDateFrom="2026-11-18", deliveryDateTo="2026-11-18").json()
    assert answer["data"][0] == ["2026-11-18", "01:00", "LZ_AEN", 31.77, False]
    assert column(answer, "hourEnding")[-1] == "24:00"
    assert answer["_meta"]["totalRecords"] == 24
    assert "2022-11-23" in answer["_meta"]["source_note"]


def test_ercot_pages(feeds: SandboxProcess) -> None:
    dates = {"deliveryDateFrom": "2026-11-17", "deliveryDateTo": "2026-11-18", "size": "20"}
    pages = [ercot(feeds, **dates, page=str(page)).json() for page in (1, 2, 3, 4)]
    assert [len(page["data"]) for page in pages] == [20, 20, 8, 0]
    assert {page["_meta"]["totalPages"] for page in pages} == {3}
    assert [page["_meta"]["currentPage"] for page in pages] == [1, 2, 3, 4]


def test_tomorrow_appears_at_half_past_one(feeds: SandboxProcess) -> None:
    tomorrow = {"deliveryDateFrom": "2026-11-19", "deliveryDateTo": "2026-11-20"}
    feeds.control("PUT", "clock", simulated_at="2026-11-18T19:29:00Z", rate=0)
    before = ercot(feeds, **tomorrow).json()["data"]
    feeds.control("PUT", "clock", simulated_at="2026-11-18T19:31:00Z", rate=0)
    after = ercot(feeds, **tomorrow).json()
    assert before == []
    assert set(column(after, "deliveryDate")) == {"2026-11-19"}


def test_autumn_night_is_flagged(feeds: SandboxProcess) -> None:
    answer = ercot(feeds, deliveryDateFrom="2026-11-01", deliveryDateTo="2026-11-01").json()
    assert [row[1] for row in answer["data"] if row[4]] == ["02:00"]
    assert len(answer["data"]) == 25


def test_all_points_come_where_none_is_named_and_none_where_it_is_unknown(feeds: SandboxProcess) -> None:
    url = f"{feeds.url}/feeds/ercot/np4-190-cd/dam_stlmnt_pnt_prices"
    day = {"deliveryDateFrom": "2026-11-18", "deliveryDateTo": "2026-11-18"}
    answer = requests.get(url, params=day, headers=KEY, timeout=30).json()
    assert set(column(answer, "settlementPoint")) == {
        "HB_HUBAVG",
        "LZ_AEN",
        "LZ_HOUSTON",
        "LZ_NORTH",
        "LZ_SOUTH",
        "LZ_WEST",
    }
    assert ercot(feeds, settlementPoint="LZ_NOWHERE").json()["data"] == []


@pytest.mark.parametrize(
    "query", [{"page": "0"}, {"size": "x"}, {"deliveryDateFrom": "18.11.2026"}, {"deliveryDateFrom": "2020-01-01"}]
)
def test_ercot_refuses_nonsense(feeds: SandboxProcess, query: dict[str, str]) -> None:
    assert ercot(feeds, **query).status_code == 400


def test_ercot_needs_a_key_and_knows_one_report(feeds: SandboxProcess) -> None:
    base = f"{feeds.url}/feeds/ercot/np4-190-cd"
    without = requests.get(f"{base}/dam_stlmnt_pnt_prices", timeout=30)
    elsewhere = requests.get(f"{base}/other", headers=KEY, timeout=30)
    assert (without.status_code, without.json()["statusCode"]) == (401, 401)
    assert (elsewhere.status_code, elsewhere.json()["message"]) == (404, "Resource not found")


def test_carbon_is_forecast_in_lbs_per_mwh_from_now_on(feeds: SandboxProcess) -> None:
    feeds.control("PUT", "clock", simulated_at="2026-11-19T02:03:00Z", rate=0)
    answer = watttime(feeds, horizon_hours="48").json()
    assert answer["data"][0] == {"point_time": "2026-11-19T02:00:00Z", "value": 574.4}
    assert len(answer["data"]) == 48 * 12
    assert answer["meta"]["units"] == "lbs_co2_per_mwh"
    assert "2021-05-12" in answer["meta"]["source_note"]


def test_history_tells_what_was_forecast_and_nothing_of_the_future(feeds: SandboxProcess) -> None:
    forecast = watttime(feeds, horizon_hours="1").json()["data"]
    feeds.control("PUT", "clock", simulated_at=(NOW + timedelta(minutes=30)).isoformat(), rate=0)
    span = {"start": "2026-11-18T23:05:00+00:00", "end": "2026-11-19T06:00:00Z"}
    history = watttime(feeds, "historical", **span).json()["data"]
    assert history == forecast[:6]


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("forecast", {"region": "MOON"}, 404),
        ("forecast", {"signal_type": "health_damage"}, 400),
        ("forecast", {"horizon_hours": "73"}, 400),
        ("historical", {}, 400),
        ("historical", {"start": "2026-11-02T00:00Z", "end": "2026-11-01T00:00Z"}, 400),
        ("historical", {"start": "2026-01-01T00:00Z", "end": "2026-11-01T00:00Z"}, 400),
        ("region-access", {}, 404),
    ],
)
def test_watttime_refuses_nonsense(feeds: SandboxProcess, path: str, query: dict[str, str], status: int) -> None:
    reply = watttime(feeds, path, **query)
    assert reply.status_code == status
    assert reply.json()["error"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer forged"}, {"Authorization": "Basic eDp5"}])
def test_watttime_needs_its_token(feeds: SandboxProcess, headers: dict[str, str]) -> None:
    url = f"{feeds.url}/feeds/watttime/v3/forecast?region=CAISO_NORTH&signal_type=co2_moer"
    assert requests.get(url, headers=headers, timeout=30).status_code == 401


def test_watttime_signs_nobody_in_without_a_password(feeds: SandboxProcess) -> None:
    assert requests.get(f"{feeds.url}/feeds/watttime/login", timeout=30).status_code == 401
    assert requests.get(f"{feeds.url}/feeds/watttime/login", auth=("name", ""), timeout=30).status_code == 401


@pytest.mark.parametrize(("kind", "status"), [("outage", 503), ("rate_limit", 429), ("unauthorized", 401)])
def test_faults_strike_one_feed_until_they_end(feeds: SandboxProcess, kind: str, status: int) -> None:
    switch_on(feeds, "ercot", kind, minutes=30)
    struck, other = ercot(feeds), watttime(feeds)
    feeds.control("PUT", "clock", simulated_at=(NOW + timedelta(minutes=31)).isoformat(), rate=0)
    assert (struck.status_code, other.status_code, ercot(feeds).status_code) == (status, 200, 200)
    assert ("Retry-After" in struck.headers) == (status == 429)


def test_silence_keeps_tomorrow_back_and_the_forecast_old(feeds: SandboxProcess) -> None:
    feeds.control("PUT", "clock", simulated_at="2026-11-18T19:00:00Z", rate=0)
    for feed in ("ercot", "watttime"):
        switch_on(feeds, feed, "silence")
    feeds.control("PUT", "clock", simulated_at="2026-11-19T03:00:00Z", rate=0)
    assert ercot(feeds, deliveryDateFrom="2026-11-19").json()["data"] == []
    assert watttime(feeds).json()["meta"]["generated_at"] == "2026-11-18T19:00:00Z"


def test_values_are_off_until_they_are_corrected(feeds: SandboxProcess) -> None:
    day = {"deliveryDateFrom": "2026-11-18", "deliveryDateTo": "2026-11-18"}
    number = switch_on(feeds, "ercot", "correction", offset=10)
    wrong = column(ercot(feeds, **day).json(), "settlementPointPrice")[0]
    requests.delete(f"{feeds.url}/feeds/control/faults/{number}", timeout=30).raise_for_status()
    assert (wrong, column(ercot(feeds, **day).json(), "settlementPointPrice")[0]) == (41.77, 31.77)


@pytest.mark.parametrize(
    "body", [{}, {"feed": "ercot", "kind": "flood"}, {"feed": "ercot", "kind": "outage", "minutes": -1}]
)
def test_nonsense_faults_are_refused(feeds: SandboxProcess, body: dict[str, str | int]) -> None:
    assert requests.post(f"{feeds.url}/feeds/control/faults", json=body, timeout=30).status_code == 400


def test_page_switches_faults(feeds: SandboxProcess) -> None:
    browser = requests.Session()
    page = browser.get(f"{feeds.url}/feeds/", timeout=30)
    assert "Thu 19 Nov 2026" in page.text
    token, referer = browser.cookies["sandbox_csrf"], {"Referer": f"{feeds.url}/feeds/"}
    form = {"feed": "watttime", "kind": "outage", "minutes": "", "offset": "", "csrfmiddlewaretoken": token}
    assert browser.post(f"{feeds.url}/feeds/switch-on", data=form, headers=referer, timeout=30).ok
    (fault,) = requests.get(f"{feeds.url}/feeds/control/faults", timeout=30).json()
    assert (fault["feed"], fault["kind"]) == ("watttime", "outage")
    url = f"{feeds.url}/feeds/switch-off/{fault['id']}"
    assert browser.post(url, data={"csrfmiddlewaretoken": token}, headers=referer, timeout=30).ok
    assert requests.get(f"{feeds.url}/feeds/control/faults", timeout=30).json() == []
