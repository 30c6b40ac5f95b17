"""What the grid asked of the owner's cars: coming events, past ones with their result, leaving one out."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext

from accounts.models import User
from foundation import clock
from foundation.formats import reader_in
from foundation.pages import owner_action, owner_read, refusals_as_messages, signed_in
from grid.flows.events.abilities import REASONS
from grid.flows.events.allowance import allowance_of
from grid.flows.events.consequences import costs_of_leaving
from grid.flows.events.taking_part import opt_in, opt_out
from grid.flows.owners.charging_now import expected_minor
from grid.flows.plans.planning import current_plan
from grid.models import EventParticipation, GridEvent, Settlement

SHOWN_PAST = 60


def owned_participations(request: HttpRequest) -> QuerySet[EventParticipation]:
    """Return the owner's participations in announced events; nobody else's exist for this page."""
    newest_first = Settlement.objects.order_by("-revision")
    return (
        EventParticipation.objects.filter(enrollment__vehicle__owner=signed_in(request, User))
        .select_related("event__terms__program__utility", "enrollment__vehicle")
        .prefetch_related(Prefetch("settlements", queryset=newest_first))
    )


def shown(part: EventParticipation, now: datetime) -> dict[str, Any]:
    """Return one participation as the pages show it: what is asked, where it stands, what came of it."""
    event = part.event
    settlement = next(iter(part.settlements.all()), None)
    is_over = event.ends_at <= now or event.state in {GridEvent.State.CANCELLED, GridEvent.State.SETTLED}
    return {
        "part": part,
        "event": event,
        "vehicle": part.enrollment.vehicle,
        "program": event.terms.program,
        "currency": event.terms.program.utility.currency,
        "settlement": settlement,
        "reason_text": str(REASONS.get(part.reason, "")),
        "is_over": is_over,
        "is_running": not is_over and event.starts_at <= now,
        "is_cancelled": event.state == GridEvent.State.CANCELLED,
        "can_opt_out": not is_over and part.state == EventParticipation.State.IN,
        "can_opt_in": not is_over and part.state == EventParticipation.State.OPTED_OUT and event.starts_at > now,
        "result": settlement_word(settlement, part, is_over=is_over),
    }


def settlement_word(settlement: Settlement | None, part: EventParticipation, *, is_over: bool) -> str:
    """Say in a word where a participation stands."""
    if part.event.state == GridEvent.State.CANCELLED:
        return gettext("Cancelled")
    if part.state == EventParticipation.State.OPTED_OUT:
        return gettext("Left out")
    if part.yields_to_id is not None:
        return gettext("Gives way")
    if part.state == EventParticipation.State.UNABLE:
        return gettext("Could not help")
    if settlement is not None:
        return gettext("Settled")
    if part.state == EventParticipation.State.CONTROL:
        return gettext("Left alone by lot")
    return gettext("Being worked out") if is_over else gettext("Takes part")


@owner_read
def events(request: HttpRequest) -> HttpResponse:
    """List coming and past events."""
    now = clock.now()
    rows = owned_participations(request)
    ahead = rows.filter(event__ends_at__gt=now).exclude(event__state=GridEvent.State.CANCELLED)
    past = rows.exclude(pk__in=ahead.values("pk"))
    context = {
        "upcoming": [shown(part, now) for part in ahead.order_by("event__starts_at")],
        "past": [shown(part, now) for part in past.order_by("-event__starts_at")[:SHOWN_PAST]],
        "now": now,
    }
    return render(request, "grid/events.html", context)


@owner_read
def event(request: HttpRequest, participation: UUID) -> HttpResponse:
    """Show one event as it concerns one car."""
    now = clock.now()
    part = get_object_or_404(owned_participations(request), public_id=participation)
    context = {**shown(part, now), "now": now, "rivals": rivals_of(part)}
    if context["can_opt_out"] or context["can_opt_in"]:
        context["expected_minor"] = expected_minor(current_plan(part.enrollment.vehicle), part.event)
        context["allowance"] = allowance_of(
            vehicle_id=part.enrollment.vehicle_id, at=part.event.starts_at, program=part.event.terms.program_id
        )
    if context["can_opt_out"]:
        context["costs"] = costs_of_leaving(part, reader=reader_in(signed_in(request, User).country))
    return render(request, "grid/event.html", context)


def rivals_of(part: EventParticipation) -> list[dict[str, Any]]:
    """Return the same car's parts in events of other programs that this one gives way to, or that give way to it."""
    is_about_it = Q(yields_to=part.event_id) | Q(event=part.yields_to_id)
    rows = EventParticipation.objects.filter(is_about_it, enrollment__vehicle=part.enrollment.vehicle_id)
    named = rows.exclude(pk=part.pk).select_related("event__terms__program")
    return [{"part": one, "has_precedence": one.event_id == part.yields_to_id} for one in named.order_by("pk")]


@owner_action
def leave_out(request: HttpRequest, participation: UUID) -> HttpResponse:
    """Leave one event out."""
    part = get_object_or_404(owned_participations(request), public_id=participation)
    with refusals_as_messages(request, success=gettext("Left out. Your car charges as if there were no event.")):
        opt_out(participation=part, now=clock.now())
    return redirect("event", part.public_id)


@owner_action
def come_back(request: HttpRequest, participation: UUID) -> HttpResponse:
    """Take part after all."""
    part = get_object_or_404(owned_participations(request), public_id=participation)
    with refusals_as_messages(request):
        part = opt_in(participation=part, now=clock.now())
        if part.state == EventParticipation.State.IN:
            messages.success(request, gettext("Your car takes part again."))
        else:
            messages.warning(
                request, str(REASONS.get(part.reason) or gettext("Your car cannot take part in this event."))
            )
    return redirect("event", part.public_id)
