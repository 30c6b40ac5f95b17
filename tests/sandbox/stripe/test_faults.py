import time
from datetime import timedelta

import pytest
import requests
import stripe

from tests.sandbox.stripe.conftest import STARTED_AT, PretendStripe, wait_until
from tests.sandbox.stripe.test_happy_path import bank, transfer
from tests.sandbox.stripe.test_idempotency import count, pay


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("cut", stripe.APIConnectionError),
        ("short", stripe.APIConnectionError),
        ("truncated", stripe.APIError),
        ("server_error_after", stripe.APIError),
    ],
)
def test_effect_survives_a_lost_answer_and_the_key_finds_it(
    pretend: PretendStripe, kind: str, error: type[stripe.StripeError]
) -> None:
    account_id = pretend.make_payee()
    pretend.fault(kind, operation="transfers.create")
    with pytest.raises(error):
        pay(pretend, account_id, f"lost-{kind}")
    assert count(pretend, f"lost-{kind}") == 1
    if kind == "server_error_after":  # the 500 was remembered: only a look tells that the money moved
        with pytest.raises(stripe.APIError):
            pay(pretend, account_id, f"lost-{kind}")
    else:
        assert pay(pretend, account_id, f"lost-{kind}").amount == 100
    assert count(pretend, f"lost-{kind}") == 1


def test_cached_500_is_answered_again_without_effect(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    pretend.fault("server_error", operation="transfers.create")
    for _ in range(2):
        with pytest.raises(stripe.APIError) as failed:
            pay(pretend, account_id, "broken")
        assert failed.value.http_status == 500
    assert count(pretend, "broken") == 0
    assert pay(pretend, account_id, "broken-t2").amount == 100


@pytest.mark.parametrize(("kind", "status"), [("conflict", 409), ("rate_limited", 429)])
def test_refusal_in_passing_leaves_the_key_free(pretend: PretendStripe, kind: str, status: int) -> None:
    account_id = pretend.make_payee()
    pretend.fault(kind, operation="transfers.create")
    with pytest.raises(stripe.StripeError) as refused:
        pay(pretend, account_id, f"passing-{kind}")
    assert refused.value.http_status == status
    assert pay(pretend, account_id, f"passing-{kind}").amount == 100
    assert count(pretend, f"passing-{kind}") == 1


def test_sdk_rides_out_a_cut_by_itself_when_it_may_retry(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    patient = stripe.StripeClient(
        "sk_test_sandbox",
        base_addresses={"api": f"{pretend.process.url}/stripe"},
        max_network_retries=2,
        http_client=pretend.transport,
    )
    pretend.fault("cut", operation="transfers.create", count=2)
    patient.v1.transfers.create(
        {"amount": 7, "currency": "usd", "destination": account_id, "transfer_group": "patient"},
        {"idempotency_key": "patient"},
    )
    assert count(pretend, "patient") == 1


def test_payout_refused_by_the_bank_waits_for_another_account(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee(account_number="000111111116")
    transfer(pretend, account_id, 900)
    pretend.client.v1.balance.retrieve()
    pretend.set_clock(STARTED_AT + timedelta(hours=2))
    failed = pretend.client.v1.payouts.list({}, {"stripe_account": account_id}).data
    balance = pretend.client.v1.balance.retrieve({}, {"stripe_account": account_id})
    account = pretend.client.v2.core.accounts.retrieve(
        account_id, {"include": ["configuration.recipient", "requirements"]}
    )

    assert [(payout.status, payout.failure_code) for payout in failed] == [("failed", "no_account")]
    assert balance.available[0].amount == 900
    assert account.requirements is not None
    assert [entry.description for entry in account.requirements.entries or []] == [
        "configuration.recipient.default_outbound_destination"
    ]
    assert pretend.listener.wait_for("payout.failed", account=account_id)

    pretend.onboard(account_id)
    pretend.client.v1.balance.retrieve()
    pretend.set_clock(STARTED_AT + timedelta(hours=4))
    payouts = pretend.client.v1.payouts.list({}, {"stripe_account": account_id}).data
    assert [payout.status for payout in payouts] == ["paid", "failed"]


def test_paid_payout_may_come_back(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    pretend.fault("payout_paid_then_fails")
    transfer(pretend, account_id, 800)
    statuses = []
    for minutes in (1, 61, 121):
        pretend.set_clock(STARTED_AT + timedelta(minutes=minutes))
        statuses += [
            payout.status for payout in pretend.client.v1.payouts.list({}, {"stripe_account": account_id}).data
        ]
    assert statuses == ["in_transit", "paid", "failed"]
    assert not [row for row in bank(pretend) if row["account"] == account_id]


def test_payout_can_be_sent_back_by_hand(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    transfer(pretend, account_id, 800)
    payout = pretend.client.v1.payouts.list({}, {"stripe_account": account_id}).data[0]
    assert pretend.control("POST", f"payouts/{payout.id}/fail", code="account_closed")["status"] == "failed"
    with pytest.raises(requests.HTTPError):
        pretend.control("POST", f"payouts/{payout.id}/fail")


def test_webhooks_of_an_outage_come_afterwards(pretend: PretendStripe) -> None:
    started = time.monotonic()
    pretend.fault("webhook_outage", seconds=1.5)
    account_id = pretend.make_payee()
    pretend.listener.wait_for("account.updated", account=account_id)
    assert time.monotonic() - started > 1.4


def test_refused_webhooks_are_tried_again_and_listed_until_then(pretend: PretendStripe) -> None:
    pretend.listener.status = 500
    account_id = pretend.make_payee()
    options: stripe.RequestOptions = {"stripe_account": account_id}

    def undelivered() -> set[str]:
        return {event.type for event in pretend.client.v1.events.list({"delivery_success": False}, options).data}

    wait_until(lambda: undelivered() == {"account.updated", "account.external_account.created"})
    pretend.listener.status = 200
    pretend.listener.wait_for("account.updated", account=account_id)
    wait_until(lambda: "account.updated" not in undelivered())


def test_webhook_may_come_twice(pretend: PretendStripe) -> None:
    account_id = pretend.make_account()
    pretend.fault("webhook_twice", count=10)
    pretend.onboard(account_id)
    events = pretend.listener.wait_for("account.updated", account=account_id, count=2)
    assert events[0]["id"] == events[1]["id"]


def test_capability_can_be_taken_away(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    pretend.control("POST", f"accounts/{account_id}/capability", status="restricted")
    with pytest.raises(stripe.InvalidRequestError):
        transfer(pretend, account_id, 5)


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "earthquake"},
        {"kind": "cut", "operation": "moon.landing"},
        {"kind": "slow"},
        {"kind": "cut", "count": 0},
    ],
)
def test_nonsense_faults_are_refused(pretend: PretendStripe, body: dict[str, str | int]) -> None:
    reply = requests.post(f"{pretend.process.url}/stripe/control/faults", json=body, timeout=30)
    assert reply.status_code == 400


def test_pages_show_what_happened_and_switch_faults(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    transfer(pretend, account_id, 123_456)
    pretend.client.v1.balance.retrieve()
    pretend.set_clock(STARTED_AT + timedelta(hours=2))
    base = f"{pretend.process.url}/stripe"
    assert "1,234.56 USD" in requests.get(f"{base}/", timeout=30).text
    assert "1,234.56 USD" in requests.get(f"{base}/bank/", timeout=30).text

    browser = requests.Session()
    browser.get(f"{base}/control/", timeout=30)
    form = {"kind": "rate_limited", "count": "3", "csrfmiddlewaretoken": browser.cookies["sandbox_csrf"]}
    page = browser.post(f"{base}/control/switch", data=form, headers={"Referer": f"{base}/control/"}, timeout=30)
    assert page.ok
    fault = pretend.control("GET", "faults")[0]
    assert (fault["kind"], fault["count"]) == ("rate_limited", 3)
    lift = {"lift": fault["id"], "csrfmiddlewaretoken": form["csrfmiddlewaretoken"]}
    browser.post(f"{base}/control/switch", data=lift, headers={"Referer": f"{base}/control/"}, timeout=30)
    assert pretend.control("GET", "faults") == []
