"""Ontario's price from the IESO's public reports: day-ahead hours and five-minute real time, as XML.

GET {api_base}/DAHourlyOntarioZonalPrice/PUB_DAHourlyOntarioZonalPrice_20261119.xml (a delivery day: DeliveryDate,
HourlyPriceComponents with PricingHour 1 to 24 and ZonalPrice) and {api_base}/RealtimeOntarioZonalPrice/
PUB_RealtimeOntarioZonalPrice_2026111915.xml (an hour ending: twelve ZonalPrice with Interval and LmpCap), namespace
http://www.ieso.ca/schema, CAD/MWh, no key. The market keeps Eastern Standard Time all year, so no night is short or
long. A price may be empty. Tomorrow's hours are out at about 13:30. The zone is always ONTARIO.
Source: https://reports-public.ieso.ca (reports and schemas since the market renewal of May 2025), read 2026-11.
"""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from xml.etree.ElementTree import Element

import requests

from grid.feeds.base import HOUR, FeedUnreadable, Point, as_micros, as_number, one_per_start
from grid.feeds.day_ahead import DayAhead
from grid.feeds.files import get_file, read_xml

LOCAL = timezone(timedelta(hours=-5), "EST")
SCHEMA = "{http://www.ieso.ca/schema}"
ZONE = "ONTARIO"
STEP = timedelta(minutes=5)
MOST_FILES = 32
LOWEST, HIGHEST = Decimal(-20_000), Decimal(20_000)


class IesoDayAhead(DayAhead):
    """Ontario's day-ahead hourly price (DA-OZP)."""

    local, published_at = LOCAL, time(13, 30)
    unit = "CAD/kWh"

    def __init__(self, *, session: requests.Session, api_base: str) -> None:
        self.session = session
        self.api_base = api_base.rstrip("/")

    def fetch(self, *, zone: str, starts_at: datetime, ends_at: datetime, now: datetime) -> list[Point]:
        """Return the prices that overlap the window; a day that is not out yet is left out. Raises FeedError."""
        if zone != ZONE:
            raise FeedUnreadable(f"the only zone is {ZONE}")
        points: list[Point] = []
        for day in _days(starts_at, ends_at):
            body = get_file(self.session, f"{self.api_base}{_day_ahead_path(day)}")
            points += [] if body is None else self._read_day(read_xml(body), day, now)
        return one_per_start([point for point in points if point.ends_at > starts_at and point.starts_at < ends_at])

    def _read_day(self, root: Element, day: date, now: datetime) -> list[Point]:
        if _text(root, "DeliveryDate") != day.isoformat():
            raise FeedUnreadable("the file is of another day")
        midnight = datetime.combine(day, time(), tzinfo=LOCAL).astimezone(UTC)
        points = []
        for row in root.iter(f"{SCHEMA}HourlyPriceComponents"):
            hour, price = _count(_text(row, "PricingHour"), most=24), _text(row, "ZonalPrice")
            if price:
                points.append(_point(midnight + (hour - 1) * HOUR, HOUR, price, now))
        return points


class IesoRealTime(IesoDayAhead):
    """Ontario's real-time price, every five minutes; one file an hour."""

    def fetch(self, *, zone: str, starts_at: datetime, ends_at: datetime, now: datetime) -> list[Point]:
        """Return the prices that overlap the window, hour by hour; an hour that is not out yet is left out."""
        if zone != ZONE:
            raise FeedUnreadable(f"the only zone is {ZONE}")
        points: list[Point] = []
        hour = starts_at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        for _ in range(MOST_FILES):
            if hour >= ends_at:
                break
            body = get_file(self.session, f"{self.api_base}{_real_time_path(hour)}")
            points += [] if body is None else self._read_hour(read_xml(body), hour, now)
            hour += HOUR
        return one_per_start([point for point in points if point.ends_at > starts_at and point.starts_at < ends_at])

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the last three hours."""
        return now - 3 * HOUR, now

    def expected_until(self, now: datetime) -> datetime:
        """Return an hour and a quarter ago: a file comes out after its hour."""
        return now - HOUR - 3 * STEP

    def next_fetch_at(self, now: datetime) -> datetime:
        """Return a quarter of an hour from now."""
        return now + 3 * STEP

    def _read_hour(self, root: Element, hour: datetime, now: datetime) -> list[Point]:
        if _count(_text(root, "DeliveryHour"), most=24) != hour.astimezone(LOCAL).hour + 1:
            raise FeedUnreadable("the file is of another hour")
        points = []
        for row in root.iter(f"{SCHEMA}ZonalPrice"):
            price = _text(row, "LmpCap")
            if price:
                points.append(_point(hour + (_count(_text(row, "Interval"), most=12) - 1) * STEP, STEP, price, now))
        return points


def _day_ahead_path(day: date) -> str:
    return f"/DAHourlyOntarioZonalPrice/PUB_DAHourlyOntarioZonalPrice_{day:%Y%m%d}.xml"


def _real_time_path(hour: datetime) -> str:
    local = hour.astimezone(LOCAL)  # files are named by the hour's end, 01 to 24
    return f"/RealtimeOntarioZonalPrice/PUB_RealtimeOntarioZonalPrice_{local:%Y%m%d}{local.hour + 1:02d}.xml"


def _point(starts_at: datetime, length: timedelta, price: str, now: datetime) -> Point:
    price_per_mwh = as_number(price, lowest=LOWEST, highest=HIGHEST)
    return Point(starts_at, starts_at + length, as_micros(price_per_mwh / 1000), IesoDayAhead.unit, now)


def _text(parent: Element, name: str) -> str:
    found = next(parent.iter(f"{SCHEMA}{name}"), None)
    return (found.text or "").strip() if found is not None else ""


def _count(text: str, *, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:3]) <= most):
        raise FeedUnreadable("an hour or interval is not readable")
    return int(text)


def _days(starts_at: datetime, ends_at: datetime) -> list[date]:
    first = starts_at.astimezone(LOCAL).date()
    last = (ends_at - timedelta(microseconds=1)).astimezone(LOCAL).date()
    return [first + timedelta(days=ahead) for ahead in range(min((last - first).days + 1, MOST_FILES))]
