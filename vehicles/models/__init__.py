"""The car, its link to the automaker, what the owner wants of it, what was read and what was commanded."""

from vehicles.models.cars import HomePlace, Vehicle
from vehicles.models.commands import Command
from vehicles.models.links import LinkAttempt, MakerSwitch, VehicleLink
from vehicles.models.readings import ChargeReading, PlugSession
from vehicles.models.wishes import ChargeOverride, ChargePreference, Departure

__all__ = [
    "ChargeOverride",
    "ChargePreference",
    "ChargeReading",
    "Command",
    "Departure",
    "HomePlace",
    "LinkAttempt",
    "MakerSwitch",
    "PlugSession",
    "Vehicle",
    "VehicleLink",
]
