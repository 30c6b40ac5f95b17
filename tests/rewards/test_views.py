"""The payouts page: balance, set-up, payments with their states."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from rewards.flows.payouts import pay_now
from rewards.models import Payout, PayoutAccount
from rewards.views import FROM_WELCOME
from tests.factories import rewards
from tests.page_world import stop_clock


@pytest.fixture
def alices(alice: User, client: Client, settings: Any, tmp_path: Path, now: datetime) -> Client:
    """Alice's browser, on a clock that stands."""
    stop_clock(settings, tmp_path, now)
    client.force_login(alice)
    return client


def test_payouts_start_with_setting_up(alices: Client) -> None:
    text = alices.get("/payouts/").content.decode()
    assert "Set up with Stripe" in text
    assert "Pay me now" not in text


def test_set_up_says_when_nothing_is_configured(alices: Client) -> None:
    answer = alices.post("/payouts/set-up/", follow=True)
    assert "not set up on this installation" in answer.content.decode()
    assert not PayoutAccount.objects.exists()


def test_whoever_set_payouts_up_in_the_welcome_comes_back_to_it(alices: Client) -> None:
    welcome = alices.session
    welcome[FROM_WELCOME] = True
    welcome.save()
    assert alices.get("/payouts/return/")["Location"] == "/welcome/"
    assert alices.get("/payouts/return/")["Location"] == "/payouts/"


def test_everything_available_is_paid_on_request(alices: Client, alice: User, now: datetime) -> None:
    rewards.earn(alice, 1234, now=now)
    rewards.payout_account(alice, now=now + timedelta(hours=5))
    text = alices.get("/payouts/").content.decode()
    assert "$12.34" in text
    assert 'action="/payouts/pay-now/"' in text
    alices.post("/payouts/pay-now/")
    payout = Payout.objects.get(account__owner=alice)
    assert payout.amount_minor == 1234
    text = alices.get("/payouts/").content.decode()
    assert "Waiting to be sent" in text
    assert "A payout is under way" in text
    assert 'action="/payouts/pay-now/"' not in text


@pytest.mark.parametrize(
    ("fields", "words"), [({"state": "restricted"}, "needs something"), ({}, "nothing to pay out")]
)
def test_pay_now_says_why_not(alices: Client, alice: User, now: datetime, fields: dict[str, Any], words: str) -> None:
    rewards.payout_account(alice, now=now, **fields)
    answer = alices.post("/payouts/pay-now/", follow=True)
    assert words in answer.content.decode()
    assert not Payout.objects.exists()


def test_payments_of_somebody_else_are_not_shown(alices: Client, bob: User, now: datetime) -> None:
    rewards.earn(bob, 7777, now=now)
    rewards.payout_account(bob, now=now)
    pay_now(owner=bob, currency="USD", now=now)
    assert "$77.77" not in alices.get("/payouts/").content.decode()


def test_threshold_and_pause_are_kept(alices: Client, alice: User, now: datetime) -> None:
    account = rewards.payout_account(alice, now=now)
    alices.post("/payouts/settings/", {"threshold": "25.50", "is_paused": "on"})
    account.refresh_from_db()
    assert (account.threshold_minor, account.is_paused) == (2550, True)
    assert "payouts are paused" in alices.get("/payouts/").content.decode()


@pytest.mark.parametrize("threshold", ["0.50", "5000", "lots", ""])
def test_a_threshold_out_of_range_is_refused_at_its_field(
    alices: Client, alice: User, now: datetime, threshold: str
) -> None:
    account = rewards.payout_account(alice, now=now)
    answer = alices.post("/payouts/settings/", {"threshold": threshold})
    assert 'aria-invalid="true"' in answer.content.decode()
    account.refresh_from_db()
    assert account.threshold_minor == 100


def test_settings_without_an_account_are_not_there(alices: Client) -> None:
    assert alices.post("/payouts/settings/", {"threshold": "5"}).status_code == 404


def test_a_canadian_is_paid_in_canadian_dollars(
    chloe: User, client: Client, now: datetime, settings: Any, tmp_path: Path
) -> None:
    stop_clock(settings, tmp_path, now)
    rewards.earn(chloe, 500, now=now)
    rewards.payout_account(chloe, now=now)
    client.force_login(chloe)
    text = client.get("/payouts/").content.decode()
    assert "$5.00" in text
    assert "CAD" in text
