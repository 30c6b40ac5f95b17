"""Prices and marginal carbon of the slots to plan, without gaps, each tariff read once for all cars of a sweep."""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from grid.arrays.problems import fill_gaps
from grid.arrays.slots import MAX_HORIZON, SLOT, SLOT_MINUTES, Slots
from grid.flows.prices.feeds import values_between
from grid.models import Feed, Tariff
from grid.planner.problem import Floats
from grid.rules.tariffs import Rates, export_prices, import_prices, parse_rates, slots_out_of_validity, tier_starts

# How far back a silent feed's last values are looked for, to be repeated by the hour of the day.
REPEAT_FROM = timedelta(days=3)
REPEAT_SLOTS = REPEAT_FROM // SLOT
UNKNOWN_PRICE_MICROS = 150_000
MICROS = 1_000_000


@dataclass(frozen=True)
class NightPrices:
    """Currency/kWh and kg/kWh a slot; `is_guessed` marks the slots whose price is not published yet.

    `told` names the tariff and how far its feeds were known, as the inside of a JSON object.
    """

    imports: Floats
    exports: Floats
    carbon: Floats
    is_guessed: NDArray[np.bool_]
    is_carbon_known: bool
    told: str = ""

    @cached_property
    def guessed(self) -> int:
        """How many slots have a guessed price."""
        return int(self.is_guessed.sum())

    def first(self, count: int) -> "NightPrices":
        """Return the prices of the first `count` slots."""
        series = (self.imports[:count], self.exports[:count], self.carbon[:count], self.is_guessed[:count])
        return NightPrices(*series, is_carbon_known=self.is_carbon_known, told=self.told)


@dataclass
class PriceBook:
    """Looks up prices for one sweep; a tariff is read and computed once, and cars of one horizon share its arrays."""

    _longest: dict[tuple[int, int | None, datetime], NightPrices] = field(default_factory=dict)
    _known: dict[tuple[int, int | None, Slots], NightPrices] = field(default_factory=dict)
    _tiers: dict[int, list[int]] = field(default_factory=dict)

    def of(self, tariff: Tariff, slots: Slots, *, month_kwh: int | None = None) -> NightPrices:
        """Return the tariff's prices in each slot; what is not known yet repeats the day before.

        `month_kwh` is what the home uses in a month where its owner said so; it decides the tier alone.
        """
        used = None if month_kwh is None else self._reached(tariff, month_kwh)
        key = (tariff.pk, used, slots)
        if key not in self._known:
            whole = (tariff.pk, used, slots.starts_at)
            if whole not in self._longest:
                self._longest[whole] = _look_up(tariff, Slots(slots.starts_at, MAX_HORIZON // SLOT), used)
            self._known[key] = self._longest[whole].first(slots.count)
        return self._known[key]

    def _reached(self, tariff: Tariff, month_kwh: int) -> int | None:
        """Return the use at which the home's tier begins, so that homes of one tier share prices; None: no tiers."""
        if tariff.pk not in self._tiers:
            self._tiers[tariff.pk] = sorted(set().union(*map(tier_starts, [tariff.rules, *tariff.other_versions])))
        starts = self._tiers[tariff.pk]
        return max([one for one in starts if one <= month_kwh], default=0) if starts else None


def rates_of(tariff: Tariff, *, month_kwh: int | None = None) -> Rates:
    """Return all versions of a tariff as numbers; raises ValueError where a rule makes no sense."""
    zone, own = tariff.utility.zone, {} if month_kwh is None else {"month_kwh": month_kwh}
    others = tuple(parse_rates({**record, **own}, zone=zone) for record in tariff.other_versions)
    return replace(parse_rates({**tariff.rules, **own}, zone=zone), others=others)


def _look_up(tariff: Tariff, slots: Slots, month_kwh: int | None) -> NightPrices:
    rates = rates_of(tariff, month_kwh=month_kwh)
    known = _import_prices(rates, slots, tuple(_values(tariff.price_feed, slots)) if tariff.price_feed else ())
    default = tariff.flat_rate_micros_per_kwh or UNKNOWN_PRICE_MICROS
    imports, _ = fill_gaps(known, wanted=slots.count, default=default)
    known_carbon = _values(tariff.carbon_feed, slots)
    carbon, _ = fill_gaps(known_carbon, wanted=slots.count, default=0)
    begins_at, count = slots.starts_at, slots.count
    exports = export_prices(rates, starts_at=begins_at, slot_minutes=SLOT_MINUTES, slot_count=count)
    outside = slots_out_of_validity(rates, starts_at=begins_at, slot_minutes=SLOT_MINUTES, slot_count=count)
    return NightPrices(
        imports=_units(imports),
        exports=_units(exports),
        carbon=_units(carbon),
        is_guessed=np.array([value is None for value in known[REPEAT_SLOTS:]]) | np.array(outside),
        is_carbon_known=any(value is not None for value in known_carbon),
        told=_told(tariff, rates, slots, month_kwh),
    )


def _told(tariff: Tariff, rates: Rates, slots: Slots, month_kwh: int | None) -> str:
    feeds = (("price", tariff.price_feed), ("carbon", tariff.carbon_feed))
    known_until = {
        name: feed.latest_ends_at.isoformat()
        for name, feed in feeds
        if feed is not None and feed.latest_ends_at is not None
    }
    version = rates.version_on(slots.starts_at.astimezone(rates.zone).date()).version
    told = {
        "tariff": tariff.slug,
        "tariff_version": version,
        "currency": tariff.utility.currency,
        "feeds_known_until": known_until,
    } | ({} if month_kwh is None else {"tier_from_kwh": month_kwh})
    return json.dumps(told)[1:-1]


@lru_cache(maxsize=1024)
def _import_prices(rates: Rates, slots: Slots, market_micros: tuple[int | None, ...]) -> list[int | None]:
    # The rules of a tariff give the same prices until the next quarter hour, however many sweeps there are.
    return import_prices(
        rates,
        starts_at=slots.starts_at - REPEAT_FROM,
        slot_minutes=SLOT_MINUTES,
        slot_count=REPEAT_SLOTS + slots.count,
        market_micros=market_micros,
    )


def _values(feed: Feed | None, slots: Slots) -> list[int | None]:
    if feed is None:
        return [None] * (REPEAT_SLOTS + slots.count)
    return values_between(
        feed=feed, starts_at=slots.starts_at - REPEAT_FROM, ends_at=slots.ends_at, slot_minutes=SLOT_MINUTES
    )


def _units(micros: list[int]) -> Floats:
    return np.array(micros, dtype=np.float64) / MICROS
