"""What a car would have done without the event: named, versioned methods that never change once used.

A corrected method is a new version beside the old one, so that every settlement can be recomputed for ever.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction

from grid.metering.cases import Car, Case, Frozen, Stay, Window

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Segment:
    """The baseline's power over one window, AC side, W (>= 0 charges)."""

    window: Window
    power_w: int

    @property
    def energy_wh(self) -> Fraction:
        """The energy of the segment, exact."""
        return self.power_w * hours(self.window.ends_at - self.window.starts_at)


@dataclass(frozen=True)
class Method:
    """One baseline method: its words for the owner and its rule."""

    name: str
    version: int
    title: str
    stays: Callable[[Case], tuple[Stay, ...]]  # each stay as the car left alone would have had it

    def estimate(self, case: Case) -> tuple[Segment, ...]:
        """Return the power of a car that charges from plug-in until its limit, clipped to the event, stay by stay."""
        clipped = (charging_window(stay=stay, car=case.car).clip(case.event) for stay in self.stays(case))
        return tuple(Segment(window, case.car.power_w) for window in clipped if window is not None)


def hours(duration: timedelta) -> Fraction:
    """Return a duration in hours, exact to the microsecond."""
    return Fraction(duration // timedelta(microseconds=1), 3_600_000_000)


def charging_window(*, stay: Stay, car: Car) -> Window:
    """Return when a car left to itself charges in this stay: at once, at full power, until its own limit.

    The battery needs (limit - SoC at plug-in) of its capacity; the AC side gives that divided by the efficiency.
    A stay that ends earlier ends the charging.
    """
    missing = max(Fraction(0), Fraction(stay.limit_percent) - Fraction(stay.soc_percent))
    need_wh = missing / 100 * car.capacity_wh / Fraction(car.charge_efficiency)
    full_at = stay.plugged_in_at + timedelta(microseconds=round(need_wh / car.power_w * 3_600_000_000))
    return Window(stay.plugged_in_at, full_at if stay.unplugged_at is None else min(full_at, stay.unplugged_at))


def recorded_stays(case: Case) -> tuple[Stay, ...]:
    """Return the stays as they were recorded at plug-in."""
    return case.stays


def stays_before_notice(case: Case) -> tuple[Stay, ...]:
    """Return the stays with what was frozen before the owner was told of the event in place of what was recorded.

    A stay that was under way counts from the plug-in time, with the state of charge and limit, frozen then. One that
    began later keeps its own plug-in and state of charge, which the car showed, but not its limit: raising it once the
    event is known must pay nothing. Without anything frozen a stay counts as recorded; so does one that was over when
    the stay frozen began.
    """
    frozen = case.frozen
    if frozen is None:
        return case.stays
    return tuple(_before_notice(stay, frozen) for stay in case.stays)


def _before_notice(stay: Stay, frozen: Frozen) -> Stay:
    if stay.plugged_in_at <= frozen.noticed_at and frozen.stay is not None:
        known = frozen.stay
        if stay.unplugged_at is not None and stay.unplugged_at <= known.plugged_in_at:
            return stay
        return Stay(known.plugged_in_at, stay.unplugged_at, known.soc_percent, known.limit_percent)
    if frozen.limit_percent is None:
        return stay
    return replace(stay, limit_percent=frozen.limit_percent)


METHODS: dict[tuple[str, int], Method] = {
    (method.name, method.version): method
    for method in [
        Method(
            name="uncontrolled-at-plug-in",
            version=1,
            title="charging at full power from plug-in until the car's own limit",
            stays=recorded_stays,
        ),
        Method(
            name="uncontrolled-at-plug-in",
            version=2,
            title="the same, by plug-in time, state of charge and limit as frozen before notice",
            stays=stays_before_notice,
        ),
    ]
}


def method_of(name: str, version: int) -> Method:
    """Return the baseline method; raises ValueError for one that is not in the registry."""
    try:
        return METHODS[name, version]
    except KeyError:
        raise ValueError(f"There is no baseline method {name!r} version {version}.") from None
