"""Many at once: a code is asked about by one, a ticket and an answer are spent by one, a push is applied once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections

from accounts.models import User
from foundation import clock
from tests.factories import vehicles as make
from tests.vehicles.scripted_maker import scripted_maker, state
from vehicles.automakers.base import LinkKind
from vehicles.automakers.push import Push
from vehicles.flows.attempts import UnableToLink
from vehicles.flows.device_codes import begin_device_link, poll_attempt
from vehicles.flows.pushes import apply_pushes
from vehicles.flows.tickets import complete_ticket, hand_back, issue_ticket, open_ticket
from vehicles.models import ChargeReading, LinkAttempt, VehicleLink

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 8


def all_at_once(call: Callable[[], Any]) -> list[Any]:
    """Make the call in several threads at the same moment; returns what each got, a refusal's code where it got one."""
    start = threading.Barrier(AT_ONCE)

    def one(_number: int) -> Any:
        start.wait(60)
        try:
            return call()
        except UnableToLink as refusal:
            return refusal.reason_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(one, range(AT_ONCE)))


def test_one_asks_about_a_code(alice: User, now: datetime, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    script = scripted_maker(settings, monkeypatch)
    attempt = begin_device_link(owner=alice, maker="scripted", session_key="one", now=now)
    LinkAttempt.objects.update(poll_at=clock.wall() - timedelta(seconds=1))

    all_at_once(lambda: poll_attempt(attempt=LinkAttempt.objects.get(pk=attempt.pk), now=now))

    assert len(script["callbacks"]) == 1
    assert VehicleLink.objects.count() == 1
    assert LinkAttempt.objects.get().link == VehicleLink.objects.get()


def test_ticket_and_answer_are_spent_once(
    alice: User, now: datetime, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LINK_RETURN_URLS = ["https://app.example/linked"]
    script = scripted_maker(settings, monkeypatch, LinkKind.HOSTED_PAGE)
    ways = {"scripted": "https://us.test/"}
    ticket = issue_ticket(owner=alice, maker="scripted", session_key="one", return_url="", now=now)

    opened = all_at_once(lambda: open_ticket(secret=ticket.secret, redirect_uri_of=ways, now=now))
    winner = [one for one in opened if not isinstance(one, str)]
    assert len(winner) == 1
    assert opened.count("ticket_unknown") == AT_ONCE - 1

    params = {"state": script["begun"].state, "user_id": "account-one"}
    secret = winner[0].browser_secret
    backs = all_at_once(lambda: hand_back(maker="scripted", params=params, browser_secret=secret, now=now))
    (back,) = [one for one in backs if one.startswith("https://")]
    proof = back.split("proof=")[1]

    def complete() -> str:
        row = LinkAttempt.objects.get()
        complete_ticket(attempt=row, owner=alice, session_key="one", proof=proof, redirect_uri="", now=now)
        return "linked"

    ended = all_at_once(complete)
    assert (ended.count("linked"), ended.count("link_state_used")) == (1, AT_ONCE - 1)
    assert VehicleLink.objects.count() == 1


def test_push_that_comes_several_times_at_once_is_applied_once(
    alice: User, now: datetime, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_maker(settings, monkeypatch)
    make.ready_car(alice, now=now, of=make.link(alice, maker="scripted"), external_id="car-one")
    push = Push("state", "event-one", external_id="car-one", state=state(now))

    applied = all_at_once(lambda: apply_pushes(maker="scripted", pushes=[push], source="webhook", now=now))

    assert sum(applied) == 1
    assert ChargeReading.objects.filter(source="webhook").count() == 1
