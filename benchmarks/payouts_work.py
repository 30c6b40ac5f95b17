"""The measured part of `benchmarks.payouts`: a program with its own database and a stand-in, told by the environment.

Prints one JSON object a part.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import django

django.setup()

import requests  # noqa: E402 - Django first
import stripe  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402

from accounts.models import User  # noqa: E402
from rewards import ledger  # noqa: E402
from rewards.flows.payouts import request_due_payouts, resolve_unknown_payouts, send_due_payouts  # noqa: E402
from rewards.flows.reconciling import reconcile_now  # noqa: E402
from rewards.models import LedgerAccount, Payout, PayoutAccount  # noqa: E402

NOW = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)
AT_ONCE = 1_000
LEAST_MINOR, SPREAD = 250, 900


def amount_of(number: int) -> int:
    """Return what the owner of this number is owed, in minor units."""
    return LEAST_MINOR + number * 37 % SPREAD


def make(owners: int) -> dict[str, float]:
    """Make owners who are owed money and whose payday has come, and bring the money to the processor."""
    call_command("migrate", verbosity=0)
    receivable = ledger.account(LedgerAccount.Kind.UTILITY_RECEIVABLE, "bench", "USD")
    for first in range(0, owners, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, owners))
        users = User.objects.bulk_create(User(email=f"owner-{number}@example.org") for number in numbers)
        PayoutAccount.objects.bulk_create(
            PayoutAccount(
                owner=user,
                country="US",
                currency="USD",
                external_id=f"acct_bench{number}",
                state=PayoutAccount.State.ACTIVE,
                next_payout_at=NOW,
                created_at=NOW,
            )
            for number, user in zip(numbers, users, strict=True)
        )
        accounts = ledger.owner_accounts({(str(user.public_id), "USD"): user.pk for user in users})
        entries = [
            ledger.Entry(f"bench:{number}", receivable, accounts[str(user.public_id), "USD"], amount_of(number))
            for number, user in zip(numbers, users, strict=True)
        ]
        ledger.post_many(entries, now=NOW)
    client = stripe.StripeClient(settings.STRIPE_API_KEY, base_addresses={"api": settings.STRIPE_API_BASE})
    total = sum(amount_of(number) for number in range(owners))
    client.v1.topups.create({"amount": total, "currency": "usd", "description": "for a payday"})
    return {"owed_minor": total}


def request() -> dict[str, float]:
    """Request every payout, sweep by sweep."""
    begun, cpu = time.perf_counter(), time.process_time()
    while request_due_payouts(now=NOW, limit=2000):
        pass
    return {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu}


def send(until: int) -> dict[str, float]:
    """Send until so many are sent in all, beside other senders; calls take longer where the environment says so."""
    far, ask = float(os.environ["BENCHMARK_FAR_SECONDS"]), requests.Session.send

    def from_afar(self: requests.Session, *args: Any, **kwargs: Any) -> requests.Response:
        time.sleep(far)
        return ask(self, *args, **kwargs)

    if far:
        requests.Session.send = from_afar  # type: ignore[method-assign]
    carried_out = Payout.objects.filter(state=Payout.State.SENT)
    left = until - carried_out.count()  # connected before the clock runs
    begun, cpu, sent = time.time(), time.process_time(), 0
    while left > 0:
        done = send_due_payouts(now=NOW, limit=min(200, left))
        if not done:
            done = resolve_unknown_payouts(now=NOW, limit=50)
            time.sleep(0 if done else 0.05)
        sent += done
        left = until - carried_out.count()
    return {"begun": begun, "ended": time.time(), "cpu": time.process_time() - cpu, "sent": sent}


def check(owners: int) -> dict[str, float]:
    """Compare our books and the stand-in's, and prove ours."""
    begun = time.perf_counter()
    reconciled = reconcile_now(now=NOW)
    if reconciled.new_findings:
        raise RuntimeError(f"{reconciled.new_findings} rows differ: {reconciled.findings.first()}")
    findings = ledger.check()
    if findings:
        raise RuntimeError(findings[0])
    paid = dict(Payout.objects.filter(state="sent").values_list("destination", "amount_minor"))
    if paid != {f"acct_bench{number}": amount_of(number) for number in range(owners)}:
        raise RuntimeError(f"{len(paid)} of {owners} owners were paid what they were owed")
    return {"seconds": time.perf_counter() - begun}


def main() -> None:
    """Do the part that the arguments name."""
    part, owners = sys.argv[1], int(sys.argv[2])
    parts: dict[str, Callable[[], dict[str, float]]] = {
        "make": lambda: make(owners),
        "request": request,
        "send": lambda: send(owners),
        "check": lambda: check(owners),
    }
    sys.stdout.write("\n" + json.dumps(parts[part]()))


if __name__ == "__main__":
    main()
