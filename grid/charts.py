"""A night as a page shows it: values for the chart, and the same values as rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.utils.translation import gettext

from grid.arrays.slots import SLOT, SLOT_MINUTES
from grid.flows.owners.explaining import Explanation
from grid.flows.owners.tonight import Tonight, TonightSlot

MICROS = 1_000_000
IDLE_KW = 0.01
FULL_ENOUGH = 0.5  # percent


@dataclass(frozen=True)
class PlanRow:
    """A stretch of slots in which the car does one thing at one price."""

    starts_at: datetime
    reason: str
    power_w: int
    soc_percent: float
    price_micros: int


@dataclass(frozen=True)
class Stretch:
    """Neighbouring slots of one reason, in the table's order. `energy_wh` > 0 is taken at the plug, < 0 given back."""

    starts_at: datetime
    ends_at: datetime
    reason: str
    energy_wh: int
    soc_percent: float
    is_event: bool
    is_new_day: bool

    @property
    def kind(self) -> str:
        """Which colour goes with it: charge, give or rest."""
        return "charge" if self.energy_wh > 0 else "give" if self.energy_wh < 0 else "rest"


@dataclass(frozen=True)
class PlanChart:
    """What `components/plan_chart.html` draws. `name` is the id of the element that carries `data`."""

    name: str
    title: str
    data: dict[str, Any]
    rows: list[PlanRow]
    stretches: list[Stretch]
    currency: str
    now: datetime

    @property
    def has_discharge(self) -> bool:
        """Whether the legend must explain giving back."""
        return any(kw < -IDLE_KW for kw in self.data["power"])


def plan_chart(night: Tonight, *, locale: str) -> PlanChart | None:
    """Return the chart of a night, or None where there is no plan. Powers are kW at the AC side (> 0 charges)."""
    slots = night.slots
    if night.plan is None or not slots:
        return None
    soc = _soc(night)
    data: dict[str, Any] = {
        "startsAt": slots[0].starts_at.isoformat(),
        "slotMinutes": SLOT_MINUTES,
        "now": night.now.isoformat(),
        "departureAt": night.departure_at.isoformat() if night.departure_at else None,
        "target": night.target_percent,
        "power": [round(slot.power_kw, 2) for slot in slots],
        "soc": soc,
        "price": [round(slot.price * 100, 2) for slot in slots],
        "priceTitle": gettext("Price, ¢ per kWh ({currency})").format(currency=night.currency),
        "plugged": [int(slot.reason != "unplugged") for slot in slots],
        "reasons": [slot.reason_text for slot in slots],
        "events": _event_bands(slots),
        "zone": night.zone.key,
        "locale": locale,
    }
    return PlanChart(
        name=f"plan-{night.vehicle.public_id}",
        title=gettext("The night of {car}: battery, power and price").format(car=night.vehicle),
        data=data,
        rows=_rows(slots, soc),
        stretches=_stretches(night, soc),
        currency=night.currency,
        now=night.now,
    )


def _soc(night: Tonight) -> list[float]:
    """Return the state of charge at the start of each slot, and at the end of the last."""
    assert night.plan is not None
    after_last = (night.plan.slot_at(night.slots[-1].starts_at) or 0) + 1
    last = night.plan.solution["soc_percent"][after_last]
    return [round(value, 1) for value in (*(slot.soc_percent for slot in night.slots), last)]


def _event_bands(slots: Sequence[TonightSlot]) -> list[dict[str, str]]:
    """Join neighbouring slots of events into bands."""
    bands: list[dict[str, str]] = []
    for slot in slots:
        if not slot.is_event:
            continue
        starts_at, ends_at = slot.starts_at.isoformat(), (slot.starts_at + SLOT).isoformat()
        if bands and bands[-1]["endsAt"] == starts_at:
            bands[-1]["endsAt"] = ends_at
        else:
            bands.append({"startsAt": starts_at, "endsAt": ends_at, "label": gettext("event")})
    return bands


def _rows(slots: Sequence[TonightSlot], soc: Sequence[float]) -> list[PlanRow]:
    rows: list[PlanRow] = []
    for slot, soc_after in zip(slots, soc[1:], strict=True):
        power_w, price = round(slot.power_kw * 1000), round(slot.price * MICROS)
        last = rows[-1] if rows else None
        starts_at = slot.starts_at
        if last and (last.reason, last.power_w, last.price_micros) == (slot.reason_text, power_w, price):
            rows.pop()
            starts_at = last.starts_at
        rows.append(PlanRow(starts_at, slot.reason_text, power_w, soc_after, price))
    return rows


def _stretches(night: Tonight, soc: Sequence[float]) -> list[Stretch]:
    """Join neighbouring slots of one reason, up to the departure; the day is said where it changes."""
    found: list[Stretch] = []
    day = None
    for slot, soc_after in zip(night.slots, soc[1:], strict=True):
        if night.departure_at is not None and slot.starts_at >= night.departure_at:
            break
        energy_wh, reason = round(slot.power_kw * 1000 * SLOT_MINUTES / 60), _reason(slot, soc_after, night)
        last = found[-1] if found else None
        ends_at = slot.starts_at + SLOT
        if last and last.reason == reason and (last.energy_wh > 0) == (energy_wh > 0):
            is_event, total_wh = last.is_event or slot.is_event, last.energy_wh + energy_wh
            found[-1] = replace(last, ends_at=ends_at, energy_wh=total_wh, soc_percent=soc_after, is_event=is_event)
            continue
        began_on, day = day, slot.starts_at.astimezone(night.zone).date()
        found.append(Stretch(slot.starts_at, ends_at, reason, energy_wh, soc_after, slot.is_event, began_on != day))
    return found


def _reason(slot: TonightSlot, soc_after: float, night: Tonight) -> str:
    """Return why the slot is as it is; a car that has what was asked for does not wait for a price."""
    if slot.reason == "idle" and night.target_percent is not None and soc_after >= night.target_percent - FULL_ENOUGH:
        return gettext("full enough, waiting for you")
    return str(slot.reason_text)


def settlement_chart(explanation: Explanation, *, zone: str, locale: str) -> dict[str, Any] | None:
    """Return what the chart of one settlement draws: kW without the event and kW as it was; None = not known."""
    if not explanation.series:
        return None
    return {
        "startsAt": explanation.series[0].starts_at.isoformat(),
        "slotMinutes": SLOT_MINUTES,
        "baseline": [interval.baseline_w / 1000 for interval in explanation.series],
        "net": [None if interval.net_w is None else interval.net_w / 1000 for interval in explanation.series],
        "zone": zone,
        "locale": locale,
    }
