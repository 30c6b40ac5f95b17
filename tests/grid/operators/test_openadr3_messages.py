"""OpenADR 3's events: times, periods, repetition, what calls them off, and what they ask in a program's words."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.operators.base import Ask, Asked, AskKind, OperatorUnreadable, ProgramWords, SeriesValue
from grid.operators.openadr3.asking import read_asked
from grid.operators.openadr3.messages import read_event
from grid.operators.openadr3.times import FOREVER, NOW, read_duration, read_instant, write_duration, write_instant
from tests.openadr3_spec import judge

AT = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)
START = datetime(2026, 11, 19, 0, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def interval(number: int, kind: str, *values: Any, **period: str) -> dict[str, Any]:
    row: dict[str, Any] = {"id": number, "payloads": [{"type": kind, "values": list(values)}]}
    return row | ({"intervalPeriod": period} if period else {})


def event(*intervals: dict[str, Any], **changes: Any) -> dict[str, Any]:
    record: dict[str, Any] = {
        "id": "event-1",
        "createdDateTime": "2026-11-18T20:00:00Z",
        "modificationDateTime": "2026-11-18T21:00:00Z",
        "objectType": "EVENT",
        "programID": "program-1",
        "eventName": "evening",
        "priority": 1,
        "targets": ["feeder-7"],
        "intervalPeriod": {"start": "2026-11-19T00:00:00Z", "duration": "PT1H", "randomizeStart": "PT5M"},
        "intervals": list(intervals),
    }
    return {**record, **changes}


def asked(*intervals: dict[str, Any], words: ProgramWords | None = None, **changes: Any) -> Asked:
    record = event(*intervals, **changes)
    if all(key in record for key in ("id", "programID")):
        judge("event", record)
    return read_asked(read_event(record, now=AT), words=words or ProgramWords(), enrolled_w=100_000)


def spans(found: Asked) -> list[tuple[str, float, float, int | None]]:
    return [
        (ask.kind, (ask.starts_at - START) / HOUR, (ask.ends_at - START) / HOUR, ask.target_w) for ask in found.asks
    ]


# Times


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT0S", 0), ("PT15M", 900), ("P1DT2H", 93_600), ("P2W", 1_209_600), ("PT1.5S", 1.5), ("-PT5M", -300)],
)
def test_duration_is_read(text: str, seconds: float) -> None:
    assert read_duration(text).total_seconds() == seconds


def test_for_ever_is_a_duration() -> None:
    assert read_duration("P9999Y") == FOREVER


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "15M", "P1H", "PT1H1H", None, 15, "P99999Y", "PT9999999999H", "P1" * 40]
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(OperatorUnreadable):
        read_duration(text)


@given(st.timedeltas(timedelta(0), timedelta(days=400)))
def test_written_duration_is_read_back(length: timedelta) -> None:
    whole = timedelta(seconds=int(length.total_seconds()))
    assert read_duration(write_duration(whole)) == whole


def test_instants_have_a_zone_unless_only_their_order_counts() -> None:
    assert read_instant("2026-11-18T18:00:00-05:00") == datetime(2026, 11, 18, 23, tzinfo=UTC)
    assert read_instant("0001-01-01T00:00:00") == NOW
    assert read_instant("2026-11-22 23:43:16", zone_is_optional=True) == datetime(2026, 11, 22, 23, 43, 16, tzinfo=UTC)
    assert write_instant(AT) == "2026-11-18T23:05:00Z"
    for text in ("2026-11-18T18:00:00", "23:43:16", "", None, 0, "1999-12-31T00:00:00Z", "9999-12-31T23:59:59-14:00"):
        with pytest.raises(OperatorUnreadable):
            read_instant(text)


# Periods


def test_intervals_follow_each_other_and_equal_neighbours_are_one_ask() -> None:
    found = asked(
        interval(0, "SIMPLE", 3), interval(1, "SIMPLE", 3), interval(2, "SIMPLE", 0), interval(3, "SIMPLE", 1)
    )
    assert spans(found) == [("hold", 0, 2, 100_000), ("hold", 3, 4, 33_000)]
    assert found.asks[0].randomize_seconds == 300
    assert (found.remote_id, found.program_id, found.priority, found.targets) == (
        "event-1",
        "program-1",
        1,
        ("feeder-7",),
    )


def test_own_period_of_an_interval_overrides_the_events() -> None:
    own = interval(1, "SIMPLE", 3, start="2026-11-19T05:00:00Z", duration="PT30M", randomizeStart="PT10M")
    found = asked(interval(0, "SIMPLE", 3), own, interval(2, "SIMPLE", 3))
    assert spans(found) == [("hold", 0, 1, 100_000), ("hold", 5, 6.5, 100_000)]
    assert [ask.randomize_seconds for ask in found.asks] == [300, 600]


def test_duration_of_the_event_repeats_its_intervals() -> None:
    found = asked(interval(0, "SIMPLE", 3), interval(1, "SIMPLE", 0), duration="PT5H")
    assert spans(found) == [("hold", 0, 1, 100_000), ("hold", 2, 3, 100_000), ("hold", 4, 5, 100_000)]


def test_start_now_is_when_it_is_read() -> None:
    period = {"start": "0001-01-01T00:00:00Z", "duration": "PT1H"}
    assert asked(interval(0, "SIMPLE", 3), intervalPeriod=period).asks[0].starts_at == AT


def test_for_ever_is_taken_two_weeks_far() -> None:
    period = {"start": "2026-11-19T00:00:00Z", "duration": "P9999Y"}
    assert spans(asked(interval(0, "SIMPLE", 3), intervalPeriod=period)) == [("hold", 0, 14 * 24, 100_000)]


@pytest.mark.parametrize(
    "changes",
    [
        {"intervals": []},
        {"intervals": None},
        {"duration": "PT0S"},
        {"intervalPeriod": {"start": "2026-11-19T00:00:00Z", "duration": "PT0S"}},
    ],
)
def test_event_shrunk_to_nothing_asks_nothing(changes: dict[str, Any]) -> None:
    record = event(interval(0, "SIMPLE", 3)) | changes
    found = read_asked(read_event(record, now=AT), words=ProgramWords(), enrolled_w=100_000)
    assert (found.asks, found.questions) == ((), ())


def test_targets_of_the_older_version_are_objects() -> None:
    targets = [{"type": "GROUP", "values": ["feeder-7", "feeder-8"]}]
    assert read_event(event(targets=targets), now=AT).targets == ("feeder-7", "feeder-8")


# What is asked


@pytest.mark.parametrize(
    ("kind", "value", "words", "expected"),
    [
        ("DISPATCH_SETPOINT", -7.2, {}, ("discharge", 7_200)),
        ("DISPATCH_SETPOINT", 7.2, {}, ("absorb", 7_200)),
        ("DISPATCH_SETPOINT", 7.2, {"export_is_negative": False}, ("discharge", 7_200)),
        ("DISPATCH_SETPOINT", 0, {}, ("hold", None)),
        ("DISPATCH_SETPOINT", -7.2, {"setpoint_is_relative": True}, ("hold", 7_200)),
        ("DISPATCH_SETPOINT_RELATIVE", -7.2, {}, ("hold", 7_200)),
        ("DISPATCH_SETPOINT_RELATIVE", 7.2, {}, ("absorb", 7_200)),
        ("IMPORT_CAPACITY_LIMIT", 60, {}, ("hold", 40_000)),
        ("ALERT_GRID_EMERGENCY", "stay calm", {}, ("hold", None)),
        ("SIMPLE", 2, {"simple_shares": {2: 0.5}}, ("hold", 50_000)),
    ],
)
def test_payload_is_read_in_the_programs_words(
    kind: str, value: Any, words: dict[str, Any], expected: tuple[str, int | None]
) -> None:
    (ask,) = asked(interval(0, kind, value), words=ProgramWords(**words)).asks
    assert (ask.kind, ask.target_w) == expected
    assert ask.is_emergency == kind.startswith("ALERT")


def test_units_of_the_descriptor_count() -> None:
    descriptor = {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "DISPATCH_SETPOINT", "units": "MW"}
    (ask,) = asked(interval(0, "DISPATCH_SETPOINT", -1.5), payloadDescriptors=[descriptor]).asks
    assert ask == Ask(AskKind.DISCHARGE, START, START + HOUR, 1_500_000, 300)


def test_prices_and_emissions_are_series_and_no_asks() -> None:
    descriptors = [
        {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "PRICE", "units": "MWH", "currency": "USD"},
        {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "GHG", "units": "g/kWh"},
    ]
    both = interval(0, "PRICE", -12.5)
    both["payloads"].append({"type": "GHG", "values": [412.5]})
    found = asked(both, payloadDescriptors=descriptors)
    assert found.asks == ()
    assert found.series == (
        SeriesValue("price", START, START + HOUR, -12_500, "USD/kWh"),
        SeriesValue("marginal_carbon", START, START + HOUR, 412_500, "kg/kWh"),
    )


@pytest.mark.parametrize(
    ("kind", "values", "changes"),
    [
        ("MOON_PHASE", [1], {}),
        ("SIMPLE", [7], {}),
        ("SIMPLE", [1.5], {}),
        ("SIMPLE", ["high"], {}),
        ("SIMPLE", [], {}),
        ("DISPATCH_SETPOINT", [True], {}),
        ("DISPATCH_SETPOINT", [1e30], {}),
        ("DISPATCH_SETPOINT", [5], {"units": "GALLONS"}),
        ("IMPORT_CAPACITY_LIMIT", [-1], {}),
        ("CHARGE_STATE_SETPOINT", [80], {}),
        ("PRICE", [9e9], {}),
        ("PRICE", [0.1], {"currency": "CAD"}),
    ],
)
def test_what_is_not_understood_is_a_question_and_the_rest_still_counts(
    kind: str, values: list[Any], changes: dict[str, str]
) -> None:
    descriptors = [{"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": kind, **changes}]
    found = asked(interval(0, kind, *values), interval(1, "SIMPLE", 3), payloadDescriptors=descriptors)
    assert len(found.questions) == 1
    assert spans(found) == [("hold", 1, 2, 100_000)]


def test_prices_beyond_nine_thousand_and_below_zero_a_megawatthour_are_taken() -> None:
    descriptor = {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "PRICE", "units": "MWH"}
    found = asked(interval(0, "PRICE", 9000), interval(1, "PRICE", -250), payloadDescriptors=[descriptor])
    assert [value.value_micros for value in found.series] == [9_000_000, -250_000]


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"id": 7},
        {"programID": ""},
        {"modificationDateTime": "yesterday"},
        {"priority": -1},
        {"priority": True},
        {"targets": "feeder-7"},
        {"targets": [7]},
        {"intervals": "soon"},
        {"intervals": [{"payloads": []}]},
        {"intervals": [{"id": 0, "payloads": [{"type": "SIMPLE", "values": 3}]}]},
        {"intervals": [{"id": 0, "payloads": [{"values": [3]}]}]},
        {"intervalPeriod": {"start": "2026-11-19T00:00:00"}},
        {"intervalPeriod": {"start": "2026-11-19T00:00:00Z"}},
        {"intervalPeriod": "now"},
        {"intervals": [{"id": place, "payloads": []} for place in range(3001)]},
        {"duration": "P10D", "intervalPeriod": {"start": "2026-11-19T00:00:00Z", "duration": "PT1S"}},
        {"reportDescriptors": [{"payloadType": "USAGE", "repeat": "often"}]},
    ],
)
def test_event_that_cannot_be_read_is_refused_by_name(changes: dict[str, Any]) -> None:
    with pytest.raises(OperatorUnreadable):
        read_event(event(interval(0, "SIMPLE", 3)) | changes, now=AT)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=12),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=6,
)


@given(data=st.data())
def test_no_event_breaks_the_reader(data: st.DataObject) -> None:
    record = copy.deepcopy(
        event(
            interval(0, "SIMPLE", 2, start="2026-11-19T05:00:00Z"),
            interval(1, "PRICE", 0.2),
            duration="PT6H",
            reportDescriptors=[{"payloadType": "USAGE"}],
            payloadDescriptors=[{"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "PRICE", "units": "KWH"}],
        )
    )
    place: Any = record
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place))) if isinstance(place, list) else []
        key = data.draw(st.sampled_from(keys)) if keys else None
        if key is None:
            break
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            place[key] = data.draw(JSON)
            break
        place = place[key]
    try:
        found = read_asked(read_event(record, now=AT), words=ProgramWords(), enrolled_w=100_000)
    except OperatorUnreadable:
        return
    assert all(ask.ends_at > ask.starts_at for ask in found.asks)
    assert all(ask.target_w is None or ask.target_w >= 0 for ask in found.asks)
