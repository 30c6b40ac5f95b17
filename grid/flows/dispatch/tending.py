"""What a car needs beside holds: its limit at its owner's target, a wake before an event, a word against others."""

from datetime import datetime, timedelta

from grid.flows.plans.cars import CarNow
from grid.models import GridEvent
from grid.rules.steering import Wish
from vehicles.automakers.base import ChargeState
from vehicles.flows import foreign, limits, waking
from vehicles.flows.allowing import OLDEST_READING, oldest_reading
from vehicles.models import ChargeOverride, ForeignSign

WAKE_LEAD = timedelta(minutes=10)
WIDEN_LEAD = timedelta(minutes=15)
FULL_PERCENT = 0.5
# Why the car leaves our hands: it then gets its own limit back.
LEAVING = frozenset({"paused", "no_consent", "not_active"})
# Why a car that is left alone should be charging.
SHALL_CHARGE = frozenset({"plan", "absorb", "minimum", "departure", ChargeOverride.Kind.CHARGE_NOW})


def tend(car: CarNow, *, wish: Wish, sign: ForeignSign | None, now: datetime) -> None:
    """Leave whatever the car needs besides its dispatch; cheap for the many cars that need nothing."""
    _keep_limit(car, now=now)
    _wake(car, now=now)
    target = car.preference.target_soc_percent if car.preference else 0
    is_short = car.soc_percent is not None and car.soc_percent < target
    if sign is not None and is_short and wish.reason in SHALL_CHARGE and car.is_plugged_at_home:
        foreign.start_anyway(vehicle=car.vehicle, sign=sign, now=now)


def is_full(car: CarNow) -> bool:
    """Say whether the car stands at its own limit and so would not charge if it were left alone."""
    reading = car.soc_reading
    if reading is None or reading.soc_percent is None or reading.limit_percent is None:
        return False
    is_there = float(reading.soc_percent) >= float(reading.limit_percent) - FULL_PERCENT
    return is_there and reading.charge_state != ChargeState.CHARGING


def _keep_limit(car: CarNow, *, now: datetime) -> None:
    if car.can.set_limit_percent is None:
        return
    if car.obstacle in LEAVING:
        limits.restore_limit(vehicle=car.vehicle, now=now)
        return
    reading, preference = car.soc_reading, car.preference
    if car.obstacle or reading is None or preference is None or not car.is_plugged_at_home:
        return
    if reading.observed_at < now - oldest_reading(car.vehicle) or car.override_kind == ChargeOverride.Kind.SKIP:
        return
    takes_energy = any(
        part.event.kind == GridEvent.Kind.ABSORB
        and part.event.starts_at <= now + WIDEN_LEAD
        and now < part.event.ends_at
        for part in car.participations
    )
    is_wide = takes_energy or car.override_kind == ChargeOverride.Kind.CHARGE_NOW
    limits.keep_limit(vehicle=car.vehicle, preference=preference, reading=reading, is_wide=is_wide, now=now)


def _wake(car: CarNow, *, now: datetime) -> None:
    """Wake a car that is silent at its plug although an event that it committed to needs it to do something.

    A car that sleeps does not charge, so an event that only asks for that lets it sleep.
    """
    reading = car.soc_reading
    if not car.can.can_wake or car.obstacle or reading is None or not car.is_plugged_at_home:
        return
    if reading.observed_at >= now - OLDEST_READING:
        return
    for part in car.participations:
        is_idle_enough = part.event.kind == GridEvent.Kind.HOLD and reading.charge_state != ChargeState.CHARGING
        if not is_idle_enough and part.event.starts_at - WAKE_LEAD <= now < part.event.ends_at - WAKE_LEAD:
            waking.wake_for_event(vehicle=car.vehicle, event=str(part.pk), now=now)
            return
