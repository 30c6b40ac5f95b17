"""One car's planning problem: read from a JSON object as docs/planner-format.md fixes it, checked, in kWh."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

MAX_SLOTS = 20_000  # more than a month of 5-minute slots; beyond that a line is a mistake, not a plan
LARGEST = 1e9  # no price, power or energy of one car comes near; keeps every sum finite
SMALLEST = 1e-6  # likewise for what is divided by


class ProblemError(ValueError):
    """A problem that cannot be planned; `key` names what is wrong in it."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}")
        self.key = key


@dataclass(frozen=True, slots=True)
class Problem:
    """A checked problem: T slots, energies in kWh, powers in kW at the AC side, prices in currency/kWh."""

    id: str
    slot_hours: float
    import_price: Floats
    export_price: Floats
    carbon: Floats
    carbon_price: float
    adder: Floats
    plugged: Bytes
    trip_kwh: Floats
    capacity_kwh: float
    start_kwh: float
    max_charge_kw: float
    max_discharge_kw: float
    charge_efficiency: float
    discharge_efficiency: float
    wear_per_kwh: float
    minimum_kwh: float
    reserve_kwh: float
    max_kwh: float
    targets: tuple[tuple[int, float], ...]
    terminal_value_per_kwh: float
    tie_rank: Floats | None

    @property
    def slots(self) -> int:
        """Number of slots T."""
        return len(self.import_price)

    @property
    def buy(self) -> Floats:
        """What a kWh drawn costs in each slot: energy, carbon and adder."""
        return self.import_price + self.carbon_price * self.carbon + self.adder

    @property
    def sell(self) -> Floats:
        """What a kWh delivered brings in each slot, before wear: energy, carbon and adder."""
        return self.export_price + self.carbon_price * self.carbon + self.adder


def read_problem(raw: object) -> Problem:
    """Check a JSON object against the format and return it in kWh.

    Raises:
        ProblemError: naming the first key that is missing, of the wrong kind or out of range.
    """
    if not isinstance(raw, Mapping):
        raise ProblemError("line", "is no JSON object")
    name = raw.get("id")
    if not isinstance(name, str):
        raise ProblemError("id", "is missing" if "id" not in raw else "is no string")
    minutes = _number(raw, "slot_minutes", above=0.0, low=SMALLEST, top=1440.0)
    imports = _series(raw, "import_price", None)
    slots = len(imports)
    plugged = _plugged(raw, slots)
    capacity = _number(raw, "capacity_kwh", above=0.0, low=SMALLEST)
    minimum = _number(raw, "minimum_percent", default=0.0, low=0.0, top=100.0)
    reserve = _number(raw, "reserve_percent", default=minimum, low=0.0, top=100.0)
    if reserve < minimum:
        raise ProblemError("reserve_percent", f"{reserve:g} is below minimum_percent {minimum:g}")
    discharge = _number(raw, "max_discharge_kw", low=0.0)
    return Problem(
        id=name,
        slot_hours=minutes / 60.0,
        import_price=imports,
        export_price=_series(raw, "export_price", slots),
        carbon=_series(raw, "carbon_kg_per_kwh", slots, optional=True),
        carbon_price=_number(raw, "carbon_price", default=0.0),
        adder=_series(raw, "adder", slots, optional=True),
        plugged=plugged,
        trip_kwh=_trips(raw, plugged),
        capacity_kwh=capacity,
        start_kwh=_number(raw, "soc_percent", low=0.0, top=100.0) / 100.0 * capacity,
        max_charge_kw=_number(raw, "max_charge_kw", low=0.0),
        max_discharge_kw=discharge,
        charge_efficiency=_number(raw, "charge_efficiency", above=0.0, low=SMALLEST, top=1.0),
        discharge_efficiency=_number(raw, "discharge_efficiency", above=0.0, low=SMALLEST, top=1.0),
        wear_per_kwh=_number(raw, "wear_per_kwh", low=0.0),
        minimum_kwh=minimum / 100.0 * capacity,
        reserve_kwh=reserve / 100.0 * capacity,
        max_kwh=_number(raw, "max_percent", default=100.0, low=0.0, top=100.0) / 100.0 * capacity,
        targets=_targets(raw, slots, capacity),
        terminal_value_per_kwh=_number(raw, "terminal_value_per_kwh", default=None if discharge > 0.0 else 0.0),
        tie_rank=_series(raw, "tie_rank", slots) if raw.get("tie_rank") is not None else None,
    )


def _number(
    raw: Mapping[str, object],
    key: str,
    *,
    default: float | None = None,
    low: float = -LARGEST,
    above: float | None = None,
    top: float = LARGEST,
) -> float:
    value = raw.get(key)
    if value is None:
        if key in raw or default is None:
            raise ProblemError(key, "is null" if key in raw else "is missing")
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ProblemError(key, "is no number")
    if not -LARGEST <= value <= LARGEST:  # false for NaN, and safe for integers too long for a float
        raise ProblemError(key, "is not finite or beyond 1e9")
    number = float(value)
    if above is not None and number <= above:
        raise ProblemError(key, f"{number:g} is not above {above:g}")
    if number < low or number > top:
        raise ProblemError(key, f"{number:g} is not between {low:g} and {top:g}")
    return number


def _series(raw: Mapping[str, object], key: str, slots: int | None, *, optional: bool = False) -> Floats:
    value = raw.get(key)
    if value is None and optional and slots is not None and key not in raw:
        return np.zeros(slots)
    if value is None:
        raise ProblemError(key, "is null" if key in raw else "is missing")
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise ProblemError(key, "is no list of numbers")
    if slots is not None and len(value) != slots:
        raise ProblemError(key, f"has {len(value)} values for {slots} slots")
    if not 0 < len(value) <= MAX_SLOTS:
        raise ProblemError(key, f"has {len(value)} values, not 1 to {MAX_SLOTS}")
    if not all(issubclass(kind, int | float) and kind is not bool for kind in set(map(type, value))):
        raise ProblemError(key, "holds something that is no number")
    for number in (min(value), max(value)):
        if not -LARGEST <= number <= LARGEST:
            raise ProblemError(key, "holds a number that is not finite or beyond 1e9")
    series = np.array(value, dtype=np.float64)
    if not np.isfinite(series).all():  # min() and max() may step over a NaN
        raise ProblemError(key, "holds a number that is not finite")
    return series


def _plugged(raw: Mapping[str, object], slots: int) -> Bytes:
    value = raw.get("plugged")
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        value = [int(flag) if isinstance(flag, bool) else flag for flag in value]
    flags = _series({"plugged": value} if "plugged" in raw else {}, "plugged", slots)
    if not np.isin(flags, (0.0, 1.0)).all():
        raise ProblemError("plugged", "holds something other than 0 and 1")
    return flags.astype(np.uint8)


def _trips(raw: Mapping[str, object], plugged: Bytes) -> Floats:
    trips = _series(raw, "trip_kwh", len(plugged), optional=True)
    if (trips < 0.0).any():
        raise ProblemError("trip_kwh", "holds a negative energy")
    if trips[plugged == 1].any():
        raise ProblemError("trip_kwh", "uses energy in a slot where the car is plugged in")
    return trips


def _targets(raw: Mapping[str, object], slots: int, capacity_kwh: float) -> tuple[tuple[int, float], ...]:
    value = raw.get("targets")
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise ProblemError("targets", "is missing" if "targets" not in raw else "is no list")
    targets = []
    for number, target in enumerate(value):
        key = f"targets[{number}]"
        if not isinstance(target, Mapping):
            raise ProblemError(key, "is no object with slot and soc_percent")
        slot = target.get("slot")
        if isinstance(slot, bool) or not isinstance(slot, int) or not 0 <= slot <= slots:
            raise ProblemError(f"{key}.slot", f"is no whole number from 0 to {slots}")
        try:
            percent = _number(target, "soc_percent", low=0.0, top=100.0)
        except ProblemError as error:
            raise ProblemError(f"{key}.soc_percent", str(error).split(": ", 1)[1]) from None
        targets.append((slot, percent / 100.0 * capacity_kwh))
    return tuple(targets)
