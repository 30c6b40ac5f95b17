"""Bidirectional wall boxes at home: offered with their link, assigned to a car, used while that car stands at them.

While a box is in use its abilities count as the car's: holds and discharges go to it, meters come from it. Energy is
given back only where the car, the box and the car's maker all allow it; the home's own permission is the grid's part.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext

from foundation.fields import keyed_hash
from foundation.refusals import Refusal
from vehicles import gateway, specs
from vehicles.automakers.base import Capabilities, Observed, VehicleState
from vehicles.automakers.errors import AutomakerError, VehicleGone
from vehicles.flows import releases
from vehicles.flows.cars import FoundCar
from vehicles.meter import Use
from vehicles.models import ChargePreference, HomeCharger, Vehicle, VehicleLink

logger = logging.getLogger(__name__)

# A car's SoC that is this much older than what the box says would pass for newer than it is.
OLDEST_SOC = timedelta(minutes=30)
# What a car alone cannot do, a box may.
LIFTED_REFUSALS = frozenset({"no_commands", "no_discharge", "events_only", "charging_scope_missing"})


class UnableToAssignCharger(Refusal):
    """The wall box serves whom it served before."""


def offer_chargers(*, link: VehicleLink, found: Sequence[FoundCar], now: datetime) -> list[HomeCharger]:
    """Write down the link's wall boxes and return them: new ones are offered, known ones learn what has changed."""
    return [_offer(link, box, now=now) for box in found if box.ref.is_charger]


def _offer(link: VehicleLink, found: FoundCar, *, now: datetime) -> HomeCharger:
    ref, can = found.ref, found.capabilities
    known: dict[str, Any] = {
        "name": ref.nickname or f"{ref.make} {ref.model}".strip(),
        "capabilities": can.as_json(),
        "max_discharge_w": can.max_discharge_w,
        "failure": "",
    }
    charger, is_new = HomeCharger.objects.get_or_create(
        link=link,
        external_id_hash=keyed_hash(f"{link.maker}:{ref.external_id}"),
        defaults=known | {"external_id": ref.external_id, "created_at": now},
    )
    if is_new:
        return charger
    if charger.state == HomeCharger.State.UNLINKED:
        known |= {"state": HomeCharger.State.OFFERED}
    for name, value in known.items():
        setattr(charger, name, value)
    charger.save(update_fields=list(known))
    return charger


def assign_charger(*, charger: HomeCharger, vehicle: Vehicle | None, now: datetime) -> HomeCharger:
    """Let the box serve the car, or nobody, and return it; a car that is steered through it is released first.

    Raises UnableToAssignCharger for a box that is not linked, a car that does not take part, one of somebody else, or
    one that another box serves.
    """
    if charger.state == HomeCharger.State.UNLINKED or charger.link.state != VehicleLink.State.ACTIVE:
        raise UnableToAssignCharger(
            gettext("This wall box is no longer linked. Please link it again."), code="charger_unlinked"
        )
    if vehicle is not None:
        _check_car(charger, vehicle)
    with transaction.atomic():
        before = charger.serves
        if before is not None and (vehicle is None or before.pk != vehicle.pk):
            releases.release_vehicle(vehicle=before, reason="charger_reassigned", now=now)
            _stop_using(charger, before, now=now)
        charger.serves = vehicle
        charger.state = HomeCharger.State.ACTIVE if vehicle is not None else HomeCharger.State.OFFERED
        try:
            with transaction.atomic():
                charger.save(update_fields=["serves", "state"])
        except IntegrityError:
            raise UnableToAssignCharger(
                gettext("Another wall box already serves {vehicle}.").format(vehicle=vehicle),
                code="car_has_a_charger",
                field="vehicle",
            ) from None
    if vehicle is not None:
        Vehicle.objects.filter(pk=vehicle.pk, state=Vehicle.State.ACTIVE).update(next_read_at=now)
    return charger


def _check_car(charger: HomeCharger, vehicle: Vehicle) -> None:
    if vehicle.owner_id != charger.link.owner_id or vehicle.state != Vehicle.State.ACTIVE:
        raise UnableToAssignCharger(
            gettext("Choose a car of yours that takes part."), code="vehicle_not_active", field="vehicle"
        )


def retire_charger(*, charger: HomeCharger, now: datetime) -> None:
    """Take the box out, because its link ends; a car that is steered through it is released."""
    assigned = charger.serves
    if assigned is not None:
        assign_charger(charger=charger, vehicle=None, now=now)
    HomeCharger.objects.filter(pk=charger.pk).update(state=HomeCharger.State.UNLINKED, serves=None, is_used=False)


def charger_of(vehicle: Vehicle) -> HomeCharger | None:
    """Return the wall box that serves the car through a link that works, or None."""
    rows = HomeCharger.objects.filter(
        serves=vehicle, state=HomeCharger.State.ACTIVE, link__state=VehicleLink.State.ACTIVE
    )
    return rows.first()


def charger_in_use(vehicle: Vehicle) -> HomeCharger | None:
    """Return the wall box at which the car stands now, or None."""
    rows = HomeCharger.objects.filter(serves=vehicle, state=HomeCharger.State.ACTIVE, is_used=True)
    return rows.filter(link__state=VehicleLink.State.ACTIVE).first()


def obstacles_to_discharge(vehicle: Vehicle) -> list[str]:
    """Return what keeps the car from giving energy back, as keys of `vehicles.wording.MESSAGES`; empty: nothing.

    The maker's word is the car's own capability, or a contract with the make (`settings.V2G_MAKES`). The home's
    agreement with its utility is not asked for here; it belongs to the site.
    """
    own = vehicle.own
    missing: list[str] = []
    if own.can_discharge:
        return missing
    is_permitted = own.permits_discharge or vehicle.make.casefold() in {make.casefold() for make in settings.V2G_MAKES}
    if not own.permits_discharge and not specs.is_bidirectional(make=vehicle.make, model=vehicle.model):
        missing.append("v2g_car")
    box = charger_of(vehicle)
    if box is None or not box.can.can_discharge:
        missing.append("v2g_charger")
    if not is_permitted:
        missing.append("v2g_maker")
    return missing


def can_ever_discharge(vehicle: Vehicle) -> bool:
    """Say whether the car could give energy back: by itself, or at the wall box that serves it, there now or not."""
    return vehicle.can.can_discharge or not obstacles_to_discharge(vehicle)


def chargers_of(owner_id: int) -> list[HomeCharger]:
    """Return the owner's wall boxes behind links that work."""
    rows = HomeCharger.objects.filter(link__owner=owner_id, link__state=VehicleLink.State.ACTIVE)
    return list(rows.exclude(state=HomeCharger.State.UNLINKED).select_related("serves", "link")[:20])


def with_charger(
    *, vehicle: Vehicle, state: VehicleState | None, now: datetime, use: Use = Use.READ
) -> VehicleState | None:
    """Return the car's state with what its wall box sees laid over it, and note whether the car stands at the box.

    `state` is None where the car was not asked now. A box that does not answer changes nothing for the moment.
    """
    charger = charger_of(vehicle)
    if charger is None:
        forget_box(vehicle, now=now)
        return state
    try:
        seen = gateway.call_charger(charger, lambda maker, box: maker.read_state(box), use=use)
    except AutomakerError as error:
        logger.info("wall box %s not read: %s", charger.public_id, error)
        HomeCharger.objects.filter(pk=charger.pk).update(failure=error.message_key)
        if isinstance(error, VehicleGone) or _is_silent(charger, now=now):
            _stop_using(charger, vehicle, now=now)
        return state
    is_connected = bool(seen.is_plugged_in and seen.is_plugged_in.value)
    HomeCharger.objects.filter(pk=charger.pk).update(
        failure="", is_car_connected=is_connected, observed_at=seen.observed_at or now
    )
    charger.refresh_from_db()
    is_here = is_connected and _says_plugged_in(vehicle, state)
    if is_here:
        _use(charger, vehicle, now=now)
        return join(state, seen)
    _stop_using(charger, vehicle, now=now)
    return state


def _is_silent(charger: HomeCharger, *, now: datetime) -> bool:
    return charger.observed_at is None or charger.observed_at < now - OLDEST_SOC


def _says_plugged_in(vehicle: Vehicle, state: VehicleState | None) -> bool:
    """Say whether the car itself is at a plug: by what it says now, else by its open stay at home."""
    if state is not None and state.is_plugged_in is not None:
        return state.is_plugged_in.value
    return vehicle.plug_sessions.filter(unplugged_at__isnull=True).exists()


def join(car: VehicleState | None, box: VehicleState) -> VehicleState:
    """Return one state: power, meters and what the plug does from the box, charge from whoever saw it last.

    A charge that is half an hour older than the box's word is left out, because it would pass for as new.
    """
    if car is None:
        return box
    at = box.observed_at
    soc = _newer(car.soc_percent, box.soc_percent)
    if soc is not None and at is not None and soc.observed_at < at - OLDEST_SOC:
        soc = None
    return replace(
        car,
        soc_percent=soc,
        limit_percent=_newer(car.limit_percent, box.limit_percent),
        is_plugged_in=box.is_plugged_in or car.is_plugged_in,
        charge_state=box.charge_state or car.charge_state,
        power_w=box.power_w or car.power_w,
        imported_wh=box.imported_wh or car.imported_wh,
        exported_wh=box.exported_wh or car.exported_wh,
        place=car.place or box.place,
    )


def _newer(one: Observed[float] | None, other: Observed[float] | None) -> Observed[float] | None:
    if one is None or other is None:
        return one or other
    return one if one.observed_at >= other.observed_at else other


def merge(car: Capabilities, box: Capabilities, *, may_discharge: bool) -> Capabilities:
    """Return what a car can do at a box: the box holds, ends by itself and counts; the car adds what it has anyhow."""
    return replace(
        car,
        can_start_stop=True,
        hold_ends=box.hold_ends,
        max_discharge_w=max(car.max_discharge_w, box.max_discharge_w if may_discharge else 0),
        is_metered=car.is_metered or box.is_metered,
        min_restart_soc_percent=0,
        min_poll_seconds=min(car.min_poll_seconds, box.min_poll_seconds),
        worst_latency_seconds=box.worst_latency_seconds,
        refusals=tuple(key for key in car.refusals if key not in LIFTED_REFUSALS),
    )


def _use(charger: HomeCharger, vehicle: Vehicle, *, now: datetime) -> None:
    """Let the box's abilities count as the car's."""
    own = vehicle.own
    if not charger.can.can_hold:
        return
    merged = merge(own, charger.can, may_discharge=not obstacles_to_discharge(vehicle))
    if charger.is_used and vehicle.can == merged:
        return
    _set_abilities(vehicle, own=own.as_json(), now=now, merged=merged)
    HomeCharger.objects.filter(pk=charger.pk).update(is_used=True)
    logger.info("wall box %s in use", charger.public_id)


def _stop_using(charger: HomeCharger, vehicle: Vehicle, *, now: datetime) -> None:
    """Let the car's own abilities count alone."""
    if not charger.is_used and not vehicle.own_capabilities:
        return
    HomeCharger.objects.filter(pk=charger.pk).update(is_used=False)
    charger.is_used = False
    _set_abilities(vehicle, own={}, now=now, merged=vehicle.own)
    logger.info("wall box %s no longer in use", charger.public_id)


def forget_box(vehicle: Vehicle, *, now: datetime) -> None:
    """Let the car's own abilities count alone where no wall box can be reached for it any more."""
    if not vehicle.own_capabilities:
        return
    HomeCharger.objects.filter(serves=vehicle).update(is_used=False)
    _set_abilities(vehicle, own={}, now=now, merged=vehicle.own)


def _set_abilities(vehicle: Vehicle, *, own: dict[str, Any], now: datetime, merged: Capabilities) -> None:
    Vehicle.objects.filter(pk=vehicle.pk).update(
        capabilities=merged.as_json(), own_capabilities=own, max_discharge_w=merged.max_discharge_w
    )
    vehicle.capabilities, vehicle.own_capabilities = merged.as_json(), own
    vehicle.max_discharge_w = merged.max_discharge_w
    # What the car can do has changed, so plans made before are out of date.
    ChargePreference.objects.filter(vehicle=vehicle).update(version=F("version") + 1, changed_at=now)
