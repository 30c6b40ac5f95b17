"""How much energy a car could shift in an event, known before its owner is told: its weight in the group's shares."""

from fractions import Fraction

from grid.metering.baselines import charging_window, hours
from grid.metering.cases import Car, Stay, Window


def committed_wh(
    *, kind: str, event: Window, car: Car, stay: Stay, discharge_w: int = 0, reserve_percent: Fraction | int = 100
) -> int:
    """Return what the car could shift, Wh at the AC side, whole.

    Holding: what it would draw in the event, left alone. Discharging: that, and what it may give back above its
    reserve. Absorbing: what it could draw in the event beyond that, of what it needs at all.
    """
    charging = charging_window(stay=stay, car=car)
    drawn = _energy(charging, event, car.power_w)
    present = stay.within(event)
    if present is None:
        return 0
    length = hours(present.ends_at - present.starts_at)
    per_percent = Fraction(car.capacity_wh, 100)
    efficiency = Fraction(car.charge_efficiency)
    if kind == "absorb":
        need = max(Fraction(0), Fraction(stay.limit_percent) - Fraction(stay.soc_percent)) * per_percent / efficiency
        return max(0, round(min(need, car.power_w * length) - drawn))
    if kind == "hold" or not discharge_w:
        return round(drawn)
    before = Window(min(stay.plugged_in_at, event.starts_at), event.starts_at)
    charged = _energy(charging, before, car.power_w) * efficiency / per_percent
    above = max(Fraction(0), Fraction(stay.soc_percent) + charged - reserve_percent)
    return round(drawn + min(discharge_w * length, above * per_percent * efficiency))


def _energy(charging: Window, within: Window, power_w: int) -> Fraction:
    shared = charging.clip(within)
    return power_w * hours(shared.ends_at - shared.starts_at) if shared is not None else Fraction(0)
