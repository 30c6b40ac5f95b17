"""What the planner's tests share."""

import os
from typing import Any

import pytest

FULL = os.environ.get("CHARGESCAPE_FULL") == "1"  # the long counts of `make soak`


def count(short: int, full: int) -> int:
    """How many random instances to try: few in the suite, all in a soak."""
    return full if FULL else short


@pytest.fixture
def night() -> dict[str, Any]:
    """Eight hours of a 60 kWh car on a 10 kW charger without losses: dear, then cheap, then middling power."""
    return {
        "id": "night",
        "slot_minutes": 60,
        "import_price": [0.40, 0.40, 0.30, 0.10, 0.12, 0.14, 0.20, 0.25],
        "export_price": [0.30, 0.30, 0.20, 0.08, 0.08, 0.08, 0.10, 0.10],
        "plugged": [1] * 8,
        "capacity_kwh": 50.0,
        "soc_percent": 40.0,
        "max_charge_kw": 10.0,
        "max_discharge_kw": 0.0,
        "charge_efficiency": 1.0,
        "discharge_efficiency": 1.0,
        "wear_per_kwh": 0.05,
        "minimum_percent": 20.0,
        "targets": [{"slot": 8, "soc_percent": 80.0}],
    }
