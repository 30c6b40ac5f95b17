"""The home page: utility, tariff, charger, permission to give energy back."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext

from accounts.flows.profiles import save_profile
from accounts.models import User
from foundation import clock
from foundation.pages import add_refusal, owner_page, signed_in
from grid.arrays.slots import SLOT_MINUTES, Slots
from grid.bars import Bars, bars_of
from grid.flows.owners.sites import UnableToSaveSite, save_home
from grid.flows.prices.pricebook import MICROS, PriceBook
from grid.forms import HomeForm
from grid.models import Site, Tariff

HOURS_AHEAD, CHEAPEST, SLOTS_AN_HOUR = 24, 6, 60 // SLOT_MINUTES


@owner_page
def site(request: HttpRequest) -> HttpResponse:
    """Show and change the owner's home; the first home also sets the zone in which pages show times."""
    owner = signed_in(request, User)
    homes = Site.objects.filter(owner=owner)
    home = homes.select_related("tariff__utility", "tariff__price_feed", "tariff__carbon_feed").first()
    form = HomeForm(request.POST or None, owner=owner, site=home)
    is_welcome = "welcome" in request.GET
    if request.method == "POST" and form.is_valid():
        try:
            saved = save_home(owner=owner, now=clock.now(), **form.home())
        except UnableToSaveSite as refusal:
            add_refusal(form, _as_asked(refusal))
        else:
            if home is None:
                save_profile(user=owner, time_zone=saved.time_zone)
            messages.success(request, gettext("Your home is saved."))
            return redirect("onboarding" if is_welcome else "site")
    context: dict[str, Any] = {"form": form, "site": home, "is_welcome": is_welcome}
    if home is not None and not is_welcome:
        prices = prices_ahead(home.tariff, month_kwh=home.month_kwh, now=clock.now())
        context |= {"prices": prices, "currency": home.tariff.utility.currency}
    return render(request, "grid/site.html", context)


@dataclass(frozen=True)
class PriceHour:
    """One hour and what a kWh costs in it."""

    starts_at: datetime
    micros: int


@dataclass(frozen=True)
class PricesAhead:
    """What a kWh costs in the coming day: hours for the table, bars for the eye (the six cheapest stand out)."""

    hours: list[PriceHour]
    bars: Bars | None
    has_guesses: bool


def prices_ahead(tariff: Tariff, *, month_kwh: int | None = None, now: datetime) -> PricesAhead:
    """Return the hourly prices of the next day under a tariff; hours not published yet repeat the day before."""
    # The hours of the utility's clock, which lies half an hour off in Newfoundland: no hour straddles two rates.
    hour = now.astimezone(tariff.utility.zone).replace(minute=0, second=0, microsecond=0).astimezone(UTC)
    slots = Slots(hour, HOURS_AHEAD * SLOTS_AN_HOUR)
    known = PriceBook().of(tariff, slots, month_kwh=month_kwh)
    means = known.imports.reshape(HOURS_AHEAD, SLOTS_AN_HOUR).mean(axis=1)
    hours = [
        PriceHour(slots.start_of(number * SLOTS_AN_HOUR), round(float(price) * MICROS))
        for number, price in enumerate(means)
    ]
    cheap = sorted(hour.micros for hour in hours)[CHEAPEST - 1]
    bars = bars_of((hour.starts_at, [("best" if hour.micros <= cheap else "rest", hour.micros)]) for hour in hours)
    return PricesAhead(hours, bars, bool(known.guessed))


def _as_asked(refusal: UnableToSaveSite) -> UnableToSaveSite:
    # The form asks in kW what the flow takes in W.
    asked = {"evse_max_charge_w": "evse_max_charge_kw", "export_limit_w": "export_limit_kw"}
    refusal.field = asked.get(refusal.field or "", refusal.field)
    return refusal
