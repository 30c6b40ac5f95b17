"""OpenADR 2.0b's signals as asks: each kind, the program's signs, and what contradicts itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from grid.operators.base import AskKind, OperatorUnreadable, ProgramWords
from grid.operators.openadr2b.asking import LONGEST_ASKED, read_asked
from grid.operators.openadr2b.messages import read_length

START = datetime(2026, 11, 19, 1, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
HOLD, ABSORB, DISCHARGE = AskKind.HOLD, AskKind.ABSORB, AskKind.DISCHARGE
KW = {"kind": "powerReal", "units": "W", "scale": "k"}


def signal(name: str, kind: str, *values: str, item: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    rows = [
        {"uid": str(place), "start": "", "duration": "PT15M", "values": [text]} for place, text in enumerate(values)
    ]
    return {"name": name, "type": kind, "item": item or {}, "intervals": rows} | changes


def record(*signals: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": "007",
        "modificationNumber": "3",
        "modificationDateTime": "",
        "createdDateTime": "2026-11-18T20:00:00Z",
        "priority": "0",
        "marketContext": "http://utility.test/summer",
        "status": "far",
        "testEvent": "false",
        "comment": "",
        "start": "2026-11-19T01:00:00Z",
        "duration": "PT1H",
        "startAfter": "",
        "signals": list(signals),
        "targets": {},
        "responseRequired": "always",
    } | changes


def asks(*signals: dict[str, Any], words: ProgramWords | None = None, **changes: Any) -> list[tuple[Any, ...]]:
    asked = read_asked(record(*signals, **changes), words=words or ProgramWords(), enrolled_w=100_000, now=START)
    return [
        (ask.kind, (ask.starts_at - START) // QUARTER, (ask.ends_at - START) // QUARTER, ask.target_w)
        for ask in asked.asks
    ]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (signal("SIMPLE", "level", "0", "1", "1", "3"), [(HOLD, 1, 3, 33_000), (HOLD, 3, 4, 100_000)]),
        (signal("simple", "level", "2.0"), [(HOLD, 0, 1, 66_000)]),
        (signal("LOAD_DISPATCH", "delta", "-7.2", item=KW), [(HOLD, 0, 1, 7_200)]),
        (signal("LOAD_DISPATCH", "delta", "7200", item=KW | {"scale": "none"}), [(ABSORB, 0, 1, 7_200)]),
        (signal("LOAD_DISPATCH", "delta", "0"), []),
        (
            signal("LOAD_DISPATCH", "setpoint", "-2", "0", "5"),
            [(DISCHARGE, 0, 1, 2_000), (HOLD, 1, 2, None), (ABSORB, 2, 3, 5_000)],
        ),
        (signal("LOAD_DISPATCH", "multiplier", "0.4"), [(HOLD, 0, 1, 60_000)]),
        (signal("LOAD_CONTROL", "x-loadControlCapacity", "0"), [(HOLD, 0, 1, 100_000)]),
        (signal("LOAD_CONTROL", "x-loadControlPercentOffset", "-25"), [(HOLD, 0, 1, 25_000)]),
        (
            signal("LOAD_CONTROL", "x-loadControlSetpoint", "-1", item=KW | {"scale": "M"}),
            [(DISCHARGE, 0, 1, 1_000_000)],
        ),
    ],
)
def test_signal_asks(told: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    assert asks(told) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (ProgramWords(export_is_negative=False), [(ABSORB, 0, 1, 2_000)]),
        (ProgramWords(setpoint_is_relative=True), [(HOLD, 0, 1, 2_000)]),
        (ProgramWords(setpoint_is_relative=True, export_is_negative=False), [(ABSORB, 0, 1, 2_000)]),
    ],
)
def test_setpoint_has_the_signs_agreed_for_the_program(words: ProgramWords, expected: list[tuple[Any, ...]]) -> None:
    assert asks(signal("LOAD_DISPATCH", "setpoint", "-2"), words=words) == expected


@pytest.mark.parametrize(
    ("told", "question"),
    [
        (signal("SIMPLE", "level", "7"), "level 7 is not agreed"),
        (signal("BID_LOAD", "setpoint", "1"), "BID_LOAD of type setpoint is not known"),
        (signal("x-own", "level", "1"), "x-own of type level is not known"),
        (signal("LOAD_DISPATCH", "level", "1"), "not known"),
        (signal("LOAD_DISPATCH", "delta", "1", item=KW | {"kind": "voltage"}), "is no power"),
        (signal("LOAD_DISPATCH", "delta", "NaN"), "no number"),
        (signal("LOAD_DISPATCH", "delta", "INF"), "no number"),
        (signal("LOAD_DISPATCH", "delta", "1e300"), "beyond all reason"),
        (signal("LOAD_DISPATCH", "multiplier", "1.5"), "not agreed"),
        (signal("ELECTRICITY_PRICE", "price", "1", item={"kind": "currencyPerKWh", "units": "CAD"}), "pays in USD"),
        (
            signal("ELECTRICITY_PRICE", "price", "1", item={"kind": "currencyPerKW", "units": "USD"}),
            "no price of energy",
        ),
        (signal("ELECTRICITY_PRICE", "priceMultiplier", "1"), "not known"),
    ],
)
def test_what_is_not_understood_is_a_question(told: dict[str, Any], question: str) -> None:
    asked = read_asked(record(told), words=ProgramWords(), enrolled_w=1, now=START)
    assert not asked.asks
    assert not asked.series
    assert question in asked.questions[0]


def test_simple_steps_back_where_another_signal_says_how_much() -> None:
    simple, exact = signal("SIMPLE", "level", "3"), signal("LOAD_DISPATCH", "delta", "-5")
    assert asks(simple, exact) == [(HOLD, 0, 1, 5_000)]
    assert asks(simple, signal("x-own", "level", "9")) == [(HOLD, 0, 1, 100_000)]


def test_prices_are_series_and_ask_nothing() -> None:
    told = signal(
        "ELECTRICITY_PRICE", "price", "-20", "90", item={"kind": "currencyPerKWh", "units": "USD", "scale": "m"}
    )
    asked = read_asked(record(told), words=ProgramWords(), enrolled_w=1, now=START)
    assert [(value.kind, value.value_micros, value.unit) for value in asked.series] == [
        ("price", -20_000, "USD/kWh"),
        ("price", 90_000, "USD/kWh"),
    ]
    assert not asked.asks


@pytest.mark.parametrize(
    "changes", [{"status": "cancelled"}, {"status": "completed"}, {"testEvent": "true"}, {"testEvent": "yes"}]
)
def test_cancelled_and_test_events_ask_nothing(changes: dict[str, Any]) -> None:
    assert asks(signal("LOAD_DISPATCH", "delta", "-5"), **changes) == []


def test_event_without_an_end_goes_on() -> None:
    told = signal("SIMPLE", "level", "3")
    told["intervals"][0]["duration"] = "PT0S"
    (ask,) = read_asked(record(told, duration="P"), words=ProgramWords(), enrolled_w=1, now=START).asks
    assert (ask.is_open_ended, ask.ends_at - ask.starts_at) == (True, LONGEST_ASKED)
    (ask,) = read_asked(record(told), words=ProgramWords(), enrolled_w=1, now=START).asks
    assert (ask.is_open_ended, ask.ends_at - ask.starts_at) == (False, timedelta(hours=1))


def test_ids_priority_and_targets_are_kept_as_told() -> None:
    told = record(
        signal("SIMPLE", "level", "1"), priority="2", startAfter="PT5M", targets={"venID": ["v"], "resourceID": ["r"]}
    )
    asked = read_asked(told, words=ProgramWords(), enrolled_w=1, now=START)
    assert (asked.remote_id, asked.revision, asked.priority, asked.targets) == ("007", 3, 2, ("r",))
    first = timedelta(minutes=2.5)  # half of five minutes either way around it: never before the start
    assert (asked.asks[0].starts_at - START, asked.asks[0].randomize_seconds) == (first, 150)
    alone = read_asked(record(targets={"venID": ["v"]}), words=ProgramWords(), enrolled_w=1, now=START)
    assert (alone.priority, alone.targets) == (None, ("v",))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"signals": [signal("LOAD_DISPATCH", "delta", "-5"), signal("LOAD_CONTROL", "x-loadControlCapacity", "0")]},
            "two things at once",
        ),
        ({"signals": [signal("SIMPLE", "level", "1", "2", "3", "1", "1")]}, "last longer than the event"),
        ({"start": "2026-11-19T01:00:00"}, "no zone"),
        ({"start": "9999-11-19T01:00:00Z"}, "beyond all reason"),
        ({"start": "0001-01-01T00:00:00Z"}, "beyond all reason"),
        ({"duration": "-PT1H"}, "beyond all reason"),
        ({"duration": "PT99999999999S"}, "beyond all reason"),
        ({"duration": "an hour"}, "not readable"),
        ({"modificationNumber": "-1"}, "modification number"),
        ({"modificationNumber": "9" * 40}, "modification number"),
        ({"priority": "first"}, "priority"),
        ({"id": ""}, "id is missing"),
        ({"id": "x" * 129}, "id is missing"),
    ],
)
def test_contradictions_are_refused_by_name(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(OperatorUnreadable, match=why):
        read_asked(record(signal("SIMPLE", "level", "1")) | changes, words=ProgramWords(), enrolled_w=1, now=START)


def test_intervals_that_overlap_are_refused() -> None:
    told = signal("SIMPLE", "level", "1", "2")
    told["intervals"][1]["start"] = "2026-11-19T01:05:00Z"
    with pytest.raises(OperatorUnreadable, match="overlap"):
        asks(told)


@pytest.mark.parametrize(
    ("text", "minutes"), [("PT15M", 15), ("P", 0), ("PT0S", 0), ("P1DT2H", 1560), ("P1W", 0), ("2W", 20160)]
)
def test_durations_are_those_of_the_schema(text: str, minutes: int) -> None:
    if text == "P1W":  # the schema's pattern has weeks without the P
        with pytest.raises(OperatorUnreadable):
            read_length(text)
    else:
        assert read_length(text) == timedelta(minutes=minutes)
