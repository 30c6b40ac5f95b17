"""ERCOT's settlement point prices: reports NP4-190-CD (day-ahead hours) and NP6-905-CD (real-time quarter hours).

GET {api_base}/np4-190-cd/dam_stlmnt_pnt_prices and /np6-905-cd/spp_node_zone_hub, header Ocp-Apim-Subscription-Key;
rows are lists whose columns the answer names. `hourEnding` "24:00" is midnight; in real time `deliveryHour` runs 1 to
24 and `deliveryInterval` 1 to 4. On the autumn night the hour ending 02:00 comes twice, the second one (standard
time) with DSTFlag true; on the spring night the hour ending 03:00 does not exist. USD/MWh become USD/kWh. A day's
prices appear at about 13:30 in Texas on the day before, a quarter hour's some minutes after its end.
Source: https://apiexplorer.ercot.com (Public API, NP4-190-CD and NP6-905-CD), read 2026-11.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import requests

from grid.feeds.base import HOUR, FeedUnreadable, Point, as_micros, as_number, get_json, one_per_start
from grid.feeds.day_ahead import DayAhead

LOCAL = ZoneInfo("America/Chicago")
QUARTER = HOUR / 4
PAGE_ROWS = 1000
MAX_PAGES = 50
SHARED = ("deliveryDate", "settlementPoint", "settlementPointPrice", "DSTFlag")
# The cap is 5,000 USD/MWh (9,000 until 2021); ten times that is an error of the source.
LOWEST, HIGHEST = Decimal(-90_000), Decimal(90_000)
_HOUR = re.compile(r"(0?[1-9]|1\d|2[0-4]):00")


class ErcotDayAhead(DayAhead):
    """Day-ahead prices of one ERCOT settlement point (`LZ_AEN`, `HB_NORTH`, ...)."""

    local, published_at = LOCAL, time(13, 30)
    unit = "USD/kWh"
    path = "/np4-190-cd/dam_stlmnt_pnt_prices"
    columns: ClassVar[tuple[str, ...]] = (*SHARED, "hourEnding")
    length = HOUR

    def __init__(self, *, session: requests.Session, api_base: str, subscription_key: str) -> None:
        self.session = session
        self.url = api_base.rstrip("/") + self.path
        self.headers = {"Ocp-Apim-Subscription-Key": subscription_key, "Accept": "application/json"}

    def fetch(self, *, zone: str, starts_at: datetime, ends_at: datetime, now: datetime) -> list[Point]:
        """Return the prices of `zone` that overlap the window; raises FeedError."""
        last_moment = ends_at - timedelta(microseconds=1)
        query = {
            "deliveryDateFrom": starts_at.astimezone(LOCAL).date().isoformat(),
            "deliveryDateTo": last_moment.astimezone(LOCAL).date().isoformat(),
            "settlementPoint": zone,
            "size": str(PAGE_ROWS),
        }
        points = [self._read_row(row, zone=zone, now=now) for row in self._rows(query)]
        return one_per_start([point for point in points if point.ends_at > starts_at and point.starts_at < ends_at])

    def _rows(self, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        for page in range(1, MAX_PAGES + 1):
            answer = get_json(self.session, self.url, params={**query, "page": str(page)}, headers=self.headers)
            rows, pages = _read_page(answer, self.columns)
            yield from rows
            if page >= pages:
                return
        raise FeedUnreadable(f"more than {MAX_PAGES} pages")

    def _read_row(self, row: Mapping[str, Any], *, zone: str, now: datetime) -> Point:
        if row["settlementPoint"] != zone:
            raise FeedUnreadable("a row is of another settlement point")
        starts_at = self._starts_at(row, is_repeated=_read_flag(row["DSTFlag"]))
        price_per_mwh = as_number(row["settlementPointPrice"], lowest=LOWEST, highest=HIGHEST)
        return Point(starts_at, starts_at + self.length, as_micros(price_per_mwh / 1000), self.unit, now)

    def _starts_at(self, row: Mapping[str, Any], *, is_repeated: bool) -> datetime:
        return read_hour_ending(row["deliveryDate"], row["hourEnding"], is_repeated=is_repeated)


class ErcotRealTime(ErcotDayAhead):
    """Real-time prices of one ERCOT settlement point, every quarter of an hour."""

    path = "/np6-905-cd/spp_node_zone_hub"
    columns: ClassVar[tuple[str, ...]] = (*SHARED, "deliveryHour", "deliveryInterval")
    length = QUARTER

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the last three hours."""
        return now - 3 * HOUR, now

    def expected_until(self, now: datetime) -> datetime:
        """Return half an hour ago."""
        return now - 2 * QUARTER

    def next_fetch_at(self, now: datetime) -> datetime:
        """Return five minutes from now."""
        return now + QUARTER / 3

    def _starts_at(self, row: Mapping[str, Any], *, is_repeated: bool) -> datetime:
        hour, quarter = row["deliveryHour"], row["deliveryInterval"]
        if type(hour) is not int or type(quarter) is not int or not 1 <= hour <= 24 or not 1 <= quarter <= 4:
            raise FeedUnreadable("an hour or interval is not readable")
        begins = read_hour_ending(row["deliveryDate"], f"{hour:02}:00", is_repeated=is_repeated)
        return begins + (quarter - 1) * QUARTER


def _read_page(answer: object, columns: Sequence[str]) -> tuple[list[dict[str, Any]], int]:
    if not isinstance(answer, Mapping):
        raise FeedUnreadable("the answer is no object")
    fields, rows, meta = answer.get("fields"), answer.get("data"), answer.get("_meta")
    if not isinstance(fields, list) or not isinstance(rows, list) or not isinstance(meta, Mapping):
        raise FeedUnreadable("fields, data or _meta are missing")
    names = [str(field.get("name")) if isinstance(field, Mapping) else "" for field in fields]
    if not set(columns) <= set(names):
        raise FeedUnreadable("a column is missing")
    if any(not isinstance(row, list) or len(row) != len(names) for row in rows):
        raise FeedUnreadable("a row does not fit the columns")
    pages = meta.get("totalPages", 1)
    if type(pages) is not int or pages < 0:
        raise FeedUnreadable("totalPages is no count")
    return [dict(zip(names, row, strict=True)) for row in rows], pages


def _read_flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in {"Y", "N"}:  # the older reports of the same series write letters
        return value == "Y"
    raise FeedUnreadable("DSTFlag is neither true nor false")


def read_hour_ending(delivery_date: object, hour_ending: object, *, is_repeated: bool) -> datetime:
    """Return when the hour starts, aware UTC.

    `is_repeated` marks the second hour ending 02:00 of the autumn night. Raises FeedUnreadable for a time that is
    none, one that the spring night skips, and a repeated hour on any other night.
    """
    if not isinstance(delivery_date, str) or not isinstance(hour_ending, str) or not _HOUR.fullmatch(hour_ending):
        raise FeedUnreadable("a date or hour is not readable")
    try:
        day = date.fromisoformat(delivery_date)
    except ValueError as error:
        raise FeedUnreadable("a date is not readable") from error
    ending = int(hour_ending.split(":")[0])
    local = datetime.combine(day, time(ending - 1), tzinfo=LOCAL).replace(fold=1 if is_repeated else 0)
    starts_at = local.astimezone(UTC)
    if starts_at.astimezone(LOCAL).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise FeedUnreadable("an hour does not exist on the spring night")
    if is_repeated and starts_at == local.replace(fold=0).astimezone(UTC):
        raise FeedUnreadable("an hour is marked as repeated on a night that repeats none")
    return starts_at
