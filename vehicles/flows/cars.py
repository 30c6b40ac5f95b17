"""Cars behind a link: offered, taking part, let go, sold."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time

from django.utils.translation import gettext

from accounts.flows.notices import notify
from foundation.fields import keyed_hash
from foundation.refusals import Refusal
from vehicles import specs
from vehicles.automakers.base import Capabilities, VehicleRef
from vehicles.flows import limits, releases
from vehicles.models import ChargePreference, Departure, HomeCharger, Vehicle, VehicleLink

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


def offer_cars(
    *, link: VehicleLink, found: Sequence[FoundCar], now: datetime, is_fresh_link: bool = True
) -> list[Vehicle]:
    """Write down the link's cars and return them: new ones are offered, known ones learn what has changed.

    A car that the owner had unlinked, or that had left the account, is offered again. A car whose VIN is another than
    before is another car: it is offered as new, and the old one leaves with its history. Where the owner has just
    linked, cars that take part are read at once.
    """
    return [_offer(link, car, now=now, is_fresh_link=is_fresh_link) for car in found if not car.ref.is_charger]


def _offer(link: VehicleLink, found: FoundCar, *, now: datetime, is_fresh_link: bool) -> Vehicle:
    ref = found.ref
    known = _known(found)
    external_id_hash = keyed_hash(f"{link.maker}:{ref.external_id}")
    _bring_back(link, external_id_hash)
    _part_ways(link, ref, external_id_hash, now=now)
    _follow_number(link, ref, external_id_hash)
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
    if vehicle.own_capabilities:  # a wall box serves it: what it can do by itself is kept beside
        known["own_capabilities"] = known.pop("capabilities")
        del known["max_discharge_w"]
    if vehicle.state == Vehicle.State.UNLINKED:
        known |= {"state": Vehicle.State.OFFERED}
    if is_fresh_link:
        known |= {"read_failure": "", "read_failures": 0}
        if vehicle.state == Vehicle.State.ACTIVE:
            known |= {"next_read_at": now}
    for name, value in known.items():
        setattr(vehicle, name, value)
    vehicle.save(update_fields=list(known))
    return vehicle


def _known(found: FoundCar) -> dict[str, object]:
    ref = found.ref
    known: dict[str, object] = {
        "make": ref.make,
        "model": ref.model,
        "model_year": ref.model_year,
        "trim": ref.trim,
        "capabilities": found.capabilities.as_json(),
        "own_capabilities": {},  # a wall box in use adds its own again with its next reading
        "max_discharge_w": found.capabilities.max_discharge_w,
    }
    if ref.vin:
        known |= {"vin": ref.vin, "vin_hash": keyed_hash(ref.vin)}
    return known


def _part_ways(link: VehicleLink, ref: VehicleRef, external_id_hash: str, *, now: datetime) -> None:
    """Let go of the car that the maker used to call so, where another one stands there now."""
    old = Vehicle.objects.filter(link=link, external_id_hash=external_id_hash).exclude(vin_hash="").first()
    if old is None or not ref.vin or old.vin_hash == keyed_hash(ref.vin):
        return
    was_active = old.state == Vehicle.State.ACTIVE
    let_go(old, now=now)
    Vehicle.objects.filter(pk=old.pk).update(external_id_hash=keyed_hash(f"replaced:{old.pk}"))
    logger.info("car %s was replaced by another at its maker", old.public_id)
    if was_active:
        tell_car_left(old, reason="replaced_at_maker", now=now)


def _follow_number(link: VehicleLink, ref: VehicleRef, external_id_hash: str) -> None:
    """Know a car again that its maker calls by another number now."""
    rows = Vehicle.objects.filter(link=link)
    if not ref.vin or rows.filter(external_id_hash=external_id_hash).exists():
        return
    same = rows.filter(vin_hash=keyed_hash(ref.vin)).order_by("-pk").first()
    if same is not None:
        same.external_id, same.external_id_hash = ref.external_id, external_id_hash
        same.save(update_fields=["external_id", "external_id_hash"])


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
    _activate(vehicle, is_controlling=True, now=now)


def watch(vehicle: Vehicle, *, now: datetime) -> None:
    """Make the car active for reading alone: another owner's link steers it."""
    _activate(vehicle, is_controlling=False, now=now)


def _activate(vehicle: Vehicle, *, is_controlling: bool, now: datetime) -> None:
    vehicle.state, vehicle.is_controlling, vehicle.next_read_at = Vehicle.State.ACTIVE, is_controlling, now
    vehicle.save(update_fields=["state", "is_controlling", "next_read_at"])
    preference, is_new = ChargePreference.objects.get_or_create(vehicle=vehicle, defaults={"changed_at": now})
    if is_new:
        Departure.objects.bulk_create(
            Departure(preference=preference, weekday=weekday, leaves_at_local=FIRST_DEPARTURE)
            for weekday in WORKING_DAYS
        )


def take_control(*, vehicle: Vehicle, now: datetime) -> Vehicle:
    """Let a car that was only read be steered from here, and return it.

    Raises UnableToSaveCar for a car that does not take part, or while another link that works steers it.
    """
    if vehicle.state != Vehicle.State.ACTIVE:
        raise UnableToSaveCar(gettext("This car does not take part."), code="vehicle_not_active")
    if not vehicle.is_controlling:
        if controlling_elsewhere(vehicle) is not None:
            raise UnableToSaveCar(
                gettext("{vehicle} is still steered from another account. It must be unlinked there first.").format(
                    vehicle=vehicle
                ),
                code="vin_controlled_elsewhere",
            )
        take_part(vehicle, now=now)
    return vehicle


def let_go(vehicle: Vehicle, *, now: datetime) -> None:
    """Release the car, give it its own limit back and take it out; its readings, commands and earnings stay."""
    releases.release_vehicle(vehicle=vehicle, reason="unlinked", now=now)
    limits.restore_limit(vehicle=vehicle, now=now)
    HomeCharger.objects.filter(serves=vehicle).update(
        serves=None, state=HomeCharger.State.OFFERED, is_used=False, is_car_connected=None
    )
    Vehicle.objects.filter(pk=vehicle.pk).update(
        state=Vehicle.State.UNLINKED,
        is_controlling=False,
        next_read_at=None,
        read_failure="",
        read_failures=0,
        capabilities=vehicle.own_capabilities or vehicle.capabilities,
        own_capabilities={},
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
        raise UnableToSaveCar(
            gettext("A battery holds 5 to 300 kWh."), code="capacity_out_of_range", field="capacity_wh"
        )
    if not 1_000 <= max_charge_w <= specs.MOST_AC_W:
        raise UnableToSaveCar(
            gettext("A car charges at 1 to 19.2 kW at home."), code="power_out_of_range", field="max_charge_w"
        )
    vehicle.capacity_wh, vehicle.max_charge_w, vehicle.has_assumed_specs = capacity_wh, max_charge_w, False
    vehicle.save(update_fields=["capacity_wh", "max_charge_w", "has_assumed_specs"])
    return vehicle
