"""Real charging sessions and real prices for the closed loop; where they come from is said in data/ATTRIBUTION.md."""

import csv
import gzip
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from grid.planner.problem import Floats

HERE = Path(__file__).resolve().parent
SESSIONS = HERE / "data" / "acn_sessions_caltech_2019_2021.csv.gz"
PRICES = HERE.parent / "sandbox" / "feeds" / "data" / "ercot_dam_spp_hourly_2022.csv.gz"
ZONE = "LZ_AEN"
NEW_YEAR = datetime(2022, 1, 1, tzinfo=UTC)  # of the year of the prices
LIKE = 1.5  # stays announced up to so many times as long, or as short, are alike
MOST_USUAL = 300  # of which the latest count


@dataclass(frozen=True, slots=True)
class Sessions:
    """Stays in order of arrival: hours to the announced and the real departure, kWh taken.

    Arrivals are local times, written as if they were UTC.
    `own` and `usual` are how many minutes early each driver and others left before, as known on arrival.
    """

    arrival: list[datetime]
    announced_hours: Floats
    stay_hours: Floats
    energy_kwh: Floats
    own: list[Floats]
    usual: list[Floats]

    def __len__(self) -> int:
        return len(self.arrival)


def read_sessions(*, every: int = 1) -> Sessions:
    """Read each `every`-th session with all that had ended before it.

    The data name no driver. What stands in is the request: drivers enter the same minutes and kWh day after day, and
    the same request to the minute and the watt-hour counts as the same driver. Only sessions that had ended before an
    arrival are known to it.
    """
    with gzip.open(SESSIONS, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    arrival, departure, announced = (
        [datetime.fromisoformat(row[name]).replace(tzinfo=UTC) for row in rows]
        for name in ("arrival", "departure", "announced_departure")
    )
    stay = np.array([(gone - came).total_seconds() / 3600 for came, gone in zip(arrival, departure, strict=True)])
    asked = np.array([(gone - came).total_seconds() / 3600 for came, gone in zip(arrival, announced, strict=True)])
    request = np.array([f"{hours * 60:.0f} {row['requested_kwh']}" for hours, row in zip(asked, rows, strict=True)])
    early, ended = (asked - stay) * 60.0, np.array(departure)
    own, usual, chosen = [], [], range(0, len(rows), every)
    for i in chosen:
        is_known = ended[:i] <= arrival[i]
        is_alike = np.abs(np.log(asked[:i] / asked[i])) <= np.log(LIKE)
        own.append(early[:i][is_known & (request[:i] == request[i])])
        usual.append(early[:i][is_known & is_alike][-MOST_USUAL:])
    energy = np.array([float(row["delivered_kwh"]) for row in rows])
    some = np.array(chosen)
    return Sessions([arrival[i] for i in chosen], asked[some], stay[some], energy[some], own, usual)


def read_prices() -> Floats:
    """Return the zone's day-ahead price of each local hour of the year, currency/kWh; NaN where spring skips one."""
    prices = np.full(366 * 24, np.nan)
    with gzip.open(PRICES, "rt", newline="") as file:
        for row in csv.DictReader(file):
            if row["repeated_hour_flag"] != "Y":
                month, day, year = (int(part) for part in row["delivery_date"].split("/"))
                days = (datetime(year, month, day, tzinfo=UTC) - NEW_YEAR).days
                prices[days * 24 + int(row["hour_ending"][:2]) - 1] = float(row[ZONE]) / 1000
    return prices


def prices_of(sessions: Sessions, *, steps: int, step_minutes: float, hours_later: float) -> Floats:
    """Return what a kWh costs in each step [N, steps] after each arrival.

    Sessions meet the prices of the same weekday and local hour some whole weeks later, moved by `hours_later`.
    """
    hourly = read_prices()
    later = {year: NEW_YEAR - NEW_YEAR.replace(year=year) for year in {at.year for at in sessions.arrival}}
    weeks = [timedelta(weeks=later[at.year].days // 7) for at in sessions.arrival]
    since = [(at + moved - NEW_YEAR).total_seconds() / 3600 for at, moved in zip(sessions.arrival, weeks, strict=True)]
    middle = (np.arange(steps) + 0.5) * step_minutes / 60.0
    return np.asarray(hourly[np.floor(np.array(since)[:, None] + hours_later + middle).astype(int)])
