"""OpenADR 3's events as they stand on the wire (3.0.1 and 3.1.0), read into intervals with instants and payloads.

An interval's own period overrides the event's; without one, intervals follow each other from the event's start. An
event's duration beyond its intervals repeats them. A duration of zero, no interval at all, or no payload asks for
nothing: that is how OpenADR 3 calls an event off without deleting it. Source: OpenADR 3.1.0 definition and user guide.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from grid.operators.base import OperatorUnreadable, ReportWish
from grid.operators.openadr3.times import FOREVER, NOW, read_duration, read_instant

MOST_INTERVALS = 3000  # a week in five minutes, and then some
SAID_ALREADY = {"PROGRAM_NAME", "EVENT_NAME"}  # targets of 3.0.1 that repeat what the event itself says
LONGEST_ASKED = timedelta(days=14)  # what goes on "for ever" is taken this far and looked at again
LONGEST_STANDING = timedelta(days=3660)  # of a wish for reports; it asks no car for anything


@dataclass(frozen=True)
class Interval:
    """One interval: `[starts_at, ends_at)` and what it says, by payload type."""

    number: int
    starts_at: datetime
    ends_at: datetime
    randomize: timedelta
    payloads: Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Event:
    """One event as read. `units` and `currencies` are those of its payload descriptors, by payload type."""

    remote_id: str
    program_id: str
    name: str
    changed_at: datetime
    priority: int | None
    targets: tuple[str, ...]
    intervals: tuple[Interval, ...]
    units: Mapping[str, str]
    currencies: Mapping[str, str]
    reports: tuple[ReportWish, ...]
    span: tuple[datetime, datetime] | None


@dataclass(frozen=True)
class _Period:
    starts_at: datetime | None
    length: timedelta | None
    randomize: timedelta


def read_event(record: Any, *, now: datetime) -> Event:
    """Return the event in one object of the wire; raises OperatorUnreadable, naming the part that is wrong."""
    if not isinstance(record, Mapping):
        raise OperatorUnreadable("an event is no object")
    units, currencies = _descriptors(record.get("payloadDescriptors"))
    intervals = tuple(_intervals(record, now=now))
    return Event(
        remote_id=_name(record.get("id"), "id"),
        program_id=_name(record.get("programID"), "programID"),
        name=_text(record.get("eventName")),
        changed_at=_changed_at(record),
        priority=_priority(record.get("priority")),
        targets=read_targets(record.get("targets")),
        intervals=intervals,
        units=units,
        currencies=currencies,
        reports=tuple(_report_wish(row) for row in _objects(record.get("reportDescriptors"), "reportDescriptors")),
        span=_span(record, intervals, now=now),
    )


def _changed_at(record: Mapping[str, Any]) -> datetime:
    stamp = record.get("modificationDateTime") or record.get("createdDateTime")
    return read_instant(stamp, zone_is_optional=True)


def _intervals(record: Mapping[str, Any], *, now: datetime) -> Iterator[Interval]:
    """Yield the intervals in order, repeated as far as the event's duration says."""
    default = _period(record.get("intervalPeriod"))
    rows = _objects(record.get("intervals"), "intervals")
    if len(rows) > MOST_INTERVALS:
        raise OperatorUnreadable(f"more than {MOST_INTERVALS} intervals")
    whole = None if record.get("duration") is None else read_duration(record["duration"])
    if whole is not None and whole <= timedelta(0):
        return
    start = now if default.starts_at in {None, NOW} else default.starts_at
    assert start is not None
    until = start + min(whole, LONGEST_ASKED) if whole is not None else None
    at, count = start, 0
    while rows:
        before = at
        for row in rows:
            interval = _interval(row, default, follows=at, now=now)
            at, count = interval.ends_at, count + 1
            if count > MOST_INTERVALS:
                raise OperatorUnreadable(f"more than {MOST_INTERVALS} intervals")
            if until is None or interval.starts_at < until:
                yield interval
        if until is None or at <= before or at >= until:
            return


def _span(
    record: Mapping[str, Any], intervals: Sequence[Interval], *, now: datetime
) -> tuple[datetime, datetime] | None:
    """Return from when until when the event stands, its intervals or not; None for one that was shrunk to nothing."""
    default = _period(record.get("intervalPeriod"))
    start = now if default.starts_at in {None, NOW} else default.starts_at
    assert start is not None
    length = default.length if record.get("duration") is None else read_duration(record["duration"])
    if length is None:
        return (min(one.starts_at for one in intervals), max(one.ends_at for one in intervals)) if intervals else None
    if length <= timedelta(0):
        return None
    return start, max([start + min(length, LONGEST_STANDING), *(one.ends_at for one in intervals)])


def _interval(row: Mapping[str, Any], default: _Period, *, follows: datetime, now: datetime) -> Interval:
    number = row.get("id")
    if not isinstance(number, int) or isinstance(number, bool):
        raise OperatorUnreadable("an interval has no id")
    own = _period(row.get("intervalPeriod"))
    length = own.length if own.length is not None else default.length
    if length is None:
        raise OperatorUnreadable("an interval has no duration")
    starts_at = follows if own.starts_at is None else now if own.starts_at == NOW else own.starts_at
    length = min(max(length, timedelta(0)), LONGEST_ASKED)
    payloads = {}
    for payload in _objects(row.get("payloads"), "payloads"):
        values = payload.get("values")
        if not isinstance(values, list):
            raise OperatorUnreadable("a payload's values are no list")
        payloads[_name(payload.get("type"), "payload type")] = tuple(values[:100])
    return Interval(number, starts_at, starts_at + length, max(own.randomize, default.randomize), payloads)


def _period(value: Any) -> _Period:
    if value is None:
        return _Period(None, None, timedelta(0))
    if not isinstance(value, Mapping):
        raise OperatorUnreadable("an intervalPeriod is no object")
    start, length, randomize = value.get("start"), value.get("duration"), value.get("randomizeStart")
    return _Period(
        None if start is None else read_instant(start),
        None if length is None else min(read_duration(length), FOREVER),
        timedelta(0) if randomize is None else abs(read_duration(randomize)),
    )


def read_targets(value: Any) -> tuple[str, ...]:
    """Return targets as plain texts: 3.1 has texts, 3.0.1 objects of type and values; raises OperatorUnreadable."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise OperatorUnreadable("targets are no list")
    found: list[str] = []
    for target in value[:1000]:
        if isinstance(target, str):
            found.append(target)
        elif isinstance(target, Mapping) and isinstance(target.get("values"), list):
            if target.get("type") not in SAID_ALREADY:
                found += [str(item) for item in target["values"][:100]]
        else:
            raise OperatorUnreadable("a target is neither text nor object")
    return tuple(found)


def _descriptors(value: Any) -> tuple[dict[str, str], dict[str, str]]:
    units, currencies = {}, {}
    for row in _objects(value, "payloadDescriptors"):
        name = _text(row.get("payloadType"))
        units[name] = _text(row.get("units")).upper()
        currencies[name] = _text(row.get("currency")).upper()
    return units, currencies


def _report_wish(row: Mapping[str, Any]) -> ReportWish:
    return ReportWish(
        payload_type=_name(row.get("payloadType"), "payloadType"),
        reading_type=_text(row.get("readingType")),
        units=_text(row.get("units")),
        targets=read_targets(row.get("targets")),
        is_aggregate=row.get("aggregate") is True,
        start_interval=_count(row.get("startInterval"), default=-1),
        num_intervals=_count(row.get("numIntervals"), default=-1),
        is_historical=row.get("historical") is not False,
        frequency=_count(row.get("frequency"), default=-1),
        repeat=_count(row.get("repeat"), default=1),
        intervals=_text(row.get("reportIntervals")).upper() or "INTERVALS",
    )


def _priority(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise OperatorUnreadable("a priority is no count")
    return value


def _count(value: Any, *, default: int) -> int:
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not -1 <= value <= 10**6:
        raise OperatorUnreadable("a count of a report descriptor is not readable")
    return value


def _objects(value: Any, what: str) -> list[Mapping[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or any(not isinstance(row, Mapping) for row in value):
        raise OperatorUnreadable(f"{what} are no list of objects")
    return value


def _name(value: Any, what: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 128 or not value.isprintable():
        raise OperatorUnreadable(f"{what} is missing or not readable")
    return value


def _text(value: Any) -> str:
    return value.strip()[:128] if isinstance(value, str) and value.isprintable() else ""
