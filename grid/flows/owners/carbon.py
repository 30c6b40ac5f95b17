"""How much carbon weighs in an owner's plans, what each choice would make of tonight, and what was kept out of the air.

A choice is a price of carbon that plans count beside the energy bill; nobody is charged it. 50 micros a gram is the
platform's own default (settings); 190 USD a tonne is the United States' social cost of carbon (EPA, December 2023).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from accounts.models import User
from foundation.refusals import Refusal
from grid.flows.plans.nudges import pull_forward
from grid.models import CarbonChoice, Feed, Plan, Site, StaySaving
from grid.planner.solve import plan_problems
from vehicles.models import Vehicle

MICROS = 1_000_000
# The price of a kg of CO2 that plans count, in millionths of the site's currency; "mostly money" is the setting's.
PRICES_MICROS = {
    CarbonChoice.MONEY: 0,
    CarbonChoice.BALANCED: 190_000,
    CarbonChoice.MOSTLY_CARBON: 500_000,
    CarbonChoice.CARBON: 2_000_000,
}
MOST_NIGHTS = 1_500  # two years of two cars


class UnableToChooseCarbon(Refusal):
    """Plans weigh carbon as before."""


def carbon_price(choice: str) -> float:
    """Return what a kg of CO2 counts in plans under a choice, in the site's currency."""
    return price_micros(choice) / MICROS


def price_micros(choice: str) -> int:
    """Return what a kg of CO2 counts under a choice, in millionths of the site's currency."""
    usual: int = settings.CARBON_PRICE_MICROS_PER_KG
    return PRICES_MICROS.get(CarbonChoice(choice), usual)


def save_carbon_choice(*, owner: User, choice: str, now: datetime) -> Site:
    """Let the plans of the owner's cars weigh carbon as chosen, and return the home, whose new version outdates plans.

    Raises UnableToChooseCarbon without a home, and for a choice that does not exist.
    """
    if choice not in CarbonChoice.values:
        raise UnableToChooseCarbon(_("Choose one of the five stops."), code="unknown_choice", field="choice")
    with transaction.atomic():
        site = Site.objects.select_for_update().filter(owner=owner).first()
        if site is None:
            raise UnableToChooseCarbon(
                _("Describe your home first: your utility decides which power you use."), code="no_home"
            )
        if site.carbon_choice != choice:
            Site.objects.filter(pk=site.pk).update(carbon_choice=choice, version=F("version") + 1)
            site.refresh_from_db(fields=["carbon_choice", "version"])
            cars = Vehicle.objects.filter(owner=owner, state=Vehicle.State.ACTIVE)
            pull_forward(list(cars.values_list("pk", flat=True)), reason="home", now=now)
    return site


@dataclass(frozen=True)
class TonightChoice:
    """What one choice would make of the present plans: the energy bill in minor units, CO2 in grams."""

    choice: str
    price_micros: int
    cost_minor: int | None = None
    carbon_g: int | None = None


def choices() -> list[TonightChoice]:
    """Return every choice with its price, without asking the planner."""
    return [TonightChoice(CarbonChoice(value), price_micros(value)) for value in CarbonChoice.values]


def tonight_by_choice(owner: User) -> list[TonightChoice]:
    """Return each choice with what it would make of the owner's plans of now; without plans, the choices alone.

    The plans' own problems are solved again under each price of carbon, over the same hours and prices, without
    events: what those pay is no part of the bill.
    """
    plans = Plan.objects.filter(vehicle__owner=owner, vehicle__state="active", is_current=True)
    problems = [problem for plan in plans[:10] if any((problem := plan.problem)["carbon_kg_per_kwh"])]
    if not problems:
        return choices()
    return [_tonight(CarbonChoice(value), problems) for value in CarbonChoice.values]


def _tonight(choice: CarbonChoice, problems: Sequence[dict[str, Any]]) -> TonightChoice:
    price = price_micros(choice)
    # What is left in the battery counts for nothing, so that every choice charges what the departures ask, not more.
    asked = {"carbon_price": price / MICROS, "terminal_value_per_kwh": 0.0}
    plans: list[dict[str, Any]] = plan_problems(
        [problem | asked | {"adder": [0.0] * len(problem["plugged"])} for problem in problems]
    )
    if any("cash" not in plan for plan in plans):
        return TonightChoice(choice, price)
    return TonightChoice(
        choice,
        price,
        cost_minor=round(100 * sum(plan["cash"] for plan in plans)),
        carbon_g=round(1000 * sum(plan["carbon_kg"] for plan in plans)),
    )


@dataclass(frozen=True)
class CarbonNight:
    """One stay at the home plug: what it drew, with which CO2, and what charging at once would have added."""

    car: str
    plugged_in_at: datetime
    unplugged_at: datetime
    drawn_wh: int
    drawn_g: int
    saved_g: int


@dataclass
class CarbonMonth:
    """The nights that ended in one local month, added up."""

    starts_on_date: date
    nights: int = 0
    drawn_wh: int = 0
    drawn_g: int = 0
    saved_g: int = 0


@dataclass(frozen=True)
class CarbonSummary:
    """What steering kept out of the air, newest first, and where the rates come from; `unknown` nights add nothing."""

    nights: list[CarbonNight]
    months: list[CarbonMonth]
    unknown: int
    source: str
    is_marginal: bool

    @property
    def saved_g(self) -> int:
        """All nights' CO2 kept out of the air; below 0 where steering added some."""
        return sum(night.saved_g for night in self.nights)

    @property
    def drawn_g(self) -> int:
        """The CO2 of everything drawn."""
        return sum(night.drawn_g for night in self.nights)

    @property
    def drawn_wh(self) -> int:
        """Everything drawn."""
        return sum(night.drawn_wh for night in self.nights)


def carbon_summary(*, owner: User) -> CarbonSummary:
    """Return what steering the owner's cars kept out of the air, night by night and month by month."""
    rows = list(
        StaySaving.objects.filter(plug_session__vehicle__owner=owner)
        .select_related("plug_session__vehicle", "carbon_feed")
        .order_by("-plug_session__unplugged_at")[:MOST_NIGHTS]
    )
    known = [row for row in rows if row.is_known and row.saved_g is not None]
    nights = [_night(row) for row in known]
    feed = known[0].carbon_feed if known else _own_feed(owner)
    return CarbonSummary(
        nights=nights,
        months=_months(nights, owner),
        unknown=len(rows) - len(known),
        source="" if feed is None else feed.attribution or f"{feed.source} {feed.zone}",
        is_marginal=feed is not None and feed.kind == Feed.Kind.MARGINAL_CARBON,
    )


def _own_feed(owner: User) -> Feed | None:
    site = Site.objects.filter(owner=owner).select_related("tariff__carbon_feed").first()
    return site.tariff.carbon_feed if site else None


def _night(row: StaySaving) -> CarbonNight:
    stay = row.plug_session
    assert stay.unplugged_at is not None
    return CarbonNight(
        car=str(stay.vehicle),
        plugged_in_at=stay.plugged_in_at,
        unplugged_at=stay.unplugged_at,
        drawn_wh=row.drawn_wh or 0,
        drawn_g=row.drawn_g or 0,
        saved_g=row.saved_g or 0,
    )


def _months(nights: Iterable[CarbonNight], owner: User) -> list[CarbonMonth]:
    months: dict[date, CarbonMonth] = {}
    for night in nights:
        starts_on = night.unplugged_at.astimezone(owner.zone).date().replace(day=1)
        month = months.setdefault(starts_on, CarbonMonth(starts_on))
        month.nights += 1
        month.drawn_wh += night.drawn_wh
        month.drawn_g += night.drawn_g
        month.saved_g += night.saved_g
    return list(months.values())
