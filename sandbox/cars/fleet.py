"""Maker accounts and their cars, from `fleets/`: one file a maker."""

import json
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from sandbox.cars.models import Car

FLEETS = Path(__file__).with_name("fleets")
_SPEC_NAMES = ("battery_wh", "onboard_charge_w", "evse_w", "max_discharge_w", "seed")
_OPTIONAL_SPEC_NAMES = ("trips", "asleep_after_seconds", "least_command_soc_percent")
_SAME_NAMES = ("vin", "nick_name", "model_name", "model_year", "trim", "range_km", "has_partner_extension")


def set_up() -> None:
    """Register accounts and cars that are not there yet; what a car has lived through stays."""
    for path in sorted(FLEETS.glob("*.json")):
        with transaction.atomic():
            _set_up_maker(path.stem, json.loads(path.read_text(encoding="utf-8")))


def _set_up_maker(maker: str, fleet: dict[str, Any]) -> None:
    for account in fleet["accounts"]:
        owner = User.objects.filter(username=account["email"]).first()
        if owner is None:
            owner = User.objects.create_user(
                account["email"], account["email"], fleet["password"], first_name=account["name"]
            )
        for entry in account["cars"]:
            columns = _columns(entry, account) | {"owner": owner, "maker": maker}
            Car.objects.update_or_create(vehicle_id=entry["vehicle_id"], defaults=columns)


def _columns(entry: dict[str, Any], account: dict[str, Any]) -> dict[str, Any]:
    spec = {name: entry[name] for name in _SPEC_NAMES}
    spec |= {name: entry[name] for name in _OPTIONAL_SPEC_NAMES if name in entry}
    spec |= account.get("climate", {})  # yearly_mean_c and yearly_swing_c of the place; none: never cold
    spec |= {"time_zone": account["time_zone"], "drive_wh_per_km": entry["battery_wh"] / entry["range_km"]}
    return {name: entry[name] for name in _SAME_NAMES} | {
        "home_latitude": account["latitude"],
        "home_longitude": account["longitude"],
        "first_soc_percent": entry["first_soc_percent"],
        "spec_record": spec,
    }
