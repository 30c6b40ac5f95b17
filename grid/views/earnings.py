"""What the owner's cars earned: month by month, and each line down to the readings behind it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from accounts.models import User
from foundation import clock
from foundation.formats import reader_in
from foundation.pages import owner_read, signed_in
from foundation.templatetags.show import locale_for
from grid.bars import month_bars
from grid.charts import settlement_chart
from grid.flows.explaining import explain_settlement
from grid.flows.saving import worth_of
from grid.models import EventParticipation, Program, Settlement
from rewards.flows.earnings import explain_earning
from rewards.flows.pauses import PAUSED, current_pause
from rewards.flows.statements import money_states, owner_currencies, owner_totals
from rewards.models import Earning
from rewards.wording import earning_title

SHOWN_LINES = 400


@dataclass
class Month:
    """One month's lines in one currency, with their totals."""

    starts_on_date: date
    currency: str
    lines: list[Settlement] = field(default_factory=list)
    others: list[Earning] = field(default_factory=list)

    @property
    def amount_minor(self) -> int:
        """What the month earned, events and everything else."""
        return self.events_minor + self.others_minor

    @property
    def events_minor(self) -> int:
        """What events earned."""
        return sum(line.amount_minor for line in self.lines)

    @property
    def others_minor(self) -> int:
        """What was paid by other forms: bonuses, months, seasons."""
        return sum(other.amount_minor for other in self.others)

    @property
    def count(self) -> int:
        """How many lines the month has."""
        return len(self.lines) + len(self.others)

    @property
    def credited_wh(self) -> int:
        """What the cars delivered."""
        return sum(line.credited_wh for line in self.lines)


def owned_settlements(owner: User) -> QuerySet[Settlement]:
    """Return the settlements of the owner's cars, the newest revision of each."""
    newer = Settlement.objects.filter(participation=OuterRef("participation"), revision__gt=OuterRef("revision"))
    return (
        Settlement.objects.filter(~Exists(newer), participation__enrollment__vehicle__owner=owner)
        .select_related("participation__event__terms__program__utility", "participation__enrollment__vehicle")
        .order_by("-participation__event__starts_at")
    )


@owner_read
def earnings(request: HttpRequest) -> HttpResponse:
    """Show totals, and every event's earning by month."""
    owner, now = signed_in(request, User), clock.now()
    lines = list(owned_settlements(owner)[:SHOWN_LINES])
    _follow_the_money(owner, lines)
    months = by_month(lines, _named(Earning.objects.filter(owner=owner).select_related("terms")[:SHOWN_LINES]))
    waiting = EventParticipation.objects.filter(
        enrollment__vehicle__owner=owner,
        state=EventParticipation.State.IN,
        event__ends_at__lte=now,
        event__cancelled_at__isnull=True,
        settlements__isnull=True,
    )
    context = {
        "totals": [owner_totals(owner, currency) for currency in owner_currencies(owner)],
        "months": months,
        "chart": month_bars(months, currency=owner.currency, today=timezone.localdate(now)),
        "chart_months": [month for month in months if month.currency == owner.currency],
        "currency": owner.currency,
        "pause": current_pause(),
        "paused_text": PAUSED,
        "worth": worth_of(owner=owner, now=now),
        "waiting": waiting.select_related("event", "enrollment__vehicle"),
        "now": now,
    }
    return render(request, "grid/earnings.html", context)


def _follow_the_money(owner: User, lines: Iterable[Settlement]) -> None:
    """Give each settlement the state of its money, as the statement tells it; "" before it reached the ledger."""
    lines = list(lines)
    found = money_states(owner, (f"settlement:{line.public_id}" for line in lines))
    for line in lines:
        told = found.get(f"settlement:{line.public_id}")
        line.money_state = told.value if told else ""  # type: ignore[attr-defined]


def by_month(lines: Iterable[Settlement], others: Iterable[Earning] = ()) -> list[Month]:
    """Group settlements by the local month of their event, other earnings by the month they are for, newest first."""
    months: dict[tuple[date, str], Month] = {}
    for line in lines:
        starts_on = _month_of(line.participation.event.starts_at)
        months.setdefault((starts_on, line.currency), Month(starts_on, line.currency)).lines.append(line)
    for other in others:
        starts_on = other.period_date.replace(day=1)
        months.setdefault((starts_on, other.currency), Month(starts_on, other.currency)).others.append(other)
    return sorted(months.values(), key=lambda month: month.starts_on_date, reverse=True)


def _month_of(at: datetime) -> date:
    return timezone.localdate(at).replace(day=1)


def _named(earnings: Iterable[Earning]) -> list[Earning]:
    """Give each earning the name of its program, which the money knows by slug alone."""
    rows = list(earnings)
    slugs = {row.terms.program for row in rows}
    names = dict(Program.objects.filter(slug__in=slugs).values_list("slug", "name"))
    for row in rows:
        row.program_name = names.get(row.terms.program, row.terms.program)  # type: ignore[attr-defined]
        reader = reader_in("CA" if row.currency == "CAD" else "US")
        row.shown_title = earning_title(row, reader=reader)  # type: ignore[attr-defined]
    return rows


@owner_read
def earning(request: HttpRequest, settlement: UUID) -> HttpResponse:
    """Open one line to its whole calculation; older revisions stay readable."""
    owner = signed_in(request, User)
    rows = Settlement.objects.filter(participation__enrollment__vehicle__owner=owner).select_related(
        "participation__event__terms__program__utility", "participation__enrollment__vehicle"
    )
    found = rows.filter(public_id=settlement).first()
    if found is None:
        return _other_earning(request, get_object_or_404(Earning, public_id=settlement, owner=owner))
    explanation = explain_settlement(settlement=found, zone=owner.zone, reader=reader_in(owner.country))
    context = {
        "settlement": found,
        "event": found.participation.event,
        "vehicle": found.participation.enrollment.vehicle,
        "explanation": explanation,
        "chart_data": settlement_chart(explanation, zone=owner.time_zone, locale=locale_for(owner.country)),
        "revisions": rows.filter(participation=found.participation).order_by("revision"),
        "now": clock.now(),
    }
    return render(request, "grid/earning.html", context)


def _other_earning(request: HttpRequest, found: Earning) -> HttpResponse:
    """Open what was paid by another form than the rate per kWh to its whole calculation."""
    (found,) = _named([found])
    context = {
        "earning": found,
        "explanation": explain_earning(found, reader=reader_in(found.owner.country)),
        "now": clock.now(),
    }
    return render(request, "grid/other_earning.html", context)
