from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vehicles.schedule import (
    SAFETY_MARGIN,
    Dated,
    away_until,
    charging_seconds,
    latest_safe_release_at,
    next_departure_at,
    resolve_local,
    soc_after,
)

CHICAGO = ZoneInfo("America/Chicago")
EVERY_DAY = {day: time(7, 30) for day in range(7)}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("departures", "now", "expected"),
    [
        pytest.param(EVERY_DAY, "2026-11-18T23:05Z", "2026-11-19T13:30Z", id="tomorrow morning in winter time"),
        pytest.param(EVERY_DAY, "2026-11-19T13:29Z", "2026-11-19T13:30Z", id="in a minute"),
        pytest.param(EVERY_DAY, "2026-11-19T13:30Z", "2026-11-20T13:30Z", id="leaving now is the past"),
        pytest.param({0: time(7, 30)}, "2026-11-23T14:00Z", "2026-11-30T13:30Z", id="a week ahead"),
        pytest.param({}, "2026-11-18T23:05Z", None, id="never leaves"),
        pytest.param({5: time(0, 0)}, "2026-11-20T05:00Z", "2026-11-21T06:00Z", id="at midnight"),
        pytest.param(EVERY_DAY, "2026-03-08T07:00Z", "2026-03-08T12:30Z", id="spring night is an hour shorter"),
        pytest.param(EVERY_DAY, "2026-11-01T04:00Z", "2026-11-01T13:30Z", id="autumn night is an hour longer"),
        pytest.param({6: time(2, 30)}, "2026-03-08T06:00Z", "2026-03-08T08:30Z", id="02:30 is skipped: 03:30"),
        pytest.param({6: time(1, 30)}, "2026-11-01T04:00Z", "2026-11-01T06:30Z", id="01:30 comes twice: the first"),
        pytest.param(
            {6: time(1, 30)}, "2026-11-01T06:45Z", "2026-11-08T07:30Z", id="after the first 01:30 it has left"
        ),
    ],
)
def test_next_departure(departures: dict[int, time], now: str, expected: str | None) -> None:
    found = next_departure_at(departures, CHICAGO, at(now))

    assert found == (at(expected) if expected else None)


def only(day: str, leaves_at: time | None = None) -> Dated:
    return Dated(date.fromisoformat(day), date.fromisoformat(day), leaves_at)


HOLIDAYS = Dated(date(2026, 12, 24), date(2027, 1, 3), time(5, 0), is_away=True)


@pytest.mark.parametrize(
    ("dated", "now", "expected"),
    [
        pytest.param(only("2026-12-25"), "2026-12-24T14:00Z", "2026-12-26T13:30Z", id="no departure on one day"),
        pytest.param(only("2026-11-20", time(5)), "2026-11-19T14:00Z", "2026-11-20T11:00Z", id="earlier on one day"),
        pytest.param(only("2026-11-20", time(5)), "2026-11-20T11:00Z", "2026-11-21T13:30Z", id="the usual is replaced"),
        pytest.param(HOLIDAYS, "2026-12-23T14:00Z", "2026-12-24T11:00Z", id="away: leaves on the first day"),
        pytest.param(HOLIDAYS, "2026-12-24T11:00Z", "2027-01-04T13:30Z", id="away: next after the last day"),
        pytest.param(only("2027-03-14"), "2027-03-13T14:00Z", "2027-03-15T12:30Z", id="stays in the spring night"),
        pytest.param(
            only("2027-03-14", time(2, 30)), "2027-03-14T06:00Z", "2027-03-14T08:30Z", id="a skipped 02:30 is 03:30"
        ),
        pytest.param(
            only("2026-11-01", time(1, 30)), "2026-11-01T04:00Z", "2026-11-01T06:30Z", id="01:30 twice: the first"
        ),
        pytest.param(
            only("2026-11-01", time(1, 30)), "2026-11-01T06:45Z", "2026-11-02T13:30Z", id="gone after the first 01:30"
        ),
    ],
)
def test_a_date_stands_before_its_weekday(dated: Dated, now: str, expected: str) -> None:
    assert next_departure_at(EVERY_DAY, CHICAGO, at(now), (dated,)) == at(expected)


def test_a_date_counts_for_a_car_that_never_leaves_by_the_week() -> None:
    far = only("2027-10-01", time(9))

    assert next_departure_at({}, CHICAGO, at("2026-11-18T23:05Z"), (far,)) == at("2027-10-01T14:00Z")


@pytest.mark.parametrize(
    ("dated", "now", "expected"),
    [
        pytest.param(HOLIDAYS, "2026-12-24T10:59Z", None, id="not left yet"),
        pytest.param(HOLIDAYS, "2026-12-24T11:00Z", "2027-01-04T06:00Z", id="left"),
        pytest.param(HOLIDAYS, "2027-01-04T06:00Z", None, id="back"),
        pytest.param(only("2026-12-25"), "2026-12-25T15:00Z", None, id="staying is not being away"),
        pytest.param(
            Dated(date(2026, 10, 31), date(2026, 11, 1), is_away=True),
            "2026-10-31T12:00Z",
            "2026-11-02T06:00Z",
            id="over the autumn night, in winter time",
        ),
    ],
)
def test_away_until(dated: Dated, now: str, expected: str | None) -> None:
    assert away_until((dated,), CHICAGO, at(now)) == (at(expected) if expected else None)


ZONES = st.sampled_from(["America/Chicago", "America/Toronto", "America/St_Johns", "America/Phoenix", "Pacific/Apia"])
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1)).map(  # noqa: DTZ001 - made aware right here
    lambda naive: naive.replace(tzinfo=UTC)
)
WEEKS = st.dictionaries(st.integers(0, 6), st.times().map(lambda t: t.replace(second=0, microsecond=0)), min_size=1)


@given(departures=WEEKS, zone=ZONES.map(ZoneInfo), now=INSTANTS)
def test_next_departure_is_the_first_one_ahead(departures: dict[int, time], zone: ZoneInfo, now: datetime) -> None:
    found = next_departure_at(departures, zone, now)

    days = [now.astimezone(zone).date() + timedelta(days=offset) for offset in range(-2, 10)]
    instants = [resolve_local(day, departures[day.weekday()], zone) for day in days if day.weekday() in departures]
    assert found is not None
    assert found == min(instant for instant in instants if instant > now)


@given(day=st.dates(date(2026, 1, 1), date(2028, 1, 1)), local=st.times(), zone=ZONES.map(ZoneInfo))
def test_local_time_is_kept_wherever_it_exists(day: date, local: time, zone: ZoneInfo) -> None:
    naive = datetime.combine(day, local)

    back = resolve_local(day, local, zone).astimezone(zone)

    exists = naive.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == naive
    assert (back.replace(tzinfo=None) == naive) == exists
    assert back.replace(tzinfo=None) >= naive


@pytest.mark.parametrize(
    ("soc", "target", "seconds"),
    [
        pytest.param(60, 80, 28_800, id="20 % of 100 kWh at 2.5 kW to the battery takes eight hours"),
        pytest.param(80, 80, 0, id="at the target"),
        pytest.param(90, 80, 0, id="above the target"),
        pytest.param(79.999, 80, 2, id="rounded up"),
    ],
)
def test_charging_seconds(soc: float, target: float, seconds: int) -> None:
    found = charging_seconds(
        soc_percent=soc, target_soc_percent=target, capacity_wh=100_000, charge_w=3125, charge_efficiency=0.8
    )

    assert found == seconds


@pytest.mark.parametrize("broken", [{"charge_w": 0}, {"capacity_wh": 0}, {"charge_efficiency": 0.0}])
def test_car_that_cannot_charge_is_refused(broken: dict[str, float]) -> None:
    car = {"charge_w": 7000, "capacity_wh": 70_000, "charge_efficiency": 0.9} | broken

    with pytest.raises(ValueError, match="battery"):
        charging_seconds(soc_percent=10, target_soc_percent=80, **car)  # type: ignore[arg-type]


@given(
    soc=st.floats(0, 100),
    target=st.floats(1, 100),
    charge_w=st.integers(1000, 19_200),
    latency=st.integers(0, 3600),
)
def test_release_at_the_last_instant_still_reaches_the_target(
    soc: float, target: float, charge_w: int, latency: int
) -> None:
    departure_at = datetime(2026, 11, 19, 13, 30, tzinfo=UTC)

    release_at = latest_safe_release_at(
        departure_at=departure_at,
        soc_percent=soc,
        target_soc_percent=target,
        capacity_wh=91_000,
        charge_w=charge_w,
        charge_efficiency=0.9,
        worst_latency_seconds=latency,
    )

    charging = (departure_at - SAFETY_MARGIN - timedelta(seconds=latency) - release_at).total_seconds()
    gained = charging / 3600 * charge_w * 0.9 / 91_000 * 100
    assert soc + gained >= target - 1e-6
    assert release_at <= departure_at - SAFETY_MARGIN


def test_discharge_takes_losses_out_of_the_battery() -> None:
    left = soc_after(soc_percent=60, power_w=-9000, seconds=3600, capacity_wh=100_000, discharge_efficiency=0.9)

    assert left == pytest.approx(50)


@given(soc=st.floats(0, 100), power=st.integers(-19_200, 19_200), seconds=st.floats(-60, 7200))
def test_battery_never_grows_by_waiting(soc: float, power: int, seconds: float) -> None:
    left = soc_after(soc_percent=soc, power_w=power, seconds=seconds, capacity_wh=70_000, discharge_efficiency=0.9)

    assert 0 <= left <= soc
