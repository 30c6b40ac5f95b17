"""Large and unusual payouts wait for two people, and no way around it leads through code, admin or database."""

from datetime import datetime

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from accounts.models import User
from rewards import ledger
from rewards.flows.approvals import approve_payout, decline_payout
from rewards.flows.payouts import pay_now, send_due_payouts
from rewards.flows.sending import adopt_transfer
from rewards.gateway import open_processor
from rewards.models import Payout, PayoutApproval
from rewards.refusals import UnableToApprove
from tests.factories.rewards import earn, payout_account
from tests.rewards.conftest import StripeWorld

pytestmark = pytest.mark.django_db


@pytest.fixture
def eve(db: None) -> User:
    """A second admin."""
    return User.objects.create_superuser("eve@example.org", "charge-the-grid", name="Eve")


def paid(owner: User, amount_minor: int, now: datetime) -> Payout:
    """Return a payout that has left already."""
    earn(owner, amount_minor, now=now)
    payout = pay_now(owner=owner, currency="USD", now=now)
    ledger.post_pending(of=payout.reservation, key=f"payout:{payout.public_id}:post", now=now)
    Payout.objects.filter(pk=payout.pk).update(state="paid", external_id=f"tr_{payout.pk}")
    return payout


@pytest.fixture
def large(alice: User, now: datetime) -> Payout:
    """A payout of 600 dollars, which waits."""
    payout_account(alice, now=now)
    earn(alice, 60_000, now=now)
    return pay_now(owner=alice, currency="USD", now=now)


def test_payout_at_the_limit_needs_nobody(alice: User, now: datetime) -> None:
    payout_account(alice, now=now)
    earn(alice, 50_000, now=now)
    assert pay_now(owner=alice, currency="USD", now=now).approval_reason == ""


@pytest.mark.parametrize(
    ("past", "amount", "waits"),
    [
        ([2500, 2500, 3000], 12_600, True),
        ([2500, 2500, 3000], 12_500, False),
        ([2500, 2500], 12_600, False),
        ([100, 100, 100], 10_000, False),
        ([], 40_000, False),
    ],
    ids=["six-times-the-usual", "five-times", "no-pattern-yet", "below-the-floor", "first-payout"],
)
def test_unusual_payout_waits(alice: User, now: datetime, past: list[int], amount: int, *, waits: bool) -> None:
    payout_account(alice, now=now)
    for minor in past:
        paid(alice, minor, now)
    earn(alice, amount, now=now)
    assert pay_now(owner=alice, currency="USD", now=now).is_waiting_for_approval is waits


def test_waiting_payout_leaves_after_two_people_only(
    world: StripeWorld, alice: User, ada: User, eve: User, now: datetime
) -> None:
    world.set_up(alice, now=now)
    earn(alice, 60_000, now=now)
    payout = pay_now(owner=alice, currency="USD", now=now)
    assert send_due_payouts(now=now, limit=10) == 0
    approve_payout(payout=payout, by=ada, now=now)
    assert send_due_payouts(now=now, limit=10) == 0
    with pytest.raises(UnableToApprove, match="Another person"):
        approve_payout(payout=payout, by=ada, now=now)
    assert world.transfers(payout.public_id) == []
    approve_payout(payout=payout, by=eve, now=now)
    assert send_due_payouts(now=now, limit=10) == 1
    assert len(world.transfers(payout.public_id)) == 1
    with pytest.raises(UnableToApprove, match="does not wait"):
        approve_payout(payout=payout, by=eve, now=now)


def test_nobody_approves_without_the_right_or_for_themselves(large: Payout, alice: User, bob: User) -> None:
    with pytest.raises(UnableToApprove, match="may not"):
        approve_payout(payout=large, by=bob, now=large.requested_at)
    alice.is_superuser = True
    alice.save()
    with pytest.raises(UnableToApprove, match="themselves"):
        approve_payout(payout=large, by=alice, now=large.requested_at)
    assert not PayoutApproval.objects.exists()


def test_database_itself_refuses_one_person_twice_and_leaving_unapproved(large: Payout, ada: User) -> None:
    now = large.requested_at
    PayoutApproval.objects.create(payout=large, position=1, approved_by=ada, approved_at=now)
    for position in (1, 2, 3):
        with pytest.raises(IntegrityError), transaction.atomic():
            PayoutApproval.objects.create(payout=large, position=position, approved_by=ada, approved_at=now)
    for state in ("sending", "unknown", "sent", "paid", "bank_failed"):
        with pytest.raises(IntegrityError), transaction.atomic():
            Payout.objects.filter(pk=large.pk).update(state=state)


def test_declined_payout_goes_back_to_the_balance(large: Payout, alice: User, ada: User, now: datetime) -> None:
    decline_payout(payout=large, by=ada, reason="The meter was broken", now=now)
    large.refresh_from_db()
    assert (large.state, large.failure) == ("cancelled", "The meter was broken")
    assert ledger.owner_balance(alice, "USD").available_minor == 60_000
    assert ledger.check() == []


def test_transfer_that_nobody_approved_freezes_the_payout(world: StripeWorld, alice: User, now: datetime) -> None:
    account = world.set_up(alice, now=now)
    earn(alice, 60_000, now=now)
    payout = pay_now(owner=alice, currency="USD", now=now)
    world.create_transfer(amount=60_000, destination=account.external_id, group=payout.public_id)
    [sent] = open_processor().find_transfers(group=str(payout.public_id))
    assert adopt_transfer(payout=payout, sent=sent, now=now) is False
    payout.refresh_from_db()
    assert payout.state == Payout.State.FROZEN


def test_admin_asks_before_it_approves_and_the_second_admin_lets_it_go(
    client: Client, large: Payout, ada: User, eve: User
) -> None:
    address = f"/admin/rewards/payout/{large.pk}/approve/"
    client.force_login(ada)
    assert "Two people must approve it; 0 did." in client.get("/admin/rewards/payout/").content.decode()
    assert "600.00 USD" in client.get(address).content.decode()
    assert not PayoutApproval.objects.exists(), "looking approves nothing"
    client.post(address)
    assert "Another person" in client.post(address, follow=True).content.decode()
    client.force_login(eve)
    client.post(address)
    large.refresh_from_db()
    assert large.approved_at is not None


def test_admin_declines_with_a_reason(client: Client, large: Payout, ada: User) -> None:
    client.force_login(ada)
    client.post(f"/admin/rewards/payout/{large.pk}/decline/", {"note": "Wrong meter"})
    large.refresh_from_db()
    assert (large.failure, large.failure_text) == ("Wrong meter", "Wrong meter")


def test_colleague_who_may_only_look_cannot_approve(client: Client, large: Payout, bob: User) -> None:
    bob.is_staff = True
    bob.save()
    client.force_login(bob)
    assert client.post(f"/admin/rewards/payout/{large.pk}/approve/").status_code == 403
    assert not PayoutApproval.objects.exists()


def test_owner_reads_in_plain_words_why_it_waits(client: Client, large: Payout, alice: User) -> None:
    client.force_login(alice)
    page = client.get("/payouts/").content.decode()
    assert "Being checked by two people" in page
    assert "It is larger than $500.00." in page
    [told] = client.get("/api/v1/payouts/").json()["results"]
    assert told["is_waiting_for_approval"] is True
