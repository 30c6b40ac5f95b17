"""Answers of Stripe become the platform's own words; whatever is not definite counts as unknown."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
import requests
import responses
import stripe

from foundation.http import open_session
from rewards.processors.base import (
    BankState,
    Declined,
    InsufficientFunds,
    KeyReused,
    NotAuthorized,
    NotFound,
    OutcomeUnknown,
    ProcessorDown,
    ProcessorError,
    RecipientOrder,
    RecipientState,
    SentTransfer,
    TransferOrder,
)
from rewards.processors.stripe import StripeProcessor

BASE = "https://api.stripe.com"
ORDER = TransferOrder(250, "USD", "acct_1", "group-1")
TRANSFER = {
    "id": "tr_1",
    "object": "transfer",
    "amount": 250,
    "amount_reversed": 0,
    "currency": "usd",
    "destination": "acct_1",
    "destination_payment": "py_1",
    "transfer_group": "group-1",
}
SENT = SentTransfer("tr_1", 250, 0, "USD", "acct_1", "group-1", "py_1")


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> StripeProcessor:
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0)
    return StripeProcessor(
        api_key="sk_test_1",
        api_base=BASE + "/",
        webhook_secrets=["whsec_1"],
        session=open_session(),
        wall=lambda: datetime(2026, 11, 23, tzinfo=UTC),
    )


def error(code: str = "", kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"type": kind, "code": code, "message": "alice@example.org did something"}}


def listing(*data: dict[str, Any], more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(data), "has_more": more, "url": "/v1/things"}


@responses.activate
def test_transfer_is_asked_for_under_its_own_key(processor: StripeProcessor) -> None:
    responses.post(f"{BASE}/v1/transfers", json=TRANSFER)
    assert processor.send_transfer(key="payout-1-t1", order=ORDER) == SENT
    request = responses.calls[0].request
    assert request.headers["Idempotency-Key"] == "payout-1-t1"
    assert set(str(request.body).split("&")) == {
        "amount=250",
        "currency=usd",
        "destination=acct_1",
        "transfer_group=group-1",
        "metadata[chargescape_payout]=group-1",
    }


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        pytest.param(400, error("parameter_invalid"), Declined, id="bad parameter"),
        pytest.param(402, error("card_declined", "card_error"), Declined, id="402"),
        pytest.param(404, error("resource_missing"), Declined, id="no such account"),
        pytest.param(400, error("balance_insufficient"), InsufficientFunds, id="no money"),
        pytest.param(400, error("", "idempotency_error"), KeyReused, id="key of another order"),
        pytest.param(401, error(), NotAuthorized, id="bad key"),
        pytest.param(403, error(), NotAuthorized, id="forbidden"),
        pytest.param(409, error("lock_timeout"), OutcomeUnknown, id="conflict"),
        pytest.param(429, error("rate_limit"), OutcomeUnknown, id="too many"),
        pytest.param(400, error("rate_limit"), OutcomeUnknown, id="too many, in old words"),
        pytest.param(500, error("", "api_error"), OutcomeUnknown, id="500"),
        pytest.param(503, error("", "api_error"), OutcomeUnknown, id="503"),
        pytest.param(302, {}, OutcomeUnknown, id="redirect"),
        pytest.param(418, error(), OutcomeUnknown, id="a status nobody knows"),
        pytest.param(400, {"nothing": 1}, OutcomeUnknown, id="400 that is no error object"),
        pytest.param(200, {"id": "tr_1", "object": "transfer"}, OutcomeUnknown, id="success without its fields"),
        pytest.param(200, {**TRANSFER, "amount": None}, None, id="success with a hole is seen by the order's check"),
    ],
)
@responses.activate
def test_only_a_definite_refusal_counts_as_one(
    processor: StripeProcessor, status: int, body: dict[str, Any], expected: type[ProcessorError] | None
) -> None:
    responses.post(f"{BASE}/v1/transfers", json=body, status=status, headers={"Location": BASE})
    if expected is None:
        assert not processor.send_transfer(key="k", order=ORDER).carries_out(ORDER)
        return
    with pytest.raises(ProcessorError) as raised:
        processor.send_transfer(key="k", order=ORDER)
    assert type(raised.value) is expected
    assert "alice" not in str(raised.value)


@pytest.mark.parametrize("body", ['{"id": "tr_1", "amo', "", "<html>", "[]", "null"])
@responses.activate
def test_cut_or_strange_success_is_unknown(processor: StripeProcessor, body: str) -> None:
    responses.post(f"{BASE}/v1/transfers", body=body, status=200)
    with pytest.raises(OutcomeUnknown):
        processor.send_transfer(key="k", order=ORDER)


@pytest.mark.parametrize("broken", [requests.ConnectionError(), requests.ReadTimeout(), requests.exceptions.SSLError()])
@responses.activate
def test_lost_connection_is_unknown_and_repeats_keep_the_key(processor: StripeProcessor, broken: Exception) -> None:
    responses.post(f"{BASE}/v1/transfers", body=broken)
    with pytest.raises(OutcomeUnknown):
        processor.send_transfer(key="payout-1-t1", order=ORDER)
    assert {call.request.headers["Idempotency-Key"] for call in responses.calls} == {"payout-1-t1"}


@pytest.mark.parametrize(
    ("status", "expected"), [(404, NotFound), (401, NotAuthorized), (403, NotAuthorized), (500, ProcessorDown)]
)
@responses.activate
def test_questions_fail_in_their_own_words(
    processor: StripeProcessor, status: int, expected: type[ProcessorError]
) -> None:
    responses.get(f"{BASE}/v1/transfers/tr_1", json=error(), status=status)
    with pytest.raises(expected):
        processor.read_transfer(external_id="tr_1")


@responses.activate
def test_question_with_half_an_answer_is_no_answer(processor: StripeProcessor) -> None:
    responses.get(f"{BASE}/v1/transfers/tr_1", json={"id": "tr_1", "object": "transfer"})
    with pytest.raises(ProcessorDown):
        processor.read_transfer(external_id="tr_1")


@responses.activate
def test_books_are_read_to_the_end(processor: StripeProcessor) -> None:
    other = {**TRANSFER, "id": "tr_2", "transfer_group": "group-2"}
    entries = [
        {"id": f"txn_{number}", "object": "balance_transaction", "source": source}
        for number, source in enumerate([other, "tr_gone", TRANSFER])
    ]
    responses.get(f"{BASE}/v1/balance_transactions", json=listing(*entries[:2], more=True))
    responses.get(f"{BASE}/v1/balance_transactions", json=listing(entries[2]))
    since = datetime(2026, 11, 1, tzinfo=UTC)
    assert processor.find_transfers_in_books(group="group-1", since=since) == [SENT]
    assert "starting_after=txn_1" in str(responses.calls[1].request.url)
    assert f"created[gte]={int(since.timestamp())}" in unquote(str(responses.calls[0].request.url))


@responses.activate
def test_endless_books_prove_nothing(processor: StripeProcessor) -> None:
    entry = {"id": "txn_1", "object": "balance_transaction", "source": "tr_other"}
    responses.get(f"{BASE}/v1/balance_transactions", json=listing(*[entry] * 100, more=True))
    with pytest.raises(ProcessorDown):
        processor.find_transfers_in_books(group="group-1", since=datetime(2026, 11, 1, tzinfo=UTC))
    assert len(responses.calls) == 10


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("pending", BankState.UNDERWAY),
        ("in_transit", BankState.UNDERWAY),
        ("paid", BankState.PAID),
        ("failed", BankState.FAILED),
        ("canceled", BankState.FAILED),
        ("something new", BankState.UNDERWAY),
    ],
)
@responses.activate
def test_bank_payment_is_read_in_the_owners_account(
    processor: StripeProcessor, status: str, expected: BankState
) -> None:
    payout = {
        "id": "po_1",
        "object": "payout",
        "status": status,
        "amount": 250,
        "currency": "usd",
        "failure_code": None,
    }
    responses.get(f"{BASE}/v1/payouts/po_1", json=payout)
    bank = processor.read_bank_payout(account_id="acct_1", external_id="po_1")
    assert (bank.state, bank.account_id) == (expected, "acct_1")
    assert responses.calls[0].request.headers["Stripe-Account"] == "acct_1"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("active", RecipientState.ACTIVE),
        ("pending", RecipientState.PENDING),
        ("restricted", RecipientState.RESTRICTED),
        ("rejected", RecipientState.RESTRICTED),
        ("unsupported", RecipientState.RESTRICTED),
        (None, RecipientState.PENDING),
    ],
)
@responses.activate
def test_money_waits_for_the_transfers_capability(
    processor: StripeProcessor, status: str | None, expected: RecipientState
) -> None:
    capabilities = {} if status is None else {"stripe_balance": {"stripe_transfers": {"status": status}}}
    account = {
        "id": "acct_1",
        "object": "v2.core.account",
        "configuration": {"recipient": {"capabilities": capabilities}},
    }
    responses.get(f"{BASE}/v2/core/accounts/acct_1", json=account)
    assert processor.read_recipient(external_id="acct_1").state == expected


@responses.activate
def test_account_is_opened_as_a_recipient_at_our_cost(processor: StripeProcessor) -> None:
    responses.post(f"{BASE}/v2/core/accounts", json={"id": "acct_1", "object": "v2.core.account"})
    order = RecipientOrder("CA", "CAD", "chloe@example.org", "ref-1")
    assert processor.create_recipient(key="k", order=order).state == RecipientState.PENDING
    sent = json.loads(responses.calls[0].request.body or b"")
    assert sent["identity"]["country"] == "ca"
    assert sent["defaults"]["responsibilities"] == {"fees_collector": "application", "losses_collector": "application"}
    assert list(sent["configuration"]) == ["recipient"]
    assert responses.calls[0].request.headers["Idempotency-Key"] == "k"
