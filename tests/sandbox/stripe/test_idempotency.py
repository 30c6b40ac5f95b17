from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import stripe
from stripe.params.v2.core import AccountCreateParams

from tests.sandbox.stripe.conftest import PretendStripe
from tests.sandbox.stripe.test_happy_path import transfer


def pay(pretend: PretendStripe, account_id: str, key: str, amount: int = 100) -> stripe.Transfer:
    """Make one transfer under a key."""
    return pretend.client.v1.transfers.create(
        {"amount": amount, "currency": "usd", "destination": account_id, "transfer_group": key},
        {"idempotency_key": key},
    )


def count(pretend: PretendStripe, group: str) -> int:
    """Return how many transfers a group holds."""
    return len(pretend.client.v1.transfers.list({"transfer_group": group}).data)


def test_same_key_answers_the_same_transfer(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    first, second = (pay(pretend, account_id, "replay") for _ in range(2))
    assert second.id == first.id
    assert pretend.transport.seen[-1][3]["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in pretend.transport.seen[-2][3]
    assert count(pretend, "replay") == 1


def test_same_key_with_other_parameters_is_refused(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    pay(pretend, account_id, "mismatch")
    with pytest.raises(stripe.IdempotencyError):
        pay(pretend, account_id, "mismatch", amount=101)
    assert count(pretend, "mismatch") == 1


def test_key_in_use_answers_conflict(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    pretend.fault("slow", operation="transfers.create", seconds=4)
    form = {"amount": 100, "currency": "usd", "destination": account_id, "transfer_group": "flying"}

    def fly(_: int) -> requests.Response:
        return pretend.raw("POST", "/v1/transfers", data=form, headers={"Idempotency-Key": "flying"})

    with ThreadPoolExecutor(2) as both:  # whichever comes first has the key
        paid, refused = sorted(both.map(fly, range(2)), key=lambda reply: reply.status_code)
    assert (paid.status_code, refused.status_code) == (200, 409)
    assert refused.json()["error"]["code"] == "idempotency_key_in_use"
    assert count(pretend, "flying") == 1


def test_refused_parameters_do_not_use_a_key_up(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    form = {"amount": "many", "currency": "usd", "destination": account_id}
    assert pretend.raw("POST", "/v1/transfers", data=form, headers={"Idempotency-Key": "typo"}).status_code == 400
    assert pay(pretend, account_id, "typo").amount == 100


def test_insufficient_balance_is_remembered_under_its_key(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    pretend.fault("insufficient", operation="transfers.create")
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            pay(pretend, account_id, "poor")
        assert refused.value.code == "balance_insufficient"
    assert count(pretend, "poor") == 0


def test_key_is_forgotten_after_its_life(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    pretend.control("PUT", "knobs", key_lifetime_seconds=0)
    first, second = (pay(pretend, account_id, "short-lived") for _ in range(2))
    assert first.id != second.id


def test_v2_account_is_made_once_per_key(pretend: PretendStripe) -> None:
    params: AccountCreateParams = {
        "identity": {"country": "us"},
        "configuration": {"recipient": {"capabilities": {"stripe_balance": {"stripe_transfers": {"requested": True}}}}},
    }
    made = {pretend.client.v2.core.accounts.create(params, {"idempotency_key": "account-1"}).id for _ in range(2)}
    assert len(made) == 1


def test_calls_without_a_key_are_separate(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    form = {"amount": 100, "currency": "usd", "destination": account_id}
    ids = {pretend.raw("POST", "/v1/transfers", data=form).json()["id"] for _ in range(2)}
    assert len(ids) == 2
    assert transfer(pretend, account_id, 100).id not in ids
