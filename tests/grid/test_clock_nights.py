"""Both nights of the clock in New York and St. John's, and the same nights in Regina and Phoenix, which keep theirs.

From a market's file to slots, the tariff, the departure, an event's energy and the owner's page: every quarter of an
hour is there once, priced by what the clock on the wall shows, and the car is ready when its owner leaves by that
clock.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation

from foundation import formats
from grid.arrays.problems import fill_gaps
from grid.arrays.slots import SLOT, Slots, slots_from
from grid.feeds.base import Point
from grid.flows.prices.feeds import values_between
from grid.flows.prices.series import store_values, values_of
from grid.metering.cases import Car, Reading, Window
from grid.metering.energy import net_energy
from grid.models import Tariff
from grid.rules.tariffs import import_prices, parse_rates
from grid.views.homes import prices_ahead
from tests.factories import grid as make
from vehicles.schedule import Dated, next_departure_at, resolve_local

SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)
QUARTER, HOUR = timedelta(minutes=15), timedelta(hours=1)
NIGHT, DAY, PEAK = 28_000, 122_000, 284_000
WEEK = list(range(7))
RULES = {
    "kind": "time_of_use",
    "flat": DAY,
    "periods": [
        {"weekdays": WEEK, "from": "00:00", "to": "06:30", "rate": NIGHT},
        {"weekdays": WEEK, "from": "17:00", "to": "20:00", "rate": PEAK},
    ],
}


@dataclass(frozen=True)
class Clock:
    """A place, one of the two dates, how long its day is, and when 07:30 and 02:30 are in UTC."""

    zone: ZoneInfo
    day: date
    hours: int
    half_past_seven: str
    half_past_two: str

    @property
    def midnight(self) -> datetime:
        return datetime.combine(self.day, time(), tzinfo=self.zone).astimezone(UTC)

    @property
    def next_midnight(self) -> datetime:
        return datetime.combine(self.day + timedelta(days=1), time(), tzinfo=self.zone).astimezone(UTC)

    @property
    def slots(self) -> Slots:
        return Slots(self.midnight, (self.next_midnight - self.midnight) // SLOT)


CLOCKS = [
    Clock(ZoneInfo("America/New_York"), SPRING, 23, "11:30", "07:30"),  # 02:30 is skipped and means 03:30
    Clock(ZoneInfo("America/New_York"), AUTUMN, 25, "12:30", "07:30"),
    Clock(ZoneInfo("America/St_Johns"), SPRING, 23, "10:00", "06:00"),
    Clock(ZoneInfo("America/St_Johns"), AUTUMN, 25, "11:00", "06:00"),
    Clock(ZoneInfo("America/Regina"), SPRING, 24, "13:30", "08:30"),
    Clock(ZoneInfo("America/Regina"), AUTUMN, 24, "13:30", "08:30"),
    Clock(ZoneInfo("America/Phoenix"), SPRING, 24, "14:30", "09:30"),
    Clock(ZoneInfo("America/Phoenix"), AUTUMN, 24, "14:30", "09:30"),
]
every_clock = pytest.mark.parametrize("clock", CLOCKS, ids=lambda clock: f"{clock.zone.key} {clock.day}")


@every_clock
def test_day_is_as_many_whole_quarters_as_its_night(clock: Clock) -> None:
    assert clock.slots.count == clock.hours * 4
    assert clock.midnight.minute in {0, 30}  # a quarter of UTC, though half an hour off in Newfoundland
    slots = slots_from(now=clock.midnight + timedelta(minutes=7), departures=[])
    assert slots.starts_at == clock.midnight


@every_clock
def test_each_slot_is_priced_by_the_clock_on_the_wall(clock: Clock) -> None:
    rates = parse_rates(RULES, zone=clock.zone)
    prices = import_prices(rates, starts_at=clock.midnight, slot_minutes=15, slot_count=clock.slots.count)
    longer = clock.hours - 24  # the night holds the hour that is missing or doubled
    by_hand = [NIGHT] * (26 + 4 * longer) + [DAY] * 42 + [PEAK] * 12 + [DAY] * 16
    assert prices == by_hand


@every_clock
@pytest.mark.parametrize(("local", "name"), [(time(7, 30), "half_past_seven"), (time(2, 30), "half_past_two")])
def test_car_leaves_by_the_clock_on_the_wall(clock: Clock, local: time, name: str) -> None:
    evening = clock.midnight - 4 * HOUR
    departures: list[Callable[[], datetime | None]] = [
        lambda: next_departure_at(dict.fromkeys(WEEK, local), clock.zone, evening),
        lambda: next_departure_at({}, clock.zone, evening, [Dated(clock.day, clock.day, local)]),
        lambda: resolve_local(clock.day, local, clock.zone),
    ]
    hour, minute = map(int, getattr(clock, name).split(":"))
    expected = datetime.combine(clock.day, time(hour, minute), tzinfo=UTC)
    assert [find() for find in departures] == [expected] * 3
    assert (expected - Slots(evening, 96).starts_at) % QUARTER == timedelta(0)


@every_clock
def test_car_that_leaves_in_the_doubled_hour_is_ready_for_its_first_pass(clock: Clock) -> None:
    leaves_at = resolve_local(clock.day, time(1, 30), clock.zone)
    assert leaves_at == clock.midnight + 1.5 * HOUR
    after = next_departure_at(dict.fromkeys(WEEK, time(1, 30)), clock.zone, leaves_at)
    assert after == resolve_local(clock.day + timedelta(days=1), time(1, 30), clock.zone)  # not twice in one night


@every_clock
def test_guessed_price_repeats_the_slot_a_day_of_hours_before(clock: Clock) -> None:
    known: list[int | None] = [*range(96), *[None] * clock.slots.count]
    filled, guessed = fill_gaps(known, wanted=clock.slots.count, default=0)
    assert (len(filled), guessed) == (clock.slots.count, clock.slots.count)
    assert filled[:96] == list(range(min(96, clock.slots.count)))


@every_clock
def test_energy_of_a_day_is_the_sum_of_its_events(clock: Clock) -> None:
    """A car that draws 4 kW all day: as many kWh as the day has hours, however an event cuts it."""
    readings = [
        Reading(clock.midnight + HOUR * hour, Decimal(50), 4_000 * hour, 0) for hour in range(-1, clock.hours + 2)
    ]
    car = Car(98_000, Decimal("0.9"), 11_000)

    def energy(begins: datetime, ends: datetime) -> Decimal | int | None:
        found = net_energy(readings=readings, window=Window(begins, ends), car=car).net_wh
        return None if found is None else round(found)

    assert energy(clock.midnight, clock.next_midnight) == 4_000 * clock.hours
    parts = [energy(clock.slots.start_of(i), clock.slots.start_of(i + 1)) for i in range(clock.slots.count)]
    assert parts == [1_000] * clock.slots.count


@every_clock
@pytest.mark.django_db
def test_market_is_read_back_slot_by_slot(clock: Clock) -> None:
    feed = make.feed()
    first = clock.midnight.replace(minute=0)  # markets keep whole hours of UTC, Newfoundland's days do not
    hours = range(clock.hours + 1)
    points = [Point(first + HOUR * n, first + HOUR * (n + 1), n * 1000, "CAD/kWh", first) for n in hours]
    store_values(feed=feed, values=values_of(points))
    values = values_between(feed=feed, starts_at=clock.midnight, ends_at=clock.next_midnight, slot_minutes=15)
    assert values == [((clock.midnight - first + QUARTER * n) // HOUR) * 1000 for n in range(clock.slots.count)]


@every_clock
@pytest.mark.django_db
def test_owner_reads_each_hour_of_the_night_once_at_a_price_of_the_tariff(clock: Clock) -> None:
    utility = make.utility(clock.zone.key.split("/")[1].lower(), time_zone=clock.zone.key)
    rules = {"kind": Tariff.Kind.TIME_OF_USE, "flat_rate_micros_per_kwh": DAY, "periods": RULES["periods"][1:]}  # type: ignore[index]
    prices = prices_ahead(make.tariff(utility, slug="nights", **rules), now=clock.midnight + timedelta(minutes=40))
    assert {hour.micros for hour in prices.hours} == {DAY, PEAK}  # no mean of two rates that nobody pays
    reader = formats.reader_in("CA")
    with timezone.override(clock.zone):
        shown = [formats.time_of_day(hour.starts_at, reader=reader) for hour in prices.hours[: clock.hours - 2]]
    assert len(set(shown)) == len(shown)
    assert all(hour.starts_at.astimezone(clock.zone).minute == 0 for hour in prices.hours)


@pytest.mark.parametrize(
    ("zone", "language", "times"),
    [
        ("America/New_York", "en", ["12:30 AM", "1:30 AM EDT", "1:30 AM EST", "2:30 AM"]),
        ("America/New_York", "fr-ca", ["0 h 30", "1 h 30 HAE", "1 h 30 HNE", "2 h 30"]),
    ],
)
def test_doubled_hour_says_which_of_the_two_it_is(zone: str, language: str, times: list[str]) -> None:
    from_at = datetime.combine(AUTUMN, time(0, 30), tzinfo=ZoneInfo(zone)).astimezone(UTC)
    with timezone.override(ZoneInfo(zone)), translation.override(language):
        reader = formats.reader_in("US")
        shown = [formats.time_of_day(from_at + HOUR * n, reader=reader) for n in range(4)]
    assert [
        text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ") for text in shown
    ] == times
