"""What an owner sees of their money: totals and lines, newest first, each with what was available after it."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from io import StringIO

from django.db.models import BigIntegerField, Case, F, OuterRef, Q, QuerySet, Subquery, Sum, When
from django.db.models.functions import Coalesce

from accounts.models import User
from foundation.formats import reader_in
from foundation.money import major_units
from foundation.sheets import harmless_cell
from foundation.statements import Once, OnceValues
from rewards import ledger
from rewards.models import Earning, LedgerAccount, Payout, PayoutAccount, Transfer
from rewards.wording import earning_title, line_title

COLUMNS = ("at", "kind", "state", "title", "amount", "available_after", "currency", "key")


class LineKind(StrEnum):
    """What a line tells."""

    EARNED = "earned"
    CORRECTED = "corrected"
    PAYOUT = "payout"


class LineState(StrEnum):
    """Where the line's money is."""

    AVAILABLE = "available"
    PENDING = "pending"
    PAID = "paid"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class StatementLine:
    """One line. `amount_minor` > 0 came in, < 0 left; `available_after_minor` is the balance it left.

    `state` follows the money: what was earned is available, then pending with the payout that carries it, then paid.
    `payout` is that payout. `key` is the transfer's, by which other rooms find what it paid for ("settlement:<uuid>").
    """

    transfer: Transfer
    at: datetime
    kind: LineKind
    state: LineState
    label: str
    key: str
    amount_minor: int
    available_after_minor: int
    currency: str
    payout: Payout | None
    earning: Earning | None = None

    @property
    def title(self) -> str:
        """What the line is for, in the reader's language; `label` is what the ledger keeps of it."""
        reader = reader_in("CA" if self.currency == "CAD" else "US")
        if self.earning is not None:
            return earning_title(self.earning, reader=reader)
        return line_title(self.key, self.label, reader=reader)


@dataclass(frozen=True)
class OwnerTotals:
    """Minor units: available to be paid, on its way to the bank, arrived, earned in all.

    `expected` is set aside for what a utility may still object to, and in none of the others.
    """

    currency: str
    available_minor: int
    pending_minor: int
    paid_minor: int
    earned_minor: int
    next_payout_at: datetime | None
    expected_minor: int = 0


def owner_currencies(owner: User) -> list[str]:
    """Return the currencies in which the owner ever earned, their own first."""
    earned = LedgerAccount.objects.filter(owner=owner, kind=LedgerAccount.Kind.OWNER_PAYABLE)
    found = earned.order_by("currency").values_list("currency", flat=True)
    return list(dict.fromkeys([owner.currency, *found]))


def owner_totals(owner: User, currency: str) -> OwnerTotals:
    """Return the owner's money in one currency; nothing is ever netted between currencies."""
    none = OwnerTotals(currency, 0, 0, 0, 0, None)
    return next((found for found in all_totals(owner) if found.currency == currency), none)


def all_totals(owner: User) -> list[OwnerTotals]:
    """Return the owner's money in each currency in which they earn or ever earned, their own first; two queries."""
    purses = {currency: _Purse(*counters) for currency, *counters in _PURSES.of(owner.pk)}
    accounts = {account.currency: account for account in _WITH_PAYOUTS.of(owner.pk)}
    nothing = _Purse(0, 0, 0, 0, 0)
    return [
        OwnerTotals(
            currency=currency,
            available_minor=purse.credited - purse.debited - purse.reserved,
            pending_minor=getattr(accounts.get(currency), "under_way", None) or 0,
            paid_minor=getattr(accounts.get(currency), "paid", None) or 0,
            earned_minor=purse.credited - (purse.debited - purse.paid_out),
            next_payout_at=_payday(accounts.get(currency)),
            expected_minor=purse.expected,
        )
        for currency in dict.fromkeys([owner.currency, *purses])
        for purse in [purses.get(currency, nothing)]
    ]


@dataclass(frozen=True)
class _Purse:
    """The counters of what an owner is owed in one currency; what was debited but not paid out was undone."""

    credited: int
    debited: int
    reserved: int
    expected: int
    paid_out: int


def _paid_out(owner: int) -> Coalesce:
    posted = Payout.objects.filter(
        account__owner=owner, currency=OuterRef("currency"), reservation__ended_by__kind=Transfer.Kind.POST
    )
    summed = posted.order_by().values("currency").annotate(minor=Sum("amount_minor")).values("minor")
    return Coalesce(Subquery(summed), 0, output_field=_MINOR)


_MINOR = BigIntegerField()
_PURSES = OnceValues(
    lambda owner, _at: (
        LedgerAccount.objects.filter(owner=owner, kind=LedgerAccount.Kind.OWNER_PAYABLE)
        .order_by("currency")
        .values_list("currency", "credits_posted", "debits_posted", "debits_pending", "credits_pending")
        .annotate(paid_out=_paid_out(owner))
    )
)
_WITH_PAYOUTS = Once[PayoutAccount](
    lambda owner, _at: PayoutAccount.objects.filter(owner=owner).annotate(
        under_way=Sum("payouts__amount_minor", filter=~Q(payouts__state__in=["paid", "cancelled"])),
        paid=Sum("payouts__amount_minor", filter=Q(payouts__state="paid")),
    )
)


def _payday(account: PayoutAccount | None) -> datetime | None:
    if account is None or account.state != PayoutAccount.State.ACTIVE or account.is_paused:
        return None
    return account.next_payout_at


def owner_transfers(owner: User, currency: str | None = None) -> QuerySet[Transfer]:
    """Return the transfers that make lines of the owner's statement, newest first."""
    mine = Q(debit__owner=owner, debit__kind="owner_payable") | Q(credit__owner=owner, credit__kind="owner_payable")
    # A payout counts from its reservation on; what an owner earns only once its reservation is posted.
    counts = (
        Q(kind__in=["single", "reversal"])
        | Q(kind="pending", debit__kind="owner_payable")
        | Q(kind="post", credit__kind="owner_payable")
    )
    found = Transfer.objects.filter(mine, counts)
    if currency is not None:
        found = found.filter(currency=currency)
    return found.select_related("debit", "credit", "payout", "earning").defer("earning__calculation").order_by("-pk")


def statement_lines(owner: User, transfers: Iterable[Transfer]) -> list[StatementLine]:
    """Turn transfers of `owner_transfers`, newest first, into lines."""
    rows = list(transfers)
    after = {currency: _available_after(owner, currency, rows) for currency in {row.currency for row in rows}}
    oldest = min((row.pk for row in rows), default=0)
    payouts = Payout.objects.filter(account__owner=owner, reservation_id__gte=oldest).order_by("reservation_id")
    carried = _Payouts(payouts)
    lines = []
    for row in rows:
        lines.append(_line(row, carried.of(row), available_after_minor=after[row.currency]))
        after[row.currency] -= _effect(row)
    return lines


def money_states(owner: User, *, since: datetime) -> dict[str, LineState]:
    """Return where the money is of each transfer to the owner since then, by the transfer's key; two queries."""
    carried = _Payouts(_PAID_SINCE.of(owner.pk, at=since))
    payouts = {row.key: carried.of(row) for row in _CREDITED_SINCE.of(owner.pk, at=since)}
    return {key: LineState.AVAILABLE if one is None else _state_of(one) for key, one in payouts.items()}


_CREDITED_SINCE = Once[Transfer](
    lambda owner, at: Transfer.objects.filter(credit__owner=owner, created_at__gte=at).only("pk", "key", "currency")
)
# A payout carries what was earned before it was reserved.
_PAID_SINCE = Once[Payout](
    lambda owner, at: Payout.objects.filter(account__owner=owner, reservation__created_at__gte=at).order_by(
        "reservation_id"
    )
)


def export_statement(owner: User) -> str:
    """Return every line as CSV, newest first, amounts in major units."""
    sheet = StringIO()
    writer = csv.writer(sheet)
    writer.writerow(COLUMNS)
    for line in statement_lines(owner, owner_transfers(owner)):
        amounts = (major_units(amount_minor=minor, currency=line.currency)
                   for minor in (line.amount_minor, line.available_after_minor))  # fmt: skip
        cells = (line.at.isoformat(), line.kind, line.state, line.title, *(f"{one:.2f}" for one in amounts))
        writer.writerow([harmless_cell(cell) for cell in (*cells, line.currency, line.key)])
    return sheet.getvalue()


class _Payouts:
    """Which payout carries which line: each takes everything available, so an older line goes with the next payout."""

    def __init__(self, payouts: Iterable[Payout]) -> None:
        found = list(payouts)  # in the order of their reservations
        self._own = {payout.reservation_id: payout for payout in found}
        self._kept = [payout for payout in found if payout.state != Payout.State.CANCELLED]

    def of(self, row: Transfer) -> Payout | None:
        own = self._own.get(row.pk)
        if own is not None:
            return own
        same = (payout for payout in self._kept if payout.currency == row.currency and payout.reservation_id > row.pk)
        return next(same, None)


# What a line changed for good: a payout that was given back changed nothing.
_EFFECT = Case(
    When(kind="pending", payout__state="cancelled", then=0),
    When(debit__kind="owner_payable", then=-F("amount_minor")),
    default=F("amount_minor"),
    output_field=_MINOR,
)


def _effect(row: Transfer) -> int:
    payout = getattr(row, "payout", None)
    if payout is not None and payout.state == Payout.State.CANCELLED:
        return 0
    return _signed(row)


def _signed(row: Transfer) -> int:
    return -row.amount_minor if row.debit.kind == LedgerAccount.Kind.OWNER_PAYABLE else row.amount_minor


def _available_after(owner: User, currency: str, rows: Sequence[Transfer]) -> int:
    first = next(row for row in rows if row.currency == currency)
    newer = owner_transfers(owner, currency).filter(pk__gt=first.pk).aggregate(effect=Sum(_EFFECT))["effect"] or 0
    return ledger.owner_balance(owner, currency).available_minor - newer


def _line(row: Transfer, payout: Payout | None, *, available_after_minor: int) -> StatementLine:
    kinds = {Transfer.Kind.PENDING: LineKind.PAYOUT, Transfer.Kind.REVERSAL: LineKind.CORRECTED}
    return StatementLine(
        transfer=row,
        at=row.created_at,
        kind=kinds.get(Transfer.Kind(row.kind), LineKind.EARNED),
        state=LineState.AVAILABLE if payout is None else _state_of(payout),
        label=row.label,
        key=row.key,
        amount_minor=_signed(row),
        available_after_minor=available_after_minor,
        currency=row.currency,
        payout=payout,
        earning=getattr(row, "earning", None),
    )


def _state_of(payout: Payout) -> LineState:
    if payout.state == Payout.State.PAID:
        return LineState.PAID
    return LineState.CANCELLED if payout.state == Payout.State.CANCELLED else LineState.PENDING
