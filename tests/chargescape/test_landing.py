"""The landing page's numbers are those of the data that we hold."""

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import fmean
from zoneinfo import ZoneInfo

from django.test import Client

from chargescape.landing import AUSTIN_PRICE, CALIFORNIA_CARBON, FIRST_HOUR, HOURS, NEEDED, Record

DATA = Path(__file__).resolve().parents[2] / "sandbox" / "feeds" / "data"
Hourly = Mapping[tuple[date, int], float]


def rows_of(name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of one packed table."""
    with gzip.open(DATA / name, "rt") as file:
        yield from csv.DictReader(file)


def austin() -> Hourly:
    """Return the day-ahead price of each local hour of 2022 in USD/kWh."""
    found = {}
    for row in rows_of("ercot_dam_spp_hourly_2022.csv.gz"):
        month, day, year = (int(part) for part in row["delivery_date"].split("/"))
        if row["repeated_hour_flag"] == "N":
            found[date(year, month, day), int(row["hour_ending"][:2]) - 1] = float(row["LZ_AEN"]) / 1000
    return found


def california() -> Hourly:
    """Return the marginal rate of each local hour in kg/kWh."""
    zone, values = ZoneInfo("America/Los_Angeles"), defaultdict[tuple[date, int], list[float]](list)
    for row in rows_of("caiso_sgip_moer_5min_2021-05_2021-08.csv.gz"):
        local = datetime.fromisoformat(row["time_utc"]).astimezone(zone)
        values[local.date(), local.hour].append(float(row["moer_pge"]))
    return {hour: fmean(found) for hour, found in values.items()}


def record_of(hourly: Hourly) -> Record:
    """Work out a record anew; nights of which an hour is missing (the change of the clocks, the edges) are left out."""
    days = sorted({day for day, _ in hourly})
    nights = []
    for day in days:
        hours = [(day + timedelta(hours // 24), hours % 24) for hours in range(FIRST_HOUR, FIRST_HOUR + HOURS)]
        if all(hour in hourly for hour in hours):
            nights.append([hourly[hour] for hour in hours])
    return Record(
        nights=len(nights),
        at_once=round(1_000_000 * fmean(fmean(night[:NEEDED]) for night in nights)),
        at_best=round(1_000_000 * fmean(fmean(sorted(night)[:NEEDED]) for night in nights)),
        hourly=tuple(round(1_000_000 * fmean(column)) for column in zip(*nights, strict=True)),
    )


def test_numbers_are_those_of_the_data() -> None:
    assert record_of(austin()) == AUSTIN_PRICE
    assert record_of(california()) == CALIFORNIA_CARBON


def test_landing_shows_them_with_their_source(client: Client) -> None:
    text = client.get("/").content.decode()
    assert f"{AUSTIN_PRICE.less_percent}%" in text
    assert f"{CALIFORNIA_CARBON.less_percent}%" in text
    assert "ERCOT" in text
    assert "WattTime" in text
