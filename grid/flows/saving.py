"""What steering saved on the bill and kept out of the air: an estimate of its own, never mixed with what was earned.

For each finished stay at the home plug: what the car drew, beside what it would have drawn had it charged from plug-in
at full power, both at the home's tariff and its grid's marginal carbon. Energy that it did not draw at all is no
saving: the difference counts at the stay's own mean price.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from django.core.cache import cache

from accounts.models import User
from grid.flows.pricebook import PriceBook
from grid.metering.baselines import charging_window
from grid.metering.cases import Car, Reading, Stay, Window
from grid.metering.energy import net_energy
from grid.models import Site
from grid.planner.problem import Floats
from grid.slots import MAX_HORIZON, SLOT, Slots
from vehicles.models import ChargeReading, PlugSession, Vehicle

LOOKED_BACK = timedelta(days=30)
MOST_STAYS = 60
MOST_READINGS = 500
KEPT_SECONDS = 600
HOUR = timedelta(hours=1)


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
    """Return what the owner's cars saved in the last thirty days, or None without a home or finished stays.

    Looked up at most every ten minutes; stays of which too little was read are counted as unknown and save nothing.
    """
    key = f"worth:{owner.public_id}"
    found: Worth | None = cache.get(key)
    if found is None:
        found = _work_out(owner, now)
        cache.set(key, found, KEPT_SECONDS)
    return found


def _work_out(owner: User, now: datetime) -> Worth | None:
    site = Site.objects.filter(owner=owner).select_related("tariff__utility").first()
    rows = PlugSession.objects.filter(
        vehicle__owner=owner, is_at_home=True, unplugged_at__gte=now - LOOKED_BACK, unplugged_at__lte=now
    ).select_related("vehicle")
    sessions = list(rows.order_by("-unplugged_at")[:MOST_STAYS])
    if site is None or not sessions:
        return None
    book = PriceBook()
    worths = [_of_stay(session, site, book) for session in sessions]
    known = [worth for worth in worths if worth is not None]
    carbon = [grams for _, grams in known if grams is not None]
    return Worth(
        saved_minor=round(100 * sum(money for money, _ in known)),
        currency=site.tariff.utility.currency,
        saved_g=round(sum(carbon)) if known and len(carbon) == len(known) else None,
        stays=len(known),
        unknown=len(worths) - len(known),
    )


def _of_stay(session: PlugSession, site: Site, book: PriceBook) -> tuple[float, float | None] | None:
    """Return what one stay saved, in currency and in grams of CO2; None where too little was read."""
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
    prices = book.of(site.tariff, slots)
    money = _saved(alone, drawn, imports=prices.imports, exports=prices.exports)
    if not prices.is_carbon_known:
        return money, None
    return money, 1000 * _saved(alone, drawn, imports=prices.carbon, exports=prices.carbon)


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
