"""A car of round numbers in an event from 18:00 to 20:00 UTC, for settlement tests."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from grid.metering.cases import Car, Case, Reading, Stay, Window

MIDNIGHT = datetime(2026, 11, 18, tzinfo=UTC)
EVENT = Window(MIDNIGHT + timedelta(hours=18), MIDNIGHT + timedelta(hours=20))
CAR = Car(capacity_wh=90_000, charge_efficiency=Decimal("0.900"), power_w=10_000)


def at(clock: str) -> datetime:
    """Return the instant of the day's "HH:MM" in UTC."""
    hour, minute = clock.split(":")
    return MIDNIGHT + timedelta(hours=int(hour), minutes=int(minute))


def stay(plugged_in: str = "17:00", soc: str = "50", limit: str = "90", unplugged: str | None = None) -> Stay:
    """Return a stay; by default one that would charge 40 kWh (10 kW for 4 h) from 17:00."""
    return Stay(at(plugged_in), at(unplugged) if unplugged else None, Decimal(soc), Decimal(limit))


def meter(clock: str, imported: int, exported: int = 0, soc: str | None = None) -> Reading:
    """Return a reading with meters."""
    return Reading(at(clock), Decimal(soc) if soc else None, imported, exported)


def seen(clock: str, soc: str | None) -> Reading:
    """Return a reading without meters."""
    return Reading(at(clock), Decimal(soc) if soc else None)


def case(*readings: Reading, kind: str = "hold", stays: tuple[Stay, ...] | None = None, **changes: Any) -> Case:
    """Return a case that pays 1.00 USD per kWh."""
    return Case(
        **{
            "kind": kind,
            "event": EVENT,
            "car": CAR,
            "stays": (stay(),) if stays is None else stays,
            "readings": readings,
            "method": "uncontrolled-at-plug-in",
            "method_version": 1,
            "rate_micros_per_kwh": 1_000_000,
            "currency": "USD",
            **changes,
        }
    )
