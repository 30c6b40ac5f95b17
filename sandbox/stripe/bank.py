"""The money: balances, and the payouts that bring a connected account's balance to its bank.

Callers run inside a transaction; the database lets one writer in at a time (`transaction_mode` IMMEDIATE), so that a
balance that was read is the balance that is spent.
"""

from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet, Sum

from sandbox.stripe import events, faults, wire
from sandbox.stripe.ids import new_id
from sandbox.stripe.models import Account, BalanceEntry, BankAccount, Fault, Knobs, Payout, TopUp
from sandbox.world import config

OPENED_AT = datetime(2020, 1, 1, tzinfo=UTC)  # before any night that the clock may be set to
CURRENCIES = ("usd", "cad")
CAD_PER_USD = 1.37
COMES_BACK_AFTER = timedelta(hours=1)
MAX_PAYOUTS_A_RUN = 500
# Taken around what writes: threads of this process hand it on at once, while waiting for the database's file sleeps.
ONE_WRITER = RLock()


def open_platform_balance() -> None:
    """Bring in the opening top-ups, once, so that transfers have something to draw on."""
    with transaction.atomic():
        if TopUp.objects.exists() or not config.STRIPE_OPENING_MINOR:
            return
        for currency in CURRENCIES:
            row = TopUp.objects.create(
                object_id=new_id("tu"),
                created_at=OPENED_AT,
                amount=config.STRIPE_OPENING_MINOR,
                currency=currency,
                description="Opening balance",
            )
            add_entry("topup", row.amount, currency, source=row.object_id, at=OPENED_AT)


def add_entry(
    kind: str,
    amount: int,
    currency: str,
    *,
    source: str,
    at: datetime,
    account: Account | None = None,
    exchange_rate: float | None = None,
) -> BalanceEntry:
    """Add one balance transaction; `amount` is signed, available at once, and the platform's where no account is."""
    return BalanceEntry.objects.create(
        object_id=new_id("txn"),
        created_at=at,
        available_at=at,
        kind=kind,
        amount=amount,
        currency=currency,
        source=source,
        account=account,
        exchange_rate=exchange_rate,
    )


def available(account: Account | None, currency: str, *, now: datetime) -> int:
    """Return what may be spent of an account's balance at `now`, in minor units."""
    entries = BalanceEntry.objects.filter(account=account, currency=currency, available_at__lte=now)
    return entries.aggregate(total=Sum("amount"))["total"] or 0


def exchange(amount: int, *, source: str, target: str) -> tuple[int, float | None]:
    """Return the amount in the target currency and the rate used; None where nothing was exchanged."""
    if source == target:
        return amount, None
    rate = CAD_PER_USD if (source, target) == ("usd", "cad") else 1 / CAD_PER_USD
    return round(amount * rate), round(rate, 6)


def run_due(*, now: datetime) -> int:
    """Send available balances on their way and let what is due arrive or fail; return how many payouts moved."""
    if not (_owed(now).exists() or _arriving(now).exists() or _failing(now).exists()):
        return 0
    with ONE_WRITER, transaction.atomic():
        return _start_due(now) + _arrive_due(now) + _fail_due(now)


def fail_payout(payout: Payout, *, code: str, at: datetime) -> None:
    """Let the bank send a payout back: the money is on the account's balance again, and its bank account is errored."""
    before = payout.status
    payout.status, payout.failure_code, payout.planned_failure = Payout.Status.FAILED, code, ""
    payout.save()
    add_entry("payout_failure", payout.amount, payout.currency, source=payout.object_id, at=at, account=payout.account)
    BankAccount.objects.filter(pk=payout.bank.pk).update(is_errored=True)
    events.record("payout.failed", wire.payout(payout), at=at, account=payout.account, previous={"status": before})
    events.record_account_change(payout.account, at=at, capability=False)


def _owed(now: datetime) -> QuerySet[Any, Any]:
    """Return account, currency and balance where money waits to be paid out: all of it is in entries not paid yet."""
    waiting = BalanceEntry.objects.filter(account__isnull=False, paid_by=None, available_at__lte=now)
    owed: QuerySet[Any, Any] = (
        BalanceEntry.objects.filter(
            account__in=waiting.values("account"),
            account__transfers_status=Account.Status.ACTIVE,
            available_at__lte=now,
        )
        .values_list("account", "currency")
        .annotate(total=Sum("amount"))
        .filter(total__gt=0)
        .order_by("account", "currency")
    )
    return owed


def _start_due(now: datetime) -> int:
    started = 0
    for account_pk, currency, total in list(_owed(now)[:MAX_PAYOUTS_A_RUN]):
        account = Account.objects.get(pk=account_pk)
        bank = account.bank
        if bank is not None and not bank.is_errored:
            _start(account, bank, currency, total, now)
            started += 1
    return started


def _start(account: Account, bank: BankAccount, currency: str, amount: int, now: datetime) -> None:
    unpaid = BalanceEntry.objects.filter(
        Q(kind__in=["payment", "payment_refund", "payout_failure"]),
        account=account,
        currency=currency,
        available_at__lte=now,
        paid_by=None,
    )
    # The money leaves when it could, not when this was noticed: the clock may have been set forward in between.
    at = min(now, max([bank.created_at, *(entry.available_at for entry in unpaid)]))
    arrives_at = at + timedelta(seconds=Knobs.current().payout_delay_seconds)
    failure, fails_at, switched = bank.fate, arrives_at, faults.Switched()
    if not failure and switched.take(Fault.Kind.PAYOUT_FAILS):
        failure = "could_not_process"
    elif not failure and switched.take(Fault.Kind.PAYOUT_PAID_THEN_FAILS):
        failure, fails_at = "could_not_process", arrives_at + COMES_BACK_AFTER
    payout = Payout.objects.create(
        object_id=new_id("po"),
        created_at=at,
        account=account,
        bank=bank,
        amount=amount,
        currency=currency,
        arrives_at=arrives_at,
        planned_failure=failure,
        fails_at=fails_at if failure else None,
    )
    unpaid.update(paid_by=payout)
    entry = add_entry("payout", -amount, currency, source=payout.object_id, at=at, account=account)
    BalanceEntry.objects.filter(pk=entry.pk).update(paid_by=payout)
    events.record("payout.created", wire.payout(payout), at=at, account=account)


def _arriving(now: datetime) -> QuerySet[Payout]:
    due = Payout.objects.filter(status=Payout.Status.IN_TRANSIT, arrives_at__lte=now)
    return due.exclude(Q(fails_at__isnull=False) & Q(fails_at__lte=F("arrives_at")))


def _arrive_due(now: datetime) -> int:
    arrived = list(_arriving(now).order_by("pk")[:MAX_PAYOUTS_A_RUN])
    for payout in arrived:
        payout.status = Payout.Status.PAID
        payout.save()
        at, account = payout.arrives_at, payout.account
        events.record("payout.paid", wire.payout(payout), at=at, account=account, previous={"status": "in_transit"})
        events.record("payout.reconciliation_completed", wire.payout(payout), at=at, account=account)
    return len(arrived)


def _failing(now: datetime) -> QuerySet[Payout]:
    return Payout.objects.exclude(planned_failure="").filter(fails_at__lte=now)


def _fail_due(now: datetime) -> int:
    failing = list(_failing(now).order_by("pk")[:MAX_PAYOUTS_A_RUN])
    for payout in failing:
        fail_payout(payout, code=payout.planned_failure, at=payout.fails_at or now)
    return len(failing)
