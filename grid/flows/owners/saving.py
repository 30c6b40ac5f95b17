"""What steering saved on the bill and kept out of the air: an estimate of its own, never mixed with what was earned.

For each finished stay at the home plug: what the car drew, beside what it would have drawn had it charged from plug-in
at full power, both at the home's tariff and its grid's marginal carbon. Energy that it did not draw at all is no
saving: the difference counts at the stay's own mean price.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.db.models import Count, DateTimeField, ExpressionWrapper, F, Q, Sum

from accounts.models import User
from foundation.statements import OnceValues
from grid.arrays.slots import MAX_HORIZON, SLOT, Slots
from grid.flows.prices.pricebook import PriceBook
from grid.metering.baselines import charging_window
from grid.metering.cases import Car, Reading, Stay, Window
from grid.metering.energy import net_energy
from grid.models import Site, StaySaving
from grid.planner.problem import Floats
from vehicles.models import ChargeReading, PlugSession, Vehicle

LOOKED_BACK = timedelta(days=30)
# Late readings have come by then; what ended longer ago than the second was there before stays were weighed.
WEIGHED_AFTER, FORGOTTEN_AFTER = timedelta(hours=1), timedelta(days=35)
MOST_READINGS = 500
HOUR = timedelta(hours=1)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Worth:
    """The last thirty days: saved on the bill, kept out of the air (g; None = unknown), over how many stays."""

    saved_minor: int
    currency: str
    saved_g: int | None
    stays: int
    unknown: int

    @property
    def saved_kg(self) -> str | None:
        """The CO2 in kg, for a reader."""
        return None if self.saved_g is None else f"{self.saved_g / 1000:.1f}"


def worth_of(*, owner: User, now: datetime) -> Worth | None:
    """Return what the owner's cars saved in the last thirty days, or None where no stay at home was weighed in them.

    Stays of which too little was read are counted as unknown and save nothing.
    """
    sums = {currency: rest for currency, *rest in _LATELY.of(owner.pk, at=now)}
    if owner.currency not in sums:
        return None
    stays, known, with_carbon, micros, grams = sums[owner.currency]
    return Worth(
        saved_minor=round((micros or 0) / 10_000),
        currency=owner.currency,
        saved_g=grams if known and with_carbon == known else None,
        stays=known,
        unknown=stays - known,
    )


# By currency; a stay counts until thirty days after its end.
_LATELY = OnceValues(
    lambda owner, at: (
        StaySaving.objects.filter(plug_session__vehicle__owner=owner, plug_session__unplugged_at__lte=at)
        .annotate(counts_until=ExpressionWrapper(F("plug_session__unplugged_at") + LOOKED_BACK, DateTimeField()))
        .filter(counts_until__gte=at)
        .order_by()
        .values_list("currency")
        .annotate(
            stays=Count("pk"),
            known=Count("pk", filter=Q(is_known=True)),
            with_carbon=Count("pk", filter=Q(saved_g__isnull=False)),
            micros=Sum("saved_micros"),
            grams=Sum("saved_g"),
        )
    )
)


def weigh_due_stays(*, now: datetime, limit: int) -> int:
    """Work out what each stay at home saved that ended over an hour ago, once; returns how many were weighed."""
    due = PlugSession.objects.filter(
        is_at_home=True,
        unplugged_at__gt=now - FORGOTTEN_AFTER,
        unplugged_at__lte=now - WEIGHED_AFTER,
        saving__isnull=True,
    ).select_related("vehicle")
    sessions = list(due.order_by("unplugged_at")[:limit])
    owners = {session.vehicle.owner_id for session in sessions}
    sites = Site.objects.filter(owner__in=owners).select_related("tariff__utility", "tariff__carbon_feed")
    by_owner, book = {site.owner_id: site for site in sites}, PriceBook()
    weighed = 0
    for session in sessions:
        site = by_owner.get(session.vehicle.owner_id)
        try:
            values = _weighed(session, site, book)
        except Exception:
            logger.exception("stay %s could not be weighed", session.pk)
            values = {"is_known": False, "currency": site.tariff.utility.currency if site else ""}
        weighed += StaySaving.objects.get_or_create(plug_session=session, defaults={**values, "weighed_at": now})[1]
    return weighed


def _weighed(session: PlugSession, site: Site | None, book: PriceBook) -> dict[str, Any]:
    if site is None:
        return {"is_known": False, "currency": ""}
    currency = site.tariff.utility.currency
    found = _of_stay(session, site, book)
    if found is None:
        return {"is_known": False, "currency": currency}
    known: dict[str, Any] = {
        "is_known": True,
        "currency": currency,
        "drawn_wh": round(1000 * found.drawn_kwh),
        "saved_micros": round(1_000_000 * found.money),
    }
    if found.saved_kg is None or found.drawn_kg is None:
        return known
    carbon = {"drawn_g": round(1000 * found.drawn_kg), "saved_g": round(1000 * found.saved_kg)}
    return {**known, **carbon, "carbon_feed": site.tariff.carbon_feed}


@dataclass(frozen=True)
class _Found:
    """One stay: energy drawn, currency saved, and its CO2 where the rates are known."""

    drawn_kwh: float
    money: float
    drawn_kg: float | None = None
    saved_kg: float | None = None


def _of_stay(session: PlugSession, site: Site, book: PriceBook) -> _Found | None:
    """Return what one stay saved; None where too little was read."""
    car = _car(session.vehicle, site)
    stay = Stay(session.plugged_in_at, session.unplugged_at, session.soc_percent, session.limit_percent)
    slots = _slots(stay)
    if slots is None:
        return None
    readings = _readings(session)
    actual = [net_energy(readings=readings, window=window, car=car).net_wh for window in _windows(slots, stay)]
    if any(wh is None for wh in actual):
        return None
    charging = charging_window(stay=stay, car=car)
    left_alone = [
        car.power_w * Fraction((shared.ends_at - shared.starts_at) / HOUR) if shared else Fraction(0)
        for shared in (charging.clip(window) for window in _windows(slots, stay))
    ]
    drawn = [float(wh) / 1000 for wh in actual if wh is not None]
    alone = [float(wh) / 1000 for wh in left_alone]
    prices = book.of(site.tariff, slots, month_kwh=site.month_kwh)
    money = _saved(alone, drawn, imports=prices.imports, exports=prices.exports)
    if not prices.is_carbon_known:
        return _Found(sum(drawn), money)
    saved_kg = _saved(alone, drawn, imports=prices.carbon, exports=prices.carbon)
    drawn_kg = sum(kwh * float(rate) for kwh, rate in zip(drawn, prices.carbon, strict=True))
    return _Found(sum(drawn), money, drawn_kg, saved_kg)


def _saved(alone: list[float], drawn: list[float], *, imports: Floats, exports: Floats) -> float:
    cost_alone, cost_drawn = (
        sum(kwh * float(paid if kwh >= 0 else got) for kwh, paid, got in zip(series, imports, exports, strict=True))
        for series in (alone, drawn)
    )
    total_alone, total_drawn = sum(alone), sum(drawn)
    mean = cost_drawn / total_drawn if total_drawn > 0 else (cost_alone / total_alone if total_alone else 0.0)
    return cost_alone - cost_drawn - (total_alone - total_drawn) * mean


def _car(vehicle: Vehicle, site: Site) -> Car:
    power_w = min(vehicle.max_charge_w, site.evse_max_charge_w)
    return Car(vehicle.capacity_wh, Decimal(vehicle.charge_efficiency), power_w)


def _slots(stay: Stay) -> Slots | None:
    assert stay.unplugged_at is not None
    begins_at = stay.plugged_in_at.replace(minute=stay.plugged_in_at.minute // 15 * 15, second=0, microsecond=0)
    if stay.unplugged_at - begins_at > MAX_HORIZON:
        return None
    return Slots(begins_at, -((begins_at - stay.unplugged_at) // SLOT))


def _windows(slots: Slots, stay: Stay) -> Iterator[Window]:
    assert stay.unplugged_at is not None
    for index in range(slots.count):
        starts_at = max(slots.start_of(index), stay.plugged_in_at)
        ends_at = min(slots.start_of(index + 1), stay.unplugged_at)
        yield Window(starts_at, max(starts_at, ends_at))


def _readings(session: PlugSession) -> list[Reading]:
    assert session.unplugged_at is not None
    rows = ChargeReading.objects.filter(
        vehicle=session.vehicle_id,
        observed_at__gte=session.plugged_in_at - HOUR,
        observed_at__lte=session.unplugged_at + HOUR,
    )
    values = rows.order_by("observed_at").values_list("observed_at", "soc_percent", "imported_wh", "exported_wh")
    return [Reading(*one) for one in values[:MOST_READINGS]]
