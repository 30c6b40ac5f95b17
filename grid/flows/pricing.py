"""A tariff row and its feeds become prices and carbon, slot by slot."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from grid.flows.feeds import values_between
from grid.models import Tariff
from grid.tariffs import Rates, export_prices, import_prices, parse_periods


@dataclass(frozen=True)
class SlotPrices:
    """What a kWh costs, earns and emits in each slot, in millionths; None where it is not known."""

    import_micros: list[int | None]
    export_micros: list[int]
    carbon_micros: list[int | None]


def rates_of(tariff: Tariff) -> Rates:
    """Return the tariff's numbers, in its utility's time zone; raises ValueError for periods that make no sense."""
    return Rates(
        kind=tariff.kind,
        zone=tariff.utility.zone,
        flat_micros_per_kwh=tariff.flat_rate_micros_per_kwh,
        periods=parse_periods(tariff.periods),
        delivery_micros_per_kwh=tariff.delivery_micros_per_kwh,
        export_micros_per_kwh=tariff.export_rate_micros_per_kwh,
    )


def prices_between(*, tariff: Tariff, starts_at: datetime, slot_minutes: int, slot_count: int) -> SlotPrices:
    """Return import and export prices (micro-currency/kWh) and marginal carbon (mg/kWh) of each slot.

    `starts_at` lies on a quarter hour. Carbon is None throughout where the tariff names no carbon feed.
    """
    ends_at = starts_at + timedelta(minutes=slot_minutes) * slot_count
    market: list[int | None] = []
    if tariff.kind == Tariff.Kind.MARKET and tariff.price_feed is not None:
        market = values_between(feed=tariff.price_feed, starts_at=starts_at, ends_at=ends_at, slot_minutes=slot_minutes)
    carbon: list[int | None] = [None] * slot_count
    if tariff.carbon_feed is not None:
        carbon = values_between(
            feed=tariff.carbon_feed, starts_at=starts_at, ends_at=ends_at, slot_minutes=slot_minutes
        )
    rates = rates_of(tariff)
    return SlotPrices(
        import_prices(
            rates, starts_at=starts_at, slot_minutes=slot_minutes, slot_count=slot_count, market_micros=market
        ),
        export_prices(rates, slot_count=slot_count),
        carbon,
    )
