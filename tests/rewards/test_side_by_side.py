"""Several payouts at once: requested in bulk, sent by several threads of several workers, each once."""

import threading
from datetime import datetime
from typing import Any

import pytest
import requests
from pytest_django import Settings

from accounts.models import User
from rewards import ledger
from rewards.flows.payouts import pay_now, request_due_payouts, send_due_payouts
from rewards.models import LedgerAccount, Payout, PayoutAccount
from tests.factories.rewards import earn, payout_account
from tests.rewards.conftest import StripeWorld
from tests.rewards.racing import race


@pytest.fixture
def crew(alice: User, bob: User, charlie: User, chloe: User) -> list[User]:
    """Three who are paid in USD, and one in CAD."""
    return [alice, bob, charlie, chloe]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_workers_of_three_threads_send_each_payout_once(
    world: StripeWorld, crew: list[User], now: datetime, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PAYOUT_SENDERS = 3
    for owner in crew:
        world.set_up(owner, now=now)
        earn(owner, 250, now=now)
    assert request_due_payouts(now=now, limit=10) == 0  # nobody's payday has come
    payouts = [pay_now(owner=owner, currency=owner.currency, now=now) for owner in crew]
    meeting, send = threading.Barrier(len(payouts)), requests.Session.send

    def meet(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        if request.method == "POST":
            meeting.wait(60)  # nobody's money moves before all four are under way
        return send(session, request, **options)

    monkeypatch.setattr(requests.Session, "send", meet)

    sent = race(lambda _: send_due_payouts(now=now, limit=10), runners=2)

    assert sum(sent) == 4
    for payout in payouts:
        payout.refresh_from_db()
        (transfer,) = world.transfers(payout.public_id)
        assert (payout.state, payout.external_id, payout.attempt) == (Payout.State.SENT, transfer["id"], 1)
    assert ledger.check() == []


@pytest.mark.django_db
def test_payday_of_many_pays_each_their_own(
    crew: list[User], now: datetime, django_assert_max_num_queries: Any
) -> None:
    for place, owner in enumerate(crew):
        payout_account(owner, now=now, threshold_minor=200)
        earn(owner, 150 + 50 * place, now=now)
    pay_now(owner=crew[1], currency="USD", now=now)
    with django_assert_max_num_queries(30):
        assert request_due_payouts(now=now, limit=10) == 2
    assert request_due_payouts(now=now, limit=10) == 0
    paid = Payout.objects.order_by("amount_minor").values_list("account__owner__name", "amount_minor", "currency")
    assert list(paid) == [("Bob", 200, "USD"), ("Charlie", 250, "USD"), ("Chloé", 300, "CAD")]
    assert not PayoutAccount.objects.filter(next_payout_at__lte=now).exists()
    assert ledger.check() == []


@pytest.mark.django_db
def test_one_that_cannot_be_requested_holds_up_no_other(
    alice: User, bob: User, charlie: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    for owner in (alice, bob, charlie):
        payout_account(owner, now=now)
        earn(owner, 250, now=now)
    told = ledger.owner_balances

    def outdated(wanted: Any) -> Any:
        balances = told(wanted)
        return {
            key: ledger.Balance(900, 0, 900) if key[0] == str(bob.public_id) else one for key, one in balances.items()
        }

    monkeypatch.setattr(ledger, "owner_balances", outdated)
    assert request_due_payouts(now=now, limit=10) == 2
    assert set(Payout.objects.values_list("account__owner__name", flat=True)) == {"Alice", "Charlie"}
    monkeypatch.undo()
    assert request_due_payouts(now=now, limit=10) == 1
    assert ledger.check() == []


@pytest.mark.django_db
def test_reservations_made_together_are_spread_over_the_account_that_all_pass(
    alice: User, bob: User, now: datetime
) -> None:
    for owner in (alice, bob):
        payout_account(owner, now=now)
        earn(owner, 250, now=now)
    assert request_due_payouts(now=now, limit=10) == 2
    held = LedgerAccount.objects.filter(kind=LedgerAccount.Kind.PAID_OUT, credits_pending__gt=0)
    whole = ledger.account(LedgerAccount.Kind.PAID_OUT, "stripe", "USD")
    assert sum(held.values_list("credits_pending", flat=True)) == 500
    assert held.count() == (2 if whole.parts.exists() else 1)
    for payout in Payout.objects.select_related("reservation"):
        ledger.post_pending(of=payout.reservation, key=f"{payout.public_id}:post", now=now)
    assert ledger.balance(whole) == ledger.Balance(500, 0, 500)
