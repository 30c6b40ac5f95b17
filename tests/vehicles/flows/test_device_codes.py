"""Codes typed at the maker: asked about as often as allowed, ended once, and never lost by a closed page."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection

from accounts.models import User
from foundation import clock
from tests.vehicles.scripted_maker import WAIT, scripted_maker
from vehicles.automakers.base import LinkKind
from vehicles.automakers.errors import AuthRevoked, LinkPending, RateLimited, UpstreamDown
from vehicles.flows.attempts import UnableToLink
from vehicles.flows.device_codes import begin_device_link, poll_attempt, poll_due_attempts
from vehicles.flows.links import begin_link
from vehicles.models import LinkAttempt, Vehicle, VehicleLink


@pytest.fixture
def script(settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A maker that hands out codes."""
    return scripted_maker(settings, monkeypatch)


def begin(owner: User, now: datetime) -> LinkAttempt:
    return begin_device_link(owner=owner, maker="scripted", session_key="session-one", now=now)


def test_code_is_kept_encrypted_with_the_makers_pace(alice: User, now: datetime, script: dict[str, Any]) -> None:
    attempt = begin(alice, now)

    assert (attempt.user_code, attempt.verification_url) == ("WDJB-MJHT", "https://scripted.test/device")
    assert (attempt.interval_seconds, attempt.kind) == (5, LinkKind.DEVICE_CODE)
    assert attempt.expires_at > clock.wall() + timedelta(minutes=9)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM vehicles_linkattempt")
        dump = repr(cursor.fetchall())
    assert "device-code-canary" not in dump
    assert "WDJB-MJHT" not in dump


def test_maker_is_asked_no_more_often_than_it_allows(
    alice: User, now: datetime, script: dict[str, Any], at_now: time_machine.Traveller
) -> None:
    script["grants"] = [LinkPending()]
    attempt = begin(alice, now)

    for _ in range(30):  # an eager page and the sweep together, once a second
        poll_attempt(attempt=attempt, now=now)
        poll_due_attempts(now=now, limit=10)
        at_now.shift(timedelta(seconds=1))

    assert len(script["callbacks"]) == 5
    assert script["callbacks"][0].params == {"device_code": "device-code-canary"}
    assert script["callbacks"][0].code_verifier == script["begun"].code_verifier


def test_asked_to_slow_down_it_stays_slow(
    alice: User, now: datetime, script: dict[str, Any], at_now: time_machine.Traveller
) -> None:
    script["grants"] = [LinkPending(interval_seconds=10), LinkPending()]
    attempt = begin(alice, now)
    at_now.shift(WAIT)

    for _ in range(30):
        poll_attempt(attempt=attempt, now=now)
        at_now.shift(timedelta(seconds=1))

    assert attempt.interval_seconds == 10
    assert len(script["callbacks"]) == 3


def test_sweep_ends_the_link_when_nobody_looks(
    alice: User, now: datetime, script: dict[str, Any], at_now: time_machine.Traveller
) -> None:
    script["grants"] = [LinkPending(), "account-one"]
    attempt = begin(alice, now)

    ended = 0
    for _ in range(3):
        at_now.shift(WAIT)
        ended += poll_due_attempts(now=now, limit=10)

    attempt.refresh_from_db()
    link = VehicleLink.objects.get()
    assert (ended, attempt.link, attempt.is_over) == (1, link, True)
    assert (attempt.device_code, attempt.code_verifier, attempt.user_code) == ("", "", "")
    assert (link.owner, link.state, link.extras) == (alice, "active", {"k": "v-canary"})
    assert Vehicle.objects.get().state == Vehicle.State.OFFERED
    assert len(script["callbacks"]) == 2


@pytest.mark.parametrize(
    ("reason", "failure"),
    [
        ("access_denied", "link_denied"),
        ("expired_token", "link_expired"),
        ("invalid_grant", "link_code_refused"),
    ],
)
def test_refusal_at_the_maker_ends_the_wait(
    alice: User, script: dict[str, Any], at_now: time_machine.Traveller, reason: str, failure: str
) -> None:
    script["grants"] = [AuthRevoked(reason)]
    attempt = begin(alice, clock.now())
    at_now.shift(WAIT)

    poll_attempt(attempt=attempt, now=clock.now())
    at_now.shift(WAIT)
    poll_attempt(attempt=attempt, now=clock.now())

    assert (attempt.failure, attempt.is_over, attempt.device_code) == (failure, True, "")
    assert len(script["callbacks"]) == 1
    assert not VehicleLink.objects.exists()


def test_code_that_nobody_typed_expires_without_asking(
    alice: User, now: datetime, script: dict[str, Any], at_now: time_machine.Traveller
) -> None:
    attempt = begin(alice, now)
    at_now.shift(timedelta(minutes=10))

    assert poll_due_attempts(now=now, limit=10) == 1

    attempt.refresh_from_db()
    assert attempt.failure == "link_expired"
    assert "callbacks" not in script


@pytest.mark.parametrize("error", [UpstreamDown("HTTP 503"), RateLimited("HTTP 429")])
def test_maker_in_trouble_costs_the_owner_no_code(
    alice: User, now: datetime, script: dict[str, Any], at_now: time_machine.Traveller, error: Exception
) -> None:
    script["grants"] = [error, "account-one"]
    attempt = begin(alice, now)

    for _ in range(4):
        at_now.shift(WAIT)
        poll_attempt(attempt=attempt, now=now)

    assert attempt.link == VehicleLink.objects.get()


def test_cars_that_cannot_be_listed_yet_do_not_cost_the_link(
    alice: User, now: datetime, script: dict[str, Any], at_now: time_machine.Traveller
) -> None:
    script["cars"] = RateLimited("budget")
    attempt = begin(alice, now)
    at_now.shift(WAIT)

    poll_attempt(attempt=attempt, now=now)

    link = VehicleLink.objects.get()
    assert (attempt.link, link.listed_at, link.refresh_token) == (link, None, "refresh-canary")


def test_account_without_an_electric_car_is_given_back(
    alice: User, now: datetime, script: dict[str, Any], at_now: time_machine.Traveller
) -> None:
    script["cars"] = []
    attempt = begin(alice, now)
    at_now.shift(WAIT)

    poll_attempt(attempt=attempt, now=now)

    assert (attempt.failure, script["revoked"]) == ("no_cars", ["refresh-canary"])


def test_kinds_are_not_mixed_up(alice: User, now: datetime, script: dict[str, Any]) -> None:
    with pytest.raises(UnableToLink) as page:
        begin_link(owner=alice, maker="scripted", session_key="one", redirect_uri="https://us.test/", now=now)
    with pytest.raises(UnableToLink) as code:
        begin_device_link(owner=alice, maker="ford", session_key="one", now=now)

    assert (page.value.reason_code, code.value.reason_code) == ("link_kind_not_offered", "link_kind_not_offered")
    assert not LinkAttempt.objects.exists()


def test_maker_that_hands_out_no_code_is_said_so(alice: User, now: datetime, script: dict[str, Any]) -> None:
    script["start"] = UpstreamDown("HTTP 503")

    with pytest.raises(UnableToLink) as caught:
        begin(alice, now)
    assert caught.value.reason_code == "maker_unreachable"


def test_owner_has_few_codes_open_at_a_time(
    alice: User, bob: User, now: datetime, script: dict[str, Any], at_now: time_machine.Traveller
) -> None:
    script["grants"] = [LinkPending()]
    his = begin(bob, now)
    hers = [begin(alice, now) for _ in range(5)]
    for attempt in (his, *hers):
        attempt.refresh_from_db()

    assert [attempt.failure for attempt in hers] == ["link_replaced", "link_replaced", "", "", ""]
    assert not his.is_over
    at_now.shift(WAIT)
    poll_due_attempts(now=now, limit=10)
    assert len(script["callbacks"]) == 4


def test_code_of_an_owner_who_has_left_links_nothing(
    alice: User, now: datetime, script: dict[str, Any], at_now: time_machine.Traveller
) -> None:
    begin(alice, now)
    alice.is_active = False
    alice.save()
    at_now.shift(WAIT)

    assert poll_due_attempts(now=now, limit=10) == 0
    assert "callbacks" not in script
