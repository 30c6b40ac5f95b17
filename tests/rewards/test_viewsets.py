"""The money through the API: the owner's own, and nobody else's."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from foundation import clock
from rewards.models import Payout, PayoutAccount
from tests.factories.rewards import earn, payout_account
from tests.rewards.conftest import StripeWorld

pytestmark = pytest.mark.django_db

ADDRESSES = ["/api/v1/balances/", "/api/v1/statement/", "/api/v1/payouts/", "/api/v1/payout-accounts/"]


@pytest.fixture
def client_of(client: Client) -> Any:
    """Sign somebody in."""

    def sign_in(user: User) -> Client:
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def account(alice: User) -> PayoutAccount:
    """Alice has 2.50 and an account that is ready."""
    now = clock.now()
    earn(alice, 250, now=now, key="settlement:1")
    return payout_account(alice, now=now)


def patch(client: Client, path: str, body: object) -> Any:
    return client.patch(path, body, content_type="application/json")


def post(client: Client, path: str, body: object = None) -> Any:
    return client.post(path, body or {}, content_type="application/json")


def test_owner_reads_balance_statement_and_payouts(client_of: Any, alice: User, account: PayoutAccount) -> None:
    client = client_of(alice)
    (balance,) = client.get("/api/v1/balances/").json()
    assert (balance["currency"], balance["available_minor"], balance["earned_minor"]) == ("USD", 250, 250)
    (line,) = client.get("/api/v1/statement/").json()["results"]
    assert (line["kind"], line["state"], line["amount_minor"], line["key"]) == (
        "earned",
        "available",
        250,
        "settlement:1",
    )
    assert client.get("/api/v1/payouts/").json()["results"] == []
    (mine,) = client.get("/api/v1/payout-accounts/").json()["results"]
    assert mine["id"] == str(account.public_id)
    assert "external_id" not in mine


def test_owner_is_paid_now(client_of: Any, alice: User, account: PayoutAccount) -> None:
    client = client_of(alice)
    made = post(client, "/api/v1/payouts/pay-now/")
    assert made.status_code == 201
    assert made.json()["amount_minor"] == 250
    shown = client.get(f"/api/v1/payouts/{made.json()['id']}/").json()
    assert shown["state"] == "requested"
    again = post(client, "/api/v1/payouts/pay-now/", {"currency": "USD"})
    assert (again.status_code, again.json()["code"]) == (409, "nothing_available")
    (line, _) = client.get("/api/v1/statement/").json()["results"]
    assert (line["kind"], line["state"], line["payout"]) == ("payout", "pending", shown["id"])


def test_owner_changes_threshold_and_pause(client_of: Any, alice: User, account: PayoutAccount) -> None:
    client, path = client_of(alice), f"/api/v1/payout-accounts/{account.public_id}/"
    changed = patch(client, path, {"threshold_minor": 2000, "is_paused": True})
    assert (changed.status_code, changed.json()["threshold_minor"], changed.json()["is_paused"]) == (200, 2000, True)
    refused = patch(client, path, {"threshold_minor": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "threshold")
    assert patch(client, path, {"threshold_minor": "much"}).status_code == 400
    assert patch(client, path, {"state": "active"}).json()["is_paused"] is True


def test_owner_begins_onboarding(client_of: Any, world: StripeWorld, alice: User) -> None:
    made = post(client_of(alice), "/api/v1/payout-accounts/onboarding-link/")
    assert made.status_code == 201
    assert made.json()["url"].startswith(world.process.url)
    (mine,) = client_of(alice).get("/api/v1/payout-accounts/").json()["results"]
    refreshed = post(client_of(alice), f"/api/v1/payout-accounts/{mine['id']}/refresh/")
    assert refreshed.json()["state"] == "pending"


def test_onboarding_where_nobody_can_be_paid_is_refused(client_of: Any, alice: User) -> None:
    refused = post(client_of(alice), "/api/v1/payout-accounts/onboarding-link/")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_configured")


def test_stranger_sees_nothing(client_of: Any, alice: User, charlie: User, account: PayoutAccount) -> None:
    payout = post(client_of(alice), "/api/v1/payouts/pay-now/").json()["id"]
    client = client_of(charlie)
    assert client.get(f"/api/v1/payouts/{payout}/").status_code == 404
    assert client.get(f"/api/v1/payout-accounts/{account.public_id}/").status_code == 404
    assert patch(client, f"/api/v1/payout-accounts/{account.public_id}/", {"is_paused": True}).status_code == 404
    assert post(client, f"/api/v1/payout-accounts/{account.public_id}/refresh/").status_code == 404
    for address in ("/api/v1/statement/", "/api/v1/payouts/", "/api/v1/payout-accounts/"):
        assert client.get(address).json()["results"] == []
    assert client.get("/api/v1/balances/").json()[0]["earned_minor"] == 0
    assert not PayoutAccount.objects.get().is_paused


@pytest.mark.parametrize("address", ADDRESSES)
def test_nobody_signed_in_is_refused(client: Client, address: str) -> None:
    assert client.get(address).status_code in {401, 403}


def test_money_cannot_be_written_through_the_api(client_of: Any, alice: User, account: PayoutAccount) -> None:
    client = client_of(alice)
    payout = post(client, "/api/v1/payouts/pay-now/").json()["id"]
    for address in (*ADDRESSES, f"/api/v1/payouts/{payout}/"):
        assert post(client, address, {"amount_minor": 1}).status_code == 405
        assert client.delete(address).status_code == 405
    assert patch(client, f"/api/v1/payouts/{payout}/", {"state": "paid"}).status_code == 405
    assert Payout.objects.get().state == Payout.State.REQUESTED


def test_statement_pages_do_not_shift(client_of: Any, alice: User, now: datetime) -> None:
    for number in range(5):
        earn(alice, 10 + number, now=now)
    client = client_of(alice)
    first = client.get("/api/v1/statement/?page_size=2").json()
    earn(alice, 99, now=now)
    second = client.get(first["next"]).json()
    amounts = [line["amount_minor"] for page in (first, second) for line in page["results"]]
    assert amounts == [14, 13, 12, 11]
    after = [line["available_after_minor"] for page in (first, second) for line in page["results"]]
    assert after == [60, 46, 33, 21]
