"""What is kept of a car's state: one reading an instant, and the stays at the plug that they show."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from vehicles.automakers.base import ChargeState, Observed, Place, VehicleState
from vehicles.distance import distance_m
from vehicles.flows import foreign, limits, releases
from vehicles.models import (
    ChargeOverride,
    ChargePreference,
    ChargeReading,
    Command,
    ForeignSign,
    HomePlace,
    PlugSession,
    Vehicle,
)

AT_THE_PLUG = frozenset(
    {
        ChargeState.PLUGGED_IDLE,
        ChargeState.CHARGING,
        ChargeState.HOLDING,
        ChargeState.DISCHARGING,
        ChargeState.COMPLETE,
    }
)
# A battery that lost this much between two readings, without giving energy back, was driven in between.
DRIVEN_PERCENT = 2
USUAL_TARGET_PERCENT = Decimal(80)


def keep_state(*, vehicle: Vehicle, state: VehicleState, now: datetime, source: str) -> ChargeReading | None:
    """Keep the state as a reading and return it; None where the car said nothing that carries a time."""
    return keep(vehicle=vehicle, state=state, now=now, source=source)[0]


def keep(*, vehicle: Vehicle, state: VehicleState, now: datetime, source: str) -> tuple[ChargeReading | None, bool]:
    """Keep the state as a reading, and return it with whether it is the car's newest.

    A state that is already kept is only marked as fetched again. An older state becomes history: it changes neither
    the newest reading nor the stay at the plug.
    """
    observed_at = state.observed_at
    if observed_at is None:
        return None, False
    with transaction.atomic():
        has_sign, has_hold = _take_turns(vehicle)
        newest = ChargeReading.objects.filter(vehicle=vehicle).order_by("-observed_at").first()
        known = newest if newest is not None and newest.observed_at == observed_at else None
        is_newest = newest is None or observed_at > newest.observed_at
        if known is None and not is_newest:
            known = ChargeReading.objects.filter(vehicle=vehicle, observed_at=observed_at).first()
        if known is not None:
            known.fetched_at = max(known.fetched_at, now)
            known.save(update_fields=["fetched_at"])
            return known, known is newest
        values = _values(vehicle, state, newest=newest)
        reading = ChargeReading.objects.create(
            vehicle=vehicle, observed_at=observed_at, fetched_at=now, source=source, **values
        )
        if is_newest:
            _keep_stay(vehicle, reading, before=newest)
            if has_sign or has_hold or reading.charge_state != ChargeState.CHARGING:
                foreign.notice(vehicle=vehicle, reading=reading, before=newest)
            releases.release_stuck(vehicle=vehicle, reading=reading, now=now)
        return reading, is_newest


def _take_turns(vehicle: Vehicle) -> tuple[bool, bool]:
    """Wait until no other reader of the car is at work.

    Returns whether a sign of somebody else's hand is open, and whether anything of ours may still be in force; most
    cars have neither, and are spared the questions that only such cars raise.
    """
    signs = ForeignSign.objects.filter(vehicle=OuterRef("pk"), over_at__isnull=True)
    holds = Command.objects.open_holds().filter(vehicle=OuterRef("pk"))
    rows = Vehicle.objects.select_for_update(of=("self",)).annotate(has_sign=Exists(signs), has_hold=Exists(holds))
    found: tuple[bool, bool] = rows.values_list("has_sign", "has_hold").get(pk=vehicle.pk)
    return found


def unsaved_reading(*, vehicle: Vehicle, state: VehicleState, now: datetime) -> ChargeReading | None:
    """Return the state as a reading that is not kept; None where it carries no time."""
    if state.observed_at is None:
        return None
    values = _values(vehicle, state, newest=None)
    return ChargeReading(vehicle=vehicle, observed_at=state.observed_at, fetched_at=now, **values)


def _values(vehicle: Vehicle, state: VehicleState, *, newest: ChargeReading | None) -> dict[str, Any]:
    charge_state = state.charge_state.value if state.charge_state else str(ChargeState.UNKNOWN)
    is_plugged_in = _value(state.is_plugged_in)
    if is_plugged_in is None and charge_state != ChargeState.UNKNOWN:
        is_plugged_in = charge_state in AT_THE_PLUG if charge_state != ChargeState.FAULT else None
    is_at_home = is_at_home_of(vehicle.owner_id, _value(state.place))
    if is_at_home is None and is_plugged_in and newest is not None and newest.is_plugged_in:
        is_at_home = newest.is_at_home  # a car that stays at its plug stays where it was
    return {
        "soc_percent": _percent(state.soc_percent),
        "limit_percent": _percent(state.limit_percent),
        "is_plugged_in": is_plugged_in,
        "is_at_home": is_at_home,
        "charge_state": charge_state,
        "power_w": _value(state.power_w),
        "imported_wh": _value(state.imported_wh),
        "exported_wh": _value(state.exported_wh),
    }


def is_at_home_of(owner_id: int, place: Place | None) -> bool | None:
    """Say whether a place is at the owner's home; None where place or home is not known."""
    if place is None:
        return None
    home = HomePlace.objects.filter(owner=owner_id).only("latitude", "longitude", "radius_m").first()
    if home is None:
        return None
    return distance_m(place, Place(float(home.latitude), float(home.longitude))) <= home.radius_m


def _value(item: Observed[Any] | None) -> Any:
    return None if item is None else item.value


def _percent(item: Observed[float] | None) -> Decimal | None:
    return None if item is None else Decimal(str(round(item.value, 2)))


def _keep_stay(vehicle: Vehicle, reading: ChargeReading, *, before: ChargeReading | None) -> None:
    """Open, correct or close the stay at the plug that the newest reading shows."""
    stay = PlugSession.objects.filter(vehicle=vehicle, unplugged_at__isnull=True).first()
    if reading.is_plugged_in is False:
        releases.close_holds(vehicle, sent_before=reading.observed_at, now=reading.observed_at)
        if stay is not None:
            _close(stay, at=reading.observed_at)
            _forget_charge_now(vehicle, reading)
        return
    if not reading.is_plugged_in or reading.soc_percent is None:
        return
    if stay is not None and before is not None and _was_driven_between(before, reading):
        _close(stay, at=before.observed_at)
        _forget_charge_now(vehicle, reading)
        stay = None
    if stay is None:
        # Found late, the stay starts where it was found: from there a car left alone would have gone on just so.
        PlugSession.objects.create(
            vehicle=vehicle,
            plugged_in_at=reading.observed_at,
            soc_percent=reading.soc_percent,
            limit_percent=_limit(vehicle, reading),
            is_at_home=bool(reading.is_at_home),
        )
    elif reading.is_at_home and not stay.is_at_home:
        stay.is_at_home = True  # the owner has told us only now where home is
        stay.save(update_fields=["is_at_home"])


def _close(stay: PlugSession, *, at: datetime) -> None:
    stay.unplugged_at = max(at, stay.plugged_in_at)
    stay.save(update_fields=["unplugged_at"])


def _was_driven_between(before: ChargeReading, reading: ChargeReading) -> bool:
    if before.soc_percent is None or reading.soc_percent is None:
        return False
    gave_back = ChargeState.DISCHARGING in (before.charge_state, reading.charge_state) or (
        (reading.exported_wh or 0) > (before.exported_wh or 0)
    )
    return not gave_back and before.soc_percent - reading.soc_percent > DRIVEN_PERCENT


def _limit(vehicle: Vehicle, reading: ChargeReading) -> Decimal:
    """The car's own limit, without ours: as it says, else where it last stopped full, else what its owner wants."""
    own_percent = limits.own_limit_percent(vehicle, reading)
    if own_percent is not None:
        return Decimal(str(own_percent))
    full = ChargeReading.objects.filter(
        vehicle=vehicle, charge_state=ChargeState.COMPLETE, soc_percent__isnull=False
    ).first()
    if full is not None and full.soc_percent is not None:
        return full.soc_percent
    preference = ChargePreference.objects.filter(vehicle=vehicle).first()
    return Decimal(preference.target_soc_percent) if preference else USUAL_TARGET_PERCENT


def _forget_charge_now(vehicle: Vehicle, reading: ChargeReading) -> None:
    """A wish to charge now ends with the stay that it was made for."""
    ChargeOverride.objects.filter(
        vehicle=vehicle,
        kind=ChargeOverride.Kind.CHARGE_NOW,
        cancelled_at__isnull=True,
        starts_at__lt=reading.observed_at,
    ).update(cancelled_at=reading.observed_at)
