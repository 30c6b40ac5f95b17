"""What is known of a car before its owner is told of an event, kept with its part in it and never changed after.

The counterfactual of its stay and its weight in the group's shares rest on it: what the owner does once the event is
known (plugging in earlier, raising the limit, telling of a stronger charger) changes neither.
"""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from grid.flows.plans.cars import CarNow
from grid.flows.plans.departures import known_departures
from grid.flows.plans.habits import Habit, read_habit
from grid.metering.cases import Car, Stay, Window
from grid.metering.commitments import committed_wh
from grid.models import GridEvent

USUAL_LIMIT_PERCENT = 90  # of a car that never said its own
CENT = Decimal("0.01")
MAY_COME_WITHIN = timedelta(hours=1)  # a car that is late may come any minute


def freeze(car: CarNow, *, event: GridEvent, now: datetime) -> tuple[int, dict[str, Any]]:
    """Return what the car could shift in the event, in Wh, and what is known of it at `now`, as plain JSON.

    `from` says what it was counted by: `plug`, the stay under way; `usual`, when and how full it usually comes home;
    `unknown`, where nothing is known, which counts nothing. `stay` is the stay under way, `counted` what was counted.
    """
    habit = _habit(car)
    under_way = _stay_under_way(car)
    counted, source = under_way, "plug"
    if under_way is None or (leaves := _leaves_before(car, event, now)) is not None:
        counted, source = _usual_stay(car, habit, event, now, leaves if under_way is not None else None), "usual"
    limit = None if car.limit_percent is None else _percent(car.limit_percent)
    kept: dict[str, Any] = {
        "noticed_at": now.isoformat(), "from": source, "limit_percent": limit, "power_w": car.charge_w, "stay": None
    }  # fmt: skip
    if under_way is not None:
        kept["stay"] = _told(under_way)
    if counted is None or car.charge_w <= 0 or car.vehicle.capacity_wh <= 0:
        return 0, kept | {"from": "unknown", "counted": None}
    reserve = car.preference.reserve_soc_percent if car.preference is not None else 100
    discharge_w = car.discharge_w(now) if event.kind == GridEvent.Kind.DISCHARGE else 0
    committed = committed_wh(
        kind=event.kind,
        event=Window(event.starts_at, event.ends_at),
        car=Car(car.vehicle.capacity_wh, Decimal(car.vehicle.charge_efficiency), car.charge_w),
        stay=counted,
        discharge_w=discharge_w,
        reserve_percent=Fraction(reserve),
    )
    numbers = {"power_w": car.charge_w, "discharge_w": discharge_w, "reserve_percent": str(reserve)}
    return committed, kept | {"counted": _told(counted) | numbers}


def _habit(car: CarNow) -> Habit:
    kept = car.state.habit if car.state is not None else None
    return Habit() if kept is None else read_habit(kept if isinstance(kept, str) else json.dumps(kept))


def _stay_under_way(car: CarNow) -> Stay | None:
    session = car.session
    if session is None or not car.is_plugged_at_home:
        return None
    return Stay(session.plugged_in_at, None, session.soc_percent, session.limit_percent)


def _leaves_before(car: CarNow, event: GridEvent, now: datetime) -> datetime | None:
    """Return when the car leaves before the event and is not asked from the plug it is at; None where it does not."""
    before = [leaves_at for leaves_at in known_departures(car, now=now) if leaves_at < event.starts_at]
    return before[-1] if before else None


def _usual_stay(car: CarNow, habit: Habit, event: GridEvent, now: datetime, leaves_at: datetime | None) -> Stay | None:
    """Return the stay in which the car usually is at the plug by the event, with what it comes home with."""
    if car.soc_percent is None and car.limit_percent is None:
        return None
    limit = car.limit_percent if car.limit_percent is not None else float(USUAL_LIMIT_PERCENT)
    spent = 100 * habit.trip_share
    if leaves_at is None:
        leaves_at = _leaves_before(car, event, now)
    if leaves_at is not None:
        comes_at, soc = leaves_at + habit.away, limit - spent
    else:
        left_at = habit.unplugged_at or now
        comes_at = max(left_at + habit.away, now + MAY_COME_WITHIN)
        soc = car.soc_percent if car.soc_percent is not None else limit - spent
    return Stay(comes_at, None, Decimal(_percent(max(0.0, soc))), Decimal(_percent(limit)))


def _told(stay: Stay) -> dict[str, str]:
    return {
        "plugged_in_at": stay.plugged_in_at.isoformat(),
        "soc_percent": str(stay.soc_percent),
        "limit_percent": str(stay.limit_percent),
    }


def _percent(value: float) -> str:
    return str(Decimal(str(value)).quantize(CENT))
