"""From OpenADR 3's payloads to what is asked of cars. Types are open texts: an unknown one is a question, not a fault.

SIMPLE 1 to 3 and the emergency alerts ask to hold; DISPATCH_SETPOINT is the group's power, DISPATCH_SETPOINT_RELATIVE
a change of it; IMPORT_CAPACITY_LIMIT bounds what is taken; PRICE, EXPORT_PRICE and GHG are series for the planner and
no events. The enumeration gives a setpoint no sign and no unit of its own: `ProgramWords` and the descriptors say.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from grid.operators.base import Ask, Asked, AskKind, ProgramWords, SeriesValue
from grid.operators.openadr3.messages import Event, Interval

WATTS = {"": 1000.0, "KW": 1000.0, "W": 1.0, "MW": 1_000_000.0}
# A price a kWh is told by KWH, one a MWh by MWH; emissions come in grams or kilograms a kWh.
PRICE_SCALE = {"": 1.0, "KWH": 1.0, "MWH": 0.001}
GHG_SCALE = {"": 0.001, "G/KWH": 0.001, "KG/KWH": 1.0, "GHG": 0.001, "LBS/MWH": 0.45359237 / 1000}
ALERTS = {"ALERT_GRID_EMERGENCY", "ALERT_BLACK_START", "ALERT_FLEX_ALERT", "ALERT_POSSIBLE_OUTAGE"}
# Said for other readers than a fleet of cars, or for people: no question.
HARMLESS = {"ALERT_OTHER", "CURVE", "OLS"}
SERIES_KINDS = {"PRICE": "price", "EXPORT_PRICE": "export_price", "GHG": "marginal_carbon"}
MOST_W = 1e12
MOST_PRICE = 100.0  # a kWh; ten times the dearest hour any market here has seen


def read_asked(event: Event, *, words: ProgramWords, enrolled_w: int) -> Asked:
    """Return what the event asks, in order of time, neighbouring stretches of the same kind and size joined.

    `enrolled_w` is the power of the cars enrolled, of which SIMPLE's levels are shares.
    """
    asks: list[Ask] = []
    series: list[SeriesValue] = []
    questions: list[str] = []
    for interval in event.intervals:
        if interval.ends_at <= interval.starts_at:
            continue
        for name, values in interval.payloads.items():
            said = _Said(event, interval, name, values, words, enrolled_w)
            try:
                if name in _ASK_READERS:
                    asks += _ASK_READERS[name](said)
                elif name in SERIES_KINDS:
                    series.append(_read_series(said))
                elif name not in HARMLESS:
                    questions.append(f"payload {name[:40]} is not known")
            except _Unclear as unclear:
                questions.append(str(unclear))
    return Asked(
        remote_id=event.remote_id,
        program_id=event.program_id,
        name=event.name,
        changed_at=event.changed_at,
        priority=event.priority,
        targets=event.targets,
        asks=tuple(_joined(sorted(asks, key=lambda ask: (ask.starts_at, ask.kind)))),
        series=tuple(series),
        questions=tuple(dict.fromkeys(questions)),
        reports=event.reports,
        intervals=tuple(
            (interval.number, interval.starts_at, interval.ends_at)
            for interval in event.intervals
            if interval.ends_at > interval.starts_at
        ),
        span=event.span,
    )


def _joined(asks: Iterable[Ask]) -> list[Ask]:
    joined: list[Ask] = []
    for ask in asks:
        last = joined[-1] if joined else None
        if last is not None and last.ends_at == ask.starts_at and _same_wish(last, ask):
            joined[-1] = replace(last, ends_at=ask.ends_at)
        else:
            joined.append(ask)
    return joined


def _same_wish(one: Ask, other: Ask) -> bool:
    return (one.kind, one.target_w, one.is_emergency) == (other.kind, other.target_w, other.is_emergency)


class _Unclear(Exception):
    """A payload that is understood by name but not by value; the message is the question to a person."""


@dataclass(frozen=True)
class _Said:
    """One payload of one interval, with what is needed to understand it."""

    event: Event
    interval: Interval
    name: str
    values: tuple[Any, ...]
    words: ProgramWords
    enrolled_w: int

    @property
    def number(self) -> float:
        """The one number it carries."""
        value = self.values[0] if self.values else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise _Unclear(f"{self.name} has no number")
        return float(value)

    @property
    def units(self) -> str:
        """The unit that the event's descriptor gives it, "" for none."""
        return self.event.units.get(self.name, "")

    @property
    def watts(self) -> float:
        """The number as power; one without a unit is in kW."""
        if self.units not in WATTS:
            raise _Unclear(f"{self.name} is told in {self.units[:20]}, which is no power")
        watts = self.number * WATTS[self.units]
        if abs(watts) > MOST_W:
            raise _Unclear(f"{self.name} is beyond all reason")
        return watts

    @property
    def taken_w(self) -> float:
        """The power as what the group takes, whichever sign the program gives to export."""
        return self.watts if self.words.export_is_negative else -self.watts

    def ask(self, kind: AskKind, target_w: float | None, *, is_emergency: bool = False) -> Ask:
        """Return the ask over this interval."""
        return Ask(
            kind,
            self.interval.starts_at,
            self.interval.ends_at,
            None if target_w is None else round(target_w),
            round(self.interval.randomize.total_seconds()),
            is_emergency,
        )


def _read_simple(said: _Said) -> list[Ask]:
    level = said.number
    if level == 0:
        return []
    share = said.words.simple_shares.get(int(level)) if level == int(level) else None
    if share is None:
        raise _Unclear(f"SIMPLE level {level:g} is not agreed")
    return [said.ask(AskKind.HOLD, share * said.enrolled_w)]


def _read_setpoint(said: _Said) -> list[Ask]:
    if said.words.setpoint_is_relative:
        return _read_relative(said)
    if said.taken_w < 0:
        return [said.ask(AskKind.DISCHARGE, -said.taken_w)]
    return [said.ask(AskKind.ABSORB, said.taken_w) if said.taken_w > 0 else said.ask(AskKind.HOLD, None)]


def _read_relative(said: _Said) -> list[Ask]:
    if said.taken_w == 0:
        return []
    return [said.ask(AskKind.ABSORB if said.taken_w > 0 else AskKind.HOLD, abs(said.taken_w))]


def _read_import_limit(said: _Said) -> list[Ask]:
    if said.watts < 0:
        raise _Unclear("IMPORT_CAPACITY_LIMIT is negative")
    # What the group must leave untaken, were all of it to charge at once.
    surplus_w = said.enrolled_w - said.watts
    return [said.ask(AskKind.HOLD, surplus_w)] if surplus_w > 0 else []


def _read_alert(said: _Said) -> list[Ask]:
    return [said.ask(AskKind.HOLD, None, is_emergency=True)]  # its text is for people


_ASK_READERS: dict[str, Callable[[_Said], list[Ask]]] = {
    "SIMPLE": _read_simple,
    "DISPATCH_SETPOINT": _read_setpoint,
    "DISPATCH_SETPOINT_RELATIVE": _read_relative,
    "IMPORT_CAPACITY_LIMIT": _read_import_limit,
    **dict.fromkeys(sorted(ALERTS), _read_alert),
}


def _read_series(said: _Said) -> SeriesValue:
    is_carbon = said.name == "GHG"
    scale = (GHG_SCALE if is_carbon else PRICE_SCALE).get(said.units)
    if scale is None or abs(said.number * scale) > MOST_PRICE:
        raise _Unclear(f"{said.name} in {said.units[:20] or 'no unit'} is beyond all reason")
    currency = said.event.currencies.get(said.name) or said.words.currency
    if not is_carbon and currency != said.words.currency:
        raise _Unclear(f"{said.name} is told in {currency[:10]}, the program pays in {said.words.currency}")
    return SeriesValue(
        SERIES_KINDS[said.name],
        said.interval.starts_at,
        said.interval.ends_at,
        round(said.number * scale * 1_000_000),
        "kg/kWh" if is_carbon else f"{said.words.currency}/kWh",
    )
