"""Every registered automaker keeps the same promises, whatever its maker answers."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.vehicles.automakers.kits import KITS, NOW, Kit, recording
from vehicles.automakers.base import (
    Account,
    Automaker,
    CarAccess,
    ChargeState,
    HoldEnds,
    LinkBegin,
    LinkCallback,
    LinkKind,
    RedirectTo,
    VehicleState,
    read_capabilities,
)
from vehicles.automakers.errors import (
    AuthRevoked,
    AutomakerError,
    CommandTimeout,
    NotPluggedIn,
    NotSupported,
    RateLimited,
    Rejected,
    ScopeMissing,
    TokenRejected,
    Unreachable,
    UpstreamDown,
    VehicleGone,
)
from vehicles.automakers.registry import AUTOMAKERS
from vehicles.wording import MESSAGES

SECRETS = ("access-one", "refresh-two", "secret-one", "the-code", "the-verifier", "1FT6W3L72RWG00001", "30.2672")
UNTIL = NOW + timedelta(minutes=15)
Operation = Callable[[Automaker, CarAccess], Any]

COMMANDS: dict[str, tuple[str, str, Operation]] = {
    "stop": ("stop", "start_stop", lambda maker, car: maker.hold(car, until=UNTIL, key="k")),
    "start": ("start", "start_stop", lambda maker, car: maker.resume(car, key="k")),
    "hold": ("setpoint", "timed", lambda maker, car: maker.hold(car, until=UNTIL, key="k")),
    "release": ("release", "timed", lambda maker, car: maker.resume(car, key="k")),
    "discharge": (
        "setpoint",
        "timed",
        lambda maker, car: maker.discharge(car, power_w=-5000, floor_soc_percent=30, until=UNTIL, key="k"),
    ),
    "wake": ("wake", "start_stop", lambda maker, car: maker.wake(car)),
}


@pytest.fixture(params=sorted(AUTOMAKERS))
def kit(request: pytest.FixtureRequest) -> Kit:
    return KITS[request.param]


@pytest.fixture(params=sorted(COMMANDS))
def command(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def play(door: responses.RequestsMock, kit: Kit, *names: str) -> None:
    for name in names:
        method, url, file = kit.asks[name]
        door.add(method, url, json=recording(kit.slug, file), status=200)


def run(kit: Kit, command: str) -> Any:
    _, kind, operation = COMMANDS[command]
    return operation(kit.adapter(), kit.car(getattr(kit, kind)))


def test_every_registered_maker_has_a_kit() -> None:
    assert set(KITS) == set(AUTOMAKERS)


def test_link_begins_at_the_maker_with_pkce_and_a_state_it_can_carry(kit: Kit) -> None:
    state, verifier = "s" * kit.longest_state, "v" * 64

    start = kit.adapter().begin_link(LinkBegin(state=state, code_verifier=verifier, redirect_uri="https://us.test/cb"))

    assert kit.adapter().link_kind == LinkKind.REDIRECT
    assert isinstance(start, RedirectTo)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(start.url).query).items()}
    assert start.url.startswith(kit.credentials["authorize_url"] + "?")
    assert (asked["response_type"], asked["state"], asked["redirect_uri"]) == ("code", state, "https://us.test/cb")
    assert asked["code_challenge_method"] == "S256"
    assert asked["code_challenge"] == create_s256_code_challenge(verifier)
    assert verifier not in start.url
    assert kit.credentials["client_secret"] not in start.url


def test_code_becomes_a_grant(kit: Kit, door: responses.RequestsMock) -> None:
    door.add("POST", kit.token_url, json=recording(kit.slug, "token"))

    grant = kit.adapter().complete_link(
        LinkCallback(params={"code": "the-code"}, code_verifier="the-verifier", redirect_uri="https://us.test/cb")
    )

    sent = parse_qs(str(door.calls[0].request.body))
    assert sent["grant_type"] == ["authorization_code"]
    assert (sent["code"], sent["code_verifier"]) == (["the-code"], ["the-verifier"])
    assert (grant.access_token, grant.refresh_token) == ("access-one", "refresh-two")
    assert grant.access_expires_in_seconds == 1200


def test_refresh_brings_the_rotated_token(kit: Kit, door: responses.RequestsMock) -> None:
    door.add("POST", kit.token_url, json=recording(kit.slug, "token"))

    grant = kit.adapter().refresh("refresh-one")

    sent = parse_qs(str(door.calls[0].request.body))
    assert (sent["grant_type"], sent["refresh_token"]) == (["refresh_token"], ["refresh-one"])
    assert grant.refresh_token == "refresh-two"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"json": {"error": "invalid_grant"}, "status": 400}, AuthRevoked),
        ({"json": {"error": "invalid_client"}, "status": 401}, UpstreamDown),
        ({"json": {"error": "server_error"}, "status": 400}, UpstreamDown),
        ({"json": {"error": "temporarily_unavailable"}, "status": 503}, UpstreamDown),
        ({"json": {"error": "slow_down"}, "status": 429}, RateLimited),
        ({"body": "<html>busy</html>", "status": 429}, RateLimited),
        ({"body": "<html>oops</html>", "status": 200}, UpstreamDown),
        ({"json": [], "status": 200}, UpstreamDown),
        ({"json": {}, "status": 200}, UpstreamDown),
        ({"json": {"access_token": 7, "expires_in": 1200}, "status": 200}, UpstreamDown),
        ({"json": {"access_token": "a b\nc", "expires_in": 1200}, "status": 200}, UpstreamDown),
        ({"json": {"access_token": "a", "expires_in": "soon"}, "status": 200}, UpstreamDown),
        ({"json": {"access_token": "a", "token_type": "mac"}, "status": 200}, UpstreamDown),
        ({"status": 302, "headers": {"Location": "https://elsewhere.test/"}}, UpstreamDown),
        ({"body": requests.exceptions.ConnectTimeout()}, UpstreamDown),
        ({"body": requests.exceptions.ReadTimeout()}, UpstreamDown),
    ],
    ids=lambda value: str(getattr(value, "__name__", value))[:60],
)
def test_only_a_dead_grant_counts_as_revoked(
    kit: Kit, door: responses.RequestsMock, answer: dict[str, Any], error: type[AutomakerError]
) -> None:
    door.add("POST", kit.token_url, **answer)

    with pytest.raises(AutomakerError) as caught:
        kit.adapter().refresh("refresh-one")

    assert type(caught.value) is error


def test_cars_are_listed_with_vin_and_consent(kit: Kit, door: responses.RequestsMock) -> None:
    play(door, kit, "list", "vin")
    other = kit.asks["vin"][1].replace(kit.car(kit.timed).external_id, "dfdd5800544ca750061800f671470817")
    door.add("GET", other, status=403)

    refs = kit.adapter().list_vehicles(Account("access-one"))

    assert [(ref.model_year, ref.is_shared, ref.is_electric) for ref in refs] == [
        (2024, True, True),
        (2024, True, True),
        (2021, False, False),
    ]
    assert [ref.vin for ref in refs] == ["1FT6W3L72RWG00001", "", ""]
    assert all(ref.make and ref.model for ref in refs)


def test_capabilities_keep_together(kit: Kit, door: responses.RequestsMock) -> None:
    play(door, kit, "capabilities")

    can = kit.adapter().capabilities(Account("access-one"), kit.car(kit.timed).external_id)

    assert can.hold_ends in set(HoldEnds)
    assert can.can_discharge == (can.max_discharge_w > 0 and can.hold_ends == HoldEnds.TIMED)
    assert can.min_poll_seconds > 0
    assert can.worst_latency_seconds > 0
    assert read_capabilities(can.as_json()) == can


def test_state_is_read_with_units_and_times(kit: Kit, door: responses.RequestsMock) -> None:
    play(door, kit, "state", "fine_state")

    state = kit.adapter().read_state(kit.car(kit.timed))

    _assert_sound(state)
    assert state.soc_percent is not None
    assert state.soc_percent.value == 62.53
    assert state.power_w is not None
    assert state.power_w.value == 11_300
    assert state.imported_wh is not None
    assert state.imported_wh.value == 123_456
    assert state.charge_state is not None
    assert state.charge_state.value == ChargeState.CHARGING
    assert state.place is not None
    assert (state.place.value.latitude, state.place.value.longitude) == (30.2672, -97.7431)


def _assert_sound(state: VehicleState) -> None:
    for name in vars(state):
        item = getattr(state, name)
        if item is None:
            continue
        assert item.observed_at.utcoffset() == timedelta(0)
        assert datetime(2015, 1, 1, tzinfo=UTC) <= item.observed_at <= NOW + timedelta(minutes=10)
        assert item.fetched_at == NOW
    if state.soc_percent is not None:
        assert 0 <= state.soc_percent.value <= 100
    if state.charge_state is not None:
        assert state.charge_state.value in set(ChargeState)
    if state.is_plugged_in is not None:
        assert isinstance(state.is_plugged_in.value, bool)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=12) | st.just("NaN"),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=6,
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [path, *(found for key, item in value.items() for found in _paths(item, (*path, key)))]
    return [path]


def _replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    return {**value, path[0]: _replaced(value[path[0]], path[1:], by)}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_answer_breaks_the_reader(kit: Kit, data: st.DataObject) -> None:
    answers = {}
    for name in ("state", "fine_state"):
        whole = recording(kit.slug, kit.asks[name][2])
        path = data.draw(st.sampled_from(_paths(whole)))
        answers[name] = _replaced(whole, path, data.draw(JSON))
    with responses.RequestsMock(assert_all_requests_are_fired=False) as door:
        for name, body in answers.items():
            door.add(kit.asks[name][0], kit.asks[name][1], json=body)
        try:
            state = kit.adapter().read_state(kit.car(kit.timed))
        except AutomakerError:
            return
    _assert_sound(state)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": 401}, TokenRejected),
        ({"status": 403}, ScopeMissing),
        ({"status": 404}, VehicleGone),
        ({"status": 408}, Unreachable),
        ({"status": 409, "json": {"status": "FAILED", "error": {"title": "Vehicle is not plugged in"}}}, NotPluggedIn),
        ({"status": 409, "body": "?"}, Rejected),
        ({"status": 400}, Rejected),
        ({"status": 422}, Rejected),
        ({"status": 429, "headers": {"Retry-After": "7"}}, RateLimited),
        ({"status": 500}, CommandTimeout),
        ({"status": 501}, NotSupported),
        ({"status": 503}, CommandTimeout),
        ({"status": 504}, CommandTimeout),
        ({"status": 202, "body": "<html>"}, CommandTimeout),
        ({"status": 302, "headers": {"Location": "https://elsewhere.test/"}}, CommandTimeout),
        ({"body": requests.exceptions.ReadTimeout()}, CommandTimeout),
        ({"body": requests.exceptions.ConnectionError("connection reset")}, CommandTimeout),
        ({"body": requests.exceptions.ChunkedEncodingError()}, CommandTimeout),
        ({"body": requests.exceptions.ConnectTimeout()}, UpstreamDown),
    ],
    ids=lambda value: str(getattr(value, "__name__", value))[:60],
)
def test_command_outcome_is_known_or_said_to_be_unknown(
    kit: Kit, command: str, door: responses.RequestsMock, answer: dict[str, Any], error: type[AutomakerError]
) -> None:
    method, url, _ = kit.asks[COMMANDS[command][0]]
    door.add(method, url, **answer)

    if error is VehicleGone and command == "release":
        assert run(kit, command).state == "noop"  # nothing is in force that could be released
        return
    with pytest.raises(AutomakerError) as caught:
        run(kit, command)

    assert type(caught.value) is error
    assert len(door.calls) == 1
    assert caught.value.message_key in MESSAGES


def test_accepted_command_is_only_accepted(kit: Kit, command: str, door: responses.RequestsMock) -> None:
    ask = COMMANDS[command][0]
    method, url, file = kit.asks[ask]
    door.add(method, url, json=recording(kit.slug, file), status=202)

    receipt = run(kit, command)

    assert receipt.state in {"accepted", "pending"}
    assert receipt.maker_command_id


def test_wait_is_wall_time_and_at_most_a_day(kit: Kit, door: responses.RequestsMock) -> None:
    wall = NOW.replace(year=2031)
    method, url, _ = kit.asks["state"]
    for asked in (
        "30",
        "999999999",
        "-5",
        "tomorrow",
        "Wed, 18 Nov 2031 23:06:00 GMT",
        "Wed, 18 Nov 2099 23:06:00 GMT",
    ):
        door.add(method, url, status=429, headers={"Retry-After": asked})
    waits = []
    for _ in range(6):
        with pytest.raises(RateLimited) as caught:
            kit.adapter().read_state(kit.car(kit.start_stop))
        assert caught.value.retry_at is not None
        waits.append((caught.value.retry_at - wall).total_seconds())

    assert waits == [30, 60, 60, 60, 60, 86_400]


def test_car_that_cannot_is_never_asked(kit: Kit, door: responses.RequestsMock) -> None:
    maker = kit.adapter()
    for car, power_w in ((kit.car(kit.start_stop), -5000), (kit.car(kit.timed), -50_000), (kit.car(kit.timed), 5000)):
        with pytest.raises(NotSupported):
            maker.discharge(car, power_w=power_w, floor_soc_percent=30, until=UNTIL, key="k")

    assert len(door.calls) == 0


def test_timed_command_names_its_end_and_its_key(kit: Kit, door: responses.RequestsMock) -> None:
    method, url, file = kit.asks["setpoint"]
    door.add(method, url, json=recording(kit.slug, file), status=202)

    run(kit, "discharge")

    request = door.calls[0].request
    assert request.headers["Idempotency-Key"] == "k"
    assert b"2026-11-18T23:20:00Z" in (request.body or b"")


def test_nothing_secret_is_shown_or_logged(
    kit: Kit, door: responses.RequestsMock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    door.add("POST", kit.token_url, json=recording(kit.slug, "token"))
    play(door, kit, "list", "vin", "state", "fine_state")
    door.add(
        "GET",
        kit.asks["vin"][1].replace(kit.car(kit.timed).external_id, "dfdd5800544ca750061800f671470817"),
        status=403,
    )
    maker = kit.adapter()

    callback = LinkCallback(params={"code": "the-code"}, code_verifier="the-verifier", redirect_uri="https://us.test/")
    shown = [callback, maker.complete_link(callback), maker.list_vehicles(Account("access-one"))]
    shown.append(maker.read_state(kit.car(kit.timed)))
    shown.append(kit.car(kit.timed))

    text = "".join(map(repr, shown)) + caplog.text
    assert [secret for secret in SECRETS if secret in text] == []
