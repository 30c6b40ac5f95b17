"""The balance of the platform or of a connected account, and its balance transactions."""

from typing import Any

from django.db.models import Sum

from sandbox.stripe import wire
from sandbox.stripe.bank import CURRENCIES
from sandbox.stripe.calls import EXPAND, LIST, Call, Operation, find, list_page
from sandbox.stripe.models import BalanceEntry
from sandbox.stripe.params import text


def retrieve(call: Call) -> dict[str, Any]:
    """Return what is available and what is still pending, a currency each."""
    entries = BalanceEntry.objects.filter(account=call.account)
    currencies = CURRENCIES if call.account is None else (call.account.currency,)
    amounts: dict[str, list[dict[str, Any]]] = {"available": [], "pending": []}
    for currency in currencies:
        of_currency = entries.filter(currency=currency)
        free = of_currency.filter(available_at__lte=call.now).aggregate(total=Sum("amount"))["total"] or 0
        waiting = of_currency.filter(available_at__gt=call.now).aggregate(total=Sum("amount"))["total"] or 0
        for name, amount in (("available", free), ("pending", waiting)):
            amounts[name].append({"amount": amount, "currency": currency, "source_types": {"card": amount}})
    return {"object": "balance", "livemode": False, **amounts}


def list_transactions(call: Call) -> dict[str, Any]:
    """Return one page of the balance transactions; `payout` names those that a payout brought to the bank."""
    rows = BalanceEntry.objects.filter(account=call.account)
    for name, field in (
        ("payout", "paid_by__object_id"),
        ("source", "source"),
        ("type", "kind"),
        ("currency", "currency"),
    ):
        if name in call.params:
            rows = rows.filter(**{field: call.params[name]})
    return list_page(
        call,
        rows,
        url="/v1/balance_transactions",
        what="balance transaction",
        render=lambda row: wire.balance_transaction(row, now=call.now),
    )


def retrieve_transaction(call: Call) -> dict[str, Any]:
    """Return one balance transaction."""
    row = find(BalanceEntry.objects.filter(account=call.account), call.ids["id"], what="balance transaction")
    return wire.balance_transaction(row, now=call.now)


OPERATIONS = (
    Operation("balance.retrieve", "GET", "v1/balance", EXPAND, retrieve),
    Operation(
        "balance_transactions.list",
        "GET",
        "v1/balance_transactions",
        {**LIST, "payout": text(), "source": text(), "type": text(), "currency": text()},
        list_transactions,
    ),
    Operation("balance_transactions.retrieve", "GET", "v1/balance_transactions/{id}", EXPAND, retrieve_transaction),
)
