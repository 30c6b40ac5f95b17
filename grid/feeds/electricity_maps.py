"""Electricity Maps' carbon intensity, API v3: the average of the mix, for places without a marginal signal.

GET {api_base}/v3/carbon-intensity/history?zone= and /forecast?zone= with the header auth-token answer
`{"zone", "history": [{"datetime", "carbonIntensity", "isEstimated"}]}` and `{"zone", "forecast": [...]}`, hourly, in
gCO2eq/kWh, here kg/kWh. An average says how clean the mix is, not what the next kWh adds: shifting by it is a stopgap.
Source: https://portal.electricitymaps.com/docs/api (v3), read 2026-11.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import requests

from grid.feeds.base import HOUR, FeedUnreadable, Point, as_instant, as_micros, as_number, get_json, one_per_start

LOWEST, HIGHEST = Decimal(0), Decimal(5_000)
HORIZON_HOURS, LOOK_BACK_HOURS = 24, 24


class ElectricityMapsAverage:
    """The average carbon intensity of one Electricity Maps zone (`CA-ON`, `US-NY-NYIS`, ...)."""

    unit = "kg/kWh"

    def __init__(self, *, session: requests.Session, api_base: str, token: str) -> None:
        self.session = session
        self.url = api_base.rstrip("/") + "/v3/carbon-intensity"
        self.headers = {"auth-token": token}

    def fetch(self, *, zone: str, starts_at: datetime, ends_at: datetime, now: datetime) -> list[Point]:
        """Return what was measured before `now` and the forecast after it; raises FeedError."""
        points: list[Point] = []
        if starts_at < now:
            points += self._read("history", zone, now)
        if ends_at > now:
            measured = {point.starts_at for point in points}
            points += [point for point in self._read("forecast", zone, now) if point.starts_at not in measured]
        return one_per_start([point for point in points if point.ends_at > starts_at and point.starts_at < ends_at])

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """Return a day behind and a day ahead, from the edge of an hour."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        return hour - (LOOK_BACK_HOURS - 1) * HOUR, hour + HORIZON_HOURS * HOUR

    def expected_until(self, now: datetime) -> datetime:
        """Return twelve hours ahead: shorter forecasts than that are gaps."""
        return now.replace(minute=0, second=0, microsecond=0) + 12 * HOUR

    def next_fetch_at(self, now: datetime) -> datetime:
        """Return an hour from now."""
        return now + HOUR

    def _read(self, kind: str, zone: str, now: datetime) -> list[Point]:
        answer = get_json(self.session, f"{self.url}/{kind}", params={"zone": zone}, headers=self.headers)
        rows = answer.get(kind) if isinstance(answer, Mapping) else None
        if not isinstance(rows, list) or any(not isinstance(row, Mapping) for row in rows):
            raise FeedUnreadable(f"{kind} is no list of objects")
        if answer.get("zone") != zone:
            raise FeedUnreadable("the answer is of another zone")
        return [_read_row(row, now) for row in rows if row.get("carbonIntensity") is not None]


def _read_row(row: Mapping[str, Any], now: datetime) -> Point:
    starts_at = as_instant(row.get("datetime"))
    if (starts_at.minute, starts_at.second, starts_at.microsecond) != (0, 0, 0):
        raise FeedUnreadable("a row does not start with an hour")
    grams = as_number(row["carbonIntensity"], lowest=LOWEST, highest=HIGHEST)
    return Point(starts_at, starts_at + HOUR, as_micros(grams / 1000), ElectricityMapsAverage.unit, now)
