"""The car, its link to the automaker, what the owner wants of it, what was read and what was commanded."""

from vehicles.models.cars import HomePlace, Vehicle
from vehicles.models.chargers import HomeCharger
from vehicles.models.commands import Command
from vehicles.models.limits import ChargeLimit
from vehicles.models.links import LinkAttempt, MakerMessage, MakerSwitch, VehicleLink
from vehicles.models.readings import ChargeReading, PlugSession
from vehicles.models.signs import ForeignSign
from vehicles.models.stops import Heartbeat, StopOrder, SwitchLimit
from vehicles.models.usage import CallCount
from vehicles.models.wishes import ChargeOverride, ChargePreference, DatedDeparture, Departure

__all__ = [
    "CallCount",
    "ChargeLimit",
    "ChargeOverride",
    "ChargePreference",
    "ChargeReading",
    "Command",
    "DatedDeparture",
    "Departure",
    "ForeignSign",
    "Heartbeat",
    "HomeCharger",
    "HomePlace",
    "LinkAttempt",
    "MakerMessage",
    "MakerSwitch",
    "PlugSession",
    "StopOrder",
    "SwitchLimit",
    "Vehicle",
    "VehicleLink",
]
