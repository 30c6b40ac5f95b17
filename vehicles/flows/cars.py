"""Cars behind a link: offered, taking part, let go, sold."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time

from accounts.flows.notices import notify
from foundation.fields import keyed_hash
from foundation.refusals import Refusal
from vehicles import specs
from vehicles.automakers.base import Capabilities, VehicleRef
from vehicles.flows import releases
from vehicles.models import ChargePreference, Departure, Vehicle, VehicleLink

logger = logging.getLogger(__name__)

WORKING_DAYS = range(5)
FIRST_DEPARTURE = time(7, 30)


class UnableToSaveCar(Refusal):
    """The car stays as it was."""


@dataclass(frozen=True)
class FoundCar:
    """A car as the maker lists it, and what it can do under this grant."""

    ref: VehicleRef
    capabilities: Capabilities


def offer_cars(*, link: VehicleLink, found: Sequence[FoundCar], now: datetime) -> list[Vehicle]:
    """Write down the link's cars and return them: new ones are offered, known ones learn what has changed.

    A car that the owner had unlinked, or that had left the account, is offered again.
    """
    return [_offer(link, car, now=now) for car in found]


def _offer(link: VehicleLink, found: FoundCar, *, now: datetime) -> Vehicle:
    ref = found.ref
    known: dict[str, object] = {
        "make": ref.make,
        "model": ref.model,
        "model_year": ref.model_year,
        "trim": ref.trim,
        "capabilities": found.capabilities.as_json(),
        "max_discharge_w": found.capabilities.max_discharge_w,
        "read_failure": "",
        "read_failures": 0,
    }
    if ref.vin:
        known |= {"vin": ref.vin, "vin_hash": keyed_hash(ref.vin)}
    external_id_hash = keyed_hash(f"{link.maker}:{ref.external_id}")
    _bring_back(link, external_id_hash)
    spec = specs.find_spec(make=ref.make, model=ref.model, model_year=ref.model_year, trim=ref.trim)
    vehicle, is_new = Vehicle.objects.get_or_create(
        link=link,
        external_id_hash=external_id_hash,
        defaults=known
        | {
            "owner": link.owner,
            "external_id": ref.external_id,
            "nickname": ref.nickname,
            "capacity_wh": spec.capacity_wh,
            "max_charge_w": spec.max_charge_w,
            "has_assumed_specs": spec.is_assumed,
            "created_at": now,
        },
    )
    if is_new:
        return vehicle
    if vehicle.state == Vehicle.State.UNLINKED:
        known |= {"state": Vehicle.State.OFFERED}
    if vehicle.state == Vehicle.State.ACTIVE:
        known |= {"next_read_at": now}
    for name, value in known.items():
        setattr(vehicle, name, value)
    vehicle.save(update_fields=list(known))
    return vehicle


def _bring_back(link: VehicleLink, external_id_hash: str) -> None:
    """Let a car that its owner had unlinked return as itself, with its history, under the new link."""
    if Vehicle.objects.filter(link=link, external_id_hash=external_id_hash).exists():
        return
    former = Vehicle.objects.filter(
        owner=link.owner,
        external_id_hash=external_id_hash,
        state=Vehicle.State.UNLINKED,
        link__state=VehicleLink.State.REVOKED,
    ).order_by("-created_at", "-pk")
    newest = former.first()
    if newest is not None:
        Vehicle.objects.filter(pk=newest.pk).update(link=link)


def controlling_elsewhere(vehicle: Vehicle) -> Vehicle | None:
    """Return the car's row under another link that controls it and works; a row whose link is dead does not count."""
    rows = Vehicle.objects.filter(vin_hash=vehicle.vin_hash, is_controlling=True).exclude(pk=vehicle.pk)
    return rows.filter(link__state__in=(VehicleLink.State.ACTIVE, VehicleLink.State.LEAVING)).first()


def take_part(vehicle: Vehicle, *, now: datetime) -> None:
    """Make the car active and controlling, with default wishes; rows of the same VIN under dead links give way."""
    for old in Vehicle.objects.filter(vin_hash=vehicle.vin_hash, is_controlling=True).exclude(pk=vehicle.pk)[:20]:
        let_go(old, now=now)
        if old.owner_id != vehicle.owner_id:
            tell_car_left(old, reason="linked_by_another_owner", now=now)
    vehicle.state, vehicle.is_controlling, vehicle.next_read_at = Vehicle.State.ACTIVE, True, now
    vehicle.save(update_fields=["state", "is_controlling", "next_read_at"])
    preference, is_new = ChargePreference.objects.get_or_create(vehicle=vehicle, defaults={"changed_at": now})
    if is_new:
        Departure.objects.bulk_create(
            Departure(preference=preference, weekday=weekday, leaves_at_local=FIRST_DEPARTURE)
            for weekday in WORKING_DAYS
        )


def let_go(vehicle: Vehicle, *, now: datetime) -> None:
    """Release the car and take it out; its readings, commands and earnings stay."""
    releases.release_vehicle(vehicle=vehicle, reason="unlinked", now=now)
    Vehicle.objects.filter(pk=vehicle.pk).update(
        state=Vehicle.State.UNLINKED, is_controlling=False, next_read_at=None, read_failure="", read_failures=0
    )
    vehicle.refresh_from_db()


def tell_car_left(vehicle: Vehicle, *, reason: str, now: datetime) -> None:
    """Tell the owner, once, that the car no longer takes part and why."""
    notify(
        user=vehicle.owner,
        kind="car_left",
        key=f"car_left:{vehicle.public_id}:{now:%Y%m%d}",
        params={"vehicle": str(vehicle), "reason": reason},
        now=now,
    )


def save_specs(*, vehicle: Vehicle, capacity_wh: int, max_charge_w: int, now: datetime) -> Vehicle:  # noqa: ARG001
    """Keep what the owner says of battery and charging power, and return the car.

    Raises UnableToSaveCar for a battery outside 5 to 300 kWh or a power outside 1 to 19.2 kW.
    """
    if not 5_000 <= capacity_wh <= 300_000:
        raise UnableToSaveCar("A battery holds 5 to 300 kWh.", code="capacity_out_of_range", field="capacity_wh")
    if not 1_000 <= max_charge_w <= specs.MOST_AC_W:
        raise UnableToSaveCar("A car charges at 1 to 19.2 kW at home.", code="power_out_of_range", field="max_charge_w")
    vehicle.capacity_wh, vehicle.max_charge_w, vehicle.has_assumed_specs = capacity_wh, max_charge_w, False
    vehicle.save(update_fields=["capacity_wh", "max_charge_w", "has_assumed_specs"])
    return vehicle
