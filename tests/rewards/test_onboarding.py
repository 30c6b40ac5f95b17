"""Owners set up payouts with the processor; bank details never come here."""

from datetime import datetime, timedelta

import pytest
from pytest_django import Settings

from accounts.models import User
from foundation import clock
from rewards.flows.onboarding import begin_onboarding, refresh_account, refresh_due_accounts, save_payout_settings
from rewards.flows.payouts import request_due_payouts
from rewards.models import PayoutAccount
from rewards.refusals import UnableToSetUpPayouts
from tests.factories.rewards import payout_account
from tests.rewards.conftest import StripeWorld

pytestmark = pytest.mark.django_db

BACK = "http://localhost:8000/back/"


def begin(owner: User, now: datetime) -> str:
    return begin_onboarding(owner=owner, return_url=BACK, refresh_url=BACK, now=now)


def test_onboarding_opens_one_account_and_leads_to_ready(
    world: StripeWorld, alice: User, now: datetime, settings: Settings
) -> None:
    first = begin(alice, now)
    account = PayoutAccount.objects.get()
    assert (account.state, account.country, account.currency) == (PayoutAccount.State.PENDING, "US", "USD")
    assert begin(alice, now) != first  # links are single-use; the account is the same
    assert PayoutAccount.objects.get().external_id == account.external_id
    ready = world.set_up(alice, now=now)
    assert ready.state == PayoutAccount.State.ACTIVE
    assert ready.next_payout_at == now + settings.PAYOUT_INTERVAL


def test_owner_in_canada_gets_an_account_in_canada(world: StripeWorld, chloe: User, now: datetime) -> None:
    account = world.set_up(chloe, now=now)
    assert (account.country, account.currency, account.state) == ("CA", "CAD", PayoutAccount.State.ACTIVE)


def test_account_opened_before_a_crash_is_found_again(world: StripeWorld, alice: User, now: datetime) -> None:
    begin(alice, now)
    external_id = PayoutAccount.objects.get().external_id
    PayoutAccount.objects.update(external_id="", state=PayoutAccount.State.NEW)  # died before the answer was kept
    begin(alice, now)
    assert PayoutAccount.objects.get().external_id == external_id


def test_onboarding_says_when_the_processor_is_away(world: StripeWorld, alice: User, now: datetime) -> None:
    world.fault("server_error", operation="accounts.create")
    with pytest.raises(UnableToSetUpPayouts) as refused:
        begin(alice, now)
    assert refused.value.reason_code == "try_again"
    assert begin(alice, now).startswith("http")


def test_onboarding_is_refused_where_nobody_can_be_paid(alice: User, now: datetime) -> None:
    with pytest.raises(UnableToSetUpPayouts) as refused:
        begin(alice, now)
    assert refused.value.reason_code == "not_configured"
    assert not PayoutAccount.objects.exists()


def test_account_follows_the_processor(world: StripeWorld, alice: User, now: datetime) -> None:
    account = world.set_up(alice, now=now)
    payday = account.next_payout_at
    for status, state in (("restricted", "restricted"), ("pending", "pending"), ("active", "active")):
        world.control("POST", f"accounts/{account.external_id}/capability", status=status)
        assert refresh_account(account=account, now=now + timedelta(hours=5)).state == state
    assert account.next_payout_at == payday  # becoming ready again moves no payday


def test_account_unknown_to_the_processor_is_reported(world: StripeWorld, alice: User, now: datetime) -> None:
    account = payout_account(alice, now=now, external_id="acct_nobody")
    with pytest.raises(UnableToSetUpPayouts):
        refresh_account(account=account, now=now)
    account.refresh_from_db()
    assert account.state == PayoutAccount.State.ACTIVE


def test_account_not_opened_cannot_be_refreshed(alice: User, now: datetime) -> None:
    account = payout_account(alice, now=now, external_id="", state=PayoutAccount.State.NEW)
    with pytest.raises(UnableToSetUpPayouts):
        refresh_account(account=account, now=now)


def test_sweep_notices_what_no_message_told(world: StripeWorld, alice: User, now: datetime) -> None:
    account = world.set_up(alice, now=now)
    world.control("POST", f"accounts/{account.external_id}/capability", status="restricted")
    assert refresh_due_accounts(now=now, limit=10) == 0  # asked a moment ago
    PayoutAccount.objects.update(refresh_at=clock.wall())
    assert refresh_due_accounts(now=now, limit=10) == 1
    assert refresh_due_accounts(now=now, limit=10) == 0
    account.refresh_from_db()
    assert account.state == PayoutAccount.State.RESTRICTED


def test_sweep_goes_on_past_an_account_that_fails(world: StripeWorld, alice: User, bob: User, now: datetime) -> None:
    payout_account(bob, now=now, external_id="acct_nobody", refresh_at=clock.wall() - timedelta(hours=1))
    world.set_up(alice, now=now)
    PayoutAccount.objects.filter(owner=alice).update(refresh_at=clock.wall())
    assert refresh_due_accounts(now=now, limit=10) == 1
    assert refresh_due_accounts(now=now, limit=10) == 0  # the failed one waits for its next look


def test_owner_chooses_threshold_and_pause(alice: User, now: datetime) -> None:
    account = payout_account(alice, now=now, next_payout_at=now - timedelta(hours=1))
    save_payout_settings(account=account, threshold_minor=2500, is_paused=True, now=now)
    account.refresh_from_db()
    assert (account.threshold_minor, account.is_paused) == (2500, True)
    resumed = save_payout_settings(account=account, is_paused=False, now=now)
    assert (resumed.is_paused, resumed.threshold_minor, resumed.next_payout_at) == (False, 2500, now)


def test_rhythm_sets_how_long_the_next_payday_is_away(alice: User, now: datetime) -> None:
    account = payout_account(alice, now=now, next_payout_at=now + timedelta(hours=5))
    slow = save_payout_settings(account=account, rhythm="weekly", now=now)
    assert slow.next_payout_at == now + timedelta(days=7)
    PayoutAccount.objects.update(next_payout_at=now)
    request_due_payouts(now=now, limit=10)
    account.refresh_from_db()
    assert account.next_payout_at == now + timedelta(days=7)
    quick = save_payout_settings(account=account, rhythm="every", now=now)
    assert quick.next_payout_at == now + timedelta(days=1)
    with pytest.raises(UnableToSetUpPayouts) as refused:
        save_payout_settings(account=account, rhythm="hourly", now=now)
    assert refused.value.field == "rhythm"


@pytest.mark.parametrize("threshold_minor", [0, -5, 99, 100_001])
def test_threshold_out_of_range_is_refused(alice: User, now: datetime, threshold_minor: int) -> None:
    account = payout_account(alice, now=now)
    with pytest.raises(UnableToSetUpPayouts) as refused:
        save_payout_settings(account=account, threshold_minor=threshold_minor, now=now)
    assert refused.value.field == "threshold_minor"
