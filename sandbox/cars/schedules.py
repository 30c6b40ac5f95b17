"""Charging schedules that a car keeps by itself: one-time starts that were sent to it, and its owner's daily window."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY_MINUTES = 24 * 60


@dataclass(frozen=True)
class PlannedStart:
    """At `at` the car starts charging, whatever held it, if it is then at its plug; it does so once.

    A start that is meant for another place is kept but never does anything here.
    """

    schedule_id: int
    at: datetime
    is_here: bool = True


@dataclass(frozen=True)
class DailyWindow:
    """The owner's own habit, set in the car: it charges from `start_minute` to `stop_minute` of its local day alone.

    Where the window opens, the car starts even if it was told to stop; outside it no start helps.
    """

    start_minute: int
    stop_minute: int

    def __post_init__(self) -> None:
        minutes = (self.start_minute, self.stop_minute)
        if self.start_minute == self.stop_minute or not all(0 <= minute < DAY_MINUTES for minute in minutes):
            raise ValueError("a window opens and closes at two different minutes of the day")

    def is_open(self, instant: datetime, *, time_zone: str) -> bool:
        """Return whether the car may charge at `instant`: the latest edge up to then was an opening."""
        return max(edge for edge in self._edges(instant, time_zone) if edge[0] <= instant)[1]

    def opens_at(self, instant: datetime, *, time_zone: str) -> bool:
        """Return whether the window opens exactly at `instant`."""
        return (instant, True) in self._edges(instant, time_zone)

    def next_edge(self, after: datetime, *, time_zone: str) -> datetime:
        """Return the first opening or closing later than `after`."""
        return min(at for at, _ in self._edges(after, time_zone) if at > after)

    def _edges(self, around: datetime, time_zone: str) -> tuple[tuple[datetime, bool], ...]:
        today = around.astimezone(ZoneInfo(time_zone)).date()
        return _edges_near(today, self.start_minute, self.stop_minute, time_zone)


@lru_cache(maxsize=4096)
def _edges_near(
    local_date: date, start_minute: int, stop_minute: int, time_zone: str
) -> tuple[tuple[datetime, bool], ...]:
    """Return the openings (True) and closings of the days around `local_date`, in UTC."""
    edges = []
    for days in (-2, -1, 0, 1, 2):
        for minute, is_opening in ((start_minute, True), (stop_minute, False)):
            wall = time(minute // 60, minute % 60)
            local = datetime.combine(local_date + timedelta(days=days), wall, ZoneInfo(time_zone))
            edges.append((local.astimezone(UTC), is_opening))
    return tuple(edges)


def next_at(minute: int, *, after: datetime, time_zone: str) -> datetime:
    """Return the first instant later than `after` at which the local clock shows `minute` of the day."""
    zone = ZoneInfo(time_zone)
    today = after.astimezone(zone).date()
    wall = time(minute // 60, minute % 60)
    days = [datetime.combine(today + timedelta(days=days), wall, zone).astimezone(UTC) for days in (0, 1, 2)]
    return min(at for at in days if at > after)


def minute_of(instant: datetime, *, time_zone: str) -> int:
    """Return the minute of the local day at `instant`."""
    local = instant.astimezone(ZoneInfo(time_zone))
    return local.hour * 60 + local.minute


def read_minute(text: str) -> int:
    """Return the minute of the day in "HH:MM"; raises ValueError."""
    wall = time.fromisoformat(text)
    return wall.hour * 60 + wall.minute


def write_minute(minute: int) -> str:
    """Return "HH:MM"."""
    return f"{minute // 60:02}:{minute % 60:02}"
