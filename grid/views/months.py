"""The months in which an owner earned: their sums, and the lines of those that are open."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any

from django.db.models import BigIntegerField, Count, Exists, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Greatest, TruncMonth
from django.utils import timezone

from accounts.models import User
from foundation.formats import reader_in
from foundation.statements import Once, OnceValues
from grid.models import Program, Settlement
from rewards.flows.statements import money_states
from rewards.models import Earning
from rewards.wording import earning_title

SHOWN_OTHERS = 400  # bonuses and fixed pay: a few a month
OPEN_AT_FIRST = 2


@dataclass
class Month:
    """One month in one currency: its sums, and where it is open its lines."""

    starts_on_date: date
    currency: str
    events_minor: int = 0
    credited_wh: int = 0
    event_count: int = 0
    others: list[Earning] = field(default_factory=list)
    lines: list[Settlement] = field(default_factory=list)
    is_open: bool = False

    @property
    def amount_minor(self) -> int:
        """What the month earned, events and everything else."""
        return self.events_minor + self.others_minor

    @property
    def others_minor(self) -> int:
        """What was paid by other forms: bonuses, months, seasons."""
        return sum(other.amount_minor for other in self.others)

    @property
    def name(self) -> str:
        """What addresses call it: "2026-11"."""
        return f"{self.starts_on_date:%Y-%m}"


def months_of(owner: User) -> list[Month]:
    """Return the owner's months by the local time of their events, newest first, without lines; two queries."""
    months: dict[tuple[date, str], Month] = {}
    for starts_at, currency, minor, wh, count in _sums_in(timezone.get_current_timezone()).of(owner.pk):
        starts_on = timezone.localdate(starts_at)
        months[starts_on, currency] = Month(starts_on, currency, minor, wh, count)
    for other in _others(owner):
        starts_on = other.period_date.replace(day=1)
        months.setdefault((starts_on, other.currency), Month(starts_on, other.currency)).others.append(other)
    return sorted(months.values(), key=lambda month: month.starts_on_date, reverse=True)


@lru_cache(maxsize=64)
def _sums_in(zone: tzinfo) -> OnceValues:
    """Return what asks for an owner's sums by month and currency; the months are those of `zone`."""
    return OnceValues(
        lambda owner, _at: (
            _newest(owner)
            .order_by()
            .annotate(month=TruncMonth("participation__event__starts_at", tzinfo=zone))
            .values_list("month", "currency")
            .annotate(minor=Sum("kept_minor"), wh=Sum("credited_wh"), lines=Count("pk"))
        )
    )


def open_months(owner: User, months: Collection[Month], *, are_newest: bool = False) -> None:
    """Give each of these months its lines, newest first, with the state of their money; three queries.

    Where they are the owner's newest months, whatever began since belongs to them: that is asked in compiled words.
    """
    for month in months:
        month.is_open = True
    wanted = {(month.starts_on_date, month.currency): month for month in months}
    spans = [_span(month.starts_on_date) for month in months]
    if not spans:
        return
    since = min(spans)[0]
    if are_newest:
        lines = _SINCE.of(owner.pk, at=since)
    else:
        in_spans = _any_of(Q(participation__event__starts_at__range=span) for span in spans)
        lines = list(_shown(owner.pk).filter(in_spans))
    _follow_the_money(owner, lines, since=since)
    for line in lines:
        starts_on = timezone.localdate(line.participation.event.starts_at).replace(day=1)
        if (starts_on, line.currency) in wanted:
            wanted[starts_on, line.currency].lines.append(line)


_LINE = ("participation__event", "participation__enrollment__vehicle")
_EVENT, _CAR = "participation__event__", "participation__enrollment__vehicle__"
_SHOWN = (
    *("public_id", "amount_minor", "currency", "credited_wh", "grade", "posted_at"),
    *(f"{_EVENT}{name}" for name in ("starts_at", "ends_at", "kind")),
    *(f"{_CAR}{name}" for name in ("nickname", "make", "model")),
    "participation__enrollment__public_id",
)


def _newest(owner: int) -> QuerySet[Settlement]:
    """Return the settlements of the owner's cars, the newest revision of each, newest first.

    `kept_minor` is what it brings the owner: an amount that was credited before stays theirs.
    """
    same = Settlement.objects.filter(participation=OuterRef("participation"))
    newer, credited = same.filter(revision__gt=OuterRef("revision")), same.filter(posted_at__isnull=False).order_by()
    most = Subquery(credited.values("participation").annotate(most=Max("amount_minor")).values("most"))
    mine = Settlement.objects.filter(~Exists(newer), participation__enrollment__vehicle__owner=owner)
    kept = mine.annotate(kept_minor=Greatest("amount_minor", Coalesce(most, 0, output_field=BigIntegerField())))
    return kept.order_by("-participation__event__starts_at")


def _shown(owner: int) -> QuerySet[Settlement]:
    return _newest(owner).select_related(*_LINE).only(*_SHOWN)


_SINCE = Once[Settlement](lambda owner, at: _shown(owner).filter(participation__event__starts_at__gte=at))


def _span(starts_on: date) -> tuple[datetime, datetime]:
    """Return the first and the last instant of a local month."""
    after = (starts_on + timedelta(days=31)).replace(day=1)
    zone = timezone.get_current_timezone()
    begins_at, ends_at = (datetime(day.year, day.month, 1, tzinfo=zone) for day in (starts_on, after))
    return begins_at, ends_at - timedelta(microseconds=1)


def _any_of(conditions: Iterable[Q]) -> Q:
    found = Q()
    for one in conditions:
        found |= one
    return found


def _follow_the_money(owner: User, lines: Iterable[Settlement], *, since: datetime) -> None:
    """Give each settlement the state of its money, as the statement tells it; "" before it reached the ledger.

    Money moves after its event: no transfer for these lines is older than `since`.
    """
    found = money_states(owner, since=since)
    for line in lines:
        told = found.get(f"settlement:{line.public_id}")
        line.money_state = told.value if told else ""  # type: ignore[attr-defined]


def _others(owner: User) -> list[Earning]:
    """Return what was paid by other forms, newest first, each with the name of its program and its title."""
    return [named(row) for row in _OTHERS.of(owner.pk)]


_NAMES: Any = Program.objects.filter(slug=OuterRef("terms__program")).order_by().values("name")[:1]
_OTHERS = Once[Earning](
    lambda owner, _at: (
        Earning.objects.filter(owner=owner)
        .select_related("terms")
        .defer("calculation", "terms__forms")
        .annotate(found_name=Subquery(_NAMES))[:SHOWN_OTHERS]
    )
)


def named(row: Earning) -> Earning:
    """Give an earning the name of its program, which the money knows by slug alone, and its title for its reader."""
    if not hasattr(row, "found_name"):
        row.found_name = Program.objects.filter(slug=row.terms.program).values_list("name", flat=True).first()  # type: ignore[attr-defined]
    row.program_name = row.found_name or row.terms.program  # type: ignore[attr-defined]
    reader = reader_in("CA" if row.currency == "CAD" else "US")
    row.shown_title = earning_title(row, reader=reader)  # type: ignore[attr-defined]
    return row
