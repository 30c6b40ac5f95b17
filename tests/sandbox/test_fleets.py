"""The fleets as files: every car is one of a kind, well made, and named with its source."""

import json
from collections import Counter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sandbox.cars.physics import CarSpec
from sandbox.cars.trips import TRIPS

FLEETS = sorted((Path(__file__).parents[2] / "sandbox" / "cars" / "fleets").glob("*.json"))
WORTH = dict(
    zip("ABCDEFGHJKLMNPRSTUVWXYZ", [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9], strict=True)
)
WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def cars() -> list[dict[str, Any]]:
    return [car for path in FLEETS for account in read(path)["accounts"] for car in account["cars"]]


def test_no_two_cars_share_a_number_or_their_days() -> None:
    for name in ("vehicle_id", "vin", "seed"):
        assert [value for value, count in Counter(car[name] for car in cars()).items() if count > 1] == []


@pytest.mark.parametrize(
    "path", [path for path in FLEETS if path.stem in {"ford", "tesla", "gm"}], ids=lambda path: path.stem
)
def test_car_numbers_have_their_check_digit(path: Path) -> None:
    for account in read(path)["accounts"]:
        for car in account["cars"]:
            values = [int(letter) if letter.isdigit() else WORTH[letter] for letter in car["vin"]]
            rest = sum(value * weight for value, weight in zip(values, WEIGHTS, strict=True)) % 11
            assert car["vin"][8] == ("X" if rest == 10 else str(rest)), car["vin"]


@pytest.mark.parametrize("path", FLEETS, ids=lambda path: path.stem)
def test_fleet_names_its_source_and_belongs_to_its_maker(path: Path) -> None:
    fleet = read(path)

    assert "CDLA-Permissive-2.0" in fleet["attribution"] or not any(account["cars"] for account in fleet["accounts"])
    for account in fleet["accounts"]:
        assert account["email"].endswith(f"@{path.stem}.sandbox")
        for car in account["cars"]:
            assert ZoneInfo(account["time_zone"]).key == account["time_zone"]
            assert car.get("trips", "pattern") in TRIPS
            assert 0 < car["onboard_charge_w"] <= 19_200
            assert 0 < car["first_soc_percent"] < 90


def test_every_car_can_be_built() -> None:
    for car in cars():
        optional = {
            name: car[name] for name in ("trips", "asleep_after_seconds", "least_command_soc_percent") if name in car
        }
        spec = CarSpec(
            battery_wh=car["battery_wh"],
            onboard_charge_w=car["onboard_charge_w"],
            evse_w=car["evse_w"],
            max_discharge_w=car["max_discharge_w"],
            drive_wh_per_km=car["battery_wh"] / car["range_km"],
            seed=car["seed"],
            time_zone="UTC",
            **optional,
        )
        assert 100 < spec.drive_wh_per_km < 400
