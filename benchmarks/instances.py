"""Seeded planning problems in the format of docs/planner-format.md, by family; used by the benchmarks and the tests."""

from collections.abc import Callable
from typing import Any

import numpy as np

Raw = dict[str, Any]
Random = np.random.Generator

CAPACITIES = (40.0, 52.0, 58.0, 64.0, 77.0, 82.0, 100.0)


def prices(rng: Random, slots: int, minutes: float, *, hourly: bool) -> tuple[list[float], list[float], list[float]]:
    """Import and export price and carbon of a day-ahead market from 16:00, stepped by the hour or by the slot."""
    hour = 16.0 + np.arange(slots) * minutes / 60.0
    if hourly:
        hour = np.floor(hour)
    day = hour % 24
    base = 0.24 + 0.09 * np.exp(-(((day - 19) / 2.2) ** 2)) + 0.06 * np.exp(-(((day - 8) / 1.8) ** 2))
    base -= 0.10 * np.exp(-(((day - 3) / 3.0) ** 2)) + 0.09 * np.exp(-(((day - 13) / 2.5) ** 2))
    noise = rng.normal(0.0, 0.03, int(hour[-1]) + 2)[hour.astype(int)] if hourly else rng.normal(0.0, 0.03, slots)
    buy = base + noise
    carbon = 0.25 + 0.12 * np.cos((hour - 19) / 12 * np.pi) + (0.0 if hourly else rng.normal(0.0, 0.01, slots))
    return buy.tolist(), (0.92 * buy - 0.01).tolist(), np.clip(carbon, 0.02, None).tolist()


def car(rng: Random, slots: int = 96, minutes: float = 15.0, *, v2g: bool = True, hourly: bool = False) -> Raw:
    """A car at home from 16:00 on: trips on most days, sometimes a late plug-in or a start below the reserve."""
    capacity = float(rng.choice(CAPACITIES) * rng.uniform(0.9, 1.0))
    charge = float(rng.choice([3.7, 7.4, 11.0, 22.0], p=[0.1, 0.45, 0.4, 0.05]))
    floor = float(rng.choice([10.0, 15.0, 20.0, 30.0]))
    buy, sell, carbon = prices(rng, slots, minutes, hourly=hourly)
    raw: Raw = {
        "id": f"car-{int(rng.integers(1_000_000_000))}",
        "slot_minutes": minutes,
        "import_price": buy,
        "export_price": sell,
        "carbon_kg_per_kwh": carbon,
        "carbon_price": 0.08,
        "plugged": [1] * slots,
        "trip_kwh": [0.0] * slots,
        "capacity_kwh": capacity,
        "soc_percent": float(rng.uniform(12.0, 85.0)),
        "max_charge_kw": charge,
        "max_discharge_kw": min(charge, float(rng.choice([5.0, 7.4, 10.0, 11.0]))) if v2g else 0.0,
        "charge_efficiency": float(rng.uniform(0.88, 0.96)),
        "discharge_efficiency": float(rng.uniform(0.88, 0.96)),
        "wear_per_kwh": float(rng.uniform(0.02, 0.06)),
        "minimum_percent": floor,
        "reserve_percent": floor,
        "max_percent": float(rng.choice([80.0, 90.0, 100.0])),
        "targets": [],
        "terminal_value_per_kwh": 0.0,
    }
    _drive(rng, raw)
    raw["targets"].append({"slot": slots, "soc_percent": min(raw["max_percent"], 50.0)})
    return raw


def _drive(rng: Random, raw: Raw) -> None:
    slots, hours = len(raw["plugged"]), raw["slot_minutes"] / 60.0
    for day in range(int(np.ceil(slots * hours / 24.0)) + 1):
        if rng.random() < 0.12:
            continue  # stays at home that day
        leaves = round((float(rng.normal(7.5, 1.0)) + 24 * (day + 1) - 16) / hours)
        returns = leaves + round(abs(float(rng.normal(9.0, 2.0))) / hours)
        if not 0 < leaves < slots:
            continue
        kwh = min(float(np.clip(rng.gamma(3.0, 18.0), 5.0, 260.0)) * 0.18, raw["capacity_kwh"] * 0.8)
        _away(raw, leaves, returns, kwh)
        wanted = max(raw["reserve_percent"] + kwh / raw["capacity_kwh"] * 100.0, float(rng.choice([50, 70, 80, 90])))
        raw["targets"].append({"slot": leaves, "soc_percent": min(wanted, 100.0)})
        if rng.random() < 0.25:  # a short evening errand
            out = min(returns + int(rng.integers(2, 8)), slots - 1)
            _away(raw, out, out + int(rng.integers(2, 10)), float(rng.uniform(1.0, 6.0)))
    if rng.random() < 0.25:  # plugged in late today
        late = int(rng.integers(1, max(2, int(4 / hours))))
        raw["plugged"][:late] = [0] * min(late, slots)


def _away(raw: Raw, begin: int, end: int, kwh: float) -> None:
    end = max(min(end, len(raw["plugged"])), begin + 1)
    raw["plugged"][begin:end] = [0] * (end - begin)
    raw["trip_kwh"][begin] += kwh


def plain(rng: Random, slots: int, minutes: float, *, v2g: bool) -> Raw:
    """Every slot its own price."""
    return car(rng, slots, minutes, v2g=v2g)


def hourly(rng: Random, slots: int, minutes: float, *, v2g: bool) -> Raw:
    """Prices stepped by the hour: equal slopes."""
    return car(rng, slots, minutes, v2g=v2g, hourly=True)


def two_tariffs(rng: Random, slots: int, minutes: float, *, v2g: bool) -> Raw:
    """A dear and a cheap price only: ties all over."""
    raw = car(rng, slots, minutes, v2g=v2g)
    buy = np.where(np.array(raw["import_price"]) > 0.2, 0.31, 0.12)
    return raw | {"import_price": buy.tolist(), "export_price": buy.tolist(), "carbon_price": 0.0}


def terminal(rng: Random, slots: int, minutes: float, *, v2g: bool) -> Raw:
    """What is left at the end has a value."""
    return car(rng, slots, minutes, v2g=v2g) | {"terminal_value_per_kwh": float(rng.uniform(-0.1, 0.4))}


def negative(rng: Random, slots: int, minutes: float, *, v2g: bool) -> Raw:
    """A day mostly below zero, with enough wear that both ways at once never pays."""
    raw = car(rng, slots, minutes, v2g=v2g)
    buy = np.array(raw["import_price"]) - 0.22
    return raw | {"import_price": buy.tolist(), "export_price": (buy - 0.01).tolist(), "wear_per_kwh": 0.09}


def out_of_reach(rng: Random, slots: int, minutes: float, *, v2g: bool) -> Raw:
    """Targets no car could make, and some above what it may charge to."""
    raw = car(rng, slots, minutes, v2g=v2g) | {"soc_percent": float(rng.uniform(0.0, 15.0))}
    for slot in rng.integers(0, slots + 1, 3).tolist():
        raw["targets"].append({"slot": slot, "soc_percent": float(rng.uniform(50.0, 100.0))})
    return raw | {"max_charge_kw": float(rng.uniform(0.0, 4.0))}


def outside_band(rng: Random, slots: int, minutes: float, *, v2g: bool) -> Raw:
    """Arrives above the maximum or below the minimum."""
    raw = car(rng, slots, minutes, v2g=v2g)
    if rng.random() < 0.5:
        return raw | {"max_percent": 70.0, "soc_percent": float(rng.uniform(70.0, 100.0))}
    return raw | {"minimum_percent": 35.0, "reserve_percent": 35.0, "soc_percent": float(rng.uniform(0.0, 35.0))}


def event(rng: Random, slots: int, minutes: float, *, v2g: bool) -> Raw:
    """A reward for delivering, or for drawing, over some hours."""
    raw = terminal(rng, slots, minutes, v2g=v2g)
    begin, length = int(rng.integers(0, slots)), int(rng.integers(1, 1 + slots // 6))
    reward = float(rng.choice([0.05, 0.3, 2.0, -0.08]))
    return raw | {"adder": [reward if begin <= t < begin + length else 0.0 for t in range(slots)]}


def many_trips(rng: Random, slots: int, minutes: float, *, v2g: bool) -> Raw:
    """In and out all day, with targets here and there."""
    raw = car(rng, slots, minutes, v2g=v2g) | {"targets": []}
    for _ in range(int(rng.integers(3, 8))):
        begin = int(rng.integers(0, slots))
        _away(raw, begin, begin + int(rng.integers(1, 8)), float(rng.uniform(0.0, raw["capacity_kwh"] / 5)))
        raw["targets"].append({"slot": begin, "soc_percent": float(rng.uniform(10.0, 100.0))})
    return raw


def reserve_above_minimum(rng: Random, slots: int, minutes: float, *, v2g: bool) -> Raw:
    """Starts at or above a reserve that is above the minimum, and does not drive."""
    raw = terminal(rng, slots, minutes, v2g=v2g) | {"trip_kwh": [0.0] * slots, "minimum_percent": 10.0}
    return raw | {"reserve_percent": 40.0, "soc_percent": float(rng.uniform(40.0, 100.0))}


def rich_export(rng: Random, slots: int, minutes: float, *, v2g: bool = True) -> Raw:
    """Some hours whose export price is above the import price: both ways at once would pay."""
    raw = terminal(rng, slots, minutes, v2g=v2g)
    begin, length = int(rng.integers(0, slots)), int(rng.integers(1, 1 + slots // 4))
    rich = float(rng.choice([0.35, 0.5, 1.0, 2.0])) + rng.normal(0.0, 0.02, slots) * float(rng.integers(0, 2))
    sell = [rich[t] if begin <= t < begin + length else price for t, price in enumerate(raw["export_price"])]
    return raw | {"export_price": sell}


def paid_to_burn(rng: Random, slots: int, minutes: float, *, v2g: bool = True) -> Raw:
    """A day mostly below zero and no wear."""
    return negative(rng, slots, minutes, v2g=v2g) | {"wear_per_kwh": 0.0}


Family = Callable[..., Raw]
EXACT: dict[str, Family] = {
    family.__name__: family
    for family in (
        plain, hourly, two_tariffs, terminal, negative, out_of_reach, outside_band, event, many_trips,
        reserve_above_minimum,
    )
}  # fmt: skip
BOTH_AT_ONCE: dict[str, Family] = {family.__name__: family for family in (rich_export, paid_to_burn)}
