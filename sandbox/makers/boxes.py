"""Wall boxes: which car is at one, and what went through it."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from sandbox.cars import garage, physics
from sandbox.cars.fleet import FLEETS
from sandbox.cars.models import Car
from sandbox.cars.physics import CarState
from sandbox.makers.models import Box

_NAMES = ("name", "make", "model_name", "serial", "plug", "max_charge_w", "max_discharge_w")


def set_up() -> None:
    """Register the fleet files' boxes that are not there yet; the cars must be there."""
    for path in sorted(FLEETS.glob("*.json")):
        for account in json.loads(path.read_text(encoding="utf-8"))["accounts"]:
            for entry in account.get("boxes", []):
                _set_up_box(entry, account)


def _set_up_box(entry: dict[str, Any], account: dict[str, Any]) -> None:
    columns = {name: entry[name] for name in _NAMES}
    columns |= {"latitude": account["latitude"], "longitude": account["longitude"]}
    columns["owner"] = User.objects.get(username=account["email"])
    box, is_new = Box.objects.update_or_create(box_id=entry["box_id"], defaults=columns)
    if is_new:
        box.guest = Car.objects.get(vehicle_id=entry["guest"])
        box.save(update_fields=["guest"])


@dataclass(frozen=True)
class Sight:
    """What a box sees: the guest and its state while it is plugged in here, else None."""

    car: Car | None
    state: CarState | None
    imported_wh: float
    exported_wh: float


def look_at(box: Box, *, now: datetime) -> Sight:
    """Return what the box sees at `now`."""
    if box.guest is None:
        return Sight(None, None, box.imported_before_wh, box.exported_before_wh)
    car = garage.look_at(box.guest.vehicle_id, now=now)
    state = car.state
    imported_wh = box.imported_before_wh + state.imported_wh - box.guest_imported_wh
    exported_wh = box.exported_before_wh + state.exported_wh - box.guest_exported_wh
    is_here = state.is_plugged_in and state.is_home
    return Sight(car if is_here else None, state if is_here else None, imported_wh, exported_wh)


def change_guest(box: Box, vehicle_id: str, *, now: datetime) -> Box:
    """Let another car use the box, or none (""); the meters go on from where they are. Raises Car.DoesNotExist."""
    with transaction.atomic():
        seen = look_at(box, now=now)
        box.imported_before_wh, box.exported_before_wh = seen.imported_wh, seen.exported_wh
        box.guest = garage.look_at(vehicle_id, now=now) if vehicle_id else None
        box.guest_imported_wh = box.guest.state.imported_wh if box.guest else 0.0
        box.guest_exported_wh = box.guest.state.exported_wh if box.guest else 0.0
        box.save()
        return box


def mode(seen: Sight) -> str:
    """Return NO_CAR or what the car at the box does."""
    if seen.car is None or seen.state is None:
        return "NO_CAR"
    return physics.mode(seen.state, seen.car.spec)
