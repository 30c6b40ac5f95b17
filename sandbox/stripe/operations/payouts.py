"""Payouts of a connected account: made by themselves, listed and looked at by the platform."""

from datetime import UTC, datetime
from typing import Any

from sandbox.stripe import wire
from sandbox.stripe.calls import EXPAND, LIST, Call, Operation, find, list_page
from sandbox.stripe.errors import missing
from sandbox.stripe.models import Payout, Transfer
from sandbox.stripe.params import PERIOD, text


def list_all(call: Call) -> dict[str, Any]:
    """Return one page of the account's payouts."""
    rows = Payout.objects.filter(account=call.account)
    if "status" in call.params:
        rows = rows.filter(status=call.params["status"])
    if "destination" in call.params:
        rows = rows.filter(bank__object_id=call.params["destination"])
    for bound, seconds in call.params.get("arrival_date", {}).items():
        rows = rows.filter(**{f"arrives_at__{bound}": datetime.fromtimestamp(seconds, UTC)})
    return list_page(call, rows, url="/v1/payouts", what="payout", render=wire.payout)


def retrieve(call: Call) -> dict[str, Any]:
    """Return one payout of the account."""
    return wire.payout(find(Payout.objects.filter(account=call.account), call.ids["id"], what="payout"))


def retrieve_payment(call: Call) -> dict[str, Any]:
    """Return what a transfer became on the connected account."""
    row = Transfer.objects.filter(payment_id=call.ids["id"], account=call.account).first()
    if row is None:
        raise missing("charge", call.ids["id"], param="id")
    return wire.payment(row)


OPERATIONS = (
    Operation(
        "payouts.list",
        "GET",
        "v1/payouts",
        {**LIST, "arrival_date": PERIOD, "destination": text(), "status": text()},
        list_all,
    ),
    Operation("payouts.retrieve", "GET", "v1/payouts/{id}", EXPAND, retrieve),
    Operation("charges.retrieve", "GET", "v1/charges/{id}", EXPAND, retrieve_payment),
)
