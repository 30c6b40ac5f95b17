"""A car's state as JSON and back; floats and instants survive the round trip exactly."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sandbox.cars.physics import CarState, Setpoint
from sandbox.cars.schedules import DailyWindow, PlannedStart
from sandbox.cars.trips import Trip


def to_record(state: CarState) -> dict[str, Any]:
    """Return `state` in JSON's types."""
    record: dict[str, Any] = _plain(asdict(state))
    return record


def from_record(record: dict[str, Any]) -> CarState:
    """Return the state that `to_record` wrote."""
    values = dict(record)
    for name in ("as_of", "last_active_at"):
        values[name] = datetime.fromisoformat(values[name])
    if (setpoint := values["setpoint"]) is not None:
        values["setpoint"] = Setpoint(**setpoint | {"until": datetime.fromisoformat(setpoint["until"])})
    if (trip := values["trip"]) is not None:
        values["trip"] = Trip(**{name: datetime.fromisoformat(value) for name, value in trip.items()})
    # Records of an earlier version know no schedules.
    values["starts"] = tuple(
        PlannedStart(**planned | {"at": datetime.fromisoformat(planned["at"])}) for planned in values.get("starts", ())
    )
    if (window := values.get("window")) is not None:
        values["window"] = DailyWindow(**window)
    return CarState(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value
