"""Closing an account stops everything, pays first, then forgets; the books stay whole."""

from datetime import datetime

import pytest
from django.test import Client

from accounts.flows.notices import notify
from accounts.models import Consent, Notice, User
from chargescape.flows import UnableToClose, close_account
from foundation import clock
from grid.models import Enrollment
from rewards import ledger
from rewards.models import Payout, PayoutAccount, Transfer
from tests.factories import grid, nights
from tests.factories.rewards import earn, payout_account
from vehicles.models import HomePlace, Vehicle, VehicleLink

pytestmark = pytest.mark.django_db


def arrived(now: datetime) -> None:
    """Let every payout reach its bank."""
    for payout in Payout.objects.exclude(state="paid"):
        ledger.post_pending(of=payout.reservation, key=f"payout:{payout.public_id}:post", now=now)
        Payout.objects.filter(pk=payout.pk).update(state="paid", paid_at=now, external_id=f"tr_{payout.pk}")


def test_closing_stops_pays_and_forgets(alice: User, now: datetime) -> None:
    grid.enrollment(alice, now=now, nickname="Alice's van")
    account = payout_account(alice, now=now)
    earn(alice, 1_234, now=now)
    notify(user=alice, kind="payout_sent", key="x", params={}, now=now)

    with pytest.raises(UnableToClose, match="on its way"):
        close_account(owner=alice, now=now)
    assert Payout.objects.get().amount_minor == 1_234
    assert not Enrollment.objects.filter(ended_at__isnull=True).exists()
    assert not Consent.objects.filter(revoked_at__isnull=True).exists()
    assert VehicleLink.objects.get().state in {"revoked", "leaving"}
    with pytest.raises(UnableToClose, match="on its way"):
        close_account(owner=alice, now=now)
    assert Payout.objects.count() == 1

    arrived(now)
    VehicleLink.objects.update(state="revoked")
    close_account(owner=alice, now=now)
    alice.refresh_from_db()
    assert (alice.name, alice.is_active, alice.has_usable_password()) == ("", False, False)
    assert alice.email.endswith("@closed.invalid")
    assert not HomePlace.objects.filter(owner=alice).exists()
    assert not Notice.objects.filter(user=alice).exists()
    car = Vehicle.objects.get()
    assert (car.nickname, car.vin, car.vin_hash, car.external_id) == ("", "", "", "")
    account.refresh_from_db()
    assert account.is_paused
    assert Transfer.objects.count() == 3
    assert ledger.check() == []


def test_money_without_a_payout_account_keeps_the_account_open(alice: User, now: datetime) -> None:
    earn(alice, 500, now=now)
    with pytest.raises(UnableToClose, match="Set up payouts"):
        close_account(owner=alice, now=now)
    alice.refresh_from_db()
    assert alice.is_active
    assert alice.email == "alice@example.org"


def test_event_still_being_worked_out_keeps_the_account_open(alice: User, now: datetime) -> None:
    part = grid.participation(nights.plugged_car(alice, now=now), now=now)
    with pytest.raises(UnableToClose, match="worked out"):
        close_account(owner=alice, now=part.event.ends_at)
    assert User.objects.get(pk=alice.pk).is_active


def test_admin_is_not_closed_like_this(ada: User, now: datetime) -> None:
    with pytest.raises(UnableToClose, match="admin"):
        close_account(owner=ada, now=now)


def test_nothing_of_anybody_else_changes(alice: User, bob: User, now: datetime) -> None:
    payout_account(bob, now=now)
    earn(bob, 900, now=now)
    close_account(owner=alice, now=now)
    bob.refresh_from_db()
    assert bob.is_active
    assert ledger.owner_balance(bob, "USD").available_minor == 900
    assert PayoutAccount.objects.get(owner=bob).is_paused is False


def test_page_closes_only_what_the_owner_confirmed(client: Client, alice: User) -> None:
    assert client.get("/account/close/").status_code == 302
    client.force_login(alice)
    assert "Delete my account" in client.get("/account/close/").content.decode()
    client.post("/account/close/", {"email": "bob@example.org"})
    assert User.objects.get(pk=alice.pk).is_active
    assert "Your account is deleted" in client.post("/account/close/", {"email": "Alice@example.org"}).content.decode()
    assert not User.objects.get(pk=alice.pk).is_active
    assert client.get("/tonight/").status_code == 302


def test_api_closes_as_the_page_does(client: Client, alice: User) -> None:
    path = "/api/v1/account/closing/"
    assert client.post(path, {"email": alice.email}).status_code in {401, 403}
    earn(alice, 500, now=clock.now())
    client.force_login(alice)
    wrong = client.post(path, {"email": "bob@example.org"}, content_type="application/json")
    assert (wrong.status_code, "email" in wrong.json()["errors"]) == (400, True)
    owed = client.post(path, {"email": alice.email}, content_type="application/json")
    assert (owed.status_code, owed.json()["waiting_for"]) == (202, "owed")
    assert "still owe you money" in owed.json()["detail"]
    assert User.objects.get(pk=alice.pk).is_active


def test_api_closes_an_account_that_is_owed_nothing(client: Client, alice: User) -> None:
    client.force_login(alice)
    closed = client.post("/api/v1/account/closing/", {"email": alice.email}, content_type="application/json")
    assert closed.status_code == 204
    assert not User.objects.get(pk=alice.pk).is_active
    assert client.get("/api/v1/balances/").status_code in {401, 403}
