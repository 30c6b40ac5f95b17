"""Uploaded files line by line: nothing is lost, nothing is guessed, and what is unusual is flagged and counts."""

import io
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grid.feeds.uploads import LONGEST_LINE, Reading, Series, UploadRefused, read_upload, safe_cell

NOW = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)
HEAD = "starts_at,ends_at,value,unit"


def read(*lines: str, body: bytes | None = None, most_rows: int | None = None, **series: Any) -> Reading:
    told = {"source": "ercot", "zone": "LZ_AEN", "kind": "day_ahead_price", "unit": "", "now": NOW, **series}
    content = "\n".join((HEAD, *lines)).encode() if body is None else body
    return read_upload(io.BytesIO(content), series=Series(**told), most_rows=most_rows)


def row(value: object = "31.5", hour: int = 1, unit: str = "USD/MWh", day: str = "2026-11-18") -> str:
    return f"{day}T{hour:02}:00:00Z,{day}T{hour + 1:02}:00:00Z,{value},{unit}"


def reasons(reading: Reading) -> list[str]:
    return [finding["reason"] for finding in reading.findings]


def test_rows_become_micros_of_the_canonical_unit() -> None:
    reading = read(row("31.5"), row("-4.25", 2), row("0.1234567", 3, unit="USD/kWh"))
    assert (reading.unit, list(reading.values)) == ("USD/kWh", [31_500, -4_250, 123_457])
    assert reading.ends[0] - reading.starts[0] == 3_600_000_000


def test_unusual_prices_are_flagged_and_count() -> None:
    reading = read(row("9000"), row("-60", 2), row("50001", 3), row("-1e999999", 4))
    assert list(reading.values) == [9_000_000, -60_000]
    kinds = [(one["line"], one["kind"]) for one in reading.findings]
    assert kinds == [(2, "flagged"), (3, "flagged"), (4, "bad"), (5, "bad")]
    assert reasons(reading) == ["above 1 USD/kWh", "below zero", *2 * ["value is beyond all reason"]]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (row("cheap"), "value is no number"),
        (row("nan"), "value is no number"),
        (row("1_0"), "value is no number"),
        (row(""), "value is no number"),
        (row(unit="EUR/MWh"), "unit is not one"),
        (row(unit="kg/kWh"), "unit is not one"),
        (row() + ",more", "not as many cells"),
        ("2026-11-18T01:00Z", "not as many cells"),
        (row().replace("Z", ""), "says no offset"),
        (row().replace("T01", "T25"), "starts_at is no time"),
        (row().replace("T02", "T01"), "ends_at is not after"),
        (row().replace("18T02", "19T02"), "more than a day"),
        (row(day="1999-01-01"), "between 2000 and 2100"),
        ('"' + row(), "quotation mark"),
        (row() + " " * LONGEST_LINE, "longer than"),
        ("\x00\ufffd", "not as many cells"),
    ],
)
def test_line_that_is_wrong_is_named_and_the_others_are_read(line: str, reason: str) -> None:
    reading = read(line, row(hour=5))
    (finding,) = reading.findings
    assert (finding["line"], finding["kind"]) == (2, "bad")
    assert reason in finding["reason"]
    assert len(finding["text"]) <= 80
    assert len(reading.starts) == 1


def test_cell_of_another_series_is_named() -> None:
    head = f"{HEAD},source,zone\n"
    reading = read(body=(head + row() + ",ercot,LZ_AEN\n" + row(hour=2) + ",ercot,LZ_WEST\n").encode())
    assert (len(reading.starts), reasons(reading)) == (1, ["zone is not that of the series"])


def test_unit_of_the_series_is_kept() -> None:
    assert reasons(read(row(unit="CAD/MWh"), unit="USD/kWh")) == ["unit is not that of the series (USD/kWh)"]
    assert reasons(read(row(), row(hour=2, unit="CAD/MWh"))) == ["unit is not that of the series (USD/kWh)"]


def test_carbon_is_read_in_pounds_and_grams() -> None:
    reading = read(row("1000", unit="lb/MWh"), row("410", 2, unit="g/kWh"), kind="marginal_carbon")
    assert (reading.unit, list(reading.values)) == ("kg/kWh", [453_592, 410_000])
    assert reasons(read(row(), kind="average_carbon")) == ["unit is not one of this kind of series"]


def test_duplicates_are_counted_contradictions_are_wrong() -> None:
    reading = read(row(hour=2), row(hour=1), row(hour=2), row("99", 1), row(hour=3))
    assert (len(reading.starts), reading.counts["duplicate"], reading.counts["bad"]) == (3, 1, 1)
    assert [finding["line"] for finding in reading.findings] == [4, 5]


def test_issue_is_kept_and_may_not_be_of_the_future() -> None:
    head, early, late = f"{HEAD},issued_at\n", "2026-11-17T12:00Z", "2026-11-19T12:00Z"
    lines = [row() + "," + early, row("32") + ",", row(hour=2) + "," + late]
    reading = read(body=(head + "\n".join(lines)).encode())
    assert [(NOW.timestamp() - issued / 1e6) / 3600 for issued in reading.issued] == [pytest.approx(35.0833, 1e-4), 0]
    assert reasons(reading) == ["issued_at is later than now"]


NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("zone", "local", "utc"),
    [
        ("America/New_York", "2026-11-18 17:00", "2026-11-18T22:00:00+00:00"),
        ("America/New_York", "2026-11-01 01:30", "ends_at comes twice"),
        ("America/New_York", "2026-03-08 02:15", "does not exist"),
        ("America/St_Johns", "2026-11-18 17:00", "2026-11-18T20:30:00+00:00"),
        ("America/St_Johns", "2026-11-01 01:30", "comes twice"),
        ("America/St_Johns", "2026-03-08 02:15", "does not exist"),
        ("America/Regina", "2026-11-01 01:30", "2026-11-01T07:30:00+00:00"),
        ("America/Phoenix", "2026-03-08 02:15", "2026-03-08T09:15:00+00:00"),
    ],
)
def test_local_times_are_read_by_the_chosen_clock_and_never_guessed(zone: str, local: str, utc: str) -> None:
    at = datetime.fromisoformat(local)
    lines = (
        f"{at - timedelta(minutes=45)},{local},1,USD/MWh"
        if "twice" in utc
        else f"{local},{at + timedelta(hours=1)},1,USD/MWh"
    )
    reading = read(lines, clock=ZoneInfo(zone))
    told = reading.report()["first"] if reading.starts else reasons(reading)[0]
    assert utc in told


@pytest.mark.parametrize(("day", "bad"), [("2026-03-08", 2), ("2026-11-01", 2), ("2026-11-18", 0)])
def test_hours_of_a_night_without_offsets_are_wrong_beside_the_edge_in_doubt(day: str, bad: int) -> None:
    midnight = datetime.fromisoformat(day)
    edges = [midnight + timedelta(hours=hour) for hour in range(25)]
    reading = read(*(f"{begin},{end},1,USD/MWh" for begin, end in pairwise(edges)), clock=NEW_YORK)
    assert reading.counts["bad"] == bad


@pytest.mark.parametrize(
    "body",
    [
        ("\ufeff" + HEAD + "\n" + row()).encode(),
        (HEAD + "\n" + row()).encode("utf-16"),
        (HEAD + "\r\n" + row() + "\r\n").encode(),
        (HEAD + "\r" + row()).encode(),
        (HEAD + "\n" + row()).replace(",", "\t").encode(),
        (HEAD + "\n" + row("31.5")).replace(",", ";").replace("31.5", "31,5").encode(),
        ('"' + HEAD.replace(",", '","').upper() + '"\n"' + row().replace(",", '","') + '"').encode(),
    ],
    ids=["mark", "utf-16", "crlf", "cr", "tab", "semicolon", "quoted"],
)
def test_dialects_are_read(body: bytes) -> None:
    assert list(read(body=body).values) == [31_500]


@pytest.mark.parametrize(
    "body", [b"", b"\n\n", b"a,b\n1,2\n", b"starts_at,starts_at,ends_at,value,unit\n", b"\x89PNG\x00"]
)
def test_file_without_our_columns_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(UploadRefused, match="first line names the columns"):
        read(body=body)


def test_file_with_too_many_rows_is_refused() -> None:
    assert len(read(row(), row(hour=2), most_rows=2).starts) == 2
    with pytest.raises(UploadRefused, match="more than 2 rows"):
        read(row(), row(hour=2), row(hour=3), most_rows=2)


def test_report_names_gaps_and_overlaps() -> None:
    report = read(
        row(hour=5), row(hour=1), row(hour=2), row(hour=8), row("7", 8).replace("T08:00", "T08:30", 1)
    ).report()
    assert report["gaps"] == [
        ["2026-11-18T03:00:00+00:00", "2026-11-18T05:00:00+00:00"],
        ["2026-11-18T06:00:00+00:00", "2026-11-18T08:00:00+00:00"],
    ]
    assert report["overlaps"] == [["2026-11-18T08:30:00+00:00", "2026-11-18T09:00:00+00:00"]]
    assert (report["lowest"], report["highest"], report["good"]) == (7_000, 31_500, 5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.one_of(st.just(""), st.text(max_size=60), st.integers(0, 22).map(lambda hour: row(hour=hour))), max_size=30
    )
)
def test_every_line_is_accounted_for(lines: list[str]) -> None:
    lines = [line.replace("\n", "").replace("\r", "") for line in lines]
    body = "".join(f"{line}\n" for line in (HEAD, *lines)).encode("utf-8", "surrogatepass")
    report = read(body=body).report()
    told = sum(report[name] for name in ("good", "bad", "duplicate", "blank"))
    assert (report["lines"], told) == (len(lines) + 1, len(lines))


def test_values_are_exact_whatever_their_unit() -> None:
    dice = random.Random(7)  # noqa: S311 - examples, nothing secret
    told = [Decimal(dice.randint(-10_000_000, 10_000_000)).scaleb(-3) for _ in range(22)]
    reading = read(*(row(price, hour) for hour, price in enumerate(told)))
    assert [Decimal(value) for value in reading.values] == [price * 1000 for price in told]


@pytest.mark.parametrize(
    ("text", "safe"), [("=1+1", "'=1+1"), ("@x", "'@x"), ("-5", "'-5"), ("\tx", "'\tx"), ("2026", "2026"), ("", "")]
)
def test_cells_for_download_are_no_formulas(text: str, safe: str) -> None:
    assert safe_cell(text) == safe
