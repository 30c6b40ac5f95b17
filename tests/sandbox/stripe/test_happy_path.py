from datetime import timedelta

import pytest
import requests
import stripe

from tests.sandbox.stripe.conftest import STARTED_AT, PretendStripe, submit_onboarding
from tests.sandbox_process import STRIPE_WEBHOOK_SECRET
from tests.stripe_spec import check_object


def test_account_becomes_able_to_receive_once_onboarded(pretend: PretendStripe) -> None:
    account_id = pretend.make_account()
    before = pretend.client.v2.core.accounts.retrieve(
        account_id, {"include": ["configuration.recipient", "requirements"]}
    )
    left = pretend.onboard(account_id)
    after = pretend.client.v2.core.accounts.retrieve(
        account_id, {"include": ["configuration.recipient", "requirements"]}
    )

    assert status_of(before) == "pending"
    assert before.requirements is not None
    assert before.requirements.entries
    assert left.headers["Location"] == "http://localhost:8000/payouts/return/"
    assert status_of(after) == "active"
    assert after.requirements is not None
    assert after.requirements.entries == []


def status_of(account: "stripe.v2.core.Account") -> str:
    """Return the status of the capability that gates money."""
    return str(
        account.to_dict()["configuration"]["recipient"]["capabilities"]["stripe_balance"]["stripe_transfers"]["status"]
    )


def test_later_leaves_the_account_as_it_was(pretend: PretendStripe) -> None:
    account_id = pretend.make_account()
    left = submit_onboarding(pretend.link(account_id), action="later")
    account = pretend.client.v2.core.accounts.retrieve(account_id, {"include": ["configuration.recipient"]})
    assert left.headers["Location"] == "http://localhost:8000/payouts/return/"
    assert status_of(account) == "pending"


def test_onboarding_asks_again_for_digits(pretend: PretendStripe) -> None:
    reply = submit_onboarding(pretend.link(pretend.make_account()), action="finish", routing_number="12")
    assert reply.status_code == 422
    assert "Routing number" in reply.text


def test_onboarding_in_canada_asks_for_transit_and_institution(pretend: PretendStripe) -> None:
    account_id = pretend.make_account(country="ca")
    pretend.onboard(account_id)
    account = pretend.client.v1.accounts.retrieve(account_id)
    assert account.external_accounts is not None
    bank = account.external_accounts.data[0].to_dict()
    assert bank["routing_number"] == "11000-000"
    assert bank["last4"] == "6789"
    assert bank["currency"] == "cad"


def test_onboarding_link_dies_with_time_and_sends_to_refresh(pretend: PretendStripe) -> None:
    pretend.control("PUT", "knobs", link_lifetime_seconds=0)
    reply = requests.get(pretend.link(pretend.make_account()), allow_redirects=False, timeout=30)
    assert reply.status_code == 302
    assert reply.headers["Location"] == "http://localhost:8000/payouts/set-up/"


def test_onboarding_page_is_not_found_without_its_link(pretend: PretendStripe) -> None:
    url = pretend.link(pretend.make_account())
    assert requests.get(url[:-4], timeout=30).status_code == 404


def test_transfer_reaches_the_bank_an_hour_later(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    before = platform_balance(pretend, "usd")
    transfer = pretend.client.v1.transfers.create(
        {
            "amount": 1234,
            "currency": "usd",
            "destination": account_id,
            "transfer_group": "payout-1",
            "metadata": {"payout": "1"},
        },
        {"idempotency_key": "payout-1-t1"},
    )
    on_its_way = pretend.client.v1.payouts.list({}, {"stripe_account": account_id}).data
    pretend.set_clock(STARTED_AT + timedelta(minutes=61))
    arrived = pretend.client.v1.payouts.list({"status": "paid"}, {"stripe_account": account_id}).data

    assert transfer.destination == account_id
    assert platform_balance(pretend, "usd") == before - 1234
    assert [payout.status for payout in on_its_way] == ["in_transit"]
    assert [(payout.amount, payout.status) for payout in arrived] == [(1234, "paid")]
    posting = next(row for row in bank(pretend) if row["account"] == account_id)
    assert posting["amount"] == 1234
    assert posting["currency"] == "usd"
    assert posting["email"] == "alice@example.org"
    assert posting["arrived_at"] == "2026-11-19T00:05:00Z"


def platform_balance(pretend: PretendStripe, currency: str) -> int:
    """Return the platform's available balance."""
    available = pretend.client.v1.balance.retrieve().available
    return next(amount.amount for amount in available if amount.currency == currency)


def bank(pretend: PretendStripe) -> list[dict[str, str | int]]:
    """Return what reached the bank."""
    reply = requests.get(f"{pretend.process.url}/control/bank", timeout=30)
    reply.raise_for_status()
    rows: list[dict[str, str | int]] = reply.json()
    return rows


def test_payout_is_itemised_by_balance_transactions(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    transfers = [transfer(pretend, account_id, 100 + n) for n in range(2)]
    payout = pretend.client.v1.payouts.list({}, {"stripe_account": account_id}).data[-1]
    pretend.set_clock(STARTED_AT + timedelta(hours=2))
    items = pretend.client.v1.balance_transactions.list(
        {"payout": payout.id, "type": "payment", "expand": ["data.source"]}, {"stripe_account": account_id}
    )
    assert items.data[-1].to_dict()["source"]["source_transfer"] == transfers[0].id


def transfer(pretend: PretendStripe, account_id: str, amount: int, **more: str) -> stripe.Transfer:
    """Make one transfer in US dollars."""
    return pretend.client.v1.transfers.create(
        {"amount": amount, "currency": "usd", "destination": account_id, **more}  # type: ignore[typeddict-item]
    )


def test_transfer_across_currencies_is_exchanged_on_arrival(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee(country="ca")
    made = transfer(pretend, account_id, 1000)
    assert isinstance(made.destination_payment, str)
    charge = pretend.client.v1.charges.retrieve(
        made.destination_payment, {"expand": ["balance_transaction"]}, {"stripe_account": account_id}
    ).to_dict()
    assert charge["balance_transaction"]["amount"] == 1370
    assert charge["balance_transaction"]["currency"] == "cad"
    assert charge["balance_transaction"]["exchange_rate"] == 1.37


def test_webhooks_are_signed_and_unique(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    transfer(pretend, account_id, 500)
    pretend.set_clock(STARTED_AT + timedelta(hours=2))
    pretend.listener.wait_for("payout.paid", account=account_id)

    snapshots, thin = [], []
    for body, signature in list(pretend.listener.received):
        if b'"v2.core.event"' in body:
            thin.append(pretend.client.parse_event_notification(body, signature, STRIPE_WEBHOOK_SECRET))
        else:
            event = stripe.Webhook.construct_event(body, signature, STRIPE_WEBHOOK_SECRET)
            check_object("event", event.to_dict())
            snapshots.append(event)
    ids = [event.id for event in snapshots] + [event.id for event in thin]
    assert len(ids) == len(set(ids))
    paid = next(event for event in snapshots if event.type == "payout.paid" and event.account == account_id)
    check_object("payout", paid.to_dict()["data"]["object"])
    capability = "v2.core.account[configuration.recipient].capability_status_updated"
    changed = [event for event in thin if event.type == capability][-1]
    full = pretend.client.v2.core.events.retrieve(changed.id).to_dict()
    assert full["data"] == {"updated_capability": "stripe_balance.stripe_transfers"}
    assert full["related_object"]["id"] == account_id


def test_altered_webhook_fails_its_signature(pretend: PretendStripe) -> None:
    pretend.make_payee()
    pretend.listener.wait_for("account.updated")
    body, signature = next(one for one in pretend.listener.received if b'"account.updated"' in one[0])
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body.replace(b"alice", b"mallory"), signature, STRIPE_WEBHOOK_SECRET)


def test_reversal_takes_back_what_the_account_still_has(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    pretend.control("POST", f"accounts/{account_id}/capability", status="active")
    made = transfer(pretend, account_id, 700)
    # The next look at the API starts the payout, so the reversal needs money that came back from a bank.
    payout = pretend.client.v1.payouts.list({}, {"stripe_account": account_id}).data[0]
    pretend.control("POST", f"payouts/{payout.id}/fail", code="account_closed")
    part = pretend.client.v1.transfers.reversals.create(made.id, {"amount": 200, "metadata": {"why": "clawback"}})
    again = pretend.client.v1.transfers.retrieve(made.id)
    rest = pretend.client.v1.transfers.reversals.create(made.id)

    assert (part.amount, again.amount_reversed, again.reversed) == (200, 200, False)
    assert rest.amount == 500
    assert pretend.client.v1.transfers.retrieve(made.id).reversed is True
    with pytest.raises(stripe.InvalidRequestError) as refused:
        pretend.client.v1.transfers.reversals.create(made.id, {"amount": 1})
    assert refused.value.code == "transfer_already_reversed"


def test_reversal_is_refused_once_the_money_left(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    made = transfer(pretend, account_id, 700)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        pretend.client.v1.transfers.reversals.create(made.id)
    assert refused.value.code == "balance_insufficient"


def test_top_up_raises_the_balance(pretend: PretendStripe) -> None:
    before = platform_balance(pretend, "cad")
    made = pretend.client.v1.topups.create({"amount": 5000, "currency": "cad", "description": "More"})
    assert platform_balance(pretend, "cad") == before + 5000
    assert pretend.client.v1.topups.retrieve(made.id).status == "succeeded"
    assert pretend.client.v1.topups.list({"limit": 1}).data[0].id == made.id


def test_lists_page_in_both_directions(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    made = [transfer(pretend, account_id, 10 + n, transfer_group="pages").id for n in range(5)]
    listed = pretend.client.v1.transfers.list({"transfer_group": "pages", "limit": 2})
    back = pretend.client.v1.transfers.list({"transfer_group": "pages", "limit": 2, "ending_before": made[0]})

    assert [row.id for row in listed.data] == made[:-3:-1]
    assert listed.has_more is True
    assert [row.id for row in listed.auto_paging_iter()] == made[::-1]
    assert [row.id for row in back.data] == [made[2], made[1]]
    assert len(pretend.client.v1.transfers.list({"destination": account_id}).data) == 5


def test_lists_are_bounded_by_creation_time(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    transfer(pretend, account_id, 10, transfer_group="old")
    at = int(STARTED_AT.timestamp())
    assert len(pretend.client.v1.transfers.list({"transfer_group": "old", "created": {"lte": at}}).data) == 1
    assert pretend.client.v1.transfers.list({"transfer_group": "old", "created": {"gt": at}}).data == []


def test_events_are_listed_by_account(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    transfer(pretend, account_id, 10)
    pretend.client.v1.balance.retrieve()
    ours = pretend.client.v1.events.list({"types": ["transfer.created"], "limit": 1}).data
    theirs = pretend.client.v1.events.list({"type": "payout.created"}, {"stripe_account": account_id}).data
    thin = pretend.client.v2.core.events.list({"object_id": account_id, "limit": 2})
    assert ours[0].to_dict()["data"]["object"]["destination"] == account_id
    assert len(theirs) == 1
    assert len(list(thin.auto_paging_iter())) == 3


def test_accounts_are_listed(pretend: PretendStripe) -> None:
    first, second = pretend.make_account(), pretend.make_account()
    listed = [row.id for row in pretend.client.v2.core.accounts.list({"limit": 1}).auto_paging_iter()]
    assert listed[:2] == [second, first]
