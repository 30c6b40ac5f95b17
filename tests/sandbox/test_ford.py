"""The Ford-like dialect and its partner extension, over the wire against moving cars."""

import re
import time
from datetime import datetime

import pytest

from tests.sandbox.cast import ALICE, ALICES_MACH_E, ALICES_TRUCK, BOB, BOBS_MACH_E, START, at, step, truth
from tests.sandbox.ford_client import FordClient


def test_vehicle_is_served_in_fords_shapes(ford: FordClient) -> None:
    reply = ford.link(ALICE).vehicle("GET", ALICES_TRUCK).json()
    vehicle = reply["vehicle"]
    level = vehicle["vehicleDetails"]["batteryChargeLevel"]
    assert reply["status"] == "SUCCESS"
    assert level == {"value": 50.0, "distanceToEmpty": 258, "timestamp": "11-19-2026 02:00:00"}
    assert vehicle["vehicleStatus"]["chargingStatus"]["value"] == "ChargingAC"
    assert vehicle["vehicleStatus"]["plugStatus"]["value"] is True
    assert vehicle["vehicleStatus"]["deepSleepInProgress"]["value"] is False
    assert vehicle["vehicleLocation"]["latitude"] == "30.2672"
    assert vehicle["vehicleLocation"]["longitude"] == "-97.7431"
    assert re.fullmatch("[A-HJ-NPR-Z0-9]{17}", ford.vehicle("GET", ALICES_TRUCK, "/vin").json()["vin"])


def test_soc_is_served_in_tenths_and_in_hundredths(ford: FordClient) -> None:
    ford.link(ALICE)
    step(ford, minutes=7)
    true_soc = truth(ford, ALICES_TRUCK)["socPercent"]
    level = ford.vehicle("GET", ALICES_TRUCK).json()["vehicle"]["vehicleDetails"]["batteryChargeLevel"]["value"]
    assert level == round(true_soc, 1)
    assert ford.partner("GET", ALICES_TRUCK, "telemetry").json()["socPercent"] == round(true_soc, 2)


def test_stop_is_accepted_then_takes_effect_and_its_id_dies(ford: FordClient) -> None:
    ford.link(ALICE)
    reply = ford.vehicle("POST", ALICES_MACH_E, "/stopCharge")
    assert reply.status_code == 202
    assert reply.json()["commandStatus"] == "PENDINGRESPONSE"
    tail = f"/statusrefresh/{reply.json()['commandId']}"
    assert ford.vehicle("GET", ALICES_MACH_E, tail).json()["commandStatus"] == "PENDINGRESPONSE"
    assert truth(ford, ALICES_MACH_E)["state"] == "CHARGING"
    step(ford, seconds=9)
    assert ford.vehicle("GET", ALICES_MACH_E, tail).json()["commandStatus"] == "COMPLETED"
    assert truth(ford, ALICES_MACH_E)["state"] == "HOLDING"
    step(ford, seconds=120)
    assert ford.vehicle("GET", ALICES_MACH_E, tail).status_code == 404


def test_stop_holds_for_hours_until_start(ford: FordClient) -> None:
    ford.link(ALICE)
    ford.vehicle("POST", ALICES_MACH_E, "/stopCharge")
    step(ford, minutes=1)
    before = truth(ford, ALICES_MACH_E)["importedWh"]
    step(ford, hours=5)
    assert truth(ford, ALICES_MACH_E)["importedWh"] == before
    ford.vehicle("POST", ALICES_MACH_E, "/startCharge")
    step(ford, hours=1, seconds=8)
    assert truth(ford, ALICES_MACH_E)["importedWh"] == pytest.approx(before + 11_000, abs=1)


def test_stop_of_an_unplugged_car_fails(ford: FordClient) -> None:
    ford.link(ALICE)
    ford.sandbox.control("PATCH", f"cars/{ALICES_MACH_E}", action="unplug")
    command_id = ford.vehicle("POST", ALICES_MACH_E, "/stopCharge").json()["commandId"]
    step(ford, seconds=9)
    reply = ford.vehicle("GET", ALICES_MACH_E, f"/statusrefresh/{command_id}")
    assert reply.json()["commandStatus"] == "FAILED"
    status = ford.vehicle("GET", ALICES_MACH_E).json()["vehicle"]["vehicleStatus"]
    assert status["chargingStatus"]["value"] == "EvseNotDetected"
    assert status["plugStatus"]["value"] is False


def test_unknown_commands_are_not_found(ford: FordClient) -> None:
    assert ford.link(ALICE).vehicle("POST", ALICES_MACH_E, "/unlock").status_code == 404


def test_capabilities_say_what_each_car_can_do(ford: FordClient) -> None:
    ford.link(ALICE)
    bob = FordClient(ford.sandbox).link(BOB)
    reply = ford.partner("GET", ALICES_TRUCK, "capabilities")
    assert reply.json() == {"holdEnds": "timed", "maxDischargeKw": 9.6, "meter": True}
    assert bob.partner("GET", BOBS_MACH_E, "capabilities").json()["maxDischargeKw"] == 0
    for tail in ("capabilities", "telemetry"):
        assert ford.partner("GET", ALICES_MACH_E, tail).status_code == 404


def test_hold_until_ends_by_itself(ford: FordClient) -> None:
    ford.link(ALICE)
    reply = ford.order(ALICES_TRUCK, power_kw=0, until=at(hours=1))
    assert (reply.status_code, reply.json()["status"]) == (202, "ACCEPTED")
    before = truth(ford, ALICES_TRUCK)
    assert before["state"] == "HOLDING"
    step(ford, minutes=59)
    assert truth(ford, ALICES_TRUCK)["importedWh"] == before["importedWh"]
    step(ford, minutes=31)
    end = ford.partner("GET", ALICES_TRUCK, "telemetry").json()
    assert end["state"] == "CHARGING"
    assert truth(ford, ALICES_TRUCK)["importedWh"] == pytest.approx(before["importedWh"] + 11_300 / 2, abs=1)


def test_delete_resumes_at_once(ford: FordClient) -> None:
    ford.link(ALICE)
    ford.order(ALICES_TRUCK, power_kw=0, until=at(hours=1))
    assert ford.partner("DELETE", ALICES_TRUCK, "setpoint").status_code == 202
    assert truth(ford, ALICES_TRUCK)["state"] == "CHARGING"


def test_discharge_stops_at_its_minimum_and_meters_agree_with_the_battery(ford: FordClient) -> None:
    ford.link(ALICE)
    ford.sandbox.control("PATCH", f"cars/{ALICES_TRUCK}", socPercent=32)
    before = truth(ford, ALICES_TRUCK)
    ford.order(ALICES_TRUCK, power_kw=-9.6, until=at(hours=2), floor=30)
    running = ford.partner("GET", ALICES_TRUCK, "telemetry").json()
    assert (running["state"], running["powerKw"]) == ("DISCHARGING", -9.6)
    step(ford, hours=1)
    end = truth(ford, ALICES_TRUCK)
    assert end["socPercent"] == pytest.approx(30)
    assert end["state"] == "HOLDING"
    exported_wh = end["exportedWh"] - before["exportedWh"]
    assert exported_wh == pytest.approx(0.02 * 123_000 * 0.905, rel=1e-6)
    served = ford.partner("GET", ALICES_TRUCK, "telemetry").json()
    assert served["meter"] == {"importedWh": int(end["importedWh"]), "exportedWh": int(end["exportedWh"])}


@pytest.mark.parametrize(
    ("vehicle_id", "power_kw", "until", "status"),
    [
        pytest.param(ALICES_TRUCK, 3, at(hours=1), 400, id="charging-is-no-order"),
        pytest.param(ALICES_TRUCK, -9.7, at(hours=1), 400, id="more-than-the-car-can-give"),
        pytest.param(ALICES_TRUCK, 0, at(hours=-1), 400, id="in-the-past"),
        pytest.param(ALICES_TRUCK, 0, "2026-11-19T03:00:00", 400, id="no-zone"),
        pytest.param(ALICES_MACH_E, 0, at(hours=1), 404, id="no-extension"),
    ],
)
def test_impossible_orders_are_refused(
    ford: FordClient, vehicle_id: str, power_kw: float, until: str, status: int
) -> None:
    assert ford.link(ALICE).order(vehicle_id, power_kw=power_kw, until=until).status_code == status
    assert truth(ford, vehicle_id)["state"] == "CHARGING"


def test_car_without_v2g_refuses_discharge(ford: FordClient) -> None:
    assert ford.link(BOB).order(BOBS_MACH_E, power_kw=-1, until=at(hours=1)).status_code == 400


def test_unplugged_car_refuses_orders(ford: FordClient) -> None:
    ford.link(ALICE)
    ford.sandbox.control("PATCH", f"cars/{ALICES_TRUCK}", action="unplug")
    assert ford.order(ALICES_TRUCK, power_kw=0, until=at(hours=1)).status_code == 409


def test_leaving_the_plug_ends_the_order(ford: FordClient) -> None:
    ford.link(ALICE)
    ford.order(ALICES_TRUCK, power_kw=0, until=at(hours=1))
    for action in ("leave", "come_home"):
        ford.sandbox.control("PATCH", f"cars/{ALICES_TRUCK}", action=action)
    assert truth(ford, ALICES_TRUCK)["state"] == "CHARGING"


def test_same_key_replays_the_same_answer_and_acts_once(ford: FordClient) -> None:
    ford.link(ALICE)
    count = ford.sandbox.control("GET", f"cars/{ALICES_TRUCK}/commands")["count"]
    replies = [ford.order(ALICES_TRUCK, power_kw=0, until=at(minutes=15), key="dispatch-1") for _ in range(3)]
    step(ford, minutes=20)
    replies.append(ford.order(ALICES_TRUCK, power_kw=0, until=at(minutes=15), key="dispatch-1"))
    assert {(reply.status_code, reply.text) for reply in replies} == {(202, replies[0].text)}
    history = ford.sandbox.control("GET", f"cars/{ALICES_TRUCK}/commands")
    assert history["count"] == count + 1
    newest = history["commands"][0]
    assert (newest["kind"], newest["idempotencyKey"], newest["receivedCount"]) == ("setpoint", "dispatch-1", 4)
    assert truth(ford, ALICES_TRUCK)["state"] == "CHARGING"
    other = ford.order(ALICES_TRUCK, power_kw=0, until=at(hours=3), key="dispatch-1")
    assert other.status_code == 422


def test_everything_served_is_kept_beside_the_truth(ford: FordClient) -> None:
    ford.link(ALICE)
    step(ford, days=1)
    since = ford.sandbox.control("GET", "clock")["now"].replace("+00:00", "Z")
    vehicle = ford.vehicle("GET", ALICES_TRUCK).json()["vehicle"]
    step(ford, minutes=15)
    telemetry = ford.partner("GET", ALICES_TRUCK, "telemetry").json()
    coarse, fine = ford.sandbox.control("GET", f"cars/{ALICES_TRUCK}/served?since={since}")
    assert (coarse["source"], coarse["importedWh"]) == ("fordconnect", None)
    assert coarse["socPercent"] == vehicle["vehicleDetails"]["batteryChargeLevel"]["value"]
    assert (fine["source"], fine["socPercent"]) == ("partner", telemetry["socPercent"])
    assert {name: fine[name] for name in ("importedWh", "exportedWh")} == telemetry["meter"]
    assert fine["trueImportedWh"] == truth(ford, ALICES_TRUCK)["importedWh"]
    assert datetime.fromisoformat(fine["observedAt"]) == datetime.fromisoformat(telemetry["observedAt"])


def test_clock_step_of_weeks_passes_through_every_day(ford: FordClient) -> None:
    ford.link(ALICE)
    before = truth(ford, ALICES_TRUCK)
    step(ford, days=21)
    end = truth(ford, ALICES_TRUCK)
    driven_wh = end["drivenWh"] - before["drivenWh"]
    stored_wh = (end["importedWh"] - before["importedWh"]) * end["chargeEfficiency"]
    assert driven_wh / 123_000 * 515 > 15 * 28
    assert end["energyWh"] - before["energyWh"] == pytest.approx(stored_wh - driven_wh, abs=0.1)


def test_clock_set_back_puts_the_cars_back_but_not_their_meters(ford: FordClient) -> None:
    ford.link(ALICE)
    step(ford, days=3)
    later = truth(ford, ALICES_TRUCK)
    step(ford, days=-3)
    back = truth(ford, ALICES_TRUCK)
    assert back["asOf"] == START.isoformat()
    assert (back["importedWh"], back["energyWh"]) == (later["importedWh"], later["energyWh"])
    assert back["atHome"]


def test_running_clock_moves_the_cars(ford: FordClient) -> None:
    ford.link(ALICE)
    before = truth(ford, ALICES_TRUCK)["importedWh"]
    ford.sandbox.control("PUT", "clock", simulated_at=START.isoformat(), rate=3600)
    time.sleep(0.3)
    assert truth(ford, ALICES_TRUCK)["importedWh"] > before + 2_000
