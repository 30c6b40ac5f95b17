"""California, New York and Ontario: their own files, their own clocks, both DST nights, and nonsense."""

import io
import zipfile
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import responses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foundation.http import open_session
from grid.feeds.base import FeedError, FeedSource, FeedUnreadable, Point, holes
from grid.feeds.caiso import CaisoDayAhead, CaisoRealTime
from grid.feeds.electricity_maps import ElectricityMapsAverage
from grid.feeds.ercot import ErcotRealTime
from grid.feeds.ieso import IesoDayAhead, IesoRealTime
from grid.feeds.nyiso import LOCAL as NEW_YORK
from grid.feeds.nyiso import NyisoDayAhead, NyisoRealTime, resolve_in_order

BASE = "https://operator.test"
NOW = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)


def values(points: list[Point]) -> list[tuple[str, int]]:
    return [(point.starts_at.isoformat()[:16], point.value_micros) for point in points]


# California


def oasis_zip(content: str, name: str = "20261119_PRC_LMP_DAM.csv") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


HEAD = "INTERVALSTARTTIME_GMT,INTERVALENDTIME_GMT,OPR_DT,OPR_HR,NODE_ID,NODE,MARKET_RUN_ID,LMP_TYPE,MW\n"


def oasis_row(starts_at: datetime, price: object, *, kind: str = "LMP", node: str = "DLAP_SCE-APND") -> str:
    stamps = [at.isoformat().replace("+00:00", "-00:00") for at in (starts_at, starts_at + HOUR)]
    return ",".join([*stamps, "2026-11-19", "1", node, node, "DAM", kind, str(price)]) + "\n"


def ask_caiso(source: FeedSource | None = None) -> list[Point]:
    source = source or CaisoDayAhead(session=open_session(), api_base=BASE)
    return source.fetch(zone="DLAP_SCE-APND", starts_at=NOW - HOUR, ends_at=NOW + 2 * HOUR, now=NOW)


@responses.activate
def test_caiso_whole_prices_are_taken_and_their_parts_left() -> None:
    at = datetime(2026, 11, 18, 23, tzinfo=UTC)
    rows = oasis_row(at, 41.5) + oasis_row(at, 3, kind="MCC") + oasis_row(at + HOUR, "-12.25")
    responses.get(f"{BASE}/SingleZip", body=oasis_zip(HEAD + rows))

    assert values(ask_caiso()) == [("2026-11-18T23:00", 41_500), ("2026-11-19T00:00", -12_250)]
    asked = dict(responses.calls[0].request.params)  # type: ignore[attr-defined]
    assert asked["queryname"] == "PRC_LMP"
    assert (asked["startdatetime"], asked["enddatetime"]) == ("20261118T22:05-0000", "20261119T01:05-0000")


def oasis_error(code: str) -> bytes:
    xml = f'<m:OASISReport xmlns:m="http://www.caiso.com/soa"><m:ERROR><m:ERR_CODE>{code}</m:ERR_CODE></m:ERROR></m:OASISReport>'
    return oasis_zip(xml, "INVALID_REQUEST.xml")


@responses.activate
def test_caiso_without_data_is_not_out_yet_and_other_errors_are_errors() -> None:
    responses.get(f"{BASE}/SingleZip", body=oasis_error("1000"))
    assert ask_caiso() == []
    for code in ("1004", "", "x"):
        responses.replace(responses.GET, f"{BASE}/SingleZip", body=oasis_error(code))
        with pytest.raises(FeedUnreadable):
            ask_caiso()


@responses.activate
@pytest.mark.parametrize(
    "row",
    [
        oasis_row(NOW, "9e9"),
        oasis_row(NOW, "nan"),
        oasis_row(NOW, ""),
        oasis_row(NOW, 1, node="DLAP_PGAE-APND"),
        oasis_row(NOW, 1).replace("-00:00", ""),
        oasis_row(NOW, 1).replace("2026-11-18T23:05", "2026-11-18T22:05"),
    ],
)
def test_caiso_row_that_cannot_be_true_is_refused(row: str) -> None:
    responses.get(f"{BASE}/SingleZip", body=oasis_zip(HEAD + row))
    with pytest.raises(FeedUnreadable):
        ask_caiso()


@responses.activate
@pytest.mark.parametrize(("day", "hours"), [(SPRING, 23), (AUTUMN, 25)])
def test_caiso_night_is_as_long_as_the_clock_makes_it(day: date, hours: int) -> None:
    starts_at = datetime.combine(day, datetime.min.time(), tzinfo=ZoneInfo("America/Los_Angeles")).astimezone(UTC)
    rows = "".join(oasis_row(starts_at + HOUR * hour, hour) for hour in range(25))
    responses.get(f"{BASE}/SingleZip", body=oasis_zip(HEAD + rows))
    source = CaisoDayAhead(session=open_session(), api_base=BASE)
    begins, ends = source.window(starts_at + 12 * HOUR)
    assert begins == starts_at - 24 * HOUR
    points = source.fetch(zone="DLAP_SCE-APND", starts_at=starts_at, ends_at=ends - 24 * HOUR, now=NOW)
    assert [point.value_micros for point in points] == [hour * 1000 for hour in range(hours)]


@responses.activate
def test_caiso_real_time_reads_five_minutes() -> None:
    row = oasis_row(NOW, 20).replace("2026-11-19T00:05", "2026-11-18T23:10")
    responses.get(f"{BASE}/SingleZip", body=oasis_zip(HEAD.replace("MW", "VALUE") + row))
    (point,) = ask_caiso(CaisoRealTime(session=open_session(), api_base=BASE))
    assert (point.ends_at - point.starts_at, point.value_micros) == (timedelta(minutes=5), 20_000)


# New York


def nyiso_file(stamps: list[str], zone: str = "N.Y.C.") -> str:
    head = '"Time Stamp","Name","PTID","LBMP ($/MWHr)","Marginal Cost Losses ($/MWHr)"\n'
    rows = [
        f'"{stamp}","{name}",61761,{place}.5,0.1\n' for place, stamp in enumerate(stamps) for name in (zone, "WEST")
    ]
    return head + "".join(rows)


def wall_clock_hours(day: date) -> list[str]:
    """Every hour of a New York day, as its file writes them."""
    at = datetime.combine(day, datetime.min.time(), tzinfo=NEW_YORK).astimezone(UTC)
    ends_at = datetime.combine(day + timedelta(days=1), datetime.min.time(), tzinfo=NEW_YORK).astimezone(UTC)
    hours = []
    while at < ends_at:
        hours.append(at.astimezone(NEW_YORK).strftime("%m/%d/%Y %H:%M"))
        at += HOUR
    return hours


def ask_nyiso(source: FeedSource, starts_at: datetime, ends_at: datetime) -> list[Point]:
    return source.fetch(zone="N.Y.C.", starts_at=starts_at, ends_at=ends_at, now=NOW)


@responses.activate
@pytest.mark.parametrize(("day", "hours"), [(SPRING, 23), (AUTUMN, 25), (date(2026, 11, 18), 24)])
def test_nyiso_day_has_as_many_hours_as_its_night(day: date, hours: int) -> None:
    responses.get(f"{BASE}/damlbmp/{day:%Y%m%d}damlbmp_zone.csv", body=nyiso_file(wall_clock_hours(day)))
    starts_at = datetime.combine(day, datetime.min.time(), tzinfo=NEW_YORK).astimezone(UTC)

    points = ask_nyiso(NyisoDayAhead(session=open_session(), api_base=BASE), starts_at, starts_at + hours * HOUR)

    assert [point.value_micros for point in points] == [place * 1000 + 500 for place in range(hours)]
    assert holes(points, starts_at=starts_at, ends_at=starts_at + hours * HOUR) == []


@responses.activate
@pytest.mark.parametrize(("day", "hours"), [(SPRING, 23), (AUTUMN, 25)])
def test_nyiso_real_time_has_every_five_minutes_of_both_nights(day: date, hours: int) -> None:
    starts_at = datetime.combine(day, datetime.min.time(), tzinfo=NEW_YORK).astimezone(UTC)
    ends = [starts_at + timedelta(minutes=5) * place for place in range(1, hours * 12 + 1)]
    stamps = [at.astimezone(NEW_YORK).strftime("%m/%d/%Y %H:%M:%S") for at in ends]
    responses.get(f"{BASE}/realtime/{day:%Y%m%d}realtime_zone.csv", body=nyiso_file(stamps))
    points = ask_nyiso(NyisoRealTime(session=open_session(), api_base=BASE), starts_at, ends[-1])
    assert [point.ends_at for point in points] == ends
    assert holes(points, starts_at=starts_at, ends_at=ends[-1]) == []


@responses.activate
def test_nyiso_tomorrow_that_is_not_out_is_left_out() -> None:
    responses.get(f"{BASE}/damlbmp/20261118damlbmp_zone.csv", body=nyiso_file(wall_clock_hours(date(2026, 11, 18))))
    responses.get(f"{BASE}/damlbmp/20261119damlbmp_zone.csv", status=404)
    source = NyisoDayAhead(session=open_session(), api_base=BASE)
    assert len(ask_nyiso(source, NOW, NOW + 12 * HOUR)) == 6


@responses.activate
def test_nyiso_real_time_stamp_ends_its_interval_and_an_extra_run_shortens_the_next() -> None:
    stamps = ["11/18/2026 18:05:00", "11/18/2026 18:07:10", "11/18/2026 18:10:00", "11/18/2026 18:30:00"]
    responses.get(f"{BASE}/realtime/20261118realtime_zone.csv", body=nyiso_file(stamps))
    source = NyisoRealTime(session=open_session(), api_base=BASE)
    points = ask_nyiso(source, NOW - HOUR, NOW + HOUR)
    spans = [((point.starts_at - NOW).total_seconds(), (point.ends_at - NOW).total_seconds()) for point in points]
    assert spans == [(-300, 0), (0, 130), (130, 300), (1200, 1500)]


@responses.activate
@pytest.mark.parametrize(
    "body",
    [
        nyiso_file(["03/08/2026 02:00"]),
        nyiso_file(["11/18/2026 18:00", "11/18/2026 17:00"]),
        nyiso_file(["18.11.2026"]),
        nyiso_file(["11/18/2026 18:00"], zone="LONGIL"),
        nyiso_file(["11/18/2026 18:00"]).replace("0.5", "cheap"),
    ],
)
def test_nyiso_file_that_cannot_be_true_is_refused(body: str) -> None:
    responses.get(f"{BASE}/damlbmp/20261118damlbmp_zone.csv", body=body)
    with pytest.raises(FeedUnreadable):
        ask_nyiso(NyisoDayAhead(session=open_session(), api_base=BASE), NOW, NOW + HOUR)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)), st.integers(2, 400))  # noqa: DTZ001 - UTC comes next
def test_wall_clock_stamps_in_order_become_the_instants_they_were(start: datetime, count: int) -> None:
    first = start.replace(tzinfo=UTC, second=0, microsecond=0)
    instants = [first + place * timedelta(minutes=5) for place in range(count)]
    stamps = [at.astimezone(NEW_YORK).replace(tzinfo=None, fold=0) for at in instants]
    if stamps[0].replace(tzinfo=NEW_YORK).astimezone(UTC) != instants[0]:
        return  # begun inside the second pass, which no file does
    assert resolve_in_order(stamps) == instants


# Ontario


def ieso_day(day: str, prices: list[str]) -> str:
    hours = "".join(
        f"<HourlyPriceComponents><PricingHour>{place}</PricingHour><ZonalPrice>{price}</ZonalPrice>"
        "<LossPriceCapped>1.1</LossPriceCapped></HourlyPriceComponents>"
        for place, price in enumerate(prices, start=1)
    )
    return f'<Document xmlns="http://www.ieso.ca/schema"><DocBody><DeliveryDate>{day}</DeliveryDate>{hours}</DocBody></Document>'


def ask_ieso(source: FeedSource, starts_at: datetime, ends_at: datetime, zone: str = "ONTARIO") -> list[Point]:
    return source.fetch(zone=zone, starts_at=starts_at, ends_at=ends_at, now=NOW)


DAY_AHEAD = f"{BASE}/DAHourlyOntarioZonalPrice/PUB_DAHourlyOntarioZonalPrice"


@responses.activate
@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_ontario_keeps_standard_time_on_both_nights(day: date) -> None:
    responses.get(f"{DAY_AHEAD}_{day:%Y%m%d}.xml", body=ieso_day(day.isoformat(), [str(hour) for hour in range(24)]))
    starts_at = datetime.combine(day, datetime.min.time(), tzinfo=UTC) + 5 * HOUR
    points = ask_ieso(IesoDayAhead(session=open_session(), api_base=BASE), starts_at, starts_at + 24 * HOUR)
    assert [point.value_micros for point in points] == [hour * 1000 for hour in range(24)]
    assert (points[0].unit, holes(points, starts_at=starts_at, ends_at=starts_at + 24 * HOUR)) == ("CAD/kWh", [])


@responses.activate
def test_ontario_empty_price_is_a_gap_and_never_zero() -> None:
    responses.get(f"{DAY_AHEAD}_20261118.xml", body=ieso_day("2026-11-18", ["1", "", "3"]))
    starts_at = datetime(2026, 11, 18, 5, tzinfo=UTC)
    points = ask_ieso(IesoDayAhead(session=open_session(), api_base=BASE), starts_at, starts_at + 3 * HOUR)
    assert [(point.starts_at - starts_at) / HOUR for point in points] == [0, 2]


@responses.activate
def test_ontario_real_time_is_a_file_an_hour() -> None:
    intervals = "".join(f"<ZonalPrice><Interval>{n}</Interval><LmpCap>{n * 10}</LmpCap></ZonalPrice>" for n in (1, 12))
    body = f'<Document xmlns="http://www.ieso.ca/schema"><DocBody><DeliveryHour>18</DeliveryHour>{intervals}</DocBody></Document>'
    base = f"{BASE}/RealtimeOntarioZonalPrice/PUB_RealtimeOntarioZonalPrice"
    responses.get(f"{base}_2026111818.xml", body=body)
    for later in (17, 19, 20):
        responses.get(f"{base}_20261118{later}.xml", status=404)
    source = IesoRealTime(session=open_session(), api_base=BASE)
    points = ask_ieso(source, NOW - HOUR, NOW + HOUR)
    assert values(points) == [("2026-11-18T22:55", 120_000)]
    assert len(ask_ieso(source, NOW - 2 * HOUR, NOW)) == 2


@responses.activate
@pytest.mark.parametrize(
    "body",
    [
        ieso_day("2026-11-17", ["1"]),
        ieso_day("2026-11-18", ["1"] * 25),
        ieso_day("2026-11-18", ["free"]),
        ieso_day("2026-11-18", ["1"]).replace("<PricingHour>1<", "<PricingHour>one<"),
        "<html>",
    ],
)
def test_ontario_file_that_cannot_be_true_is_refused(body: str) -> None:
    responses.get(f"{DAY_AHEAD}_20261118.xml", body=body)
    with pytest.raises(FeedUnreadable):
        ask_ieso(IesoDayAhead(session=open_session(), api_base=BASE), NOW, NOW + HOUR)
    with pytest.raises(FeedUnreadable):
        ask_ieso(IesoDayAhead(session=open_session(), api_base=BASE), NOW, NOW + HOUR, zone="TORONTO")


# Electricity Maps


def mix(kind: str, rows: list[Any], zone: str = "CA-ON") -> dict[str, Any]:
    return {"zone": zone, kind: rows}


def ask_mix() -> list[Point]:
    source = ElectricityMapsAverage(session=open_session(), api_base=BASE, token="t")
    return source.fetch(zone="CA-ON", starts_at=NOW - 2 * HOUR, ends_at=NOW + HOUR, now=NOW)


@responses.activate
def test_mix_measured_wins_over_forecast_and_grams_become_kilograms() -> None:
    history = [
        {"datetime": "2026-11-18T22:00:00.000Z", "carbonIntensity": 55},
        {"datetime": "x", "carbonIntensity": None},
    ]
    forecast = [{"datetime": f"2026-11-18T{hour}:00:00.000Z", "carbonIntensity": 80.5} for hour in (22, 23)]
    responses.get(f"{BASE}/v3/carbon-intensity/history", json=mix("history", history))
    responses.get(f"{BASE}/v3/carbon-intensity/forecast", json=mix("forecast", forecast))
    assert values(ask_mix()) == [("2026-11-18T22:00", 55_000), ("2026-11-18T23:00", 80_500)]
    assert responses.calls[0].request.headers["auth-token"] == "t"


@responses.activate
@pytest.mark.parametrize(
    "answer",
    [
        [],
        mix("history", ["x"]),
        mix("history", [], zone="CA-QC"),
        mix("history", [{"datetime": "2026-11-18T22:30:00Z", "carbonIntensity": 1}]),
        mix("history", [{"datetime": "2026-11-18T22:00:00", "carbonIntensity": 1}]),
        mix("history", [{"datetime": "2026-11-18T22:00:00Z", "carbonIntensity": -1}]),
    ],
)
def test_mix_that_cannot_be_true_is_refused(answer: Any) -> None:
    responses.get(f"{BASE}/v3/carbon-intensity/history", json=answer)
    with pytest.raises(FeedError):
        ask_mix()


@pytest.mark.parametrize(
    "source",
    [
        ErcotRealTime(session=open_session(), api_base=BASE, subscription_key=""),
        CaisoDayAhead(session=open_session(), api_base=BASE),
        CaisoRealTime(session=open_session(), api_base=BASE),
        NyisoDayAhead(session=open_session(), api_base=BASE),
        NyisoRealTime(session=open_session(), api_base=BASE),
        IesoDayAhead(session=open_session(), api_base=BASE),
        IesoRealTime(session=open_session(), api_base=BASE),
        ElectricityMapsAverage(session=open_session(), api_base=BASE, token=""),
    ],
    ids=lambda source: type(source).__name__,
)
def test_timetable_holds_together_at_every_hour(source: FeedSource) -> None:
    for hour in range(0, 24 * 370, 7):
        now = datetime(2026, 1, 1, 0, 17, tzinfo=UTC) + hour * HOUR
        starts_at, ends_at = source.window(now)
        assert starts_at < source.expected_until(now) <= ends_at
        assert now < source.next_fetch_at(now) <= now + HOUR
