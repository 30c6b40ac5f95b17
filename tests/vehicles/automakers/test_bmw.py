"""What is BMW's alone: containers, the quota's 403, words and units, and the stream."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
import responses
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vehicles.automakers.kits.base import NOW, recording
from tests.vehicles.automakers.kits.bmw import CAR, CONTAINER, KIT
from vehicles.automakers import bmw_answers
from vehicles.automakers.base import Account, ChargeState, LinkCallback, LinkKind
from vehicles.automakers.bmw import SCOPES, Bmw
from vehicles.automakers.errors import (
    AutomakerError,
    NotSupported,
    RateLimited,
    ScopeMissing,
    SubscriptionInactive,
    TokenRejected,
    UpstreamDown,
    VehicleGone,
)

API = KIT.credentials["api_base"] + "/customers"
CONTAINERS, STATE = f"{API}/containers", f"{API}/vehicles/{CAR}/telematicData"
WALL = NOW.replace(year=2031)
GCID = KIT.extras["gcid"]
TOPIC = f"{GCID}/{CAR}"


def maker(**credentials: str) -> Bmw:
    found = replace(KIT, credentials=KIT.credentials | credentials).adapter()
    assert isinstance(found, Bmw)
    return found


def refuse(door: responses.RequestsMock, method: str, url: str, code: str, *, status: int = 403, **more: Any) -> None:
    door.add(method, url, json={"exveErrorId": code, "exveErrorMsg": "no"}, status=status, **more)


def asked(door: responses.RequestsMock) -> list[str]:
    return [f"{call.request.method} {str(call.request.url).removeprefix(API)}" for call in door.calls]


def test_device_code_is_asked_for_as_a_public_client(door: responses.RequestsMock) -> None:
    door.add("POST", KIT.token_url, json=recording("bmw", "token"))
    door.add("GET", CONTAINERS, json={"containers": []})
    door.add("POST", CONTAINERS, json=recording("bmw", "container"), status=201)

    grant = maker().complete_link(LinkCallback({"device_code": "the-device-code"}, "the-verifier", ""))

    sent = parse_qs(str(door.calls[0].request.body))
    assert sent["grant_type"] == ["urn:ietf:params:oauth:grant-type:device_code"]
    assert (sent["device_code"], sent["code_verifier"]) == (["the-device-code"], ["the-verifier"])
    assert sent["client_id"] == ["client-one"]
    assert "client_secret" not in sent
    assert grant.subject == GCID
    assert grant.refresh_expires_in_seconds == 14 * 86_400
    assert dict(grant.extras) == {**KIT.extras, "container_id": CONTAINER}
    assert set(grant.scopes) == set(SCOPES.split())


def test_refresh_asks_for_no_more_than_was_granted(door: responses.RequestsMock) -> None:
    door.add("POST", KIT.token_url, json=recording("bmw", "token"))

    grant = maker().refresh("refresh-one")

    assert "scope" not in parse_qs(str(door.calls[0].request.body))
    assert grant.extras["id_token"] == KIT.extras["id_token"]


def test_grant_is_kept_when_no_container_can_be_made(door: responses.RequestsMock) -> None:
    door.add("POST", KIT.token_url, json=recording("bmw", "token"))
    refuse(door, "GET", CONTAINERS, "CU-429")

    grant = maker().complete_link(LinkCallback({"device_code": "the-device-code"}, "the-verifier", ""))

    assert grant.access_token == "access-one"
    assert "container_id" not in grant.extras


def test_state_is_asked_of_the_container_with_the_apis_version(door: responses.RequestsMock) -> None:
    door.add("GET", STATE, json=recording("bmw", "telematic_data"))

    maker().read_state(KIT.car())

    assert asked(door) == [f"GET /vehicles/{CAR}/telematicData?containerId={CONTAINER}"]
    assert door.calls[0].request.headers["x-version"] == "v1"


def test_deleted_container_is_made_anew_once_and_remembered(door: responses.RequestsMock) -> None:
    refuse(door, "GET", STATE, "CU-105")
    door.add("GET", CONTAINERS, json=recording("bmw", "containers"))
    door.add("POST", CONTAINERS, json={"containerId": "S-NEW"}, status=201)
    door.add("GET", STATE, json=recording("bmw", "telematic_data"))
    bmw = maker()

    bmw.read_state(KIT.car())
    bmw.read_state(KIT.car())

    assert asked(door)[1:] == [
        "GET /containers",
        "POST /containers",
        f"GET /vehicles/{CAR}/telematicData?containerId=S-NEW",
        f"GET /vehicles/{CAR}/telematicData?containerId=S-NEW",
    ]
    made = json.loads(door.calls[2].request.body or b"")
    assert made["name"] == "ChargeScape"
    assert made["technicalDescriptors"] == list(bmw_answers.DESCRIPTORS)


def test_container_that_is_gone_twice_is_the_makers_trouble(door: responses.RequestsMock) -> None:
    refuse(door, "GET", STATE, "CU-105")
    door.add("GET", CONTAINERS, json={"containers": []})
    door.add("POST", CONTAINERS, json={"containerId": "S-NEW"}, status=201)

    with pytest.raises(UpstreamDown):
        maker().read_state(KIT.car())


def test_our_own_container_is_found_and_an_outdated_one_deleted(door: responses.RequestsMock) -> None:
    ours = {"name": "ChargeScape", "state": "ACTIVE"}
    listed = [
        {**ours, "containerId": "OLD", "purpose": "charging of last year"},
        {**ours, "containerId": "DELETED", "purpose": bmw_answers.container_purpose(), "state": "DELETED"},
        {**ours, "containerId": "NEW", "purpose": bmw_answers.container_purpose()},
    ]
    door.add("GET", CONTAINERS, json={"containers": listed})
    door.add("DELETE", f"{CONTAINERS}/OLD", status=204)
    door.add("GET", STATE, json=recording("bmw", "telematic_data"))

    maker().read_state(replace(KIT.car(), extras={"gcid": GCID}))

    assert asked(door)[-1].endswith("containerId=NEW")


def test_unlinking_leaves_no_container_of_ours(door: responses.RequestsMock) -> None:
    listed = [*recording("bmw", "containers")["containers"], recording("bmw", "container")]
    door.add("GET", CONTAINERS, json={"containers": listed})
    door.add("DELETE", f"{CONTAINERS}/{CONTAINER}", status=204)

    maker().revoke(access_token="access-one", refresh_token="refresh-one")
    maker().revoke(access_token="", refresh_token="refresh-one")

    assert asked(door) == ["GET /containers", f"DELETE /containers/{CONTAINER}"]


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("CU-102", 403, TokenRejected),
        ("CU-103", 403, SubscriptionInactive),
        ("CU-104", 403, VehicleGone),
        ("CU-120", 400, VehicleGone),
        ("CU-403", 403, ScopeMissing),
        ("CU-999", 403, ScopeMissing),
        ("CU-400", 400, UpstreamDown),
        ("CU-500", 500, UpstreamDown),
        ("CU-503", 503, UpstreamDown),
    ],
)
def test_error_codes_mean_what_the_guide_says(
    door: responses.RequestsMock, code: str, status: int, error: type[AutomakerError]
) -> None:
    refuse(door, "GET", STATE, code, status=status)

    with pytest.raises(AutomakerError) as caught:
        maker().read_state(KIT.car())

    assert type(caught.value) is error


def test_quota_that_is_used_up_ends_with_the_day_in_utc(door: responses.RequestsMock) -> None:
    refuse(door, "GET", STATE, "CU-429")

    with pytest.raises(RateLimited) as caught:
        maker().read_state(KIT.car())

    assert caught.value.scope == "user"
    assert caught.value.retry_at == datetime(2031, 11, 19, tzinfo=UTC)


def test_quota_that_tells_its_end_is_believed(door: responses.RequestsMock) -> None:
    refuse(door, "GET", STATE, "CU-429", headers={"Retry-After": "90"})

    with pytest.raises(RateLimited) as caught:
        maker().read_state(KIT.car())

    assert caught.value.retry_at == WALL + timedelta(seconds=90)


def test_capabilities_say_read_only_unasked(door: responses.RequestsMock) -> None:
    can = maker().capabilities(KIT.account, CAR)

    assert (can.link_kind, can.can_hold, can.can_discharge) == (LinkKind.DEVICE_CODE, False, False)
    assert set(can.refusals) == {"no_commands", "no_discharge"}
    assert can.pushes == ("stream",)
    assert 0 < (can.daily_budget or 0) < 50  # something is left for what is asked beside readings
    assert can.budget_scope == "user"
    assert maker(stream_host="").capabilities(KIT.account, CAR).pushes == ()
    assert maker().capabilities(replace(KIT.account, scopes=("openid",)), CAR).pushes == ()
    assert len(door.calls) == 0


def at(minute: int, value: Any, unit: str = "") -> dict[str, Any]:
    return {"value": value, "unit": unit or None, "timestamp": f"2026-11-18T22:{minute:02}:00.000Z"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"STATUS": at(1, "CHARGINGACTIVE"), "PORT": at(0, "CONNECTED")}, ChargeState.CHARGING),
        ({"STATUS": at(1, "CHARGINGACTIVE"), "PORT": at(2, "DISCONNECTED")}, ChargeState.UNPLUGGED),
        ({"STATUS": at(2, "CHARGINGACTIVE"), "PORT": at(1, "DISCONNECTED")}, ChargeState.CHARGING),
        ({"STATUS": at(1, "NOCHARGING"), "PORT": at(0, "CONNECTED")}, ChargeState.PLUGGED_IDLE),
        ({"STATUS": at(1, "NOCHARGING"), "PORT": at(0, "DISCONNECTED")}, ChargeState.UNPLUGGED),
        ({"STATUS": at(1, "NOCHARGING")}, ChargeState.UNKNOWN),
        ({"STATUS": at(1, "NOCHARGING"), "IS_PLUGGED": at(0, "true")}, ChargeState.PLUGGED_IDLE),
        ({"STATUS": at(1, "CHARGINGENDED"), "HV_STATUS": at(1, "FINISHED_NOT_FULL")}, ChargeState.PLUGGED_IDLE),
        ({"STATUS": at(1, "CHARGINGENDED"), "HV_STATUS": at(0, "CHARGING")}, ChargeState.COMPLETE),
        ({"STATUS": at(1, "CHARGINGERROR")}, ChargeState.FAULT),
        ({"STATUS": at(1, "INVALID"), "HV_STATUS": at(0, "-NA-"), "PORT": at(0, "INVALID")}, None),
        ({"STATUS": at(1, "SOMETHING_NEW")}, None),
        ({"PORT": at(1, "DISCONNECTED")}, ChargeState.UNPLUGGED),
        ({"PORT": at(1, "CONNECTED")}, None),
    ],
    ids=lambda value: str(value)[:70],
)
def test_charge_state_follows_status_and_plug(values: Mapping[str, Any], expected: ChargeState | None) -> None:
    data = {getattr(bmw_answers, name): value for name, value in values.items()}

    state = bmw_answers.read_telematics(data, now=NOW)

    assert (state.charge_state and state.charge_state.value) == expected


def power_w(status: str, minute: int, value: str, unit: str) -> int | None:
    data = {bmw_answers.STATUS: at(10, status), bmw_answers.POWER: at(minute, value, unit)}
    state = bmw_answers.read_telematics(data, now=NOW)
    return None if state.power_w is None else state.power_w.value


def test_power_left_over_from_another_charge_is_dropped() -> None:
    assert power_w("CHARGINGACTIVE", 11, "7200", "W") == 7200
    assert power_w("CHARGINGACTIVE", 11, "7.2", "kW") == 7200
    assert power_w("CHARGINGACTIVE", 9, "7200", "W") is None
    assert power_w("CHARGINGENDED", 11, "7200", "W") is None
    assert power_w("INVALID", 11, "7200", "W") == 7200  # a message of the stream brings what changed alone


def test_value_without_a_time_or_from_the_future_is_left_out() -> None:
    data = {
        bmw_answers.SOC: {"value": "50", "unit": "percent", "timestamp": None},
        bmw_answers.TARGET: {"value": "80", "timestamp": "2027-01-01T00:00:00Z"},
    }

    assert not any(vars(bmw_answers.read_telematics(data, now=NOW)).values())


def test_stream_opens_as_the_account_until_its_id_token_ends() -> None:
    plan = maker(stream_ca_file="/etc/ca.pem").open_stream(KIT.account)

    assert (plan.host, plan.port, plan.ca_file) == ("stream.maker.test", 9000, "/etc/ca.pem")
    assert (plan.username, plan.password) == (GCID, KIT.extras["id_token"])
    assert plan.topics == (f"{GCID}/+",)
    assert plan.expires_at == datetime.fromtimestamp(1_953_065_100, UTC)
    assert KIT.extras["id_token"] not in repr(plan)


@pytest.mark.parametrize(
    ("account", "error"),
    [
        (Account("a", {"gcid": GCID}), ScopeMissing),
        (Account("a", {"id_token": "x"}), ScopeMissing),
        (Account("a", {"gcid": "#", "id_token": "x"}), ScopeMissing),
        (Account("a", KIT.extras, ("openid", "cardata:api:read")), ScopeMissing),
        (Account("a", {"gcid": GCID, "id_token": "e30.eyJleHAiOjE3MDAwMDAwMDB9.c2ln"}), TokenRejected),
    ],
    ids=str,
)
def test_stream_does_not_open_without_its_key(account: Account, error: type[AutomakerError]) -> None:
    with pytest.raises(error):
        maker().open_stream(account)


def test_stream_is_refused_where_none_is_configured() -> None:
    with pytest.raises(NotSupported):
        maker(stream_port="").open_stream(KIT.account)


def test_id_token_that_does_not_tell_its_end_is_used_for_three_quarters_of_an_hour() -> None:
    plan = maker().open_stream(Account("a", {"gcid": GCID, "id_token": "opaque"}))

    assert plan.expires_at == WALL + timedelta(minutes=45)


def message(**changes: Any) -> bytes:
    return json.dumps(recording("bmw", "message") | changes).encode()


def test_message_brings_the_changed_values() -> None:
    (push,) = maker().read_message(TOPIC, message())

    assert (push.kind, push.external_id, push.subject) == ("state", CAR, GCID)
    assert push.state is not None
    assert push.state.soc_percent is not None
    assert (push.state.soc_percent.value, push.state.soc_percent.source) == (63.0, "stream")
    assert push.state.is_plugged_in is None
    assert CAR not in repr(push)
    assert CAR not in push.event_id


def test_same_values_in_another_envelope_are_a_repeat() -> None:
    first, again, other = (
        maker().read_message(TOPIC, message(**changes))[0].event_id
        for changes in (
            {},
            {"entityId": "from-an-old-container", "timestamp": "2026-11-18T22:59:00Z"},
            {"data": {bmw_answers.SOC: at(59, 64)}},
        )
    )

    assert first == again != other


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (TOPIC, b""),
        (TOPIC, b"\xff"),
        (TOPIC, b"[" * 100_000),
        (TOPIC, b" " * 300_000),
        (TOPIC, b"[]"),
        (TOPIC, message(vin="WB523CF04RCN00002")),  # a topic speaks of its own car alone
        (TOPIC, message(vin=7)),
        (TOPIC, message(data=[])),
        (TOPIC, message(data={"vehicle.cabin.door.isOpen": at(1, "true")})),
        (GCID, message()),
        ("", message()),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_unreadable_message_says_nothing(topic: str, payload: bytes) -> None:
    assert maker().read_message(topic, payload) == []


WORDS: st.SearchStrategy[Any] = st.sampled_from(
    [
        *bmw_answers.CHARGE_WORDS,
        *bmw_answers.PLUG_WORDS,
        "INVALID",
        "true",
        "1e400",
        "-5",
        "85",
        85,
        None,
        [],
        {},
        "NaN",
    ]
)
TIMES = st.sampled_from(["2026-11-18T22:00:00Z", "2026-11-18T22:00:00+14:00", "9999-12-31T23:59:59Z", "", 5, None])
ENTRIES = st.fixed_dictionaries({"value": WORDS, "unit": st.sampled_from(["kW", "mi", 7, None]), "timestamp": TIMES})


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([*bmw_answers.DESCRIPTORS, "x"]), ENTRIES | WORDS))
def test_no_message_breaks_the_reader(data: dict[str, Any]) -> None:
    for push in maker().read_message(TOPIC, message(data=data)):
        assert push.state is not None
        for item in vars(push.state).values():
            assert item is None or (item.observed_at <= NOW + timedelta(minutes=10) and item.source == "stream")
