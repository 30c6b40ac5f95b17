"""What leaving one event out would cost, told before the owner says so, for every form of pay that it touches."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_lazy as _

from foundation import formats
from foundation.formats import Reader
from foundation.windows import Span
from foundation.words import Words
from grid.flows.settlement.pay_terms import terms_by_now
from grid.models import EventParticipation
from grid.rules.seasons import month_of, season_of
from rewards.models import PayTerms

STATES = EventParticipation.State
TEXTS: dict[str, Words] = {
    "per_event": _("{program} pays {amount} for each event in which enough is delivered; this one would pay none."),
    "seasonal_capacity": _(
        "{program} pays for the mean power over the season's events: this one's hours would count without any power."
    ),
    "pool": _("{program} shares {amount} a month by what each car delivered; your car would deliver less."),
    "opt_outs kept": _(
        "{program} pays {amount} for {period} to cars that leave at most {most} events out. With this one you would "
        "have left out {used}, which keeps it."
    ),
    "opt_outs lost": _(
        "{program} pays {amount} for {period} to cars that leave at most {most} events out. With this one you would "
        "have left out {used}: {period} would pay none of it."
    ),
    "joined kept": _(
        "{program} pays {amount} for {period} to cars that join at least {percent} of its events. Without this one you "
        "would have joined {joined} of {asked}, which keeps it."
    ),
    "joined lost": _(
        "{program} pays {amount} for {period} to cars that join at least {percent} of its events. Without this one you "
        "would have joined {joined} of {asked}: too few, unless more follow."
    ),
}


@dataclass(frozen=True)
class Cost:
    """One form of pay that leaving the event out touches; `is_lost`: what it pays would be gone."""

    form: str
    text: str
    amount_minor: int
    is_lost: bool


def costs_of_leaving(part: EventParticipation, *, reader: Reader) -> list[Cost]:
    """Return what leaving the event out would do to each form of pay of the car's program; none where it does nothing.

    Pay by the kWh is told apart: the plan knows what it expects of the event.
    """
    at, slug = part.event.starts_at, part.event.terms.program.slug
    terms = next((one for one in terms_by_now(at) if one.program == slug and _holds(one, at)), None)
    if terms is None:
        return []
    found = (_cost(form, terms, part, reader) for form in terms.forms)
    return [one for one in found if one is not None]


def _holds(terms: PayTerms, at: datetime) -> bool:
    return terms.valid_until_at is None or at < terms.valid_until_at


def _cost(form: Mapping[str, Any], terms: PayTerms, part: EventParticipation, reader: Reader) -> Cost | None:
    zone, at, name = ZoneInfo(terms.time_zone), part.event.starts_at, form["form"]
    month = at.astimezone(zone).month
    if month not in form.get("months", [month]):
        return None
    amount_minor = form.get("amount_minor", form.get("pool_minor", 0))
    shown: dict[str, Any] = {
        "program": part.event.terms.program.name,
        "amount": formats.money(amount_minor, terms.currency, reader=reader),
    }
    if name in {"per_event", "seasonal_capacity", "pool"}:
        return Cost(name, str(TEXTS[name]).format(**shown), amount_minor, is_lost=name == "per_event")
    if name not in {"monthly", "season_bonus"}:
        return None
    span = month_of(at, zone=zone) if name == "monthly" else season_of(at, form["months"], zone=zone)
    shown["period"] = formats.month(at.astimezone(zone), reader=reader)
    if name == "season_bonus":
        shown["period"] = str(_("this season"))
    return _of_conditions(form, shown, _counts(part, span), reader)


def _of_conditions(
    form: Mapping[str, Any], shown: dict[str, Any], counts: Mapping[str, int], reader: Reader
) -> Cost | None:
    asked, joined, used = counts["asked"], counts["joined"], counts["used"]
    key = ""
    if "max_opt_outs" in form:
        key = "opt_outs lost" if used > form["max_opt_outs"] else "opt_outs kept"
        shown |= {"most": form["max_opt_outs"], "used": used}
    if "min_joined_percent" in form and key != "opt_outs lost":
        key = "joined lost" if 100 * joined < form["min_joined_percent"] * asked else "joined kept"
        percent = formats.percent(form["min_joined_percent"], reader=reader)
        shown |= {"percent": percent, "asked": asked, "joined": joined}
    if not key:
        return None
    return Cost(form["form"], str(TEXTS[key]).format(**shown), form["amount_minor"], is_lost=key.endswith("lost"))


def _counts(part: EventParticipation, span: Span) -> dict[str, int]:
    """Return how often the car would have been asked, joined and left out in the span, this event left out too."""
    others = EventParticipation.objects.filter(
        enrollment=part.enrollment_id,
        yields_to=None,
        event__cancelled_at__isnull=True,
        event__starts_at__gte=span.starts_at,
        event__starts_at__lt=span.ends_at,
    ).exclude(pk=part.pk)
    states = list(others.order_by().values_list("state", flat=True))
    joined = sum(state in {STATES.IN, STATES.CONTROL} for state in states)
    return {"asked": len(states) + 1, "joined": joined, "used": states.count(STATES.OPTED_OUT) + 1}
