"""What one car's plan says of a span of time ahead, and what it would do if it were left alone; no Django.

Powers are kW at the AC side, means over the span, positive into the car. What it would do alone is as the plan
was made with, else the plan itself. A plan that does not reach over the whole span says nothing of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

FULL = 0.05  # percent below the limit from which a car is full


@dataclass(frozen=True)
class Outlook:
    """One car, or several added up. `up_kw` is how much less it could take than planned, `down_kw` how much more.

    `give_kw` is the most it could give back while its charge is above the reserve, `charge_kw` the most it could take,
    `spare_kwh` what lies above the reserve at the span's start; `stored_kwh` of `capacity_kwh` is its charge then.
    """

    power_kw: float = 0.0
    baseline_kw: float = 0.0
    up_kw: float = 0.0
    down_kw: float = 0.0
    give_kw: float = 0.0
    charge_kw: float = 0.0
    spare_kwh: float = 0.0
    stored_kwh: float = 0.0
    capacity_kwh: float = 0.0

    def __add__(self, other: "Outlook") -> "Outlook":
        return Outlook(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    def times(self, count: float) -> "Outlook":
        """Return the outlook of so many of its kind."""
        return Outlook(**{name: value * count for name, value in vars(self).items()})


class PlanAhead:
    """One plan, laid out so that spans of it can be asked for. `problem` and `solution` as docs/planner-format.md."""

    def __init__(
        self,
        *,
        starts_at: datetime,
        slot: timedelta,
        problem: Mapping[str, Any],
        solution: Mapping[str, Any],
        baseline_kw: Sequence[float] | None = None,
    ) -> None:
        self.starts_at, self.slot, self.problem = starts_at, slot, problem
        self.power = np.asarray(solution["power_kw"], dtype=np.float64)
        self.soc = np.asarray(solution["soc_percent"], dtype=np.float64)
        self.plugged = np.asarray(problem["plugged"], dtype=np.float64)
        begins = self.soc[: len(self.power)]
        self.give = np.where(begins > problem["reserve_percent"], problem["max_discharge_kw"], 0.0) * self.plugged
        self.charge = np.where(begins < problem["max_percent"] - FULL, problem["max_charge_kw"], 0.0) * self.plugged
        self.alone = None if baseline_kw is None else np.asarray(baseline_kw, dtype=np.float64)

    def over(self, starts_at: datetime, ends_at: datetime) -> Outlook | None:
        """Return what the plan says of `[starts_at, ends_at)`; None where it does not reach over all of it."""
        begin, end = (starts_at - self.starts_at) / self.slot, (ends_at - self.starts_at) / self.slot
        if begin < 0 or end > len(self.power) or end <= begin:
            return None
        places = np.arange(len(self.power))
        shares = np.clip(np.minimum(places + 1, end) - np.maximum(places, begin), 0.0, 1.0) / (end - begin)
        power, give, charge = (float(shares @ series) for series in (self.power, self.give, self.charge))
        soc = float(np.interp(begin, np.arange(len(self.soc)), self.soc))
        capacity = float(self.problem["capacity_kwh"])
        return Outlook(
            power_kw=power,
            baseline_kw=power if self.alone is None else float(shares @ self.alone[: len(shares)]),
            up_kw=max(0.0, power + give),
            down_kw=max(0.0, charge - power),
            give_kw=give,
            charge_kw=charge,
            spare_kwh=max(0.0, soc - float(self.problem["reserve_percent"])) / 100 * capacity if give else 0.0,
            stored_kwh=soc / 100 * capacity,
            capacity_kwh=capacity,
        )
