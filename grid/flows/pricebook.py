"""Prices and marginal carbon of the slots to plan, without gaps, each tariff read once for all cars of a sweep."""

from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

from grid.flows.feeds import values_between
from grid.models import Feed, Tariff
from grid.problems import SLOT, SLOT_MINUTES, Slots, fill_gaps
from grid.tariffs import Rates, export_prices, import_prices, parse_periods

# How far back a silent feed's last values are looked for, to be repeated by the hour of the day.
REPEAT_FROM = timedelta(days=3)
REPEAT_SLOTS = REPEAT_FROM // SLOT
UNKNOWN_PRICE_MICROS = 150_000
MICROS = 1_000_000


@dataclass(frozen=True)
class NightPrices:
    """Currency/kWh and kg/kWh a slot; `guessed` counts the slots whose price is not published yet."""

    imports: tuple[float, ...]
    exports: tuple[float, ...]
    carbon: tuple[float, ...]
    guessed: int
    is_carbon_known: bool


@dataclass
class PriceBook:
    """Looks up prices for one sweep; the same tariff and slots are read and computed once."""

    _known: dict[tuple[int, Slots], NightPrices] = field(default_factory=dict)

    def of(self, tariff: Tariff, slots: Slots) -> NightPrices:
        """Return the tariff's prices in each slot; what is not known yet repeats the day before."""
        key = (tariff.pk, slots)
        if key not in self._known:
            self._known[key] = _look_up(tariff, slots)
        return self._known[key]


def _look_up(tariff: Tariff, slots: Slots) -> NightPrices:
    rates = Rates(
        kind=tariff.kind,
        zone=ZoneInfo(tariff.utility.time_zone),
        flat_micros_per_kwh=tariff.flat_rate_micros_per_kwh,
        periods=parse_periods(tariff.periods),
        delivery_micros_per_kwh=tariff.delivery_micros_per_kwh,
        export_micros_per_kwh=tariff.export_rate_micros_per_kwh,
    )
    known = import_prices(
        rates,
        starts_at=slots.starts_at - REPEAT_FROM,
        slot_minutes=SLOT_MINUTES,
        slot_count=REPEAT_SLOTS + slots.count,
        market_micros=_values(tariff.price_feed, slots) if tariff.kind == Tariff.Kind.MARKET else (),
    )
    default = tariff.flat_rate_micros_per_kwh or UNKNOWN_PRICE_MICROS
    imports, guessed = fill_gaps(known, wanted=slots.count, default=default)
    known_carbon = _values(tariff.carbon_feed, slots)
    carbon, _ = fill_gaps(known_carbon, wanted=slots.count, default=0)
    return NightPrices(
        imports=_units(imports),
        exports=_units(export_prices(rates, slot_count=slots.count)),
        carbon=_units(carbon),
        guessed=guessed,
        is_carbon_known=any(value is not None for value in known_carbon),
    )


def _values(feed: Feed | None, slots: Slots) -> list[int | None]:
    if feed is None:
        return [None] * (REPEAT_SLOTS + slots.count)
    return values_between(
        feed=feed, starts_at=slots.starts_at - REPEAT_FROM, ends_at=slots.ends_at, slot_minutes=SLOT_MINUTES
    )


def _units(micros: list[int]) -> tuple[float, ...]:
    return tuple(value / MICROS for value in micros)
