"""What our own partner contracts have in common: timed setpoints in kW and times in RFC 3339."""

from datetime import UTC, datetime

from vehicles.automakers.answers import number
from vehicles.automakers.base import CarAccess
from vehicles.automakers.errors import NotSupported

MOST_KW = 25.0  # more than any home connection of ours gives or takes


def write_instant(at: datetime) -> str:
    """Return the instant as the partners read it, in UTC to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def check_may_discharge(car: CarAccess, power_w: int) -> None:
    """Raise NotSupported where the car cannot give back as much as `power_w` < 0 asks."""
    if not car.capabilities.can_discharge or not -car.capabilities.max_discharge_w <= power_w < 0:
        raise NotSupported("discharge")


def check_may_hold(car: CarAccess) -> None:
    """Raise NotSupported where the car does not end a hold by itself."""
    if not car.capabilities.can_hold_until:
        raise NotSupported("hold")


def watts(kilowatts: object, *, low: float = -MOST_KW, high: float = MOST_KW) -> int | None:
    """Return whole watts from a figure in kW; None where it is none or absurd."""
    found = number(kilowatts, low=low, high=high)
    return None if found is None else round(found * 1000)
