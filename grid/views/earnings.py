"""What the owner's cars earned: month by month, and each line down to the readings behind it."""

import re
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from accounts.models import User
from foundation import clock
from foundation.formats import reader_in
from foundation.keeping import kept_page
from foundation.pages import owner_read, signed_in
from foundation.statements import Once
from foundation.templatetags.show import locale_for
from grid.bars import month_bars
from grid.charts import settlement_chart
from grid.flows.owners.explaining import explain_settlement
from grid.flows.owners.saving import worth_of
from grid.models import EventParticipation, Settlement
from grid.stamps import EARNINGS
from grid.views.months import OPEN_AT_FIRST, months_of, named, open_months
from rewards.flows.earnings import explain_earning
from rewards.flows.pauses import PAUSED, current_pause
from rewards.flows.statements import all_totals
from rewards.models import Earning

MONTH = re.compile("20[0-9]{2}-(0[1-9]|1[0-2])")


@owner_read
@kept_page(EARNINGS)
def earnings(request: HttpRequest) -> HttpResponse:
    """Show totals and every month; the newest months and the one that is asked for are open, others on demand."""
    owner, now = signed_in(request, User), clock.now()
    months, asked = months_of(owner), request.GET.get("month", "")
    if MONTH.fullmatch(asked) and request.GET.get("part") == "month" and request.headers.get("HX-Request"):
        chosen = [month for month in months if (month.name, month.currency) == (asked, request.GET.get("currency"))]
        open_months(owner, chosen)
        return render(request, "grid/_month_lines.html", {"month": next(iter(chosen), None), "now": now})
    older = [month for month in months[OPEN_AT_FIRST:] if month.name == asked]
    open_months(owner, [*months[:OPEN_AT_FIRST], *older], are_newest=not older)
    context = {
        "totals": all_totals(owner),
        "months": months,
        "chart": month_bars(months, currency=owner.currency, today=timezone.localdate(now)),
        "chart_months": [month for month in months if month.currency == owner.currency],
        "currency": owner.currency,
        "pause": current_pause(),
        "paused_text": PAUSED,
        "worth": worth_of(owner=owner, now=now),
        "waiting": _WAITING.of(owner.pk, at=now),
        "proof_years": sorted({month.starts_on_date.year for month in months}, reverse=True),
        "now": now,
    }
    return render(request, "grid/earnings.html", context)


# The events of the owner's cars that are over and not worked out yet.
_WAITING = Once[EventParticipation](
    lambda owner, at: EventParticipation.objects.filter(
        enrollment__vehicle__owner=owner,
        state=EventParticipation.State.IN,
        event__ends_at__lte=at,
        event__cancelled_at__isnull=True,
        settlements__isnull=True,
    ).select_related("event", "enrollment__vehicle")
)


@owner_read
def earning(request: HttpRequest, settlement: UUID) -> HttpResponse:
    """Open one line to its whole calculation; older revisions stay readable."""
    owner = signed_in(request, User)
    rows = Settlement.objects.filter(participation__enrollment__vehicle__owner=owner).select_related(
        "participation__event__terms__program__utility", "participation__enrollment__vehicle", "group"
    )
    found = rows.filter(public_id=settlement).defer("group__evidence").first()
    if found is None:
        return _other_earning(request, get_object_or_404(Earning, public_id=settlement, owner=owner))
    revisions = list(rows.filter(participation=found.participation).defer("group__evidence").order_by("revision"))
    before = [one.amount_minor for one in revisions if one.posted_at and one.revision < found.revision]
    explanation = explain_settlement(settlement=found, zone=owner.zone, reader=reader_in(owner.country))
    context = {
        "settlement": found,
        "event": found.participation.event,
        "vehicle": found.participation.enrollment.vehicle,
        "explanation": explanation,
        "chart_data": settlement_chart(explanation, zone=owner.time_zone, locale=locale_for(owner.country)),
        "revisions": revisions,
        "kept_minor": max((one for one in before if one > found.amount_minor), default=None),
        "now": clock.now(),
    }
    return render(request, "grid/earning.html", context)


def _other_earning(request: HttpRequest, found: Earning) -> HttpResponse:
    """Open what was paid by another form than the rate per kWh to its whole calculation."""
    context = {
        "earning": named(found),
        "explanation": explain_earning(found, reader=reader_in(found.owner.country)),
        "now": clock.now(),
    }
    return render(request, "grid/other_earning.html", context)
