"""What a group of cars could have held or given back, hour by hour, from their recorded stays; no Django.

A car left alone charges from plug-in at full power until its limit: the same counterfactual as the settlement's
baseline `uncontrolled-at-plug-in`. What it would draw in an hour could have been held; what it could give back lasts
while it is plugged in, as far down as its reserve.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from grid.planner.problem import Floats

METHOD, VERSION = "recorded-stays-quantile", 1
HOUR = timedelta(hours=1)
QUANTILE_PERCENT = 10
FEWEST_DAYS = 5


@dataclass(frozen=True, slots=True)
class StayPast:
    """One stay at the home plug. Powers in W at the AC side, percent of `capacity_wh`; an open stay ends now."""

    plugged_in_at: datetime
    unplugged_at: datetime
    soc_percent: float
    limit_percent: float
    capacity_wh: int
    charge_efficiency: float
    charge_w: int
    discharge_w: int
    reserve_percent: float


def hours_of(stays: Sequence[StayPast], *, starts_at: datetime, hours: int) -> tuple[Floats, Floats]:
    """Return the mean W in each hour from `starts_at` that could be held, and that could be given back, [hours]."""
    hold, give = np.zeros(hours), np.zeros(hours)
    for stay in stays:
        _add(hold, starts_at, stay.plugged_in_at, _full_at(stay), stay.charge_w)
        if stay.discharge_w:
            _add(give, starts_at, stay.plugged_in_at, _empty_at(stay), stay.discharge_w)
    return hold, give


def _full_at(stay: StayPast) -> datetime:
    missing_wh = max(0.0, stay.limit_percent - stay.soc_percent) / 100 * stay.capacity_wh / stay.charge_efficiency
    return min(stay.unplugged_at, stay.plugged_in_at + HOUR * (missing_wh / stay.charge_w))


def _empty_at(stay: StayPast) -> datetime:
    """Return until when it could have given back from plug-in on; later it would have been charged again."""
    spare_wh = max(0.0, stay.soc_percent - stay.reserve_percent) / 100 * stay.capacity_wh
    return min(stay.unplugged_at, stay.plugged_in_at + HOUR * (spare_wh / stay.discharge_w))


def _add(out: Floats, origin: datetime, begins_at: datetime, ends_at: datetime, power_w: int) -> None:
    begin, end = (begins_at - origin) / HOUR, (ends_at - origin) / HOUR
    for place in range(max(0, int(begin)), min(len(out), int(np.ceil(end)))):
        out[place] += power_w * max(0.0, min(end, place + 1) - max(begin, place))


def low_quantile(values: Sequence[float], percent: int = QUANTILE_PERCENT) -> float:
    """Return the value that all but `percent` of the days reach: the lower of two neighbours, so never too much."""
    if not values:
        raise ValueError("Of no days there is no quantile.")
    return sorted(values)[int(len(values) * percent / 100)]
