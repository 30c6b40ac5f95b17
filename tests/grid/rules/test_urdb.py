"""OpenEI's records become our tariffs: every hour of a year costs what the record says when it is read by hand."""

import random
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from grid.rules.tariffs import MONTH_KWH, Rates, export_prices, import_prices, parse_periods
from grid.rules.urdb import RecordRefused, read_record

SUMMER, WINTER = [5, 6, 7, 8], [0, 1, 2, 3, 4, 9, 10, 11]


def evening(rate: int, rest: int) -> list[int]:
    return [rate if 16 <= hour < 21 else rest for hour in range(24)]


# In the shape of a Californian tariff: seasons, an evening peak on weekdays, a baseline that doubles the price.
RECORD: dict[str, Any] = {
    "label": "5f0c1dcb5457a3a37c0b4a6e",
    "eiaid": 14328,
    "name": "E-TOU-X",
    "utility": "Example Electric",
    "sector": "Residential",
    "servicetype": "Bundled",
    "startdate": 1709280000,  # 2024-03-01
    "enddate": 1740700800,  # 2025-02-28, its last day
    "fixedchargefirstmeter": 0.32854,
    "fixedchargeunits": "$/day",
    "energyratestructure": [
        [{"rate": 0.25, "adj": 0.01, "max": 350, "unit": "kWh"}, {"rate": 0.31, "adj": 0.01, "unit": "kWh"}],
        [{"rate": 0.4012345, "adj": -0.0000005, "sell": 0.08, "unit": "kWh"}],
    ],
    "energyweekdayschedule": [evening(1, 0) if month in SUMMER else [0] * 24 for month in range(12)],
    "energyweekendschedule": [[0] * 24 for _ in range(12)],
    "demandratestructure": [[{"rate": 0}]],
}


def by_hand(record: dict[str, Any], at: datetime, zone: ZoneInfo, month_kwh: int) -> tuple[int, int]:
    """Return rate and sell price of an instant, straight from the record."""
    local = at.astimezone(zone)
    kind = "weekend" if local.weekday() >= 5 else "weekday"
    tiers = record["energyratestructure"][record[f"energy{kind}schedule"][local.month - 1][local.hour]]
    tier = next((one for one in tiers[:-1] if month_kwh < one["max"]), tiers[-1])
    fuel = record.get("fuelAdjustmentsMonthly", [0] * 12)[local.month - 1]
    rate = sum((Decimal(str(part)) for part in (tier["rate"], tier.get("adj", 0), fuel)), Decimal(0))
    sell = Decimal(str(tier.get("sell", 0)))
    return int((rate * 1_000_000).to_integral_value()), int((sell * 1_000_000).to_integral_value())


def assert_priced_as_told(record: dict[str, Any], zone: ZoneInfo, month_kwh: int = MONTH_KWH, days: int = 366) -> None:
    rates = Rates("time_of_use", zone, periods=parse_periods(read_record(record).periods, month_kwh=month_kwh))
    starts_at = datetime(2026, 1, 1, tzinfo=UTC)
    told: dict[str, Any] = {"starts_at": starts_at, "slot_minutes": 60, "slot_count": days * 24}
    expected = [by_hand(record, starts_at + timedelta(hours=1) * slot, zone, month_kwh) for slot in range(days * 24)]
    assert import_prices(rates, **told) == [rate for rate, _ in expected]
    assert export_prices(rates, **told) == [sell for _, sell in expected]


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "America/Phoenix"])
@pytest.mark.parametrize("month_kwh", [349, 350])
def test_each_hour_of_a_year_costs_what_the_record_says(zone: str, month_kwh: int) -> None:
    assert_priced_as_told(RECORD, ZoneInfo(zone), month_kwh)


@pytest.mark.parametrize("seed", range(5))
def test_any_schedule_is_priced_as_it_is_told(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - examples, nothing secret
    record = deepcopy(RECORD) | {
        "energyratestructure": [[{"rate": dice.randint(-9, 99) / 1000, "adj": 0.001 * n, "sell": n}] for n in range(4)],
        "fuelAdjustmentsMonthly": [dice.randint(0, 3) / 1000 for _ in range(12)],
    }
    for kind in ("weekday", "weekend"):
        record[f"energy{kind}schedule"] = [
            [dice.randrange(4) if hour % dice.randint(1, 3) == 0 else 0 for hour in range(24)] for _ in range(12)
        ]
    assert_priced_as_told(record, ZoneInfo("America/New_York"), days=70)


def test_what_stands_beside_the_prices_is_kept() -> None:
    read = read_record(RECORD)
    assert (read.valid_from_date, read.valid_until_date) == (date(2024, 3, 1), date(2025, 3, 1))
    assert (read.fixed_charge, read.eia_id, read.name) == ("0.32854 $/day", "14328", "E-TOU-X")
    assert "5f0c1dcb5457a3a37c0b4a6e" in read.source
    assert [warning[:8] for warning in read.warnings] == ["Holidays"]


def test_stretches_that_months_share_are_told_once() -> None:
    periods = read_record(RECORD).periods
    assert len(periods) == 5  # weekends; weekdays outside summer; the three stretches of a summer's day
    assert sum(period.get("months") == [6, 7, 8, 9] for period in periods) == 3


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"demandratestructure": [[{"rate": 12.5}]]}, "demandratestructure: it charges for power"),
        ({"flatdemandstructure": [[{"rate": 0, "adj": "0.5"}]]}, "charges for power"),
        ({"coincidentratestructure": [[{"rate": 3}]]}, "charges for power"),
        ({"energyratestructure": []}, "no price of energy"),
        ({"energyratestructure": [[], []]}, "no list of tiers"),
        ({"energyratestructure": [["free"], [{}]]}, "a tier is no object"),
        ({"energyratestructure": [[{"rate": "cheap"}], [{"rate": 1}]]}, "no number"),
        ({"energyratestructure": [[{"rate": float("nan")}], [{"rate": 1}]]}, "beyond all reason"),
        ({"energyratestructure": [[{"rate": 250}], [{"rate": 1}]]}, "beyond all reason"),
        ({"energyratestructure": [[{"rate": "1e9999999"}], [{"rate": 1}]]}, "beyond all reason"),
        ({"energyratestructure": [[{"rate": True}], [{"rate": 1}]]}, "no number"),
        (
            {"energyratestructure": [[{"rate": 1, "max": 9, "unit": "kWh/kW"}, {"unit": "kWh/kW"}], [{}]]},
            "another unit",
        ),
        ({"energyratestructure": [[{"rate": 1}, {"rate": 2}], [{}]]}, "has no max"),
        ({"energyratestructure": [[{"rate": 1, "max": 1e300}, {"rate": 2}], [{}]]}, "has no end"),
        ({"energyweekdayschedule": [[0] * 24] * 11}, "needs 12 months"),
        ({"energyweekendschedule": [[0] * 23] * 12}, "month 1, needs 24 hours"),
        ({"energyweekendschedule": [[2] * 24] * 12}, "names a period"),
        ({"energyweekendschedule": [[True] * 24] * 12}, "names a period"),
        ({"fuelAdjustmentsMonthly": [0.1]}, "needs 12 months"),
        ({"startdate": "soon"}, "epoch seconds"),
        ({"enddate": 10**30}, "epoch seconds"),
        ({"label": "../../etc"}, "label"),
    ],
)
def test_record_that_cannot_be_priced_faithfully_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(RecordRefused, match=complaint):
        read_record(RECORD | changes)


def test_record_that_is_none_is_refused() -> None:
    with pytest.raises(RecordRefused):
        read_record([RECORD])


def test_what_a_person_should_know_is_told() -> None:
    told = " ".join(read_record(RECORD | {"servicetype": "Delivery", "sector": "Commercial", "mincharge": 9}).warnings)
    assert all(word in told for word in ("Delivery", "Commercial", "least charge"))
