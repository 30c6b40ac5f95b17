"""Which rows make an owner's proof: all of them, or those of one calendar year and what these refer to."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Case, F, Q, QuerySet, Sum, Value, When
from django.db.models.fields.json import KeyTextTransform

from accounts.models import User
from grid.models import GroupSettlement, Settlement
from rewards.models import Earning, LedgerAccount, Transfer

POSTED = ("single", "post", "reversal")


@dataclass(frozen=True)
class Year:
    """A calendar year: [starts_at, ends_at)."""

    number: int
    starts_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, number: int, *, zone: ZoneInfo) -> "Year":
        """Return the year by the clocks of a time zone."""
        starts_at, ends_at = (datetime(one, 1, 1, tzinfo=zone).astimezone(UTC) for one in (number, number + 1))
        return cls(number, starts_at, ends_at)


@dataclass(frozen=True)
class ProofRows:
    """The owner's rows, of one year or of all time. What belongs to a year is decided by when it reached the ledger."""

    owner: User
    year: Year | None

    def accounts(self) -> dict[str, dict[str, Any]]:
        """Return the owner's accounts by number: currency, balance before the year and after it."""
        opened = LedgerAccount.objects.filter(owner=self.owner, kind=LedgerAccount.Kind.OWNER_PAYABLE).order_by("pk")
        found = {}
        for account in opened:
            before, after = 0, account.credits_posted - account.debits_posted
            if self.year is not None:
                before, after = (_balance(account, at) for at in (self.year.starts_at, self.year.ends_at))
            found[str(account.pk)] = {"currency": account.currency, "opening_minor": before, "posted_minor": after}
        return found

    def transfers_within(self) -> QuerySet[Transfer]:
        """Return the transfers of the year."""
        mine = Transfer.objects.filter(self._is_mine())
        return mine if self.year is None else mine.filter(self._within("created_at"))

    def transfers(self) -> QuerySet[Transfer]:
        """Return the transfers of the year, and the earlier ones that they end, in the ledger's order."""
        mine = self._is_mine()
        if self.year is not None:
            ended = Q(created_at__lt=self.year.starts_at) & self._within("ended_by__created_at")
            mine &= self._within("created_at") | ended
        return Transfer.objects.filter(mine).select_related("chain_link").order_by("pk")

    def earnings(self) -> QuerySet[Earning]:
        """Return what was earned besides the rate per kWh."""
        found = Earning.objects.filter(owner=self.owner).order_by("pk")
        return found if self.year is None else found.filter(self._within("created_at"))

    def settlements(self) -> QuerySet[Settlement]:
        """Return the settlements of the year, with what they correct and what an earning of the year was for."""
        mine = Settlement.objects.filter(participation__enrollment__vehicle__owner=self.owner)
        if self.year is not None:
            counted = mine.filter(self._within("posted_at") | Q(self._within("created_at"), posted_at=None)).order_by()
            named = self.earnings().filter(form="per_event").order_by()
            ids = named.annotate(named=KeyTextTransform("settlement", KeyTextTransform("inputs", "calculation")))
            mine = mine.filter(
                Q(participation__in=counted.values("participation"))
                | Q(public_id__in=list(ids.values_list("named", flat=True))),
                created_at__lt=self.year.ends_at,
            )
        return mine.select_related("participation", "group").defer("group__evidence").order_by("created_at", "pk")

    def groups(self) -> QuerySet[GroupSettlement]:
        """Return the groups' results that these settlements are shares of."""
        shares = self.settlements().order_by().values("group")
        return GroupSettlement.objects.filter(pk__in=shares).order_by("created_at", "pk")

    def _is_mine(self) -> Q:
        # By owner and not by accounts: a subquery of its own would be asked again for every row.
        kind = LedgerAccount.Kind.OWNER_PAYABLE
        return Q(debit__owner=self.owner, debit__kind=kind) | Q(credit__owner=self.owner, credit__kind=kind)

    def _within(self, name: str) -> Q:
        assert self.year is not None
        return Q(**{f"{name}__gte": self.year.starts_at, f"{name}__lt": self.year.ends_at})


def _balance(account: LedgerAccount, at: datetime) -> int:
    moved = Transfer.objects.filter(Q(debit=account) | Q(credit=account), kind__in=POSTED, created_at__lt=at).order_by()
    signed = Case(When(credit=account, then=F("amount_minor")), default=Value(0) - F("amount_minor"))
    total: int | None = moved.aggregate(total=Sum(signed))["total"]
    return total or 0
