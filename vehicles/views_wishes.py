"""What the owner wants of a car beyond the week: single dates, and a pause with or without an end."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext

from accounts.models import User
from foundation import clock
from foundation.pages import add_refusal, owner_action, owner_page, refusals_as_messages, signed_in
from vehicles.flows.dated import add_dated, dated_ahead, remove_dated
from vehicles.flows.preferences import UnableToSavePreference, pause_until, set_paused
from vehicles.forms_wishes import DateForm, PauseForm
from vehicles.models import DatedDeparture, Vehicle
from vehicles.schedule import resolve_local
from vehicles.views import back_from, owned_vehicle


def dates_shown(vehicle: Vehicle, zone: ZoneInfo, now: datetime) -> list[dict[str, Any]]:
    """Return what was said of coming dates, as `vehicles/_dates.html` shows it."""
    return [
        {
            "row": row,
            "is_one_day": row.first_date == row.last_date,
            "leaves_at": resolve_local(row.first_date, row.leaves_at_local, zone) if row.leaves_at_local else None,
        }
        for row in dated_ahead(vehicle, now)
    ]


@owner_page
def dates(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Show what was said of coming dates, and take a word on another; a word taken back stands ready to be put back."""
    car, now, owner = owned_vehicle(request, vehicle), clock.now(), signed_in(request, User)
    form = DateForm(request.POST or None, initial=request.GET.dict() or {"kind": DatedDeparture.Kind.LEAVES})
    if request.method == "POST" and form.is_valid():
        try:
            add_dated(vehicle=car, now=now, **form.wishes())
        except UnableToSavePreference as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, gettext("Noted. The next plan heeds it."))
            return redirect("car_dates", car.public_id)
    context = {"vehicle": car, "form": form, "dates": dates_shown(car, owner.zone, now), "now": now}
    return render(request, "vehicles/dates.html", context)


@owner_action
def remove_date(request: HttpRequest, dated: UUID) -> HttpResponse:
    """Let the week count again on these dates."""
    mine = DatedDeparture.objects.filter(vehicle__owner=signed_in(request, User)).select_related("vehicle__owner")
    row = get_object_or_404(mine, public_id=dated)
    again = {"kind": row.kind, "first_date": f"{row.first_date}", "last_date": f"{row.last_date}"}
    if row.leaves_at_local:
        again["leaves_at_local"] = f"{row.leaves_at_local:%H:%M}"
    with refusals_as_messages(
        request, success=gettext("Taken back: the week counts again. “Save” puts it back as it was.")
    ):
        remove_dated(dated=row, now=clock.now())
    return redirect(f"{reverse('car_dates', args=[row.vehicle.public_id])}?{urlencode(again)}")


@owner_action
def pause(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Stop taking part: until a day and time, or until the owner says otherwise; or take part again."""
    car, now = owned_vehicle(request, vehicle), clock.now()
    wanted = request.POST.get("paused", "")
    if wanted == "until":
        _pause_until(request, car, now)
        return back_from(request, car)
    is_paused = wanted == "yes"
    said = gettext("{car} is paused.") if is_paused else gettext("{car} is back.")
    with refusals_as_messages(request, success=said.format(car=car)):
        set_paused(vehicle=car, is_paused=is_paused, now=now)
    return back_from(request, car)


def _pause_until(request: HttpRequest, car: Vehicle, now: datetime) -> None:
    form = PauseForm(request.POST)
    if not form.is_valid():
        messages.error(request, gettext("Choose the day and the time at which the pause ends."))
        return
    said = gettext("{car} is left alone until then. Your plan comes back by itself.").format(car=car)
    with refusals_as_messages(request, success=said):
        pause_until(vehicle=car, until=form.until(signed_in(request, User).zone), now=now)
