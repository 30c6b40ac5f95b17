"""A car's state as CarData's descriptors: what REST gives as strings, the stream as numbers."""

from typing import Any

from sandbox.cars import physics
from sandbox.cars.models import Car
from sandbox.cars.physics import CarState

SOC = "vehicle.drivetrain.batteryManagement.header"
KM_PER_MILE = 1.609344
AWAY_DEGREES = 0.09  # where the car stands when it is away
STATUS = {
    "CHARGING": ("CHARGINGACTIVE", "CHARGING"),
    "DISCHARGING": ("NOCHARGING", "NOT_CHARGING"),
    "HOLDING": ("CHARGINGPAUSED", "WAITING_FOR_CHARGING"),
    "COMPLETE": ("CHARGINGENDED", "FINISHED_FULLY_CHARGED"),
    "UNPLUGGED": ("NOCHARGING", "NOT_CHARGING"),
}


def describe(car: Car, state: CarState) -> dict[str, tuple[Any, str | None]]:
    """Return value and unit by descriptor, of the car as `state` has it; ranges are miles, as in North America.

    Values come in steps: a car that sent every change of a charge would never be quiet.
    """
    spec = car.spec
    soc_percent = physics.soc_percent(state, spec)
    status, hv_status = STATUS.get(physics.mode(state, spec), STATUS["HOLDING"])
    power_w = physics.power_w(state, spec)
    away = 0.0 if state.is_home else AWAY_DEGREES
    engine, battery = "vehicle.drivetrain.electricEngine", "vehicle.powertrain.electric.battery"
    location = "vehicle.cabin.infotainment.navigation.currentLocation"
    port = "vehicle.powertrain.tractionBattery.charging.port.anyPosition.isPlugged"
    return {
        SOC: (round(soc_percent), "percent"),
        f"{battery}.stateOfCharge.displayed": (round(soc_percent * 2) / 2, "percent"),
        f"{battery}.stateOfCharge.target": (round(state.limit_percent), "%"),
        f"{engine}.charging.status": (status, None),
        f"{engine}.charging.hvStatus": (hv_status, None),
        f"{battery}.charging.power": (max(0, round(power_w, -2)), "W"),
        f"{engine}.kombiRemainingElectricRange": (round(soc_percent / 100 * car.range_km / KM_PER_MILE), "mi"),
        "vehicle.body.chargingPort.status": ("CONNECTED" if state.is_plugged_in else "DISCONNECTED", None),
        port: (state.is_plugged_in, None),
        f"{location}.latitude": (round(car.home_latitude + away, 4), "degrees"),
        f"{location}.longitude": (round(car.home_longitude + away, 4), "degrees"),
        f"{battery}.biDirectionalCharging.availability": ("NOT_AVAILABLE", None),
    }


def soc_percent(values: dict[str, tuple[Any, str | None]]) -> float:
    """Return the state of charge among described values."""
    return float(values[SOC][0])


def as_text(value: Any) -> str:
    """Return a value as REST writes it: "85", "true", "CHARGINGACTIVE"."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
