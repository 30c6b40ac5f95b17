"""Nominations: nine of ten recorded days reached them, the settlement's own baseline says so, told once a day."""

import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest

from accounts.models import User
from grid.arrays.capability import StayPast, hours_of, low_quantile
from grid.flows.desk import power
from grid.flows.operators.nominating import nominate, nominate_due
from grid.metering.baselines import method_of
from grid.metering.cases import Car, Case, Stay, Window
from grid.models import Nomination
from tests.factories import grid, nights
from vehicles.models import PlugSession

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ROUNDS = 2000 if os.environ.get("CHARGESCAPE_FULL") == "1" else 40


def test_what_could_be_held_is_the_settlements_baseline() -> None:
    dice = Random(7)  # noqa: S311 - nothing secret
    begins_at = datetime(2026, 11, 18, tzinfo=UTC)
    for _ in range(ROUNDS):
        came = begins_at + dice.random() * 20 * HOUR
        left = came + (0.2 + dice.random() * 12) * HOUR
        soc, limit = dice.randint(5, 95), dice.randint(50, 100)
        stay = StayPast(came, left, soc, limit, 75_000, 0.9, 7_200, 0, 20.0)
        hold, _give = hours_of([stay], starts_at=begins_at, hours=24)
        for hour in range(24):
            event = Window(begins_at + hour * HOUR, begins_at + (hour + 1) * HOUR)
            case = Case("hold", event, Car(75_000, Decimal("0.9"), 7_200), (Stay(came, left, Decimal(soc),
                        Decimal(limit)),), (), "uncontrolled-at-plug-in", 1, 0, "USD")  # fmt: skip
            wh = sum(segment.energy_wh for segment in method_of(case.method, 1).estimate(case))
            assert hold[hour] == pytest.approx(float(wh), abs=0.01)


@pytest.mark.parametrize(("days", "place"), [(5, 0), (9, 0), (10, 1), (28, 2)])
def test_nine_of_ten_days_reach_the_quantile(days: int, place: int) -> None:
    assert low_quantile([float(value) for value in reversed(range(days))]) == place


def past(alice: User, now: datetime, days: int) -> None:
    """Let alice's car come home at 18:05 with 50 % for some days; it draws 11.3 kW until 90 %."""
    enrolled = nights.plugged_car(alice, now=now)
    PlugSession.objects.all().delete()
    for number in range(1, days + 1):
        came = now - number * DAY + HOUR
        nights.stay(enrolled.vehicle, at=came, soc=50, unplugged_at=came + 12 * HOUR)


def test_tomorrow_is_nominated_once_from_ten_in_the_morning_on(alice: User, now: datetime) -> None:
    past(alice, now, days=14)
    early = now - 8 * HOUR  # 09:05 in Austin
    assert [nominate_due(now=at, limit=10) for at in (early, now, now)] == [0, 1, 0]
    rows = {row.starts_at: row for row in Nomination.objects.all()}
    assert len(rows) == 24
    evening = datetime(2026, 11, 20, 1, tzinfo=UTC)  # Thursday, 19:00 in Austin: a whole hour of charging
    assert rows[evening].hold_w == 11_300
    assert rows[evening].discharge_w == 9_600
    assert rows[datetime(2026, 11, 19, 18, tzinfo=UTC)].hold_w == 0
    assert min(rows[evening].inputs["hold_w"]) <= rows[evening].hold_w
    assert all(date.fromisoformat(day).weekday() < 5 for day in rows[evening].inputs["days"])


def test_too_few_recorded_days_nominate_nothing(alice: User, now: datetime) -> None:
    past(alice, now, days=4)
    program = alice.vehicles.get().enrollments.get().program
    assert nominate(program=program, day=date(2026, 11, 19), now=now) == []


@pytest.mark.django_db
def test_desk_finds_hours_of_a_clock_that_is_half_an_hour_off(now: datetime) -> None:
    hydro = grid.utility("rock-hydro", country="CA", time_zone="America/St_Johns")
    hour = now.replace(minute=30, second=0, microsecond=0) + 2 * HOUR  # when an hour begins there
    program = grid.program(hydro, slug="rock-relief")
    Nomination.objects.create(
        program=program, starts_at=hour, hold_w=12_000, discharge_w=0, cars=9, method="m", inputs={}, made_at=now
    )

    slots = power._slots([], now.replace(minute=0), scale=1, sure=power._nominated(hydro, now))

    told = [slot.starts_at for slot in slots if slot.sure_kw == 12]
    assert told == [hour + place * timedelta(minutes=15) for place in range(4)]
    assert {slot.sure_kw for slot in slots} == {None, 12}
