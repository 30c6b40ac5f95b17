"""NYISO's zonal prices (LBMP): day-ahead hours and five-minute real time, one public CSV a day.

GET {api_base}/damlbmp/20261119damlbmp_zone.csv and {api_base}/realtime/20261119realtime_zone.csv with the columns
"Time Stamp", "Name", "PTID", "LBMP ($/MWHr)" and more; no key. Time stamps are New York wall-clock time without a
zone: the start of the hour day-ahead, the end of the interval in real time; on the autumn night the hour from 01:00
comes twice, in order. Congestion has the opposite sign to other operators', which the whole price does not show.
Tomorrow's hours are out by 11:00. Source: http://mis.nyiso.com/public (file layouts), read 2026-11.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import ClassVar
from zoneinfo import ZoneInfo

import requests

from grid.feeds.base import HOUR, FeedUnreadable, Point, as_micros, as_number, one_per_start
from grid.feeds.day_ahead import DayAhead
from grid.feeds.files import get_file, read_csv

LOCAL = ZoneInfo("America/New_York")
PRICE = "LBMP ($/MWHr)"
COLUMNS = ("Time Stamp", "Name", PRICE)
MOST_DAYS = 32
STEP = timedelta(minutes=5)
LOWEST, HIGHEST = Decimal(-50_000), Decimal(50_000)


class NyisoDayAhead(DayAhead):
    """Day-ahead hourly prices of one NYISO zone (`N.Y.C.`, `LONGIL`, `WEST`, ...)."""

    local, published_at = LOCAL, time(11, 0)
    unit = "USD/kWh"
    path = "/damlbmp/{day:%Y%m%d}damlbmp_zone.csv"
    formats: ClassVar[tuple[str, ...]] = ("%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S")

    def __init__(self, *, session: requests.Session, api_base: str) -> None:
        self.session = session
        self.api_base = api_base.rstrip("/")

    def fetch(self, *, zone: str, starts_at: datetime, ends_at: datetime, now: datetime) -> list[Point]:
        """Return the prices of `zone` that overlap the window; a day that is not out yet is left out."""
        points: list[Point] = []
        for day in _days(starts_at, ends_at):
            body = get_file(self.session, self.api_base + self.path.format(day=day))
            if body is None:
                continue
            rows = [row for row in read_csv(body, columns=COLUMNS) if row["Name"] == zone]
            if not rows:
                raise FeedUnreadable("the file has no such zone")
            points += self._read_day(rows, now)
        return one_per_start([point for point in points if point.ends_at > starts_at and point.starts_at < ends_at])

    def _read_day(self, rows: list[dict[str, str]], now: datetime) -> list[Point]:
        stamps = resolve_in_order(self._wall_clock(row["Time Stamp"]) for row in rows)
        return [self._point(at, at + HOUR, row, now) for at, row in zip(stamps, rows, strict=True)]

    def _point(self, starts_at: datetime, ends_at: datetime, row: dict[str, str], now: datetime) -> Point:
        price_per_mwh = as_number(row[PRICE], lowest=LOWEST, highest=HIGHEST)
        return Point(starts_at, ends_at, as_micros(price_per_mwh / 1000), self.unit, now)

    def _wall_clock(self, text: str) -> datetime:
        for pattern in self.formats:
            try:
                return datetime.strptime(text.strip(), pattern)  # noqa: DTZ007 - the zone is LOCAL, the fold comes next
            except ValueError:
                continue
        raise FeedUnreadable("a time stamp is not readable")


class NyisoRealTime(NyisoDayAhead):
    """Real-time prices of one NYISO zone, nominally every five minutes; a stamp ends its interval."""

    path = "/realtime/{day:%Y%m%d}realtime_zone.csv"

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the last three hours."""
        return now - 3 * HOUR, now

    def expected_until(self, now: datetime) -> datetime:
        """Return a quarter of an hour ago."""
        return now - 3 * STEP

    def next_fetch_at(self, now: datetime) -> datetime:
        """Return five minutes from now."""
        return now + STEP

    def _read_day(self, rows: list[dict[str, str]], now: datetime) -> list[Point]:
        stamps = resolve_in_order(self._wall_clock(row["Time Stamp"]) for row in rows)
        points, known_until = [], stamps[0] - STEP
        for at, row in zip(stamps, rows, strict=True):
            # An extra run in between ends sooner; after a hole the price stands for its five minutes alone.
            points.append(self._point(max(known_until, at - STEP), at, row, now))
            known_until = at
        return points


def resolve_in_order(stamps: Iterable[datetime]) -> list[datetime]:
    """Return wall-clock stamps in New York, given in order of time, as aware UTC.

    A stamp that would not come after the one before it is the second pass of the autumn night. Raises
    FeedUnreadable for stamps out of order and for times that the spring night skips.
    """
    found: list[datetime] = []
    for stamp in stamps:
        at = stamp.replace(tzinfo=LOCAL, fold=0).astimezone(UTC)
        if found and at <= found[-1]:
            at = stamp.replace(tzinfo=LOCAL, fold=1).astimezone(UTC)
        if (found and at <= found[-1]) or at.astimezone(LOCAL).replace(tzinfo=None, fold=0) != stamp:
            raise FeedUnreadable("time stamps are out of order or do not exist")
        found.append(at)
    return found


def _days(starts_at: datetime, ends_at: datetime) -> list[date]:
    # An interval that ends at midnight stands in the file of the day it belongs to.
    first = starts_at.astimezone(LOCAL).date()
    last = (ends_at - timedelta(microseconds=1)).astimezone(LOCAL).date()
    return [first + timedelta(days=ahead) for ahead in range(min((last - first).days + 1, MOST_DAYS))]
