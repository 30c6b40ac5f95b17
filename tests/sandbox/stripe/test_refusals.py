from typing import Any

import pytest
import stripe

from tests.sandbox.stripe.conftest import PretendStripe
from tests.stripe_spec import SpecError, check_request


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        ({"currency": "usd", "destination": "acct_x"}, "parameter_missing", "amount"),
        ({"amount": "1", "currency": "usd"}, "parameter_missing", "destination"),
        ({"amount": "ten", "currency": "usd", "destination": "acct_x"}, "parameter_invalid_integer", "amount"),
        ({"amount": "-5", "currency": "usd", "destination": "acct_x"}, "parameter_invalid_integer", "amount"),
        ({"amount": "5", "currency": "", "destination": "acct_x"}, "parameter_invalid_empty", "currency"),
        ({"amount": "5", "currency": "usd", "destination": "acct_x", "speed": "1"}, "parameter_unknown", "speed"),
        ({"amount": "5", "currency": "usd", "destination": "acct_x"}, "resource_missing", "destination"),
    ],
)
def test_transfer_with_wrong_parameters_is_refused(
    pretend: PretendStripe, form: dict[str, str], code: str, param: str
) -> None:
    reply = pretend.raw("POST", "/v1/transfers", data=form)
    error = reply.json()["error"]
    assert reply.status_code == 400
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)


@pytest.mark.parametrize(
    "body",
    [
        {"contact_email": "a@example.org", "identity": {"country": "us"}, "surprise": 1},
        {"identity": {"country": "us"}, "configuration": {"recipient": {"capabilitys": {}}}},
        {"identity": {"country": 1}},
        {"identity": {"country": "us"}, "dashboard": "sumptuous"},
        {"contact_email": "a@example.org"},
        {"identity": {"country": "de"}},
    ],
)
def test_account_with_wrong_parameters_is_refused(pretend: PretendStripe, body: dict[str, Any]) -> None:
    reply = pretend.raw("POST", "/v2/core/accounts", json=body, headers={"Stripe-Version": "2026-10-28.endive"})
    assert reply.status_code == 400
    assert reply.json()["error"]["code"]
    assert reply.json()["error"]["message"]


def test_v2_needs_a_version(pretend: PretendStripe) -> None:
    assert pretend.raw("POST", "/v2/core/accounts", json={}).json()["error"]["code"] == "missing_version"


def test_transfer_to_an_account_not_onboarded_is_refused(pretend: PretendStripe) -> None:
    account_id = pretend.make_account()
    with pytest.raises(stripe.InvalidRequestError) as refused:
        pretend.client.v1.transfers.create({"amount": 1, "currency": "usd", "destination": account_id})
    assert refused.value.code == "insufficient_capabilities_for_transfer"


def test_transfer_beyond_the_balance_is_refused(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    with pytest.raises(stripe.InvalidRequestError) as refused:
        pretend.client.v1.transfers.create({"amount": 90_000_000_000, "currency": "usd", "destination": account_id})
    assert refused.value.code == "balance_insufficient"


def test_wrong_key_is_refused(pretend: PretendStripe) -> None:
    reply = pretend.raw("GET", "/v1/balance", headers={"Authorization": "Bearer sk_test_wrong"})
    assert reply.status_code == 401
    assert reply.json()["error"]["type"] == "invalid_request_error"
    assert "sk_test_wrong" not in reply.text


def test_unknown_things_are_not_found(pretend: PretendStripe) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        pretend.client.v1.transfers.retrieve("tr_nothing")
    assert refused.value.http_status == 404
    with pytest.raises(stripe.InvalidRequestError) as refused:
        pretend.client.v2.core.accounts.retrieve("acct_nothing")
    assert refused.value.code == "not_found"
    with pytest.raises(stripe.PermissionError):
        pretend.client.v1.payouts.list({}, {"stripe_account": "acct_nothing"})
    assert pretend.raw("GET", "/v1/subscriptions").status_code == 404


def test_another_accounts_payout_is_not_found(pretend: PretendStripe) -> None:
    owner, stranger = pretend.make_payee(), pretend.make_payee()
    pretend.client.v1.transfers.create({"amount": 5, "currency": "usd", "destination": owner})
    payout = pretend.client.v1.payouts.list({}, {"stripe_account": owner}).data[0]
    with pytest.raises(stripe.InvalidRequestError):
        pretend.client.v1.payouts.retrieve(payout.id, options={"stripe_account": stranger})


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "starting_after=tr_nothing", "colour=red", "expand[]=amount.x"]
)
def test_list_with_wrong_parameters_is_refused(pretend: PretendStripe, query: str) -> None:
    account_id = pretend.make_payee()
    pretend.client.v1.transfers.create({"amount": 5, "currency": "usd", "destination": account_id})
    assert pretend.raw("GET", f"/v1/transfers?{query.replace('amount.x', 'data.colour')}").status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "/v1/transfers", "amount=5&currency=usd&destination=acct_x&speed=1"),
        ("post", "/v1/transfers", "amount=five&currency=usd&destination=acct_x"),
        ("post", "/v2/core/accounts", '{"identity": {"county": "us"}}'),
        ("post", "/v2/core/accounts", '{"configuration": {"recipient": {"capabilities": {"balance": {}}}}}'),
        ("get", "/v1/nonsense", ""),
    ],
)
def test_judge_refuses_what_stripe_would(method: str, path: str, body: str) -> None:
    with pytest.raises(SpecError):
        check_request(method, path, "", body)
