"""The wall box against the sandbox: it sees whatever car is at it, and its setpoints end by themselves."""

import pytest
import requests

from accounts.models import User
from tests.vehicles.makers.conftest import EVENING, MINUTE, World
from vehicles import gateway
from vehicles.automakers.base import Account, CarAccess
from vehicles.automakers.errors import NotPluggedIn, NotSupported, UpstreamDown
from vehicles.automakers.homebox import HomeBox
from vehicles.flows.health import link_health
from vehicles.models import HomeCharger
from vehicles.wording import MESSAGES

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.usefixtures("db")]
BOX, IONIQ, LIGHTNING = "box-2f1e7c5a90b34d61", "5ca1ab1e0001400080000000000000a1", "918ed353ee060391de06cbdaccdafe5a"


@pytest.fixture
def box(alice: User, evening: World) -> CarAccess:
    """Alice's box with a token that opens it; the IONIQ 5 is at it."""
    patch(evening, guest=IONIQ, offline=False)
    return open_box(evening)


def adapter() -> HomeBox:
    found = gateway.adapter("homebox")
    assert isinstance(found, HomeBox)
    return found


def open_box(world: World, without_scopes: tuple[str, ...] = ()) -> CarAccess:
    """Sign in at the box maker and share the box."""
    grant = world.sign_in("homebox", without_scopes=without_scopes)
    account = Account(grant.access_token, grant.extras, grant.scopes)
    (ref,) = adapter().list_vehicles(account)
    assert (ref.is_charger, ref.external_id, ref.vin) == (True, BOX, "")
    can = adapter().capabilities(account, ref.external_id)
    return CarAccess(ref.external_id, grant.access_token, can, scopes=grant.scopes)


def patch(world: World, **changes: object) -> None:
    reply = requests.patch(f"{world.sandbox.url}/homebox/control/boxes/{BOX}", json=changes, timeout=30)
    reply.raise_for_status()


def test_box_sees_the_car_that_is_at_it(box: CarAccess, evening: World) -> None:
    state, truth = adapter().read_state(box), evening.truth(IONIQ)

    assert box.capabilities.can_discharge
    assert state.soc_percent is not None
    assert state.soc_percent.value == pytest.approx(truth["socPercent"], abs=0.06)
    assert state.charge_state is not None
    assert state.charge_state.value == "charging"
    assert state.power_w is not None
    assert state.power_w.value == pytest.approx(truth["powerW"], abs=1)

    evening.sandbox.control("PATCH", f"cars/{IONIQ}", action="unplug")
    empty = adapter().read_state(box)
    assert empty.is_plugged_in is not None
    assert (empty.is_plugged_in.value, empty.soc_percent) == (False, None)
    with pytest.raises(NotPluggedIn):
        adapter().hold(box, until=EVENING + 15 * MINUTE, key="away")


def test_discharge_keeps_its_floor_and_ends_by_itself(box: CarAccess, evening: World) -> None:
    before = adapter().read_state(box)
    until = evening.now + 15 * MINUTE
    adapter().discharge(box, power_w=-8000, floor_soc_percent=49, until=until, key="one")
    again = adapter().discharge(box, power_w=-8000, floor_soc_percent=49, until=until, key="one")
    evening.step(MINUTE)
    during = adapter().read_state(box)
    evening.step(13 * MINUTE)
    at_floor = adapter().read_state(box)
    evening.step(2 * MINUTE)
    after = adapter().read_state(box)

    assert again.maker_command_id
    states = [state.charge_state.value for state in (before, during, at_floor, after) if state.charge_state]
    assert states == ["charging", "discharging", "holding", "charging"]
    assert during.power_w is not None
    assert during.power_w.value == -8000
    assert at_floor.soc_percent is not None
    assert at_floor.soc_percent.value == 49
    assert before.exported_wh is not None
    assert at_floor.exported_wh is not None
    given_wh = at_floor.exported_wh.value - before.exported_wh.value
    assert given_wh == pytest.approx(0.01 * 72_600 * 0.905, abs=2)  # one percent of the battery, less the losses


def test_resume_frees_the_car_at_once(box: CarAccess, evening: World) -> None:
    adapter().hold(box, until=evening.now + 15 * MINUTE, key="three")
    evening.step(MINUTE)
    assert evening.truth(IONIQ)["state"] == "HOLDING"

    adapter().resume(box, key="four")

    evening.step(MINUTE)
    assert evening.truth(IONIQ)["state"] == "CHARGING"


def test_meters_go_on_when_another_car_comes(box: CarAccess, evening: World) -> None:
    evening.step(30 * MINUTE)
    first = adapter().read_state(box)
    patch(evening, guest=LIGHTNING)
    second = adapter().read_state(box)
    evening.step(6 * MINUTE)
    third = adapter().read_state(box)
    patch(evening, guest=IONIQ)

    read = [state.imported_wh.value for state in (first, second, third) if state.imported_wh]
    assert read[1] == pytest.approx(read[0], abs=1)
    assert read[2] - read[1] == pytest.approx(11_300 / 10, abs=2)


def test_link_of_a_box_alone_works_without_a_car(alice: User, evening: World) -> None:
    link = evening.link(alice, "homebox")
    charger = HomeCharger.objects.get(link=link)
    assert (str(charger), charger.max_discharge_w, link_health(link).next_step) == ("Alice's garage", 9600, "none")

    HomeCharger.objects.update(failure="maker_down")
    assert (link_health(link).next_step, link_health(link).reason) == ("wait", str(MESSAGES["maker_down"]))


def test_box_without_control_or_connection_is_told_apart(box: CarAccess, evening: World) -> None:
    readable = open_box(evening, without_scopes=("box.control",))
    assert readable.capabilities.refusals == ("charging_scope_missing",)
    with pytest.raises(NotSupported):
        adapter().hold(readable, until=EVENING + 15 * MINUTE, key="k")

    patch(evening, offline=True)
    with pytest.raises(UpstreamDown):
        adapter().read_state(box)
    patch(evening, offline=False)
