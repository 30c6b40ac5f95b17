"""Every registered automaker keeps the same promises, whatever its maker answers."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.vehicles.automakers.kits import KITS
from tests.vehicles.automakers.kits.base import NOW, OPERATIONS, UNTIL, Kit, Told, recording
from vehicles.automakers.base import (
    ChargeState,
    DeviceCode,
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
    LinkPending,
    NotPluggedIn,
    NotSupported,
    RateLimited,
    Rejected,
    ScopeMissing,
    TokenRejected,
    Unreachable,
    UpstreamDown,
    VehicleGone,
    WebhookRefused,
)
from vehicles.automakers.registry import AUTOMAKERS
from vehicles.wording import MESSAGES

SECRETS = ("access-one", "refresh-one", "refresh-two", "secret-one", "the-code", "the-verifier")
KIT_SLUGS = sorted(set(AUTOMAKERS) & set(KITS))
TOLD = [(slug, name) for slug in KIT_SLUGS for name in sorted(KITS[slug].told)]


@pytest.fixture(params=KIT_SLUGS)
def kit(request: pytest.FixtureRequest) -> Kit:
    return KITS[request.param]


def with_links(*kinds: LinkKind) -> pytest.MarkDecorator:
    """Play a test for the makers that link in one of these ways."""
    return pytest.mark.parametrize("kit", [KITS[slug] for slug in KIT_SLUGS if KITS[slug].link_kind in kinds], ids=str)


def play(door: responses.RequestsMock, kit: Kit, *names: str, status: int = 200) -> None:
    for name in names:
        method, url, file = kit.asks[name]
        door.add(method, url, json=recording(kit.slug, file), status=status)


def run(kit: Kit, told: Told) -> Any:
    return OPERATIONS[told.operation](kit.adapter(), kit.car(told.can))


def test_every_registered_maker_has_a_kit() -> None:
    assert set(KITS) == set(AUTOMAKERS)


@with_links(LinkKind.REDIRECT, LinkKind.HOSTED_PAGE)
def test_link_begins_at_the_maker_with_a_state_it_can_carry(kit: Kit) -> None:
    state, verifier = "s" * kit.longest_state, "v" * 64

    start = kit.adapter().begin_link(LinkBegin(state=state, code_verifier=verifier, redirect_uri="https://us.test/cb"))

    assert kit.adapter().link_kind == kit.link_kind
    assert isinstance(start, RedirectTo)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(start.url).query).items()}
    assert start.url.startswith(kit.sign_in_url + "?")
    assert (asked["response_type"], asked["state"], asked["redirect_uri"]) == ("code", state, "https://us.test/cb")
    if kit.has_pkce:
        assert asked["code_challenge_method"] == "S256"
        assert asked["code_challenge"] == create_s256_code_challenge(verifier)
    assert verifier not in start.url
    assert kit.credentials["client_secret"] not in start.url


@with_links(LinkKind.REDIRECT)
def test_code_becomes_a_grant(kit: Kit, door: responses.RequestsMock) -> None:
    door.add("POST", kit.token_url, json=recording(kit.slug, "token"))

    grant = kit.adapter().complete_link(
        LinkCallback(params={"code": "the-code"}, code_verifier="the-verifier", redirect_uri="https://us.test/cb")
    )

    sent = parse_qs(str(door.calls[0].request.body))
    assert sent["grant_type"] == ["authorization_code"]
    assert (sent["code"], sent["code_verifier"]) == (["the-code"], ["the-verifier"])
    assert (grant.access_token, grant.refresh_token) == (kit.access_token, kit.refreshed_token)
    assert grant.access_expires_in_seconds == kit.token_seconds


@with_links(LinkKind.DEVICE_CODE)
def test_device_code_is_shown_and_then_asked_about(kit: Kit, door: responses.RequestsMock) -> None:
    play(door, kit, "device_code")
    start = kit.adapter().begin_link(LinkBegin(state="s", code_verifier="v" * 64, redirect_uri=""))

    assert isinstance(start, DeviceCode)
    assert start.user_code
    assert start.verification_url.startswith("https://")
    assert 1 <= start.interval_seconds <= start.expires_in_seconds
    sent = parse_qs(str(door.calls[0].request.body))
    assert sent["code_challenge"] == [create_s256_code_challenge("v" * 64)]
    assert start.device_code not in repr(start)

    outcomes: list[tuple[str, type[AutomakerError]]] = [
        ("authorization_pending", LinkPending),
        ("slow_down", LinkPending),
        ("expired_token", AuthRevoked),
        ("access_denied", AuthRevoked),
    ]
    asking = LinkCallback(params={"device_code": start.device_code}, code_verifier="v" * 64, redirect_uri="")
    for word, error in outcomes:
        door.upsert("POST", kit.token_url, json={"error": word}, status=400)
        with pytest.raises(error):
            kit.adapter().complete_link(asking)


def test_refresh_brings_the_rotated_token(kit: Kit, door: responses.RequestsMock) -> None:
    door.add("POST", kit.token_url, json=recording(kit.slug, "token"))

    grant = kit.adapter().refresh(kit.refresh_token)

    sent = parse_qs(str(door.calls[0].request.body))
    assert sent["grant_type"] == [kit.refresh_grant_type]
    if kit.refresh_grant_type == "refresh_token":
        assert sent["refresh_token"] == [kit.refresh_token]
    assert (grant.access_token, grant.refresh_token) == (kit.access_token, kit.refreshed_token)


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
        kit.adapter().refresh(kit.refresh_token)

    assert type(caught.value) is error


def test_cars_are_listed_with_vin_and_consent(kit: Kit, door: responses.RequestsMock) -> None:
    play(door, kit, *kit.lists)
    for method, url, status in kit.lists_extra:
        door.add(method, url, status=status)

    refs = kit.adapter().list_vehicles(kit.account)

    assert tuple((ref.model_year, ref.is_shared, ref.is_electric, ref.vin) for ref in refs) == kit.cars
    assert all(ref.make and ref.model for ref in refs)


def test_capabilities_keep_together(kit: Kit, door: responses.RequestsMock) -> None:
    play(door, kit, *kit.finds)

    can = kit.adapter().capabilities(kit.account, kit.car_id)

    assert can.hold_ends in set(HoldEnds)
    assert can.can_discharge == (can.max_discharge_w > 0 and can.hold_ends == HoldEnds.TIMED)
    assert can.min_poll_seconds > 0
    assert can.worst_latency_seconds > 0
    assert set(can.refusals) <= set(MESSAGES)
    assert read_capabilities(can.as_json()) == can
    offered = {told.operation for told in kit.told.values()}
    assert can.can_hold <= ("hold" in offered)
    assert can.can_discharge <= ("discharge" in offered)
    assert (can.set_limit_percent is not None) <= ("set_limit" in offered)
    assert can.can_hold or "no_commands" in can.refusals or "charging_scope_missing" in can.refusals


def test_state_is_read_with_units_and_times(kit: Kit, door: responses.RequestsMock) -> None:
    play(door, kit, *kit.reads)

    state = kit.adapter().read_state(kit.car())

    _assert_sound(state)
    found = {name: getattr(state, name) for name in kit.state}
    assert {name: item and item.value for name, item in found.items()} == dict(kit.state)


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
    if isinstance(value, list):
        return [path, *(found for key, item in enumerate(value) for found in _paths(item, (*path, key)))]
    return [path]


def _replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    inner = _replaced(value[path[0]], path[1:], by)
    if isinstance(value, list):
        return [*value[: path[0]], inner, *value[path[0] + 1 :]]
    return {**value, path[0]: inner}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_answer_breaks_the_reader(kit: Kit, data: st.DataObject) -> None:
    answers = {}
    for name in kit.reads:
        whole = recording(kit.slug, kit.asks[name][2])
        path = data.draw(st.sampled_from(_paths(whole)))
        answers[name] = _replaced(whole, path, data.draw(JSON))
    with responses.RequestsMock(assert_all_requests_are_fired=False) as door:
        for name, body in answers.items():
            door.add(kit.asks[name][0], kit.asks[name][1], json=body)
        try:
            state = kit.adapter().read_state(kit.car())
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
@pytest.mark.parametrize(("slug", "name"), TOLD)
def test_command_outcome_is_known_or_said_to_be_unknown(
    slug: str, name: str, door: responses.RequestsMock, answer: dict[str, Any], error: type[AutomakerError]
) -> None:
    kit = KITS[slug]
    told = kit.told[name]
    *before, last = told.asks
    play(door, kit, *before)
    method, url, _ = kit.asks[last]
    door.add(method, url, **answer)
    status = answer.get("status", 0)
    if kit.differs.get(status, error) is None:
        pytest.skip(f"{kit.slug} never answers {status}")

    if error is VehicleGone and told.is_noop_when_gone:
        assert run(kit, told).state == "noop"  # nothing is in force that could be released
        return
    with pytest.raises(AutomakerError) as caught:
        run(kit, told)

    assert type(caught.value) is kit.differs.get(status, error)
    assert len(door.calls) == len(told.asks)
    assert caught.value.message_key in MESSAGES


@pytest.mark.parametrize(("slug", "name"), TOLD)
def test_accepted_command_is_only_accepted(slug: str, name: str, door: responses.RequestsMock) -> None:
    kit = KITS[slug]
    told = kit.told[name]
    play(door, kit, *told.asks, status=202)

    receipt = run(kit, told)

    assert receipt.state in {"accepted", "pending"}
    assert bool(receipt.maker_command_id) == told.has_command_id


def test_what_a_maker_does_not_offer_is_refused_unasked(kit: Kit, door: responses.RequestsMock) -> None:
    offered = {told.operation for told in kit.told.values()}
    for name, operation in OPERATIONS.items():
        if name in offered:
            continue
        with pytest.raises(NotSupported):
            operation(kit.adapter(), kit.car())

    assert len(door.calls) == 0


def test_unsigned_message_is_refused(kit: Kit) -> None:
    for headers in ({}, {"sc-signature": "00", "x-honda-signature": "t=1,v1=00"}):
        with pytest.raises((NotSupported, WebhookRefused)):
            kit.adapter().read_webhook(headers, b'[{"event": "vehicle.updated"}]')


def test_wait_is_wall_time_and_at_most_a_day(kit: Kit, door: responses.RequestsMock) -> None:
    wall = NOW.replace(year=2031)
    method, url, _ = kit.asks[kit.reads[0]]
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
            kit.adapter().read_state(kit.car())
        assert caught.value.retry_at is not None
        waits.append((caught.value.retry_at - wall).total_seconds())

    assert waits == [30, 60, 60, 60, 60, 86_400]


def test_car_that_cannot_is_never_asked(kit: Kit, door: responses.RequestsMock) -> None:
    maker = kit.adapter()
    plain = [told.can for told in kit.told.values() if not told.can.can_discharge]
    wrong = [(kit.car(can), -5000) for can in plain] + [(kit.car(), -50_000), (kit.car(), 5000)]
    for car, power_w in wrong:
        with pytest.raises(NotSupported):
            maker.discharge(car, power_w=power_w, floor_soc_percent=30, until=UNTIL, key="k")

    assert len(door.calls) == 0


@pytest.mark.parametrize(
    ("slug", "name"), [(slug, name) for slug, name in TOLD if KITS[slug].told[name].can.can_hold_until]
)
def test_timed_command_names_its_end_and_its_key(slug: str, name: str, door: responses.RequestsMock) -> None:
    kit = KITS[slug]
    told = kit.told[name]
    play(door, kit, *told.asks, status=202)

    run(kit, told)

    request = door.calls[-1].request
    if kit.has_key:
        assert request.headers["Idempotency-Key"] == "k"
    if told.operation in {"hold", "discharge"}:
        assert b"2026-11-18T23:20:00Z" in (request.body or b"")


def test_nothing_secret_is_shown_or_logged(
    kit: Kit, door: responses.RequestsMock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    door.add("POST", kit.token_url, json=recording(kit.slug, "token"))
    play(door, kit, *kit.lists, *kit.reads)
    for method, url, status in kit.lists_extra:
        door.add(method, url, status=status)
    maker = kit.adapter()

    callback = LinkCallback(params={"code": "the-code"}, code_verifier="the-verifier", redirect_uri="https://us.test/")
    shown = [callback, maker.refresh(kit.refresh_token), maker.list_vehicles(kit.account), kit.account]
    shown.append(maker.read_state(kit.car()))
    shown.append(kit.car())

    text = "".join(map(repr, shown)) + caplog.text
    assert [secret for secret in (*SECRETS, *kit.secrets) if secret in text] == []
