"""Transfers to connected accounts and their reversals, and top-ups."""

from typing import Any

from sandbox.stripe import bank, events, wire
from sandbox.stripe.calls import EXPAND, LIST, Call, Operation, find, list_page
from sandbox.stripe.errors import StripeError, insufficient_balance, missing
from sandbox.stripe.ids import new_id
from sandbox.stripe.models import Account, Reversal, TopUp, Transfer
from sandbox.stripe.params import FLAG, METADATA, Spec, integer, text

CREATE: Spec = {
    "amount": integer(required=True, least=1),
    "currency": text(required=True),
    "destination": text(required=True),
    "description": text(),
    "metadata": METADATA,
    "source_transaction": text(),
    "source_type": text("bank_account", "card", "fpx"),
    "transfer_group": text(),
    **EXPAND,
}
REVERSE: Spec = {
    "amount": integer(least=1),
    "description": text(),
    "metadata": METADATA,
    "refund_application_fee": FLAG,
    **EXPAND,
}
TOP_UP: Spec = {
    "amount": integer(required=True, least=1),
    "currency": text(required=True),
    "description": text(),
    "metadata": METADATA,
    "source": text(),
    "statement_descriptor": text(longest=15),
    "transfer_group": text(),
    **EXPAND,
}


def create(call: Call) -> dict[str, Any]:
    """Move money from the platform's balance to a connected account's, exchanged into that one's currency."""
    currency = _currency(call)
    account = Account.objects.filter(object_id=call.params["destination"], is_closed=False).first()
    if account is None:
        raise missing("destination", call.params["destination"], param="destination")
    if account.transfers_status != Account.Status.ACTIVE:
        raise StripeError(
            "Your destination account needs to have at least one of the following capabilities enabled: transfers, "
            "crypto_transfers, legacy_payments",
            code="insufficient_capabilities_for_transfer",
        )
    if bank.available(None, currency, now=call.now) < call.params["amount"]:
        raise insufficient_balance()
    row = Transfer.objects.create(
        object_id=new_id("tr"),
        created_at=call.now,
        account=account,
        amount=call.params["amount"],
        currency=currency,
        description=call.params.get("description", ""),
        transfer_group=call.params.get("transfer_group", ""),
        payment_id=new_id("py"),
        metadata=call.params.get("metadata", {}),
    )
    bank.add_entry("transfer", -row.amount, currency, source=row.object_id, at=call.now)
    amount, rate = bank.exchange(row.amount, source=currency, target=account.currency)
    bank.add_entry(
        "payment", amount, account.currency, source=row.payment_id, at=call.now, account=account, exchange_rate=rate
    )
    body = wire.transfer(row)
    events.record("transfer.created", body, at=call.now, cause=call.cause)
    return body


def retrieve(call: Call) -> dict[str, Any]:
    """Return one transfer."""
    return wire.transfer(_transfer(call))


def list_all(call: Call) -> dict[str, Any]:
    """Return one page of the transfers, of one group or destination where the call names it."""
    rows = Transfer.objects.all()
    if "transfer_group" in call.params:
        rows = rows.filter(transfer_group=call.params["transfer_group"])
    if "destination" in call.params:
        rows = rows.filter(account__object_id=call.params["destination"])
    return list_page(call, rows, url="/v1/transfers", what="transfer", render=wire.transfer)


def reverse(call: Call) -> dict[str, Any]:
    """Take money of a transfer back, as far as the connected account still has it."""
    row = _transfer(call)
    left = row.amount - row.amount_reversed
    amount = call.params.get("amount", left)
    if amount > left or not left:
        raise StripeError(
            f"The amount of the reversal ({amount}) is greater than what is left of the transfer ({left}).",
            code="amount_too_large" if left else "transfer_already_reversed",
            param="amount",
        )
    account = row.account
    taken, rate = bank.exchange(amount, source=row.currency, target=account.currency)
    if bank.available(account, account.currency, now=call.now) < taken:
        raise insufficient_balance()
    back = Reversal.objects.create(
        object_id=new_id("trr"),
        created_at=call.now,
        transfer=row,
        amount=amount,
        refund_id=new_id("pyr"),
        metadata=call.params.get("metadata", {}),
    )
    row.amount_reversed += amount
    row.save()
    bank.add_entry("transfer_refund", amount, row.currency, source=back.object_id, at=call.now)
    bank.add_entry(
        "payment_refund",
        -taken,
        account.currency,
        source=back.refund_id,
        at=call.now,
        account=account,
        exchange_rate=rate,
    )
    events.record("transfer.reversed", wire.transfer(row), at=call.now, cause=call.cause)
    return wire.reversal(back)


def list_reversals(call: Call) -> dict[str, Any]:
    """Return one page of a transfer's reversals."""
    row = _transfer(call)
    rows = Reversal.objects.filter(transfer=row)
    url = f"/v1/transfers/{row.object_id}/reversals"
    return list_page(call, rows, url=url, what="transfer reversal", render=wire.reversal)


def retrieve_reversal(call: Call) -> dict[str, Any]:
    """Return one reversal of a transfer."""
    rows = Reversal.objects.filter(transfer=_transfer(call))
    return wire.reversal(find(rows, call.ids["reversal"], what="transfer reversal"))


def top_up(call: Call) -> dict[str, Any]:
    """Bring money into the platform's balance; it is there at once."""
    row = TopUp.objects.create(
        object_id=new_id("tu"),
        created_at=call.now,
        amount=call.params["amount"],
        currency=_currency(call),
        **{name: call.params.get(name, "") for name in ("description", "statement_descriptor", "transfer_group")},
        metadata=call.params.get("metadata", {}),
    )
    bank.add_entry("topup", row.amount, row.currency, source=row.object_id, at=call.now)
    body = wire.topup(row)
    for kind in ("topup.created", "topup.succeeded"):
        events.record(kind, body, at=call.now, cause=call.cause)
    return body


def retrieve_top_up(call: Call) -> dict[str, Any]:
    """Return one top-up."""
    return wire.topup(find(TopUp.objects.all(), call.ids["id"], what="topup"))


def list_top_ups(call: Call) -> dict[str, Any]:
    """Return one page of the top-ups."""
    return list_page(call, TopUp.objects.all(), url="/v1/topups", what="topup", render=wire.topup)


def _transfer(call: Call) -> Transfer:
    return find(Transfer.objects.all(), call.ids["id"], what="transfer")


def _currency(call: Call) -> str:
    currency: str = call.params["currency"].lower()
    if currency not in bank.CURRENCIES:
        raise StripeError(f"Invalid currency: {currency}. This account holds usd and cad.", param="currency")
    return currency


OPERATIONS = (
    Operation("transfers.create", "POST", "v1/transfers", CREATE, create),
    Operation(
        "transfers.list", "GET", "v1/transfers", {**LIST, "destination": text(), "transfer_group": text()}, list_all
    ),
    Operation("transfers.retrieve", "GET", "v1/transfers/{id}", EXPAND, retrieve),
    Operation("reversals.create", "POST", "v1/transfers/{id}/reversals", REVERSE, reverse),
    Operation("reversals.list", "GET", "v1/transfers/{id}/reversals", LIST, list_reversals),
    Operation("reversals.retrieve", "GET", "v1/transfers/{id}/reversals/{reversal}", EXPAND, retrieve_reversal),
    Operation("topups.create", "POST", "v1/topups", TOP_UP, top_up),
    Operation("topups.list", "GET", "v1/topups", LIST, list_top_ups),
    Operation("topups.retrieve", "GET", "v1/topups/{id}", EXPAND, retrieve_top_up),
)
