"""From OpenADR 2.0b's signals to what is asked of cars; what is not known by name or value is a question to a person.

SIMPLE's levels ask to hold, and step back where another signal of the same event says more exactly how much: servers
send them along for devices that know nothing else. LOAD_DISPATCH is the group's power (setpoint), a change of it
(delta) or a share (multiplier); LOAD_CONTROL bounds or shifts it. Prices are series for the planner and no events.
The signs are those agreed for the program.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from grid.operators.base import Ask, Asked, AskKind, OperatorUnreadable, ProgramWords, SeriesValue
from grid.operators.openadr2b.messages import LONGEST, read_length
from grid.operators.openadr3.times import NOW, read_instant

LONGEST_ASKED = timedelta(days=14)
LONGEST_STARTAFTER = timedelta(hours=1)
MOST_INTERVALS = 3000
MOST_W = 1e12
MOST_PRICE = 100.0  # a kWh
SCALES = {
    **dict(zip(("p", "n", "micro", "m", "c", "d"), (1e-12, 1e-9, 1e-6, 1e-3, 1e-2, 0.1), strict=True)),
    **dict(zip(("", "none", "k", "M", "G", "T"), (1.0, 1.0, 1e3, 1e6, 1e9, 1e12), strict=True)),
}
OVER = {"cancelled", "completed"}
SIMPLE = "SIMPLE"


class _Unclear(Exception):
    """A signal that is known by name but not by value; the message is the question to a person."""


@dataclass(frozen=True)
class _Interval:
    """One interval of one signal, `[starts_at, ends_at)`, and its number."""

    starts_at: datetime
    ends_at: datetime
    is_open_ended: bool
    texts: tuple[str, ...]

    @property
    def number(self) -> float:
        """The one number it carries."""
        try:
            number = float(self.texts[0]) if len(self.texts) == 1 else math.nan
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise _Unclear("a signal has no number")
        return number


@dataclass(frozen=True)
class _Signal:
    """One signal with what is needed to understand it."""

    name: str
    type: str
    item: Mapping[str, str]
    intervals: tuple[_Interval, ...]
    words: ProgramWords
    enrolled_w: int
    randomize_seconds: int

    def watts(self, interval: _Interval) -> float:
        """The interval's number as power into the group; one without a unit is in kW."""
        kind, units = self.item.get("kind", ""), self.item.get("units", "")
        if kind not in {"", "powerReal"} or units not in {"", "W"} or self.item.get("scale", "") not in SCALES:
            raise _Unclear(f"{self.name} is told in {kind[:30]} {units[:20]}, which is no power")
        scale = SCALES[self.item["scale"]] if kind else 1000.0
        watts = interval.number * scale * (1 if self.words.export_is_negative else -1)
        if abs(watts) > MOST_W:
            raise _Unclear(f"{self.name} is beyond all reason")
        return watts

    def ask(self, kind: AskKind, interval: _Interval, target_w: float | None) -> Ask:
        """Return the ask over an interval.

        2.0b moves a whole event later, by up to `startafter`; our cars move either way, so by half of it around its
        middle.
        """
        half = timedelta(seconds=self.randomize_seconds / 2)
        return Ask(
            kind,
            interval.starts_at + half,
            interval.ends_at + half,
            None if target_w is None else round(target_w),
            round(half.total_seconds()),
            is_open_ended=interval.is_open_ended,
        )

    def change(self, interval: _Interval, watts: float) -> list[Ask]:
        """Return the ask for a change of the group's power."""
        if round(watts) == 0:
            return []
        return [self.ask(AskKind.ABSORB if watts > 0 else AskKind.HOLD, interval, abs(watts))]


def read_asked(record: Mapping[str, Any], *, words: ProgramWords, enrolled_w: int, now: datetime) -> Asked:
    """Return what one event asks; raises OperatorUnreadable for contradictions, naming them.

    A cancelled or completed event and a test ask nothing. A duration of zero is open-ended, as the profile says:
    such an ask is taken as far as it may go and ends when the server says so.
    """
    remote_id = record.get("id")
    if not isinstance(remote_id, str) or not 0 < len(remote_id) <= 128 or not remote_id.isprintable():
        raise OperatorUnreadable("the event's id is missing or not readable")
    signals = _signals(record, words=words, enrolled_w=enrolled_w)
    asks, series, questions = _understand(signals, words)
    is_over = record.get("status") in OVER or is_test(record)
    asked = Asked(
        remote_id=remote_id,
        program_id=str(record.get("marketContext")),
        name=str(record.get("comment") or "")[:128],
        changed_at=_changed_at(record, now),
        revision=_count(record.get("modificationNumber"), "a modification number"),
        # In 2.0b zero means "no priority", and 1 comes first.
        priority=_count(record.get("priority") or "0", "a priority") or None,
        targets=_targets(record.get("targets", {})),
        asks=() if is_over else tuple(_joined(asks)),
        series=() if is_over else tuple(series),
        questions=() if is_over else tuple(dict.fromkeys(questions)),
    )
    _check_one_at_a_time(asked.asks)
    return asked


def _targets(named: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Return whom the event is for: the VEN's own name addresses it, and means all where nothing closer is named."""
    closer = tuple(value for kind, values in named.items() if kind != "venID" for value in values)
    return closer or tuple(named.get("venID", ()))


def is_test(record: Mapping[str, Any]) -> bool:
    """Say whether the event only tries the line: all but an empty text and "false" do."""
    return str(record.get("testEvent") or "").strip().lower() not in {"", "false"}


def _changed_at(record: Mapping[str, Any], now: datetime) -> datetime:
    stamp = record.get("modificationDateTime") or record.get("createdDateTime")
    return read_instant(stamp, zone_is_optional=True) if stamp else now


def _count(text: object, what: str) -> int:
    if not isinstance(text, str) or not text.isdecimal() or len(text) > 9:
        raise OperatorUnreadable(f"{what} is no count")
    return int(text)


def _signals(record: Mapping[str, Any], *, words: ProgramWords, enrolled_w: int) -> list[_Signal]:
    start = read_instant(record.get("start"))
    if start == NOW:
        raise OperatorUnreadable("a time is beyond all reason")
    whole = read_length(str(record.get("duration")))
    randomize = read_length(record["startAfter"]) if record.get("startAfter") else timedelta(0)
    return [
        _Signal(
            name=signal["name"],
            type=signal["type"],
            item=signal["item"],
            intervals=tuple(_intervals(signal["intervals"], start=start, whole=whole)),
            words=words,
            enrolled_w=enrolled_w,
            randomize_seconds=round(min(randomize, LONGEST_STARTAFTER).total_seconds()),
        )
        for signal in record.get("signals", ())
    ]


def _intervals(rows: list[Mapping[str, Any]], *, start: datetime, whole: timedelta) -> list[_Interval]:
    """Return a signal's intervals, one after the other from the event's start; raises OperatorUnreadable.

    An interval of zero is open-ended and must be the last; an open-ended event makes its last interval so too only
    where that has no length of its own.
    """
    if len(rows) > MOST_INTERVALS:
        raise OperatorUnreadable(f"more than {MOST_INTERVALS} intervals")
    intervals: list[_Interval] = []
    at, until = start, start + min(whole, LONGEST_ASKED) if whole else None
    for place, row in enumerate(rows):
        starts_at = read_instant(row["start"]) if row["start"] else at
        length = min(read_length(row["duration"]) if row["duration"] else timedelta(0), LONGEST)
        is_last = place == len(rows) - 1
        if starts_at < at or (not length and not is_last):
            raise OperatorUnreadable("its intervals overlap")
        is_open_ended = not length and until is None
        ends_at = starts_at + min(length, LONGEST_ASKED) if length else until or starts_at + LONGEST_ASKED
        if until is not None and ends_at > until and whole <= LONGEST_ASKED:
            raise OperatorUnreadable("its intervals last longer than the event")
        intervals.append(_Interval(starts_at, ends_at, is_open_ended, tuple(row["values"])))
        at = ends_at
    return intervals


def _understand(signals: list[_Signal], words: ProgramWords) -> tuple[list[Ask], list[SeriesValue], list[str]]:
    asks: list[Ask] = []
    levels: list[Ask] = []
    series: list[SeriesValue] = []
    questions: list[str] = []
    for signal in signals:
        known = _READERS.get((signal.name.upper(), signal.type))
        try:
            if (signal.name.upper(), signal.type) in _PRICES:
                series += [_price(signal, interval, words) for interval in signal.intervals]
            elif known is None:
                questions.append(f"signal {signal.name[:40]} of type {signal.type[:40]} is not known")
            else:
                found = [ask for interval in signal.intervals for ask in known(signal, interval)]
                (levels if signal.name.upper() == SIMPLE else asks).extend(found)
        except _Unclear as unclear:
            questions.append(str(unclear))
    return asks or levels, series, questions


def _joined(asks: list[Ask]) -> list[Ask]:
    """Return the asks in order of time, neighbours of one kind and size as one."""
    joined: list[Ask] = []
    for ask in sorted(asks, key=lambda ask: (ask.starts_at, ask.kind)):
        last = joined[-1] if joined else None
        if last and last.ends_at == ask.starts_at and (last.kind, last.target_w) == (ask.kind, ask.target_w):
            joined[-1] = replace(last, ends_at=ask.ends_at, is_open_ended=ask.is_open_ended)
        elif last != ask:
            joined.append(ask)
    return joined


def _check_one_at_a_time(asks: tuple[Ask, ...]) -> None:
    for before, after in pairwise(asks):
        if after.starts_at < before.ends_at:
            raise OperatorUnreadable("its signals ask two things at once")


def _read_level(signal: _Signal, interval: _Interval) -> list[Ask]:
    level = interval.number
    if level == 0:
        return []
    share = signal.words.simple_shares.get(int(level)) if level == int(level) else None
    if share is None:
        raise _Unclear(f"SIMPLE level {level:g} is not agreed")
    return [signal.ask(AskKind.HOLD, interval, share * signal.enrolled_w)]


def _read_setpoint(signal: _Signal, interval: _Interval) -> list[Ask]:
    watts = signal.watts(interval)
    if signal.words.setpoint_is_relative:
        return signal.change(interval, watts)
    if watts < 0:
        return [signal.ask(AskKind.DISCHARGE, interval, -watts)]
    return [signal.ask(AskKind.ABSORB, interval, watts) if watts > 0 else signal.ask(AskKind.HOLD, interval, None)]


def _read_delta(signal: _Signal, interval: _Interval) -> list[Ask]:
    return signal.change(interval, signal.watts(interval))


def _read_share(signal: _Signal, interval: _Interval) -> list[Ask]:
    """Take a share of what the group would take: below 1 holds; above 1 nobody can say how much is meant."""
    if not 0 <= interval.number <= 1:
        raise _Unclear(f"{signal.name} of {interval.number:g} times the load is not agreed")
    return signal.change(interval, (interval.number - 1) * signal.enrolled_w)


def _read_percent_offset(signal: _Signal, interval: _Interval) -> list[Ask]:
    if not -100 <= interval.number <= 100:
        raise _Unclear(f"{signal.name} of {interval.number:g} % is beyond all reason")
    return signal.change(interval, interval.number / 100 * signal.enrolled_w)


def _price(signal: _Signal, interval: _Interval, words: ProgramWords) -> SeriesValue:
    kind, units = signal.item.get("kind", ""), signal.item.get("units", "")
    scale = SCALES.get(signal.item.get("scale", ""))
    if kind not in {"", "currencyPerKWh"} or scale is None:
        raise _Unclear(f"{signal.name} is told in {kind[:30]}, which is no price of energy")
    if units and units != words.currency:
        raise _Unclear(f"{signal.name} is told in {units[:10]}, the program pays in {words.currency}")
    price = interval.number * scale
    if abs(price) > MOST_PRICE:
        raise _Unclear(f"{signal.name} is beyond all reason")
    return SeriesValue("price", interval.starts_at, interval.ends_at, round(price * 1_000_000), f"{words.currency}/kWh")


_PRICES = {("ELECTRICITY_PRICE", "price"), ("ENERGY_PRICE", "price")}
_READERS: dict[tuple[str, str], Callable[[_Signal, _Interval], list[Ask]]] = {
    (SIMPLE, "level"): _read_level,
    ("LOAD_DISPATCH", "setpoint"): _read_setpoint,
    ("LOAD_DISPATCH", "delta"): _read_delta,
    ("LOAD_DISPATCH", "multiplier"): _read_share,
    ("LOAD_CONTROL", "x-loadControlCapacity"): _read_share,
    ("LOAD_CONTROL", "x-loadControlPercentOffset"): _read_percent_offset,
    ("LOAD_CONTROL", "x-loadControlSetpoint"): _read_setpoint,
}
