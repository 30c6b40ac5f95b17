"""Every fault that can be switched on, seen from the app's side of the wire."""

import pytest
import requests

from tests.sandbox.cast import ALICE, ALICES_MACH_E, ALICES_TRUCK, at, step, truth
from tests.sandbox.ford_client import FordClient


def set_faults(ford: FordClient, vehicle_id: str, **faults: bool | float) -> None:
    ford.sandbox.control("PATCH", f"cars/{vehicle_id}", faults=faults)


@pytest.mark.parametrize("waking", ["wake", "status"])
def test_sleeping_car_serves_old_values_until_it_is_woken(ford: FordClient, waking: str) -> None:
    ford.link(ALICE)
    set_faults(ford, ALICES_MACH_E, asleep=True)
    stop_id = ford.vehicle("POST", ALICES_MACH_E, "/stopCharge").json()["commandId"]
    step(ford, minutes=1)
    asleep = ford.vehicle("GET", ALICES_MACH_E).json()["vehicle"]
    assert asleep["vehicleStatus"]["deepSleepInProgress"]["value"] is True
    assert asleep["vehicleDetails"]["batteryChargeLevel"]["timestamp"] == "11-19-2026 02:00:00"
    refresh = ford.vehicle("GET", ALICES_MACH_E, f"/statusrefresh/{stop_id}").json()
    assert refresh["commandStatus"] == "FAILED"
    assert ford.vehicle("POST", ALICES_MACH_E, f"/{waking}").status_code == 202
    step(ford, minutes=1)
    awake = ford.vehicle("GET", ALICES_MACH_E).json()["vehicle"]
    assert awake["vehicleStatus"]["deepSleepInProgress"]["value"] is False
    assert awake["vehicleDetails"]["batteryChargeLevel"]["timestamp"] == "11-19-2026 02:02:00"


def test_stale_values_keep_their_instant_while_the_car_goes_on(ford: FordClient) -> None:
    ford.link(ALICE)
    set_faults(ford, ALICES_TRUCK, stale=True)
    first = ford.partner("GET", ALICES_TRUCK, "telemetry").json()
    step(ford, hours=1)
    assert ford.partner("GET", ALICES_TRUCK, "telemetry").json() == first
    assert truth(ford, ALICES_TRUCK)["socPercent"] > 55
    set_faults(ford, ALICES_TRUCK, stale=False)
    assert ford.partner("GET", ALICES_TRUCK, "telemetry").json()["observedAt"] == at(hours=1)


def test_delayed_command_takes_effect_later(ford: FordClient) -> None:
    ford.link(ALICE)
    set_faults(ford, ALICES_MACH_E, commandDelaySeconds=300)
    ford.vehicle("POST", ALICES_MACH_E, "/stopCharge")
    step(ford, seconds=307)
    assert truth(ford, ALICES_MACH_E)["state"] == "CHARGING"
    step(ford, seconds=2)
    assert truth(ford, ALICES_MACH_E)["state"] == "HOLDING"


def test_setpoint_that_arrives_after_its_end_does_nothing(ford: FordClient) -> None:
    ford.link(ALICE)
    set_faults(ford, ALICES_TRUCK, commandDelaySeconds=3600)
    assert ford.order(ALICES_TRUCK, power_kw=0, until=at(minutes=30)).status_code == 202
    step(ford, minutes=61)
    assert truth(ford, ALICES_TRUCK)["state"] == "CHARGING"
    newest = ford.sandbox.control("GET", f"cars/{ALICES_TRUCK}/commands")["commands"][0]
    assert (newest["status"], newest["reason"]) == ("FAILED", "came too late")


def test_lost_command_is_accepted_without_effect(ford: FordClient) -> None:
    ford.link(ALICE)
    set_faults(ford, ALICES_MACH_E, commandsLost=True)
    reply = ford.vehicle("POST", ALICES_MACH_E, "/stopCharge")
    assert reply.status_code == 202
    step(ford, seconds=60)
    refresh = ford.vehicle("GET", ALICES_MACH_E, f"/statusrefresh/{reply.json()['commandId']}").json()
    assert refresh["commandStatus"] == "PENDINGRESPONSE"
    assert truth(ford, ALICES_MACH_E)["state"] == "CHARGING"


def test_ignored_limit_charges_to_the_top(ford: FordClient) -> None:
    ford.sandbox.control("PATCH", f"cars/{ALICES_MACH_E}", socPercent=89.9, faults={"limitIgnored": True})
    step(ford, hours=3)
    assert truth(ford, ALICES_MACH_E)["socPercent"] == 100


def test_car_that_refuses_goes_on_as_it_was(ford: FordClient) -> None:
    ford.link(ALICE)
    set_faults(ford, ALICES_MACH_E, commandsRefused=True)
    stop_id = ford.vehicle("POST", ALICES_MACH_E, "/stopCharge").json()["commandId"]
    step(ford, minutes=1)
    assert ford.vehicle("GET", ALICES_MACH_E, f"/statusrefresh/{stop_id}").json()["commandStatus"] == "FAILED"
    assert truth(ford, ALICES_MACH_E)["state"] == "CHARGING"


def test_lost_answer_hides_what_the_car_did(ford: FordClient) -> None:
    ford.link(ALICE)
    set_faults(ford, ALICES_MACH_E, answersLost=True)
    assert ford.vehicle("POST", ALICES_MACH_E, "/stopCharge").status_code == 504
    assert ford.vehicle("GET", ALICES_MACH_E).status_code == 200
    step(ford, minutes=1)
    assert truth(ford, ALICES_MACH_E)["state"] == "HOLDING"


def test_own_window_wins_over_start_and_stop(ford: FordClient) -> None:
    ford.link(ALICE)
    set_faults(ford, ALICES_MACH_E, foreignSchedule=True)  # 01:00 to 05:00; it is 20:00
    ford.vehicle("POST", ALICES_MACH_E, "/startCharge")
    step(ford, minutes=1)
    now = truth(ford, ALICES_MACH_E)
    assert (now["state"], now["waiting"], now["window"]) == ("HOLDING", True, {"start": "01:00", "stop": "05:00"})
    ford.vehicle("POST", ALICES_MACH_E, "/stopCharge")
    step(ford, hours=5, minutes=1)
    assert truth(ford, ALICES_MACH_E)["state"] == "CHARGING"
    url = f"cars/{ALICES_MACH_E}"
    assert ford.sandbox.control("PATCH", url, window={"start": "20:00", "stop": "21:30"})["state"] == "HOLDING"
    assert (
        requests.patch(f"{ford.sandbox.url}/control/{url}", json={"window": {"start": "8"}}, timeout=30).status_code
        == 400
    )
    set_faults(ford, ALICES_MACH_E, foreignSchedule=False)
    assert truth(ford, ALICES_MACH_E)["window"] is None


def test_sold_car_is_gone_from_the_account(ford: FordClient) -> None:
    ford.link(ALICE)
    set_faults(ford, ALICES_MACH_E, sold=True)
    listed = ford.call("GET", "api/fordconnect/v3/vehicles").json()["vehicles"]
    assert [vehicle["vehicleId"] for vehicle in listed] == [ALICES_TRUCK]
    assert ford.vehicle("GET", ALICES_MACH_E).status_code == 404


def test_garbled_maker_answers_with_a_page(ford: FordClient) -> None:
    ford.link(ALICE)
    ford.sandbox.control("PATCH", "makers/ford", garbled=True)
    reply = ford.vehicle("GET", ALICES_TRUCK)
    assert (reply.status_code, reply.text[:6]) == (200, "<html>")


@pytest.mark.parametrize(("fault", "status"), [("apiDown", 503), ("rateLimited", 429)])
def test_outages_hit_the_whole_maker_or_one_car(ford: FordClient, fault: str, status: int) -> None:
    ford.link(ALICE)
    ford.sandbox.control("PATCH", "makers/ford", **{fault: True})
    replies = [ford.vehicle("GET", ALICES_TRUCK), ford.partner("GET", ALICES_TRUCK, "telemetry")]
    assert [reply.status_code for reply in replies] == [status, status]
    assert ("Retry-After" in replies[0].headers) is (status == 429)
    ford.sandbox.control("PATCH", "makers/ford", **{fault: False})
    set_faults(ford, ALICES_TRUCK, **{fault: True})
    assert ford.vehicle("GET", ALICES_TRUCK).status_code == status
    assert ford.vehicle("GET", ALICES_MACH_E).status_code == 200


def test_token_endpoint_down_keeps_the_refresh_token_good(ford: FordClient) -> None:
    ford.link(ALICE)
    ford.sandbox.control("PATCH", "makers/ford", tokenDown=True)
    assert ford.refresh(ford.tokens["refresh_token"]).status_code == 503
    ford.sandbox.control("PATCH", "makers/ford", tokenDown=False)
    assert ford.refresh(ford.tokens["refresh_token"]).status_code == 200


def test_impossible_actions_and_unknown_words_are_refused(ford: FordClient) -> None:
    url = f"{ford.sandbox.url}/control/cars/{ALICES_TRUCK}"
    for body, status in [
        ({"action": "come_home"}, 409),
        ({"action": "plug_in"}, 200),
        ({"action": "explode"}, 409),
        ({"faults": {"flatTyre": True}}, 400),
        ({"faults": {"stale": "yes"}}, 400),
        ({"socPercent": 101}, 400),
        ({"colour": "red"}, 400),
    ]:
        assert requests.patch(url, json=body, timeout=30).status_code == status, body
    assert requests.get(f"{ford.sandbox.url}/control/cars/nobody", timeout=30).status_code == 404


def test_pages_show_the_truth_and_switch_faults(ford: FordClient) -> None:
    browser = requests.Session()
    page_url = f"{ford.sandbox.url}/cars/{ALICES_TRUCK}/"
    for path in ("/", "/cars/", "/ford/", f"/cars/{ALICES_TRUCK}/"):
        page = browser.get(ford.sandbox.url + path, timeout=30)
        assert page.status_code == 200
        assert "Sandbox: pretend outside world." in page.text
    assert "50.00 % of 123000 Wh" in page.text
    form = {"csrfmiddlewaretoken": browser.cookies["sandbox_csrf"], "stale": "on", "commandDelaySeconds": "12"}
    assert browser.post(f"{page_url}change", data=form, headers={"Referer": page_url}, timeout=30).status_code == 200
    faults = ford.sandbox.control("GET", f"cars/{ALICES_TRUCK}")["faults"]
    assert (faults["stale"], faults["commandDelaySeconds"], faults["commandsLost"]) == (True, 12, False)
    del form["stale"]
    form = {"csrfmiddlewaretoken": form["csrfmiddlewaretoken"], "action": "leave"}
    page = browser.post(f"{page_url}change", data=form, headers={"Referer": page_url}, timeout=30)
    assert "Done: go away now." in page.text
    assert requests.post(f"{page_url}change", data={"action": "come_home"}, timeout=30).status_code == 403


def test_makers_page_switches_its_faults(ford: FordClient) -> None:
    ford.link(ALICE)
    browser = requests.Session()
    for maker in ("ford", "honda"):
        page_url = f"{ford.sandbox.url}/{maker}/"
        browser.get(page_url, timeout=30)
        form = {"csrfmiddlewaretoken": browser.cookies["sandbox_csrf"], "garbled": "on", "twice": "on"}
        browser.post(f"{page_url}faults", data=form, headers={"Referer": page_url}, timeout=30)
    garbled, pushing = (ford.sandbox.control("GET", f"makers/{maker}") for maker in ("ford", "honda"))
    assert (garbled["garbled"], garbled["apiDown"], garbled["webhooks"]) == (True, False, {})
    assert pushing["webhooks"] == {"twice": True}
    page_url = f"{ford.sandbox.url}/ford/"
    form = {"csrfmiddlewaretoken": browser.cookies["sandbox_csrf"], "expire": "1"}
    page = browser.post(f"{page_url}faults", data=form, headers={"Referer": page_url}, timeout=30)
    assert "Access tokens expired" in page.text
    ford.sandbox.control("PATCH", "makers/ford", garbled=False)
    assert ford.vehicle("GET", ALICES_TRUCK).status_code == 401
