"""Who is paid when, and what is refused."""

from datetime import datetime, timedelta

import pytest
from pytest_django import Settings

from accounts.models import User
from rewards import ledger
from rewards.flows.payouts import pay_now, request_due_payouts
from rewards.models import Payout, PayoutAccount
from rewards.refusals import UnableToPayOut
from tests.factories.rewards import earn, payout_account

pytestmark = pytest.mark.django_db

State = PayoutAccount.State


def test_payday_pays_everything_available(alice: User, now: datetime, settings: Settings) -> None:
    account = payout_account(alice, now=now)
    earn(alice, 250, now=now)
    assert request_due_payouts(now=now, limit=10) == 1
    assert request_due_payouts(now=now, limit=10) == 0
    payout = Payout.objects.get()
    assert (payout.amount_minor, payout.currency, payout.state) == (250, "USD", Payout.State.REQUESTED)
    assert payout.destination == account.external_id
    assert ledger.owner_balance(alice, "USD") == ledger.Balance(0, 250, 250)
    account.refresh_from_db()
    assert account.next_payout_at == now + settings.PAYOUT_INTERVAL
    assert ledger.check() == []


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"state": State.PENDING}, id="not set up yet"),
        pytest.param({"state": State.RESTRICTED}, id="restricted"),
        pytest.param({"is_paused": True}, id="paused"),
        pytest.param({"next_payout_at": None}, id="no payday"),
        pytest.param({"threshold_minor": 251}, id="below the threshold"),
    ],
)
def test_payday_passes(alice: User, now: datetime, fields: dict[str, object]) -> None:
    payout_account(alice, now=now, **fields)
    earn(alice, 250, now=now)
    assert request_due_payouts(now=now, limit=10) == 0
    assert not Payout.objects.exists()


def test_payday_lies_in_simulated_time(alice: User, now: datetime) -> None:
    payout_account(alice, now=now, next_payout_at=now + timedelta(seconds=1))
    earn(alice, 250, now=now)
    assert request_due_payouts(now=now, limit=10) == 0
    assert request_due_payouts(now=now + timedelta(seconds=1), limit=10) == 1


def test_paydays_keep_their_hour_after_an_outage(alice: User, now: datetime, settings: Settings) -> None:
    settings.PAYOUT_INTERVAL = timedelta(hours=24)
    account = payout_account(alice, now=now, next_payout_at=now - timedelta(hours=60))
    request_due_payouts(now=now, limit=10)
    account.refresh_from_db()
    assert account.next_payout_at == now + timedelta(hours=12)


def test_payday_during_an_open_payout_waits_for_the_next(alice: User, now: datetime) -> None:
    payout_account(alice, now=now)
    earn(alice, 250, now=now)
    pay_now(owner=alice, currency="USD", now=now)
    earn(alice, 300, now=now)
    assert request_due_payouts(now=now, limit=10) == 0
    assert ledger.owner_balance(alice, "USD").available_minor == 300


def test_sweep_takes_no_more_than_its_limit(alice: User, bob: User, now: datetime) -> None:
    for owner in (alice, bob):
        payout_account(owner, now=now)
        earn(owner, 250, now=now)
    assert request_due_payouts(now=now, limit=1) == 1


def test_two_currencies_make_two_payouts(chloe: User, now: datetime) -> None:
    payout_account(chloe, now=now, currency="CAD")
    payout_account(chloe, now=now, currency="USD")
    earn(chloe, 250, now=now, currency="CAD")
    earn(chloe, 120, now=now, currency="USD")
    assert request_due_payouts(now=now, limit=10) == 2
    assert set(Payout.objects.values_list("amount_minor", "currency")) == {(250, "CAD"), (120, "USD")}


def test_pay_now_ignores_threshold_and_payday(alice: User, now: datetime) -> None:
    payout_account(alice, now=now, threshold_minor=5000, next_payout_at=now + timedelta(days=9))
    earn(alice, 1, now=now)
    assert pay_now(owner=alice, currency="USD", now=now).amount_minor == 1


@pytest.mark.parametrize(
    ("fields", "earned_minor", "code"),
    [
        pytest.param(None, 250, "not_set_up", id="no account"),
        pytest.param({"state": State.NEW}, 250, "not_set_up", id="account not opened"),
        pytest.param({"state": State.PENDING}, 250, "not_ready", id="account not ready"),
        pytest.param({"state": State.RESTRICTED}, 250, "not_ready", id="account restricted"),
        pytest.param({"is_paused": True}, 250, "paused", id="paused"),
        pytest.param({}, 0, "nothing_available", id="nothing earned"),
    ],
)
def test_pay_now_is_refused(
    alice: User, now: datetime, fields: dict[str, object] | None, earned_minor: int, code: str
) -> None:
    if fields is not None:
        payout_account(alice, now=now, **fields)
    if earned_minor:
        earn(alice, earned_minor, now=now)
    with pytest.raises(UnableToPayOut) as refused:
        pay_now(owner=alice, currency="USD", now=now)
    assert refused.value.reason_code == code
    assert not Payout.objects.exists()


def test_second_payout_while_one_is_open_is_refused(alice: User, now: datetime) -> None:
    payout_account(alice, now=now)
    earn(alice, 250, now=now)
    pay_now(owner=alice, currency="USD", now=now)
    earn(alice, 300, now=now)
    with pytest.raises(UnableToPayOut) as refused:
        pay_now(owner=alice, currency="USD", now=now)
    assert refused.value.reason_code == "already_under_way"
    assert ledger.owner_balance(alice, "USD") == ledger.Balance(300, 250, 550)
    assert ledger.check() == []
