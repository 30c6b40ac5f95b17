"""The real series, replayed: shifted by whole weeks so that the weekday and the local hour of every value match.

ERCOT day-ahead prices run through the 52 whole weeks of 2022, carbon through 16 whole weeks of May to August 2021;
then they start again. Nothing is invented but what daylight saving forces: where the replayed night has no third hour
(spring) its neighbours' mean stands in, and where a night needs a second 02:00 that the replayed one lacks, the first
is repeated. Pure: no Django, no clock. data/ATTRIBUTION.md names sources and licences.
"""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

_DATA = Path(__file__).parent / "data"

ERCOT_ZONE = ZoneInfo("America/Chicago")
ERCOT_FIRST_DATE = date(2022, 1, 1)
ERCOT_WEEKS = 52
ERCOT_PUBLISHED_AT = time(13, 30)

MOER_ZONE = ZoneInfo("America/Los_Angeles")
MOER_FIRST_DATE = date(2021, 5, 1)
MOER_WEEKS = 16
MOER_STEP = timedelta(minutes=5)
MOER_REGIONS = {"CAISO_NORTH": "moer_pge", "SGIP_CAISO_PGE": "moer_pge", "SGIP_CAISO_SCE": "moer_sce"}
LBS_PER_MWH = 2204.622622  # of one kg/kWh


@dataclass(frozen=True)
class PriceHour:
    """One hour of a delivery day. `hour_ending` runs 01:00 to 24:00; `is_repeated` marks the second 02:00 of autumn."""

    delivery_date: date
    hour_ending: str
    is_repeated: bool
    usd_per_mwh: float


@dataclass(frozen=True)
class CarbonPoint:
    """The marginal emissions rate from `point_time` (aware UTC) on, for five minutes."""

    point_time: datetime
    lbs_per_mwh: float


def settlement_points() -> list[str]:
    """Return the settlement points that the series holds."""
    return sorted(_prices())


def replayed_date(day: date, *, first: date, weeks: int) -> date:
    """Return the date of the series (`weeks` weeks from `first` on) that stands in for `day`: the same weekday."""
    return first + timedelta(days=(day - first).days % (7 * weeks))


def price_source_date(day: date) -> date:
    """Return the day of 2022 whose prices stand in for those of `day`."""
    return replayed_date(day, first=ERCOT_FIRST_DATE, weeks=ERCOT_WEEKS)


def day_ahead_prices(point: str, day: date) -> list[PriceHour]:
    """Return the 23, 24 or 25 hours of the delivery day `day` in USD/MWh, in order of time.

    Raises KeyError for a settlement point the series does not hold.
    """
    real = _prices()[point][price_source_date(day)]
    return [
        PriceHour(day, f"{hour:02d}:00", is_repeated, _price_at(real, hour=hour, is_repeated=is_repeated))
        for hour, is_repeated in _hours_of(day)
    ]


def published_through(now: datetime) -> date:
    """Return the latest delivery day that is public at `now`: tomorrow's prices appear at 13:30 local time."""
    local = now.astimezone(ERCOT_ZONE)
    return local.date() + timedelta(days=1 if local.time() >= ERCOT_PUBLISHED_AT else 0)


def moer_source_date(instant: datetime) -> date:
    """Return the Californian day of 2021 whose carbon stands in for that of `instant`."""
    return replayed_date(instant.astimezone(MOER_ZONE).date(), first=MOER_FIRST_DATE, weeks=MOER_WEEKS)


def marginal_carbon(region: str, starts_at: datetime, ends_at: datetime) -> list[CarbonPoint]:
    """Return the five-minute points of `[starts_at, ends_at)` in lbs CO2/MWh; raises KeyError for another region."""
    column = _carbon()[MOER_REGIONS[region]]
    return [
        CarbonPoint(instant, round(column[_moer_row(instant)] * LBS_PER_MWH, 1))
        for instant in _steps(starts_at, ends_at)
    ]


def floor_step(instant: datetime) -> datetime:
    """Return the start of the five minutes that `instant` lies in, in UTC."""
    at = instant.astimezone(UTC).replace(second=0, microsecond=0)
    return at - timedelta(minutes=at.minute % 5)


def _steps(starts_at: datetime, ends_at: datetime) -> Iterator[datetime]:
    at = floor_step(starts_at)
    if at < starts_at:
        at += MOER_STEP
    while at < ends_at:
        yield at
        at += MOER_STEP


def _moer_row(instant: datetime) -> int:
    """Return the row of the series for `instant`: the same wall-clock time of the replayed day, which is in summer."""
    local = instant.astimezone(MOER_ZONE)
    real = datetime.combine(moer_source_date(instant), local.time(), tzinfo=MOER_ZONE)
    return int((real - datetime(2021, 4, 30, tzinfo=UTC)) / MOER_STEP)


def _hours_of(day: date) -> list[tuple[int, bool]]:
    """Return (hour ending, whether it is the repeated one) for every hour of the local day."""
    midnight, next_midnight = (
        datetime.combine(day + timedelta(days=ahead), time(), tzinfo=ERCOT_ZONE).astimezone(UTC) for ahead in (0, 1)
    )
    length = round((next_midnight - midnight) / timedelta(hours=1))
    hours = [(hour, False) for hour in range(1, 25)]
    if length == 23:
        hours.remove((3, False))  # the clock jumps from 02:00 to 03:00, so no hour ends at 03:00
    elif length == 25:
        hours.insert(2, (2, True))
    return hours


def _price_at(real: dict[tuple[int, bool], float], *, hour: int, is_repeated: bool) -> float:
    price = real.get((hour, is_repeated), real.get((hour, False)))
    return round((real[hour - 1, False] + real[hour + 1, False]) / 2, 2) if price is None else price


@lru_cache(maxsize=1)
def _prices() -> dict[str, dict[date, dict[tuple[int, bool], float]]]:
    series: dict[str, dict[date, dict[tuple[int, bool], float]]] = {}
    with gzip.open(_DATA / "ercot_dam_spp_hourly_2022.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            month, day, year = (int(part) for part in row.pop("delivery_date").split("/"))
            slot = (int(row.pop("hour_ending")[:2]), row.pop("repeated_hour_flag") == "Y")
            for point, price in row.items():
                series.setdefault(point, {}).setdefault(date(year, month, day), {})[slot] = float(price)
    return series


@lru_cache(maxsize=1)
def _carbon() -> dict[str, list[float]]:
    with gzip.open(_DATA / "caiso_sgip_moer_5min_2021-05_2021-08.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    return {column: [float(row[column]) for row in rows] for column in ("moer_pge", "moer_sce")}
