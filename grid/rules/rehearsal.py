"""A draft of a program played on recorded stays: the planner plans each car with the event, metering settles it.

Nothing of either is modelled: nights go through `grid.arrays.bulk.plan_nights`, what they come to is read as meters
would read it and settled by `grid.metering`, car by car and as a group. No Django, no clock, no chance but the written
seed. Assumed: cars leave when they left on record, do as planned, and their owners opt out as often as the draft says.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import sqrt
from typing import Any

import numpy as np

from grid.arrays.bulk import plan_nights
from grid.arrays.packing import unpack_plan
from grid.arrays.presence import presence
from grid.arrays.problems import Ask, Night
from grid.arrays.slots import EPOCH, SLOT, Slots
from grid.metering.cases import Car, Case, Reading, Stay, Window
from grid.metering.group_methods import settle_group
from grid.metering.groups import CONTROL, TREATED, GroupCase, Members, ShareRule
from grid.metering.settlement import Result, settle
from grid.rules.rehearsal_drafts import GROUP_METHODS, MICROS, Draft

VERSION = 1
HOUR = timedelta(hours=1)
FEWEST_EVENTS = 2  # below that nothing can be said of the spread


@dataclass(frozen=True)
class RecordedStay:
    """One stay at the plug, with what the car could do. `car` is a number within the rehearsal alone."""

    car: int
    plugged_in_at: datetime
    unplugged_at: datetime
    soc_percent: float
    limit_percent: float
    target_percent: float
    capacity_wh: int
    charge_efficiency: float
    charge_w: int
    discharge_w: int = 0
    reserve_percent: float = 20.0


@dataclass(frozen=True)
class PlayedEvent:
    """What came of one day's event. `short_wh`: charge missing on leaving that there would be without the event."""

    day: str
    asked: int
    opted_out: int
    control: int
    took_part: int
    baseline_wh: int | None
    delivered_wh: int | None
    power_w: int | None
    amount_minor: int
    short_cars: int


def play(draft: Draft, stays: Sequence[RecordedStay], days: Sequence[date]) -> list[PlayedEvent]:
    """Play the draft on each recorded day that its weekdays, season and cap allow, in order."""
    chosen = [day for day in days if day.weekday() in draft.weekdays and day.month in draft.season_months]
    return [_play_day(draft, stays, day) for day in chosen[: draft.max_events]]


def _play_day(draft: Draft, stays: Sequence[RecordedStay], day: date) -> PlayedEvent:
    event = Window(*(datetime.combine(day, at, draft.zone).astimezone(UTC)
                     for at in (draft.starts_local, draft.ends_local)))  # fmt: skip
    there = [stay for stay in stays if stay.plugged_in_at < event.ends_at and stay.unplugged_at > event.starts_at]
    roles = [_role(draft, day, stay) for stay in there]
    played = [(stay, role) for stay, role in zip(there, roles, strict=True) if role != "o"]
    asks = [_ask(draft, event) if role == TREATED else None for _, role in played]
    nights = [_night(draft, stay, ask) for (stay, _), ask in zip(played, asks, strict=True)]
    plans = [unpack_plan(made.packed)[1] for made in plan_nights(nights)]
    results = [
        settle(_case(draft, event, stay, night, plan))
        for (stay, _), night, plan in zip(played, nights, plans, strict=True)
    ]
    group = settle_group(_group(draft, [role for _, role in played], results))
    measured = group.measured
    hours = Fraction((event.ends_at - event.starts_at) / HOUR)
    return PlayedEvent(
        day=day.isoformat(),
        asked=len(there),
        opted_out=roles.count("o"),
        control=roles.count(CONTROL),
        took_part=roles.count(TREATED),
        baseline_wh=measured.baseline_wh if measured else None,
        delivered_wh=measured.delivered_wh if measured else None,
        power_w=round(measured.delivered_wh / hours) if measured else None,
        amount_minor=group.amount_minor,
        short_cars=sum(_is_short(stay, plan) for (stay, _), plan in zip(played, plans, strict=True)),
    )


def _role(draft: Draft, day: date, stay: RecordedStay) -> str:
    """Return whether a car opts out, is left alone to measure by, or takes part; by the draft's seed alone."""
    lot = int.from_bytes(hashlib.sha256(f"{draft.seed}\n{day}\n{stay.car}".encode()).digest()[:8], "big") / 2**64
    if lot * 100 < draft.opt_out_percent:
        return "o"
    left = (lot * 100 - draft.opt_out_percent) / max(1e-9, 100 - draft.opt_out_percent)
    return CONTROL if left * 100 < draft.control_share_percent else TREATED


def _ask(draft: Draft, event: Window) -> Ask:
    return Ask(draft.kind, event.starts_at, event.ends_at, draft.reward_micros_per_kwh / MICROS)


def _night(draft: Draft, stay: RecordedStay, ask: Ask | None) -> Night:
    starts_at = EPOCH + ((stay.plugged_in_at - EPOCH) // SLOT) * SLOT
    count = max(2, -((starts_at - stay.unplugged_at) // SLOT))
    slots = Slots(starts_at, count)
    leaves = (starts_at + SLOT * count,)
    prices = _prices(draft, slots)
    return Night(
        name=f"car-{stay.car}",
        slots=slots,
        presence=presence(slots=slots, returns_at=None, departures=leaves, away=9 * HOUR, trip_kwh=0.0),
        import_price=prices,
        export_price=np.zeros(count),
        carbon_kg_per_kwh=np.zeros(count),
        carbon_price=0.0,
        capacity_wh=stay.capacity_wh,
        soc_percent=stay.soc_percent,
        charge_w=stay.charge_w,
        discharge_w=stay.discharge_w if draft.kind == "discharge" else 0,
        charge_efficiency=stay.charge_efficiency,
        discharge_efficiency=stay.charge_efficiency,
        wear_per_kwh=0.04,
        minimum_percent=min(20.0, stay.soc_percent),
        reserve_percent=max(stay.reserve_percent, min(20.0, stay.soc_percent)),
        target_percent=stay.target_percent,
        max_percent=stay.limit_percent if draft.kind == "absorb" else min(stay.limit_percent, stay.target_percent),
        departures=leaves,
        asks=(ask,) if ask is not None else (),
        stay_began_at=stay.plugged_in_at,
        stay_soc_percent=stay.soc_percent,
        limit_percent=stay.limit_percent,
        is_eager=ask is None,  # left alone it charges at once: what it is compared with
    )


def _prices(draft: Draft, slots: Slots) -> Any:
    hours = [(slots.start_of(place)).astimezone(draft.zone).hour for place in range(slots.count)]
    night, day = draft.night_micros_per_kwh / MICROS, draft.tariff_micros_per_kwh / MICROS
    return np.array([night if hour < 6 else day for hour in hours])


def _case(draft: Draft, event: Window, stay: RecordedStay, night: Night, plan: Mapping[str, Any]) -> Case:
    return Case(
        kind=draft.kind,
        event=event,
        car=Car(stay.capacity_wh, Decimal(str(stay.charge_efficiency)), stay.charge_w),
        stays=(
            Stay(stay.plugged_in_at, stay.unplugged_at, Decimal(f"{stay.soc_percent:.2f}"),
                 Decimal(f"{stay.limit_percent:.2f}")),
        ),
        readings=_readings(night, plan),
        method="uncontrolled-at-plug-in",
        method_version=1,
        rate_micros_per_kwh=draft.reward_micros_per_kwh,
        currency=draft.currency,
    )  # fmt: skip


def _readings(night: Night, plan: Mapping[str, Any]) -> tuple[Reading, ...]:
    """Read the car's meters at each slot's edges, and once a day after it left."""
    power = np.asarray(plan["power_kw"]) * 1000
    hours = SLOT / HOUR
    taken = np.concatenate(([0.0], np.cumsum(np.maximum(power, 0.0) * hours)))
    given = np.concatenate(([0.0], np.cumsum(np.maximum(-power, 0.0) * hours)))
    soc = plan["soc_percent"]
    found = [
        Reading(night.slots.start_of(place), Decimal(f"{min(100.0, max(0.0, soc[place])):.2f}"),
                round(float(taken[place])), round(float(given[place])))
        for place in range(night.slots.count + 1)
    ]  # fmt: skip
    last = found[-1]
    later = Reading(last.observed_at + 24 * HOUR, last.soc_percent, last.imported_wh, last.exported_wh)
    return (*found, later)


def _group(draft: Draft, roles: Sequence[str], results: Sequence[Result]) -> GroupCase:
    return GroupCase(
        kind=draft.kind,
        members=Members(
            "".join(roles),
            [result.baseline_wh for result in results],
            [result.baseline_wh for result in results],
            [result.net_wh for result in results],
        ),
        method=draft.group_method,
        method_version=dict(GROUP_METHODS)[draft.group_method],
        rule=ShareRule(draft.share_rule),
        rate_micros_per_kwh=draft.reward_micros_per_kwh,
        currency=draft.currency,
        has_penalty=draft.has_penalty,
    )


def _is_short(stay: RecordedStay, plan: Mapping[str, Any]) -> bool:
    """Say whether the car leaves with less than it wanted and would have had, charging at once."""
    hours = (stay.unplugged_at - stay.plugged_in_at) / HOUR
    most = stay.soc_percent + hours * stay.charge_w * stay.charge_efficiency / stay.capacity_wh * 100
    return bool(plan["soc_percent"][-1] < min(stay.target_percent, most, stay.limit_percent) - 1.0)


def sum_up(draft: Draft, events: Sequence[PlayedEvent]) -> dict[str, Any]:
    """Return what the rehearsal comes to: power, cost and income with their spread over the days."""
    known = [event for event in events if event.power_w is not None]
    powers = sorted(event.power_w or 0 for event in known)
    parts = sum(event.took_part + event.control for event in known)
    cost = sum(event.amount_minor for event in known)
    return {
        "events": len(events),
        "known_events": len(known),
        "cars_asked_mean": _mean([event.asked for event in events]),
        "opt_out_percent_assumed": draft.opt_out_percent,
        "power_w_mean": _whole(_mean(powers)),
        "power_w_error": _whole(_error(powers)),
        "power_w_low": powers[len(powers) // 10] if powers else None,
        "power_w_high": powers[-1 - len(powers) // 10] if powers else None,
        "delivered_wh": sum(event.delivered_wh or 0 for event in known),
        "cost_minor": cost,
        "cost_minor_per_event": _whole(_mean([event.amount_minor for event in known])),
        "cost_minor_per_event_error": _whole(_error([event.amount_minor for event in known])),
        "income_minor_per_car_and_event": _whole(max(0, cost) / parts if parts else None),
        "short_cars": sum(event.short_cars for event in events),
        "currency": draft.currency,
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _error(values: Sequence[float]) -> float | None:
    """Return the standard error of the mean over days; None of fewer than FEWEST_EVENTS."""
    if len(values) < FEWEST_EVENTS:
        return None
    mean = sum(values) / len(values)
    return sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))


def as_rows(events: Sequence[PlayedEvent]) -> list[dict[str, Any]]:
    """Return the events as plain JSON."""
    return [asdict(event) for event in events]
