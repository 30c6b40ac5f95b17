"""WattTime's marginal operating emissions rate (co2_moer), API v3: how dirty the next kWh is.

GET {api_base}/login (HTTP Basic) gives a token of 30 minutes; GET /v3/forecast and /v3/historical (Bearer) give
`{"data": [{"point_time", "value"}], "meta": {...}}` in lbs CO2/MWh, here kg/kWh. A point holds until the next one,
five minutes by their documentation. A forecast is issued anew every five minutes.
Source: https://docs.watttime.org (v3), read 2026-11.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import requests

from grid.feeds.base import (
    FeedRefused,
    FeedUnreadable,
    Point,
    as_instant,
    as_micros,
    as_number,
    get_json,
    one_per_start,
)

KG_PER_LB = Decimal("0.45359237")
SIGNAL = "co2_moer"
STEP = timedelta(minutes=5)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HORIZON = timedelta(hours=48)
LOOK_BACK = timedelta(hours=6)
EVERY = timedelta(minutes=30)
# Lignite at its worst is about 3,000 lbs/MWh; a marginal rate may fall a little below zero.
LOWEST, HIGHEST = Decimal(-20_000), Decimal(20_000)


class WattTimeMarginal:
    """The marginal emissions of one WattTime region (`CAISO_NORTH`, `ERCOT_AUSTIN`, ...)."""

    unit = "kg/kWh"

    def __init__(self, *, session: requests.Session, api_base: str, username: str, password: str) -> None:
        self.session = session
        self.api_base = api_base.rstrip("/")
        self.credentials = (username, password)
        self.token = ""

    def fetch(self, *, zone: str, starts_at: datetime, ends_at: datetime, now: datetime) -> list[Point]:
        """Return the measured values before `now` and the forecast after it; raises FeedError."""
        points: list[Point] = []
        if starts_at < now:
            span = {"start": _stamp(starts_at), "end": _stamp(min(now, ends_at))}
            points += self._read("/v3/historical", {"region": zone, "signal_type": SIGNAL, **span}, now)
        if ends_at > now:
            hours = min(int((ends_at - now) / timedelta(hours=1)) or 1, 72)
            query = {"region": zone, "signal_type": SIGNAL, "horizon_hours": str(hours)}
            measured = {point.starts_at for point in points}
            forecast = self._read("/v3/forecast", query, now)
            points += [point for point in forecast if point.starts_at not in measured]
        return one_per_start([point for point in points if point.ends_at > starts_at and point.starts_at < ends_at])

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """Return six hours behind (what was forecast is measured now) and two days ahead."""
        begin = now - LOOK_BACK
        return begin - (begin - EPOCH) % STEP, now + HORIZON  # from the edge of a point: half a point is no gap

    def expected_until(self, now: datetime) -> datetime:
        """Return a day ahead: shorter forecasts than that are gaps."""
        return now + timedelta(hours=24)

    def next_fetch_at(self, now: datetime) -> datetime:
        """Return half an hour from now."""
        return now + EVERY

    def _read(self, path: str, query: dict[str, str], now: datetime) -> list[Point]:
        return _read_points(self._ask(path, query), now)

    def _ask(self, path: str, query: dict[str, str]) -> Any:
        """Ask with the token we have; where it has run out, log in once more and ask again."""
        if not self.token:
            self.token = self._log_in()
        try:
            return self._get(path, query)
        except FeedRefused:
            self.token = self._log_in()
            return self._get(path, query)

    def _get(self, path: str, query: dict[str, str]) -> Any:
        return get_json(
            self.session,
            self.api_base + path,
            params=query,
            headers={"Authorization": f"Bearer {self.token}"},
        )

    def _log_in(self) -> str:
        answer = get_json(self.session, f"{self.api_base}/login", auth=self.credentials)
        token = answer.get("token") if isinstance(answer, Mapping) else None
        if not isinstance(token, str) or not token or not token.isascii():
            raise FeedUnreadable("the login gave no token")
        return token


def _read_points(answer: object, now: datetime) -> list[Point]:
    rows = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(rows, list) or any(not isinstance(row, Mapping) for row in rows):
        raise FeedUnreadable("data is no list of objects")
    values = one_per_start([_read_row(row, now) for row in rows])
    return [_until_next(point, values[place + 1 : place + 2]) for place, point in enumerate(values)]


def _read_row(row: Mapping[str, Any], now: datetime) -> Point:
    starts_at = as_instant(row.get("point_time"))
    pounds_per_mwh = as_number(row.get("value"), lowest=LOWEST, highest=HIGHEST)
    return Point(starts_at, starts_at + STEP, as_micros(pounds_per_mwh * KG_PER_LB / 1000), WattTimeMarginal.unit, now)


def _until_next(point: Point, following: list[Point]) -> Point:
    """Shorten a point whose successor comes before five minutes are over; never stretch one over a hole."""
    if following and following[0].starts_at < point.ends_at:
        return Point(point.starts_at, following[0].starts_at, point.value_micros, point.unit, point.issued_at)
    return point


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
