"""The carbon page: what was kept out of the air, and how much it weighs beside money."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext

from accounts.models import User
from foundation import clock
from foundation.pages import owner_page, refusals_as_messages, signed_in
from grid.bars import Point, bars_of
from grid.flows.owners.carbon import TonightChoice, carbon_summary, choices, save_carbon_choice, tonight_by_choice
from grid.models import CarbonChoice, Site

SHOWN_NIGHTS, SHOWN_MONTHS = 30, 12


@dataclass(frozen=True)
class Stop:
    """One stop of the slider, as the page names it."""

    number: int
    slug: str
    label: str
    note: str
    tonight: TonightChoice
    is_chosen: bool


def _notes() -> dict[str, str]:
    return {
        CarbonChoice.MONEY: gettext("Carbon counts for nothing. Of two hours, the cheaper one wins."),
        CarbonChoice.MOSTLY_MONEY: gettext("Of two hours that cost nearly the same, the cleaner one wins."),
        CarbonChoice.BALANCED: gettext("A kilogram counts what its damage costs everybody, by the EPA's estimate."),
        CarbonChoice.MOSTLY_CARBON: gettext("Cleaner hours win unless they are much dearer."),
        CarbonChoice.CARBON: gettext("The cleanest hours win, whatever they cost. You are still ready when you leave."),
    }


@owner_page
def carbon(request: HttpRequest) -> HttpResponse:
    """Show the CO2 by month and by night, and take the owner's choice of its weight."""
    owner, now = signed_in(request, User), clock.now()
    if request.method == "POST":
        with refusals_as_messages(request, success=gettext("Saved. Tonight is being planned anew.")):
            save_carbon_choice(owner=owner, choice=_asked(request.POST.get("stop", "")), now=now)
        return redirect("carbon")
    site = Site.objects.filter(owner=owner).select_related("tariff__utility").first()
    if request.GET.get("part") == "tonight" and request.headers.get("HX-Request"):
        # Planning each choice takes a moment, so the page does not wait for it.
        return render(request, "grid/_carbon_stops.html", _weighing(owner, site, tonight_by_choice(owner)))
    summary = carbon_summary(owner=owner)
    context = {
        "summary": summary,
        "average_g": round(1000 * summary.drawn_g / summary.drawn_wh) if summary.drawn_wh > 0 else None,
        "counterfactual_g": summary.drawn_g + summary.saved_g,
        "months": summary.months[:SHOWN_MONTHS],
        "month_bars": bars_of(_part(month.starts_on_date, month.saved_g) for month in reversed(summary.months[:6])),
        "nights": summary.nights[:SHOWN_NIGHTS],
        "night_bars": bars_of(_part(night.unplugged_at, night.saved_g) for night in reversed(summary.nights[:14])),
        "now": now,
        **_weighing(owner, site, choices()),
    }
    return render(request, "grid/carbon.html", context)


def _asked(stop: str) -> str:
    values = CarbonChoice.values
    return values[int(stop)] if stop.isdecimal() and len(stop) == 1 and int(stop) < len(values) else stop


def _part(at: date, grams: int) -> Point:
    # What steering added to the air is drawn below the line, in another colour.
    return at, [("saved" if grams >= 0 else "added", grams)]


def _weighing(owner: User, site: Site | None, tonight: Sequence[TonightChoice]) -> dict[str, Any]:
    currency = site.tariff.utility.currency if site else owner.currency
    return {"currency": currency, "stops": _stops(site, tonight) if site else []}


def _stops(site: Site, tonight: Sequence[TonightChoice]) -> list[Stop]:
    notes = _notes()
    return [
        Stop(
            number=number,
            slug=one.choice,
            label=str(CarbonChoice(one.choice).label),
            note=notes[one.choice],
            tonight=one,
            is_chosen=one.choice == site.carbon_choice,
        )
        for number, one in enumerate(tonight)
    ]
