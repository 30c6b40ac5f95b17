"""Hours of the week on a wall clock, and which parts of a span lie in them; pure, no Django.

A night with 23 or 25 hours is read as the clock on the wall shows it: what the clock leaves out lies in no window, an
hour that comes twice lies in its window both times.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

EDGE_MINUTES = 15  # windows and clock changes begin and end on quarter hours
DAYS = range(7)
MOST_WINDOWS = 100
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


@dataclass(frozen=True)
class Span:
    """`[starts_at, ends_at)`, in UTC."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Window:
    """`[starts_minute, ends_minute)` of the local day, on some weekdays (0 = Monday)."""

    weekdays: frozenset[int]
    starts_minute: int
    ends_minute: int

    def covers(self, local: datetime) -> bool:
        """Say whether the local instant lies in the window."""
        minute = local.hour * 60 + local.minute
        return local.weekday() in self.weekdays and self.starts_minute <= minute < self.ends_minute


def parse_windows(records: object) -> tuple[Window, ...]:
    """Read windows, each `{"weekdays": [0..6], "from": "HH:MM", "to": "HH:MM"}`; raises ValueError naming the bad one.

    They are half-open with edges on quarter hours, `to` may be "24:00", and one over midnight is written as two.
    """
    if not isinstance(records, list) or len(records) > MOST_WINDOWS:
        raise ValueError(f"windows are a list of at most {MOST_WINDOWS}")
    return tuple(_parse_window(record, f"window {place}") for place, record in enumerate(records, start=1))


def _parse_window(record: object, name: str) -> Window:
    if not isinstance(record, Mapping) or set(record) != {"weekdays", "from", "to"}:
        raise ValueError(f"{name} needs exactly weekdays, from and to")
    weekdays = record["weekdays"]
    if not isinstance(weekdays, list) or not weekdays or not all(type(day) is int and day in DAYS for day in weekdays):
        raise ValueError(f"{name}: weekdays are numbers from 0 (Monday) to 6")
    starts, ends = (_parse_clock(record[key], f"{name}: {key}") for key in ("from", "to"))
    if starts >= ends:
        raise ValueError(f"{name} ends before it starts; one over midnight is written as two")
    return Window(frozenset(weekdays), starts, ends)


def _parse_clock(value: object, name: str) -> int:
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        raise ValueError(f"{name} is a time from 00:00 to 24:00")
    minute = int(value[:2]) * 60 + int(value[3:])
    if minute % EDGE_MINUTES:
        raise ValueError(f"{name} lies on a quarter hour")
    return minute


def is_in_windows(windows: Sequence[Window], span: Span, *, zone: ZoneInfo) -> bool:
    """Say whether every instant of the span lies in one of the windows; where there are none, any time is right."""
    return not windows or spans_between(windows, span, zone=zone) == [span]


def spans_between(windows: Sequence[Window], span: Span, *, zone: ZoneInfo) -> list[Span]:
    """Return the parts of the span that lie in the windows, in order, joined where one follows the other."""
    found: list[Span] = []
    at = span.starts_at
    while at < span.ends_at:
        until = min(_next_edge(at), span.ends_at)
        local = at.astimezone(zone)
        if any(window.covers(local) for window in windows):
            if found and found[-1].ends_at == at:
                found[-1] = Span(found[-1].starts_at, until)
            else:
                found.append(Span(at, until))
        at = until
    return found


def _next_edge(at: datetime) -> datetime:
    since = timedelta(minutes=at.minute % EDGE_MINUTES, seconds=at.second, microseconds=at.microsecond)
    return at - since + timedelta(minutes=EDGE_MINUTES)
