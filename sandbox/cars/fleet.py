"""Maker accounts and their cars, from fleet.json."""

import json
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from sandbox.cars.models import Car

FLEET = Path(__file__).with_name("fleet.json")
_SPEC_NAMES = ("battery_wh", "onboard_charge_w", "evse_w", "max_discharge_w", "seed")
_SAME_NAMES = ("vin", "nick_name", "model_name", "model_year", "trim", "range_km", "has_partner_extension")


def set_up() -> None:
    """Register accounts and cars that are not there yet; what a car has lived through stays."""
    fleet = json.loads(FLEET.read_text(encoding="utf-8"))
    with transaction.atomic():
        for account in fleet["accounts"]:
            owner = User.objects.filter(username=account["email"]).first()
            if owner is None:
                owner = User.objects.create_user(
                    account["email"], account["email"], fleet["password"], first_name=account["name"]
                )
            for entry in account["cars"]:
                Car.objects.update_or_create(vehicle_id=entry["vehicle_id"], defaults=_columns(entry, account, owner))


def _columns(entry: dict[str, Any], account: dict[str, Any], owner: User) -> dict[str, Any]:
    spec = {name: entry[name] for name in _SPEC_NAMES}
    spec |= {"time_zone": account["time_zone"], "drive_wh_per_km": entry["battery_wh"] / entry["range_km"]}
    return {name: entry[name] for name in _SAME_NAMES} | {
        "owner": owner,
        "maker": "ford",
        "home_latitude": account["latitude"],
        "home_longitude": account["longitude"],
        "first_soc_percent": entry["first_soc_percent"],
        "spec_record": spec,
    }
