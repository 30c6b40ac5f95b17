"""What is GM's own: start and stop alone, one read in half an hour, refusals by the car itself."""

from datetime import timedelta

import pytest
import responses

from tests.vehicles.automakers.kits.base import NOW, UNTIL, recording
from tests.vehicles.automakers.kits.gm import CAR, KIT
from vehicles.automakers.base import Account, HoldEnds
from vehicles.automakers.errors import NotSupported, RateLimited


@pytest.mark.parametrize(
    ("scopes", "hold_ends", "refusals"),
    [
        (("vehicle.read", "vehicle.charge"), HoldEnds.START_STOP, ("no_discharge", "events_only")),
        (("vehicle.read",), HoldEnds.NONE, ("no_discharge", "charging_scope_missing")),
    ],
)
def test_owner_decides_whether_a_car_is_held(
    door: responses.RequestsMock, scopes: tuple[str, ...], hold_ends: HoldEnds, refusals: tuple[str, ...]
) -> None:
    door.add("GET", KIT.asks["capabilities"][1], json=recording("gm", "capabilities"))

    can = KIT.adapter().capabilities(Account("access-one", scopes=scopes), CAR)

    assert (can.hold_ends, can.refusals) == (hold_ends, refusals)
    assert (can.min_poll_seconds, can.min_restart_soc_percent) == (1800, 50)
    assert (can.can_wake, can.set_limit_percent, can.max_discharge_w) == (False, None, 0)


def test_car_that_may_not_be_told_is_not(door: responses.RequestsMock) -> None:
    door.add("GET", KIT.asks["capabilities"][1], json={"startStop": False, "minimumStateOfCharge": 50})
    can = KIT.adapter().capabilities(KIT.account, CAR)

    with pytest.raises(NotSupported):
        KIT.adapter().hold(KIT.car(can), until=UNTIL, key="k")

    assert len(door.calls) == 1


def test_ration_of_one_car_leaves_the_others_alone(door: responses.RequestsMock) -> None:
    door.add("GET", KIT.asks["status"][1], status=429, headers={"Retry-After": "900"})

    with pytest.raises(RateLimited) as caught:
        KIT.adapter().read_state(KIT.car())

    assert caught.value.scope == "vehicle"
    assert caught.value.retry_at == NOW.replace(year=2031) + timedelta(minutes=15)


@pytest.mark.parametrize(
    ("word", "state"),
    [("PENDING", "pending"), ("SUCCEEDED", "completed"), ("FAILED", "failed"), ("NO_CHANGE", "noop"), (7, "pending")],
)
def test_command_fares_as_gm_says(door: responses.RequestsMock, word: object, state: str) -> None:
    door.add("GET", f"{KIT.asks['command'][1]}/one", json={"commandId": "one", "status": word})

    receipt = KIT.adapter().command_status(KIT.car(), "one")

    assert (receipt.maker_command_id, receipt.state) == ("one", state)
