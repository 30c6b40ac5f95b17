"""Pushed values come one by one: what a message leaves out is as it was, if that was not long ago."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from vehicles.automakers.base import ChargeState, Observed, VehicleState
from vehicles.models import ChargeReading

CARRIED = timedelta(hours=1)
SAME_INSTANT = timedelta(milliseconds=1)  # makers give no finer times
A_MOMENT = timedelta(microseconds=1)
CHARGE = ("soc_percent", "limit_percent", "is_plugged_in", "charge_state", "power_w", "imported_wh", "exported_wh")
CLOCKS_DIFFER = timedelta(minutes=5)  # a value from further ahead is a broken clock, and would hide all later ones


def completed(state: VehicleState, *, before: ChargeReading | None) -> VehicleState:
    """Return the pushed state with what it leaves out taken from the reading before it.

    Charge, limit, plug and charging state are carried for up to an hour, each with the time at which it was really
    seen; power and meters never are. A message that is older than the reading stays as it is: it is history. One of
    the same instant that says something else completes the reading, and counts as seen a moment later.
    """
    state = _after_its_siblings(state, before)
    at = state.observed_at
    if before is None or at is None or not before.observed_at < at <= before.observed_at + CARRIED:
        return state
    changes: dict[str, Any] = {}
    if state.soc_percent is None and before.soc_percent is not None:
        changes["soc_percent"] = _seen(float(before.soc_percent), before)
    if state.limit_percent is None and before.limit_percent is not None:
        changes["limit_percent"] = _seen(float(before.limit_percent), before)
    if state.charge_state is None and state.is_plugged_in is None:
        if before.is_plugged_in is not None:
            changes["is_plugged_in"] = _seen(before.is_plugged_in, before)
        changes["charge_state"] = _seen(before.charge_state, before)
    elif state.charge_state is None and state.is_plugged_in is not None:
        is_same = state.is_plugged_in.value == before.is_plugged_in
        now_state = before.charge_state if is_same else _state_at(plugged=state.is_plugged_in.value)
        changes["charge_state"] = _seen(now_state, before)
    return replace(state, **changes)


def _after_its_siblings(state: VehicleState, before: ChargeReading | None) -> VehicleState:
    """Return the state a moment later than the reading, where both are of one instant and it says something else."""
    at = state.observed_at
    if before is None or at is None or not timedelta(0) <= before.observed_at - at < SAME_INSTANT:
        return state
    said = {name: item for name in CHARGE if (item := getattr(state, name)) is not None and item.observed_at == at}
    if all(_is_known(item.value, getattr(before, name)) for name, item in said.items()):
        return state
    later = before.observed_at + A_MOMENT
    return replace(state, **{name: replace(item, observed_at=later) for name, item in said.items()})


def _is_known(value: Any, kept: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return bool(value == kept)
    return kept is not None and abs(float(kept) - value) < 0.01  # kept in hundredths


def _state_at(*, plugged: bool) -> str:
    return str(ChargeState.UNKNOWN if plugged else ChargeState.UNPLUGGED)


def _seen(value: Any, before: ChargeReading) -> Observed[Any]:
    return Observed(value, before.observed_at, before.fetched_at, before.source)
