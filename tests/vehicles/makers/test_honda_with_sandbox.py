"""Honda's whole way against the sandbox: link, read, actions, and what it pushes."""

from datetime import timedelta

import pytest

from accounts.models import User
from tests.vehicles.makers.conftest import MINUTE, World, open_ear
from vehicles import gateway
from vehicles.automakers.push import Push, PushKind
from vehicles.flows.pushes import receive_push
from vehicles.flows.telemetry import latest_reading
from vehicles.models import ChargePreference, ChargeReading, Command

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.usefixtures("db")]
PROLOGUE, V2G = "hnd-5b0c1c7de2f94f0a8d21c4a7e9", "hnd-8e71d3a04c6b4a2f9b5de0f1c3"


def test_linked_cars_are_read_as_they_are(alice: User, evening: World) -> None:
    cars = evening.take_part(evening.link(alice, "honda"))

    assert {name: car.can.max_discharge_w for name, car in cars.items()} == {PROLOGUE: 0, V2G: 9600}
    assert "no_discharge" in cars[PROLOGUE].can.refusals
    for name, car in cars.items():
        reading, truth = latest_reading(car), evening.truth(name)
        assert car.vin == truth["vin"]
        assert reading is not None
        assert reading.soc_percent is not None
        assert float(reading.soc_percent) == pytest.approx(truth["socPercent"], abs=0.01)
        assert (reading.is_plugged_in, reading.is_at_home, reading.charge_state) == (True, True, "charging")


def test_actions_hold_and_discharge_and_end_by_themselves(alice: User, evening: World) -> None:
    car = evening.take_part(evening.link(alice, "honda"))[V2G]
    ChargePreference.objects.filter(vehicle=car).update(is_v2g_allowed=True)

    hold = evening.ask(car, "hold-one")
    evening.pass_by(3 * MINUTE)
    hold.refresh_from_db()
    assert (hold.state, evening.truth(V2G)["state"]) == (Command.State.CONFIRMED, "HOLDING")

    before = evening.truth(V2G)["exportedWh"]
    discharge = evening.ask(car, "discharge-one", kind="discharge", power_w=-6000, floor_soc_percent=30)
    evening.pass_by(17 * MINUTE)
    discharge.refresh_from_db()
    assert discharge.released_at == discharge.ends_at
    assert evening.truth(V2G)["exportedWh"] - before == pytest.approx(1500, abs=110)
    assert evening.truth(V2G)["state"] == "CHARGING"


def test_unticked_scopes_turn_off_what_they_cover(alice: User, evening: World) -> None:
    link = evening.link(alice, "honda", without_scopes=("vehicle.location", "vehicle.actions"))

    assert set(link.scopes) == {"vehicle.state"}
    for car in link.vehicles.all():
        assert (car.can.can_hold, "place" in car.can.reads) == (False, False)
        assert {"charging_scope_missing", "place_scope_missing"} <= set(car.can.refusals)


def test_newer_action_cancels_the_older_one(alice: User, evening: World) -> None:
    car = evening.take_part(evening.link(alice, "honda"))[PROLOGUE]

    def told(until_minutes: int, key: str) -> str:
        until = evening.now + until_minutes * MINUTE
        return gateway.call(car, lambda maker, access: maker.hold(access, until=until, key=key)).maker_command_id

    def fares(action_id: str) -> str:
        return gateway.call(car, lambda maker, access: maker.command_status(access, action_id)).state

    older = told(10, "one")
    newer = told(15, "two")
    again = told(15, "two")
    evening.step(timedelta(seconds=6))

    assert again == newer
    assert (fares(older), fares(newer)) == ("failed", "completed")
    assert (
        evening.truth(PROLOGUE)["setpoint"]["until"] == (evening.now + 15 * MINUTE - timedelta(seconds=6)).isoformat()
    )


def test_changes_are_pushed_and_applied_once(alice: User, evening: World) -> None:
    car = evening.take_part(evening.link(alice, "honda"))[PROLOGUE]
    with open_ear("honda") as ear:
        evening.break_maker("honda", webhooks={"url": ear.url, "twice": True})
        evening.step(MINUTE)
        evening.sandbox.control("PATCH", f"cars/{PROLOGUE}", action="unplug", socPercent=71)
        ear.wait(lambda: any(_soc(push) == 71 for push in ear.pushes))
        evening.break_maker("honda", webhooks={"url": ear.url})
        heard = list(ear.heard)
        answers = [receive_push(maker="honda", headers=names, raw_body=body, now=evening.now) for names, body in heard]

        evening.break_maker("honda", revokeGrantsOf="alice@honda.sandbox")
        ear.wait(lambda: any(push.kind == PushKind.LINK_REVOKED for push in ear.pushes))

    reading = latest_reading(car)
    assert answers == [None] * len(answers)
    assert reading is not None
    assert reading.soc_percent == 71
    assert (reading.is_plugged_in, reading.source) == (False, "webhook")
    assert len({push.event_id for push in ear.pushes}) < len(ear.pushes)  # repeats came
    assert ChargeReading.objects.filter(vehicle=car, source="webhook").count() == 1


def _soc(push: Push) -> float | None:
    return push.state.soc_percent.value if push.state is not None and push.state.soc_percent is not None else None
