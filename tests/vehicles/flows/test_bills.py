"""The telematics bill: counted by month, drain estimated, money where the maker asks for it."""

from datetime import UTC, datetime

import pytest

from accounts.models import User
from tests.factories import vehicles as make
from vehicles import meter
from vehicles.flows.bills import bills_of
from vehicles.meter import Caller, Use
from vehicles.models import Vehicle


def tally(car: Vehicle, now: datetime, **uses: int) -> None:
    caller = Caller(car.link, can=car.own, car=car.pk)
    for use, count in uses.items():
        for _ in range(count):
            meter.spend(caller, Use[use.upper()], now=now)


def test_bill_counts_by_month_and_estimates_the_drain(timed_car: Vehicle, now: datetime) -> None:
    october = datetime(2026, 10, 31, 23, 59, tzinfo=UTC)
    tally(timed_car, now, read=7, wake=2, command=3, release=1)
    tally(timed_car, october, read=5)
    meter.count_push(Caller(timed_car.link, can=timed_car.own, car=timed_car.pk), signals=4, now=now)

    november, before, oldest = bills_of(timed_car, now=now)

    assert (november.reads, november.wakes, november.commands, november.pushes, november.signals) == (7, 2, 4, 1, 4)
    assert (november.drain_wh, november.drain_percent) == (72, 0.06)
    assert (before.month_starts_at, before.reads) == (datetime(2026, 10, 1, tzinfo=UTC), 5)
    assert (oldest.reads, oldest.drain_wh) == (0, 0)
    assert november.cost_micros is None


def test_bill_follows_the_price_list_of_a_maker_that_charges(alice: User, now: datetime) -> None:
    car = make.ready_car(alice, now=now, of=make.link(alice, maker="tesla"))
    tally(car, now, read=50, wake=5, command=10)
    meter.count_push(Caller(car.link, can=car.own, car=car.pk), signals=150, now=now)

    bill = bills_of(car, now=now)[0]

    # $0.10 + $0.10 + $0.01 + $0.001: an eleventh of a cent is rounded up.
    assert (bill.currency, bill.cost_micros, bill.cost_cents) == ("USD", 211_001, 22)


@pytest.mark.parametrize("month", range(1, 13))
def test_three_months_follow_each_other_over_new_year(timed_car: Vehicle, month: int) -> None:
    starts = [bill.month_starts_at for bill in bills_of(timed_car, now=datetime(2027, month, 15, tzinfo=UTC))]

    assert [(start.year * 12 + start.month) for start in starts] == [2027 * 12 + month - back for back in range(3)]
