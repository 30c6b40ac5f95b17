"""CAISO's locational prices from OASIS: day-ahead hours and five-minute real time.

GET {api_base}/SingleZip?queryname=PRC_LMP&market_run_id=DAM&version=12 (or PRC_INTVL_LMP, RTM, 3) with node,
startdatetime and enddatetime (`20261119T08:00-0000`) and resultformat=6 answers a zip with one CSV: a row for each
interval and price component, of which LMP_TYPE "LMP" is the whole price; times are GMT, the price stands in MW (sic)
or VALUE, in USD/MWh. What cannot be answered comes as a zip with an XML error, 1000 meaning "no data". OASIS takes at
most 31 days a question and asks for seconds between questions. Tomorrow's hours are out at 13:00 in California.
Source: https://www.caiso.com (OASIS interface specification 5), read 2026-11.
"""

import re
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import ClassVar
from zoneinfo import ZoneInfo

import requests

from grid.feeds.base import HOUR, FeedUnreadable, Point, as_instant, as_micros, as_number, one_per_start
from grid.feeds.day_ahead import DayAhead
from grid.feeds.files import get_file, read_csv, read_xml, unzip_one

LOCAL = ZoneInfo("America/Los_Angeles")
LONGEST_QUESTION = timedelta(days=31)
COLUMNS = ("INTERVALSTARTTIME_GMT", "INTERVALENDTIME_GMT", "NODE", "LMP_TYPE")
NO_DATA = "1000"
# The cap is 2,000 USD/MWh under FERC order 831; congestion can exceed it. Beyond this is an error of the source.
LOWEST, HIGHEST = Decimal(-50_000), Decimal(50_000)
_CODE = re.compile(r"\s*(\d{1,6})\s*")


class CaisoDayAhead(DayAhead):
    """Day-ahead hourly prices of one CAISO node (`DLAP_PGAE-APND`, `TH_SP15_GEN-APND`, ...)."""

    local, published_at = LOCAL, time(13, 0)
    unit = "USD/kWh"
    query: ClassVar[dict[str, str]] = {"queryname": "PRC_LMP", "market_run_id": "DAM", "version": "12"}
    length = HOUR

    def __init__(self, *, session: requests.Session, api_base: str) -> None:
        self.session = session
        self.url = api_base.rstrip("/") + "/SingleZip"

    def fetch(self, *, zone: str, starts_at: datetime, ends_at: datetime, now: datetime) -> list[Point]:
        """Return the prices of `zone` that overlap the window, at most 31 days of it; raises FeedError."""
        ends_at = min(ends_at, starts_at + LONGEST_QUESTION)
        span = {"startdatetime": _stamp(starts_at), "enddatetime": _stamp(ends_at)}
        body = get_file(self.session, self.url, params={**self.query, "node": zone, "resultformat": "6", **span})
        if body is None:
            raise FeedUnreadable("HTTP 404")
        name, content = unzip_one(body)
        if not name.lower().endswith(".csv"):
            return _read_error(content)
        points = [
            self._read_row(row, zone=zone, now=now)
            for row in read_csv(content, columns=COLUMNS)
            if row["LMP_TYPE"] == "LMP"
        ]
        return one_per_start([point for point in points if point.ends_at > starts_at and point.starts_at < ends_at])

    def _read_row(self, row: dict[str, str], *, zone: str, now: datetime) -> Point:
        if row["NODE"] != zone:
            raise FeedUnreadable("a row is of another node")
        starts_at, ends_at = (as_instant(row[f"INTERVAL{edge}TIME_GMT"]) for edge in ("START", "END"))
        if ends_at - starts_at != self.length:
            raise FeedUnreadable("an interval has another length")
        price_per_mwh = as_number(row.get("MW") or row.get("VALUE"), lowest=LOWEST, highest=HIGHEST)
        return Point(starts_at, ends_at, as_micros(price_per_mwh / 1000), self.unit, now)


class CaisoRealTime(CaisoDayAhead):
    """Five-minute real-time prices of one CAISO node."""

    query: ClassVar[dict[str, str]] = {"queryname": "PRC_INTVL_LMP", "market_run_id": "RTM", "version": "3"}
    length = timedelta(minutes=5)
    behind = timedelta(minutes=20)  # OASIS publishes some minutes late

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the last three hours."""
        return now - 3 * HOUR, now + HOUR

    def expected_until(self, now: datetime) -> datetime:
        """Return twenty minutes ago."""
        return now - self.behind

    def next_fetch_at(self, now: datetime) -> datetime:
        """Return five minutes from now."""
        return now + self.length


def _read_error(content: bytes) -> list[Point]:
    """Return no points where the error says that there is no data (yet); raises FeedUnreadable for other errors."""
    codes = [element.text or "" for element in read_xml(content).iter() if element.tag.endswith("ERR_CODE")]
    found = _CODE.fullmatch(codes[0]) if codes else None
    if found is None or found[1] != NO_DATA:
        raise FeedUnreadable(f"OASIS error {found[1] if found else 'without a code'}")
    return []


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H:%M-0000")
